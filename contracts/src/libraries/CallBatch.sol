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
/// All numbers are big-endian. `gas` is what the call gets, no less (see `GasTooLow`); no call may use more.
library CallBatch {
    uint8 internal constant CALL = 0;
    uint8 internal constant PAY = 1;
    uint256 private constant HEAD = 52;
    uint256 private constant LENGTH = 3;

    /// @notice Reads the head of the call at `offset`.
    function head(bytes calldata calls, uint256 offset)
        internal
        pure
        returns (uint8 kind, bytes16 requestId, uint256 gas, address target, uint256 amount)
    {
        if (offset + HEAD > calls.length) revert IRingMultisig.CallsMalformed(offset);
        bytes20 first = bytes20(calls[offset:offset + 20]);
        bytes32 second = bytes32(calls[offset + 20:offset + HEAD]);
        kind = uint8(bytes1(first));
        if (kind > PAY) revert IRingMultisig.CallsMalformed(offset);
        requestId = bytes16(first << 8);
        gas = uint24(uint160(first));
        target = address(bytes20(second));
        amount = uint96(uint256(second));
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
        return offset + HEAD;
    }

    /// @notice Where the call after a call at `offset` with this call data starts.
    function afterCall(uint256 offset, bytes calldata callData) internal pure returns (uint256) {
        return offset + HEAD + LENGTH + callData.length;
    }
}
