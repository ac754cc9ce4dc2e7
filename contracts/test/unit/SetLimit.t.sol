// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";

/// @notice Caps on assets other than the main one.
contract SetLimitTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
    }

    function testFuzz_SetsWhatItSays(uint104 cap, uint24 period, address asset) public {
        vm.assume(asset != address(treasury));
        period = uint24(bound(period, 1 hours, type(uint24).max));
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.LimitSet(RING, asset, cap, period);
        vm.prank(master);
        treasury.setLimit(RING, asset, cap, period, _direct(master));
        IRingMultisig.LimitView memory limit = treasury.getLimit(RING, asset);
        assertEq(limit.cap, cap);
        assertEq(limit.period, period);
        assertEq(limit.periodIndex, 0);
        assertEq(limit.spent, 0);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before), "no new epoch");
    }

    function test_SettingAnewCountsFromZero() public {
        _limit(RING, address(token), 5);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        _limit(RING, address(token), 5);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        assertEq(token.balanceOf(payee), 10);
    }

    function test_AnotherPeriodCountsForItself() public {
        vm.prank(master);
        treasury.setLimit(RING, address(token), 5, 1 hours, _direct(master));
        _run(RING, _ring, _transfer(address(token), payee, 5));
        vm.warp(NOON + 1 hours);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        assertEq(treasury.getLimit(RING, address(token)).periodIndex, (NOON + 1 hours) / 1 hours);
    }

    function test_ALimitOnTheMainAssetDoesNotWidenIt() public {
        _limit(RING, address(0), type(uint104).max);
        _refused(
            _turn(RING, _ring, _pay(payee, CAP + 1)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, 0, CAP + 1)
        );
    }

    function test_RevertWhen_ThePeriodIsTooShort() public {
        uint24[3] memory short = [uint24(0), 1, 1 hours - 1];
        for (uint256 i; i < short.length; ++i) {
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.PeriodInvalid.selector, short[i]));
            treasury.setLimit(RING, address(token), 5, short[i], _direct(master));
        }
    }

    function test_RevertWhen_TheAssetIsTheTreasury() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.AssetInvalid.selector, address(treasury)));
        treasury.setLimit(RING, address(treasury), 5, DAY, _direct(master));
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.setLimit(99, address(token), 5, DAY, _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.setLimit(RING, address(token), 5, DAY, _direct(others[i]));
        }
    }
}
