// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Bomb, Gauge, Refuser } from "../doubles/Callees.sol";
import { FalseToken } from "../doubles/Tokens.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice The call that the master makes in the treasury's name, and the gas that it is owed.
contract MasterExecuteTest is RingTest {
    function test_MakesAnyCall() public {
        bytes memory data = abi.encodeCall(token.approve, (payee, 5));
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.MasterExecuted(address(token), 0, data);
        vm.prank(master);
        bytes memory result = treasury.masterExecute(address(token), 0, data, 0, _direct(master));
        assertEq(token.allowance(address(treasury), payee), 5);
        assertEq(result, abi.encode(true));
    }

    function test_SendsValueAndData() public {
        Gauge gauge = new Gauge();
        vm.prank(master);
        treasury.masterExecute(address(gauge), 3 ether, hex"c0ffee", 0, _direct(master));
        assertEq(gauge.value(), 3 ether);
        assertEq(gauge.data(), hex"c0ffee");
    }

    /// @dev The rescue works while every ring stands, and over every cap.
    function test_WorksWhileHaltedAndOverTheCaps() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        vm.startPrank(master);
        treasury.halt(RING, charter, master, "");
        treasury.masterExecute(payee, address(treasury).balance, "", 0, _direct(master));
        vm.stopPrank();
        assertEq(address(treasury).balance, 0);
    }

    function test_RevertWhen_TheTargetIsTheTreasury() public {
        vm.prank(master);
        vm.expectRevert(IRingMultisig.SelfCall.selector);
        treasury.masterExecute(address(treasury), 0, "", 0, _direct(master));
    }

    function test_RevertWhen_TheCallFails() public {
        address refuser = address(new Refuser());
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.MasterCallFailed.selector, bytes("")));
        treasury.masterExecute(refuser, 0, "", 0, _direct(master));
        assertEq(treasury.actionNonce(master), 0, "the nonce is not used");
    }

    function test_RevertWhen_TheCallFails_TheReasonIsPassedOn() public {
        bytes memory data = abi.encodeCall(token.transfer, (address(0), 5));
        (, bytes memory reason) = address(token).call(data);
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.MasterCallFailed.selector, reason));
        treasury.masterExecute(address(token), 0, data, 0, _direct(master));
    }

    function test_RevertWhen_TheCallFails_TheReasonIsCut() public {
        address bomb = address(new Bomb());
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.MasterCallFailed.selector, new bytes(256)));
        treasury.masterExecute(bomb, 0, "", 0, _direct(master));
    }

    function test_RevertWhen_NotTheMaster() public {
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.masterExecute(payee, 1, "", 0, _direct(others[i]));
        }
    }

    /// @dev What is returned is not judged: a token that answers `false` is the master's to look at.
    function test_ACallThatReturnsFalseSucceeds() public {
        address answers = address(new FalseToken());
        bytes memory data = abi.encodeCall(token.transfer, (payee, 5));
        vm.prank(master);
        assertEq(treasury.masterExecute(answers, 0, data, 0, _direct(master)), abi.encode(false));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Gas
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Whatever gas the sender gives: refused, its nonce unused, or the call got all that was signed.
    function testFuzz_EitherRefusedOrAllOfTheSignedGas(uint256 gas_, uint24 signed, bool withValue) public {
        signed = uint24(bound(signed, 150_000, type(uint24).max));
        _givenGas(bound(gas_, signed / 2, uint256(signed) * 2 + 200_000), signed, withValue);
    }

    function testFuzz_EitherRefusedOrAllOfTheSignedGas_AtTheEdge(uint256 gas_, uint24 signed, bool withValue) public {
        signed = uint24(bound(signed, 150_000, type(uint24).max));
        uint256 edge = uint256(signed) + signed / 63 + 40_000;
        _givenGas(bound(gas_, edge, edge + 80_000), signed, withValue);
    }

    function test_RevertWhen_GasIsTooLow() public {
        Gauge gauge = new Gauge();
        (bool success, bytes memory answer) =
            address(treasury).call{ gas: 1_000_000 }(_signedCall(address(gauge), 1, 1_000_000));
        assertFalse(success);
        assertEq(bytes4(answer), IRingMultisig.MasterGasTooLow.selector);
        assertEq(treasury.actionNonce(master), 0, "the nonce is not used");
        (success,) = address(treasury).call{ gas: 1_200_000 }(_signedCall(address(gauge), 1, 1_000_000));
        assertTrue(success);
        assertGe(gauge.gasAtEntry(), 1_000_000);
    }

    /// @dev The call gets whatever there is, not only what was signed.
    function test_TheGasIsALeastAndNoMost() public {
        Gauge gauge = new Gauge();
        (bool success,) = address(treasury).call{ gas: 3_000_000 }(_signedCall(address(gauge), 1, 100_000));
        assertTrue(success);
        assertGt(gauge.gasAtEntry(), 2_500_000);
    }

    function test_WithoutGasNamedItGetsWhatThereIs() public {
        Gauge gauge = new Gauge();
        (bool success,) = address(treasury).call{ gas: 250_000 }(_signedCall(address(gauge), 1, 0));
        assertTrue(success);
        assertLt(gauge.gasAtEntry(), 250_000);
    }

    /// @dev Not even the margin that any other number asks for.
    function test_WithoutGasNamedNothingIsRefusedForIt() public {
        uint256 withNone = _leastGas(0);
        uint256 withOne = _leastGas(1);
        assertLt(withNone + 20_000, withOne);
    }

    function test_RevertWhen_TheGasIsNotWhatWasSigned() public {
        Message memory message = Messages.masterExecute(payee, 1, "", 200_000, 0, NOON);
        IRingMultisig.Authorization memory authorization = _by(master, message, NOON);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.masterExecute(payee, 1, "", 0, authorization);
        treasury.masterExecute(payee, 1, "", 200_000, authorization);
    }

    /// @dev More than any block has: refused, and no overflow lets it pass.
    function test_RevertWhen_TheGasIsAbsurd() public {
        uint256[3] memory absurd = [uint256(1e12), type(uint256).max / 2, type(uint256).max];
        for (uint256 i; i < absurd.length; ++i) {
            vm.prank(master);
            vm.expectRevert();
            treasury.masterExecute(payee, 1, "", absurd[i], _direct(master));
        }
        assertEq(payee.balance, 0);
    }

    // ------------------------------------------------------------------------------------------------------------

    function _givenGas(uint256 gas_, uint24 signed, bool withValue) private {
        Gauge gauge = new Gauge();
        bytes memory action = _signedCall(address(gauge), withValue ? 1 : 0, signed);
        // As a transaction of its own would find it.
        vm.cool(address(gauge));
        vm.cool(address(treasury));
        (bool success, bytes memory answer) = address(treasury).call{ gas: gas_ }(action);
        if (!success) {
            assertTrue(answer.length == 0 || bytes4(answer) == IRingMultisig.MasterGasTooLow.selector);
            assertEq(treasury.actionNonce(master), 0);
        } else {
            // 150 is what the gauge's entry costs.
            assertGe(gauge.gasAtEntry() + 150, signed);
        }
    }

    /// @dev The least gas with which the master's call to somebody without code succeeds, to a thousand.
    function _leastGas(uint256 gas_) private returns (uint256 least) {
        bytes memory action = _signedCall(payee, 0, gas_);
        bool success;
        while (!success) {
            least += 1000;
            uint256 snapshot = vm.snapshotState();
            (success,) = address(treasury).call{ gas: least }(action);
            vm.revertToState(snapshot);
        }
    }

    function _signedCall(address target, uint256 value, uint256 gas_) private view returns (bytes memory) {
        Message memory message = Messages.masterExecute(target, value, "", gas_, treasury.actionNonce(master), NOON);
        return abi.encodeCall(IRingMultisig.masterExecute, (target, value, "", gas_, _by(master, message, NOON)));
    }
}
