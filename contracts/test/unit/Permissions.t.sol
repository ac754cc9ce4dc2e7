// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { FeeToken } from "../doubles/Tokens.sol";

/// @notice What a ring may do: nothing that was not permitted, and no more of it than its caps say. Every turn here is
/// well signed; a refused one leaves its nonce for another.
contract PermissionsTest is RingTest {
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
    }

    // ------------------------------------------------------------------------------------------------------------
    // Default-deny
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheSelectorIsAnother() public {
        _limit(RING, address(token), CAP);
        bytes[5] memory others = [
            abi.encodeCall(IERC20.approve, (payee, 1)),
            abi.encodeCall(IERC20.transferFrom, (address(treasury), payee, 1)),
            abi.encodeWithSignature("increaseAllowance(address,uint256)", payee, 1),
            abi.encodeWithSignature("permit(address,uint256)", payee, 1),
            abi.encodeWithSignature("multicall(bytes[])", new bytes[](0))
        ];
        for (uint256 i; i < others.length; ++i) {
            _notPermitted(_call(address(token), 0, others[i]), address(token), bytes4(others[i]));
        }
    }

    function testFuzz_RevertWhen_TheSelectorIsAnother(bytes4 selector, address to, uint256 amount) public {
        vm.assume(selector != IERC20.transfer.selector);
        _limit(RING, address(token), CAP);
        _notPermitted(_call(address(token), 0, abi.encodeWithSelector(selector, to, amount)), address(token), selector);
    }

    /// @dev Neither shorter nor longer than a transfer: what a token makes of it is anybody's guess.
    function test_RevertWhen_TheCallDataHasAnotherLength() public {
        _limit(RING, address(token), CAP);
        bytes memory whole = bytes.concat(abi.encodeCall(IERC20.transfer, (payee, 1)), hex"0000");
        for (uint256 length = 1; length <= whole.length; ++length) {
            if (length == 68) continue;
            bytes memory part = new bytes(length);
            for (uint256 i; i < length; ++i) {
                part[i] = whole[i];
            }
            _notPermitted(
                _call(address(token), 0, part), address(token), length < 4 ? bytes4(0) : IERC20.transfer.selector
            );
        }
    }

    function testFuzz_RevertWhen_TheAddressWordIsDirty(uint96 dirt) public {
        vm.assume(dirt != 0);
        _limit(RING, address(token), CAP);
        bytes memory data = abi.encodePacked(IERC20.transfer.selector, dirt, payee, uint256(1));
        _notPermitted(_call(address(token), 0, data), address(token), IERC20.transfer.selector);
    }

    function test_RevertWhen_ValueGoesWithData() public {
        _limit(RING, address(token), CAP);
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, 1));
        _notPermitted(_call(address(token), 1, data), address(token), IERC20.transfer.selector);
    }

    function test_RevertWhen_TheTargetIsTheTreasury() public {
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, 1));
        _notPermitted(_call(address(treasury), 1, ""), address(treasury), bytes4(0));
        _notPermitted(_pay(address(treasury), 1), address(treasury), bytes4(0));
        _notPermitted(_call(address(treasury), 0, data), address(treasury), IERC20.transfer.selector);
        data = abi.encodeCall(IRingMultisig.setGuardian, (payee, _direct(address(treasury))));
        _notPermitted(_call(address(treasury), 0, data), address(treasury), IRingMultisig.setGuardian.selector);
    }

    function test_RevertWhen_TheTargetIsTheMaster() public {
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, 1));
        _notPermitted(_call(master, 1, ""), master, bytes4(0));
        _notPermitted(_pay(master, 1), master, bytes4(0));
        _limit(RING, master, CAP);
        _notPermitted(_call(master, 0, data), master, IERC20.transfer.selector);
    }

    function test_RevertWhen_TheAssetHasNoLimit() public {
        _notPermitted(_transfer(address(token), payee, 0), address(token), bytes4(0));
        _notPermitted(TOKEN_RING, _tokenRing, _call(payee, 1, ""), payee, bytes4(0));
        // Not even nothing: a bare call is a call.
        _notPermitted(TOKEN_RING, _tokenRing, _call(payee, 0, ""), payee, bytes4(0));
    }

    /// @dev Asset zero is the native coin: a token's transfer to "token zero" must not be metered as such.
    function test_RevertWhen_TheTokenIsTheZeroAddress() public {
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, 1));
        _notPermitted(_call(address(0), 0, data), address(0), IERC20.transfer.selector);
        _limit(TOKEN_RING, address(0), CAP);
        _notPermitted(TOKEN_RING, _tokenRing, _call(address(0), 0, data), address(0), IERC20.transfer.selector);
    }

    function test_RevertWhen_OneCallOfABatchIsNotPermitted() public {
        _notPermitted(
            bytes.concat(_pay(payee, 1), _transfer(address(token), payee, 1), _pay(payee, 1)), address(token), bytes4(0)
        );
    }

    function test_ALimitIsOfOneRingOnly() public {
        _form(9, _ring);
        _limit(9, address(token), CAP);
        _notPermitted(_transfer(address(token), payee, 1), address(token), bytes4(0));
        _run(9, _ring, _transfer(address(token), payee, 1));
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
        _limit(TOKEN_RING, address(token), 1000 ether);
        _run(TOKEN_RING, _tokenRing, _transfer(address(token), payee, CAP - 1));
        _run(TOKEN_RING, _tokenRing, _pay(payee, 1));
        _exceeded(TOKEN_RING, _tokenRing, _transfer(address(token), payee, 1), address(token), CAP, 1);
        assertEq(treasury.getLimit(TOKEN_RING, address(token)).spent, 0, "the main asset's cap takes precedence");
    }

    function test_RevertWhen_AnotherAssetExceedsItsCap() public {
        _limit(RING, address(token), 5);
        _exceeded(_transfer(address(token), payee, 6), address(token), 5, 0, 6);
        _run(RING, _ring, bytes.concat(_transfer(address(token), payee, 2), _transfer(address(token), payee, 2)));
        _exceeded(_transfer(address(token), payee, 2), address(token), 5, 4, 2);
        _run(RING, _ring, _transfer(address(token), payee, 1));
        assertEq(token.balanceOf(payee), 5);
    }

    function test_RevertWhen_TheAmountWouldOverflow() public {
        _limit(RING, address(token), type(uint104).max);
        _run(RING, _ring, _transfer(address(token), payee, 10));
        _exceeded(
            _transfer(address(token), payee, type(uint256).max),
            address(token),
            type(uint104).max,
            10,
            type(uint256).max
        );
    }

    /// @dev `LimitView`: "0: nothing, not even zero."
    function test_RevertWhen_TheCapIsZeroAndSoIsTheAmount() public {
        _limit(RING, address(token), 0);
        _exceeded(_transfer(address(token), payee, 0), address(token), 0, 0, 0);

        IRingMultisig.Charter memory charter = _usualCharter();
        charter.cap = 0;
        _form(9, charter);
        bytes memory nothing = abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), 0, 0, 0);
        _refused(_turn(9, charter, _pay(payee, 0)), nothing);
        _refused(_turn(9, charter, _call(payee, 0, "")), nothing);
        _run(9, charter, "");
    }

    function test_RevertWhen_TheCapIsZero() public {
        _limit(RING, address(token), 0);
        Turn memory turn = _turn(RING, _ring, _transfer(address(token), payee, 1));
        vm.expectRevert();
        _execute(turn);
    }

    function test_ACallThatFailsHasSpentAllTheSame() public {
        uint256 tooMuch = 2000 ether;
        _limit(RING, address(token), uint104(tooMuch));
        _run(RING, _ring, _transfer(address(token), payee, tooMuch));
        assertEq(token.balanceOf(payee), 0);
        _exceeded(_transfer(address(token), payee, 1), address(token), tooMuch, tooMuch, 1);
    }

    function test_TheMetersOfTwoAssetsAreApart() public {
        _limit(RING, address(token), CAP);
        _run(RING, _ring, bytes.concat(_pay(payee, CAP), _transfer(address(token), payee, CAP)));
        assertEq(payee.balance, CAP);
        assertEq(token.balanceOf(payee), CAP);
    }

    /// @dev The token keeps a part: what left the treasury is what was asked for, never more than the cap.
    function test_AFeeTokenDoesNotExceedItsCap() public {
        FeeToken fee = new FeeToken();
        fee.mint(address(treasury), 100 ether);
        _limit(RING, address(fee), CAP);
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
        _limit(RING, address(token), 5);
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
    // Batches that do not parse
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheKindIsUnknown() public {
        for (uint256 kind = 2; kind < 256; ++kind) {
            // Well formed but for its kind, as a call and as a pay.
            bytes memory calls = _call(payee, 1, "");
            calls[0] = bytes1(uint8(kind));
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 0));
            calls = _pay(payee, 1);
            calls[0] = bytes1(uint8(kind));
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 0));
            calls = bytes.concat(_pay(payee, 1), calls);
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 52));
        }
    }

    function test_RevertWhen_TheBatchEndsEarly() public {
        _limit(RING, address(token), CAP);
        bytes memory whole = bytes.concat(_pay(payee, 1), _transfer(address(token), payee, 1));
        for (uint256 length = 1; length < whole.length; ++length) {
            if (length == 52) continue;
            bytes memory part = new bytes(length);
            for (uint256 i; i < length; ++i) {
                part[i] = whole[i];
            }
            _refused(
                _turn(RING, _ring, part),
                abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, length < 52 ? 0 : 52)
            );
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    function _notPermitted(bytes memory calls, address target, bytes4 selector) private {
        _notPermitted(RING, _ring, calls, target, selector);
    }

    function _notPermitted(
        uint32 ring,
        IRingMultisig.Charter memory charter,
        bytes memory calls,
        address target,
        bytes4 selector
    ) private {
        _refused(
            _turn(ring, charter, calls),
            abi.encodeWithSelector(IRingMultisig.CallNotPermitted.selector, target, selector)
        );
    }

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
