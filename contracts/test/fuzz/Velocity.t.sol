// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { RingModel } from "../reference/RingModel.sol";

/// @notice Random turns at random times against a list of them all; and what velocity means for one key: of the V turns of a
/// period it can sign at most W * floor(V / N) + min(W, V mod N).
contract VelocityModelTest is RingTest {
    uint256 private constant STEPS = 24;
    uint256[] private _taken;
    mapping(address key => uint256) private _signatures;

    /// @dev Every ring of up to eight seats, every window, as many turns as the contract lets it take in a day, for every
    /// V up to twice around: each seat of each window signs, and its signatures are counted.
    function test_OneKeySignsNoMoreOfAPeriodThanItsShare() public {
        vm.pauseGasMetering();
        uint256 day = NOON / DAY;
        for (uint256 seats = 1; seats <= 8; ++seats) {
            for (uint256 window = 1; window <= seats; ++window) {
                for (uint256 most = 1; most <= 2 * seats; ++most) {
                    vm.warp(++day * DAY);
                    this.takeAll(seats, window, most);
                }
            }
        }
    }

    /// @notice As many turns as the period allows. A call of its own, so that its memory is given back.
    function takeAll(uint256 seats, uint256 window, uint256 most) external {
        IRingMultisig.Charter memory charter = _charter(seats, uint8(window), uint8(window));
        charter.turnsPerPeriod = uint24(most);
        _form(RING, charter);
        for (uint256 seat; seat < seats; ++seat) {
            _signatures[keys[seat]] = 0;
        }
        uint256 turns;
        while (this.takeOne(charter)) ++turns;
        assertEq(turns, most);
        for (uint256 seat; seat < seats; ++seat) {
            assertLe(_signatures[keys[seat]], RingModel.shareOfOneKey(seats, window, most));
        }
    }

    function takeOne(IRingMultisig.Charter calldata charter) external returns (bool success) {
        uint256 nonce = treasury.getRing(RING).nonce;
        (success,) = address(treasury).call(_encoded(_turn(RING, charter, "")));
        for (uint256 i; success && i < charter.window; ++i) {
            ++_signatures[charter.seats[(nonce + i) % charter.seats.length]];
        }
    }

    /// @dev The bound is no more than it must be: for every V some key in some place reaches it, and none passes it.
    function test_TheShareOfOneKeyIsReached() public pure {
        for (uint256 seats = 1; seats <= 8; ++seats) {
            for (uint256 window = 1; window <= seats; ++window) {
                for (uint256 turns; turns <= 3 * seats; ++turns) {
                    uint256 most;
                    // Turning the ring is turning the start: one seat is enough.
                    for (uint256 start; start < seats; ++start) {
                        uint256 signed;
                        for (uint256 i; i < turns; ++i) {
                            if (RingModel.inWindow(0, start + i, seats, window)) ++signed;
                        }
                        if (signed > most) most = signed;
                    }
                    assert(most == RingModel.shareOfOneKey(seats, window, turns));
                }
            }
        }
    }

    /// @dev Executed exactly when fewer than V turns lie in the same period and the last is an interval away.
    function testFuzz_TakesExactlyTheTurnsThatVelocityAllows(
        uint256[STEPS] memory seeds,
        uint24 period,
        uint8 most,
        uint24 interval
    ) public {
        period = uint24(bound(period, 1 hours, type(uint24).max));
        IRingMultisig.Charter memory charter = _charter(1, 1, 1);
        (charter.period, charter.turnsPerPeriod) = (period, uint24(bound(most, 1, 8)));
        charter.interval = uint24(bound(interval, 0, period / 4));
        _form(RING, charter);
        uint256 time = NOON;
        for (uint256 i; i < STEPS; ++i) {
            time = _next(seeds[i], time, period, charter.interval);
            vm.warp(time);
            Turn memory turn = _turn(RING, charter, "");
            (bool success,) = address(treasury).call(_encoded(turn));
            assertEq(success, _allowed(time, charter));
            if (success) _taken.push(time);
        }
        assertEq(treasury.getRing(RING).nonce, _taken.length);
    }

    function _allowed(uint256 time, IRingMultisig.Charter memory charter) private view returns (bool) {
        uint256 inPeriod;
        for (uint256 i; i < _taken.length; ++i) {
            if (_taken[i] / charter.period == time / charter.period) ++inPeriod;
            if (time - _taken[i] < charter.interval) return false;
        }
        return inPeriod < charter.turnsPerPeriod;
    }

    /// @dev Often on an edge: of the period, of the interval, or no time at all.
    function _next(uint256 seed, uint256 time, uint256 period, uint256 interval) private pure returns (uint256) {
        uint256 kind = seed % 8;
        if (kind == 0) return time + (period - time % period);
        if (kind == 1) return time + (period - time % period) - 1;
        if (kind == 2) return time + interval;
        if (kind == 3 && interval != 0) return time + interval - 1;
        if (kind == 4) return time;
        return time + (seed >> 8) % (period / 4);
    }
}
