// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../../src/IRingMultisig.sol";
import { TurnId } from "../../../src/libraries/TurnIdLib.sol";
import { SymbolicCharter } from "../SymbolicCharter.sol";

/// @title Falsehoods
/// @notice What is not so. Each must be refuted: a machine that proves these proves everything, most likely since the turn or
/// action that the true properties are about never gets through.
contract Falsehoods is SymbolicCharter {
    function check_NoTurnEverExecutes() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        assert(!_execute(ring, _agreed(RING, ring, "")));
    }

    function check_TheNonceNeverChanges() external {
        Ring memory ring = _anyRing(2, 2, 2, 1);
        _execute(ring, _agreed(RING, ring, ""));
        assert(_nonce(_state(RING)) == _nonce(ring.state));
    }

    function check_ATurnNeverChangesWhatIsSpent() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        bool ok = _execute(ring, _agreed(RING, ring, _anyPay()));
        assert(!ok || _spent(_state(RING)) == _spent(ring.state));
    }

    function check_APaymentOfExactlyTheCapIsRefused() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        bytes memory pay = abi.encodePacked(uint8(1), svm.createBytes(39, "head"), uint96(ring.budget.cap()));
        assert(!_execute(ring, _agreed(RING, ring, pay)));
    }

    function check_ABareTransferIsNeverPermitted() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        bytes memory call = bytes.concat(bytes1(0), svm.createBytes(51, "transfer"), bytes3(0));
        assert(!_execute(ring, _agreed(RING, ring, call)));
    }

    /// @dev One signature of the two that there must be in a ring where the master asked for one.
    function check_FewerThanTheWholeWindowNeverExecute() external {
        Ring memory ring = _anyRing(2, 2, 1, 0);
        assert(!_execute(ring, _agreed(RING, ring, "")));
    }

    function check_TheSenderNeverCountsAsASeat() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        ring.state &= ~uint256(1 << 72);
        _put(RING, ring);
        Turn memory turn = Turn({ id: _nextId(RING, ring), calls: "", witness: hex"02" });
        vm.prank(ring.keys[0]);
        assert(!_execute(ring, turn));
    }

    function check_TwoTermsGiveTheSameCommitment() external pure {
        (bytes32 first, bytes32 second) = (svm.createBytes32("first"), svm.createBytes32("second"));
        vm.assume(first != second);
        assert(keccak256(abi.encode(first)) == keccak256(abi.encode(second)));
    }

    function check_NobodyHalts() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        address sender = _anySender();
        assert(!_send(sender, abi.encodeCall(IRingMultisig.halt, (RING, charter, sender, ""))));
    }

    function check_NobodyFormsARing() external {
        IRingMultisig.Charter memory charter = _anyCharter();
        bytes memory input = abi.encodeCall(IRingMultisig.formRing, (RING, 0, charter, _by(master, "")));
        assert(!_send(master, input));
    }

    function check_NoSignedActionOfTheMasterCounts() external {
        IRingMultisig.Authorization memory by = _by(master, svm.createBytes(65, "signature"));
        assert(!_send(_anySender(), abi.encodeCall(IRingMultisig.transferMaster, (address(1), by))));
    }

    function check_NobodyReplacesAKey() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        address key = svm.createAddress("new");
        uint32 epoch = uint32(_epoch(state));
        IRingMultisig.Authorization memory by = _by(master, "");
        assert(!_send(master, abi.encodeCall(IRingMultisig.replace, (RING, epoch, 1, key, true, charter, by))));
    }

    function check_NobodyProvesAnEquivocation() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        IRingMultisig.SignedTurn memory first = _anySigned();
        IRingMultisig.SignedTurn memory second = _anySigned();
        vm.assume(first.id.ring() == RING);
        assert(!_send(_anySender(), abi.encodeCall(IRingMultisig.proveEquivocation, (charter, first, second))));
    }

    function _anySigned() private pure returns (IRingMultisig.SignedTurn memory) {
        return IRingMultisig.SignedTurn({
            id: TurnId.wrap(svm.createUint256("id")),
            callsHash: svm.createBytes32("callsHash"),
            r: svm.createBytes32("r"),
            vs: svm.createBytes32("vs")
        });
    }
}
