// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Answerer, Bomb, Burner, GasMeter, Gauge, LoudToken, Refuser } from "../doubles/Callees.sol";
import { FalseToken, ShortAnswerToken, SilentToken, TwoToken } from "../doubles/Tokens.sol";

/// @notice Calls that fail, and the gas that each call is owed.
contract FailingCallsTest is RingTest {
    IRingMultisig.Charter private _ring;
    bytes16 private constant FIRST = bytes16(uint128(0xf1));

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _permit(RING, _bareTransfer(address(0)));
    }

    // ------------------------------------------------------------------------------------------------------------
    // A call that fails does not undo its turn
    // ------------------------------------------------------------------------------------------------------------

    function test_ACallThatReverts() public {
        _failsAlone(_pay(FIRST, CALL_GAS, address(new Refuser()), 1));
        _failsAlone(_call(FIRST, CALL_GAS, address(new Refuser()), 1, ""));
    }

    function test_ACallThatBurnsAllItsGas() public {
        _failsAlone(_pay(FIRST, CALL_GAS, address(new Burner()), 1));
    }

    /// @dev The data is paid for by the callee alone. Had it been copied, the turn would cost millions.
    function test_ACallThatReturnsABomb() public {
        Turn memory turn =
            _turn(RING, _ring, bytes.concat(_pay(FIRST, 3_000_000, address(new Bomb()), 1), _pay(payee, 7)));
        _expectFailure(0);
        uint256 before = gasleft();
        this.executeWithGas(turn, 5_000_000);
        assertLt(before - gasleft(), 3_500_000);
        assertEq(payee.balance, 7);
    }

    function test_ATokenThatReturnsABombButIsRightInItsFirstWord() public {
        address loud = address(new LoudToken());
        _allow(RING, loud, 1 ether);
        bytes memory calls = bytes.concat(
            _call(FIRST, 3_000_000, loud, 0, abi.encodeWithSignature("transfer(address,uint256)", payee, 1)),
            _pay(payee, 7)
        );
        Turn memory turn = _turn(RING, _ring, calls);
        vm.recordLogs();
        uint256 before = gasleft();
        _execute(turn);
        assertLt(before - gasleft(), 3_500_000);
        assertEq(vm.getRecordedLogs().length, 1, "no failure");
        assertEq(payee.balance, 7);
    }

    function test_ACallWithoutEnoughFunds() public {
        vm.deal(address(treasury), 7);
        _failsAlone(_pay(FIRST, CALL_GAS, payee, 8));
    }

    function test_ATokenThatReverts() public {
        _tokenFailsAlone(address(new Refuser()));
        _tokenFailsAlone(address(new Bomb()));
        _tokenFailsAlone(address(new Burner()));
    }

    function test_ATokenThatReturnsFalse() public {
        _tokenFailsAlone(address(new FalseToken()));
    }

    function test_ATokenThatReturnsAnythingButTrue() public {
        _tokenFailsAlone(address(new TwoToken()));
        address short = address(0xbad01);
        vm.etch(short, address(new ShortAnswerToken()).code);
        _tokenFailsAlone(short);
    }

    function test_ATokenWithoutCode() public {
        _tokenFailsAlone(makeAddr("nobody"));
    }

    function test_ATokenThatReturnsNothingSucceeds() public {
        SilentToken silent = new SilentToken();
        _allow(RING, address(silent), 1 ether);
        Turn memory turn = _turn(RING, _ring, _transfer(address(silent), payee, 5));
        vm.recordLogs();
        _execute(turn);
        assertEq(vm.getRecordedLogs().length, 1, "no failure");
        assertEq(silent.balanceOf(payee), 5);
    }

    /// @dev The other two of ERC-20's functions that answer.
    function test_ATransferFromOrAnApprovalThatReturnsFalse() public {
        address answerer = address(new Answerer());
        bytes4[2] memory selectors = [IERC20.transferFrom.selector, IERC20.approve.selector];
        for (uint256 i; i < selectors.length; ++i) {
            _permit(RING, _unmetered(answerer, selectors[i]));
            bytes memory said = abi.encodePacked(selectors[i], abi.encode(uint256(0)));
            _failsAlone(_call(FIRST, CALL_GAS, answerer, 0, said));
            _failsAlone(_call(FIRST, CALL_GAS, answerer, 0, abi.encodePacked(selectors[i], abi.encode(uint256(2)))));
            _succeeds(_call(FIRST, CALL_GAS, answerer, 0, abi.encodePacked(selectors[i], abi.encode(uint256(1)))));
            _succeeds(_call(FIRST, CALL_GAS, answerer, 0, bytes.concat(selectors[i])));
        }
    }

    /// @dev What another function returns is its own affair.
    function test_AnotherFunctionThatReturnsFalseSucceeds() public {
        address answerer = address(new Answerer());
        _permit(RING, _unmetered(answerer, 0xc0ffee00));
        _succeeds(_call(FIRST, CALL_GAS, answerer, 0, abi.encodePacked(bytes4(0xc0ffee00), abi.encode(uint256(0)))));
    }

    function test_AnotherFunctionWithoutCode() public {
        address nobody = makeAddr("nobody");
        _permit(RING, _unmetered(nobody, 0xc0ffee00));
        _failsAlone(_call(FIRST, CALL_GAS, nobody, 0, hex"c0ffee00"));
    }

    function test_ABareTransferNeedsNoCode() public {
        _succeeds(_call(FIRST, CALL_GAS, makeAddr("nobody"), 1, ""));
    }

    /// @dev The same answers judged when the token is the ring's main asset.
    function test_TheMainTokenThatReturnsFalse() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        charter.asset = address(new FalseToken());
        _form(RING, charter);
        Turn memory turn = _turn(RING, charter, bytes.concat(_pay(FIRST, CALL_GAS, payee, 1), _pay(payee, 1)));
        _expectFailure(0);
        _execute(turn);
        assertEq(treasury.getRing(RING).nonce, 1);
    }

    function test_EachFailureOfABatchIsNamed() public {
        address refuser = address(new Refuser());
        bytes memory calls = bytes.concat(
            _pay(payee, 1),
            _pay(bytes16(uint128(0xb)), CALL_GAS, refuser, 1),
            _pay(payee, 2),
            _pay(bytes16(uint128(0xd)), CALL_GAS, refuser, 1)
        );
        Turn memory turn = _turn(RING, _ring, calls);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CallFailed(RING, 0, 1, bytes16(uint128(0xb)));
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CallFailed(RING, 0, 3, bytes16(uint128(0xd)));
        _execute(turn);
        assertEq(payee.balance, 3);
    }

    /// @dev Bookings and nonce are in place before the first call.
    function test_TheCalleeSeesTheTurnAsDone() public {
        Onlooker onlooker = new Onlooker(treasury);
        _run(RING, _ring, _pay(_nextRequest(), 300_000, address(onlooker), 3));
        assertEq(onlooker.nonce(), 1);
        assertEq(onlooker.spent(), 3);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Gas
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_GasIsTooLow() public {
        Gauge gauge = new Gauge();
        Turn memory turn = _turn(RING, _ring, _pay(FIRST, 1_000_000, address(gauge), 1));
        vm.expectPartialRevert(IRingMultisig.GasTooLow.selector);
        this.executeWithGas(turn, 1_000_000);
        assertEq(treasury.getRing(RING).nonce, 0);
        _execute(turn);
        assertEq(gauge.value(), 1);
    }

    function test_RevertWhen_GasIsTooLow_ForACallThatIsNoPayment() public {
        Gauge gauge = new Gauge();
        _permit(RING, _bareTransfer(address(gauge)));
        Turn memory turn = _turn(RING, _ring, _call(FIRST, 1_000_000, address(gauge), 1, ""));
        vm.expectPartialRevert(IRingMultisig.GasTooLow.selector);
        this.executeWithGas(turn, 1_000_000);
        assertEq(treasury.getRing(RING).nonce, 0);
        _execute(turn);
        assertEq(gauge.value(), 1);
    }

    /// @dev The calls before it are undone with it.
    function test_RevertWhen_GasIsTooLowForALaterCall() public {
        Turn memory turn =
            _turn(RING, _ring, bytes.concat(_pay(payee, 1), _pay(payee, 1), _pay(FIRST, 1_000_000, payee, 1)));
        vm.expectPartialRevert(IRingMultisig.GasTooLow.selector);
        this.executeWithGas(turn, 1_000_000);
        assertEq(treasury.getRing(RING).nonce, 0);
        assertEq(payee.balance, 0);
    }

    /// @dev Whatever gas the sender gives: the turn is refused, its nonce unused, or the call got all that was signed.
    function testFuzz_EitherRefusedOrAllOfTheSignedGas(uint256 gas_, uint24 signed, bool withValue) public {
        signed = uint24(bound(signed, 150_000, type(uint24).max));
        gas_ = bound(gas_, signed / 2, uint256(signed) * 2 + 200_000);
        _givenGas(new Gauge(), gas_, signed, withValue);
    }

    /// @dev The same, close to where the answer changes.
    function testFuzz_EitherRefusedOrAllOfTheSignedGas_AtTheEdge(uint256 gas_, uint24 signed, bool withValue) public {
        signed = uint24(bound(signed, 150_000, type(uint24).max));
        uint256 edge = uint256(signed) + signed / 63 + 40_000;
        _givenGas(new Gauge(), bound(gas_, edge, edge + 80_000), signed, withValue);
    }

    /// @dev The least gas that is accepted, found by halving. There the margin for what CALL itself costs shows.
    function test_TheLeastGasThatIsAcceptedGivesTheCallAllThatWasSigned() public {
        _atTheLeastGas(100_000, true);
        _atTheLeastGas(6_300_000, true);
        _atTheLeastGas(12_000_000, true);
        _atTheLeastGas(12_000_000, false);
        _atTheLeastGas(type(uint24).max, true);
    }

    /// @dev Copying the data is paid before the gas is looked at, and not out of what was signed.
    function test_TheLeastGasThatIsAcceptedGivesALongCallAllThatWasSigned() public {
        GasMeter meter = new GasMeter();
        IRingMultisig.Permission memory permission = _bareTransfer(address(meter));
        permission.selector = 0xc0ffee00;
        _permit(RING, permission);
        bytes memory data = bytes.concat(bytes4(0xc0ffee00), new bytes(125_000));
        Turn memory turn = _turn(RING, _ring, _call(FIRST, 100_000, address(meter), 0, data));
        bytes memory encoded = _encoded(turn);

        (uint256 low, uint256 high) = (100_000, 2_000_000);
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            uint256 snapshot = vm.snapshotState();
            vm.cool(address(meter));
            vm.cool(address(treasury));
            (bool success,) = address(treasury).call{ gas: middle }(encoded);
            if (success) assertGe(meter.gasAtEntry() + 150, 100_000);
            vm.revertToState(snapshot);
            if (success) high = middle;
            else low = middle;
        }
        assertLt(high, 2_000_000);
    }

    function test_ACallMayNotUseMoreThanWasSigned() public {
        Gauge gauge = new Gauge();
        _allow(RING, address(gauge), 1);
        bytes memory data = abi.encodeWithSignature("transfer(address,uint256)", payee, 1);
        _run(RING, _ring, _call(FIRST, 200_000, address(gauge), 0, data));
        assertLe(gauge.gasAtEntry(), 200_000);
        assertEq(gauge.data(), data);
    }

    // ------------------------------------------------------------------------------------------------------------

    function executeWithGas(Turn calldata turn, uint256 gas_) external {
        treasury.execute{ gas: gas_ }(turn.id, turn.terms, turn.budget, _signedCalls(turn));
    }

    function _givenGas(Gauge gauge, uint256 gas_, uint24 signed, bool withValue) private returns (bool success) {
        Turn memory turn = _turn(RING, _ring, _gaugeCall(gauge, signed, withValue));
        // As a transaction of its own would find it.
        vm.cool(address(gauge));
        vm.cool(address(treasury));
        bytes memory answer;
        (success, answer) = address(treasury).call{ gas: gas_ }(_encoded(turn));
        if (!success) {
            assertTrue(answer.length == 0 || bytes4(answer) == IRingMultisig.GasTooLow.selector);
            assertEq(treasury.getRing(RING).nonce, 0);
            assertEq(gauge.gasAtEntry(), 0);
        } else {
            assertEq(treasury.getRing(RING).nonce, 1);
            // Value brings a stipend of its own; 150 is what the gauge's entry costs.
            assertGe(gauge.gasAtEntry() + 150, uint256(signed) + (withValue ? 2300 : 0));
        }
    }

    function _gaugeCall(Gauge gauge, uint24 signed, bool withValue) private returns (bytes memory) {
        if (withValue) return _pay(FIRST, signed, address(gauge), 1);
        if (treasury.getLimit(RING, address(gauge)).period == 0) _allow(RING, address(gauge), 1 ether);
        return _call(FIRST, signed, address(gauge), 0, abi.encodeWithSignature("transfer(address,uint256)", payee, 1));
    }

    function _atTheLeastGas(uint24 signed, bool withValue) private {
        Gauge gauge = new Gauge();
        (uint256 low, uint256 high) = (signed, uint256(signed) * 2 + 500_000);
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            uint256 snapshot = vm.snapshotState();
            bool success = _givenGas(gauge, middle, signed, withValue);
            vm.revertToState(snapshot);
            if (success) high = middle;
            else low = middle;
        }
        uint256 last = vm.snapshotState();
        assertTrue(_givenGas(gauge, high, signed, withValue));
        vm.revertToState(last);
    }

    function _expectFailure(uint256 index) private {
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CallFailed(RING, treasury.getRing(RING).nonce, index, FIRST);
    }

    /// @dev `call_` fails, is reported, and the next one is made.
    function _failsAlone(bytes memory call_) private {
        uint256 balance = payee.balance;
        uint256 nonce = treasury.getRing(RING).nonce;
        Turn memory turn = _turn(RING, _ring, bytes.concat(call_, _pay(payee, 7)));
        _expectFailure(0);
        this.executeWithGas(turn, 2_000_000);
        assertEq(treasury.getRing(RING).nonce, nonce + 1);
        assertEq(payee.balance, balance + 7);
    }

    function _succeeds(bytes memory call_) private {
        Turn memory turn = _turn(RING, _ring, call_);
        vm.recordLogs();
        _execute(turn);
        assertEq(vm.getRecordedLogs().length, 1, "no failure");
    }

    function _unmetered(address target, bytes4 selector)
        private
        pure
        returns (IRingMultisig.Permission memory permission)
    {
        permission = _bareTransfer(target);
        permission.selector = selector;
    }

    function _tokenFailsAlone(address asset) private {
        _allow(RING, asset, 1 ether);
        _failsAlone(_call(FIRST, CALL_GAS, asset, 0, abi.encodeWithSignature("transfer(address,uint256)", payee, 1)));
    }
}

/// @notice Notes what the ring looks like while it is being paid.
contract Onlooker {
    IRingMultisig private immutable TREASURY;
    uint256 public nonce;
    uint256 public spent;

    constructor(IRingMultisig treasury) {
        TREASURY = treasury;
    }

    receive() external payable {
        nonce = TREASURY.getRing(7).nonce;
        spent = TREASURY.getRing(7).spent;
    }
}
