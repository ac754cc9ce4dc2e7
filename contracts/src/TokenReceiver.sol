// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title TokenReceiver
/// @notice Accepts every ERC-721 and ERC-1155 token that is sent with the safe transfers of these standards, and says so by
/// ERC-165. What was received leaves by the master's call, or by a call that a ring is permitted.
abstract contract TokenReceiver {
    bytes4 private constant ERC165_ID = 0x01ffc9a7;
    bytes4 private constant ERC721_RECEIVER_ID = 0x150b7a02;
    bytes4 private constant ERC1155_RECEIVER_ID = 0x4e2312e0;

    /// @notice ERC-721: accepts one token.
    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC721Received.selector;
    }

    /// @notice ERC-1155: accepts an amount of one token.
    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC1155Received.selector;
    }

    /// @notice ERC-1155: accepts amounts of several tokens.
    function onERC1155BatchReceived(address, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return this.onERC1155BatchReceived.selector;
    }

    /// @notice ERC-165.
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == ERC165_ID || id == ERC721_RECEIVER_ID || id == ERC1155_RECEIVER_ID;
    }
}
