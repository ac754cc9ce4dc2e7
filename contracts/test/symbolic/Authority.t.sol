// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { SymbolicCharter } from "./SymbolicCharter.sol";

/// @title AuthorityProof
/// @notice What only the master does. Whoever sends it, whatever authorisation it carries: none, 64 bytes of signature or 65.
contract AuthorityProof is SymbolicCharter {
    function check_OnlyTheMasterFormsRings() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        IRingMultisig.Authorization memory by = _anybody();
        uint32 epoch = uint32(_epoch(state));
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.formRing, (RING, epoch, charter, by)));
    }

    function check_OnlyTheMasterResumes() external {
        (, uint256 state) = _anyFormed();
        IRingMultisig.Authorization memory by = _anybody();
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.resume, (RING, uint32(_epoch(state)), by)));
    }

    function check_OnlyTheMasterReplacesKeys() external {
        (IRingMultisig.Charter memory charter, uint256 state) = _anyFormed();
        IRingMultisig.Authorization memory by = _anybody();
        (uint8 seat, address key) = (uint8(_pick(2, "seat")), svm.createAddress("new key"));
        bool andResume = svm.createBool("andResume");
        _onlyTheMaster(
            by, abi.encodeCall(IRingMultisig.replace, (RING, uint32(_epoch(state)), seat, key, andResume, charter, by))
        );
    }

    function check_OnlyTheMasterSetsPermissions() external {
        _anyFormed();
        IRingMultisig.Permission[] memory permissions = new IRingMultisig.Permission[](1);
        permissions[0] = IRingMultisig.Permission({
            target: svm.createAddress("target"),
            selector: bytes4(svm.createBytes32("selector")),
            allowed: svm.createBool("allowed"),
            amountWord: uint8(svm.createUint(8, "amountWord")),
            asset: svm.createAddress("asset"),
            addressWords: uint16(svm.createUint(16, "addressWords"))
        });
        IRingMultisig.Authorization memory by = _anybody();
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.setPermissions, (RING, permissions, by)));
    }

    function check_OnlyTheMasterSetsLimits() external {
        _anyFormed();
        IRingMultisig.LimitSetting[] memory limits = new IRingMultisig.LimitSetting[](1);
        limits[0] = IRingMultisig.LimitSetting({
            asset: svm.createAddress("asset"),
            cap: uint104(svm.createUint(104, "cap")),
            period: uint24(svm.createUint(24, "period"))
        });
        IRingMultisig.Authorization memory by = _anybody();
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.setLimits, (RING, limits, by)));
    }

    function check_OnlyTheMasterPermitsPayments() external {
        (, uint256 state) = _anyFormed();
        bytes16 requestId = bytes16(svm.createBytes32("request"));
        (address asset, address to) = (svm.createAddress("asset"), svm.createAddress("to"));
        uint96 amount = uint96(svm.createUint(96, "amount"));
        IRingMultisig.Authorization memory by = _anybody();
        uint32 epoch = uint32(_epoch(state));
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.permitPayment, (RING, epoch, requestId, asset, to, amount, by)));
    }

    function check_OnlyTheMasterNamesTheGuardian() external {
        IRingMultisig.Authorization memory by = _anybody();
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.setGuardian, (svm.createAddress("new guardian"), by)));
    }

    function check_OnlyTheMasterNamesItsSuccessor() external {
        IRingMultisig.Authorization memory by = _anybody();
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.transferMaster, (svm.createAddress("successor"), by)));
    }

    function check_OnlyTheMasterMakesCallsOutsideTheRings() external {
        IRingMultisig.Authorization memory by = _anybody();
        (address target, uint256 value) = (svm.createAddress("target"), svm.createUint(96, "value"));
        bytes memory data = svm.createBytes(36, "data");
        uint256 gas_ = svm.createUint256("gas");
        _onlyTheMaster(by, abi.encodeCall(IRingMultisig.masterExecute, (target, value, data, gas_, by)));
    }

    function check_OnlyMasterOrGuardianRevokesKeys() external {
        (IRingMultisig.Charter memory charter,) = _anyFormed();
        IRingMultisig.Authorization memory by = _anybody();
        address sender = _anySender();
        address key = svm.createAddress("key");
        if (!_send(sender, abi.encodeCall(IRingMultisig.revoke, (RING, key, charter, by)))) return;
        assert(by.signer == master || (by.signer == guardian && guardian != address(0)));
        assert(by.signature.length != 0 || sender == by.signer);
    }

    function check_OnlyTheNamedSuccessorBecomesMaster() external {
        IRingMultisig.Authorization memory by = _anybody();
        address sender = _anySender();
        address successor = treasury.pendingMaster();
        if (!_send(sender, abi.encodeCall(IRingMultisig.acceptMaster, (by)))) return;
        assert(by.signer == successor && treasury.master() == successor && treasury.pendingMaster() == address(0));
        assert(by.signature.length != 0 || sender == successor);
    }

    /// @dev A key that is no contract's; for the others the contract is asked, as ERC-1271 says.
    function check_AMastersActionNeedsItsSignatureOfThatActionAndNonce() external {
        vm.assume(master.code.length == 0);
        address successor = svm.createAddress("successor");
        bytes memory signature = svm.createBytes(64, "signature");
        IRingMultisig.Authorization memory by = _by(master, signature);
        uint256 nonce = treasury.actionNonce(master);
        if (!_send(_anySender(), abi.encodeCall(IRingMultisig.transferMaster, (successor, by)))) return;
        bytes32 typeHash = keccak256("TransferMaster(address newMaster,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typeHash, successor, nonce, by.deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", treasury.domainSeparator(), structHash));
        (bytes32 r, uint256 vs) = abi.decode(signature, (bytes32, uint256));
        assert(ecrecover(digest, uint8((vs >> 255) + 27), r, bytes32(vs << 1 >> 1)) == master);
        assert(block.timestamp <= by.deadline);
    }

    /// @dev If it succeeds: the master stands behind it, one nonce of its is used, and none of anybody else.
    function _onlyTheMaster(IRingMultisig.Authorization memory by, bytes memory input) private {
        address sender = _anySender();
        address other = svm.createAddress("other");
        vm.assume(other != master);
        (uint256 nonce, uint256 othersNonce) = (treasury.actionNonce(master), treasury.actionNonce(other));
        // A nonce for each second since the earth was made.
        vm.assume(nonce < type(uint64).max);
        bool ok = _send(sender, input);
        assert(treasury.actionNonce(master) == nonce + (ok ? 1 : 0) && treasury.actionNonce(other) == othersNonce);
        if (!ok) return;
        assert(by.signer == master);
        assert(by.signature.length == 0 ? sender == master : block.timestamp <= by.deadline);
    }

    function _anybody() private returns (IRingMultisig.Authorization memory) {
        uint256 kind = _pick(3, "kind");
        bytes memory signature = kind == 0 ? bytes("") : svm.createBytes(63 + kind, "signature");
        return _by(svm.createAddress("signer"), signature);
    }
}
