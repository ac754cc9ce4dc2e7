// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice The token that the demonstration pays out. All of it belongs to the deployer at first. 18 decimals.
contract DemoToken is ERC20("Demo Token", "DEMO") {
    constructor(uint256 supply) {
        _mint(msg.sender, supply);
    }
}
