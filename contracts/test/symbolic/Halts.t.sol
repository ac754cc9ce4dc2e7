// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { SymbolicCharter } from "./SymbolicCharter.sol";

/// @title HaltsProof
/// @notice Who halts a ring, and what it does. Two seats, any charter, any state of a ring that was ever formed.
contract HaltsProof is SymbolicCharter {
    function check_EverySeatCanAlwaysHalt() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        address key = charter.seats[_pick(2, "seat")];
        vm.assume(key != address(0));
        assert(_halt(key, charter, key, ""));
        assert(_isHalted(_state(RING)));
    }

    function check_MasterAndGuardianCanAlwaysHaltWithoutTheCharter() external {
        _anyFormed();
        address by = _pick(2, "who") == 0 ? master : guardian;
        vm.assume(by != address(0));
        assert(_halt(by, _anyCharter(), by, ""));
        assert(_isHalted(_state(RING)));
    }

    function check_NobodyElseHaltsARing() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        address signer = svm.createAddress("signer");
        address sender = _anySender();
        vm.assume(signer != master && signer != guardian);
        vm.assume(signer != charter.seats[0] && signer != charter.seats[1]);
        bytes memory signature = _pick(2, "signed") == 0 ? bytes("") : svm.createBytes(64, "signature");
        assert(!_halt(sender, _pick(2, "charter") == 0 ? charter : _anyCharter(), signer, signature));
    }

    function check_NobodyHaltsInAnothersNameWithoutASignature() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        address signer = svm.createAddress("signer");
        address sender = _anySender();
        vm.assume(sender != signer);
        assert(!_halt(sender, charter, signer, ""));
    }

    function check_AHaltSignedForAnotherEpochDoesNotCount() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        address key = charter.seats[0];
        vm.assume(key != master && key != guardian && key.code.length == 0);
        bytes memory signature = svm.createBytes(64, "signature");
        if (!_halt(_anySender(), charter, key, signature)) return;
        // What counts is a signature of this ring's halt in this epoch.
        bytes32 typeHash = keccak256("Halt(uint32 ring,uint32 epoch)");
        bytes32 structHash = keccak256(abi.encode(typeHash, uint256(RING), _epoch(state)));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", treasury.domainSeparator(), structHash));
        (bytes32 r, uint256 vs) = abi.decode(signature, (bytes32, uint256));
        assert(ecrecover(digest, uint8((vs >> 255) + 27), r, bytes32(vs << 1 >> 1)) == key);
    }

    function check_AHaltChangesNothingButTheHalt() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        address sender = _anySender();
        uint256 nonce = treasury.actionNonce(sender);
        _halt(sender, charter, sender, "");
        assert(_state(RING) & ~uint256(1 << 72) == state & ~uint256(1 << 72));
        assert(_load(RING, 1) == _hash(charter) && treasury.actionNonce(sender) == nonce);
    }

    function check_AnUnformedRingIsNotHalted() external {
        uint256 state = svm.createUint256("state");
        vm.assume(_epoch(state) == 0);
        _store(RING, 0, state);
        assert(!_halt(master, _anyCharter(), master, ""));
    }

    function _halt(address sender, IRingMultisig.Charter memory charter, address signer, bytes memory signature)
        private
        returns (bool)
    {
        return _send(sender, abi.encodeCall(IRingMultisig.halt, (RING, charter, signer, signature)));
    }
}
