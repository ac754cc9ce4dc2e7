// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Which turn: packed into one word, since every turn carries it as call data.
///
///     255        144 143   112 111   80 79    40 39        0
///     |   zero      |  ring   | epoch  | nonce  | validUntil |
type TurnId is uint256;

using TurnIdLib for TurnId global;

/// @title TurnIdLib
/// @notice Reads a `TurnId`.
library TurnIdLib {
    /// @notice Of which ring.
    function ring(TurnId id) internal pure returns (uint32) {
        return uint32(TurnId.unwrap(id) >> 112);
    }

    /// @notice Signed in which epoch.
    function epoch(TurnId id) internal pure returns (uint32) {
        return uint32(TurnId.unwrap(id) >> 80);
    }

    /// @notice The number of the turn.
    function nonce(TurnId id) internal pure returns (uint40) {
        return uint40(TurnId.unwrap(id) >> 40);
    }

    /// @notice The last second (Unix time) at which the turn may execute.
    function validUntil(TurnId id) internal pure returns (uint40) {
        return uint40(TurnId.unwrap(id));
    }

    /// @notice Ring, epoch and nonce: what a key signs one content for.
    function slot(TurnId id) internal pure returns (uint256) {
        return TurnId.unwrap(id) >> 40;
    }

    /// @notice Whether the bits that mean nothing are zero.
    function isClean(TurnId id) internal pure returns (bool) {
        return TurnId.unwrap(id) >> 144 == 0;
    }
}
