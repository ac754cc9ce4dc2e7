// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice That each action by itself asks who stands behind it. How it asks is in `Authorization.t.sol`.
contract EveryActionTest is RingTest {
    enum Action {
        FormRing,
        Resume,
        Revoke,
        Replace,
        SetPermissions,
        SetLimits,
        PermitPayment,
        SetGuardian,
        TransferMaster,
        AcceptMaster,
        MasterExecute
    }

    uint256 private constant DEADLINE = NOON + 1 days;
    bytes16 private constant REQUEST = bytes16(uint128(0x5a));
    address private _successor;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _successor = keys[20];
        vm.prank(master);
        treasury.transferMaster(_successor, _direct(master));
    }

    function test_AnybodySendsWhatWasSigned() public {
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            uint256 snapshot = vm.snapshotState();
            (Action action, address signer) = (Action(i), _signerOf(Action(i)));
            uint256 nonce = treasury.actionNonce(signer);
            _send(action, _signedBy(signer, action));
            assertEq(treasury.actionNonce(signer), nonce + 1, _name(action));
            vm.revertToState(snapshot);
        }
    }

    function test_ItsSignerSendsItUnsigned() public {
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            uint256 snapshot = vm.snapshotState();
            (Action action, address signer) = (Action(i), _signerOf(Action(i)));
            vm.prank(signer);
            _send(action, _direct(signer));
            vm.revertToState(snapshot);
        }
    }

    function test_RevertWhen_NobodySigned() public {
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            address signer = _signerOf(Action(i));
            vm.prank(stranger);
            bytes memory reason = abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, signer, stranger);
            _refusedFor(Action(i), _direct(signer), reason);
        }
    }

    function test_RevertWhen_SignedByAnother() public {
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            IRingMultisig.Authorization memory authorization = _signedBy(stranger, Action(i));
            _refusedFor(Action(i), authorization, abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, stranger));
            authorization.signer = _signerOf(Action(i));
            _refusedFor(Action(i), authorization, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
        }
    }

    function test_RevertWhen_SignedForAnotherAction() public {
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            address signer = _signerOf(Action(i));
            for (uint256 j; j <= uint256(type(Action).max); ++j) {
                if (i == j) continue;
                IRingMultisig.Authorization memory authorization =
                    _by(signer, _message(Action(j), treasury.actionNonce(signer)), DEADLINE);
                _refusedFor(Action(i), authorization, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
            }
        }
    }

    function test_RevertWhen_TheDeadlineHasPassed() public {
        vm.warp(DEADLINE + 1);
        bytes memory reason = abi.encodeWithSelector(IRingMultisig.ActionExpired.selector, DEADLINE, DEADLINE + 1);
        for (uint256 i; i <= uint256(type(Action).max); ++i) {
            _refusedFor(Action(i), _signedBy(_signerOf(Action(i)), Action(i)), reason);
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    function _signerOf(Action action) private view returns (address) {
        if (action == Action.AcceptMaster) return _successor;
        return action == Action.Revoke ? guardian : master;
    }

    function _signedBy(address signer, Action action) private view returns (IRingMultisig.Authorization memory) {
        return _by(signer, _message(action, treasury.actionNonce(_signerOf(action))), DEADLINE);
    }

    function _refusedFor(Action action, IRingMultisig.Authorization memory authorization, bytes memory reason) private {
        (bool success, bytes memory answer) = address(treasury).call(_encoded(action, authorization));
        assertFalse(success, _name(action));
        assertEq(answer, reason, _name(action));
    }

    function _send(Action action, IRingMultisig.Authorization memory authorization) private {
        (bool success,) = address(treasury).call(_encoded(action, authorization));
        assertTrue(success, _name(action));
    }

    function _name(Action action) private pure returns (string memory) {
        return string.concat("action ", vm.toString(uint256(action)));
    }

    function _message(Action action, uint256 nonce) private view returns (Message memory) {
        if (action == Action.FormRing) return Messages.formRing(RING, 1, _ring, nonce, DEADLINE);
        if (action == Action.Resume) return Messages.resume(RING, 1, nonce, DEADLINE);
        if (action == Action.Revoke) return Messages.revoke(RING, keys[0], nonce, DEADLINE);
        if (action == Action.Replace) return Messages.replace(RING, 1, 0, keys[9], true, nonce, DEADLINE);
        if (action == Action.SetPermissions) {
            return Messages.setPermissions(RING, _permissions(_bareTransfer(payee)), nonce, DEADLINE);
        }
        if (action == Action.SetLimits) {
            return Messages.setLimits(RING, _limits(address(token), 5, DAY), nonce, DEADLINE);
        }
        if (action == Action.PermitPayment) {
            return Messages.permitPayment(RING, 1, REQUEST, address(0), payee, CAP, nonce, DEADLINE);
        }
        if (action == Action.SetGuardian) return Messages.setGuardian(payee, nonce, DEADLINE);
        if (action == Action.TransferMaster) return Messages.transferMaster(payee, nonce, DEADLINE);
        if (action == Action.AcceptMaster) return Messages.acceptMaster(nonce, DEADLINE);
        return Messages.masterExecute(payee, 1, "", 0, nonce, DEADLINE);
    }

    function _encoded(Action action, IRingMultisig.Authorization memory a) private view returns (bytes memory) {
        if (action == Action.FormRing) return abi.encodeCall(IRingMultisig.formRing, (RING, 1, _ring, a));
        if (action == Action.Resume) return abi.encodeCall(IRingMultisig.resume, (RING, 1, a));
        if (action == Action.Revoke) return abi.encodeCall(IRingMultisig.revoke, (RING, keys[0], _ring, a));
        if (action == Action.Replace) {
            return abi.encodeCall(IRingMultisig.replace, (RING, 1, 0, keys[9], true, _ring, a));
        }
        if (action == Action.SetPermissions) {
            return abi.encodeCall(IRingMultisig.setPermissions, (RING, _permissions(_bareTransfer(payee)), a));
        }
        if (action == Action.SetLimits) {
            return abi.encodeCall(IRingMultisig.setLimits, (RING, _limits(address(token), 5, DAY), a));
        }
        if (action == Action.PermitPayment) {
            return abi.encodeCall(IRingMultisig.permitPayment, (RING, 1, REQUEST, address(0), payee, CAP, a));
        }
        if (action == Action.SetGuardian) return abi.encodeCall(IRingMultisig.setGuardian, (payee, a));
        if (action == Action.TransferMaster) return abi.encodeCall(IRingMultisig.transferMaster, (payee, a));
        if (action == Action.AcceptMaster) return abi.encodeCall(IRingMultisig.acceptMaster, (a));
        return abi.encodeCall(IRingMultisig.masterExecute, (payee, 1, "", 0, a));
    }
}
