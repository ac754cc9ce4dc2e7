// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";

/// @notice The numbers of a charter.
///
///     255  176 175     136 135     96 95     72 71            48 47   24 23    16 15    8 7     0
///     | zero  | lastNonce | expiresAt | interval | turnsPerPeriod | period | quorum | window | seats |
type Terms is bytes32;

/// @notice The main asset of a charter and its cap.
///
///     255     96 95     0
///     |  asset  |   cap  |
type Budget is bytes32;

using CharterLib for Terms global;
using CharterLib for Budget global;

/// @title CharterLib
/// @notice A charter is known to the contract by its hash alone: keys that are never read from storage cost nothing to
/// read. The commitment is keccak256(terms ‖ budget ‖ seat 0 ‖ … ‖ seat N-1), each a 32-byte word; N is in the terms, so
/// no two charters share a preimage. All 256 bits are kept: an insider who picks keys can look for collisions.
library CharterLib {
    /// @notice Packs the numbers of a charter with this many seats.
    /// @dev With more than 255 of them the word says something else. No ring has such a charter: the preimage of its commitment
    /// is longer than that of any which can be formed.
    function packTerms(IRingMultisig.Charter memory charter, uint256 count) internal pure returns (Terms) {
        return Terms.wrap(
            bytes32(
                uint256(charter.lastNonce) << 136 | uint256(charter.expiresAt) << 96 | uint256(charter.interval) << 72
                    | uint256(charter.turnsPerPeriod) << 48 | uint256(charter.period) << 24 | uint256(charter.quorum)
                    << 16 | uint256(charter.window) << 8 | count
            )
        );
    }

    /// @notice Packs the main asset and its cap.
    function packBudget(IRingMultisig.Charter memory charter) internal pure returns (Budget) {
        return Budget.wrap(bytes32(uint256(uint160(charter.asset)) << 96 | charter.cap));
    }

    /// @notice N, the number of seats.
    function seats(Terms terms) internal pure returns (uint256) {
        return uint8(uint256(Terms.unwrap(terms)));
    }

    /// @notice W, the number of seats that may sign a turn.
    function window(Terms terms) internal pure returns (uint256) {
        return uint8(uint256(Terms.unwrap(terms)) >> 8);
    }

    /// @notice Q, the number of seats that must sign a turn.
    function quorum(Terms terms) internal pure returns (uint256) {
        return uint8(uint256(Terms.unwrap(terms)) >> 16);
    }

    /// @notice The length of a period in seconds.
    function period(Terms terms) internal pure returns (uint256) {
        return uint24(uint256(Terms.unwrap(terms)) >> 24);
    }

    /// @notice The most turns in a period.
    function turnsPerPeriod(Terms terms) internal pure returns (uint256) {
        return uint24(uint256(Terms.unwrap(terms)) >> 48);
    }

    /// @notice The least number of seconds between two turns.
    function interval(Terms terms) internal pure returns (uint256) {
        return uint24(uint256(Terms.unwrap(terms)) >> 72);
    }

    /// @notice The last second at which a turn executes.
    function expiresAt(Terms terms) internal pure returns (uint256) {
        return uint40(uint256(Terms.unwrap(terms)) >> 96);
    }

    /// @notice The last nonce that executes.
    function lastNonce(Terms terms) internal pure returns (uint256) {
        return uint40(uint256(Terms.unwrap(terms)) >> 136);
    }

    /// @notice The main asset; zero is the native coin.
    function asset(Budget budget) internal pure returns (address) {
        return address(uint160(uint256(Budget.unwrap(budget)) >> 96));
    }

    /// @notice The main asset's cap a period.
    function cap(Budget budget) internal pure returns (uint256) {
        return uint96(uint256(Budget.unwrap(budget)));
    }

    /// @notice The commitment to a charter, whose seats may have changed.
    function commitment(IRingMultisig.Charter memory charter) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(packTerms(charter, charter.seats.length), packBudget(charter), charter.seats));
    }
}
