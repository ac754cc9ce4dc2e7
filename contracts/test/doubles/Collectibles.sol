// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { ERC1155 } from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import { ERC721 } from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @notice Single things (ERC-721). Its safe mint asks the receiver.
contract Collectible is ERC721("Collectible", "COL") {
    function mint(address to, uint256 id) external {
        _safeMint(to, id);
    }
}

/// @notice Amounts of several things (ERC-1155). Its mint asks the receiver.
contract Collectibles is ERC1155("") {
    function mint(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }
}
