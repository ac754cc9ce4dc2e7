// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { TurnId } from "./TurnIdLib.sol";

/// @notice What changes with every turn, in the one slot that a turn writes.
///
///     255   160 159      120 119       96 95   73 72    72 71    40 39     0
///     |  spent  | lastTurnAt | periodIndex | turns | halted | epoch  |  nonce  |
type RingState is uint256;

using RingStateLib for RingState global;

/// @title RingStateLib
/// @notice Reads and changes a `RingState` in memory.
library RingStateLib {
    uint256 private constant HALTED = 1 << 72;
    uint256 private constant EPOCH_AND_NONCE_MASK = (1 << 72) - 1;
    /// @dev Nonce, epoch and whether it is halted.
    uint256 private constant IDENTITY_MASK = (1 << 73) - 1;
    uint256 private constant LAST_TURN_MASK = uint256(type(uint40).max) << 120;
    /// @dev One to the nonce and one to `turns`.
    uint256 private constant ONE_TURN = 1 << 73 | 1;
    /// @notice The most turns in a period that can be counted.
    uint256 internal constant MAX_TURNS = (1 << 23) - 1;

    /// @notice The next turn.
    function nonce(RingState state) internal pure returns (uint40) {
        return uint40(RingState.unwrap(state));
    }

    /// @notice The epoch; 0 if the ring was never formed.
    function epoch(RingState state) internal pure returns (uint32) {
        return uint32(RingState.unwrap(state) >> 40);
    }

    /// @notice Whether the ring stands still.
    function halted(RingState state) internal pure returns (bool) {
        return RingState.unwrap(state) & HALTED != 0;
    }

    /// @notice Whether the ring runs, and this turn, whose id is clean, is of its epoch and its next one.
    /// @return Anything but zero: it is not.
    function refusal(RingState state, TurnId id) internal pure returns (uint256) {
        return
            ((RingState.unwrap(state) & IDENTITY_MASK) ^ (id.slot() & EPOCH_AND_NONCE_MASK)) | TurnId.unwrap(id) >> 144;
    }

    /// @notice How many turns were taken in the period `periodIndex`.
    function turns(RingState state) internal pure returns (uint24) {
        return uint24(RingState.unwrap(state) >> 73 & MAX_TURNS);
    }

    /// @notice The period of the last turn.
    function periodIndex(RingState state) internal pure returns (uint24) {
        return uint24(RingState.unwrap(state) >> 96);
    }

    /// @notice The time of the last turn.
    function lastTurnAt(RingState state) internal pure returns (uint40) {
        return uint40(RingState.unwrap(state) >> 120);
    }

    /// @notice What was spent of the main asset in the period `periodIndex`.
    function spent(RingState state) internal pure returns (uint96) {
        return uint96(RingState.unwrap(state) >> 160);
    }

    /// @notice The state in another period than that of the last turn: nothing is used yet.
    function inPeriod(RingState state, uint24 index) internal pure returns (RingState) {
        return RingState.wrap(RingState.unwrap(state.withoutUse()) | uint256(index) << 96);
    }

    /// @notice The state after one more turn, now.
    /// @dev The caller has compared `turns` to a limit of at most `MAX_TURNS`, and the nonce to a last one below 2^40 - 1. 40
    /// bits of seconds last for 34,000 years.
    function nextTurn(RingState state) internal view returns (RingState) {
        unchecked {
            return RingState.wrap((RingState.unwrap(state) & ~LAST_TURN_MASK | block.timestamp << 216 >> 96) + ONE_TURN);
        }
    }

    /// @notice The state with another sum spent of the main asset.
    function withSpent(RingState state, uint256 spent_) internal pure returns (RingState) {
        return RingState.wrap(RingState.unwrap(state) << 96 >> 96 | spent_ << 160);
    }

    /// @notice The state in the next epoch.
    function nextEpoch(RingState state) internal pure returns (RingState) {
        assert(state.epoch() != type(uint32).max);
        return RingState.wrap(RingState.unwrap(state) + (1 << 40));
    }

    /// @notice The state, halted or not.
    function withHalted(RingState state, bool halted_) internal pure returns (RingState) {
        uint256 word = RingState.unwrap(state);
        return RingState.wrap(halted_ ? word | HALTED : word & ~HALTED);
    }

    /// @notice The state with no turns and no spending in its period. The time of the last turn stays.
    function withoutUse(RingState state) internal pure returns (RingState) {
        return RingState.wrap(RingState.unwrap(state) & (IDENTITY_MASK | LAST_TURN_MASK));
    }
}
