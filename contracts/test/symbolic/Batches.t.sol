// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { CallBatch } from "../../src/libraries/CallBatch.sol";
import { Eip712Lib } from "../../src/libraries/Eip712Lib.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { TurnLog } from "../../src/libraries/TurnLog.sol";
import { Symbols } from "./Symbols.sol";

/// @title BatchesProof
/// @notice The assembly that reads batches, hashes turns and gathers the log, beside plain Solidity.
contract BatchesProof is Test, Symbols {
    uint256 private constant HEAD = 52;
    bytes32 private constant TURN_TYPEHASH =
        keccak256("Turn(uint32 ring,uint32 epoch,uint40 nonce,uint40 validUntil,bytes calls)");

    function check_NoCallsArePassedOver(uint256 left) external view {
        _passesLikeThePlainOne("", left);
    }

    function check_OneCallIsPassedOverLikeInPlainSolidity(uint256 left) external view {
        _passesLikeThePlainOne(svm.createBytes(HEAD, "call"), left);
    }

    function check_TwoCallsArePassedOverLikeInPlainSolidity(uint256 left) external view {
        _passesLikeThePlainOne(svm.createBytes(2 * HEAD, "calls"), left);
    }

    function check_ThreeCallsArePassedOverLikeInPlainSolidity(uint256 left) external view {
        _passesLikeThePlainOne(svm.createBytes(3 * HEAD, "calls"), left);
    }

    function check_AHeadIsReadLikeItWasPacked(bytes16 requestId, uint24 gas_, address target, uint96 amount)
        external
        view
    {
        uint8 kind = uint8(_pick(2, "kind"));
        bytes memory calls = abi.encodePacked(kind, requestId, gas_, target, amount);
        (uint256 kind_, bytes16 requestId_, uint256 gas__, address target_, uint256 amount_) = this.head(calls, 0);
        assert(kind == kind_ && requestId == requestId_ && gas_ == gas__ && target == target_ && amount == amount_);
    }

    function check_AHeadOfAnotherKindOrCutShortIsRefused() external view {
        bytes memory calls = svm.createBytes(_pick(2, "short") == 0 ? HEAD : HEAD - 1, "call");
        vm.assume(calls.length < HEAD || uint8(calls[0]) > 1);
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.head, (calls, 0)));
        assert(!ok);
    }

    function check_ATurnIsHashedLikeItsAbiEncoding(uint256 anyId, bytes32 callsHash) external pure {
        TurnId id = TurnId.wrap(anyId);
        bytes32 plain =
            keccak256(abi.encode(TURN_TYPEHASH, id.ring(), id.epoch(), id.nonce(), id.validUntil(), callsHash));
        assert(Eip712Lib.turn(id, callsHash) == plain);
    }

    function check_ADigestIsHashedAsTheStandardSays(bytes32 domain, bytes32 structHash) external pure {
        assert(Eip712Lib.digest(domain, structHash) == keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    function check_CallsAreHashedAsTheyAre() external view {
        bytes memory calls = svm.createBytes(HEAD + _pick(3, "more"), "calls");
        assert(this.hash(calls) == keccak256(calls));
    }

    /// @dev Of none to three ids.
    function check_TheLogIsAnAbiEncodingOfItsIds(uint256 id, bytes32 digest) external pure {
        uint256 count = _pick(4, "count");
        uint256 first = TurnLog.open(TurnId.wrap(id), digest, count * HEAD);
        uint256 next = first;
        bytes memory ids;
        for (uint256 i; i < count; ++i) {
            bytes16 requestId = bytes16(svm.createBytes32("request"));
            next = TurnLog.add(next, requestId);
            ids = bytes.concat(ids, requestId);
        }
        bytes memory plain = abi.encode(id, digest, ids);
        // What `close` emits: the words from the id on, with the length that it writes before the ids.
        assembly ("memory-safe") {
            mstore(sub(first, 32), sub(next, first))
        }
        bytes32 emitted;
        uint256 size = 128 + (next - first + 31 & ~uint256(31));
        assembly ("memory-safe") {
            emitted := keccak256(sub(first, 128), size)
        }
        assert(emitted == keccak256(plain));
    }

    function check_SentCallsAndWitnessAreSplitWhereTheLengthSays() external view {
        bytes memory calls = svm.createBytes(_pick(3, "calls") * 20, "calls");
        bytes memory witness = svm.createBytes(_pick(3, "witness") * 21, "witness");
        (bytes memory calls_, bytes memory witness_) =
            this.split(bytes.concat(bytes3(uint24(calls.length)), calls, witness));
        assert(keccak256(calls_) == keccak256(calls) && keccak256(witness_) == keccak256(witness));
    }

    // ------------------------------------------------------------------------------------------------------------
    // In plain Solidity
    // ------------------------------------------------------------------------------------------------------------

    function _passesLikeThePlainOne(bytes memory calls, uint256 left) private view {
        (uint256 offset, uint256 rest, bytes memory ids) = this.passPays(calls, left);
        uint256 plainOffset;
        bytes memory plainIds;
        while (plainOffset < calls.length) {
            uint256 amount = uint256(_word(calls, plainOffset + 20)) & type(uint96).max;
            if (calls[plainOffset] != 0x01 || amount >= left) break;
            left -= amount;
            plainIds = bytes.concat(plainIds, bytes16(_word(calls, plainOffset) << 8));
            plainOffset += HEAD;
        }
        assert(offset == plainOffset && rest == left);
        assert(keccak256(ids) == keccak256(plainIds));
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    function passPays(bytes calldata calls, uint256 left) external pure returns (uint256, uint256, bytes memory ids) {
        // Room for the ids, and for the whole word that the last one is written as.
        ids = new bytes(calls.length + 32);
        uint256 first;
        assembly ("memory-safe") {
            first := add(ids, 32)
        }
        (uint256 offset, uint256 rest, uint256 next) = CallBatch.passPays(calls, 0, left, first);
        assembly ("memory-safe") {
            mstore(ids, sub(next, first))
        }
        return (offset, rest, ids);
    }

    function head(bytes calldata calls, uint256 offset)
        external
        pure
        returns (uint256, bytes16, uint256, address, uint256)
    {
        return CallBatch.head(calls, offset);
    }

    function hash(bytes calldata calls) external pure returns (bytes32) {
        return Eip712Lib.hash(calls);
    }

    function split(bytes calldata signedCalls) external pure returns (bytes memory, bytes memory) {
        (bytes calldata calls, bytes calldata witness) = CallBatch.split(signedCalls);
        return (calls, witness);
    }
}
