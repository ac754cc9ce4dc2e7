// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Budget } from "../../src/libraries/CharterLib.sol";
import { SymbolicRing } from "./SymbolicRing.sol";

/// @title SpendingProof
/// @notice What a ring spends. One seat (N, W, Q = 1, 1, 1), since who signs makes no difference here; any main asset, cap
/// and amounts, and whatever was spent before. Where a proof
/// says that no more was spent than the cap, that is so from the ring's forming on: it starts from zero.
contract SpendingProof is SymbolicRing {
    address private constant TARGET = address(0xCAFE);
    bytes4 private constant TRANSFER = 0xa9059cbb;

    function check_SpendingIsNeverAboveTheCapAfterAPayment() external {
        (Ring memory ring, bool ok) = _run(_anyPay());
        assert(!ok || _spent(_state(RING)) <= ring.budget.cap());
    }

    /// @dev Bounded, for its many paths: of the coin, of which there is enough, to an account without code.
    function check_SpendingIsNeverAboveTheCapAfterTwoPayments() external {
        Ring memory ring = _coinRing();
        Turn memory turn = _agreed(RING, ring, bytes.concat(_payTarget(), _payTarget()));
        assert(!_execute(ring, turn) || _spent(_state(RING)) <= ring.budget.cap());
    }

    function check_APaymentIsBookedInFull() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (bytes memory pay, uint256 amount) = _forbiddenPay(ring);
        vm.assume(_spent(ring.state) <= ring.budget.cap());
        if (!_execute(ring, _agreed(RING, ring, pay))) return;
        assert(_spent(_state(RING)) == _spentNow(ring) + amount);
    }

    /// @dev Bounded as above.
    function check_TwoPaymentsAreBookedInFullAndTogetherWithinTheCap() external {
        Ring memory ring = _coinRing();
        vm.assume(_spent(ring.state) <= ring.budget.cap());
        (uint96 first, uint96 second) = (uint96(svm.createUint(96, "first")), uint96(svm.createUint(96, "second")));
        bytes16 requestId = bytes16(svm.createBytes32("request"));
        bytes memory calls = bytes.concat(_pay(requestId, TARGET, first), _pay(requestId, TARGET, second));
        Turn memory turn = _agreed(RING, ring, calls);
        vm.assume(!treasury.isPaymentPermitted(RING, requestId, address(0), TARGET, first));
        vm.assume(!treasury.isPaymentPermitted(RING, requestId, address(0), TARGET, second));
        if (!_execute(ring, turn)) return;
        uint256 total = _spentNow(ring) + first + second;
        assert(_spent(_state(RING)) == total && total <= ring.budget.cap());
    }

    function check_APaymentOverTheCapNeverExecutes() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (bytes memory pay, uint256 amount) = _forbiddenPay(ring);
        vm.assume(_spent(ring.state) <= ring.budget.cap() && _spentNow(ring) + amount > ring.budget.cap());
        assert(!_execute(ring, _agreed(RING, ring, pay)));
    }

    function check_ACapOfZeroPaysNothingNotEvenZero() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (bytes memory pay,) = _forbiddenPay(ring);
        vm.assume(ring.budget.cap() == 0);
        assert(!_execute(ring, _agreed(RING, ring, pay)));
    }

    /// @dev What the master permitted passes outside the cap, once.
    function check_APermittedPaymentOverTheCapCostsNothingAndIsUsedUp() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (bytes16 requestId, address to, uint96 amount) = _anyPayment();
        vm.assume(_spent(ring.state) <= ring.budget.cap() && _spentNow(ring) + amount > ring.budget.cap());
        Turn memory turn = _agreed(RING, ring, _pay(requestId, to, amount));
        address asset = ring.budget.asset();
        vm.assume(treasury.isPaymentPermitted(RING, requestId, asset, to, amount));
        if (!_execute(ring, turn)) return;
        assert(_spent(_state(RING)) == _spentNow(ring));
        assert(!treasury.isPaymentPermitted(RING, requestId, asset, to, amount));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Calls
    // ------------------------------------------------------------------------------------------------------------

    function check_ACallWithoutAPermissionNeverExecutes() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (address target, bytes4 selector) = (svm.createAddress("target"), bytes4(svm.createBytes32("selector")));
        uint96 value = uint96(svm.createUint(96, "value"));
        Turn memory turn = _agreed(RING, ring, _call(target, value, bytes.concat(selector)));
        vm.assume(!treasury.getPermission(RING, target, selector).allowed);
        assert(!_execute(ring, turn));
    }

    function check_ACallOfTheMasterOrOfASelectorOfZeroNeverExecutes() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        (address target, bytes4 selector) = (svm.createAddress("target"), bytes4(svm.createBytes32("selector")));
        vm.assume(target == master || selector == 0);
        assert(!_execute(ring, _agreed(RING, ring, _call(target, 0, bytes.concat(selector)))));
    }

    function check_ABareTransferWithoutAPermissionOrToTheMasterNeverExecutes() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        address to = svm.createAddress("to");
        Turn memory turn = _agreed(RING, ring, _call(to, uint96(svm.createUint(96, "value")), ""));
        vm.assume(
            to == master || to == address(treasury)
                || (!treasury.getPermission(RING, to, 0).allowed
                    && !treasury.getPermission(RING, address(0), 0).allowed)
        );
        assert(!_execute(ring, turn));
    }

    function check_ABareTransferIsBookedWithinTheLimitOfTheCoin() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        vm.assume(ring.budget.asset() != address(0));
        uint96 value = uint96(svm.createUint(96, "value"));
        Turn memory turn = _agreed(RING, ring, _call(TARGET, value, ""));
        IRingMultisig.LimitView memory before = treasury.getLimit(RING, address(0));
        if (!_execute(ring, turn)) return;
        _checkBooked(before, value);
        assert(_spent(_state(RING)) <= ring.budget.cap());
    }

    function check_ABareTransferOfTheMainAssetIsBookedWithinTheCap() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        vm.assume(ring.budget.asset() == address(0) && _spent(ring.state) <= ring.budget.cap());
        uint96 value = uint96(svm.createUint(96, "value"));
        if (!_execute(ring, _agreed(RING, ring, _call(TARGET, value, "")))) return;
        assert(_spent(_state(RING)) == _spentNow(ring) + value && _spent(_state(RING)) <= ring.budget.cap());
    }

    /// @dev A token's `transfer`, as it is permitted: the amount is the second word, the first one is an address.
    function check_ATransferOfAnotherAssetIsBookedWithinItsLimit() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        vm.assume(ring.budget.asset() != TARGET);
        (uint256 to, uint256 amount) = (svm.createUint256("to"), svm.createUint256("amount"));
        Turn memory turn = _agreed(RING, ring, _call(TARGET, 0, abi.encodeWithSelector(TRANSFER, to, amount)));
        uint256 rule = uint256(uint160(TARGET)) | 1 << 160 | 1 << 168 | 3 << 184;
        _storeRule(RING, TARGET, TRANSFER, rule);
        IRingMultisig.LimitView memory before = treasury.getLimit(RING, TARGET);
        if (!_execute(ring, turn)) return;
        assert(to < 2 ** 160);
        _checkBooked(before, amount);
    }

    function _checkBooked(IRingMultisig.LimitView memory before, uint256 amount) private view {
        IRingMultisig.LimitView memory afterwards = treasury.getLimit(RING, before.asset);
        assert(before.period != 0 && afterwards.period == before.period && afterwards.cap == before.cap);
        bool isSamePeriod = before.periodIndex == uint24(block.timestamp / before.period);
        assert(afterwards.spent <= before.cap && amount <= before.cap);
        assert(afterwards.spent == (isSamePeriod ? before.spent : 0) + amount);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns
    // ------------------------------------------------------------------------------------------------------------

    /// @dev A payment that the master did not permit outside the cap.
    function _forbiddenPay(Ring memory ring) private returns (bytes memory pay, uint256 amount) {
        (bytes16 requestId, address to, uint96 any) = _anyPayment();
        _store(RING, 0, ring.state);
        vm.assume(!treasury.isPaymentPermitted(RING, requestId, ring.budget.asset(), to, any));
        return (_pay(requestId, to, any), any);
    }

    function _anyPayment() private pure returns (bytes16 requestId, address to, uint96 amount) {
        requestId = bytes16(svm.createBytes32("request"));
        to = svm.createAddress("to");
        amount = uint96(svm.createUint(96, "amount"));
    }

    function _pay(bytes16 requestId, address to, uint96 amount) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), requestId, uint24(svm.createUint(24, "gas")), to, amount);
    }

    function _call(address target, uint96 value, bytes memory data) private pure returns (bytes memory) {
        bytes16 requestId = bytes16(svm.createBytes32("request"));
        uint24 gas_ = uint24(svm.createUint(24, "gas"));
        return abi.encodePacked(uint8(0), requestId, gas_, target, value, uint24(data.length), data);
    }

    function _payTarget() private pure returns (bytes memory) {
        return _pay(bytes16(svm.createBytes32("request")), TARGET, uint96(svm.createUint(96, "amount")));
    }

    /// @dev A ring that pays the coin.
    function _coinRing() private returns (Ring memory ring) {
        ring = _anyRing(1, 1, 1, 0);
        ring.budget = Budget.wrap(bytes32(svm.createUint(96, "cap")));
        vm.deal(address(treasury), 2 ** 128);
    }

    /// @dev What was spent in the period that it is now.
    function _spentNow(Ring memory ring) private view returns (uint256) {
        return _periodIndex(ring.state) == uint24(block.timestamp / ring.terms.period()) ? _spent(ring.state) : 0;
    }

    function _run(bytes memory calls) private returns (Ring memory ring, bool ok) {
        ring = _anyRing(1, 1, 1, 0);
        ok = _execute(ring, _agreed(RING, ring, calls));
    }
}
