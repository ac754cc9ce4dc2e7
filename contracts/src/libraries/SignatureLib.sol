// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";

/// @title SignatureLib
/// @notice Canonical signatures only: nobody can turn a signature into another one of the same content and key.
library SignatureLib {
    /// @dev Half of the order of secp256k1 (EIP-2): a larger s is the same signature written another way.
    uint256 internal constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    bytes4 private constant ERC1271_MAGIC = 0x1626ba7e;

    /// @notice The key that made a compact signature (ERC-2098). Never zero.
    function recoverCompact(bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (address signer) {
        bytes32 s = vs & bytes32(uint256(type(int256).max));
        signer = recover(digest, uint8((uint256(vs) >> 255) + 27), r, s);
        if (signer == address(0)) revert IRingMultisig.SignatureInvalid();
    }

    /// @notice Whether `signer` signed the digest: with its key (64 or 65 bytes), or by its own code (ERC-1271).
    /// @dev The key is tried first, since an account with delegated code (EIP-7702) has both.
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        address recovered;
        if (signature.length == 65) {
            recovered = recover(digest, uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64]));
        } else if (signature.length == 64) {
            bytes32 vs = bytes32(signature[32:64]);
            recovered = recover(
                digest,
                uint8((uint256(vs) >> 255) + 27),
                bytes32(signature[0:32]),
                vs & bytes32(uint256(type(int256).max))
            );
        }
        if (recovered != address(0) && recovered == signer) return true;
        return signer.code.length != 0 && isValidContractSignature(signer, digest, signature);
    }

    /// @dev Zero for whatever is not canonical.
    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) private pure returns (address) {
        if (uint256(s) > MAX_S || (v != 27 && v != 28)) return address(0);
        return ecrecover(digest, v, r, s);
    }

    /// @dev Copies one word of what is returned, whatever its size.
    function isValidContractSignature(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool valid)
    {
        bytes memory input = abi.encodeWithSelector(ERC1271_MAGIC, digest, signature);
        bytes32 output;
        assembly ("memory-safe") {
            valid := staticcall(gas(), signer, add(input, 32), mload(input), 0, 32)
            valid := and(valid, gt(returndatasize(), 31))
            output := mload(0)
        }
        return valid && output == bytes32(ERC1271_MAGIC);
    }
}
