// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { SymbolicRing } from "./SymbolicRing.sol";

/// @title SymbolicCharter
/// @notice Rings as those see them who present the whole charter: two seats, any numbers, any two keys, any state.
abstract contract SymbolicCharter is SymbolicRing {
    function _anyCharter() internal pure returns (IRingMultisig.Charter memory charter) {
        charter.window = uint8(svm.createUint(8, "window"));
        charter.quorum = uint8(svm.createUint(8, "quorum"));
        charter.asset = svm.createAddress("asset");
        charter.cap = uint96(svm.createUint(96, "cap"));
        charter.period = uint24(svm.createUint(24, "period"));
        charter.turnsPerPeriod = uint24(svm.createUint(24, "turnsPerPeriod"));
        charter.interval = uint24(svm.createUint(24, "interval"));
        charter.expiresAt = uint40(svm.createUint(40, "expiresAt"));
        charter.lastNonce = uint40(svm.createUint(40, "lastNonce"));
        charter.seats = new address[](2);
        charter.seats[0] = svm.createAddress("key 0");
        charter.seats[1] = svm.createAddress("key 1");
    }

    /// @dev The charter's hash, packed here anew.
    function _hash(IRingMultisig.Charter memory charter) internal pure returns (uint256) {
        bytes memory numbers = abi.encodePacked(
            uint80(0),
            charter.lastNonce,
            charter.expiresAt,
            charter.interval,
            charter.turnsPerPeriod,
            charter.period,
            charter.quorum,
            charter.window,
            uint8(charter.seats.length)
        );
        return uint256(keccak256(abi.encodePacked(numbers, charter.asset, charter.cap, charter.seats)));
    }

    /// @dev A formed ring in any state, with any charter in force.
    function _anyFormed() internal returns (IRingMultisig.Charter memory charter, uint256 state) {
        charter = _anyCharter();
        state = svm.createUint256("state");
        // Not in the last of four billion epochs, after which there is none.
        vm.assume(_epoch(state) != 0 && _epoch(state) != type(uint32).max);
        _store(RING, 0, state);
        _store(RING, 1, _hash(charter));
    }

    function _by(address signer, bytes memory signature) internal pure returns (IRingMultisig.Authorization memory) {
        return
            IRingMultisig.Authorization({
                signer: signer, deadline: svm.createUint256("deadline"), signature: signature
            });
    }

    /// @dev A sender; never the zero address, which sends nothing.
    function _anySender() internal pure returns (address sender) {
        sender = svm.createAddress("sender");
        vm.assume(sender != address(0));
    }

    function _send(address sender, bytes memory input) internal returns (bool ok) {
        vm.prank(sender);
        (ok,) = address(treasury).call(input);
    }
}
