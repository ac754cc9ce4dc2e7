// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";
import { Budget, Terms } from "./CharterLib.sol";
import { SignatureLib } from "./SignatureLib.sol";

/// @title WitnessLib
/// @notice The witness of a turn: the keys of all seats, from the first seat of the window once around the ring, each one
/// byte and what it announces:
///
///     0 | key (20)            did not sign
///     1 | r (32) | vs (32)    signed (ERC-2098)
///     2                       is the sender of the transaction
///
/// It is read twice in this file. `charterOf` is what counts, in assembly, since it runs for every seat of every turn.
/// `check` says the same in plain Solidity, and is asked only why a turn was refused.
library WitnessLib {
    uint256 private constant ABSENT = 0;
    uint256 private constant SIGNED = 1;
    uint256 private constant SENDER = 2;

    /// @notice The commitment to the charter that terms, budget and the keys of the witness make. Until the caller has found
    /// it to be the ring's charter nothing in it means anything, N, W and Q included. Then, and if `fault` is zero: exactly
    /// Q seats of the window have agreed, each at its own place, so none is counted twice; and no seat of the window is
    /// revoked.
    /// @return commitment What is to be compared.
    /// @return fault Anything but zero: the witness is not sound.
    /// @dev Offsets cannot overflow: the terms count at most 255 seats.
    function charterOf(bytes32 digest, uint256 nonce, Terms terms, Budget budget, bytes calldata witness)
        internal
        view
        returns (bytes32 commitment, uint256 fault)
    {
        uint256 maxS = SignatureLib.MAX_S;
        assembly ("memory-safe") {
            // Memory that nothing keeps: the four words of ecrecover, then the preimage of the commitment.
            let recovery := mload(0x40)
            let preimage := add(recovery, 128)
            let keys := add(recovery, 192)
            mstore(recovery, digest)
            mstore(preimage, terms)
            mstore(add(preimage, 32), budget)

            let agreed := 0
            let at := witness.offset
            let end := add(keys, shl(5, and(terms, 0xff)))
            // Keys are written from that of the window's first seat on, over the end, and what is over is moved to the start.
            let before := shl(5, mod(nonce, and(terms, 0xff)))
            let place := add(keys, before)
            for { let left := byte(30, terms) } left { left := sub(left, 1) } {
                let word := calldataload(at)
                let key := caller()
                switch byte(0, word)
                case 1 {
                    let vs := calldataload(add(at, 33))
                    let s := shr(1, shl(1, vs))
                    mstore(add(recovery, 32), add(shr(255, vs), 27))
                    mstore(add(recovery, 64), calldataload(add(at, 1)))
                    mstore(add(recovery, 96), s)
                    mstore(0, 0)
                    // A failure leaves the zero.
                    pop(staticcall(gas(), 1, recovery, 128, 0, 32))
                    key := mload(0)
                    fault := or(fault, or(iszero(key), gt(s, maxS)))
                    at := add(at, 65)
                    agreed := add(agreed, 1)
                }
                case 0 {
                    // Where fewer than all have to sign, the others must not go on without a revoked one.
                    key := shr(96, shl(8, word))
                    fault := or(fault, iszero(key))
                    at := add(at, 21)
                }
                default {
                    fault := or(fault, xor(byte(0, word), 2))
                    at := add(at, 1)
                    agreed := add(agreed, 1)
                }
                mstore(place, key)
                place := add(place, 32)
            }
            // Outside the window nobody signs.
            for { let left := sub(and(terms, 0xff), byte(30, terms)) } sgt(left, 0) { left := sub(left, 1) } {
                let word := calldataload(at)
                fault := or(fault, byte(0, word))
                mstore(place, shr(96, shl(8, word)))
                at := add(at, 21)
                place := add(place, 32)
            }
            mcopy(keys, end, before)
            fault := or(fault, xor(at, add(witness.offset, witness.length)))
            fault := or(fault, xor(agreed, byte(29, terms)))
            commitment := keccak256(preimage, sub(end, preimage))
        }
    }

    /// @notice Reverts with the first thing that is wrong with a witness, if anything is.
    function check(bytes32 digest, uint256 nonce, Terms terms, bytes memory witness) internal pure {
        uint256 count = terms.seats();
        uint256 agreed;
        uint256 offset;
        for (uint256 i; i < count; ++i) {
            uint256 seat = (nonce + i) % count;
            if (offset == witness.length) revert IRingMultisig.WitnessMalformed(offset);
            uint256 tag = uint8(witness[offset]);
            uint256 next = offset + (tag == ABSENT ? 21 : tag == SIGNED ? 65 : 1);
            if (tag > SENDER || next > witness.length) revert IRingMultisig.WitnessMalformed(offset);
            if (tag == ABSENT) {
                bool isRevoked = uint160(bytes20(_word(witness, offset + 1))) == 0;
                if (isRevoked && i < terms.window()) revert IRingMultisig.SeatIsRevoked(seat);
            } else {
                if (i >= terms.window()) revert IRingMultisig.SeatOutsideWindow(seat);
                ++agreed;
                if (tag == SIGNED) {
                    SignatureLib.recoverCompact(digest, _word(witness, offset + 1), _word(witness, offset + 33));
                }
            }
            offset = next;
        }
        if (offset != witness.length) revert IRingMultisig.WitnessMalformed(offset);
        if (agreed != terms.quorum()) revert IRingMultisig.QuorumMismatch(terms.quorum(), agreed);
    }

    function _word(bytes memory witness, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(witness, 32), offset))
        }
    }
}
