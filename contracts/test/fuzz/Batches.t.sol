// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Answerer, Refuser } from "../doubles/Callees.sol";
import { FalseToken, SilentToken, TwoToken } from "../doubles/Tokens.sol";

/// @notice Random mixtures of payments and calls that succeed and fail: each is made once, in its place; each failure is named by
/// its place and request; and the event holds all requests in order.
contract BatchesModelTest is RingTest {
    /// @dev How payments of the main asset go, by asset: native coin, a token, one that returns nothing, one that returns false,
    /// one that returns a two, one without code.
    address[6] private _assets;
    address private _answerer;
    address private _refuser;
    uint256[] private _failures;
    bytes private _requests;
    uint256 private _paid;

    function setUp() public override {
        super.setUp();
        (_answerer, _refuser) = (address(new Answerer()), address(new Refuser()));
        _assets = [
            address(0),
            address(token),
            address(new SilentToken()),
            address(new FalseToken()),
            address(new TwoToken()),
            makeAddr("nobody")
        ];
    }

    function testFuzz_EachCallIsMadeAndNamedInItsPlace(uint256 seed, uint8 count, uint8 assetSeed) public {
        uint256 kindOfAsset = assetSeed % 6;
        IRingMultisig.Charter memory charter = _usualCharter();
        (charter.asset, charter.cap) = (_assets[kindOfAsset], 1e6);
        _form(RING, charter);
        if (kindOfAsset != 0) _limit(RING, address(0), 1e6);
        _permit(RING, _bareTransfer(address(0)));
        _permit(RING, _unmetered(_answerer));
        _permit(RING, _unmetered(_refuser));

        bytes memory calls;
        for (uint256 i; i < count % 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            calls = bytes.concat(calls, _randomCall(seed, i, kindOfAsset));
        }
        _sees(_turn(RING, charter, calls));
        assertEq(payee.balance, kindOfAsset == 0 ? _paid : 0);
        if (kindOfAsset == 1 || kindOfAsset == 2) assertEq(SilentToken(_assets[kindOfAsset]).balanceOf(payee), _paid);
    }

    /// @dev Mostly payments, since they are made one after the other without looking up.
    function _randomCall(uint256 seed, uint256 index, uint256 kindOfAsset) private returns (bytes memory) {
        bytes16 requestId = bytes16(keccak256(abi.encode(seed, index)));
        _requests = bytes.concat(_requests, requestId);
        uint256 kind = seed % 8;
        uint256 amount = (seed >> 8) % 1000;
        if (kind < 5) {
            address to = kind == 0 ? _refuser : payee;
            bool fails = kindOfAsset > 2 || (kindOfAsset == 0 && to == _refuser);
            if (fails) _failures.push(index);
            else if (to == payee) _paid += amount;
            return _pay(requestId, CALL_GAS, to, amount);
        }
        if (kind == 5) return _call(requestId, CALL_GAS, makeAddr("another"), amount, "");
        if (kind == 6) return _call(requestId, CALL_GAS, _answerer, 0, abi.encodePacked(bytes4(0xc0ffee00), seed));
        _failures.push(index);
        return
            _call(requestId, CALL_GAS, _refuser, 0, abi.encodePacked(bytes4(0xc0ffee00), new bytes(seed >> 16 & 0xff)));
    }

    function _sees(Turn memory turn) private {
        vm.recordLogs();
        _execute(turn);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 seen;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(treasury)) continue;
            if (logs[i].topics[0] == IRingMultisig.TurnExecuted.selector) {
                assertEq(logs[i].data, abi.encode(turn.id, _digest(turn.id, turn.calls), _requests));
                continue;
            }
            assertEq(logs[i].topics[0], IRingMultisig.CallFailed.selector);
            uint256 index = _failures[seen++];
            assertEq(logs[i].data, abi.encode(turn.id.nonce(), index, _requestAt(index)));
        }
        assertEq(seen, _failures.length, "a failure that was not named");
    }

    function _requestAt(uint256 index) private view returns (bytes16 requestId) {
        bytes memory requests = _requests;
        assembly ("memory-safe") {
            requestId := shl(128, shr(128, mload(add(add(requests, 32), mul(16, index)))))
        }
    }

    function _unmetered(address target) private pure returns (IRingMultisig.Permission memory permission) {
        permission = _bareTransfer(target);
        permission.selector = 0xc0ffee00;
    }
}
