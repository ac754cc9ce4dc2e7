// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { Budget, Terms } from "../../src/libraries/CharterLib.sol";
import { WitnessLib } from "../../src/libraries/WitnessLib.sol";
import { Symbols } from "./Symbols.sol";

/// @title WitnessesProof
/// @notice `WitnessLib.charterOf` beside `check`, which says the same in plain Solidity, and a plain commitment: witnesses of
/// arbitrary bytes, of every length that some tags make and one byte more. The nonce is 1.
contract WitnessesProof is Test, Symbols {
    uint256 private constant NONCE = 1;

    function check_AWitnessOfOneSeatIsReadLikeInPlainSolidity() external {
        _readsLikeThePlainOne(1, 1, 1);
    }

    function check_AWitnessOfTwoSeatsIsReadLikeInPlainSolidity() external {
        _readsLikeThePlainOne(2, 2, 2);
    }

    function check_AWitnessOfTwoSeatsWithAWindowOfOneIsReadLikeInPlainSolidity() external {
        _readsLikeThePlainOne(2, 1, 1);
    }

    function check_AWitnessOfThreeSeatsIsReadLikeInPlainSolidity() external {
        _readsLikeThePlainOne(3, 2, 1);
    }

    function _readsLikeThePlainOne(uint256 seats, uint256 window, uint256 quorum) private {
        uint256 size = _pick(2, "more");
        for (uint256 i; i < seats; ++i) {
            uint256 tag = i < window ? _pick(3, "size") : 0;
            size += tag == 0 ? 21 : tag == 1 ? 65 : 1;
        }
        bytes memory witness = svm.createBytes(size, "witness");
        bytes32 digest = svm.createBytes32("digest");
        Terms terms = Terms.wrap(bytes32(svm.createUint(232, "terms") << 24 | quorum << 16 | window << 8 | seats));
        Budget budget = Budget.wrap(svm.createBytes32("budget"));
        address sender = svm.createAddress("sender");
        vm.assume(sender != address(0));

        (bool isSound,) = address(this).staticcall(abi.encodeCall(this.check, (digest, terms, witness)));
        vm.prank(sender);
        (bytes32 commitment, uint256 fault) = this.charterOf(digest, terms, budget, witness);
        assert(isSound == (fault == 0));
        if (!isSound) return;
        address[] memory keys = _keys(digest, witness, seats, sender);
        assert(commitment == keccak256(abi.encodePacked(terms, budget, keys)));
    }

    function _keys(bytes32 digest, bytes memory witness, uint256 seats, address sender)
        private
        pure
        returns (address[] memory keys)
    {
        keys = new address[](seats);
        uint256 at;
        for (uint256 i; i < seats; ++i) {
            uint256 tag = uint8(witness[at]);
            address key = sender;
            if (tag == 0) key = address(bytes20(_word(witness, at + 1)));
            if (tag == 1) {
                uint256 vs = uint256(_word(witness, at + 33));
                key = ecrecover(digest, uint8((vs >> 255) + 27), _word(witness, at + 1), bytes32(vs << 1 >> 1));
            }
            keys[(NONCE + i) % seats] = key;
            at += tag == 0 ? 21 : tag == 1 ? 65 : 1;
        }
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    function check(bytes32 digest, Terms terms, bytes calldata witness) external pure {
        WitnessLib.check(digest, NONCE, terms, witness);
    }

    function charterOf(bytes32 digest, Terms terms, Budget budget, bytes calldata witness)
        external
        view
        returns (bytes32, uint256)
    {
        return WitnessLib.charterOf(digest, NONCE, terms, budget, witness);
    }
}
