// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice A key leaves its ring: its seat is empty, and blocks the windows that hold it.
contract RevokeTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
    }

    function test_EmptiesTheSeat() public {
        address[2] memory entitled = [master, guardian];
        for (uint256 i; i < entitled.length; ++i) {
            uint32 ring = uint32(100 + i);
            _form(ring, _ring);
            IRingMultisig.Charter memory expected = _usualCharter();
            expected.seats[1] = address(0);
            vm.expectEmit(true, true, true, true, address(treasury));
            emit IRingMultisig.KeyRevoked(ring, keys[1], 1, entitled[i]);
            vm.expectEmit(true, true, true, true, address(treasury));
            emit IRingMultisig.CharterChanged(ring, 2, expected);
            vm.roll(77 + i);
            vm.prank(entitled[i]);
            treasury.revoke(ring, keys[1], _ring, _direct(entitled[i]));
            assertEq(treasury.getRing(ring).charter, treasury.charterHash(expected));
            assertEq(treasury.getRing(ring).changedAt, 77 + i);
        }
    }

    function test_ChangesNothingButKeysAndEpoch() public {
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        _revoke(keys[0]);
        IRingMultisig.RingView memory state = treasury.getRing(RING);
        assertEq(state.epoch, before.epoch + 1);
        (before.epoch, before.charter, before.changedAt) = (state.epoch, state.charter, state.changedAt);
        assertEq(abi.encode(state), abi.encode(before));
    }

    function test_KillsWhatWasSigned() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        // Seat 0 is not even in this window.
        _revoke(keys[0]);
        _refused(turn, abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 2, 1));
    }

    /// @dev Nonce 1 has seats 1 and 2; the windows of 2 and 3 hold seat 0.
    function test_BlocksExactlyTheWindowsThatHoldTheSeat() public {
        _revoke(keys[0]);
        _ring.seats[0] = address(0);
        _run(RING, _ring, _pay(payee, 1));
        bytes memory revoked = abi.encodeWithSelector(IRingMultisig.SeatIsRevoked.selector, 0);
        _refused(_turn(RING, _ring, "", _stances(SIGNED, ABSENT, ABSENT)), revoked);
        _refused(_turn(RING, _ring, "", _stances(SIGNED, ABSENT, SIGNED)), revoked);
        vm.prank(master);
        treasury.replace(RING, 2, 0, keys[9], false, _ring, _direct(master));
        _ring.seats[0] = keys[9];
        _run(RING, _ring, _pay(payee, 1));
        _run(RING, _ring, _pay(payee, 1));
    }

    /// @dev With fewer signatures demanded than the window has seats, the others could make the quorum without it; they must
    /// not, nor does anybody move up into its place.
    function test_BlocksTheWindowEvenWithSeatsToSpare() public {
        IRingMultisig.Charter memory charter = _charter(4, 3, 2);
        _form(8, charter);
        vm.prank(guardian);
        treasury.revoke(8, keys[0], charter, _direct(guardian));
        charter.seats[0] = address(0);
        uint8[] memory stances = new uint8[](4);
        bytes memory revoked = abi.encodeWithSelector(IRingMultisig.SeatIsRevoked.selector, 0);
        (stances[1], stances[2]) = (SIGNED, SIGNED);
        _refused(_turn(8, charter, _pay(payee, 1), stances), revoked);
        (stances[1], stances[2], stances[3]) = (ABSENT, SIGNED, SIGNED);
        _refused(_turn(8, charter, "", stances), revoked);
    }

    function test_NeitherHaltsNorResumes() public {
        _revoke(keys[0]);
        assertFalse(treasury.getRing(RING).halted);
        _ring.seats[0] = address(0);
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        _revoke(keys[1]);
        assertTrue(treasury.getRing(RING).halted);
    }

    function test_EveryKeyOneAfterTheOther() public {
        for (uint256 seat; seat < 3; ++seat) {
            _revoke(keys[seat]);
            _ring.seats[seat] = address(0);
        }
        assertEq(treasury.getRing(RING).charter, treasury.charterHash(_ring));
        assertEq(treasury.getRing(RING).epoch, 4);
    }

    function test_RevertWhen_TheKeyHasNoSeat() public {
        address[3] memory without = [keys[3], master, address(0)];
        for (uint256 i; i < without.length; ++i) {
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.KeyUnknown.selector, RING, without[i]));
            treasury.revoke(RING, without[i], _ring, _direct(master));
        }
    }

    function test_RevertWhen_TheKeyWasRevokedAlready() public {
        _revoke(keys[0]);
        vm.prank(master);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.revoke(RING, keys[0], _ring, _direct(master));
        _ring.seats[0] = address(0);
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.KeyUnknown.selector, RING, keys[0]));
        treasury.revoke(RING, keys[0], _ring, _direct(master));
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.KeyUnknown.selector, RING, address(0)));
        treasury.revoke(RING, address(0), _ring, _direct(master));
    }

    function test_RevertWhen_TheCharterIsInvented() public {
        _ring.cap += 1;
        vm.prank(guardian);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
    }

    function test_RevertWhen_NeitherMasterNorGuardian() public {
        address[3] memory others = [keys[0], keys[1], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.revoke(RING, keys[0], _ring, _direct(others[i]));
        }
    }

    /// @dev Without a guardian its place is the zero address, which nobody can be.
    function test_RevertWhen_NobodyRevokes() public {
        vm.prank(master);
        treasury.setGuardian(address(0), _direct(master));
        IRingMultisig.Authorization memory nobody =
            IRingMultisig.Authorization({ signer: address(0), deadline: NOON, signature: new bytes(65) });
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, address(0)));
        treasury.revoke(RING, keys[0], _ring, nobody);
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.revoke(99, keys[0], _ring, _direct(master));
    }

    // ------------------------------------------------------------------------------------------------------------

    function _revoke(address key) private {
        vm.prank(guardian);
        treasury.revoke(RING, key, _ring, _direct(guardian));
    }
}
