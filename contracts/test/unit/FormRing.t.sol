// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { stdError } from "forge-std/StdError.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice What makes a ring, and what stays when it is formed anew.
contract FormRingTest is RingTest {
    function test_EveryShapeUpToTheLimitsWorks() public {
        uint32 ring;
        for (uint8 seats = 1; seats <= 32; seats += (seats < 5 ? 1 : 9)) {
            for (uint8 window = 1; window <= seats; window += (window < 5 ? 1 : 9)) {
                uint8 quorum = window / 2 + 1;
                IRingMultisig.Charter memory charter = _charter(seats, window, quorum);
                _form(++ring, charter);
                _run(ring, charter, "");
                assertEq(treasury.getRing(ring).nonce, 1);
            }
        }
        assertGt(ring, 20);
    }

    function test_AnnouncesTheWholeCharter() public {
        IRingMultisig.Charter memory charter = _tokenCharter();
        vm.roll(1234);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CharterChanged(RING, 1, charter);
        _form(RING, charter);
        IRingMultisig.RingView memory state = treasury.getRing(RING);
        assertEq(state.changedAt, 1234);
        assertEq(state.charter, treasury.charterHash(charter));
        assertEq(state.epoch, 1);
        assertEq(state.nonce, 0);
        assertFalse(state.halted);
    }

    /// @dev The commitment as `CharterLib` words it, put together here by hand.
    function testFuzz_CharterHashIsTheWordsInOrder(IRingMultisig.Charter memory charter) public view {
        vm.assume(charter.seats.length < 256);
        bytes memory words = bytes.concat(
            bytes10(0),
            bytes5(charter.lastNonce),
            bytes5(charter.expiresAt),
            bytes3(charter.interval),
            bytes3(charter.turnsPerPeriod),
            bytes3(charter.period)
        );
        words = bytes.concat(words, bytes1(charter.quorum), bytes1(charter.window), bytes1(uint8(charter.seats.length)));
        words = bytes.concat(words, bytes20(charter.asset), bytes12(charter.cap));
        for (uint256 i; i < charter.seats.length; ++i) {
            words = bytes.concat(words, bytes12(0), bytes20(charter.seats[i]));
        }
        assertEq(treasury.charterHash(charter), keccak256(words));
    }

    function test_RevertWhen_TheNumbersCannotWork() public {
        _invalid(0, 1, 1, DAY);
        _invalid(33, 1, 1, DAY);
        _invalid(3, 0, 0, DAY);
        _invalid(3, 0, 1, DAY);
        _invalid(3, 4, 1, DAY);
        _invalid(3, 2, 0, DAY);
        _invalid(3, 2, 3, DAY);
        _invalid(3, 2, 2, 1 hours - 1);
        _invalid(3, 2, 2, 0);
    }

    function testFuzz_FormedExactlyWhenTheNumbersWork(uint8 seats, uint8 window, uint8 quorum, uint24 period) public {
        seats = uint8(bound(seats, 0, 33));
        window = uint8(bound(window, 0, 34));
        quorum = uint8(bound(quorum, 0, 34));
        IRingMultisig.Charter memory charter = _charter(seats, window, quorum);
        charter.period = period;
        bool works =
            seats >= 1 && seats <= 32 && 1 <= quorum && quorum <= window && window <= seats && period >= 1 hours;
        vm.prank(master);
        try treasury.formRing(RING, 0, charter, _direct(master)) {
            assertTrue(works);
        } catch {
            assertFalse(works);
        }
    }

    function test_RevertWhen_TheTurnsInAPeriodCannotBe() public {
        uint24[3] memory wrong = [uint24(0), 2 ** 23, type(uint24).max];
        for (uint256 i; i < wrong.length; ++i) {
            IRingMultisig.Charter memory charter = _usualCharter();
            charter.turnsPerPeriod = wrong[i];
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.CharterInvalid.selector, 3, 2, 2, DAY, wrong[i]));
            treasury.formRing(RING, 0, charter, _direct(master));
        }
    }

    /// @dev There is no nonce after it.
    function test_RevertWhen_TheLastNonceIsTheLargestNumber() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        charter.lastNonce = type(uint40).max;
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.LastNonceInvalid.selector, type(uint40).max));
        treasury.formRing(RING, 0, charter, _direct(master));
        charter.lastNonce -= 1;
        _form(RING, charter);
        _run(RING, charter, "");
    }

    /// @dev What was signed before another change of the keys is dead; a new ring is of epoch zero.
    function test_RevertWhen_TheEpochIsAnother() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        for (uint32 current; current < 2; ++current) {
            for (uint32 epoch; epoch < 3; ++epoch) {
                if (epoch == current) continue;
                vm.prank(master);
                vm.expectRevert(abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, current, epoch));
                treasury.formRing(RING, epoch, charter, _direct(master));
            }
            _form(RING, charter);
        }
    }

    /// @dev A thief who proves that stolen keys equivocate raises the epoch under the master's hands.
    function test_AnyEpoch_FormsWhateverTheEpochIs() public {
        uint32 anyEpoch = type(uint32).max;
        for (uint32 current; current < 3; ++current) {
            assertEq(treasury.getRing(RING).epoch, current);
            vm.prank(master);
            treasury.formRing(RING, anyEpoch, _usualCharter(), _direct(master));
        }
        assertEq(treasury.getRing(RING).epoch, 3);
    }

    /// @dev Epochs never start anew, or what was signed in the first ones would count again.
    function test_RevertWhen_TheEpochIsTheLastThereIs() public {
        _form(RING, _usualCharter());
        bytes32 slot = keccak256(abi.encode(RING, uint256(4)));
        vm.store(address(treasury), slot, vm.load(address(treasury), slot) | bytes32(uint256(type(uint32).max) << 40));
        assertEq(treasury.getRing(RING).epoch, type(uint32).max);
        vm.startPrank(master);
        vm.expectRevert(stdError.assertionError);
        treasury.formRing(RING, type(uint32).max, _usualCharter(), _direct(master));
        vm.expectRevert(stdError.assertionError);
        treasury.resume(RING, type(uint32).max, _direct(master));
        vm.stopPrank();
    }

    function test_RevertWhen_AKeySitsTwice() public {
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                IRingMultisig.Charter memory charter = _usualCharter();
                charter.seats[j] = charter.seats[i];
                _seatInvalid(charter, j);
            }
        }
    }

    function test_RevertWhen_ASeatIsNoOperatorsPlace() public {
        address[4] memory wrong = [address(0), address(treasury), master, guardian];
        for (uint256 i; i < wrong.length; ++i) {
            for (uint256 seat; seat < 3; ++seat) {
                IRingMultisig.Charter memory charter = _usualCharter();
                charter.seats[seat] = wrong[i];
                _seatInvalid(charter, seat);
            }
        }
    }

    function test_RevertWhen_TheAssetIsTheTreasury() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        charter.asset = address(treasury);
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.AssetInvalid.selector, address(treasury)));
        treasury.formRing(RING, 0, charter, _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.formRing(RING, 0, _usualCharter(), _direct(others[i]));
        }
    }

    function test_FormingAnewKeepsTheNonceAndStartsAnEpoch() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        _run(RING, charter, _pay(payee, CAP));
        _run(RING, charter, "");
        _allow(RING, address(token), 5);
        vm.warp(NOON + 5);
        _run(RING, charter, _transfer(address(token), payee, 2));

        IRingMultisig.Charter memory larger = _charter(5, 3, 2);
        Turn memory early = _turn(_id(RING, 2, 3, NO_EXPIRY), larger, _pay(payee, 1), _firstSign(larger));
        Turn memory old = _turn(RING, charter, _pay(payee, 1));
        _form(RING, larger);

        IRingMultisig.RingView memory state = treasury.getRing(RING);
        assertEq(state.nonce, 3);
        assertEq(state.epoch, 2);
        assertEq(state.spent, 0);
        assertEq(state.turns, 0);
        assertEq(state.periodIndex, 0);
        assertEq(state.lastTurnAt, NOON + 5, "the time of the last turn stays");
        assertEq(treasury.getLimit(RING, address(token)).spent, 2, "limits on other assets stay");
        assertEq(treasury.getPermissions(RING).length, 1, "and so do permissions");
        _refused(old, abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 2, 1));
        _execute(early);
        _run(RING, larger, _pay(payee, CAP - 1));
    }

    function test_FormingAnewResumes() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        vm.prank(guardian);
        treasury.halt(RING, charter, guardian, "");
        _form(RING, charter);
        assertFalse(treasury.getRing(RING).halted);
        _run(RING, charter, _pay(payee, 1));
    }

    /// @dev The same key halts again and again: leaving it out and going on is one action.
    function test_OneActionLeavesAKeyOutAndResumes() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        vm.prank(keys[0]);
        treasury.halt(RING, charter, keys[0], "");
        charter.seats[0] = keys[9];
        _form(RING, charter);
        bytes memory signature = _haltSignature(keys[0], RING);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, keys[0]));
        treasury.halt(RING, charter, keys[0], signature);
        _run(RING, charter, _pay(payee, 1));
    }

    function _invalid(uint256 seats, uint8 window, uint8 quorum, uint24 period) private {
        IRingMultisig.Charter memory charter = _charter(seats, window, quorum);
        charter.period = period;
        vm.prank(master);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRingMultisig.CharterInvalid.selector, seats, window, quorum, period, charter.turnsPerPeriod
            )
        );
        treasury.formRing(RING, 0, charter, _direct(master));
    }

    function _seatInvalid(IRingMultisig.Charter memory charter, uint256 seat) private {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SeatInvalid.selector, seat, charter.seats[seat]));
        treasury.formRing(RING, 0, charter, _direct(master));
    }
}
