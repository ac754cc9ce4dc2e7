// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Purse } from "../doubles/Callees.sol";

/// @notice What `execute` does with a good turn, and which turns it refuses for what they are. Who has to sign is in
/// `Witness.t.sol`.
contract ExecuteTest is RingTest {
    IRingMultisig.Charter private _ring;
    IRingMultisig.Charter private _tokenRing;
    uint32 private constant TOKEN_RING = 8;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _tokenRing = _tokenCharter();
        _form(RING, _ring);
        _form(TOKEN_RING, _tokenRing);
    }

    // ------------------------------------------------------------------------------------------------------------
    // What a turn does
    // ------------------------------------------------------------------------------------------------------------

    function test_Pay_SendsTheNativeCoin() public {
        _run(RING, _ring, _pay(payee, 1 ether));
        assertEq(payee.balance, 1 ether);
        assertEq(treasury.getRing(RING).nonce, 1);
        assertEq(treasury.getRing(RING).spent, 1 ether);
        assertEq(treasury.getRing(RING).periodIndex, NOON / DAY);
    }

    function test_Pay_SendsNothingWithTheNativeCoin() public {
        address purse = address(new Purse());
        _run(RING, _ring, _pay(purse, 1));
        assertEq(purse.balance, 1);
    }

    function test_Pay_SendsTheMainToken() public {
        _run(TOKEN_RING, _tokenRing, _pay(payee, 1 ether));
        assertEq(token.balanceOf(payee), 1 ether);
        assertEq(payee.balance, 0);
        assertEq(treasury.getRing(TOKEN_RING).spent, 1 ether);
    }

    function test_Call_SendsTheNativeCoin() public {
        _permit(RING, _bareTransfer(address(0)));
        _run(RING, _ring, _call(payee, 2 ether, ""));
        assertEq(payee.balance, 2 ether);
        assertEq(treasury.getRing(RING).spent, 2 ether);
    }

    function test_Call_TransfersAnotherAssetWithinItsLimit() public {
        _allow(RING, address(token), 5 ether);
        _run(RING, _ring, _transfer(address(token), payee, 3 ether));
        assertEq(token.balanceOf(payee), 3 ether);
        assertEq(treasury.getLimit(RING, address(token)).spent, 3 ether);
        assertEq(treasury.getRing(RING).spent, 0, "metered beside, not in the ring's main asset");
    }

    function test_Call_SendsTheNativeCoinWithinItsLimitWhenTheMainAssetIsAToken() public {
        _allow(TOKEN_RING, address(0), 5 ether);
        _run(TOKEN_RING, _tokenRing, _call(payee, 3 ether, ""));
        assertEq(payee.balance, 3 ether);
        assertEq(treasury.getLimit(TOKEN_RING, address(0)).spent, 3 ether);
    }

    function test_Batch_MakesItsCallsInOrder() public {
        _allow(RING, address(token), 5 ether);
        _permit(RING, _bareTransfer(payee));
        bytes memory calls = bytes.concat(
            _pay(payee, 1 ether), _transfer(address(token), payee, 2 ether), _call(payee, 3 ether, ""), _pay(payee, 4)
        );
        _run(RING, _ring, calls);
        assertEq(payee.balance, 4 ether + 4);
        assertEq(token.balanceOf(payee), 2 ether);
        assertEq(treasury.getRing(RING).spent, 4 ether + 4);
        assertEq(treasury.getRing(RING).nonce, 1, "a batch is one turn");
    }

    function test_VoidTurn_CountsAsATurnAndNothingElse() public {
        _run(RING, _ring, _pay(payee, 1 ether));
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        vm.warp(NOON + 1);
        _run(RING, _ring, "");
        (before.nonce, before.turns, before.lastTurnAt) = (2, 2, uint40(NOON + 1));
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    function test_VoidTurn_OnALaterDayBeginsItsPeriod() public {
        _run(RING, _ring, _pay(payee, 1 ether));
        vm.warp(NOON + 5 days);
        _run(RING, _ring, "");
        assertEq(treasury.getRing(RING).spent, 0);
        assertEq(treasury.getRing(RING).turns, 1);
        assertEq(treasury.getRing(RING).periodIndex, NOON / DAY + 5);
    }

    function test_Event_NamesDigestAndRequestsInOrder() public {
        _permit(RING, _bareTransfer(address(0)));
        bytes memory calls = bytes.concat(
            _pay(bytes16(uint128(0xa)), CALL_GAS, payee, 1), _call(bytes16(uint128(0xb)), CALL_GAS, payee, 1, "")
        );
        Turn memory turn = _turn(RING, _ring, calls);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(
            turn.id, _digest(turn.id, calls), abi.encodePacked(bytes16(uint128(0xa)), bytes16(uint128(0xb)))
        );
        _execute(turn);
    }

    /// @dev As the ABI has it, to the last byte: a strict decoder encodes again and compares.
    function test_Event_IsEncodedAsTheAbiHasIt() public {
        _permit(RING, _bareTransfer(address(0)));
        bytes memory calls;
        bytes memory ids;
        for (uint128 count; count < 5; ++count) {
            Turn memory turn = _turn(RING, _ring, calls);
            vm.recordLogs();
            _execute(turn);
            assertEq(vm.getRecordedLogs()[0].data, abi.encode(turn.id, _digest(turn.id, calls), ids));

            bytes16 request = bytes16(type(uint128).max - count);
            calls = bytes.concat(
                calls, count == 2 ? _call(request, CALL_GAS, payee, 1, "") : _pay(request, CALL_GAS, payee, 1)
            );
            ids = bytes.concat(ids, request);
        }
    }

    function test_Event_OfAVoidTurnNamesNoRequest() public {
        Turn memory turn = _turn(RING, _ring, "");
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(turn.id, _digest(turn.id, ""), "");
        _execute(turn);
    }

    function test_WindowMovesOneSeatATurnAndAroundTheRing() public {
        for (uint256 nonce; nonce < 7; ++nonce) {
            _run(RING, _ring, _pay(payee, 1));
            assertEq(treasury.getRing(RING).nonce, nonce + 1);
        }
        assertEq(payee.balance, 7);
    }

    function test_Sender_HasSignedBySending() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, SENDER, ABSENT));
        vm.prank(keys[1]);
        _execute(turn);
        assertEq(payee.balance, 1);
    }

    function test_AnySeatsOfTheWindowMakeTheQuorum() public {
        IRingMultisig.Charter memory charter = _charter(4, 3, 2);
        _form(9, charter);
        uint8[] memory stances = new uint8[](4);
        (stances[1], stances[2]) = (SIGNED, SIGNED);
        Turn memory turn = _turn(9, charter, _pay(payee, 1), stances);
        _execute(turn);
        assertEq(payee.balance, 1);
    }

    function test_SingleSeat_IsARing() public {
        IRingMultisig.Charter memory charter = _charter(1, 1, 1);
        _form(9, charter);
        _run(9, charter, _pay(payee, 1));
        _run(9, charter, _pay(payee, 1));
        assertEq(payee.balance, 2);
    }

    function test_ThirtyTwoSeats_AllSigning() public {
        IRingMultisig.Charter memory charter = _charter(32, 32, 32);
        _form(9, charter);
        _run(9, charter, _pay(payee, 1));
        _run(9, charter, _pay(payee, 1));
        assertEq(payee.balance, 2);
    }

    function test_LastSecondOfValidityCounts() public {
        _execute(_turn(_id(RING, 1, 0, uint40(NOON)), _ring, _pay(payee, 1), _firstSign(_ring)));
        assertEq(payee.balance, 1);
    }

    /// @dev One turn, one id: a second way to write it would be a second transaction that looks like another.
    function testFuzz_RevertWhen_UnusedBitsOfTheIdAreSet(uint112 noise) public {
        vm.assume(noise != 0);
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        Turn memory twin = _turn(RING, _ring, turn.calls);
        twin.id = TurnId.wrap(TurnId.unwrap(turn.id) | uint256(noise) << 144);
        _refused(twin, abi.encodeWithSelector(IRingMultisig.TurnIdMalformed.selector, twin.id));
        _execute(turn);
        assertEq(payee.balance, 1);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Which turn it is
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_ExecutedTwice() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        _execute(turn);
        _refused(turn, abi.encodeWithSelector(IRingMultisig.NonceMismatch.selector, 1, 0));
    }

    function test_RevertWhen_NonceIsAhead() public {
        _refused(
            _turn(_id(RING, 1, 1, NO_EXPIRY), _ring, _pay(payee, 1), _firstSign(_ring)),
            abi.encodeWithSelector(IRingMultisig.NonceMismatch.selector, 0, 1)
        );
    }

    function test_RevertWhen_EpochIsAnother() public {
        for (uint32 epoch; epoch < 4; ++epoch) {
            if (epoch == 1) continue;
            _refused(
                _turn(_id(RING, epoch, 0, NO_EXPIRY), _ring, _pay(payee, 1), _firstSign(_ring)),
                abi.encodeWithSelector(IRingMultisig.EpochMismatch.selector, 1, epoch)
            );
        }
    }

    function test_RevertWhen_Expired() public {
        Turn memory turn = _turn(_id(RING, 1, 0, uint40(NOON)), _ring, _pay(payee, 1), _firstSign(_ring));
        vm.warp(NOON + 1);
        _refused(turn, abi.encodeWithSelector(IRingMultisig.TurnExpired.selector, NOON, NOON + 1));
    }

    function test_RevertWhen_Halted() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        vm.prank(keys[2]);
        treasury.halt(RING, _ring, keys[2], "");
        _refused(turn, abi.encodeWithSelector(IRingMultisig.RingIsHalted.selector, RING));
        _refused(_turn(RING, _ring, ""), abi.encodeWithSelector(IRingMultisig.RingIsHalted.selector, RING));
    }

    /// @dev Epoch and nonce of a ring that was never formed are zero, as a thief would give them.
    function test_RevertWhen_RingWasNeverFormed() public {
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(_turn(_id(99, 0, 0, NO_EXPIRY), _ring, "", _firstSign(_ring)));

        Turn memory empty;
        empty.id = _id(99, 0, 0, NO_EXPIRY);
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(empty);
    }

    function test_RevertWhen_SignedForAnotherRing() public {
        _form(9, _ring);
        Turn memory turn = _turn(9, _ring, _pay(payee, 1));
        turn.id = _id(RING, 1, 0, NO_EXPIRY);
        _mismatch(turn);
    }

    function test_RevertWhen_SignedForAnotherChain() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        vm.chainId(999);
        _mismatch(turn);
        _run(RING, _ring, _pay(payee, 1));
        assertEq(payee.balance, 1, "after a fork, signatures for the new chain count");
    }

    function test_RevertWhen_SignedForAnotherContract() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        treasury = IRingMultisig(_deploy(master, guardian));
        _form(RING, _ring);
        _mismatch(turn);
    }

    function test_RevertWhen_CallsAreAltered() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        for (uint256 i = 1; i < turn.calls.length; ++i) {
            Turn memory altered = _turn(RING, _ring, turn.calls);
            altered.calls = bytes.concat(turn.calls);
            altered.calls[i] ^= 0x01;
            _mismatch(altered);
        }
    }

    function test_RevertWhen_ValidityIsAltered() public {
        Turn memory turn = _turn(_id(RING, 1, 0, uint40(NOON)), _ring, _pay(payee, 1), _firstSign(_ring));
        turn.id = _id(RING, 1, 0, uint40(NOON + 1));
        _mismatch(turn);
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Refused because the keys, or whatever else is claimed, are not the charter's.
    function _mismatch(Turn memory turn) private {
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(turn);
        assertEq(treasury.getRing(RING).nonce, 0);
        assertEq(payee.balance, 0);
    }
}
