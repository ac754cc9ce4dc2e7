// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";

/// @title CallBatch
/// @notice The calls of a turn, packed one after the other. Every call starts with the same 52 bytes:
///
///     0      1            17     20             40           52
///     | kind | requestId   | gas  | target       | amount      |
///
/// - kind 1, *pay*: sends `amount` of the ring's main asset to `target`. Nothing follows.
/// - kind 0, *call*: calls `target` with `amount` of the native coin. Three bytes of length and the call data follow.
///
/// All numbers are big-endian. `gas` is what the call gets, no less (see `GasTooLow`), and no more but for the 2,300 that
/// come with value.
library CallBatch {
    uint256 internal constant CALL = 0;
    uint256 internal constant PAY = 1;
    uint256 internal constant HEAD = 52;
    uint256 private constant LENGTH = 3;

    /// @notice Reads the head of the call at `offset`.
    function head(bytes calldata calls, uint256 offset)
        internal
        pure
        returns (uint256 kind, bytes16 requestId, uint256 gas_, address target, uint256 amount)
    {
        uint256 first;
        uint256 second;
        assembly ("memory-safe") {
            first := calldataload(add(calls.offset, offset))
            second := calldataload(add(calls.offset, add(offset, 20)))
        }
        kind = first >> 248;
        requestId = bytes16(bytes32(first << 8));
        gas_ = uint24(first >> 96);
        target = address(uint160(second >> 96));
        amount = uint96(second);
        unchecked {
            if (kind > PAY || offset + HEAD > calls.length) revert IRingMultisig.CallsMalformed(offset);
        }
    }

    /// @notice Takes what a turn is sent with apart: three bytes of length, the calls, and the witness.
    /// @dev If the calls are longer than all of it, the witness starts behind its end and is never sound; `checkSplit` says so.
    function split(bytes calldata signedCalls) internal pure returns (bytes calldata calls, bytes calldata witness) {
        assembly ("memory-safe") {
            calls.length := shr(232, calldataload(signedCalls.offset))
            calls.offset := add(signedCalls.offset, LENGTH)
            witness.offset := add(calls.offset, calls.length)
            witness.length := sub(sub(signedCalls.length, LENGTH), calls.length)
        }
    }

    /// @notice Reverts if the calls are longer than what they were sent in.
    function checkSplit(bytes calldata signedCalls) internal pure {
        bool isWhole =
            signedCalls.length >= LENGTH && signedCalls.length - LENGTH >= uint24(bytes3(signedCalls[:LENGTH]));
        if (!isWhole) revert IRingMultisig.CallsMalformed(signedCalls.length);
    }

    /// @notice Passes over plain payments from `offset` on, those that leave something of `left`, and adds their request ids to
    /// the log.
    /// @return The offset behind them, what is left, and where the next id goes.
    /// @dev In assembly, since it runs for every payment of a batch.
    function passPays(bytes calldata calls, uint256 offset, uint256 left, uint256 nextId)
        internal
        pure
        returns (uint256, uint256, uint256)
    {
        assembly ("memory-safe") {
            // A head that ends behind the calls takes the offset there too, where the caller finds it.
            for { } lt(offset, calls.length) { offset := add(offset, HEAD) } {
                let first := calldataload(add(calls.offset, offset))
                let amount := shr(160, calldataload(add(calls.offset, add(offset, 40))))
                if iszero(and(eq(byte(0, first), PAY), lt(amount, left))) { break }
                left := sub(left, amount)
                mstore(nextId, shl(8, first))
                nextId := add(nextId, 16)
            }
        }
        return (offset, left, nextId);
    }

    /// @notice The call data of the call at `offset`, which is of kind `CALL`.
    function data(bytes calldata calls, uint256 offset) internal pure returns (bytes calldata) {
        uint256 start = offset + HEAD + LENGTH;
        if (start > calls.length) revert IRingMultisig.CallsMalformed(offset);
        uint256 end = start + uint24(bytes3(calls[start - LENGTH:start]));
        if (end > calls.length) revert IRingMultisig.CallsMalformed(offset);
        return calls[start:end];
    }

    /// @notice Where the call after a pay at `offset` starts.
    function afterPay(uint256 offset) internal pure returns (uint256) {
        unchecked {
            return offset + HEAD;
        }
    }

    /// @notice Where the call after a call at `offset` with this call data starts.
    function afterCall(uint256 offset, bytes calldata callData) internal pure returns (uint256) {
        return offset + HEAD + LENGTH + callData.length;
    }
}
