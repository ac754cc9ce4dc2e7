// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Reenterer } from "../doubles/Callees.sol";
import { HookToken } from "../doubles/Tokens.sol";
import { Messages } from "../reference/Messages.sol";

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
        _limit(RING, address(_hook), 1 ether);
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

    function test_RevertWhen_AMasterActionComesFromACallee() public {
        uint256 n = treasury.actionNonce(master);
        IRingMultisig.Charter memory c = _ring;
        _refusedWithin(
            abi.encodeCall(IRingMultisig.formRing, (9, c, _by(master, Messages.formRing(9, c, n, DEADLINE), DEADLINE)))
        );
        _refusedWithin(
            abi.encodeCall(IRingMultisig.resume, (OTHER, _by(master, Messages.resume(OTHER, ++n, DEADLINE), DEADLINE)))
        );
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.revoke,
                (OTHER, keys[0], c, _by(master, Messages.revoke(OTHER, keys[0], ++n, DEADLINE), DEADLINE))
            )
        );
        c.seats[0] = address(0);
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.replace,
                (OTHER, 0, keys[9], c, _by(master, Messages.replace(OTHER, 0, keys[9], ++n, DEADLINE), DEADLINE))
            )
        );
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.setLimit,
                (
                    OTHER,
                    address(token),
                    5,
                    DAY,
                    _by(master, Messages.setLimit(OTHER, address(token), 5, DAY, ++n, DEADLINE), DEADLINE)
                )
            )
        );
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.setGuardian,
                (stranger, _by(master, Messages.setGuardian(stranger, ++n, DEADLINE), DEADLINE))
            )
        );
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.masterExecute,
                (payee, 1, "", _by(master, Messages.masterExecute(payee, 1, "", ++n, DEADLINE), DEADLINE))
            )
        );
        _refusedWithin(
            abi.encodeCall(
                IRingMultisig.transferMaster,
                (stranger, _by(master, Messages.transferMaster(stranger, ++n, DEADLINE), DEADLINE))
            )
        );
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
        treasury.masterExecute(address(_callee), 1, "", _direct(master));
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
