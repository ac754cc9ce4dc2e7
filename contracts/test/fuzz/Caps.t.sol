// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Limit, LimitLib } from "../../src/libraries/LimitLib.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { CapModel } from "../reference/CapModel.sol";

/// @notice Random payments at random times, against a model that keeps the list of them all.
contract CapsTest is RingTest {
    uint256 private constant STEPS = 24;

    /// @dev One payment each: half of the seed tells the time that passes, half the amount.
    function testFuzz_MainAssetSpendsExactlyWhatTheModelAllows(uint256[STEPS] memory seeds, uint96 cap, uint24 period)
        public
    {
        period = uint24(bound(period, 1 hours, type(uint24).max));
        cap = uint96(bound(cap, 1, 1000 ether));
        vm.deal(address(treasury), type(uint128).max);
        IRingMultisig.Charter memory charter = _charter(1, 1, 1);
        (charter.cap, charter.period) = (cap, period);
        _form(RING, charter);

        CapModel model = new CapModel(cap, period);
        uint256 time = NOON;
        for (uint256 i; i < STEPS; ++i) {
            uint256 amount;
            (time, amount) = _next(seeds[i], time, cap, period, type(uint96).max);
            vm.warp(time);
            Turn memory turn = _turn(RING, charter, _pay(payee, amount));
            (bool success,) = address(treasury).call(_encoded(turn));
            assertEq(success, model.allows(time, amount));
            if (success) model.spend(time, amount);
        }
        assertEq(payee.balance, model.spentBetween(0, type(uint256).max));
        assertLe(model.mostInAnySpan(), 2 * uint256(cap), "the documented bound at the edge");
    }

    /// @dev The same for another asset, whose amounts are 256 bits wide. Two payments a turn: both or none.
    function testFuzz_AnotherAssetSpendsExactlyWhatTheModelAllows(
        uint256[STEPS] memory seeds,
        uint104 cap,
        uint24 period
    ) public {
        period = uint24(bound(period, 1 hours, type(uint24).max));
        cap = uint104(bound(cap, 1, type(uint104).max));
        IRingMultisig.Charter memory charter = _charter(1, 1, 1);
        _form(RING, charter);
        vm.prank(master);
        treasury.setLimits(RING, _limits(address(token), cap, period), _direct(master));
        _permit(RING, _transferOf(address(token)));

        CapModel model = new CapModel(cap, period);
        uint256 time = NOON;
        for (uint256 i; i < STEPS; ++i) {
            uint256 amount;
            (time, amount) = _next(seeds[i], time, cap, period, type(uint256).max);
            vm.warp(time);
            uint256 second = amount / 3;
            bytes memory calls =
                bytes.concat(_transfer(address(token), payee, amount), _transfer(address(token), payee, second));
            Turn memory turn = _turn(RING, charter, calls);
            (bool success,) = address(treasury).call(_encoded(turn));
            assertEq(success, model.allows(time, amount) && model.allows(time, amount + second));
            if (success) model.spend(time, amount + second);
        }
        assertLe(model.mostInAnySpan(), 2 * uint256(cap), "the documented bound at the edge");
    }

    // ------------------------------------------------------------------------------------------------------------
    // The word that a limit is stored in
    // ------------------------------------------------------------------------------------------------------------

    function testFuzz_LimitHoldsItsFourNumbers(uint104 cap, uint24 period, uint104 amount, uint40 time) public {
        period = uint24(bound(period, 1 hours, type(uint24).max));
        cap = uint104(bound(cap, 1, type(uint104).max));
        amount = uint104(bound(amount, 0, cap));
        vm.warp(time);
        // The index has 24 bits: enough for 1,900 years of hours.
        vm.assume(uint256(time) / period <= type(uint24).max);
        Limit limit = LimitLib.create(cap, period);
        assertEq(limit.spent(), 0);
        limit = this.charge(limit, amount);
        assertEq(limit.cap(), cap);
        assertEq(limit.period(), period);
        assertEq(limit.periodIndex(), uint256(time) / period);
        assertEq(limit.spent(), amount);
    }

    function testFuzz_TheTotalNeverExceedsTheCapNorWraps(uint256 cap, uint256 spent, uint256 amount) public view {
        try this.total(cap, spent, amount) returns (uint256 total_) {
            unchecked {
                assertEq(total_, spent + amount);
                assertTrue(total_ >= amount, "wrapped");
            }
            assertLe(total_, cap);
            assertGt(cap, 0, "a cap of zero allows nothing");
        } catch {
            unchecked {
                assertTrue(cap == 0 || spent + amount < amount || spent + amount > cap, "refused what the cap allows");
            }
        }
    }

    function charge(Limit limit, uint256 amount) external view returns (Limit) {
        return limit.charge(address(token), amount);
    }

    function total(uint256 cap, uint256 spent, uint256 amount) external pure returns (uint256) {
        return LimitLib.checkedTotal(address(1), cap, spent, amount);
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Half of the times fall within a period of the last, some on its very edge; amounts are mostly parts of the
    /// cap, sometimes exactly it, sometimes anything.
    function _next(uint256 seed, uint256 time, uint256 cap, uint256 period, uint256 widest)
        private
        pure
        returns (uint256 next, uint256 amount)
    {
        uint256 timeSeed = seed >> 128;
        uint256 kind = timeSeed % 4;
        if (kind == 0) next = time + (period - time % period);
        else if (kind == 1) next = time + (period - time % period) - 1;
        else next = time + (timeSeed >> 8) % (kind == 2 ? period / 4 : period * 3);
        uint256 amountSeed = uint128(seed);
        kind = amountSeed % 8;
        if (kind == 0) amount = cap;
        else if (kind == 1) amount = cap + 1;
        else if (kind == 2) amount = uint256(keccak256(abi.encode(seed))) % widest;
        else amount = (amountSeed >> 8) % (cap / 3 + 1);
        if (amount > widest) amount = widest;
    }
}
