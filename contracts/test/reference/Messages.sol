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

    function formRing(uint32 ring, uint32 epoch, IRingMultisig.Charter memory charter, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("FormRing", 14);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
        m.put(2, "uint8", "window", charter.window);
        m.put(3, "uint8", "quorum", charter.quorum);
        m.put(4, "asset", charter.asset);
        m.put(5, "uint96", "cap", charter.cap);
        m.put(6, "uint24", "period", charter.period);
        m.put(7, "uint24", "turnsPerPeriod", charter.turnsPerPeriod);
        m.put(8, "uint24", "interval", charter.interval);
        m.put(9, "uint40", "expiresAt", charter.expiresAt);
        m.put(10, "uint40", "lastNonce", charter.lastNonce);
        m.put(11, "seats", charter.seats);
        _putNonceAndDeadline(m, 12, nonce, deadline);
    }

    function resume(uint32 ring, uint32 epoch, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        m = TypedData.message("Resume", 4);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
        _putNonceAndDeadline(m, 2, nonce, deadline);
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

    function replace(
        uint32 ring,
        uint32 epoch,
        uint8 seat,
        address key,
        bool andResume,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (Message memory m) {
        m = TypedData.message("Replace", 7);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
        m.put(2, "uint8", "seat", seat);
        m.put(3, "key", key);
        m.put(4, "bool", "andResume", andResume ? 1 : 0);
        _putNonceAndDeadline(m, 5, nonce, deadline);
    }

    function setPermissions(uint32 ring, IRingMultisig.Permission[] memory permissions, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        Message[] memory members = new Message[](permissions.length);
        for (uint256 i; i < members.length; ++i) {
            members[i] = permission(permissions[i]);
        }
        IRingMultisig.Permission memory any;
        m = TypedData.message("SetPermissions", 4);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "permissions", permission(any), members);
        _putNonceAndDeadline(m, 2, nonce, deadline);
    }

    function permission(IRingMultisig.Permission memory value) internal pure returns (Message memory m) {
        m = TypedData.message("Permission", 6);
        m.put(0, "target", value.target);
        m.put(1, "bytes4", "selector", uint256(bytes32(value.selector)));
        m.put(2, "bool", "allowed", value.allowed ? 1 : 0);
        m.put(3, "uint8", "amountWord", value.amountWord);
        m.put(4, "asset", value.asset);
        m.put(5, "uint16", "addressWords", value.addressWords);
    }

    function setLimits(uint32 ring, IRingMultisig.LimitSetting[] memory limits, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (Message memory m)
    {
        Message[] memory members = new Message[](limits.length);
        for (uint256 i; i < members.length; ++i) {
            members[i] = limit(limits[i]);
        }
        IRingMultisig.LimitSetting memory any;
        m = TypedData.message("SetLimits", 4);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "limits", limit(any), members);
        _putNonceAndDeadline(m, 2, nonce, deadline);
    }

    function limit(IRingMultisig.LimitSetting memory value) internal pure returns (Message memory m) {
        m = TypedData.message("Limit", 3);
        m.put(0, "asset", value.asset);
        m.put(1, "uint104", "cap", value.cap);
        m.put(2, "uint24", "period", value.period);
    }

    function permitPayment(
        uint32 ring,
        uint32 epoch,
        bytes16 requestId,
        address asset,
        address to,
        uint96 amount,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (Message memory m) {
        m = TypedData.message("PermitPayment", 8);
        m.put(0, "uint32", "ring", ring);
        m.put(1, "uint32", "epoch", epoch);
        m.put(2, "requestId", requestId);
        m.put(3, "asset", asset);
        m.put(4, "to", to);
        m.put(5, "uint96", "amount", amount);
        _putNonceAndDeadline(m, 6, nonce, deadline);
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

    function masterExecute(
        address target,
        uint256 value,
        bytes memory data,
        uint256 gas_,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (Message memory m) {
        m = TypedData.message("MasterExecute", 6);
        m.put(0, "target", target);
        m.put(1, "uint256", "value", value);
        m.put(2, "data", data);
        m.put(3, "uint256", "gas", gas_);
        _putNonceAndDeadline(m, 4, nonce, deadline);
    }

    function _putNonceAndDeadline(Message memory m, uint256 at, uint256 nonce, uint256 deadline) private pure {
        m.put(at, "uint256", "nonce", nonce);
        m.put(at + 1, "uint256", "deadline", deadline);
    }
}
