// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { SymbolicCharter } from "./SymbolicCharter.sol";

/// @title EpochsProof
/// @notice What changes of keys do to a ring: two seats, any charter, any state; sent by the master itself.
contract EpochsProof is SymbolicCharter {
    /// @dev With which the master forms a ring whatever its epoch is.
    uint32 private constant ANY_EPOCH = type(uint32).max;

    function check_FormingARingRaisesItsEpochAndKeepsItsNonce() external {
        (, uint256 state) = _anyFormed();
        IRingMultisig.Charter memory charter = _anyCharter();
        uint32 epoch = uint32(svm.createUint(32, "epoch"));
        if (!_send(master, abi.encodeCall(IRingMultisig.formRing, (RING, epoch, charter, _by(master, ""))))) return;
        _checkEpoch(state);
        assert(epoch == _epoch(state) || epoch == ANY_EPOCH);
        assert(!_isHalted(_state(RING)));
        assert(_spent(_state(RING)) == 0 && _turns(_state(RING)) == 0);
        assert(_load(RING, 1) == _hash(charter));
        assert(charter.quorum >= 1 && charter.quorum <= charter.window && charter.window <= 2);
        assert(charter.turnsPerPeriod >= 1 && charter.turnsPerPeriod < 2 ** 23 && charter.period >= 1 hours);
        assert(charter.lastNonce < 2 ** 40 - 1 && charter.seats[0] != charter.seats[1]);
        assert(charter.seats[0] != address(0) && charter.seats[0] != master && charter.seats[1] != guardian);
    }

    function check_ResumingRaisesTheEpochAndChangesNothingElse() external {
        (, uint256 state) = _anyFormed();
        uint32 epoch = uint32(svm.createUint(32, "epoch"));
        if (!_send(master, abi.encodeCall(IRingMultisig.resume, (RING, epoch, _by(master, ""))))) return;
        _checkEpoch(state);
        assert(epoch == _epoch(state) && !_isHalted(_state(RING)));
        assert(_state(RING) >> 73 == state >> 73);
    }

    function check_RevokingRaisesTheEpochAndNeverResumes() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        address key = svm.createAddress("revoked");
        if (!_send(guardian, abi.encodeCall(IRingMultisig.revoke, (RING, key, charter, _by(guardian, ""))))) return;
        _checkEpoch(state);
        assert(_state(RING) >> 72 == state >> 72);
        charter.seats[charter.seats[0] == key ? 0 : 1] = address(0);
        assert(_load(RING, 1) == _hash(charter));
    }

    function check_ReplacingRaisesTheEpochAndResumesOnlyIfAsked() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        (address key, bool andResume) = (svm.createAddress("new"), svm.createBool("andResume"));
        uint8 seat = uint8(_pick(2, "seat"));
        uint32 epoch = uint32(_epoch(state));
        bytes memory input =
            abi.encodeCall(IRingMultisig.replace, (RING, epoch, seat, key, andResume, charter, _by(master, "")));
        if (!_send(master, input)) return;
        _checkEpoch(state);
        assert(_isHalted(_state(RING)) == (_isHalted(state) && !andResume));
        assert(_state(RING) >> 73 == state >> 73);
        charter.seats[seat] = key;
        assert(_load(RING, 1) == _hash(charter));
    }

    function _checkEpoch(uint256 before) private view {
        assert(_epoch(_state(RING)) == _epoch(before) + 1 && _nonce(_state(RING)) == _nonce(before));
    }
}
