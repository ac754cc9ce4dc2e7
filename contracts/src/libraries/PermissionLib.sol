// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";

/// @notice How calls of one kind are permitted, in one slot. `listed` stays set once the permission was given or denied.
///
///     255  186 185    185 184     184 183        168 167       160 159   0
///     | zero  |  listed  |  allowed  | addressWords | amountWord  | asset |
type Rule is uint256;

using PermissionLib for Rule global;

/// @title PermissionLib
/// @notice What a permission is in storage, and what it asks of call data.
library PermissionLib {
    /// @notice The `amountWord` of a permission that meters none.
    uint8 internal constant NO_AMOUNT = type(uint8).max;
    /// @notice The selector of a bare transfer of the native coin.
    bytes4 internal constant BARE_TRANSFER = bytes4(0);
    uint256 private constant ALLOWED = 1 << 184;
    uint256 private constant LISTED = 1 << 185;

    /// @notice The rule that a permission makes.
    function pack(IRingMultisig.Permission calldata permission) internal pure returns (Rule) {
        return Rule.wrap(
            uint256(uint160(permission.asset)) | uint256(permission.amountWord) << 160
                | uint256(permission.addressWords) << 168 | (permission.allowed ? LISTED | ALLOWED : LISTED)
        );
    }

    /// @notice The permission of which this is the rule.
    function unpack(Rule rule_, address target, bytes4 selector)
        internal
        pure
        returns (IRingMultisig.Permission memory)
    {
        return IRingMultisig.Permission({
            target: target,
            selector: selector,
            allowed: rule_.allowed(),
            amountWord: rule_.amountWord(),
            asset: rule_.asset(),
            addressWords: rule_.addressWords()
        });
    }

    /// @notice Whether the calls are permitted now.
    function allowed(Rule rule_) internal pure returns (bool) {
        return Rule.unwrap(rule_) & ALLOWED != 0;
    }

    /// @notice Whether the permission was ever set.
    function listed(Rule rule_) internal pure returns (bool) {
        return Rule.unwrap(rule_) & LISTED != 0;
    }

    /// @notice What the amount is an amount of.
    function asset(Rule rule_) internal pure returns (address) {
        return address(uint160(Rule.unwrap(rule_)));
    }

    /// @notice Which word of the arguments is the amount, or `NO_AMOUNT`.
    function amountWord(Rule rule_) internal pure returns (uint8) {
        return uint8(Rule.unwrap(rule_) >> 160);
    }

    /// @notice Which words of the arguments are addresses, bit by bit.
    function addressWords(Rule rule_) internal pure returns (uint16) {
        return uint16(Rule.unwrap(rule_) >> 168);
    }

    /// @notice Checks the words of a call's arguments that must be addresses.
    function checkAddresses(Rule rule_, address target, bytes calldata callData) internal pure {
        uint256 rest = rule_.addressWords();
        for (uint256 word; rest != 0; ++word) {
            if (rest & 1 != 0 && argument(target, callData, word) > type(uint160).max) {
                revert IRingMultisig.ArgumentMalformed(target, bytes4(callData), word);
            }
            rest >>= 1;
        }
    }

    /// @notice A word of a call's arguments.
    function argument(address target, bytes calldata callData, uint256 word) internal pure returns (uint256) {
        uint256 start = 4 + 32 * word;
        if (callData.length < start + 32) {
            revert IRingMultisig.ArgumentMalformed(target, bytes4(callData), word);
        }
        return uint256(bytes32(callData[start:start + 32]));
    }
}
