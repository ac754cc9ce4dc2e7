// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";

/// @notice Loosening waits, tightening does not: OpenZeppelin's timelock as master, a plain key as guardian.
contract TimelockAsMasterTest is RingTest {
    uint256 private constant DELAY = 2 days;

    TimelockController private _timelock;
    address private _proposer;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _proposer = _newKey("proposer");
        address[] memory proposers = new address[](1);
        proposers[0] = _proposer;
        // Anybody executes what has waited.
        _timelock = new TimelockController(DELAY, proposers, new address[](1), address(0));
        master = address(_timelock);
        treasury = IRingMultisig(_deploy(master, guardian));
        vm.deal(address(treasury), 1000 ether);
        _ring = _usualCharter();
        bytes memory action = abi.encodeCall(IRingMultisig.formRing, (RING, 0, _ring, _direct(master)));
        _schedule(action);
        vm.warp(NOON + DELAY);
        _perform(action);
        vm.warp(NOON);
    }

    function test_HaltAndRevokeDoNotWait() public {
        vm.startPrank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
        vm.stopPrank();
        assertTrue(treasury.getRing(RING).halted);
        assertEq(treasury.getRing(RING).epoch, 2);
    }

    function test_ResumingWaits() public {
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        bytes memory action = abi.encodeCall(IRingMultisig.resume, (RING, 1, _direct(master)));
        _schedule(action);
        vm.warp(NOON + DELAY - 1);
        _notYet(action);
        assertTrue(treasury.getRing(RING).halted);
        vm.warp(NOON + DELAY);
        _perform(action);
        assertFalse(treasury.getRing(RING).halted);
        _run(RING, _ring, _pay(payee, 1));
    }

    /// @dev All that loosens, each by itself.
    function test_EveryLooseningWaits() public {
        IRingMultisig.Authorization memory direct = _direct(master);
        IRingMultisig.Charter memory larger = _charter(5, 1, 1);
        bytes[7] memory actions = [
            abi.encodeCall(IRingMultisig.setLimits, (RING, _limits(address(token), 5, DAY), direct)),
            abi.encodeCall(IRingMultisig.setPermissions, (RING, _permissions(_bareTransfer(address(0))), direct)),
            abi.encodeCall(IRingMultisig.permitPayment, (RING, 1, bytes16(uint128(1)), address(0), payee, 1, direct)),
            abi.encodeCall(IRingMultisig.masterExecute, (payee, 1, "", 0, direct)),
            abi.encodeCall(IRingMultisig.replace, (RING, 1, 0, keys[9], true, _ring, direct)),
            abi.encodeCall(IRingMultisig.formRing, (RING, 2, larger, direct)),
            abi.encodeCall(IRingMultisig.transferMaster, (stranger, direct))
        ];
        for (uint256 i; i < actions.length; ++i) {
            _schedule(actions[i]);
        }
        vm.warp(NOON + DELAY - 1);
        for (uint256 i; i < actions.length; ++i) {
            _notYet(actions[i]);
        }
        vm.warp(NOON + DELAY);
        for (uint256 i; i < actions.length; ++i) {
            _perform(actions[i]);
        }
        assertEq(payee.balance, 1);
        assertEq(treasury.getRing(RING).charter, treasury.charterHash(larger));
        assertEq(treasury.pendingMaster(), stranger);
    }

    /// @dev While it waited, the guardian acted: what was scheduled names an epoch that is over.
    function test_RevertWhen_TheEpochEndedWhileItWaited() public {
        bytes memory action = abi.encodeCall(IRingMultisig.resume, (RING, 1, _direct(master)));
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        _schedule(action);
        vm.prank(guardian);
        treasury.revoke(RING, keys[0], _ring, _direct(guardian));
        vm.warp(NOON + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 2, 1));
        _perform(action);
        assertTrue(treasury.getRing(RING).halted);
    }

    function test_RevertWhen_TheProposalWasCancelled() public {
        vm.prank(guardian);
        treasury.halt(RING, _ring, guardian, "");
        bytes memory action = abi.encodeCall(IRingMultisig.resume, (RING, 1, _direct(master)));
        _schedule(action);
        bytes32 id = _timelock.hashOperation(address(treasury), 0, action, 0, 0);
        vm.prank(_proposer);
        _timelock.cancel(id);
        vm.warp(NOON + DELAY);
        _notYet(action);
        assertTrue(treasury.getRing(RING).halted);
    }

    /// @dev It has no key and no ERC-1271: whoever signs in its name signs for nobody.
    function test_RevertWhen_SomebodySignsForTheTimelock() public {
        IRingMultisig.Authorization memory authorization = _direct(master);
        vm.prank(_proposer);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, master, _proposer));
        treasury.setGuardian(address(0), authorization);
        (authorization.deadline, authorization.signature) = (NOON, new bytes(65));
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setGuardian(address(0), authorization);
    }

    // ------------------------------------------------------------------------------------------------------------

    function _schedule(bytes memory action) private {
        vm.prank(_proposer);
        _timelock.schedule(address(treasury), 0, action, 0, 0, DELAY);
    }

    function _perform(bytes memory action) private {
        _timelock.execute(address(treasury), 0, action, 0, 0);
    }

    function _notYet(bytes memory action) private {
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        _perform(action);
    }
}
