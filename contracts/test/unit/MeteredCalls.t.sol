// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Gauge } from "../doubles/Callees.sol";

/// @notice What a permitted call spends: the amount that its permission points at, and whatever value goes with it.
contract MeteredCallsTest is RingTest {
    uint32 private constant TOKEN_RING = 8;
    bytes4 private constant FUNCTION = 0xc0ffee00;
    bytes4 private constant INCREASE_ALLOWANCE = 0x39509351;

    IRingMultisig.Charter private _ring;
    IRingMultisig.Charter private _tokenRing;
    Gauge private _gauge;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _tokenRing = _tokenCharter();
        _form(RING, _ring);
        _form(TOKEN_RING, _tokenRing);
        _gauge = new Gauge();
    }

    // ------------------------------------------------------------------------------------------------------------
    // Which word
    // ------------------------------------------------------------------------------------------------------------

    function testFuzz_TheWordNamedIsTheAmount(uint8 word, uint96 amount) public {
        word = uint8(bound(word, 0, 254));
        amount = uint96(bound(amount, 0, CAP));
        IRingMultisig.Permission memory permission = _metered(address(_gauge), FUNCTION, word, address(token));
        permission.addressWords = 0;
        _permit(RING, permission);
        _limit(RING, address(token), CAP);
        bytes memory data = abi.encodePacked(FUNCTION);
        for (uint256 i; i < word; ++i) {
            data = bytes.concat(data, bytes32(type(uint256).max));
        }
        _run(RING, _ring, _call(address(_gauge), 0, abi.encodePacked(data, uint256(amount), type(uint256).max)));
        assertEq(treasury.getLimit(RING, address(token)).spent, amount);
        assertEq(treasury.getRing(RING).spent, 0);
    }

    function test_RevertWhen_TheAmountIsMissing() public {
        _limit(RING, address(token), CAP);
        _permit(RING, _metered(address(_gauge), FUNCTION, 254, address(token)));
        bytes memory data = abi.encodePacked(FUNCTION, new bytes(254 * 32 + 31));
        _refused(
            _turn(RING, _ring, _call(address(_gauge), 0, data)),
            abi.encodeWithSelector(IRingMultisig.ArgumentMalformed.selector, address(_gauge), FUNCTION, 254)
        );
    }

    // ------------------------------------------------------------------------------------------------------------
    // Of which asset
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheAssetHasNoLimit() public {
        _permit(RING, _transferOf(address(token)));
        _exceeded(RING, _ring, _transfer(address(token), payee, 1), address(token), 0, 0, 1);
        _exceeded(RING, _ring, _transfer(address(token), payee, 0), address(token), 0, 0, 0);
        _permit(TOKEN_RING, _bareTransfer(address(0)));
        _exceeded(TOKEN_RING, _tokenRing, _call(payee, 1, ""), address(0), 0, 0, 1);
        _exceeded(TOKEN_RING, _tokenRing, _call(payee, 0, ""), address(0), 0, 0, 0);
    }

    function test_TheMainAssetIsMeteredByTheCharter() public {
        _permit(TOKEN_RING, _transferOf(address(token)));
        _run(TOKEN_RING, _tokenRing, _transfer(address(token), payee, 5));
        assertEq(treasury.getRing(TOKEN_RING).spent, 5);
        assertEq(treasury.getLimit(TOKEN_RING, address(token)).period, 0, "no limit of its own");
    }

    /// @dev A router that takes the token from the treasury: what is called and what is spent are two contracts.
    function test_TheAssetIsNotTheTarget() public {
        _limit(RING, address(token), 7);
        _permit(RING, _metered(address(_gauge), FUNCTION, 1, address(token)));
        _run(RING, _ring, _callGauge(0, abi.encodeWithSelector(FUNCTION, payee, 7)));
        _exceeded(RING, _ring, _callGauge(0, abi.encodeWithSelector(FUNCTION, payee, 1)), address(token), 7, 7, 1);
    }

    function test_TheAmountMayBeOfTheNativeCoin() public {
        _permit(RING, _metered(address(_gauge), FUNCTION, 0, address(0)));
        _run(RING, _ring, _callGauge(0, abi.encodeWithSelector(FUNCTION, 7)));
        assertEq(treasury.getRing(RING).spent, 7);
    }

    /// @dev Nothing to meter, so no limit is asked for.
    function test_ACallWithoutAnAmountSpendsNothing() public {
        _permit(TOKEN_RING, _unmetered(address(_gauge)));
        bytes memory data = abi.encodeWithSelector(FUNCTION, type(uint256).max);
        _run(TOKEN_RING, _tokenRing, _callGauge(0, data));
        assertEq(_gauge.data(), data);
        assertEq(treasury.getRing(TOKEN_RING).spent, 0);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Value
    // ------------------------------------------------------------------------------------------------------------

    function test_ValueIsMeteredBesides() public {
        _permit(RING, _unmetered(address(_gauge)));
        _run(RING, _ring, _callGauge(3, bytes.concat(FUNCTION)));
        assertEq(treasury.getRing(RING).spent, 3);
        assertEq(_gauge.value(), 3);

        _permit(TOKEN_RING, _unmetered(address(_gauge)));
        _limit(TOKEN_RING, address(0), 5);
        _run(TOKEN_RING, _tokenRing, _callGauge(4, bytes.concat(FUNCTION)));
        assertEq(treasury.getLimit(TOKEN_RING, address(0)).spent, 4);
        assertEq(treasury.getRing(TOKEN_RING).spent, 0);
    }

    function test_RevertWhen_TheValueExceedsItsCap() public {
        _permit(RING, _unmetered(address(_gauge)));
        _exceeded(RING, _ring, _callGauge(CAP + 1, bytes.concat(FUNCTION)), address(0), CAP, 0, CAP + 1);
        _permit(TOKEN_RING, _unmetered(address(_gauge)));
        _exceeded(TOKEN_RING, _tokenRing, _callGauge(1, bytes.concat(FUNCTION)), address(0), 0, 0, 1);
    }

    /// @dev The amount and the value are both of the native coin: both count.
    function test_AmountAndValueOfOneAssetAddUp() public {
        _permit(RING, _metered(address(_gauge), FUNCTION, 0, address(0)));
        _run(RING, _ring, _callGauge(3, abi.encodeWithSelector(FUNCTION, 4)));
        assertEq(treasury.getRing(RING).spent, 7);
        _exceeded(RING, _ring, _callGauge(CAP - 8, abi.encodeWithSelector(FUNCTION, 2)), address(0), CAP, 9, CAP - 8);
    }

    function test_TwoAssetsInOneCall() public {
        _permit(RING, _metered(address(_gauge), FUNCTION, 0, address(token)));
        _limit(RING, address(token), 10);
        _run(RING, _ring, _callGauge(3, abi.encodeWithSelector(FUNCTION, 4)));
        assertEq(treasury.getRing(RING).spent, 3);
        assertEq(treasury.getLimit(RING, address(token)).spent, 4);
    }

    /// @dev Whichever of the two is too much: neither is booked.
    function test_RevertWhen_OneOfTwoAssetsExceedsItsCap() public {
        _permit(RING, _metered(address(_gauge), FUNCTION, 0, address(token)));
        _limit(RING, address(token), 10);
        _exceeded(RING, _ring, _callGauge(3, abi.encodeWithSelector(FUNCTION, 11)), address(token), 10, 0, 11);
        _exceeded(RING, _ring, _callGauge(CAP + 1, abi.encodeWithSelector(FUNCTION, 4)), address(0), CAP, 0, CAP + 1);
        assertEq(treasury.getLimit(RING, address(token)).spent, 0);
        assertEq(treasury.getRing(RING).spent, 0);
    }

    // ------------------------------------------------------------------------------------------------------------
    // What is as good as spending
    // ------------------------------------------------------------------------------------------------------------

    function test_AnApprovalCountsAsSpending() public {
        _limit(RING, address(token), 10);
        _permit(RING, _metered(address(token), IERC20.approve.selector, 1, address(token)));
        _run(RING, _ring, _call(address(token), 0, abi.encodeCall(IERC20.approve, (payee, 7))));
        assertEq(token.allowance(address(treasury), payee), 7);
        assertEq(treasury.getLimit(RING, address(token)).spent, 7);
        bytes memory more = _call(address(token), 0, abi.encodeCall(IERC20.approve, (payee, 4)));
        _exceeded(RING, _ring, more, address(token), 10, 7, 4);
        more = _call(address(token), 0, abi.encodeCall(IERC20.approve, (payee, type(uint256).max)));
        _exceeded(RING, _ring, more, address(token), 10, 7, type(uint256).max);
    }

    function test_AnIncreaseOfAnAllowanceCountsAsSpending() public {
        _limit(RING, address(token), 10);
        _permit(RING, _metered(address(_gauge), INCREASE_ALLOWANCE, 1, address(token)));
        _run(RING, _ring, _callGauge(0, abi.encodeWithSelector(INCREASE_ALLOWANCE, payee, 6)));
        bytes memory more = _callGauge(0, abi.encodeWithSelector(INCREASE_ALLOWANCE, payee, 5));
        _exceeded(RING, _ring, more, address(token), 10, 6, 5);
    }

    /// @dev Its amount is the third argument; two addresses go before it.
    function test_ATransferFromCountsAsSpending() public {
        _limit(RING, address(token), 10);
        IRingMultisig.Permission memory permission =
            _metered(address(token), IERC20.transferFrom.selector, 2, address(token));
        permission.addressWords = 3;
        _permit(RING, permission);
        token.mint(stranger, 20);
        vm.prank(stranger);
        token.approve(address(treasury), 20);
        bytes memory data = abi.encodeCall(IERC20.transferFrom, (stranger, payee, 10));
        _run(RING, _ring, _call(address(token), 0, data));
        assertEq(token.balanceOf(payee), 10);
        _exceeded(RING, _ring, _call(address(token), 0, data), address(token), 10, 10, 10);
    }

    /// @dev Transfers and approvals of one asset share one meter.
    function test_SeveralFunctionsShareOneMeter() public {
        _allow(RING, address(token), 10);
        _permit(RING, _metered(address(token), IERC20.approve.selector, 1, address(token)));
        _run(
            RING,
            _ring,
            bytes.concat(
                _transfer(address(token), payee, 4),
                _call(address(token), 0, abi.encodeCall(IERC20.approve, (payee, 5)))
            )
        );
        _exceeded(RING, _ring, _transfer(address(token), payee, 2), address(token), 10, 9, 2);
    }

    // ------------------------------------------------------------------------------------------------------------

    function _unmetered(address target) private pure returns (IRingMultisig.Permission memory permission) {
        permission = _bareTransfer(target);
        permission.selector = FUNCTION;
    }

    /// @dev With enough gas for the gauge to note it all.
    function _callGauge(uint256 value, bytes memory data) private returns (bytes memory) {
        return _call(_nextRequest(), 500_000, address(_gauge), value, data);
    }

    function _exceeded(
        uint32 ring,
        IRingMultisig.Charter memory charter,
        bytes memory calls,
        address asset,
        uint256 cap,
        uint256 spent,
        uint256 amount
    ) private {
        _refused(
            _turn(ring, charter, calls),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, asset, cap, spent, amount)
        );
    }
}
