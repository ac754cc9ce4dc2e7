// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A plain m-of-n wallet, as what a ring is compared with: whatever m owners sign is executed, by a call or, as
/// wallets with modules and batches have it, by a delegatecall.
contract PlainMultisig {
    enum Operation {
        Call,
        DelegateCall
    }

    /// @notice m.
    uint256 public immutable threshold;
    /// @notice Who may sign.
    mapping(address owner => bool) public isOwner;
    /// @notice The number of the next transaction.
    uint256 public nonce;

    error WrongOwners();
    error TooFewSignatures();
    error WrongSigner(address signer);
    error TransactionFailed();

    constructor(address[] memory owners, uint256 threshold_) payable {
        require(threshold_ > 0 && threshold_ <= owners.length, WrongOwners());
        for (uint256 i = 0; i < owners.length; ++i) {
            require(owners[i] != address(0) && !isOwner[owners[i]], WrongOwners());
            isOwner[owners[i]] = true;
        }
        threshold = threshold_;
    }

    receive() external payable { }

    /// @notice Executes what m owners signed.
    /// @param signatures One of each, in ascending order of the owners' addresses.
    function execute(address to, uint256 value, bytes calldata data, Operation operation, bytes[] calldata signatures)
        external
    {
        require(signatures.length >= threshold, TooFewSignatures());
        bytes32 digest = digestOf(to, value, data, operation, nonce++);
        address last = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recover(digest, signatures[i]);
            require(isOwner[signer] && signer > last, WrongSigner(signer));
            last = signer;
        }
        bool success;
        if (operation == Operation.DelegateCall) (success,) = to.delegatecall(data);
        else (success,) = to.call{ value: value }(data);
        require(success, TransactionFailed());
    }

    /// @notice What owners sign.
    function digestOf(address to, uint256 value, bytes calldata data, Operation operation, uint256 nonce_)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), to, value, keccak256(data), operation, nonce_));
    }
}
