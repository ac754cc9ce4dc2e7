// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { RingTest } from "../RingTest.sol";
import { Reenterer } from "../doubles/Callees.sol";
import { HookToken } from "../doubles/Tokens.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice A callee that calls back is refused, whatever it carries. Each time the same call succeeds from outside
/// afterwards: it was refused for its moment alone.
contract ReentrancyTest is RingTest {
    uint32 private constant OTHER = 8;
    uint24 private constant MUCH_GAS = 2_000_000;
    uint256 private constant DEADLINE = NOON + 1 days;

    IRingMultisig.Charter private _ring;
    Reenterer private _callee;
    HookToken private _hook;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _form(OTHER, _ring);
        _callee = new Reenterer(address(treasury));
        _hook = new HookToken();
        _hook.mint(address(treasury), 1 ether);
        _allow(RING, address(_hook), 1 ether);
    }

    function test_RevertWhen_TheNextTurnComesFromACallee() public {
        _refusedWithin(_encoded(_turn(_id(RING, 1, 1, NO_EXPIRY), _ring, _pay(payee, 1), _firstSign(_ring))));
    }

    function test_RevertWhen_ATurnOfAnotherRingComesFromACallee() public {
        _refusedWithin(_encoded(_turn(OTHER, _ring, _pay(payee, 1))));
    }

    function test_RevertWhen_AHaltComesFromACallee() public {
        _refusedWithin(abi.encodeCall(IRingMultisig.halt, (RING, _ring, keys[2], _haltSignature(keys[2], RING))));
        assertTrue(treasury.getRing(RING).halted);
    }

    function test_RevertWhen_AProofComesFromACallee() public {
        TurnId id = _id(OTHER, 1, 0, NO_EXPIRY);
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.proveEquivocation,
                (_ring, _signedTurn(id, keys[0], hex"01"), _signedTurn(id, keys[0], hex"02"))
            )
        );
    }

    function test_RevertWhen_AChangeOfKeysComesFromACallee() public {
        IRingMultisig.Charter memory c = _ring;
        _refusedWithin(abi.encodeCall(IRingMultisig.formRing, (9, 0, c, _byMaster(_formRing(c)))));
        _refusedWithin(
            abi.encodeCall(IRingMultisig.resume, (OTHER, 1, _byMaster(Messages.resume(OTHER, 1, _nonce(), DEADLINE))))
        );
        Message memory message = Messages.revoke(OTHER, keys[0], _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.revoke, (OTHER, keys[0], c, _byMaster(message))));
        c.seats[0] = address(0);
        message = Messages.replace(OTHER, 3, 0, keys[9], true, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.replace, (OTHER, 3, 0, keys[9], true, c, _byMaster(message))));
    }

    function test_RevertWhen_ALooserRuleComesFromACallee() public {
        IRingMultisig.LimitSetting[] memory limits = _limits(address(token), 5, DAY);
        Message memory message = Messages.setLimits(OTHER, limits, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.setLimits, (OTHER, limits, _byMaster(message))));
        IRingMultisig.Permission[] memory permissions = _permissions(_bareTransfer(payee));
        message = Messages.setPermissions(OTHER, permissions, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.setPermissions, (OTHER, permissions, _byMaster(message))));
        message = Messages.permitPayment(OTHER, 1, bytes16(0), address(0), payee, 1, _nonce(), DEADLINE);
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.permitPayment, (OTHER, 1, bytes16(0), address(0), payee, 1, _byMaster(message))
            )
        );
    }

    function test_RevertWhen_AnActionOfTheMasterComesFromACallee() public {
        Message memory message = Messages.setGuardian(stranger, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.setGuardian, (stranger, _byMaster(message))));
        message = Messages.masterExecute(payee, 1, "", 0, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.masterExecute, (payee, 1, "", 0, _byMaster(message))));
        message = Messages.transferMaster(stranger, _nonce(), DEADLINE);
        _refusedWithin(abi.encodeCall(IRingMultisig.transferMaster, (stranger, _byMaster(message))));
        _refusedWithin(
            abi.encodeCall(IRingMultisig.acceptMaster, (_by(stranger, Messages.acceptMaster(0, DEADLINE), DEADLINE)))
        );
        assertEq(treasury.master(), stranger);
    }

    function test_RevertWhen_AHookOfATokenCallsBack() public {
        bytes memory inner = _encoded(_turn(OTHER, _ring, _pay(payee, 1)));
        _callee.prepare(inner);
        bytes memory transfer_ = abi.encodeWithSignature("transfer(address,uint256)", address(_callee), 5);
        _run(RING, _ring, _call(_nextRequest(), MUCH_GAS, address(_hook), 0, transfer_));
        _wasRefused();
        assertEq(_hook.balanceOf(address(_callee)), 5, "the transfer itself stands");
    }

    function test_RevertWhen_TheCalleeOfTheMasterCallsBack() public {
        bytes memory inner = _encoded(_turn(OTHER, _ring, _pay(payee, 1)));
        _callee.prepare(inner);
        vm.prank(master);
        treasury.masterExecute(address(_callee), 1, "", 0, _direct(master));
        _wasRefused();
    }

    /// @dev Two turns in one transaction are no reentrancy.
    function test_TwoTurnsOneAfterTheOther() public {
        _run(RING, _ring, _pay(payee, 1));
        _run(OTHER, _ring, _pay(payee, 1));
        _run(RING, _ring, _pay(payee, 1));
        assertEq(payee.balance, 3);
    }

    /// @dev `halt` leaves early when there is nothing to do; the next call must find the door open.
    function test_AfterAHaltThatChangesNothing() public {
        vm.startPrank(master);
        treasury.halt(OTHER, _ring, master, "");
        treasury.halt(OTHER, _ring, master, "");
        vm.stopPrank();
        _run(RING, _ring, _pay(payee, 1));
        assertEq(payee.balance, 1);
    }

    function _formRing(IRingMultisig.Charter memory charter) private view returns (Message memory) {
        return Messages.formRing(9, 0, charter, _nonce(), DEADLINE);
    }

    function _nonce() private view returns (uint256) {
        return treasury.actionNonce(master);
    }

    function _byMaster(Message memory message) private view returns (IRingMultisig.Authorization memory) {
        return _by(master, message, DEADLINE);
    }

    function _refusedWithin(bytes memory inner) private {
        _callee.prepare(inner);
        _run(RING, _ring, _pay(_nextRequest(), MUCH_GAS, address(_callee), 1));
        _wasRefused();
    }

    function _wasRefused() private {
        assertTrue(_callee.entered(), "never called back");
        assertFalse(_callee.success());
        assertEq(_callee.answer(), abi.encodeWithSelector(IRingMultisig.Reentrancy.selector));
        assertTrue(_callee.again(), "would have been refused for another reason as well");
    }
}
