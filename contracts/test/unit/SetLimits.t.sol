// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice Caps on assets other than the main one, set several at a time.
contract SetLimitsTest is RingTest {
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
        treasury.setLimits(RING, _limits(asset, cap, period), _direct(master));
        IRingMultisig.LimitView memory limit = treasury.getLimit(RING, asset);
        assertEq(limit.cap, cap);
        assertEq(limit.period, period);
        assertEq(limit.periodIndex, 0);
        assertEq(limit.spent, 0);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before), "no new epoch");
    }

    function test_SettingAnewCountsFromZero() public {
        _allow(RING, address(token), 5);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        _limit(RING, address(token), 5);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        assertEq(token.balanceOf(payee), 10);
    }

    function test_AnotherPeriodCountsForItself() public {
        vm.prank(master);
        treasury.setLimits(RING, _limits(address(token), 5, 1 hours), _direct(master));
        _permit(RING, _transferOf(address(token)));
        _run(RING, _ring, _transfer(address(token), payee, 5));
        vm.warp(NOON + 1 hours);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        assertEq(treasury.getLimit(RING, address(token)).periodIndex, (NOON + 1 hours) / 1 hours);
    }

    function test_ListsThemInTheOrderInWhichTheyCame() public {
        _set(_three());
        _limit(RING, address(2), 22);
        IRingMultisig.LimitView[] memory listed = treasury.getLimits(RING);
        assertEq(listed.length, 3, "an asset is listed once");
        for (uint256 i; i < 3; ++i) {
            assertEq(listed[i].asset, address(uint160(i + 1)));
            assertEq(listed[i].cap, i == 1 ? 22 : i + 1);
            assertEq(abi.encode(listed[i]), abi.encode(treasury.getLimit(RING, listed[i].asset)));
        }
        assertEq(treasury.getLimits(99).length, 0);
    }

    function test_OfTheSameAssetTwiceTheLaterCounts() public {
        IRingMultisig.LimitSetting[] memory limits = _three();
        limits[2].asset = limits[0].asset;
        _set(limits);
        assertEq(treasury.getLimits(RING).length, 2);
        assertEq(treasury.getLimit(RING, limits[0].asset).cap, 3);
    }

    /// @dev A cap of nothing takes the limit away; the asset stays listed.
    function test_ACapOfZeroTakesTheLimitAway() public {
        _allow(RING, address(token), 5);
        _limit(RING, address(token), 0);
        _refused(
            _turn(RING, _ring, _transfer(address(token), payee, 0)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(token), 0, 0, 0)
        );
        assertEq(treasury.getLimits(RING).length, 1);
    }

    function test_NoneAtAllOnlyUsesTheNonce() public {
        _set(new IRingMultisig.LimitSetting[](0));
        assertEq(treasury.getLimits(RING).length, 0);
        assertEq(treasury.actionNonce(master), 2);
    }

    /// @dev A limit is not yet a permission.
    function test_ALimitAlonePermitsNothing() public {
        _limit(RING, address(token), 5);
        _refused(
            _turn(RING, _ring, _transfer(address(token), payee, 1)),
            abi.encodeWithSelector(IRingMultisig.CallNotPermitted.selector, address(token), token.transfer.selector)
        );
    }

    function test_ALimitOnTheMainAssetWaitsUntilItIsNot() public {
        _limit(RING, address(0), 3);
        _permit(RING, _bareTransfer(address(0)));
        _run(RING, _ring, _call(payee, 4, ""));
        IRingMultisig.Charter memory other = _tokenCharter();
        _form(RING, other);
        _refused(
            _turn(RING, other, _call(payee, 4, "")),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), 3, 0, 4)
        );
        _run(RING, other, _call(payee, 3, ""));
    }

    /// @dev The signature covers each entry, and their order.
    function test_RevertWhen_TheEntriesAreOthersThanSigned() public {
        IRingMultisig.LimitSetting[] memory signed = _three();
        Message memory message = Messages.setLimits(RING, signed, 1, NOON);
        IRingMultisig.Authorization memory authorization = _by(master, message, NOON);
        IRingMultisig.LimitSetting[] memory others = _three();
        (others[0], others[1]) = (signed[1], signed[0]);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setLimits(RING, others, authorization);
        others = _three();
        others[2].period += 1;
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setLimits(RING, others, authorization);
        others = new IRingMultisig.LimitSetting[](2);
        (others[0], others[1]) = (signed[0], signed[1]);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setLimits(RING, others, authorization);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setLimits(RING, new IRingMultisig.LimitSetting[](0), authorization);
        treasury.setLimits(RING, signed, authorization);
    }

    function test_RevertWhen_OneOfThemCannotBe() public {
        IRingMultisig.LimitSetting[] memory limits = _three();
        limits[2].period = 0;
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.PeriodInvalid.selector, 0));
        treasury.setLimits(RING, limits, _direct(master));
        assertEq(treasury.getLimits(RING).length, 0, "all or none");
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
            treasury.setLimits(RING, _limits(address(token), 5, short[i]), _direct(master));
        }
    }

    function test_RevertWhen_TheAssetIsTheTreasury() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.AssetInvalid.selector, address(treasury)));
        treasury.setLimits(RING, _limits(address(treasury), 5, DAY), _direct(master));
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.setLimits(99, _limits(address(token), 5, DAY), _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.setLimits(RING, _limits(address(token), 5, DAY), _direct(others[i]));
        }
    }

    /// @dev Assets 1, 2, 3 with caps of 1, 2, 3.
    function _three() private pure returns (IRingMultisig.LimitSetting[] memory limits) {
        limits = new IRingMultisig.LimitSetting[](3);
        for (uint160 i; i < 3; ++i) {
            limits[i] = IRingMultisig.LimitSetting({ asset: address(i + 1), cap: uint104(i + 1), period: DAY });
        }
    }

    function _set(IRingMultisig.LimitSetting[] memory limits) private {
        vm.prank(master);
        treasury.setLimits(RING, limits, _direct(master));
    }
}
