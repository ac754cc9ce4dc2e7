// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { SymbolicCharter } from "./SymbolicCharter.sol";

/// @title EquivocationProof
/// @notice When two signed turns are a proof, and what it does. Two seats, any charter, any two turns; sent by anybody.
contract EquivocationProof is SymbolicCharter {
    function check_TheSameTurnTwiceIsNoProof() external {
        (IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) = _anyTurns();
        vm.assume(first.callsHash == second.callsHash && TurnId.unwrap(first.id) == TurnId.unwrap(second.id));
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        assert(!_prove(charter, first, second));
    }

    function check_AVoidBesideAnythingIsNoProof() external {
        (IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) = _anyTurns();
        vm.assume(first.callsHash == keccak256("") || second.callsHash == keccak256(""));
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        assert(!_prove(charter, first, second));
    }

    function check_TurnsOfDifferentNoncesEpochsOrRingsAreNoProof() external {
        (IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) = _anyTurns();
        vm.assume(TurnId.unwrap(first.id) >> 40 != TurnId.unwrap(second.id) >> 40);
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        assert(!_prove(charter, first, second));
    }

    function check_AProofHaltsTheRingAndUnseatsThatKeyAlone() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        (IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second) = _anyTurns();
        vm.assume(first.id.ring() == RING);
        if (!_prove(charter, first, second)) return;

        address key = _signer(first);
        assert(key != address(0) && key == _signer(second));
        assert(first.id.epoch() != 0 && first.id.epoch() <= _epoch(state));
        assert(_state(RING) == (state | 1 << 72) + (1 << 40));
        assert(key == charter.seats[0] || key == charter.seats[1]);
        charter.seats[key == charter.seats[0] ? 0 : 1] = address(0);
        assert(_load(RING, 1) == _hash(charter));
    }

    function _anyTurns()
        private
        pure
        returns (IRingMultisig.SignedTurn memory first, IRingMultisig.SignedTurn memory second)
    {
        return (_anyTurn(), _anyTurn());
    }

    function _anyTurn() private pure returns (IRingMultisig.SignedTurn memory) {
        return IRingMultisig.SignedTurn({
            id: TurnId.wrap(svm.createUint256("id")),
            callsHash: svm.createBytes32("callsHash"),
            r: svm.createBytes32("r"),
            vs: svm.createBytes32("vs")
        });
    }

    function _signer(IRingMultisig.SignedTurn memory turn) private view returns (address) {
        bytes32 typeHash = keccak256("Turn(uint32 ring,uint32 epoch,uint40 nonce,uint40 validUntil,bytes calls)");
        TurnId id = turn.id;
        bytes32 structHash =
            keccak256(abi.encode(typeHash, id.ring(), id.epoch(), id.nonce(), id.validUntil(), turn.callsHash));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", treasury.domainSeparator(), structHash));
        uint256 vs = uint256(turn.vs);
        return ecrecover(digest, uint8((vs >> 255) + 27), turn.r, bytes32(vs << 1 >> 1));
    }

    function _prove(
        IRingMultisig.Charter memory charter,
        IRingMultisig.SignedTurn memory first,
        IRingMultisig.SignedTurn memory second
    ) private returns (bool) {
        return _send(_anySender(), abi.encodeCall(IRingMultisig.proveEquivocation, (charter, first, second)));
    }
}
