// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";
import { TurnId } from "./TurnIdLib.sol";

/// @title TurnLog
/// @notice Gathers the request ids of a turn in memory, in the shape in which `TurnExecuted` carries them.
library TurnLog {
    uint256 private constant ID = 16;
    /// @dev Id, digest, offset and length come before the ids.
    uint256 private constant IDS = 128;

    /// @notice Keeps memory for the ids of a batch of this size.
    /// @return nextId Where the first one goes. Every id is written as a whole word, so there is room for one more.
    function open(TurnId id, bytes32 digest, uint256 size) internal pure returns (uint256 nextId) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, id)
            mstore(add(start, 32), digest)
            mstore(add(start, 64), 96)
            nextId := add(start, IDS)
            // There are at most ⌈size / 52⌉ ids, the last of which takes a whole word: 16 · count + 16 bytes, and as many
            // zeros behind them. That is never more than half of the size, rounded down to words, and two words.
            mstore(0x40, add(nextId, add(and(shr(1, size), not(31)), 64)))
        }
    }

    /// @notice Adds an id. Returns where the next one goes.
    function add(uint256 nextId, bytes16 requestId) internal pure returns (uint256) {
        assembly ("memory-safe") {
            mstore(nextId, requestId)
            nextId := add(nextId, ID)
        }
        return nextId;
    }

    /// @notice Emits `TurnExecuted`, with the ids between `first` and `end`.
    function close(uint256 first, uint256 end) internal {
        bytes32 topic = IRingMultisig.TurnExecuted.selector;
        assembly ("memory-safe") {
            let length := sub(end, first)
            mstore(sub(first, 32), length)
            // The ABI pads with zeros; an id was written with what follows it in the batch.
            mstore(end, 0)
            log1(sub(first, IDS), add(IDS, and(add(length, 31), not(31))), topic)
        }
    }
}
