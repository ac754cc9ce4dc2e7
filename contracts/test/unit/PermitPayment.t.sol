// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Refuser } from "../doubles/Callees.sol";

/// @notice One payment that the master lets pass outside the cap. The ring still has to sign it.
contract PermitPaymentTest is RingTest {
    bytes16 private constant REQUEST = bytes16(uint128(0x5a));
    uint96 private constant LARGE = CAP + 1;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
    }

    // ------------------------------------------------------------------------------------------------------------
    // What it does
    // ------------------------------------------------------------------------------------------------------------

    function test_PassesOutsideTheCapWithoutCounting() public {
        _run(RING, _ring, _pay(payee, CAP));
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.PaymentPermitted(RING, 1, REQUEST, address(0), payee, LARGE);
        _permitPayment(address(0), payee, LARGE);
        assertTrue(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, LARGE));

        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.PermittedPaymentUsed(RING, REQUEST);
        _run(RING, _ring, _payLarge());
        assertEq(payee.balance, uint256(CAP) + LARGE);
        assertEq(treasury.getRing(RING).spent, CAP, "not counted");
        assertFalse(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, LARGE));
    }

    function test_PassesForTheMainToken() public {
        _ring = _tokenCharter();
        _form(RING, _ring);
        _permitPaymentIn(2, REQUEST, address(token), payee, LARGE);
        _run(RING, _ring, _payLarge());
        assertEq(token.balanceOf(payee), LARGE);
        assertEq(treasury.getRing(RING).spent, 0);
    }

    /// @dev The rest of the batch goes by the cap.
    function test_PassesBesidePaymentsThatCount() public {
        _permitPayment(address(0), payee, LARGE);
        _run(RING, _ring, bytes.concat(_pay(payee, 3), _payLarge(), _pay(payee, CAP - 3)));
        assertEq(treasury.getRing(RING).spent, CAP);
        assertEq(payee.balance, uint256(CAP) + LARGE);
    }

    /// @dev The log of the requests lies in memory while the key of the payment is hashed beside it.
    function test_TheRequestsBesideItAreNamedAsTheyAre() public {
        _permitPayment(address(0), payee, LARGE);
        bytes memory calls;
        bytes memory ids;
        for (uint128 i = 1; i <= 40; ++i) {
            bytes16 id = bytes16(~i);
            calls = bytes.concat(calls, i == 39 ? _payLarge() : _pay(id, CALL_GAS, payee, 1));
            ids = bytes.concat(ids, i == 39 ? REQUEST : id);
        }
        Turn memory turn = _turn(RING, _ring, calls);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(turn.id, _digest(turn.id, turn.calls), ids);
        _execute(turn);
    }

    /// @dev With a cap of zero every payment takes the master.
    function test_PassesWhereTheCapIsZero() public {
        _ring.cap = 0;
        _form(RING, _ring);
        _permitPaymentIn(2, REQUEST, address(0), payee, 1);
        _run(RING, _ring, _pay(REQUEST, CALL_GAS, payee, 1));
        assertEq(payee.balance, 1);
    }

    /// @dev What the cap lets pass counts, and leaves the permission for the day it does not.
    function test_IsNotUsedByWhatTheCapAllows() public {
        _permitPayment(address(0), payee, 5);
        _run(RING, _ring, _pay(REQUEST, CALL_GAS, payee, 5));
        assertEq(treasury.getRing(RING).spent, 5);
        assertTrue(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, 5));
        _run(RING, _ring, bytes.concat(_pay(payee, CAP - 5), _pay(REQUEST, CALL_GAS, payee, 5)));
        assertFalse(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, 5));
    }

    /// @dev Booked like any other: the turn stands, and so does what it used.
    function test_IsUsedByAPaymentThatFails() public {
        address refuser = address(new Refuser());
        _permitPayment(address(0), refuser, LARGE);
        _run(RING, _ring, _pay(REQUEST, CALL_GAS, refuser, LARGE));
        assertFalse(treasury.isPaymentPermitted(RING, REQUEST, address(0), refuser, LARGE));
    }

    function test_IsNotUsedByATurnThatIsRefused() public {
        _permitPayment(address(0), payee, LARGE);
        bytes memory calls = bytes.concat(_payLarge(), _call(payee, 1, ""));
        _refused(
            _turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallNotPermitted.selector, payee, bytes4(0))
        );
        assertTrue(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, LARGE));
    }

    function test_NeitherEpochNorRingMove() public {
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        _permitPayment(address(0), payee, LARGE);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    // ------------------------------------------------------------------------------------------------------------
    // What it does not
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_UsedTwice() public {
        _permitPayment(address(0), payee, LARGE);
        _exceeded(bytes.concat(_payLarge(), _payLarge()));
        _run(RING, _ring, _payLarge());
        _exceeded(_payLarge());
    }

    /// @dev The same payment permitted again before it was used is still one payment.
    function test_RevertWhen_PermittedTwiceAndUsedTwice() public {
        _permitPayment(address(0), payee, LARGE);
        _permitPayment(address(0), payee, LARGE);
        _run(RING, _ring, _payLarge());
        _exceeded(_payLarge());
    }

    function test_RevertWhen_ThePaymentIsAnother() public {
        _permitPayment(address(0), payee, LARGE);
        _exceeded(_pay(bytes16(uint128(0x5b)), CALL_GAS, payee, LARGE));
        _exceeded(_pay(REQUEST, CALL_GAS, stranger, LARGE));
        _refused(
            _turn(RING, _ring, _pay(REQUEST, CALL_GAS, payee, LARGE + 1)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, 0, LARGE + 1)
        );
        _form(8, _ring);
        _refused(
            _turn(8, _ring, _payLarge()),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, 0, LARGE)
        );
        _run(RING, _ring, _payLarge());
    }

    /// @dev The wallet showed another asset than the ring pays by now.
    function test_RevertWhen_TheAssetIsAnother() public {
        _permitPayment(address(token), payee, LARGE);
        _exceeded(_payLarge());
        assertTrue(treasury.isPaymentPermitted(RING, REQUEST, address(token), payee, LARGE));
    }

    /// @dev A call spends what it spends under the same cap, permitted payment or not.
    function test_RevertWhen_TheSameIsAskedForByACall() public {
        _permit(RING, _bareTransfer(address(0)));
        _permitPayment(address(0), payee, LARGE);
        _exceeded(_call(REQUEST, CALL_GAS, payee, LARGE, ""));
    }

    function test_RevertWhen_TheEpochIsOver() public {
        for (uint256 kind; kind < 4; ++kind) {
            uint32 epoch = treasury.getRing(RING).epoch;
            _permitPaymentIn(epoch, REQUEST, address(0), payee, LARGE);
            vm.startPrank(master);
            if (kind == 0) treasury.resume(RING, epoch, _direct(master));
            if (kind == 1) treasury.formRing(RING, epoch, _ring, _direct(master));
            if (kind == 2) {
                treasury.revoke(RING, keys[2], _ring, _direct(master));
                _ring.seats[2] = address(0);
            }
            if (kind == 3) {
                treasury.replace(RING, epoch, 2, keys[9], false, _ring, _direct(master));
                _ring.seats[2] = keys[9];
            }
            vm.stopPrank();
            assertFalse(treasury.isPaymentPermitted(RING, REQUEST, address(0), payee, LARGE));
            _exceeded(_payLarge());
        }
    }

    function test_RevertWhen_TheEpochIsNotTheCurrentOne() public {
        for (uint32 epoch; epoch < 4; ++epoch) {
            if (epoch == 1) continue;
            vm.prank(master);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 1, epoch));
            treasury.permitPayment(RING, epoch, REQUEST, address(0), payee, LARGE, _direct(master));
        }
    }

    function test_RevertWhen_TheRingWasNeverFormed() public {
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.RingUnknown.selector, 99));
        treasury.permitPayment(99, 0, REQUEST, address(0), payee, LARGE, _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.permitPayment(RING, 1, REQUEST, address(0), payee, LARGE, _direct(others[i]));
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    function _payLarge() private view returns (bytes memory) {
        return _pay(REQUEST, CALL_GAS, payee, LARGE);
    }

    function _permitPayment(address asset, address to, uint96 amount) private {
        _permitPaymentIn(1, REQUEST, asset, to, amount);
    }

    function _permitPaymentIn(uint32 epoch, bytes16 requestId, address asset, address to, uint96 amount) private {
        vm.prank(master);
        treasury.permitPayment(RING, epoch, requestId, asset, to, amount, _direct(master));
    }

    /// @dev Refused by the cap, whatever amount is the first that does not fit.
    function _exceeded(bytes memory calls) private {
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.expectRevert(
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(0), CAP, before.spent, LARGE)
        );
        this.send(calls);
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    function send(bytes calldata calls) external {
        _run(RING, _ring, calls);
    }
}
