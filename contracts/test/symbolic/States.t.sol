// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { RingState, RingStateLib } from "../../src/libraries/RingStateLib.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { Symbols } from "./Symbols.sol";

/// @title StatesProof
/// @notice `RingStateLib` changes the fields it says and no other: every word is a state.
contract StatesProof is Test, Symbols {
    struct Fields {
        uint256 nonce;
        uint256 epoch;
        bool halted;
        uint256 turns;
        uint256 periodIndex;
        uint256 lastTurnAt;
        uint256 spent;
    }

    function check_TheFieldsOfAStateAreAllOfIt(uint256 word) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        uint256 halted = f.halted ? 1 : 0;
        uint256 low = f.nonce + f.epoch * 2 ** 40 + halted * 2 ** 72 + f.turns * 2 ** 73;
        assert(word == low + f.periodIndex * 2 ** 96 + f.lastTurnAt * 2 ** 120 + f.spent * 2 ** 160);
    }

    function check_ATurnAddsOneToNonceAndTurnsAndSetsTheTime(uint256 word, uint40 time) external {
        Fields memory f = _fields(RingState.wrap(word));
        vm.assume(f.nonce < 2 ** 40 - 1 && f.turns < RingStateLib.MAX_TURNS);
        vm.warp(time);
        (f.nonce, f.turns, f.lastTurnAt) = (f.nonce + 1, f.turns + 1, time);
        _same(RingState.wrap(word).nextTurn(), f);
    }

    function check_AnotherPeriodForgetsTurnsAndSpending(uint256 word, uint24 index) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        (f.turns, f.spent, f.periodIndex) = (0, 0, index);
        _same(RingState.wrap(word).inPeriod(index), f);
    }

    function check_WithoutUseForgetsThePeriod(uint256 word) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        (f.turns, f.spent, f.periodIndex) = (0, 0, 0);
        _same(RingState.wrap(word).withoutUse(), f);
    }

    function check_SpendingChangesNothingElse(uint256 word, uint96 spent) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        f.spent = spent;
        _same(RingState.wrap(word).withSpent(spent), f);
    }

    function check_TheNextEpochChangesNothingElse(uint256 word) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        vm.assume(f.epoch != type(uint32).max);
        ++f.epoch;
        _same(RingState.wrap(word).nextEpoch(), f);
    }

    function check_HaltingAndResumingChangeNothingElse(uint256 word, bool halted) external pure {
        Fields memory f = _fields(RingState.wrap(word));
        f.halted = halted;
        _same(RingState.wrap(word).withHalted(halted), f);
    }

    function check_ATurnIsRefusedUnlessTheRingRunsAndEpochAndNonceAreItsOwn(uint256 word, uint256 anyId) external pure {
        (RingState state, TurnId id) = (RingState.wrap(word), TurnId.wrap(anyId));
        bool isNext = !state.halted() && id.isClean() && id.epoch() == state.epoch() && id.nonce() == state.nonce();
        assert((state.refusal(id) == 0) == isNext);
    }

    function check_AnIdReadsBackWhatWasPacked(uint32 ring, uint32 epoch, uint40 nonce, uint40 validUntil)
        external
        pure
    {
        bytes32 packed = bytes32(abi.encodePacked(uint112(0), ring, epoch, nonce, validUntil));
        TurnId id = TurnId.wrap(uint256(packed));
        assert(id.ring() == ring && id.epoch() == epoch && id.nonce() == nonce && id.validUntil() == validUntil);
        assert(id.isClean());
    }

    function check_TwoIdsShareASlotOnlyIfRingEpochAndNonceAreTheSame(uint256 first, uint256 second) external pure {
        (TurnId one, TurnId two) = (TurnId.wrap(first), TurnId.wrap(second));
        vm.assume(one.isClean() && two.isClean());
        bool isSame = one.ring() == two.ring() && one.epoch() == two.epoch() && one.nonce() == two.nonce();
        assert((one.slot() == two.slot()) == isSame);
    }

    function _fields(RingState state) private pure returns (Fields memory) {
        return Fields({
            nonce: state.nonce(),
            epoch: state.epoch(),
            halted: state.halted(),
            turns: state.turns(),
            periodIndex: state.periodIndex(),
            lastTurnAt: state.lastTurnAt(),
            spent: state.spent()
        });
    }

    function _same(RingState state, Fields memory expected) private pure {
        assert(keccak256(abi.encode(_fields(state))) == keccak256(abi.encode(expected)));
    }
}
