// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Terms } from "../../src/libraries/CharterLib.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice What `execute` does with a good turn, and which turns it refuses for their number or their signatures.
contract ExecuteTest is RingTest {
    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

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

    function test_Pay_SendsTheMainToken() public {
        _run(TOKEN_RING, _tokenRing, _pay(payee, 1 ether));
        assertEq(token.balanceOf(payee), 1 ether);
        assertEq(payee.balance, 0);
        assertEq(treasury.getRing(TOKEN_RING).spent, 1 ether);
    }

    function test_Call_SendsTheNativeCoin() public {
        _run(RING, _ring, _call(payee, 2 ether, ""));
        assertEq(payee.balance, 2 ether);
        assertEq(treasury.getRing(RING).spent, 2 ether);
    }

    function test_Call_TransfersAnotherAssetWithinItsLimit() public {
        _limit(RING, address(token), 5 ether);
        _run(RING, _ring, _transfer(address(token), payee, 3 ether));
        assertEq(token.balanceOf(payee), 3 ether);
        assertEq(treasury.getLimit(RING, address(token)).spent, 3 ether);
        assertEq(treasury.getRing(RING).spent, 0, "metered beside, not in the ring's main asset");
    }

    function test_Call_SendsTheNativeCoinWithinItsLimitWhenTheMainAssetIsAToken() public {
        _limit(TOKEN_RING, address(0), 5 ether);
        _run(TOKEN_RING, _tokenRing, _call(payee, 3 ether, ""));
        assertEq(payee.balance, 3 ether);
        assertEq(treasury.getLimit(TOKEN_RING, address(0)).spent, 3 ether);
    }

    function test_Batch_MakesItsCallsInOrder() public {
        _limit(RING, address(token), 5 ether);
        bytes memory calls = bytes.concat(
            _pay(payee, 1 ether), _transfer(address(token), payee, 2 ether), _call(payee, 3 ether, ""), _pay(payee, 4)
        );
        _run(RING, _ring, calls);
        assertEq(payee.balance, 4 ether + 4);
        assertEq(token.balanceOf(payee), 2 ether);
        assertEq(treasury.getRing(RING).spent, 4 ether + 4);
        assertEq(treasury.getRing(RING).nonce, 1, "a batch is one turn");
    }

    function test_VoidTurn_OnlyUsesTheNonce() public {
        _run(RING, _ring, _pay(payee, 1 ether));
        IRingMultisig.RingView memory before = treasury.getRing(RING);
        _run(RING, _ring, "");
        before.nonce += 1;
        assertEq(abi.encode(treasury.getRing(RING)), abi.encode(before));
    }

    function test_VoidTurn_OnALaterDayLeavesTheMeterAlone() public {
        _run(RING, _ring, _pay(payee, 1 ether));
        vm.warp(NOON + 5 days);
        _run(RING, _ring, "");
        assertEq(treasury.getRing(RING).spent, 1 ether);
        assertEq(treasury.getRing(RING).periodIndex, NOON / DAY);
    }

    function test_Event_NamesDigestAndRequestsInOrder() public {
        bytes memory calls = bytes.concat(
            _pay(bytes16(uint128(0xa)), CALL_GAS, payee, 1), _call(bytes16(uint128(0xb)), CALL_GAS, payee, 1, "")
        );
        Turn memory turn = _turn(RING, _ring, calls);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(
            RING, 0, _digest(turn.id, calls), abi.encodePacked(bytes16(uint128(0xa)), bytes16(uint128(0xb)))
        );
        _execute(turn);
    }

    function test_Event_OfAVoidTurnNamesNoRequest() public {
        Turn memory turn = _turn(RING, _ring, "");
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(RING, 0, _digest(turn.id, ""), "");
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

    /// @dev The unused bits of the id carry nothing: the same turn, once, with the same event.
    function testFuzz_UnusedBitsOfTheIdMakeNoSecondTurn(uint112 noise) public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        Turn memory twin = _turn(RING, _ring, turn.calls);
        twin.id = TurnId.wrap(TurnId.unwrap(turn.id) | uint256(noise) << 144);
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.TurnExecuted(RING, 0, _digest(turn.id, turn.calls), abi.encodePacked(bytes16(uint128(1))));
        _execute(twin);
        _refused(turn, abi.encodeWithSelector(IRingMultisig.NonceMismatch.selector, 1, 0));
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
    // Who signed it
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_ASignatureIsMissing() public {
        _quorum(_stances(SIGNED, ABSENT, ABSENT), 1);
        _quorum(_stances(ABSENT, SIGNED, ABSENT), 1);
        _quorum(_stances(ABSENT, ABSENT, ABSENT), 0);
    }

    function test_RevertWhen_ASignatureIsSuperfluous() public {
        IRingMultisig.Charter memory charter = _charter(3, 3, 2);
        _form(RING, charter);
        _refused(
            _turn(RING, charter, _pay(payee, 1), _stances(SIGNED, SIGNED, SIGNED)),
            abi.encodeWithSelector(IRingMultisig.QuorumMismatch.selector, 2, 3)
        );
    }

    function test_RevertWhen_ASeatOutsideTheWindowSigns() public {
        _refused(
            _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, SIGNED, SIGNED)),
            abi.encodeWithSelector(IRingMultisig.SeatOutsideWindow.selector, 2)
        );
        _run(RING, _ring, "");
        _refused(
            _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, SIGNED)),
            abi.encodeWithSelector(IRingMultisig.SeatOutsideWindow.selector, 0)
        );
    }

    function test_RevertWhen_TheSenderSitsOutsideTheWindow() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, SENDER));
        vm.prank(keys[2]);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.SeatOutsideWindow.selector, 2));
        _execute(turn);
    }

    function test_RevertWhen_TheSenderIsNotTheSeat() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, SENDER, ABSENT));
        address[4] memory others = [keys[0], keys[2], master, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
            _execute(turn);
        }
    }

    function test_RevertWhen_SignaturesAreInAnotherOrder() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.witness = bytes.concat(_signed(keys[1], digest), _signed(keys[0], digest), _absent(keys[2]));
        _mismatch(turn);
    }

    function test_RevertWhen_ASignatureIsGivenTwice() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.witness = bytes.concat(_signed(keys[0], digest), _signed(keys[0], digest), _absent(keys[2]));
        _mismatch(turn);
    }

    function test_RevertWhen_ASignatureIsForeign() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        address[3] memory foreign = [keys[2], stranger, master];
        for (uint256 i; i < foreign.length; ++i) {
            turn.witness = bytes.concat(_signed(keys[0], digest), _signed(foreign[i], digest), _absent(keys[2]));
            _mismatch(turn);
        }
    }

    function test_RevertWhen_ASignatureIsOfAnotherTurn() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.witness = bytes.concat(_signed(keys[0], digest), _signed(keys[1], keccak256("")), _absent(keys[2]));
        _mismatch(turn);
    }

    function test_RevertWhen_AKeyThatDidNotSignIsMisnamed() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.witness = bytes.concat(_signed(keys[0], digest), _signed(keys[1], digest), _absent(stranger));
        _mismatch(turn);
    }

    /// @dev Any whole number of bytes but the right one.
    function test_RevertWhen_TheWitnessHasAnotherLength() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes memory whole = turn.witness;
        for (uint256 length; length < whole.length; ++length) {
            turn.witness = _first(whole, length);
            uint256 offset = length < 65 ? 0 : length < 130 ? 65 : 130;
            _refused(turn, abi.encodeWithSelector(IRingMultisig.WitnessMalformed.selector, offset));
        }
        turn.witness = bytes.concat(whole, hex"00");
        _refused(turn, abi.encodeWithSelector(IRingMultisig.WitnessMalformed.selector, whole.length));
    }

    function test_RevertWhen_ATagIsUnknown() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        for (uint256 offset; offset <= 130; offset += 65) {
            bytes1 known = turn.witness[offset];
            for (uint256 tag = 3; tag < 256; ++tag) {
                turn.witness[offset] = bytes1(uint8(tag));
                _refused(turn, abi.encodeWithSelector(IRingMultisig.WitnessMalformed.selector, offset));
            }
            turn.witness[offset] = known;
        }
    }

    /// @dev What a compact signature can express of a high s: half the order to 2^255. Without the check it recovers to
    /// some key, and two signatures of one key would be one content.
    function test_RevertWhen_SIsHigh() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        (bytes32 r,) = vm.signCompact(privateKeyOf[keys[1]], digest);
        uint256[2] memory high = [HALF_ORDER + 1, 2 ** 255 - 1];
        for (uint256 i; i < high.length; ++i) {
            assertTrue(ecrecover(digest, 27, r, bytes32(high[i])) != address(0), "recovers, were it not for the check");
            turn.witness =
                bytes.concat(_signed(keys[0], digest), abi.encodePacked(SIGNED, r, high[i]), _absent(keys[2]));
            _refused(turn, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
        }
    }

    /// @dev An empty seat is the zero address; a signature that recovers to nobody must not fill it.
    function test_RevertWhen_ASignatureRecoversToNobody() public {
        vm.prank(master);
        treasury.revoke(RING, keys[1], _ring, _direct(master));
        _ring.seats[1] = address(0);
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, ABSENT));
        bytes32 digest = _digest(turn.id, turn.calls);
        bytes[3] memory nobodys = [
            abi.encodePacked(SIGNED, bytes32(0), bytes32(0)),
            abi.encodePacked(SIGNED, bytes32(0), bytes32(uint256(1))),
            abi.encodePacked(SIGNED, bytes32(type(uint256).max), bytes32(uint256(1)))
        ];
        for (uint256 i; i < nobodys.length; ++i) {
            turn.witness = bytes.concat(_signed(keys[0], digest), nobodys[i], _absent(keys[2]));
            _refused(turn, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
        }
    }

    function test_RevertWhen_ASeatOfTheWindowIsRevoked() public {
        vm.prank(guardian);
        treasury.revoke(RING, keys[1], _ring, _direct(guardian));
        IRingMultisig.Charter memory before = _usualCharter();
        _ring.seats[1] = address(0);

        _mismatch(_turn(RING, before, _pay(payee, 1)));
        // Not skipped either: the next seat does not move up.
        bytes memory revoked = abi.encodeWithSelector(IRingMultisig.SeatIsRevoked.selector, 1);
        _refused(_turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, SIGNED)), revoked);
        _refused(_turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, ABSENT)), revoked);
    }

    /// @dev The numbers of a charter are the caller's word until the hash says otherwise.
    function test_RevertWhen_TermsAreAltered() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        Terms[4] memory lies =
            [_terms(3, 3, 2, DAY), _terms(3, 2, 2, DAY + 1), _terms(3, 2, 2, DAY - 1), Terms.wrap(2 ** 48)];
        for (uint256 i; i < lies.length - 1; ++i) {
            turn.terms = lies[i];
            _mismatch(turn);
        }
        turn.terms = Terms.wrap(Terms.unwrap(_terms(_ring)) | Terms.unwrap(lies[3]));
        _mismatch(turn);
    }

    function test_RevertWhen_TheQuorumIsUnderstated() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, ABSENT));
        turn.terms = _terms(3, 2, 1, DAY);
        _mismatch(turn);
        turn = _turn(RING, _ring, _pay(payee, 1), _stances(ABSENT, ABSENT, ABSENT));
        turn.terms = _terms(3, 2, 0, DAY);
        _mismatch(turn);
    }

    function test_RevertWhen_TheRingIsSaidToBeSmaller() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.terms = _terms(1, 1, 1, DAY);
        turn.witness = _signed(keys[0], digest);
        _mismatch(turn);
        turn.terms = _terms(2, 2, 2, DAY);
        turn.witness = bytes.concat(_signed(keys[0], digest), _signed(keys[1], digest));
        _mismatch(turn);
        turn.terms = _terms(0, 0, 0, DAY);
        turn.witness = "";
        _mismatch(turn);
    }

    function test_RevertWhen_TheBudgetIsAltered() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        IRingMultisig.Charter memory lie = _usualCharter();
        lie.cap = CAP + 1;
        turn.budget = _budget(lie);
        _mismatch(turn);
        lie.cap = CAP;
        lie.asset = address(token);
        turn.budget = _budget(lie);
        _mismatch(turn);
    }

    function testFuzz_RevertWhen_TheWitnessIsRandom(bytes calldata noise) public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        turn.witness = noise;
        vm.expectRevert();
        _execute(turn);
        assertEq(treasury.getRing(RING).nonce, 0);
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Refused because the keys, or whatever else is claimed, are not the charter's.
    function _mismatch(Turn memory turn) private {
        vm.expectPartialRevert(IRingMultisig.CharterMismatch.selector);
        _execute(turn);
        assertEq(treasury.getRing(RING).nonce, 0);
        assertEq(payee.balance, 0);
    }

    function _quorum(uint8[] memory stances, uint256 agreed) private {
        _refused(
            _turn(RING, _ring, _pay(payee, 1), stances),
            abi.encodeWithSelector(IRingMultisig.QuorumMismatch.selector, 2, agreed)
        );
    }

    function _first(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i; i < length; ++i) {
            part[i] = data[i];
        }
    }
}
