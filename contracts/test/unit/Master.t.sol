// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TokenReceiver } from "../../src/TokenReceiver.sol";
import { RingTest } from "../RingTest.sol";

/// @notice Who is master and guardian.
contract MasterTest is RingTest {
    // ------------------------------------------------------------------------------------------------------------
    // Deployment and funding
    // ------------------------------------------------------------------------------------------------------------

    function test_Constructor_NamesMasterAndGuardian() public {
        vm.expectEmit(true, true, true, true);
        emit IRingMultisig.MasterTransferred(address(0), stranger);
        vm.expectEmit(true, true, true, true);
        emit IRingMultisig.GuardianChanged(address(0), payee);
        IRingMultisig fresh = IRingMultisig(_deploy(stranger, payee));
        assertEq(fresh.master(), stranger);
        assertEq(fresh.guardian(), payee);
        assertEq(fresh.pendingMaster(), address(0));
    }

    function test_RevertWhen_DeployedWithoutAMaster() public {
        bytes memory code = bytes.concat(vm.getCode("RingMultisig.sol:RingMultisig"), abi.encode(address(0), guardian));
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
        assertEq(deployed, address(0));
    }

    function test_Receive_TakesTheNativeCoin() public {
        uint256 before = address(treasury).balance;
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        payable(address(treasury)).transfer(1 ether);
        assertEq(address(treasury).balance, before + 1 ether);
    }

    function testFuzz_RevertWhen_CalledWithDataItDoesNotKnow(bytes4 selector, bytes calldata data) public {
        bytes memory unknown = bytes.concat(selector, data);
        vm.assume(!_known(selector));
        (bool success,) = address(treasury).call(unknown);
        assertFalse(success, "there is no fallback");
    }

    // ------------------------------------------------------------------------------------------------------------
    // Guardian
    // ------------------------------------------------------------------------------------------------------------

    function test_SetGuardian_ReplacesAndRemoves() public {
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.GuardianChanged(guardian, stranger);
        vm.prank(master);
        treasury.setGuardian(stranger, _direct(master));
        assertEq(treasury.guardian(), stranger);
        vm.prank(master);
        treasury.setGuardian(address(0), _direct(master));
        assertEq(treasury.guardian(), address(0));
    }

    function test_RevertWhen_TheGuardianWouldLoosen() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        bytes memory refusal = abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, guardian);
        vm.startPrank(guardian);
        vm.expectRevert(refusal);
        treasury.formRing(RING, 1, charter, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.resume(RING, 1, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.replace(RING, 1, 0, keys[9], true, charter, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.setLimits(RING, _limits(address(token), 5, DAY), _direct(guardian));
        vm.expectRevert(refusal);
        treasury.setPermissions(RING, _permissions(_bareTransfer(payee)), _direct(guardian));
        vm.expectRevert(refusal);
        treasury.permitPayment(RING, 1, bytes16(uint128(1)), address(0), payee, 1, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.setGuardian(stranger, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.transferMaster(guardian, _direct(guardian));
        vm.expectRevert(refusal);
        treasury.acceptMaster(_direct(guardian));
        vm.expectRevert(refusal);
        treasury.masterExecute(payee, 1, "", 0, _direct(guardian));
        vm.stopPrank();
        assertEq(treasury.actionNonce(guardian), 0);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master transfer
    // ------------------------------------------------------------------------------------------------------------

    function test_TransferMaster_ChangesNothingUntilAccepted() public {
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.MasterTransferStarted(master, stranger);
        _transferMaster(stranger);
        assertEq(treasury.master(), master);
        assertEq(treasury.pendingMaster(), stranger);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.setGuardian(stranger, _direct(stranger));

        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.MasterTransferred(master, stranger);
        vm.prank(stranger);
        treasury.acceptMaster(_direct(stranger));
        assertEq(treasury.master(), stranger);
        assertEq(treasury.pendingMaster(), address(0));
        vm.prank(master);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, master));
        treasury.setGuardian(master, _direct(master));
        vm.prank(stranger);
        treasury.setGuardian(payee, _direct(stranger));
    }

    function test_RevertWhen_AcceptingTwice() public {
        _transferMaster(stranger);
        vm.startPrank(stranger);
        treasury.acceptMaster(_direct(stranger));
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.acceptMaster(_direct(stranger));
        vm.stopPrank();
    }

    function test_RevertWhen_AcceptingIsNotTheirs() public {
        _transferMaster(stranger);
        address[4] memory others = [master, guardian, keys[0], payee];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            treasury.acceptMaster(_direct(others[i]));
        }
        vm.prank(payee);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, stranger, payee));
        treasury.acceptMaster(_direct(stranger));
    }

    function test_RevertWhen_TheTransferWasWithdrawn() public {
        _transferMaster(stranger);
        _transferMaster(address(0));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.acceptMaster(_direct(stranger));
    }

    /// @dev With no transfer under way the pending master is the zero address, which nobody can be.
    function test_RevertWhen_NobodyAccepts() public {
        IRingMultisig.Authorization memory nobody =
            IRingMultisig.Authorization({ signer: address(0), deadline: NOON, signature: new bytes(65) });
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, address(0)));
        treasury.acceptMaster(nobody);
    }

    function test_RevertWhen_TransferringIsNotTheirs() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
        treasury.transferMaster(stranger, _direct(stranger));
    }

    // ------------------------------------------------------------------------------------------------------------

    function _transferMaster(address to) private {
        vm.prank(master);
        treasury.transferMaster(to, _direct(master));
    }

    function _known(bytes4 selector) private pure returns (bool) {
        bytes4[31] memory known = [
            IRingMultisig.execute.selector,
            IRingMultisig.halt.selector,
            IRingMultisig.proveEquivocation.selector,
            IRingMultisig.formRing.selector,
            IRingMultisig.resume.selector,
            IRingMultisig.revoke.selector,
            IRingMultisig.replace.selector,
            IRingMultisig.setPermissions.selector,
            IRingMultisig.setLimits.selector,
            IRingMultisig.permitPayment.selector,
            IRingMultisig.setGuardian.selector,
            IRingMultisig.transferMaster.selector,
            IRingMultisig.acceptMaster.selector,
            IRingMultisig.masterExecute.selector,
            IRingMultisig.master.selector,
            IRingMultisig.pendingMaster.selector,
            IRingMultisig.guardian.selector,
            IRingMultisig.actionNonce.selector,
            IRingMultisig.getRing.selector,
            IRingMultisig.getLimit.selector,
            IRingMultisig.getLimits.selector,
            IRingMultisig.getPermission.selector,
            IRingMultisig.getPermissions.selector,
            IRingMultisig.isPaymentPermitted.selector,
            IRingMultisig.charterHash.selector,
            IRingMultisig.domainSeparator.selector,
            IRingMultisig.turnDigest.selector,
            TokenReceiver.onERC721Received.selector,
            TokenReceiver.onERC1155Received.selector,
            TokenReceiver.onERC1155BatchReceived.selector,
            TokenReceiver.supportsInterface.selector
        ];
        for (uint256 i; i < known.length; ++i) {
            if (known[i] == selector) return true;
        }
        return false;
    }
}
