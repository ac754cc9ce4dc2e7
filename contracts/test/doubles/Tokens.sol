// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token as the standard wants it.
contract PlainToken is ERC20("Plain", "PLN") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Moves nothing and says so, without reverting.
contract FalseToken {
    function transfer(address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @notice Answers with a word that is neither true nor false.
contract TwoToken {
    function transfer(address, uint256) external pure returns (uint256) {
        return 2;
    }
}

/// @notice Answers with one byte less than a word, all zero. At an address that ends in 01, whoever reads a word all
/// the same may find its own left-over memory in the last byte, and take it for `true`.
contract ShortAnswerToken {
    fallback() external {
        assembly ("memory-safe") {
            return(0x80, 31)
        }
    }
}

/// @notice Returns nothing, as some widely held tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function transfer(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }
}

/// @notice Keeps a hundredth of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}

interface ITransferHook {
    function onTokenTransfer() external;
}

/// @notice Tells the receiver before it moves anything.
contract HookToken is ERC20("Hook", "HOOK") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to.code.length != 0 && from != address(0)) ITransferHook(to).onTokenTransfer();
        super._update(from, to, value);
    }
}
