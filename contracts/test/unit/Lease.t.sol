// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";

/// @notice A charter is a lease: it ends with a date or with a nonce, whichever comes first, and only the master renews it.
contract LeaseTest is RingTest {
    uint40 private constant EXPIRY = uint40(NOON + 30 days);
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        (_ring.expiresAt, _ring.lastNonce) = (EXPIRY, 2);
        _form(RING, _ring);
    }

    function test_TheLastSecondAndTheLastNonceCount() public {
        vm.warp(EXPIRY);
        for (uint256 i; i < 3; ++i) {
            _run(RING, _ring, _pay(payee, 1));
        }
        assertEq(payee.balance, 3);
        assertEq(treasury.getRing(RING).nonce, 3);
    }

    function test_RevertWhen_TheLeaseHasExpired() public {
        vm.warp(EXPIRY + 1);
        bytes memory expired = abi.encodeWithSelector(IRingMultisig.LeaseExpired.selector, EXPIRY, EXPIRY + 1);
        _refused(_turn(RING, _ring, _pay(payee, 1)), expired);
        _refused(_turn(RING, _ring, ""), expired);
    }

    function test_RevertWhen_TheNoncesAreUsedUp() public {
        _useUp();
        bytes memory usedUp = abi.encodeWithSelector(IRingMultisig.LeaseUsedUp.selector, 2, 3);
        _refused(_turn(RING, _ring, _pay(payee, 1)), usedUp);
        _refused(_turn(RING, _ring, ""), usedUp);
    }

    function test_FormingAnewExtendsIt() public {
        _useUp();
        vm.warp(EXPIRY + 1);
        (_ring.expiresAt, _ring.lastNonce) = (EXPIRY + 1, 3);
        _form(RING, _ring);
        _run(RING, _ring, _pay(payee, 1));
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.LeaseUsedUp.selector, 3, 4));
    }

    /// @dev The next lease ends where it says, even if that is before the last one's end.
    function test_FormingAnewShortensIt() public {
        _ring.lastNonce = 0;
        _form(RING, _ring);
        _run(RING, _ring, "");
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.LeaseUsedUp.selector, 0, 1));
    }

    function test_RevertWhen_OnlyResumedOrGivenANewKey() public {
        vm.warp(EXPIRY + 1);
        bytes memory expired = abi.encodeWithSelector(IRingMultisig.LeaseExpired.selector, EXPIRY, EXPIRY + 1);
        vm.prank(master);
        treasury.resume(RING, 1, _direct(master));
        _refused(_turn(RING, _ring, ""), expired);
        vm.prank(master);
        treasury.replace(RING, 2, 0, keys[9], true, _ring, _direct(master));
        _ring.seats[0] = keys[9];
        _refused(_turn(RING, _ring, ""), expired);
    }

    /// @dev A ring may be formed for a lease that is over: it stands until it is formed anew.
    function test_RevertWhen_FormedWithALeaseThatIsOver() public {
        (_ring.expiresAt, _ring.lastNonce) = (uint40(NOON - 1), 2);
        _form(RING, _ring);
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.LeaseExpired.selector, NOON - 1, NOON));
        (_ring.expiresAt, _ring.lastNonce) = (0, 0);
        _form(RING, _ring);
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.LeaseExpired.selector, 0, NOON));
    }

    /// @dev Tightening knows no lease.
    function test_HaltAndRevokeWorkWhenItIsOver() public {
        _useUp();
        vm.warp(EXPIRY + 1);
        treasury.halt(RING, _ring, keys[0], _haltSignature(keys[0], RING));
        vm.prank(guardian);
        treasury.revoke(RING, keys[1], _ring, _direct(guardian));
        assertTrue(treasury.getRing(RING).halted);
    }

    /// @dev Claimed longer than it is, it is another charter.
    function test_RevertWhen_TheLeaseIsOverstated() public {
        _useUp();
        vm.warp(EXPIRY + 1);
        (_ring.expiresAt, _ring.lastNonce) = (EXPIRY + 1, 3);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        this.send("");
    }

    function send(bytes calldata calls) external {
        _run(RING, _ring, calls);
    }

    function _useUp() private {
        for (uint256 i; i < 3; ++i) {
            _run(RING, _ring, "");
        }
    }
}
