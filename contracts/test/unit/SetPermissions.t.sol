// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice How permissions are given, taken away and listed. What they permit is in `PermittedCalls.t.sol`.
contract SetPermissionsTest is RingTest {
    bytes4 private constant FUNCTION = 0xc0ffee00;

    function setUp() public override {
        super.setUp();
        _form(RING, _usualCharter());
    }

    // ------------------------------------------------------------------------------------------------------------
    // What it sets
    // ------------------------------------------------------------------------------------------------------------

    function testFuzz_SetsWhatItSays(IRingMultisig.Permission memory permission) public {
        vm.assume(permission.target != address(treasury) && permission.target != master);
        if (permission.selector == 0) (permission.amountWord, permission.addressWords) = (NO_AMOUNT, 0);
        else vm.assume(permission.target != address(0));
        if (permission.amountWord == NO_AMOUNT) permission.asset = address(0);
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.PermissionSet(
            RING,
            permission.target,
            permission.selector,
            permission.allowed,
            permission.amountWord,
            permission.asset,
            permission.addressWords
        );
        _permit(RING, permission);
        IRingMultisig.Permission memory set = treasury.getPermission(RING, permission.target, permission.selector);
        assertEq(abi.encode(set), abi.encode(permission));
        assertEq(abi.encode(treasury.getPermissions(RING)), abi.encode(_permissions(permission)));
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before), "no new epoch");
    }

    function test_ListsThemInTheOrderInWhichTheyCame() public {
        IRingMultisig.Permission[] memory three = _three();
        _set(three);
        // Altered, taken away, given again: its place stays.
        three[0].addressWords = 0x00ff;
        _permit(RING, three[0]);
        three[1].allowed = false;
        _permit(RING, three[1]);
        assertEq(abi.encode(treasury.getPermissions(RING)), abi.encode(three));
        three[1].allowed = true;
        _permit(RING, three[1]);
        assertEq(abi.encode(treasury.getPermissions(RING)), abi.encode(three));
    }

    function test_OfTheSameFunctionTwiceTheLaterCounts() public {
        IRingMultisig.Permission[] memory permissions = _three();
        permissions[1] = permissions[0];
        permissions[1].allowed = false;
        IRingMultisig.Permission[] memory two = new IRingMultisig.Permission[](2);
        (two[0], two[1]) = (permissions[1], permissions[2]);
        _set(permissions);
        assertEq(abi.encode(treasury.getPermissions(RING)), abi.encode(two));
    }

    function test_NoneAtAllOnlyUsesTheNonce() public {
        _set(new IRingMultisig.Permission[](0));
        assertEq(treasury.getPermissions(RING).length, 0);
        assertEq(treasury.actionNonce(master), 2);
    }

    /// @dev Taken away before it was ever given: it says so, and changes nothing.
    function test_TakingAwayWhatWasNeverGiven() public {
        IRingMultisig.Permission memory permission = _three()[0];
        permission.allowed = false;
        _permit(RING, permission);
        assertFalse(treasury.getPermission(RING, permission.target, FUNCTION).allowed);
        assertEq(treasury.getPermissions(RING).length, 1);
    }

    function test_APermissionThatWasNeverSetIsNotAllowed() public view {
        IRingMultisig.Permission memory none = treasury.getPermission(RING, payee, FUNCTION);
        assertFalse(none.allowed);
        assertEq(none.target, payee);
        assertEq(none.selector, FUNCTION);
    }

    function test_PermissionsAreOfOneRing() public {
        _form(8, _usualCharter());
        _set(_three());
        assertEq(treasury.getPermissions(8).length, 0);
        assertEq(treasury.getPermissions(99).length, 0);
    }

    // ------------------------------------------------------------------------------------------------------------
    // What cannot be
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Taking such a permission away is refused like giving it: it cannot have been given.
    function test_RevertWhen_TheTargetIsTheTreasuryOrTheMaster() public {
        address[2] memory targets = [address(treasury), master];
        for (uint256 i; i < targets.length; ++i) {
            IRingMultisig.Permission memory permission = _three()[0];
            permission.target = targets[i];
            _invalid(permission);
            _invalid(_bareTransfer(targets[i]));
        }
    }

    /// @dev Otherwise it would be back as soon as there is another master.
    function test_TakingAwayWhatTheMasterWasPermittedToBeCalledFor() public {
        IRingMultisig.Permission memory permission = _three()[0];
        _permit(RING, permission);
        vm.prank(master);
        treasury.transferMaster(permission.target, _direct(master));
        vm.prank(permission.target);
        treasury.acceptMaster(_direct(permission.target));

        permission.allowed = false;
        vm.prank(permission.target);
        treasury.setPermissions(RING, _permissions(permission), _direct(permission.target));
        assertFalse(treasury.getPermission(RING, permission.target, permission.selector).allowed);
    }

    function test_RevertWhen_TheTargetIsZeroWithASelector() public {
        IRingMultisig.Permission memory permission = _three()[0];
        permission.target = address(0);
        _invalid(permission);
    }

    function test_RevertWhen_ABareTransferSaysMoreThanItsTarget() public {
        IRingMultisig.Permission memory permission = _bareTransfer(payee);
        permission.amountWord = 0;
        _invalid(permission);
        permission = _bareTransfer(payee);
        permission.addressWords = 1;
        _invalid(permission);
        permission = _bareTransfer(payee);
        permission.asset = address(token);
        _invalid(permission);
        permission = _bareTransfer(address(0));
        permission.amountWord = 1;
        permission.asset = address(token);
        _invalid(permission);
    }

    function test_RevertWhen_AnAssetIsNamedWithoutAnAmount() public {
        IRingMultisig.Permission memory permission = _three()[0];
        permission.amountWord = NO_AMOUNT;
        permission.asset = address(token);
        _invalid(permission);
    }

    function test_RevertWhen_OneOfThemCannotBe() public {
        IRingMultisig.Permission[] memory permissions = _three();
        permissions[2].target = master;
        vm.prank(master);
        vm.expectRevert(
            abi.encodeWithSelector(IRingMultisig.PermissionInvalid.selector, master, permissions[2].selector)
        );
        treasury.setPermissions(RING, permissions, _direct(master));
        assertEq(treasury.getPermissions(RING).length, 0, "all or none");
    }

    // ------------------------------------------------------------------------------------------------------------
    // Whose it is
    // ------------------------------------------------------------------------------------------------------------

    /// @dev The signature covers each entry, each of its fields, and their order.
    function test_RevertWhen_TheEntriesAreOthersThanSigned() public {
        Message memory message = Messages.setPermissions(RING, _three(), 1, NOON);
        IRingMultisig.Authorization memory authorization = _by(master, message, NOON);
        IRingMultisig.Permission[] memory others = _three();
        (others[0], others[1]) = (others[1], others[0]);
        _unsigned(others, authorization);
        for (uint256 field; field < 6; ++field) {
            others = _three();
            IRingMultisig.Permission memory altered = others[2];
            if (field == 0) altered.target = payee;
            if (field == 1) altered.selector = 0xc0ffee01;
            if (field == 2) altered.allowed = false;
            if (field == 3) altered.amountWord += 1;
            if (field == 4) altered.asset = address(0);
            if (field == 5) altered.addressWords ^= 0x8000;
            _unsigned(others, authorization);
        }
        others = new IRingMultisig.Permission[](2);
        (others[0], others[1]) = (_three()[0], _three()[1]);
        _unsigned(others, authorization);
        _unsigned(new IRingMultisig.Permission[](0), authorization);
        treasury.setPermissions(RING, _three(), authorization);
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.setPermissions(99, _three(), _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.setPermissions(RING, _three(), _direct(others[i]));
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev One function of three contracts.
    function _three() private view returns (IRingMultisig.Permission[] memory permissions) {
        permissions = new IRingMultisig.Permission[](3);
        for (uint160 i; i < 3; ++i) {
            permissions[i] = _metered(address(i + 1), FUNCTION, uint8(i), address(token));
        }
    }

    function _set(IRingMultisig.Permission[] memory permissions) private {
        vm.prank(master);
        treasury.setPermissions(RING, permissions, _direct(master));
    }

    function _invalid(IRingMultisig.Permission memory permission) private {
        vm.prank(master);
        vm.expectRevert(
            abi.encodeWithSelector(IRingMultisig.PermissionInvalid.selector, permission.target, permission.selector)
        );
        treasury.setPermissions(RING, _permissions(permission), _direct(master));
    }

    function _unsigned(IRingMultisig.Permission[] memory permissions, IRingMultisig.Authorization memory authorization)
        private
    {
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setPermissions(RING, permissions, authorization);
    }
}
