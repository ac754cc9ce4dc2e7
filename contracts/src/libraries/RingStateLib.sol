// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What changes with every turn, in the one slot that a turn writes.
///
///     255                    200 199     104 103         80 79    72 71    40 39     0
///     | zero, kept for velocity |   spent   | periodIndex | halted | epoch  |  nonce  |
type RingState is uint256;

using RingStateLib for RingState global;

/// @title RingStateLib
/// @notice Reads and changes a `RingState` in memory.
library RingStateLib {
    uint256 private constant HALTED = 1 << 72;
    uint256 private constant METER_SHIFT = 80;
    uint256 private constant METER_MASK = uint256(type(uint120).max) << METER_SHIFT;

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

    /// @notice The period in which `spent` was spent.
    function periodIndex(RingState state) internal pure returns (uint24) {
        return uint24(RingState.unwrap(state) >> METER_SHIFT);
    }

    /// @notice What was spent of the main asset in that period.
    function spent(RingState state) internal pure returns (uint96) {
        return uint96(RingState.unwrap(state) >> 104);
    }

    /// @notice The state after one more turn.
    /// @dev 2^40 turns are 34,000 years at one a second; even then the carry is refused.
    function nextTurn(RingState state) internal pure returns (RingState) {
        assert(state.nonce() != type(uint40).max);
        return RingState.wrap(RingState.unwrap(state) + 1);
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

    /// @notice The state with another meter reading of the main asset.
    function withMeter(RingState state, uint24 periodIndex_, uint96 spent_) internal pure returns (RingState) {
        uint256 meter = uint256(periodIndex_) | uint256(spent_) << 24;
        return RingState.wrap(RingState.unwrap(state) & ~METER_MASK | meter << METER_SHIFT);
    }
}
