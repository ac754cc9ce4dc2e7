// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { SymbolicRing } from "./SymbolicRing.sol";

/// @title TurnsProof
/// @notice What a turn does to the state of its ring, and which turns do nothing. N, W, Q = 2, 2, 2 but where it says
/// otherwise, in any state; the turn is void, or makes one payment.
contract TurnsProof is SymbolicRing {
    function check_AVoidTurnRaisesTheNonceByExactlyOneOrNotAtAll() external {
        (Ring memory ring, bool ok) = _anyTurn("");
        assert(_nonce(_state(RING)) == _nonce(ring.state) + (ok ? 1 : 0));
    }

    function check_APayingTurnRaisesTheNonceByExactlyOneOrNotAtAll() external {
        (Ring memory ring, bool ok) = _anyTurn(_anyPay());
        assert(_nonce(_state(RING)) == _nonce(ring.state) + (ok ? 1 : 0));
    }

    function check_ATurnChangesNeitherEpochNorHalt() external {
        (Ring memory ring,) = _anyTurn(_anyPay());
        assert((_state(RING) ^ ring.state) >> 40 & (2 ** 33 - 1) == 0);
    }

    function check_ATurnChangesNeitherCharterNorMasterNorGuardian() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        Turn memory turn = _agreed(RING, ring, _anyPay());
        (uint256 charter, uint256 changedAt) = (_load(RING, 1), _load(RING, 2));
        _execute(ring, turn);
        assert(_load(RING, 1) == charter && _load(RING, 2) == changedAt);
        assert(treasury.master() == master && treasury.guardian() == guardian);
    }

    function check_ATurnUsesNobodysActionNonce() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        Turn memory turn = _agreed(RING, ring, _anyPay());
        address anybody = svm.createAddress("anybody");
        uint256 before = treasury.actionNonce(anybody);
        _execute(ring, turn);
        assert(treasury.actionNonce(anybody) == before);
    }

    function check_ATurnCountsItselfInItsPeriod() external {
        (Ring memory ring, bool ok) = _anyTurn("");
        if (!ok) return;
        uint256 state = _state(RING);
        uint256 index = uint24(block.timestamp / ring.terms.period());
        bool isSamePeriod = _periodIndex(ring.state) == index;
        assert(_periodIndex(state) == index);
        assert(_lastTurnAt(state) == block.timestamp);
        assert(_turns(state) == (isSamePeriod ? _turns(ring.state) : 0) + 1);
    }

    function check_NoTurnExecutesTwice() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        Turn memory turn = _agreed(RING, ring, "");
        if (!_execute(ring, turn)) return;
        assert(!_execute(ring, turn));
    }

    /// @dev The other content is signed by the same seats.
    function check_AfterATurnNoOtherContentOfItsNonceExecutes() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        Turn memory turn = _agreed(RING, ring, "");
        if (!_execute(ring, turn)) return;
        uint256 state = _state(RING);
        Turn memory other = _signed(RING, ring, _nextId(RING, ring), _anyPay());
        _store(RING, 0, state);
        assert(!_execute(ring, other));
    }

    function check_ATurnOfAnotherEpochNeverExecutes() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        TurnId id = _otherId(RING, ring, 80, 32);
        vm.assume(id.epoch() != _epoch(ring.state));
        assert(!_execute(ring, _signed(RING, ring, id, "")));
    }

    function check_ATurnOfAnotherNonceNeverExecutes() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        // Of the same window: with another window the keys would differ too.
        TurnId id = TurnId.wrap(TurnId.unwrap(_otherId(RING, ring, 40, 40)) & ~uint256(1 << 40) | 1 << 40);
        vm.assume(id.nonce() != _nonce(ring.state));
        assert(!_execute(ring, _signed(RING, ring, id, "")));
    }

    function check_ATurnWhoseIdHasBitsAboveTheRingNeverExecutes() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        TurnId id = _otherId(RING, ring, 144, 112);
        vm.assume(TurnId.unwrap(id) >> 144 != 0);
        assert(!_execute(ring, _signed(RING, ring, id, "")));
    }

    function check_AHaltedRingExecutesNothingAndStaysAsItIs() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        ring.state |= 1 << 72;
        Turn memory turn = _signed(RING, ring, _nextId(RING, ring), _anyPay());
        uint256 balance = address(treasury).balance;
        assert(!_execute(ring, turn));
        assert(_state(RING) == ring.state && address(treasury).balance == balance);
    }

    /// @dev As `_anyTurn`, but the ring may be in any epoch: nothing says that it was ever formed.
    function check_ATurnThatIsRefusedLeavesTheStateAsItWas() external {
        (Ring memory ring, bool ok) = _anyTurn(_anyPay());
        assert(ok || _state(RING) == ring.state);
    }

    /// @dev The id of the next turn, but for `size` bits from bit `at` on, which are any.
    function _otherId(uint32 ringId, Ring memory ring, uint256 at, uint256 size) private pure returns (TurnId) {
        ring.state &= ~uint256(1 << 72);
        uint256 mask = (2 ** size - 1) << at;
        return TurnId.wrap(TurnId.unwrap(_nextId(ringId, ring)) & ~mask | svm.createUint(size, "other") << at);
    }

    function _anyTurn(bytes memory calls) private returns (Ring memory ring, bool ok) {
        ring = _anyRing(2, 2, 2, 1);
        ok = _execute(ring, _agreed(RING, ring, calls));
    }
}
