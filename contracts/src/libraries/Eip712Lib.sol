// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";
import { TurnId } from "./TurnIdLib.sol";

/// @title Eip712Lib
/// @notice The closed set of things that can be signed for this contract (EIP-712). Every action of the master, of the
/// guardian and of the pending master carries its signer's `nonce` and a `deadline`; a halt carries neither, since it is
/// valid for its whole epoch; a turn carries the ring's nonce.
library Eip712Lib {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Ring Window");
    bytes32 private constant VERSION_HASH = keccak256("1");

    bytes32 private constant TURN_TYPEHASH =
        keccak256("Turn(uint32 ring,uint32 epoch,uint40 nonce,uint40 validUntil,bytes calls)");
    bytes32 private constant HALT_TYPEHASH = keccak256("Halt(uint32 ring,uint32 epoch)");
    bytes32 private constant FORM_RING_TYPEHASH = keccak256(
        "FormRing(uint32 ring,uint8 window,uint8 quorum,address asset,uint96 cap,uint24 period,address[] seats,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant RESUME_TYPEHASH = keccak256("Resume(uint32 ring,uint256 nonce,uint256 deadline)");
    bytes32 private constant REVOKE_TYPEHASH =
        keccak256("Revoke(uint32 ring,address key,uint256 nonce,uint256 deadline)");
    bytes32 private constant REPLACE_TYPEHASH =
        keccak256("Replace(uint32 ring,uint8 seat,address key,uint256 nonce,uint256 deadline)");
    bytes32 private constant SET_LIMIT_TYPEHASH =
        keccak256("SetLimit(uint32 ring,address asset,uint104 cap,uint24 period,uint256 nonce,uint256 deadline)");
    bytes32 private constant SET_GUARDIAN_TYPEHASH =
        keccak256("SetGuardian(address guardian,uint256 nonce,uint256 deadline)");
    bytes32 private constant TRANSFER_MASTER_TYPEHASH =
        keccak256("TransferMaster(address newMaster,uint256 nonce,uint256 deadline)");
    bytes32 private constant ACCEPT_MASTER_TYPEHASH = keccak256("AcceptMaster(uint256 nonce,uint256 deadline)");
    bytes32 private constant MASTER_EXECUTE_TYPEHASH =
        keccak256("MasterExecute(address target,uint256 value,bytes data,uint256 nonce,uint256 deadline)");

    /// @notice The domain: this contract on this chain.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    /// @notice What is signed for a struct in a domain.
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @notice A turn of a ring.
    function turn(TurnId id, bytes calldata calls) internal pure returns (bytes32) {
        return
            keccak256(abi.encode(TURN_TYPEHASH, id.ring(), id.epoch(), id.nonce(), id.validUntil(), keccak256(calls)));
    }

    /// @notice A halt in an epoch.
    function halt(uint32 ring, uint32 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode(HALT_TYPEHASH, ring, epoch));
    }

    /// @notice A ring is formed or re-formed.
    function formRing(uint32 ring, IRingMultisig.Charter calldata charter, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                FORM_RING_TYPEHASH,
                ring,
                charter.window,
                charter.quorum,
                charter.asset,
                charter.cap,
                charter.period,
                keccak256(abi.encodePacked(charter.seats)),
                nonce,
                deadline
            )
        );
    }

    /// @notice A ring is resumed.
    function resume(uint32 ring, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESUME_TYPEHASH, ring, nonce, deadline));
    }

    /// @notice A key is revoked.
    function revoke(uint32 ring, address key, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_TYPEHASH, ring, key, nonce, deadline));
    }

    /// @notice A seat gets a new key.
    function replace(uint32 ring, uint8 seat, address key, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(REPLACE_TYPEHASH, ring, seat, key, nonce, deadline));
    }

    /// @notice An asset gets a limit.
    function setLimit(uint32 ring, address asset, uint104 cap, uint24 period, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SET_LIMIT_TYPEHASH, ring, asset, cap, period, nonce, deadline));
    }

    /// @notice The guardian changes.
    function setGuardian(address guardian, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(SET_GUARDIAN_TYPEHASH, guardian, nonce, deadline));
    }

    /// @notice A successor is named.
    function transferMaster(address newMaster, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(TRANSFER_MASTER_TYPEHASH, newMaster, nonce, deadline));
    }

    /// @notice The successor accepts.
    function acceptMaster(uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPT_MASTER_TYPEHASH, nonce, deadline));
    }

    /// @notice The master makes a call.
    function masterExecute(address target, uint256 value, bytes calldata data, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(MASTER_EXECUTE_TYPEHASH, target, value, keccak256(data), nonce, deadline));
    }
}
