// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice The numbers of a charter.
///
///     255                        48 47   24 23    16 15    8 7     0
///     | zero, kept for the lease   | period | quorum | window | seats |
type Terms is uint256;

/// @notice The main asset of a charter and its cap.
///
///     255     96 95     0
///     |  asset  |   cap  |
type Budget is uint256;

using CharterLib for Terms global;
using CharterLib for Budget global;

/// @title CharterLib
/// @notice A charter is known to the contract by its hash alone: keys that are never read from storage cost nothing to
/// read. The commitment is keccak256(terms ‖ budget ‖ seat 0 ‖ … ‖ seat N-1), each a 32-byte word; N is in the terms, so
/// no two charters share a preimage. All 256 bits are kept: an insider who picks keys can look for collisions.
library CharterLib {
    /// @notice Packs the numbers of a charter.
    function pack(uint8 seats_, uint8 window_, uint8 quorum_, uint24 period_) internal pure returns (Terms) {
        return Terms.wrap(uint256(seats_) | uint256(window_) << 8 | uint256(quorum_) << 16 | uint256(period_) << 24);
    }

    /// @notice Packs the main asset and its cap.
    function pack(address asset_, uint96 cap_) internal pure returns (Budget) {
        return Budget.wrap(uint256(uint160(asset_)) << 96 | cap_);
    }

    /// @notice N, the number of seats.
    function seats(Terms terms) internal pure returns (uint256) {
        return uint8(Terms.unwrap(terms));
    }

    /// @notice W, the number of seats that may sign a turn.
    function window(Terms terms) internal pure returns (uint256) {
        return uint8(Terms.unwrap(terms) >> 8);
    }

    /// @notice Q, the number of seats that must sign a turn.
    function quorum(Terms terms) internal pure returns (uint256) {
        return uint8(Terms.unwrap(terms) >> 16);
    }

    /// @notice The period of the main asset's cap, in seconds.
    function period(Terms terms) internal pure returns (uint256) {
        return uint24(Terms.unwrap(terms) >> 24);
    }

    /// @notice The main asset; zero is the native coin.
    function asset(Budget budget) internal pure returns (address) {
        return address(uint160(Budget.unwrap(budget) >> 96));
    }

    /// @notice The main asset's cap a period.
    function cap(Budget budget) internal pure returns (uint256) {
        return uint96(Budget.unwrap(budget));
    }

    /// @notice The commitment. `keys.length` is `terms.seats()`.
    function commitment(Terms terms, Budget budget, address[] memory keys) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(terms, budget, keys));
    }
}
