// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { FeeToken } from "../doubles/Tokens.sol";

/// @notice What a ring may spend: no more than its caps say. Every turn here is well signed and makes calls that are
/// permitted; a refused one leaves its nonce for another.
contract SpendingTest is RingTest {
    IRingMultisig.Charter private _ring;
    IRingMultisig.Charter private _tokenRing;
    uint32 private constant TOKEN_RING = 8;
    uint256 private constant MIDNIGHT = NOON + 12 hours;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _tokenRing = _tokenCharter();
        _form(RING, _ring);
        _form(TOKEN_RING, _tokenRing);
        _permit(RING, _bareTransfer(address(0)));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Caps
    // ------------------------------------------------------------------------------------------------------------

    function test_TheWholeCapCanBeSpent() public {
        _run(RING, _ring, _pay(payee, CAP));
        assertEq(payee.balance, CAP);
    }

    function test_RevertWhen_OneCallExceedsTheCap() public {
        _exceeded(_pay(payee, CAP + 1), address(0), 0, CAP + 1);
        _exceeded(_call(payee, CAP + 1, ""), address(0), 0, CAP + 1);
    }

    function test_RevertWhen_ABatchExceedsTheCap() public {
        _exceeded(bytes.concat(_pay(payee, CAP), _call(payee, 1, "")), address(0), CAP, 1);
    }

    function test_RevertWhen_TurnsExceedTheCap() public {
        _run(RING, _ring, _pay(payee, CAP - 1));
        _run(RING, _ring, _call(payee, 1, ""));
        _exceeded(_pay(payee, 1), address(0), CAP, 1);
        _run(RING, _ring, "");
        _exceeded(_pay(payee, 1), address(0), CAP, 1);
    }

    /// @dev `PAY` and a `CALL` of the main token's transfer are one meter.
    function test_RevertWhen_TheMainTokenIsSpentInTwoWays() public {
        _allow(TOKEN_RING, address(token), 1000 ether);
        _run(TOKEN_RING, _tokenRing, _transfer(address(token), payee, CAP - 1));
        _run(TOKEN_RING, _tokenRing, _pay(payee, 1));
        _exceeded(TOKEN_RING, _tokenRing, _transfer(address(token), payee, 1), address(token), CAP, 1);
        assertEq(treasury.getLimit(TOKEN_RING, address(token)).spent, 0, "the main asset's cap takes precedence");
    }

    function test_RevertWhen_AnotherAssetExceedsItsCap() public {
        _allow(RING, address(token), 5);
        _exceeded(_transfer(address(token), payee, 6), address(token), 5, 0, 6);
        _run(RING, _ring, bytes.concat(_transfer(address(token), payee, 2), _transfer(address(token), payee, 2)));
        _exceeded(_transfer(address(token), payee, 2), address(token), 5, 4, 2);
        _run(RING, _ring, _transfer(address(token), payee, 1));
        assertEq(token.balanceOf(payee), 5);
    }

    function test_RevertWhen_TheAmountWouldOverflow() public {
        _allow(RING, address(token), type(uint104).max);
        _run(RING, _ring, _transfer(address(token), payee, 10));
        _exceeded(
            _transfer(address(token), payee, type(uint256).max),
            address(token),
            type(uint104).max,
            10,
            type(uint256).max
        );
    }

    /// @dev `LimitSetting`: "0: nothing, not even zero."
    function test_RevertWhen_TheCapIsZeroAndSoIsTheAmount() public {
        _allow(RING, address(token), 0);
        _exceeded(_transfer(address(token), payee, 0), address(token), 0, 0, 0);

        IRingMultisig.Charter memory charter = _usualCharter();
        charter.cap = 0;
        _form(9, charter);
        bytes memory nothing = abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), 0, 0, 0);
        _refused(_turn(9, charter, _pay(payee, 0)), nothing);
        _permit(9, _bareTransfer(payee));
        _refused(_turn(9, charter, _call(payee, 0, "")), nothing);
        _run(9, charter, "");
    }

    function test_ACallThatFailsHasSpentAllTheSame() public {
        uint256 tooMuch = 2000 ether;
        _allow(RING, address(token), uint104(tooMuch));
        _run(RING, _ring, _transfer(address(token), payee, tooMuch));
        assertEq(token.balanceOf(payee), 0);
        _exceeded(_transfer(address(token), payee, 1), address(token), tooMuch, tooMuch, 1);
    }

    function test_TheMetersOfTwoAssetsAreApart() public {
        _allow(RING, address(token), CAP);
        _run(RING, _ring, bytes.concat(_pay(payee, CAP), _transfer(address(token), payee, CAP)));
        assertEq(payee.balance, CAP);
        assertEq(token.balanceOf(payee), CAP);
    }

    /// @dev The token keeps a part: what left the treasury is what was asked for, never more than the cap.
    function test_AFeeTokenDoesNotExceedItsCap() public {
        FeeToken fee = new FeeToken();
        fee.mint(address(treasury), 100 ether);
        _allow(RING, address(fee), CAP);
        _run(RING, _ring, _transfer(address(fee), payee, CAP));
        assertEq(fee.balanceOf(address(treasury)), 100 ether - CAP);
        assertEq(fee.balanceOf(payee), CAP - CAP / 100);
        _exceeded(_transfer(address(fee), payee, 1), address(fee), CAP, 1);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Periods
    // ------------------------------------------------------------------------------------------------------------

    function test_ANewPeriodStartsFromZero() public {
        _run(RING, _ring, _pay(payee, CAP));
        vm.warp(MIDNIGHT - 1);
        _exceeded(_pay(payee, 1), address(0), CAP, 1);
        vm.warp(MIDNIGHT);
        _run(RING, _ring, _pay(payee, CAP));
        assertEq(treasury.getRing(RING).periodIndex, MIDNIGHT / DAY);
        _exceeded(_pay(payee, 1), address(0), CAP, 1);
    }

    function test_ANewPeriodOfAnotherAssetStartsFromZero() public {
        _allow(RING, address(token), 5);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        vm.warp(MIDNIGHT - 1);
        _exceeded(_transfer(address(token), payee, 1), address(token), 5, 5, 1);
        vm.warp(MIDNIGHT);
        _run(RING, _ring, _transfer(address(token), payee, 5));
        _exceeded(_transfer(address(token), payee, 1), address(token), 5, 5, 1);
    }

    /// @dev The documented edge: two caps in two seconds, and then nothing for a whole period.
    function test_AcrossTheEdgeOfTwoPeriodsTwiceTheCapIsTheMost() public {
        vm.warp(MIDNIGHT - 1);
        _run(RING, _ring, _pay(payee, CAP));
        vm.warp(MIDNIGHT);
        _run(RING, _ring, _pay(payee, CAP));
        vm.warp(MIDNIGHT + DAY - 1);
        _exceeded(_pay(payee, 1), address(0), CAP, 1);
        assertEq(payee.balance, 2 * uint256(CAP));
    }

    function test_PeriodsSkippedAreNotSavedUp() public {
        _run(RING, _ring, _pay(payee, 1));
        vm.warp(NOON + 10 days);
        _exceeded(_pay(payee, CAP + 1), address(0), 0, CAP + 1);
        _run(RING, _ring, _pay(payee, CAP));
    }

    // ------------------------------------------------------------------------------------------------------------

    function _exceeded(bytes memory calls, address asset, uint256 spent, uint256 amount) private {
        _exceeded(RING, _ring, calls, asset, spent, amount);
    }

    function _exceeded(bytes memory calls, address asset, uint256 cap, uint256 spent, uint256 amount) private {
        _refused(
            _turn(RING, _ring, calls),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, asset, cap, spent, amount)
        );
    }

    function _exceeded(
        uint32 ring,
        IRingMultisig.Charter memory charter,
        bytes memory calls,
        address asset,
        uint256 spent,
        uint256 amount
    ) private {
        _refused(
            _turn(ring, charter, calls),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, asset, CAP, spent, amount)
        );
    }
}
