// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice What is sent with a turn, calls and witness, when it does not parse.
contract BatchesTest is RingTest {
    IRingMultisig.Charter private _ring;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Calls
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheKindIsUnknown() public {
        for (uint256 kind = 2; kind < 256; ++kind) {
            // Well formed but for its kind, as a call and as a pay.
            bytes memory calls = _call(payee, 1, "");
            calls[0] = bytes1(uint8(kind));
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 0));
            calls = _pay(payee, 1);
            calls[0] = bytes1(uint8(kind));
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 0));
            calls = bytes.concat(_pay(payee, 1), calls);
            _refused(_turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, 52));
        }
    }

    function test_RevertWhen_TheBatchEndsEarly() public {
        _allow(RING, address(token), CAP);
        bytes memory whole = bytes.concat(_pay(payee, 1), _transfer(address(token), payee, 1));
        for (uint256 length = 1; length < whole.length; ++length) {
            if (length == 52) continue;
            bytes memory part = new bytes(length);
            for (uint256 i; i < length; ++i) {
                part[i] = whole[i];
            }
            _refused(
                _turn(RING, _ring, part),
                abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, length < 52 ? 0 : 52)
            );
        }
    }

    // ------------------------------------------------------------------------------------------------------------
    // Calls and witness, which are sent as one
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheLengthIsMissing() public {
        Turn memory turn = _turn(RING, _ring, "");
        for (uint256 length; length < 3; ++length) {
            vm.expectRevert();
            treasury.execute(turn.id, turn.terms, turn.budget, new bytes(length));
        }
        assertEq(treasury.getRing(RING).nonce, 0);
    }

    /// @dev One byte more or less of what is sent is calls or witness: never both, and never what was signed.
    function testFuzz_RevertWhen_TheLengthIsAnother(uint24 length, bool close) public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        if (close) length = uint24(bound(length, 0, turn.calls.length + turn.witness.length + 3));
        vm.assume(length != turn.calls.length);
        vm.expectRevert();
        treasury.execute(turn.id, turn.terms, turn.budget, bytes.concat(bytes3(length), turn.calls, turn.witness));
        assertEq(treasury.getRing(RING).nonce, 0);
    }

    /// @dev To the byte: as long as the calls may be is what follows the length.
    function test_RevertWhen_TheCallsAreLongerThanWhatWasSent() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        uint256 size = turn.calls.length + turn.witness.length;
        for (uint256 length = size; length < size + 8; ++length) {
            bytes memory whole = bytes.concat(bytes3(uint24(length)), turn.calls, turn.witness);
            bytes memory reason = length == size
                ? abi.encodeWithSelector(IRingMultisig.WitnessMalformed.selector, 0)
                : abi.encodeWithSelector(IRingMultisig.CallsMalformed.selector, whole.length);
            vm.expectRevert(reason);
            treasury.execute(turn.id, turn.terms, turn.budget, whole);
        }
    }

    function test_RevertWhen_SomethingFollowsTheWitness() public {
        Turn memory turn = _turn(RING, _ring, _pay(payee, 1));
        bytes memory whole = bytes.concat(bytes3(uint24(turn.calls.length)), turn.calls, turn.witness);
        vm.expectRevert(abi.encodeWithSelector(IRingMultisig.WitnessMalformed.selector, turn.witness.length));
        treasury.execute(turn.id, turn.terms, turn.budget, bytes.concat(whole, hex"00"));
        treasury.execute(turn.id, turn.terms, turn.budget, whole);
        assertEq(payee.balance, 1);
    }
}
