// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { SymbolicRing } from "./SymbolicRing.sol";

/// @title IsolationProof
/// @notice A turn touches no other ring. N, W, Q = 1, 1, 1; one payment or one bare transfer.
contract IsolationProof is SymbolicRing {
    uint32 private constant OTHER = 8;

    function check_ATurnChangesNothingOfAnotherRingsStateAndCharter() external {
        (Ring memory ring, Turn memory turn) = _next(_anyPay());
        (uint256 state, uint256 charter, uint256 changedAt) = (_load(OTHER, 0), _load(OTHER, 1), _load(OTHER, 2));
        _execute(ring, turn);
        assert(_load(OTHER, 0) == state && _load(OTHER, 1) == charter && _load(OTHER, 2) == changedAt);
    }

    function check_ATurnChangesNoLimitOfAnotherRing() external {
        (Ring memory ring, Turn memory turn) = _next(_bareTransfer());
        address asset = svm.createAddress("asset");
        bytes32 before = keccak256(abi.encode(treasury.getLimit(OTHER, asset)));
        _execute(ring, turn);
        assert(keccak256(abi.encode(treasury.getLimit(OTHER, asset))) == before);
    }

    function check_ATurnChangesNoPermission() external {
        (Ring memory ring, Turn memory turn) = _next(_bareTransfer());
        uint32 any = uint32(svm.createUint(32, "ring"));
        (address target, bytes4 selector) = (svm.createAddress("target"), bytes4(svm.createBytes32("selector")));
        bytes32 before = keccak256(abi.encode(treasury.getPermission(any, target, selector)));
        _execute(ring, turn);
        assert(keccak256(abi.encode(treasury.getPermission(any, target, selector))) == before);
    }

    function check_ATurnOfOneRingNeverExecutesInAnother() external {
        Ring memory ring = _anyRing(1, 1, 1, 0);
        Turn memory turn = _agreed(RING, ring, "");
        // The other ring is in the same state, with the same charter.
        _put(OTHER, ring);
        uint256 state = _state(OTHER);
        if (_execute(ring, turn)) assert(_state(OTHER) == state && _state(RING) != ring.state);
    }

    function _next(bytes memory calls) private returns (Ring memory ring, Turn memory turn) {
        ring = _anyRing(1, 1, 1, 0);
        turn = _agreed(RING, ring, calls);
    }

    function _bareTransfer() private pure returns (bytes memory) {
        return bytes.concat(bytes1(0), svm.createBytes(51, "transfer"), bytes3(0));
    }
}
