// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @dev What halmos adds to Foundry's cheats: values that stand for every value of their type.
interface ISymbols {
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);
    function createUint256(string calldata name) external pure returns (uint256);
    function createBytes(uint256 size, string calldata name) external pure returns (bytes memory);
    function createBytes32(string calldata name) external pure returns (bytes32);
    function createAddress(string calldata name) external pure returns (address);
    function createBool(string calldata name) external pure returns (bool);
    function enableSymbolicStorage(address account) external;
}

/// @title Symbols
/// @notice What every proof needs to speak of all values at once.
abstract contract Symbols {
    ISymbols internal constant svm = ISymbols(0xF3993A62377BCd56AE39D773740A5390411E8BC9);

    /// @dev Any number below `count`, each on a path of its own: where the machine must know it, as for a place in memory.
    function _pick(uint256 count, string memory name) internal pure returns (uint256 picked) {
        uint256 any = svm.createUint256(name);
        while (picked + 1 < count && any != picked) ++picked;
    }
}
