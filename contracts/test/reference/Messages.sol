// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Message, TypedData } from "./TypedData.sol";

/// @title Messages
/// @notice Everything that is signed for the contract, written down a second time.
library Messages {
    function turn(uint32 ring, uint32 epoch, uint40 nonce, uint40 validUntil, bytes memory calls)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("Turn", 5);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
        m.put(2, "uint40", "nonce", nonce);
        m.put(3, "uint40", "validUntil", validUntil);
        m.put(4, "calls", calls);
    }

    function halt(uint32 ring, uint32 epoch) internal pure returns (Message memory m) {
        m = TypedData.message("Halt", 2);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
    }

    function formRing(uint32 ring, IRingMultisig.Charter memory charter, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("FormRing", 9);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint8", "window", charter.window);
        m.put(2, "uint8", "quorum", charter.quorum);
        m.put(3, "asset", charter.asset);
        m.put(4, "uint96", "cap", charter.cap);
        m.put(5, "uint24", "period", charter.period);
        m.put(6, "seats", charter.seats);
        _putNonceAndDeadline(m, 7, nonce, deadline);
    }

    function resume(uint32 ring, uint256 nonce, uint256 deadline) internal pure returns (Message memory m) {
        m = TypedData.message("Resume", 3);
        m.put(0, "uint32", "ring", ring);
        _putNonceAndDeadline(m, 1, nonce, deadline);
    }

    function revoke(uint32 ring, address key, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("Revoke", 4);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "key", key);
        _putNonceAndDeadline(m, 2, nonce, deadline);
    }

    function replace(uint32 ring, uint8 seat, address key, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("Replace", 5);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint8", "seat", seat);
        m.put(2, "key", key);
        _putNonceAndDeadline(m, 3, nonce, deadline);
    }

    function setLimit(uint32 ring, address asset, uint104 cap, uint24 period, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("SetLimit", 6);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "asset", asset);
        m.put(2, "uint104", "cap", cap);
        m.put(3, "uint24", "period", period);
        _putNonceAndDeadline(m, 4, nonce, deadline);
    }

    function setGuardian(address guardian, uint256 nonce, uint256 deadline) internal pure returns (Message memory m) {
        m = TypedData.message("SetGuardian", 3);
        m.put(0, "guardian", guardian);
        _putNonceAndDeadline(m, 1, nonce, deadline);
    }

    function transferMaster(address newMaster, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("TransferMaster", 3);
        m.put(0, "newMaster", newMaster);
        _putNonceAndDeadline(m, 1, nonce, deadline);
    }

    function acceptMaster(uint256 nonce, uint256 deadline) internal pure returns (Message memory m) {
        m = TypedData.message("AcceptMaster", 2);
        _putNonceAndDeadline(m, 0, nonce, deadline);
    }

    function masterExecute(address target, uint256 value, bytes memory data, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("MasterExecute", 5);
        m.put(0, "target", target);
        m.put(1, "uint256", "value", value);
        m.put(2, "data", data);
        _putNonceAndDeadline(m, 3, nonce, deadline);
    }

    function _putNonceAndDeadline(Message memory m, uint256 at, uint256 nonce, uint256 deadline) private pure {
        m.put(at, "uint256", "nonce", nonce);
        m.put(at + 1, "uint256", "deadline", deadline);
    }
}
