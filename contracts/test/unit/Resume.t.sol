// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice A halted ring goes on: only by the master, and in a new epoch.
contract ResumeTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_GoesOnInANewEpoch() public {
        vm.prank(keys[0]);
        treasury.halt(RING, _ring, keys[0], "");
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        Turn memory old = _turn(RING, _ring, _pay(payee, 1));
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.Resumed(RING, 2);
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));

        (before.epoch, before.halted) = (2, false);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before), "nonce, charter and meter stay");
        _refused(old, abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 2, 1));
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_KeepsWhatWasSpent() public {
        _run(RING, _ring, _pay(payee, CAP - 1));
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));
        _refused(
            _turn(RING, _ring, _pay(payee, 1)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, CAP, 1)
        );
    }

    /// @dev It ends the epoch all the same: halts signed for it are dead.
    function test_OfARunningRingItOnlyStartsAnEpoch() public {
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));
        before.epoch = 2;
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    /// @dev What was signed before the last change of keys must not set the ring going.
    function test_RevertWhen_TheEpochIsAnother() public {
        for (uint32 epoch; epoch < 4; ++epoch) {
            if (epoch == 1) continue;
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 1, epoch));
            treasury.resume(RING, epoch, _direct(master));
        }
    }

    function test_RevertWhen_NotTheMaster() public {
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        address[4] memory others = [guardian, keys[0], keys[1], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.resume(RING, 1, _direct(others[i]));
        }
        assertTrue(treasury.getRing(RING).halted);
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.resume(99, 0, _direct(master));
    }
}
