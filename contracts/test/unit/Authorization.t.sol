// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { BadSigner, Flaw, GoodSigner } from "../doubles/Signers.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @notice How an action shows who stands behind it. `setGuardian` stands for all of them, which share the check; that each one
/// makes it is in `EveryAction.t.sol`.
contract AuthorizationTest is RingTest {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant DEADLINE = NOON + 1 days;

    // ------------------------------------------------------------------------------------------------------------
    // Signed with a key
    // ------------------------------------------------------------------------------------------------------------

    function test_AnybodySendsWhatTheMasterSigned() public {
        vm.prank(stranger);
        treasury.setGuardian(payee, _signedByMaster(payee, 0));
        assertEq(treasury.guardian(), payee);
        assertEq(treasury.actionNonce(master), 1);
        assertEq(treasury.actionNonce(stranger), 0);
    }

    function test_TakesACompactSignature() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        (bytes32 r, bytes32 vs) = vm.signCompact(privateKeyOf[master], _guardianDigest(payee, 0));
        authorization.signature = abi.encodePacked(r, vs);
        treasury.setGuardian(payee, authorization);
        assertEq(treasury.guardian(), payee);
    }

    function test_TheLastSecondCounts() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        vm.warp(DEADLINE);
        treasury.setGuardian(payee, authorization);
        assertEq(treasury.guardian(), payee);
    }

    function test_RevertWhen_TheDeadlineHasPassed() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        vm.warp(DEADLINE + 1);
        bytes memory reason = abi.encodeWithSelector(IRingMultisig.ActionExpired.selector, DEADLINE, DEADLINE + 1);
        _refusedFor(authorization, reason);
    }

    function test_RevertWhen_TheDeadlineIsAltered() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        authorization.deadline += 1;
        _invalid(authorization);
    }

    function test_RevertWhen_Replayed() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        treasury.setGuardian(payee, authorization);
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setGuardian(payee, authorization);
    }

    function test_RevertWhen_SignedForALaterNonce() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 1);
        _invalid(authorization);
        vm.prank(master);
        treasury.setGuardian(address(0), _direct(master));
        treasury.setGuardian(payee, authorization);
    }

    /// @dev What was signed and not sent is dead once the master acts otherwise.
    function test_RevertWhen_ADirectActionUsedTheNonce() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        vm.prank(master);
        treasury.transferMaster(address(0), _direct(master));
        _invalid(authorization);
    }

    function test_RevertWhen_SignedForOtherContent() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(stranger, 0);
        _invalid(authorization);
    }

    /// @dev Same fields, another action: an address, a nonce, a deadline.
    function test_RevertWhen_SignedForAnotherAction() public {
        Message memory message = Messages.transferMaster(payee, 0, DEADLINE);
        _invalid(_by(master, message, DEADLINE));
    }

    function test_RevertWhen_SignedByAnother() public {
        Message memory message = Messages.setGuardian(payee, 0, DEADLINE);
        address[3] memory others = [guardian, keys[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            IRingMultisig.Authorization memory authorization = _by(others[i], message, DEADLINE);
            _refusedFor(authorization, abi.encodeWithSelector(IRingMultisig.NotEntitled.selector, others[i]));
            authorization.signer = master;
            _invalid(authorization);
        }
    }

    function test_RevertWhen_SignedForAnotherChain() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        vm.chainId(999);
        _invalid(authorization);
        treasury.setGuardian(payee, _signedByMaster(payee, 0));
        assertEq(treasury.guardian(), payee, "after a fork, signatures for the new chain count");
    }

    function test_RevertWhen_SignedForAnotherContract() public {
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        treasury = IRingMultisig(_deploy(master, guardian));
        _invalid(authorization);
    }

    /// @dev The same signature written another way, and all that is nearly one.
    function test_RevertWhen_TheSignatureIsNotCanonical() public {
        bytes32 digest = _guardianDigest(payee, 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeyOf[master], digest);
        bytes32 highS = bytes32(ORDER - uint256(s));
        assertEq(ecrecover(digest, v == 27 ? 28 : 27, r, highS), master, "recovers, were it not for the check");
        bytes[9] memory bad = [
            abi.encodePacked(r, highS, v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, s, v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, s, v - 27),
            abi.encodePacked(r, s, uint8(29)),
            abi.encodePacked(r, s, uint8(255)),
            abi.encodePacked(r, s, v, uint8(0)),
            abi.encodePacked(uint8(0), r, s, v),
            abi.encodePacked(r),
            new bytes(65)
        ];
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        for (uint256 i; i < bad.length; ++i) {
            authorization.signature = bad[i];
            _invalid(authorization);
        }
    }

    function testFuzz_RevertWhen_TheSignatureIsRandom(bytes calldata noise) public {
        vm.assume(noise.length != 0);
        IRingMultisig.Authorization memory authorization = _signedByMaster(payee, 0);
        authorization.signature = noise;
        _invalid(authorization);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Sent directly
    // ------------------------------------------------------------------------------------------------------------

    function test_ADirectActionUsesANonceAndNeedsNoDeadline() public {
        vm.prank(master);
        treasury.setGuardian(payee, _direct(master));
        assertEq(treasury.actionNonce(master), 1);
    }

    function test_RevertWhen_TheSenderIsNotTheSigner() public {
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SenderIsNotSigner.selector, master, stranger));
        treasury.setGuardian(payee, _direct(master));
    }

    function test_EachSignerHasNoncesOfItsOwn() public {
        IRingMultisig.Charter memory charter = _usualCharter();
        _form(RING, charter);
        vm.prank(guardian);
        treasury.revoke(RING, keys[0], charter, _direct(guardian));
        assertEq(treasury.actionNonce(master), 1);
        assertEq(treasury.actionNonce(guardian), 1);
    }

    // ------------------------------------------------------------------------------------------------------------
    // A contract as master
    // ------------------------------------------------------------------------------------------------------------

    function test_AContractSignsByItsCode() public {
        GoodSigner signer = new GoodSigner();
        treasury = IRingMultisig(_deploy(address(signer), guardian));
        signer.approve(_guardianDigest(payee, 0));
        treasury.setGuardian(payee, _bySignatureOf(address(signer), hex"00"));
        assertEq(treasury.guardian(), payee);
        // Its code would still say yes; the nonce does not.
        vm.expectRevert(IRingMultisig.SignatureInvalid.selector);
        treasury.setGuardian(payee, _bySignatureOf(address(signer), hex"00"));
    }

    function test_AContractActsBySending() public {
        GoodSigner signer = new GoodSigner();
        treasury = IRingMultisig(_deploy(address(signer), guardian));
        signer.send(address(treasury), abi.encodeCall(IRingMultisig.setGuardian, (payee, _direct(address(signer)))));
        assertEq(treasury.guardian(), payee);
    }

    function test_AContractBecomesMaster() public {
        GoodSigner signer = new GoodSigner();
        vm.prank(master);
        treasury.transferMaster(address(signer), _direct(master));
        signer.approve(_digest(Messages.acceptMaster(0, DEADLINE)));
        treasury.acceptMaster(_bySignatureOf(address(signer), hex"00"));
        assertEq(treasury.master(), address(signer));
    }

    function test_RevertWhen_AContractHasNotSigned() public {
        GoodSigner signer = new GoodSigner();
        treasury = IRingMultisig(_deploy(address(signer), guardian));
        _invalid(_bySignatureOf(address(signer), hex"00"));
        signer.approve(_guardianDigest(stranger, 0));
        _invalid(_bySignatureOf(address(signer), hex"00"));
    }

    /// @dev Whatever its code does, the action is refused, and the contract can still act by sending.
    function test_RevertWhen_AContractAnswersWrongly() public {
        for (uint8 flaw; flaw <= uint8(type(Flaw).max); ++flaw) {
            // Its address ends in zero: left in memory, it would complete an answer that is a byte short.
            BadSigner signer = BadSigner(payable(address(0xbad00)));
            vm.etch(address(signer), address(new BadSigner()).code);
            treasury = IRingMultisig(_deploy(address(signer), guardian));
            signer.choose(Flaw(flaw));
            bytes memory action =
                abi.encodeCall(IRingMultisig.setGuardian, (payee, _bySignatureOf(address(signer), new bytes(65))));
            (bool success, bytes memory answer) = address(treasury).call{ gas: 4_000_000 }(action);
            assertFalse(success);
            assertEq(answer, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
            assertEq(treasury.actionNonce(address(signer)), 0);

            bytes memory direct = abi.encodeCall(IRingMultisig.setGuardian, (payee, _direct(address(signer))));
            signer.send(address(treasury), direct);
            assertEq(treasury.guardian(), payee, "nothing is stuck");
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    function _guardianDigest(address to, uint256 nonce) private view returns (bytes32) {
        return _digest(Messages.setGuardian(to, nonce, DEADLINE));
    }

    function _signedByMaster(address to, uint256 nonce) private view returns (IRingMultisig.Authorization memory) {
        return _by(master, Messages.setGuardian(to, nonce, DEADLINE), DEADLINE);
    }

    function _bySignatureOf(address signer, bytes memory signature)
        private
        pure
        returns (IRingMultisig.Authorization memory)
    {
        return IRingMultisig.Authorization({ signer: signer, deadline: DEADLINE, signature: signature });
    }

    function _invalid(IRingMultisig.Authorization memory authorization) private {
        _refusedFor(authorization, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
    }

    function _refusedFor(IRingMultisig.Authorization memory authorization, bytes memory reason) private {
        uint256 nonce = treasury.actionNonce(authorization.signer);
        vm.expectRevert(reason);
        treasury.setGuardian(payee, authorization);
        assertEq(treasury.guardian(), guardian);
        assertEq(treasury.actionNonce(authorization.signer), nonce);
    }
}
