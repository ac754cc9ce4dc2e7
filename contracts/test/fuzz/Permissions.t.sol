// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Gauge } from "../doubles/Callees.sol";
import { PermissionModel } from "../reference/PermissionModel.sol";

/// @notice Random permissions and limits, then random calls, against a model that reads like the documentation. Small sets of
/// targets, functions and assets, so that they meet.
contract PermissionsTest is RingTest {
    uint256 private constant STEPS = 24;

    IRingMultisig.Charter private _ring;
    PermissionModel private _model;
    address[6] private _targets;
    address[3] private _assets;
    bytes4[3] private _selectors;

    function setUp() public override {
        super.setUp();
        _targets = [address(new Gauge()), address(new Gauge()), address(token), payee, master, address(treasury)];
        _assets = [address(0), address(token), _targets[0]];
        _selectors = [bytes4(0), bytes4(0xc0ffee00), bytes4(0xa9059cbb)];
    }

    function testFuzz_AllowsExactlyWhatTheModelAllows(uint256[STEPS] memory seeds, bool native) public {
        _ring = native ? _usualCharter() : _tokenCharter();
        _form(RING, _ring);
        _model = new PermissionModel(address(treasury), master, _ring.asset, CAP);
        for (uint256 i; i < STEPS; ++i) {
            // Rather more permissions at first, rather more calls later.
            uint256 kind = seeds[i] % 16;
            uint256 seed = uint256(keccak256(abi.encode(seeds[i])));
            if (kind < (i < STEPS / 2 ? 8 : 2)) _permitAtRandom(seed);
            else if (kind == 15) _limitAtRandom(seed);
            else _callAtRandom(seed);
        }
    }

    /// @dev The same with everything permitted beforehand, so that arguments and caps decide.
    function testFuzz_AllowsExactlyWhatTheModelAllows_OnceAllIsPermitted(uint256[STEPS] memory seeds, uint8 words)
        public
    {
        _ring = _usualCharter();
        _form(RING, _ring);
        _model = new PermissionModel(address(treasury), master, _ring.asset, CAP);
        for (uint256 i; i < 4; ++i) {
            for (uint256 j; j < _selectors.length; ++j) {
                IRingMultisig.Permission memory permission = _bareTransfer(_targets[i]);
                permission.selector = _selectors[j];
                if (j != 0) (permission.amountWord, permission.asset) = (uint8(j), _assets[i % 3]);
                if (j != 0) permission.addressWords = words & 7;
                _giveBoth(permission);
            }
        }
        for (uint256 i = 1; i < _assets.length; ++i) {
            _limitBoth(_assets[i], CAP);
        }
        for (uint256 i; i < STEPS; ++i) {
            _callAtRandom(uint256(keccak256(abi.encode(seeds[i]))));
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Only permissions that can be: those that cannot are refused when they are given.
    function _permitAtRandom(uint256 seed) private {
        IRingMultisig.Permission memory permission = _bareTransfer(_targets[seed % 4]);
        permission.selector = _selectors[(seed >> 8) % 3];
        permission.allowed = (seed >> 16) % 4 != 0;
        if (permission.selector == 0) {
            if ((seed >> 24) % 2 == 0) permission.target = address(0);
        } else {
            permission.addressWords = uint16((seed >> 32) % 8);
            if ((seed >> 40) % 3 != 0) {
                (permission.amountWord, permission.asset) = (uint8((seed >> 48) % 3), _assets[(seed >> 56) % 3]);
            }
        }
        _giveBoth(permission);
    }

    function _limitAtRandom(uint256 seed) private {
        _limitBoth(_assets[seed % 3], (seed >> 8) % 4 == 0 ? 0 : uint104((seed >> 16) % CAP));
    }

    function _callAtRandom(uint256 seed) private {
        uint256 count = 1 + seed % 3;
        PermissionModel.Call[] memory calls = new PermissionModel.Call[](count);
        bytes memory packed;
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            calls[i] = _randomCall(seed);
            packed = bytes.concat(
                packed,
                calls[i].pay
                    ? _pay(calls[i].target, calls[i].value)
                    : _call(calls[i].target, calls[i].value, calls[i].data)
            );
        }
        (bool success,) = address(treasury).call(_encoded(_turn(RING, _ring, packed)));
        (bool expected,) = address(_model).call(abi.encodeCall(PermissionModel.take, (calls)));
        assertEq(success, expected);
        for (uint256 i; i < _assets.length; ++i) {
            uint256 spent =
                _assets[i] == _ring.asset ? treasury.getRing(RING).spent : treasury.getLimit(RING, _assets[i]).spent;
            assertEq(spent, _model.spent(_assets[i]));
        }
    }

    /// @dev A pay, a bare transfer, or a call with up to three words and perhaps a few bytes more or less.
    function _randomCall(uint256 seed) private view returns (PermissionModel.Call memory c) {
        c.pay = seed % 8 == 0;
        c.target = _targets[(seed >> 8) % ((seed >> 16) % 4 == 0 ? 6 : 4)];
        c.value = (seed >> 24) % 3 == 0 ? _randomAmount(seed >> 32) : 0;
        if (c.pay || (seed >> 72) % 4 == 0) return c;
        // Selector zero, which is never permitted with data, once in a while.
        uint256 selector = (seed >> 88) % 16 == 0 ? 0 : 1 + (seed >> 80) % 2;
        c.data = bytes.concat(_selectors[selector]);
        for (uint256 word; word < 3; ++word) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 argument = seed % 4 == 0 ? uint256(uint160(payee)) : _randomAmount(seed >> 8);
            if ((seed >> 64) % 16 == 0) argument |= 1 << (160 + (seed >> 72) % 96);
            c.data = bytes.concat(c.data, bytes32(argument));
        }
        if ((seed >> 128) % 4 == 0) c.data = _cut(c.data, (seed >> 136) % (c.data.length + 1));
    }

    function _randomAmount(uint256 seed) private pure returns (uint256) {
        return seed % 16 == 0 ? CAP : (seed >> 8) % (CAP / 4);
    }

    function _giveBoth(IRingMultisig.Permission memory permission) private {
        _permit(RING, permission);
        _model.give(permission);
    }

    function _limitBoth(address asset, uint104 cap) private {
        _limit(RING, asset, cap);
        _model.limit(asset, cap);
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i; i < length; ++i) {
            part[i] = data[i];
        }
    }
}
