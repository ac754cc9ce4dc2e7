// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice A seat gets a new key, and a halted ring goes on with it if the master says so.
contract ReplaceTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_GivesTheSeatANewKey() public {
        IRingMultisig.Charter memory expected = _usualCharter();
        expected.seats[2] = keys[9];
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.KeyReplaced(RING, keys[2], keys[9], 2);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CharterChanged(RING, 2, expected);
        _replace(2, keys[9], false);

        IRingMultisig.RingView memory state = treasury.getRing(RING);
        assertEq(state.charter, treasury.charterHash(expected));
        (before.epoch, before.charter, before.changedAt) = (2, state.charter, state.changedAt);
        assertEq(abi.encode(state), abi.encode(before));

        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(turn);
        _run(RING, expected, _pay(payee, 1));
    }

    function test_WithoutResuming_NeitherHaltsNorResumes() public {
        _replace(0, keys[9], false);
        assertFalse(treasury.getRing(RING).halted);
        _ring.seats[0] = keys[9];
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        _replace(1, keys[10], false);
        assertTrue(treasury.getRing(RING).halted);
    }

    /// @dev The same key halts again and again: giving its seat away and going on is one action.
    function test_AndResume_SetsAHaltedRingGoing() public {
        vm.prank(keys[0]);
        treasury.halt(RING, _ring, keys[0], "");
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.KeyReplaced(RING, keys[0], keys[9], 0);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.Resumed(RING, 2);
        _replace(0, keys[9], true);
        _ring.seats[0] = keys[9];
        (before.epoch, before.halted, before.charter) = (2, false, treasury.charterHash(_ring));
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before), "one epoch, and nothing else");

        bytes memory signature = _haltSignature(keys[0], RING);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, keys[0]));
        treasury.halt(RING, _ring, keys[0], signature);
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_AndResume_OfARunningRingSaysNothingOfIt() public {
        vm.recordLogs();
        _replace(0, keys[9], true);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2);
        assertEq(logs[0].topics[0], IRingMultisig.KeyReplaced.selector);
        assertEq(logs[1].topics[0], IRingMultisig.CharterChanged.selector);
        assertFalse(treasury.getRing(RING).halted);
    }

    /// @dev Two seats to fill: the ring goes on with the second.
    function test_AndResume_AfterSeveralSeats() public {
        vm.startPrank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
        _ring.seats[0] = address(0);
        treasury.revoke(RING, keys[1], _ring, _direct(guardian));
        _ring.seats[1] = address(0);
        vm.stopPrank();
        _replace(0, keys[8], false);
        assertTrue(treasury.getRing(RING).halted);
        _ring.seats[0] = keys[8];
        _replace(1, keys[9], true);
        _ring.seats[1] = keys[9];
        _run(RING, _ring, _pay(payee, 1));
    }

    /// @dev A halt of the old epoch does not stop the new one.
    function test_AndResume_KillsHaltsSignedBefore() public {
        bytes memory signature = _haltSignature(keys[1], RING);
        _replace(0, keys[9], true);
        _ring.seats[0] = keys[9];
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, keys[1], signature);
    }

    function test_RevertWhen_TheEpochIsAnother() public {
        for (uint32 epoch; epoch < 4; ++epoch) {
            if (epoch == 1) continue;
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 1, epoch));
            treasury.replace(RING, epoch, 0, keys[9], true, _ring, _direct(master));
        }
    }

    function test_RevertWhen_ResumingWasNotSigned() public {
        Message memory message = Messages.replace(RING, 1, 0, keys[9], false, 1, NOON);
        IRingMultisig.Authorization memory authorization = _by(master, message, NOON);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.replace(RING, 1, 0, keys[9], true, _ring, authorization);
        treasury.replace(RING, 1, 0, keys[9], false, _ring, authorization);
    }

    function test_RevertWhen_TheKeyCannotSit() public {
        address[7] memory wrong = [address(0), address(treasury), master, guardian, keys[0], keys[1], keys[2]];
        for (uint256 i; i < wrong.length; ++i) {
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SeatInvalid.selector, 1, wrong[i]));
            treasury.replace(RING, 1, 1, wrong[i], false, _ring, _direct(master));
        }
        vm.prank(guardian);
        treasury.revoke(RING, keys[1], _ring, _direct(guardian));
        _ring.seats[1] = address(0);
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SeatInvalid.selector, 1, address(0)));
        treasury.replace(RING, 2, 1, address(0), false, _ring, _direct(master));
    }

    function test_RevertWhen_TheSeatIsNotThere() public {
        for (uint256 seat = 3; seat < 256; seat += 23) {
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SeatInvalid.selector, seat, keys[9]));
            treasury.replace(RING, 1, uint8(seat), keys[9], false, _ring, _direct(master));
        }
    }

    function test_RevertWhen_TheCharterIsInvented() public {
        _ring.quorum = 1;
        vm.prank(master);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.replace(RING, 1, 0, keys[9], false, _ring, _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.replace(RING, 1, 0, keys[9], false, _ring, _direct(others[i]));
        }
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.replace(99, 0, 0, keys[9], true, _ring, _direct(master));
    }

    // ------------------------------------------------------------------------------------------------------------

    function _replace(uint8 seat, address key, bool andResume) private {
        uint32 epoch = treasury.getRing(RING).epoch;
        vm.prank(master);
        treasury.replace(RING, epoch, seat, key, andResume, _ring, _direct(master));
    }
}
