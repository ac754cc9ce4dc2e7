// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Budget, Terms } from "../../src/libraries/CharterLib.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { SymbolicRing } from "./SymbolicRing.sol";

/// @title QuorumsProof
/// @notice What it takes for a turn to execute at all: the id, terms, budget and witness are arbitrary bytes. Void turns.
contract QuorumsProof is SymbolicRing {
    function check_OnlyBothSeatsOfTwoExecute() external {
        _onlyTheWindow(_anyRing(2, 2, 2, _pick(2, "first")));
    }

    function check_OnlyOneOfTwoSeatsExecutesWithAQuorumOfOne() external {
        _onlyTheWindow(_anyRing(2, 2, 1, 0));
    }

    function check_OnlyTheWindowOfAWiderRingExecutes() external {
        _onlyTheWindow(_anyRing(4, 1, 1, _pick(4, "first")));
    }

    /// @dev A witness of as many bytes as one seat after the other announces, tags being any that there are.
    function _onlyTheWindow(Ring memory ring) private {
        _put(RING, ring);
        bytes memory witness;
        for (uint256 i; i < ring.seats; ++i) {
            uint256 tag = _pick(3, "tag");
            witness = bytes.concat(witness, bytes1(uint8(tag)), _announced(tag));
        }
        Terms terms = Terms.wrap(
            bytes32(svm.createUint(232, "presented") << 24 | ring.quorum << 16 | ring.window << 8 | ring.seats)
        );
        Budget budget = Budget.wrap(svm.createBytes32("presented budget"));
        uint256 nonce = svm.createUint(40, "id.nonce") & ~(ring.seats - 1) | ring.first;
        TurnId id = TurnId.wrap(svm.createUint(176, "id") << 80 | nonce << 40 | svm.createUint(40, "validUntil"));
        vm.assume(id.ring() == RING);
        address sender = svm.createAddress("sender");
        vm.assume(sender != address(0));
        bytes memory input =
            abi.encodeCall(IRingMultisig.execute, (id, terms, budget, bytes.concat(bytes3(0), witness)));
        vm.prank(sender);
        (bool ok,) = address(treasury).call(input);
        if (!ok) return;

        assert(Terms.unwrap(terms) == Terms.unwrap(ring.terms) && Budget.unwrap(budget) == Budget.unwrap(ring.budget));
        assert(TurnId.unwrap(id) >> 40 == uint256(RING) << 72 | ring.state & (2 ** 73 - 1));
        _checkAgreed(ring, treasury.turnDigest(id, ""), witness, sender);
    }

    function _checkAgreed(Ring memory ring, bytes32 digest, bytes memory witness, address sender) private pure {
        uint256 agreed;
        uint256 at = 32;
        for (uint256 i; i < ring.seats; ++i) {
            address key = ring.keys[(ring.first + i) % ring.seats];
            uint256 tag = uint8(witness[at - 32]);
            if (i < ring.window) assert(key != address(0));
            else assert(tag == ABSENT);
            if (tag == SIGNED) {
                (bytes32 r, uint256 vs) = (_word(witness, at + 1), uint256(_word(witness, at + 33)));
                uint256 s = vs << 1 >> 1;
                assert(s <= MAX_S && ecrecover(digest, uint8((vs >> 255) + 27), r, bytes32(s)) == key);
            }
            if (tag == SENDER) assert(key == sender);
            if (tag != ABSENT) ++agreed;
            at += tag == SIGNED ? 65 : tag == SENDER ? 1 : 21;
        }
        assert(agreed == ring.quorum);
    }

    function _announced(uint256 tag) private pure returns (bytes memory) {
        return tag == SIGNED ? svm.createBytes(64, "signature") : tag == SENDER ? bytes("") : svm.createBytes(20, "key");
    }

    function _word(bytes memory data, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(data, at))
        }
    }

    /// @dev The seat that does not have to sign, with W = 2 and Q = 1.
    function check_ARevokedSeatBlocksItsWindowThoughTheQuorumSigned() external {
        Ring memory ring = _anyRing(2, 2, 1, 1);
        Turn memory turn = _agreed(RING, ring, "");
        ring.keys[0] = address(0);
        _put(RING, ring);
        turn.witness = bytes.concat(_firstOf(turn.witness), bytes21(0));
        assert(!_execute(ring, turn));
    }

    function check_TermsOfAnotherShapeAreRefused() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        Turn memory turn = _agreed(RING, ring, "");
        (uint256 seats, uint256 window) = (_pick(2, "seats") + 1, _pick(2, "window") + 1);
        uint256 quorum = _pick(3, "quorum");
        vm.assume(seats != 2 || window != 2 || quorum != 2);
        ring.terms = _anyTerms(seats, window, quorum);
        assert(!_execute(ring, turn));
    }

    function _firstOf(bytes memory witness) private pure returns (bytes memory first) {
        first = new bytes(65);
        for (uint256 i; i < 65; ++i) {
            first[i] = witness[i];
        }
    }
}
