// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Refuser } from "../doubles/Callees.sol";

/// @notice How many turns a ring takes in a period, and how soon after one another.
contract VelocityTest is RingTest {
    uint256 private constant MIDNIGHT = NOON + 12 hours;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns in a period
    // ------------------------------------------------------------------------------------------------------------

    function test_AllTurnsOfAPeriodCanBeTaken() public {
        _formWith(3, 0);
        _takes(3);
        assertEq(treasury.getRing(RING).turns, 3);
        assertEq(treasury.getRing(RING).periodIndex, NOON / DAY);
        assertEq(treasury.getRing(RING).lastTurnAt, NOON);
    }

    function test_RevertWhen_AllTurnsOfThePeriodAreTaken() public {
        _formWith(3, 0);
        _takes(3);
        _tooMany(3);
        vm.warp(MIDNIGHT - 1);
        _tooMany(3);
        vm.warp(MIDNIGHT);
        _takes(3);
        _tooManyUntil(3, MIDNIGHT + DAY);
    }

    function test_RevertWhen_OnlyOneTurnIsAllowed() public {
        _formWith(1, 0);
        _takes(1);
        _tooMany(1);
    }

    function test_RevertWhen_VoidTurnsTookThemAll() public {
        _formWith(2, 0);
        _run(RING, _ring, "");
        _run(RING, _ring, "");
        _tooMany(2);
    }

    /// @dev A void is a turn: it may not go on where a content may not.
    function test_RevertWhen_TheTurnIsVoid() public {
        _formWith(1, 60);
        _takes(1);
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.TurnTooSoon.selector, NOON + 60, NOON));
        vm.warp(NOON + 60);
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.TooManyTurns.selector, 1, MIDNIGHT));
    }

    function test_TurnsWhoseCallsFailCount() public {
        _formWith(2, 0);
        address refuser = address(new Refuser());
        _run(RING, _ring, _pay(refuser, 1));
        _run(RING, _ring, _pay(refuser, 1));
        _tooMany(2);
    }

    function test_TurnsThatAreRefusedDoNotCount() public {
        _formWith(1, 0);
        _refused(
            _turn(RING, _ring, _pay(payee, CAP + 1)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, 0, CAP + 1)
        );
        _takes(1);
    }

    /// @dev The documented edge: two periods that touch are two full counts.
    function test_AcrossTheEdgeOfTwoPeriodsTwiceTheTurnsAreTheMost() public {
        _formWith(3, 0);
        vm.warp(MIDNIGHT - 1);
        _takes(3);
        vm.warp(MIDNIGHT);
        _takes(3);
        vm.warp(MIDNIGHT + DAY - 1);
        _tooManyUntil(3, MIDNIGHT + DAY);
    }

    function test_PeriodsSkippedAreNotSavedUp() public {
        _formWith(2, 0);
        vm.warp(NOON + 10 days);
        _takes(2);
        _tooManyUntil(2, MIDNIGHT + 10 days);
    }

    function test_TheMostThatCanBeAllowed() public {
        _formWith(2 ** 23 - 1, 0);
        _takes(5);
        assertEq(treasury.getRing(RING).turns, 5);
    }

    function test_FormingAnewCountsTurnsFromZero() public {
        _formWith(2, 0);
        _takes(2);
        _formWith(2, 0);
        assertEq(treasury.getRing(RING).turns, 0);
        _takes(2);
        _tooMany(2);
    }

    /// @dev Nothing else does: a halt and a resumption are not two days.
    function test_NothingElseCountsTurnsFromZero() public {
        _formWith(2, 0);
        _takes(2);
        vm.startPrank(master);
        treasury.halt(RING, _ring, master, "");
        treasury.resume(RING, 1, _direct(master));
        vm.stopPrank();
        _tooMany(2);
        vm.prank(master);
        treasury.revoke(RING, keys[1], _ring, _direct(master));
        _ring.seats[1] = address(0);
        vm.prank(master);
        treasury.replace(RING, 3, 1, keys[9], true, _ring, _direct(master));
        _ring.seats[1] = keys[9];
        _tooMany(2);
        assertEq(treasury.getRing(RING).turns, 2);
    }

    /// @dev Two periods of other lengths may have the same index: the count must not be taken over.
    function test_AnotherPeriodLengthBeginsAnew() public {
        _formWith(2, 0);
        _takes(2);
        _ring.period = uint24(DAY) * 2;
        _formWith(2, 0);
        vm.warp(NOON * 2);
        assertEq(NOON * 2 / _ring.period, NOON / DAY);
        _takes(2);
        assertEq(treasury.getRing(RING).turns, 2);
    }

    function test_RingsCountApart() public {
        _formWith(1, 3600);
        _form(8, _ring);
        _takes(1);
        _run(8, _ring, _pay(payee, 1));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Between two turns
    // ------------------------------------------------------------------------------------------------------------

    function test_WithoutAnIntervalTurnsShareABlock() public {
        _formWith(MAX_TURNS, 0);
        _takes(4);
    }

    /// @dev Nothing came before it.
    function test_TheFirstTurnNeedNotWait() public {
        _formWith(MAX_TURNS, type(uint24).max);
        _takes(1);
    }

    function test_RevertWhen_TheTurnIsTooSoon() public {
        _formWith(MAX_TURNS, 15);
        _takes(1);
        _tooSoon(NOON + 15, NOON);
        vm.warp(NOON + 14);
        _tooSoon(NOON + 15, NOON + 14);
        vm.warp(NOON + 15);
        _takes(1);
        _tooSoon(NOON + 30, NOON + 15);
    }

    function test_RevertWhen_ItIsTooSoonAfterAVoidTurn() public {
        _formWith(MAX_TURNS, 15);
        _run(RING, _ring, "");
        _tooSoon(NOON + 15, NOON);
    }

    /// @dev Midnight starts a period, not a pause.
    function test_RevertWhen_ItIsTooSoonInANewPeriod() public {
        _formWith(MAX_TURNS, 15);
        vm.warp(MIDNIGHT - 1);
        _takes(1);
        vm.warp(MIDNIGHT);
        _tooSoon(MIDNIGHT + 14, MIDNIGHT);
    }

    function test_AnIntervalLongerThanThePeriod() public {
        _formWith(MAX_TURNS, type(uint24).max);
        _takes(1);
        vm.warp(NOON + 10 days);
        _tooSoon(NOON + type(uint24).max, NOON + 10 days);
        vm.warp(NOON + type(uint24).max);
        _takes(1);
    }

    /// @dev Otherwise the master's hurry would be the thief's.
    function test_RevertWhen_ItIsTooSoonThoughTheRingWasFormedAnew() public {
        _formWith(1, 60);
        _takes(1);
        _formWith(1, 60);
        assertEq(treasury.getRing(RING).lastTurnAt, NOON);
        _tooSoon(NOON + 60, NOON);
        vm.warp(NOON + 60);
        _takes(1);
    }

    function test_ANewIntervalCountsFromTheLastTurn() public {
        _formWith(MAX_TURNS, 0);
        _takes(1);
        _formWith(MAX_TURNS, 100);
        _tooSoon(NOON + 100, NOON);
        _formWith(MAX_TURNS, 0);
        _takes(1);
    }

    // ------------------------------------------------------------------------------------------------------------

    function _formWith(uint24 turnsPerPeriod, uint24 interval) private {
        (_ring.turnsPerPeriod, _ring.interval) = (turnsPerPeriod, interval);
        _form(RING, _ring);
    }

    function _takes(uint256 turns) private {
        for (uint256 i; i < turns; ++i) {
            _run(RING, _ring, _pay(payee, 1));
        }
    }

    function _tooMany(uint256 most) private {
        _tooManyUntil(most, MIDNIGHT);
    }

    function _tooManyUntil(uint256 most, uint256 nextPeriodAt) private {
        _refused(
            _turn(RING, _ring, _pay(payee, 1)),
            abi.encodeWithSelector(IRingMultisig.TooManyTurns.selector, most, nextPeriodAt)
        );
    }

    function _tooSoon(uint256 earliest, uint256 timestamp) private {
        _refused(
            _turn(RING, _ring, _pay(payee, 1)),
            abi.encodeWithSelector(IRingMultisig.TurnTooSoon.selector, earliest, timestamp)
        );
    }
}
