// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Budget, Terms } from "../../src/libraries/CharterLib.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { Symbols } from "./Symbols.sol";

/// @title SymbolicRing
/// @notice The contract as it is deployed, in any state at all: every slot of its storage is arbitrary, master and guardian,
/// permissions and limits included. Only what a proof needs to be fixed is fixed: the size of a ring, and the charter's hash,
/// which is that of arbitrary terms, an arbitrary budget and arbitrary keys.
///
/// What all proofs take for granted: keccak256 has no collisions, and ecrecover is any function of its arguments.
abstract contract SymbolicRing is Test, Symbols {
    string private constant ARTIFACT = "target/forge/prove-contract/RingMultisig.sol/RingMultisig.json";
    uint8 internal constant ABSENT = 0;
    uint8 internal constant SIGNED = 1;
    uint8 internal constant SENDER = 2;
    uint32 internal constant RING = 7;
    /// @dev Half of the order of secp256k1: signatures with a larger s do not count.
    uint256 internal constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    uint256 private constant MASTER_SLOT = 0;
    uint256 private constant PENDING_MASTER_SLOT = 1;
    uint256 private constant GUARDIAN_SLOT = 2;
    uint256 private constant ACTION_NONCE_SLOT = 3;
    uint256 private constant RINGS_SLOT = 4;

    IRingMultisig internal treasury;
    address internal master;
    address internal guardian;

    function setUp() public virtual {
        bytes memory code = bytes.concat(vm.getCode(ARTIFACT), abi.encode(address(1), address(0)));
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed != address(0), "not deployed");
        treasury = IRingMultisig(deployed);
        svm.enableSymbolicStorage(deployed);
        master = svm.createAddress("master");
        guardian = svm.createAddress("guardian");
        vm.assume(master != address(0));
        vm.store(deployed, bytes32(MASTER_SLOT), bytes32(uint256(uint160(master))));
        vm.store(deployed, bytes32(GUARDIAN_SLOT), bytes32(uint256(uint160(guardian))));
        vm.deal(deployed, svm.createUint(128, "balance"));
        vm.warp(svm.createUint(40, "now"));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Storage
    // ------------------------------------------------------------------------------------------------------------

    function _store(uint32 ring, uint256 index, uint256 word) internal {
        vm.store(address(treasury), _slot(ring, index), bytes32(word));
    }

    function _load(uint32 ring, uint256 index) internal view returns (uint256) {
        return uint256(vm.load(address(treasury), _slot(ring, index)));
    }

    function _slot(uint32 ring, uint256 index) private pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(ring, RINGS_SLOT))) + index);
    }

    function _storeRule(uint32 ring, address target, bytes4 selector, uint256 rule) internal {
        bytes32 rules = keccak256(abi.encode(target, _slot(ring, 3)));
        vm.store(address(treasury), keccak256(abi.encode(selector, rules)), bytes32(rule));
    }

    function _state(uint32 ring) internal view returns (uint256) {
        return _load(ring, 0);
    }

    function _nonce(uint256 state) internal pure returns (uint256) {
        return state & (2 ** 40 - 1);
    }

    function _epoch(uint256 state) internal pure returns (uint256) {
        return state >> 40 & (2 ** 32 - 1);
    }

    function _isHalted(uint256 state) internal pure returns (bool) {
        return state >> 72 & 1 == 1;
    }

    function _turns(uint256 state) internal pure returns (uint256) {
        return state >> 73 & (2 ** 23 - 1);
    }

    function _periodIndex(uint256 state) internal pure returns (uint256) {
        return state >> 96 & (2 ** 24 - 1);
    }

    function _lastTurnAt(uint256 state) internal pure returns (uint256) {
        return state >> 120 & (2 ** 40 - 1);
    }

    function _spent(uint256 state) internal pure returns (uint256) {
        return state >> 160;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Rings
    // ------------------------------------------------------------------------------------------------------------

    /// @dev A ring and its charter.
    struct Ring {
        uint256 seats;
        uint256 window;
        uint256 quorum;
        uint256 state;
        Terms terms;
        Budget budget;
        address[] keys;
        uint256 first;
    }

    /// @dev A ring in any state, with any charter of a size that its master can have set.
    /// @param first The seat that the next window begins with: the nonce is any that leaves this when divided by N, which is a
    /// power of two.
    function _anyRing(uint256 seats, uint256 window, uint256 quorum, uint256 first)
        internal
        pure
        returns (Ring memory ring)
    {
        (ring.seats, ring.window, ring.quorum, ring.first) = (seats, window, quorum, first);
        ring.terms = _anyTerms(seats, window, quorum);
        ring.budget = Budget.wrap(svm.createBytes32("budget"));
        ring.keys = new address[](seats);
        for (uint256 i; i < seats; ++i) {
            ring.keys[i] = svm.createAddress("key");
        }
        ring.state = svm.createUint(216, "state") << 40 | (svm.createUint(40, "nonce") & ~(seats - 1)) | first;
    }

    function _anyTerms(uint256 seats, uint256 window, uint256 quorum) internal pure returns (Terms terms) {
        terms = Terms.wrap(bytes32(svm.createUint(152, "terms") << 24 | quorum << 16 | window << 8 | seats));
        vm.assume(terms.period() >= 1 hours);
        vm.assume(terms.turnsPerPeriod() < 2 ** 23);
        vm.assume(terms.lastNonce() < 2 ** 40 - 1);
    }

    function _put(uint32 id, Ring memory ring) internal {
        _store(id, 0, ring.state);
        _store(id, 1, uint256(keccak256(abi.encodePacked(ring.terms, ring.budget, ring.keys))));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns
    // ------------------------------------------------------------------------------------------------------------

    struct Turn {
        TurnId id;
        bytes calls;
        bytes witness;
    }

    /// @dev The next turn of a ring whose keys have agreed: what `execute` can accept at all, as `Quorums` proves. The
    /// signatures are arbitrary, and the seats have the keys that they recover to. It may still come too late, too soon, or
    /// spend too much.
    function _agreed(uint32 ringId, Ring memory ring, bytes memory calls) internal returns (Turn memory) {
        ring.state &= ~uint256(1 << 72);
        return _signed(ringId, ring, _nextId(ringId, ring), calls);
    }

    /// @dev The id of the next turn of a ring, valid until any time.
    function _nextId(uint32 ringId, Ring memory ring) internal pure returns (TurnId) {
        uint256 identity = ring.state & (2 ** 72 - 1);
        return TurnId.wrap(uint256(ringId) << 112 | identity << 40 | svm.createUint(40, "validUntil"));
    }

    /// @dev The same with an id that may be another than that of the next turn.
    function _signed(uint32 ringId, Ring memory ring, TurnId id, bytes memory calls)
        internal
        returns (Turn memory turn)
    {
        turn.id = id;
        turn.calls = calls;
        bytes32 digest = treasury.turnDigest(turn.id, calls);
        for (uint256 i; i < ring.seats; ++i) {
            uint256 seat = (ring.first + i) % ring.seats;
            if (i < ring.quorum) {
                (bytes32 r, uint256 s) = (svm.createBytes32("r"), svm.createUint(255, "s"));
                vm.assume(s <= MAX_S);
                uint256 parity = svm.createUint(1, "parity");
                ring.keys[seat] = ecrecover(digest, uint8(parity + 27), r, bytes32(s));
                turn.witness = bytes.concat(turn.witness, bytes1(SIGNED), r, bytes32(parity << 255 | s));
            } else {
                turn.witness = bytes.concat(turn.witness, bytes1(ABSENT), bytes20(ring.keys[seat]));
            }
            vm.assume(ring.keys[seat] != address(0));
        }
        _put(ringId, ring);
    }

    function _execute(Ring memory ring, Turn memory turn) internal returns (bool ok) {
        bytes memory signedCalls = bytes.concat(bytes3(uint24(turn.calls.length)), turn.calls, turn.witness);
        (ok,) = address(treasury)
            .call(abi.encodeCall(IRingMultisig.execute, (turn.id, ring.terms, ring.budget, signedCalls)));
    }

    /// @dev One payment of the main asset: any amount, to anybody.
    function _anyPay() internal pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(1)), svm.createBytes(51, "pay"));
    }
}
