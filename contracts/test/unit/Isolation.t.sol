// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice Rings do not touch one another, even with the same keys.
contract IsolationTest is RingTest {
    uint32 private constant OTHER = 8;
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _form(OTHER, _ring);
        _allow(RING, address(token), CAP);
        _allow(OTHER, address(token), CAP);
        _run(OTHER, _ring, bytes.concat(_pay(payee, 5), _transfer(address(token), payee, 6)));
    }

    function test_NothingDoneToOneRingShowsInAnother() public {
        bytes memory before = _stateOf(OTHER);
        _run(RING, _ring, bytes.concat(_pay(payee, CAP), _transfer(address(token), payee, CAP)));
        assertEq(_stateOf(OTHER), before);
        vm.prank(keys[0]);
        treasury.halt(RING, _ring, keys[0], "");
        assertEq(_stateOf(OTHER), before);
        vm.startPrank(master);
        treasury.resume(RING, 1, _direct(master));
        treasury.revoke(RING, keys[1], _ring, _direct(master));
        IRingMultisig.Charter memory charter = _usualCharter();
        charter.seats[1] = address(0);
        treasury.replace(RING, 3, 1, keys[9], false, charter, _direct(master));
        treasury.setLimits(RING, _limits(address(token), 1, DAY), _direct(master));
        treasury.setPermissions(RING, _permissions(_bareTransfer(payee)), _direct(master));
        treasury.permitPayment(RING, 4, bytes16(uint128(1)), address(0), payee, 1, _direct(master));
        treasury.formRing(RING, 4, _charter(5, 5, 5), _direct(master));
        vm.stopPrank();
        assertEq(_stateOf(OTHER), before);
    }

    /// @dev Whether a ring's number is the other's with one bit changed, or any other.
    function testFuzz_RingsOfAllNumbersAreApart(uint32 one, uint32 two, uint8 bit) public {
        if (two == one) two = one ^ uint32(1 << (bit % 32));
        vm.assume(one > OTHER && two > OTHER);
        _form(one, _ring);
        _form(two, _ring);
        Turn memory turn = _turn(one, _ring, _pay(payee, 1));
        Turn memory replay = turn;
        _execute(turn);
        replay.id = _id(two, 1, 0, NO_EXPIRY);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(replay);
        assertEq(treasury.getRing(two).nonce, 0);
        assertEq(treasury.getRing(two).spent, 0);
    }

    /// @dev One ring standing is one ring standing.
    function test_OneHaltedRingDoesNotStopAnother() public {
        vm.prank(keys[0]);
        treasury.halt(RING, _ring, keys[0], "");
        _run(OTHER, _ring, _pay(payee, 1));
    }

    function test_LanesHaveACapEach() public {
        _run(RING, _ring, _pay(payee, CAP));
        _run(OTHER, _ring, _pay(payee, CAP - 5));
        assertEq(payee.balance, 2 * uint256(CAP));
    }

    function _stateOf(uint32 ring) private view returns (bytes memory) {
        return abi.encode(treasury.getRing(ring), treasury.getLimits(ring), treasury.getPermissions(ring));
    }
}
