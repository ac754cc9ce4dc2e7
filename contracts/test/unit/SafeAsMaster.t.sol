// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { ISafe, RealSafe } from "../RealSafe.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice A real Safe as master, and another as guardian: each acts by a transaction of its own, or by what its owners
/// signed and anybody sends (ERC-1271).
contract SafeAsMasterTest is RealSafe {
    uint256 private constant DEADLINE = NOON + 1 days;
    bytes16 private constant REQUEST = bytes16(uint128(0x5a));

    ISafe private _safe;
    ISafe private _guardianSafe;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        (_safe, _guardianSafe) = (_newSafe(), _newSafe());
        (master, guardian) = (address(_safe), address(_guardianSafe));
        treasury = IRingMultisig(_deploy(master, guardian));
        vm.deal(address(treasury), 1000 ether);
        _ring = _usualCharter();
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master
    // ------------------------------------------------------------------------------------------------------------

    function test_Master_EveryActionByTransaction() public {
        IRingMultisig.Authorization memory direct = _direct(master);
        _sends(abi.encodeCall(IRingMultisig.formRing, (RING, 0, _ring, direct)));
        _run(RING, _ring, _pay(payee, 1));
        _sends(abi.encodeCall(IRingMultisig.resume, (RING, 1, direct)));
        _sends(abi.encodeCall(IRingMultisig.revoke, (RING, keys[0], _ring, direct)));
        _ring.seats[0] = address(0);
        _sends(abi.encodeCall(IRingMultisig.replace, (RING, 3, 0, keys[9], true, _ring, direct)));
        _ring.seats[0] = keys[9];
        _sends(abi.encodeCall(IRingMultisig.setLimits, (RING, _limits(address(token), 5, DAY), direct)));
        _sends(abi.encodeCall(IRingMultisig.setPermissions, (RING, _permissions(_transferOf(address(token))), direct)));
        _sends(abi.encodeCall(IRingMultisig.permitPayment, (RING, 4, REQUEST, address(0), payee, 11 ether, direct)));
        _allIsSet();
        _sends(abi.encodeCall(IRingMultisig.masterExecute, (payee, 2, "", 50_000, direct)));
        assertEq(payee.balance, 11 ether + 3);
        _sends(abi.encodeCall(IRingMultisig.setGuardian, (stranger, direct)));
        _sends(abi.encodeCall(IRingMultisig.transferMaster, (stranger, direct)));
        assertEq(treasury.guardian(), stranger);
        assertEq(treasury.pendingMaster(), stranger);
        assertEq(treasury.actionNonce(master), 10);
    }

    function test_Master_EveryActionBySignature() public {
        treasury.formRing(RING, 0, _ring, _signed(Messages.formRing(RING, 0, _ring, 0, DEADLINE)));
        _run(RING, _ring, _pay(payee, 1));
        treasury.resume(RING, 1, _signed(Messages.resume(RING, 1, 1, DEADLINE)));
        treasury.revoke(RING, keys[0], _ring, _signed(Messages.revoke(RING, keys[0], 2, DEADLINE)));
        _ring.seats[0] = address(0);
        Message memory message = Messages.replace(RING, 3, 0, keys[9], true, 3, DEADLINE);
        treasury.replace(RING, 3, 0, keys[9], true, _ring, _signed(message));
        _ring.seats[0] = keys[9];
        IRingMultisig.LimitSetting[] memory limits = _limits(address(token), 5, DAY);
        treasury.setLimits(RING, limits, _signed(Messages.setLimits(RING, limits, 4, DEADLINE)));
        IRingMultisig.Permission[] memory permissions = _permissions(_transferOf(address(token)));
        message = Messages.setPermissions(RING, permissions, 5, DEADLINE);
        treasury.setPermissions(RING, permissions, _signed(message));
        message = Messages.permitPayment(RING, 4, REQUEST, address(0), payee, 11 ether, 6, DEADLINE);
        treasury.permitPayment(RING, 4, REQUEST, address(0), payee, 11 ether, _signed(message));
        _allIsSet();
        message = Messages.masterExecute(payee, 2, "", 50_000, 7, DEADLINE);
        treasury.masterExecute(payee, 2, "", 50_000, _signed(message));
        assertEq(payee.balance, 11 ether + 3);
        treasury.setGuardian(stranger, _signed(Messages.setGuardian(stranger, 8, DEADLINE)));
        treasury.transferMaster(stranger, _signed(Messages.transferMaster(stranger, 9, DEADLINE)));
        assertEq(treasury.guardian(), stranger);
        assertEq(treasury.pendingMaster(), stranger);
        assertEq(treasury.actionNonce(master), 10);
    }

    function test_Master_BecomesItBySignatureOrTransaction() public {
        for (uint256 i; i < 2; ++i) {
            treasury = IRingMultisig(_deploy(stranger, guardian));
            vm.prank(stranger);
            treasury.transferMaster(address(_safe), _direct(stranger));
            if (i == 0) treasury.acceptMaster(_signed(Messages.acceptMaster(0, DEADLINE)));
            else _sends(abi.encodeCall(IRingMultisig.acceptMaster, (_direct(address(_safe)))));
            assertEq(treasury.master(), address(_safe));
        }
    }

    function test_RevertWhen_OneOwnerSignedAlone() public {
        bytes32 digest = _safeMessage(_safe, _digest(_setGuardian()));
        _invalid(_signature(owners[0], digest));
        _invalid(bytes.concat(_signature(owners[0], digest), _signature(owners[0], digest)));
        _invalid(bytes.concat(_signature(owners[0], digest), _signature(stranger, digest)));
    }

    /// @dev Safe's own rule: ascending owners.
    function test_RevertWhen_OwnersSignedInAnotherOrder() public {
        bytes32 digest = _safeMessage(_safe, _digest(_setGuardian()));
        _invalid(bytes.concat(_signature(owners[1], digest), _signature(owners[0], digest)));
    }

    /// @dev The bare digest names no Safe: the same owners' other Safes would have signed it as well.
    function test_RevertWhen_OwnersSignedTheBareDigest() public {
        bytes32 digest = _digest(_setGuardian());
        _invalid(bytes.concat(_signature(owners[0], digest), _signature(owners[1], digest)));
    }

    function test_RevertWhen_OwnersSignedForAnotherSafeOfTheirs() public {
        _invalid(_safeSignature(_guardianSafe, _digest(_setGuardian())));
        bytes memory signature = _safeSignature(_safe, _digest(_setGuardian()));
        treasury.setGuardian(payee, _as(master, signature));
        assertEq(treasury.guardian(), payee);
    }

    function test_RevertWhen_AnOwnerActsAsTheMaster() public {
        vm.prank(owners[0]);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, owners[0]));
        treasury.setGuardian(payee, _direct(owners[0]));
        vm.prank(owners[0]);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, master, owners[0]));
        treasury.setGuardian(payee, _direct(master));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Guardian
    // ------------------------------------------------------------------------------------------------------------

    function test_Guardian_HaltsAndRevokes() public {
        _sends(abi.encodeCall(IRingMultisig.formRing, (RING, 0, _ring, _direct(master))));
        _sends(abi.encodeCall(IRingMultisig.formRing, (8, 0, _ring, _direct(master))));
        treasury.halt(RING, _ring, guardian, _safeSignature(_guardianSafe, _digest(Messages.halt(RING, 1))));
        assertTrue(treasury.getRing(RING).halted);
        _transact(_guardianSafe, address(treasury), abi.encodeCall(IRingMultisig.halt, (8, _ring, guardian, "")));
        assertTrue(treasury.getRing(8).halted);

        bytes memory signature = _safeSignature(_guardianSafe, _digest(Messages.revoke(RING, keys[0], 0, DEADLINE)));
        treasury.revoke(RING, keys[0], _ring, _as(guardian, signature));
        bytes memory action = abi.encodeCall(IRingMultisig.revoke, (8, keys[0], _ring, _direct(guardian)));
        _transact(_guardianSafe, address(treasury), action);
        assertEq(treasury.getRing(RING).epoch, 2);
        assertEq(treasury.getRing(8).epoch, 2);
    }

    function test_RevertWhen_TheGuardianWouldLoosen() public {
        _sends(abi.encodeCall(IRingMultisig.formRing, (RING, 0, _ring, _direct(master))));
        treasury.halt(RING, _ring, guardian, _safeSignature(_guardianSafe, _digest(Messages.halt(RING, 1))));
        bytes memory signature = _safeSignature(_guardianSafe, _digest(Messages.resume(RING, 1, 0, DEADLINE)));
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, guardian));
        treasury.resume(RING, 1, _as(guardian, signature));
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.resume(RING, 1, _as(master, signature));
        vm.expectRevert("GS013");
        this.transactAsGuardian(abi.encodeCall(IRingMultisig.resume, (RING, 1, _direct(guardian))));
        assertTrue(treasury.getRing(RING).halted);
    }

    function transactAsGuardian(bytes calldata data) external {
        _transact(_guardianSafe, address(treasury), data);
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Through limits and permissions alike, with the payment that was permitted.
    function _allIsSet() private {
        assertEq(treasury.getRing(RING).epoch, 4);
        assertEq(treasury.getLimit(RING, address(token)).cap, 5);
        assertTrue(treasury.getPermission(RING, address(token), token.transfer.selector).allowed);
        _run(RING, _ring, _pay(REQUEST, CALL_GAS, payee, 11 ether));
        assertEq(payee.balance, 11 ether + 1);
    }

    function _sends(bytes memory action) private {
        assertTrue(_transact(_safe, address(treasury), action));
    }

    function _signed(Message memory message) private view returns (IRingMultisig.Authorization memory) {
        return _as(address(_safe), _safeSignature(_safe, _digest(message)));
    }

    function _as(address signer, bytes memory signature) private pure returns (IRingMultisig.Authorization memory) {
        return IRingMultisig.Authorization({ signer: signer, deadline: DEADLINE, signature: signature });
    }

    function _setGuardian() private view returns (Message memory) {
        return Messages.setGuardian(payee, 0, DEADLINE);
    }

    function _invalid(bytes memory signature) private {
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setGuardian(payee, _as(master, signature));
    }
}
