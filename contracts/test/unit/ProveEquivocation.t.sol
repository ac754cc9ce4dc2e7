// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { RingTest } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";

/// @notice A key that signed two contents for one nonce: whoever has both halts the ring and empties its seat.
contract ProveEquivocationTest is RingTest {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
    }

    // ------------------------------------------------------------------------------------------------------------
    // What it does
    // ------------------------------------------------------------------------------------------------------------

    function test_HaltsTheRingAndEmptiesTheSeat() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        IRingMultisig.Charter memory expected = _usualCharter();
        expected.seats[1] = address(0);

        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.EquivocationProven(
            RING, keys[1], 1, _digest(_slot(1, 1), hex"01"), _digest(_slot(1, 1), hex"02")
        );
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.Halted(RING, 1, keys[1]);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.KeyRevoked(RING, keys[1], 1, stranger);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CharterChanged(RING, 2, expected);
        vm.roll(77);
        vm.prank(stranger);
        treasury.proveEquivocation(_ring, first, second);

        IRingMultisig.RingView memory state = treasury.getRing(RING);
        (before.epoch, before.halted, before.changedAt) = (2, true, 77);
        before.charter = treasury.charterHash(expected);
        assertEq(abi.encode(state), abi.encode(before), "nothing else");
        _refused(
            _turn(RING, expected, "", _stances(ABSENT, ABSENT, ABSENT)),
            abi.encodeWithSelector(IRingMultisig.RingIsHalted.selector, RING)
        );
    }

    /// @dev The other order, another validity of the same calls, calls that would not even parse: two contents all the same.
    function test_TakesAnyTwoContents() public {
        _proves(_signedTurn(_slot(1, 1), keys[1], hex"02"), _signedTurn(_slot(1, 1), keys[1], hex"01"));
        _proves(_signedTurn(_slot(1, 1), keys[1], hex"01"), _signedTurn(_id(RING, 1, 1, 5), keys[1], hex"01"));
        _proves(_signedTurn(_id(RING, 1, 1, 0), keys[1], hex"01"), _signedTurn(_slot(1, 1), keys[1], hex"02"));
        bytes memory pay = _pay(payee, 1);
        bytes memory more = bytes.concat(pay, _pay(payee, 1));
        _proves(_signedTurn(_slot(1, 1), keys[1], pay), _signedTurn(_slot(1, 1), keys[1], more));
    }

    /// @dev A nonce long used, one far ahead, and one whose window does not even hold the seat.
    function test_TakesAnyNonce() public {
        uint40[4] memory nonces = [0, 1, 2, type(uint40).max];
        for (uint256 i; i < nonces.length; ++i) {
            TurnId id = _slot(1, nonces[i]);
            _proves(_signedTurn(id, keys[2], hex"01"), _signedTurn(id, keys[2], hex"02"));
        }
    }

    /// @dev What it signed before the last change of keys is no less signed.
    function test_TakesEarlierEpochs() public {
        vm.startPrank(master);
        treasury.resume(RING, 1, _direct(master));
        treasury.resume(RING, 2, _direct(master));
        vm.stopPrank();
        for (uint32 epoch = 1; epoch <= 3; ++epoch) {
            TurnId id = _slot(epoch, 5);
            _proves(_signedTurn(id, keys[0], hex"01"), _signedTurn(id, keys[0], hex"02"));
        }
    }

    /// @dev The seat is found in the present charter, wherever it is by now.
    function test_TakesAKeyThatMoved() public {
        (_ring.seats[0], _ring.seats[2]) = (keys[2], keys[0]);
        _form(RING, _ring);
        treasury.proveEquivocation(
            _ring, _signedTurn(_slot(1, 1), keys[0], hex"01"), _signedTurn(_slot(1, 1), keys[0], hex"02")
        );
        _ring.seats[2] = address(0);
        assertEq(treasury.getRing(RING).charter, treasury.charterHash(_ring));
    }

    function test_OfAHaltedRingItOnlyRevokes() public {
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        vm.recordLogs();
        treasury.proveEquivocation(
            _ring, _signedTurn(_slot(1, 1), keys[1], hex"01"), _signedTurn(_slot(1, 1), keys[1], hex"02")
        );
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 3);
        for (uint256 i; i < logs.length; ++i) {
            assertTrue(logs[i].topics[0] != IRingMultisig.Halted.selector);
        }
        assertTrue(treasury.getRing(RING).halted);
        assertEq(treasury.getRing(RING).epoch, 2);
    }

    function test_UsesNoActionNonce() public {
        treasury.proveEquivocation(
            _ring, _signedTurn(_slot(1, 1), keys[1], hex"01"), _signedTurn(_slot(1, 1), keys[1], hex"02")
        );
        assertEq(treasury.actionNonce(keys[1]), 0);
        assertEq(treasury.actionNonce(address(this)), 0);
        assertEq(treasury.actionNonce(master), 1);
    }

    /// @dev Two liars, one after the other; then one action of the master puts all right.
    function test_SeveralKeysOneAfterTheOther() public {
        for (uint256 seat; seat < 2; ++seat) {
            treasury.proveEquivocation(
                _ring, _signedTurn(_slot(1, 1), keys[seat], hex"01"), _signedTurn(_slot(1, 1), keys[seat], hex"02")
            );
            _ring.seats[seat] = address(0);
        }
        assertEq(treasury.getRing(RING).charter, treasury.charterHash(_ring));
        (_ring.seats[0], _ring.seats[1]) = (keys[8], keys[9]);
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
    }

    // ------------------------------------------------------------------------------------------------------------
    // What is no proof
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_BothAreTheSameTurn() public {
        IRingMultisig.SignedTurn memory turn = _signedTurn(_slot(1, 1), keys[1], hex"01");
        _compatible(turn, turn);
    }

    /// @dev The same content with another signature of the same key: signers need not be deterministic.
    function test_RevertWhen_OneContentWasSignedTwice() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"01");
        (second.r, second.vs) = _otherSignature(keys[1], _digest(_slot(1, 1), hex"01"));
        assertTrue(first.r != second.r);
        _compatible(first, second);
    }

    /// @dev A void beside a content is how a nonce is freed; two voids differ in their validity alone.
    function test_RevertWhen_OneOfThemIsVoid() public {
        IRingMultisig.SignedTurn memory content = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory void_ = _signedTurn(_slot(1, 1), keys[1], "");
        _compatible(content, void_);
        _compatible(void_, content);
        _compatible(void_, void_);
        _compatible(void_, _signedTurn(_id(RING, 1, 1, 5), keys[1], ""));
    }

    function test_RevertWhen_TheyAreOfAnotherSlot() public {
        TurnId[3] memory others = [_id(8, 1, 1, NO_EXPIRY), _slot(2, 1), _slot(1, 2)];
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        for (uint256 i; i < others.length; ++i) {
            _noProof(
                first,
                _signedTurn(others[i], keys[1], hex"02"),
                abi.encodeWithSelector(IRingMultisig.TurnsUnrelated.selector, first.id, others[i])
            );
        }
    }

    function test_RevertWhen_TheSignersDiffer() public {
        _noProof(
            _signedTurn(_slot(1, 1), keys[1], hex"01"),
            _signedTurn(_slot(1, 1), keys[2], hex"02"),
            abi.encodeWithSelector(IRingMultisig.SignersDiffer.selector, keys[1], keys[2])
        );
    }

    function test_RevertWhen_TheKeyHasNoSeat() public {
        address[3] memory others = [stranger, master, keys[5]];
        for (uint256 i; i < others.length; ++i) {
            _noProof(
                _signedTurn(_slot(1, 1), others[i], hex"01"),
                _signedTurn(_slot(1, 1), others[i], hex"02"),
                abi.encodeWithSelector(IRingMultisig.KeyUnknown.selector, RING, others[i])
            );
        }
    }

    /// @dev The master got there first. The ring is not halted for a key it no longer has.
    function test_RevertWhen_TheKeyIsNoLongerSeated() public {
        vm.prank(guardian);
        treasury.revoke(RING, keys[1], _ring, _direct(guardian));
        IRingMultisig.Charter memory before = _usualCharter();
        _ring.seats[1] = address(0);
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        _noProof(first, second, abi.encodeWithSelector(IRingMultisig.KeyUnknown.selector, RING, keys[1]));
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.proveEquivocation(before, first, second);
    }

    function test_RevertWhen_TheCharterIsInvented() public {
        IRingMultisig.Charter memory invented = _usualCharter();
        invented.seats[1] = stranger;
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), stranger, hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), stranger, hex"02");
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        treasury.proveEquivocation(invented, first, second);
    }

    /// @dev Neither an epoch that is yet to come nor the one before the first: no honest turn names them.
    function test_RevertWhen_TheEpochNeverWas() public {
        uint32[3] memory epochs = [0, 2, type(uint32).max];
        for (uint256 i; i < epochs.length; ++i) {
            _noProof(
                _signedTurn(_slot(epochs[i], 1), keys[1], hex"01"),
                _signedTurn(_slot(epochs[i], 1), keys[1], hex"02"),
                abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 1, epochs[i])
            );
        }
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        TurnId id = _id(99, 1, 1, NO_EXPIRY);
        _noProof(
            _signedTurn(id, keys[1], hex"01"),
            _signedTurn(id, keys[1], hex"02"),
            abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99)
        );
    }

    /// @dev Bits that the digest does not cover would make one turn look like two.
    function test_RevertWhen_UnusedBitsOfTheIdAreSet() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        first.id = TurnId.wrap(TurnId.unwrap(first.id) | 1 << 144);
        second.id = TurnId.wrap(TurnId.unwrap(second.id) | 1 << 144);
        _noProof(first, second, abi.encodeWithSelector(IRingMultisig.TurnIdMalformed.selector, first.id));
    }

    function test_RevertWhen_SIsHigh() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        second.vs = bytes32(ORDER / 2 + 1);
        _noProof(first, second, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
        _noProof(second, first, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
    }

    function test_RevertWhen_ASignatureRecoversToNobody() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        (first.r, first.vs, second.r, second.vs) = (0, 0, 0, 0);
        _noProof(first, second, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
    }

    /// @dev Whatever garbage there is for signatures, no seat is emptied.
    function testFuzz_RevertWhen_TheSignaturesAreRandom(bytes32 r1, bytes32 vs1, bytes32 r2, bytes32 vs2) public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        (first.r, first.vs, second.r, second.vs) = (r1, vs1, r2, vs2);
        vm.expectRevert();
        treasury.proveEquivocation(_ring, first, second);
        assertFalse(treasury.getRing(RING).halted);
    }

    function test_RevertWhen_SignedForAnotherChain() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        vm.chainId(999);
        vm.expectPartialRevert(IRingMultisig.SignersDiffer.selector);
        treasury.proveEquivocation(_ring, first, second);
    }

    /// @dev A signed action or halt is no turn.
    function test_RevertWhen_SomethingElseWasSigned() public {
        IRingMultisig.SignedTurn memory first = _signedTurn(_slot(1, 1), keys[1], hex"01");
        IRingMultisig.SignedTurn memory second = _signedTurn(_slot(1, 1), keys[1], hex"02");
        (second.r, second.vs) = vm.signCompact(privateKeyOf[keys[1]], _digest(Messages.halt(RING, 1)));
        vm.expectPartialRevert(IRingMultisig.SignersDiffer.selector);
        treasury.proveEquivocation(_ring, first, second);
    }

    /// @dev A whole honest life: a content and a void for every nonce, in every epoch, and never a proof.
    function test_NothingAnHonestKeySignsIsAProof() public {
        IRingMultisig.SignedTurn[] memory signed = new IRingMultisig.SignedTurn[](12);
        for (uint256 i; i < signed.length; ++i) {
            TurnId id = _slot(uint32(1 + i / 6), uint40(i / 2 % 3));
            signed[i] = _signedTurn(id, keys[1], i % 2 == 0 ? abi.encode(i) : bytes(""));
        }
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));
        for (uint256 i; i < signed.length; ++i) {
            for (uint256 j; j < signed.length; ++j) {
                vm.expectRevert();
                treasury.proveEquivocation(_ring, signed[i], signed[j]);
            }
        }
        assertFalse(treasury.getRing(RING).halted);
    }

    // ------------------------------------------------------------------------------------------------------------

    function _slot(uint32 epoch, uint40 nonce) private pure returns (TurnId) {
        return _id(RING, epoch, nonce, NO_EXPIRY);
    }

    /// @dev It is a proof; afterwards all is as before.
    function _proves(IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) private {
        uint256 snapshot = vm.snapshotState();
        treasury.proveEquivocation(_ring, first, second);
        assertTrue(treasury.getRing(RING).halted);
        vm.revertToState(snapshot);
    }

    function _compatible(IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) private {
        vm.expectPartialRevert(IRingMultisig.ContentsCompatible.selector);
        treasury.proveEquivocation(_ring, first, second);
        assertFalse(treasury.getRing(RING).halted);
    }

    function _noProof(
        IRingMultisig.SignedTurn memory first,
        IRingMultisig.SignedTurn memory second,
        bytes memory reason
    ) private {
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectRevert(reason);
        treasury.proveEquivocation(_ring, first, second);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    /// @dev A signature with a nonce of our own choosing: k = 1, so that r is the generator's x.
    function _otherSignature(address key, bytes32 digest) private view returns (bytes32, bytes32) {
        uint256 r = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
        uint256 s = addmod(uint256(digest), mulmod(r, privateKeyOf[key], ORDER), ORDER);
        uint256 parity;
        if (s > ORDER / 2) (s, parity) = (ORDER - s, 1);
        assert(ecrecover(digest, uint8(27 + parity), bytes32(r), bytes32(s)) == key);
        return (bytes32(r), bytes32(s | parity << 255));
    }
}
