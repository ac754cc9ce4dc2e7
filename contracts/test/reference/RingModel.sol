// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title RingModel
/// @notice The promises of the ring window, written to be read. A set of seats is an array of `bool`, one a seat.
library RingModel {
    uint256 internal constant FOREVER = type(uint256).max;

    /// @notice Whether a seat may sign a turn: one of the W seats from `nonce` on, around the ring.
    function inWindow(uint256 seat, uint256 nonce, uint256 seats, uint256 window) internal pure returns (bool) {
        for (uint256 step; step < window; ++step) {
            if ((nonce + step) % seats == seat) return true;
        }
        return false;
    }

    /// @notice How many of the stolen seats may sign a turn.
    function stolenInWindow(bool[] memory stolen, uint256 nonce, uint256 window) internal pure returns (uint256 count) {
        for (uint256 seat; seat < stolen.length; ++seat) {
            if (stolen[seat] && inWindow(seat, nonce, stolen.length, window)) ++count;
        }
    }

    /// @notice How many turns from `nonce` on the thief executes alone: those until the first whose window holds fewer
    /// than Q stolen seats. Once around the ring without such a turn, there is none.
    function turnsOfThief(bool[] memory stolen, uint256 nonce, uint256 window, uint256 quorum)
        internal
        pure
        returns (uint256 turns)
    {
        while (stolenInWindow(stolen, nonce + turns, window) >= quorum) {
            if (++turns == stolen.length) return FOREVER;
        }
    }

    /// @notice The same for Q = W, as the documentation puts it: the run of stolen seats from `nonce` on, less W - 1.
    function boundOfFullQuorum(bool[] memory stolen, uint256 nonce, uint256 window) internal pure returns (uint256) {
        uint256 run;
        while (stolen[(nonce + run) % stolen.length]) {
            if (++run == stolen.length) return FOREVER;
        }
        return run < window ? 0 : run - window + 1;
    }

    /// @notice How many of `turns` turns in a row one key can sign at most: W each time around, and of the rest as many as
    /// there are, or W.
    function shareOfOneKey(uint256 seats, uint256 window, uint256 turns) internal pure returns (uint256) {
        uint256 rest = turns % seats;
        return window * (turns / seats) + (rest < window ? rest : window);
    }
}
