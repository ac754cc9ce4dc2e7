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
        "FormRing(uint32 ring,uint32 epoch,uint8 window,uint8 quorum,address asset,uint96 cap,uint24 period,uint24 turnsPerPeriod,uint24 interval,uint40 expiresAt,uint40 lastNonce,address[] seats,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant RESUME_TYPEHASH =
        keccak256("Resume(uint32 ring,uint32 epoch,uint256 nonce,uint256 deadline)");
    bytes32 private constant REVOKE_TYPEHASH =
        keccak256("Revoke(uint32 ring,address key,uint256 nonce,uint256 deadline)");
    bytes32 private constant REPLACE_TYPEHASH = keccak256(
        "Replace(uint32 ring,uint32 epoch,uint8 seat,address key,bool andResume,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant PERMISSION_TYPEHASH = keccak256(
        "Permission(address target,bytes4 selector,bool allowed,uint8 amountWord,address asset,uint16 addressWords)"
    );
    bytes32 private constant SET_PERMISSIONS_TYPEHASH = keccak256(
        "SetPermissions(uint32 ring,Permission[] permissions,uint256 nonce,uint256 deadline)Permission(address target,bytes4 selector,bool allowed,uint8 amountWord,address asset,uint16 addressWords)"
    );
    bytes32 private constant LIMIT_TYPEHASH = keccak256("Limit(address asset,uint104 cap,uint24 period)");
    bytes32 private constant SET_LIMITS_TYPEHASH = keccak256(
        "SetLimits(uint32 ring,Limit[] limits,uint256 nonce,uint256 deadline)Limit(address asset,uint104 cap,uint24 period)"
    );
    bytes32 private constant PERMIT_PAYMENT_TYPEHASH = keccak256(
        "PermitPayment(uint32 ring,uint32 epoch,bytes16 requestId,address asset,address to,uint96 amount,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant SET_GUARDIAN_TYPEHASH =
        keccak256("SetGuardian(address guardian,uint256 nonce,uint256 deadline)");
    bytes32 private constant TRANSFER_MASTER_TYPEHASH =
        keccak256("TransferMaster(address newMaster,uint256 nonce,uint256 deadline)");
    bytes32 private constant ACCEPT_MASTER_TYPEHASH = keccak256("AcceptMaster(uint256 nonce,uint256 deadline)");
    bytes32 private constant MASTER_EXECUTE_TYPEHASH =
        keccak256("MasterExecute(address target,uint256 value,bytes data,uint256 gas,uint256 nonce,uint256 deadline)");

    /// @notice The domain: this contract on this chain.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    /// @notice What is signed for a struct in a domain.
    function digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, hex"1901")
            mstore(add(buffer, 2), domain)
            mstore(add(buffer, 34), structHash)
            result := keccak256(buffer, 66)
        }
    }

    /// @notice A turn of a ring, whose packed calls have this hash.
    function turn(TurnId id, bytes32 callsHash) internal pure returns (bytes32 result) {
        bytes32 typeHash = TURN_TYPEHASH;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, typeHash)
            mstore(add(buffer, 32), and(shr(112, id), 0xffffffff))
            mstore(add(buffer, 64), and(shr(80, id), 0xffffffff))
            mstore(add(buffer, 96), and(shr(40, id), 0xffffffffff))
            mstore(add(buffer, 128), and(id, 0xffffffffff))
            mstore(add(buffer, 160), callsHash)
            result := keccak256(buffer, 192)
        }
    }

    /// @notice The hash of packed calls.
    function hash(bytes calldata calls) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, calls.offset, calls.length)
            result := keccak256(buffer, calls.length)
        }
    }

    /// @notice A halt in an epoch.
    function halt(uint32 ring, uint32 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode(HALT_TYPEHASH, ring, epoch));
    }

    /// @notice A ring is formed or re-formed.
    function formRing(
        uint32 ring,
        uint32 epoch,
        IRingMultisig.Charter calldata charter,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(
                    FORM_RING_TYPEHASH,
                    ring,
                    epoch,
                    charter.window,
                    charter.quorum,
                    charter.asset,
                    charter.cap,
                    charter.period
                ),
                abi.encode(
                    charter.turnsPerPeriod,
                    charter.interval,
                    charter.expiresAt,
                    charter.lastNonce,
                    keccak256(abi.encodePacked(charter.seats)),
                    nonce,
                    deadline
                )
            )
        );
    }

    /// @notice A ring is resumed.
    function resume(uint32 ring, uint32 epoch, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESUME_TYPEHASH, ring, epoch, nonce, deadline));
    }

    /// @notice A key is revoked.
    function revoke(uint32 ring, address key, uint256 nonce, uint256 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_TYPEHASH, ring, key, nonce, deadline));
    }

    /// @notice A seat gets a new key.
    function replace(
        uint32 ring,
        uint32 epoch,
        uint8 seat,
        address key,
        bool andResume,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(REPLACE_TYPEHASH, ring, epoch, seat, key, andResume, nonce, deadline));
    }

    /// @notice Permissions are given or taken away.
    function setPermissions(
        uint32 ring,
        IRingMultisig.Permission[] calldata permissions,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](permissions.length);
        for (uint256 i; i < permissions.length; ++i) {
            hashes[i] = keccak256(abi.encode(PERMISSION_TYPEHASH, permissions[i]));
        }
        return
            keccak256(abi.encode(SET_PERMISSIONS_TYPEHASH, ring, keccak256(abi.encodePacked(hashes)), nonce, deadline));
    }

    /// @notice Assets get limits.
    function setLimits(uint32 ring, IRingMultisig.LimitSetting[] calldata limits, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        bytes32[] memory hashes = new bytes32[](limits.length);
        for (uint256 i; i < limits.length; ++i) {
            hashes[i] = keccak256(abi.encode(LIMIT_TYPEHASH, limits[i]));
        }
        return keccak256(abi.encode(SET_LIMITS_TYPEHASH, ring, keccak256(abi.encodePacked(hashes)), nonce, deadline));
    }

    /// @notice One payment may pass outside the cap.
    function permitPayment(
        uint32 ring,
        uint32 epoch,
        bytes16 requestId,
        address asset,
        address to,
        uint96 amount,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(PERMIT_PAYMENT_TYPEHASH, ring, epoch, requestId, asset, to, amount, nonce, deadline)
        );
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
    function masterExecute(
        address target,
        uint256 value,
        bytes calldata data,
        uint256 gas_,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(MASTER_EXECUTE_TYPEHASH, target, value, keccak256(data), gas_, nonce, deadline));
    }
}
