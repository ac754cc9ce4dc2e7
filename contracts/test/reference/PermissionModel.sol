// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";

/// @title PermissionModel
/// @notice What a ring may do within one period, written to be read: permissions are a list in which the last that fits
/// counts, and each sentence of the documentation is one line. Whatever is not allowed reverts.
contract PermissionModel {
    struct Call {
        bool pay;
        address target;
        uint256 value;
        bytes data;
    }

    address private immutable TREASURY;
    address private immutable MASTER;
    address private immutable MAIN_ASSET;
    IRingMultisig.Permission[] private _given;
    mapping(address asset => uint256) private _caps;
    mapping(address asset => uint256) public spent;

    constructor(address treasury, address master, address mainAsset, uint256 cap) {
        (TREASURY, MASTER, MAIN_ASSET) = (treasury, master, mainAsset);
        _caps[mainAsset] = cap;
    }

    function give(IRingMultisig.Permission calldata permission) external {
        _given.push(permission);
    }

    /// @dev The main asset's cap is the charter's.
    function limit(address asset, uint256 cap) external {
        if (asset == MAIN_ASSET) return;
        (_caps[asset], spent[asset]) = (cap, 0);
    }

    /// @notice Books a batch. Reverts, all of it, if one of the calls is not allowed.
    function take(Call[] calldata calls) external {
        for (uint256 i; i < calls.length; ++i) {
            if (calls[i].pay) _pay(calls[i]);
            else if (calls[i].data.length == 0) _bareTransfer(calls[i]);
            else _call(calls[i]);
        }
    }

    function _pay(Call calldata c) private {
        _spend(MAIN_ASSET, c.value);
    }

    function _bareTransfer(Call calldata c) private {
        require(c.target != TREASURY, "no call to itself");
        require(c.target != MASTER, "no call to the master");
        require(_last(c.target, 0).allowed || _last(address(0), 0).allowed, "neither to it nor to anybody");
        _spend(address(0), c.value);
    }

    function _call(Call calldata c) private {
        require(c.data.length >= 4, "no selector");
        require(bytes4(c.data) != 0, "no function");
        require(c.target != MASTER, "no call to the master");
        IRingMultisig.Permission memory permission = _last(c.target, bytes4(c.data));
        require(permission.allowed, "never permitted, or taken away");
        for (uint256 word; word < 16; ++word) {
            if (permission.addressWords & 2 ** word == 0) continue;
            require(_argument(c.data, word) < 2 ** 160, "no clean address");
        }
        if (permission.amountWord != 255) _spend(permission.asset, _argument(c.data, permission.amountWord));
        if (c.value != 0) _spend(address(0), c.value);
    }

    function _spend(address asset, uint256 amount) private {
        require(_caps[asset] != 0, "no limit: not even nothing");
        require(amount <= _caps[asset], "more than the whole cap");
        require(spent[asset] + amount <= _caps[asset], "more than is left");
        spent[asset] += amount;
    }

    function _last(address target, bytes4 selector) private view returns (IRingMultisig.Permission memory found) {
        for (uint256 i; i < _given.length; ++i) {
            if (_given[i].target == target && _given[i].selector == selector) found = _given[i];
        }
    }

    function _argument(bytes calldata data, uint256 word) private pure returns (uint256 value) {
        require(data.length >= 4 + 32 * (word + 1), "too short");
        for (uint256 i; i < 32; ++i) {
            value = value * 256 + uint8(data[4 + 32 * word + i]);
        }
    }
}
