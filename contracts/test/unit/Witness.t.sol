// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Terms } from "../../src/libraries/CharterLib.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice Which turns `execute` refuses for who signed them: it takes exactly Q seats of the window, each in its place, and
/// the numbers that the master set.
contract WitnessTest is RingTest {
    /// @dev Half of the order of secp256k1.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
    }

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

    /// @dev What a failed recovery leaves behind is no seat either.
    function test_RevertWhen_ASignatureRecoversToNobody_BesideASmallAddress() public {
        _ring.seats[0] = address(1);
        _form(RING, _ring);
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(ABSENT, SIGNED, ABSENT));
        bytes memory nobodys = abi.encodePacked(SIGNED, bytes32(0), bytes32(uint256(1)));
        turn.witness = bytes.concat(nobodys, _signed(keys[1], _digest(turn.id, turn.calls)), _absent(keys[2]));
        _refused(turn, abi.encodeWithSelector(IRingMultisig.SignatureInvalid.selector));
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
        turn.terms = _terms(3, 3, 2);
        _mismatch(turn);
        // Each bit of them, those that mean nothing included; the shape is in the lowest 24.
        for (uint256 bit = 24; bit < 256; ++bit) {
            turn.terms = Terms.wrap(Terms.unwrap(_terms(_ring)) ^ bytes32(1 << bit));
            _mismatch(turn);
        }
    }

    function test_RevertWhen_TheQuorumIsUnderstated() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1), _stances(SIGNED, ABSENT, ABSENT));
        turn.terms = _terms(3, 2, 1);
        _mismatch(turn);
        turn = _turn(RING, _ring, _pay(payee, 1), _stances(ABSENT, ABSENT, ABSENT));
        turn.terms = _terms(3, 2, 0);
        _mismatch(turn);
    }

    function test_RevertWhen_TheRingIsSaidToBeSmaller() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes32 digest = _digest(turn.id, turn.calls);
        turn.terms = _terms(1, 1, 1);
        turn.witness = _signed(keys[0], digest);
        _mismatch(turn);
        turn.terms = _terms(2, 2, 2);
        turn.witness = bytes.concat(_signed(keys[0], digest), _signed(keys[1], digest));
        _mismatch(turn);
        turn.terms = _terms(0, 0, 0);
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
