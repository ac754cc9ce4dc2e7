// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { GoodSigner } from "../doubles/Signers.sol";
import { Messages } from "../reference/Messages.sol";

/// @notice Anybody of the ring stops it, at any time, and nothing the ring does can prevent that.
contract HaltTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
    }

    function test_EverySeatMasterAndGuardianHaltBySending() public {
        address[5] memory entitled = [keys[0], keys[1], keys[2], master, guardian];
        for (uint256 i; i < entitled.length; ++i) {
            uint32 ring = uint32(100 + i);
            _form(ring, _ring);
            vm.expectEmit(true, true, true, true, address(treasury));
            emit IRingMultisig.Halted(ring, 1, entitled[i]);
            vm.prank(entitled[i]);
            treasury.halt(ring, _ring, entitled[i], "");
            _stands(ring);
        }
    }

    function test_EverySeatMasterAndGuardianHaltBySignature() public {
        address[5] memory entitled = [keys[0], keys[1], keys[2], master, guardian];
        for (uint256 i; i < entitled.length; ++i) {
            uint32 ring = uint32(100 + i);
            _form(ring, _ring);
            bytes memory signature = _haltSignature(entitled[i], ring);
            vm.prank(stranger);
            treasury.halt(ring, _ring, entitled[i], signature);
            _stands(ring);
        }
    }

    function test_MasterAndGuardianNeedNoCharter() public {
        IRingMultisig.Charter memory none;
        bytes memory signature = _haltSignature(guardian, RING);
        treasury.halt(RING, none, guardian, signature);
        _stands(RING);

        _form(8, _ring);
        vm.prank(master);
        treasury.halt(8, none, master, "");
        _stands(8);
    }

    function test_TakesACompactSignature() public {
        (bytes32 r, bytes32 vs) = vm.signCompact(privateKeyOf[keys[0]], _digest(Messages.halt(RING, 1)));
        treasury.halt(RING, _ring, keys[0], abi.encodePacked(r, vs));
        _stands(RING);
    }

    /// @dev Turns do not outdate it.
    function test_SignedAheadStaysValidForItsEpoch() public {
        bytes memory signature = _haltSignature(keys[2], RING);
        for (uint256 i; i < 4; ++i) {
            _run(RING, _ring, _pay(payee, 1));
        }
        vm.warp(NOON + 3650 days);
        treasury.halt(RING, _ring, keys[2], signature);
        _stands(RING);
    }

    function test_UsesNoNonce() public {
        _run(RING, _ring, "");
        vm.prank(keys[0]);
        treasury.halt(RING, _ring, keys[0], "");
        assertEq(treasury.getRing(RING).nonce, 1);
        assertEq(treasury.getRing(RING).epoch, 1);
        assertEq(treasury.actionNonce(keys[0]), 0);
    }

    function test_HaltingTwiceChangesNothing() public {
        bytes memory signature = _haltSignature(keys[0], RING);
        treasury.halt(RING, _ring, keys[0], signature);
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.recordLogs();
        treasury.halt(RING, _ring, keys[0], signature);
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    function test_AContractInASeatHaltsBySignature() public {
        GoodSigner seat = new GoodSigner();
        _ring.seats[1] = address(seat);
        _form(RING, _ring);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, address(seat), hex"01");
        seat.approve(_digest(Messages.halt(RING, 2)));
        treasury.halt(RING, _ring, address(seat), hex"01");
        assertTrue(treasury.getRing(RING).halted);
    }

    function test_RevertWhen_SignedForAnEarlierEpoch() public {
        bytes memory signature = _haltSignature(keys[0], RING);
        treasury.halt(RING, _ring, keys[0], signature);
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, keys[0], signature);
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_RevertWhen_SignedForAnotherRing() public {
        _form(8, _ring);
        bytes memory signature = _haltSignature(keys[0], 8);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, keys[0], signature);
    }

    function test_RevertWhen_SignedForAnotherChain() public {
        bytes memory signature = _haltSignature(keys[0], RING);
        vm.chainId(999);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, keys[0], signature);
    }

    function test_RevertWhen_TheSenderIsNotTheSigner() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, keys[0], stranger));
        treasury.halt(RING, _ring, keys[0], "");
        vm.prank(keys[1]);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, master, keys[1]));
        treasury.halt(RING, _ring, master, "");
    }

    function test_RevertWhen_TheSignerIsAStranger() public {
        bytes memory signature = _haltSignature(stranger, RING);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.halt(RING, _ring, stranger, signature);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.halt(RING, _ring, stranger, "");
    }

    function test_RevertWhen_AStrangerSignsForASeat() public {
        bytes memory signature = _haltSignature(stranger, RING);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.halt(RING, _ring, keys[0], signature);
    }

    function test_RevertWhen_TheCharterIsInvented() public {
        IRingMultisig.Charter memory invented = _usualCharter();
        invented.seats[0] = stranger;
        bytes memory signature = _haltSignature(stranger, RING);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.halt(RING, invented, stranger, signature);
    }

    function test_RevertWhen_TheKeyWasRevoked() public {
        vm.prank(guardian);
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
        IRingMultisig.Charter memory now_ = _usualCharter();
        now_.seats[0] = address(0);
        bytes memory signature = _haltSignature(keys[0], RING);

        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, keys[0]));
        treasury.halt(RING, now_, keys[0], signature);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.halt(RING, _ring, keys[0], signature);
    }

    /// @dev An empty seat is the zero address, and so is what a bad signature recovers to.
    function test_RevertWhen_TheSignerIsNobody() public {
        vm.prank(guardian);
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
        IRingMultisig.Charter memory now_ = _usualCharter();
        now_.seats[0] = address(0);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, address(0)));
        treasury.halt(RING, now_, address(0), new bytes(65));

        vm.prank(master);
        treasury.setGuardian(address(0), _direct(master));
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, address(0)));
        treasury.halt(RING, now_, address(0), new bytes(65));
    }

    function test_RevertWhen_TheGuardianIsNoLonger() public {
        bytes memory signature = _haltSignature(guardian, RING);
        vm.prank(master);
        treasury.setGuardian(address(0), _direct(master));
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, guardian));
        treasury.halt(RING, _ring, guardian, signature);
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.halt(99, _ring, master, "");
    }

    function _stands(uint32 ring) private {
        assertTrue(treasury.getRing(ring).halted);
        _refused(_turn(ring, _ring, ""), abi.encodeWithSelector(IRingMultisig.RingIsHalted.selector, ring));
    }
}
