// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { Turn } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";
import { RingActions } from "./RingActions.sol";
import { Rule } from "./RingBooks.sol";

/// @title RingHandler
/// @notice Two rings in use, and under attack: replays, stale signatures, revoked keys, altered bytes, usurpers, false proofs.
contract RingHandler is RingActions {
    function sendWhatWasSignedEarlier(uint256 seed) external watched {
        if (_signedEarlier.length == 0) return;
        _try(_signedEarlier[seed % _signedEarlier.length]);
    }

    function replay(uint256 seed) external watched {
        if (_executed.length == 0) return;
        _try(_executed[seed % _executed.length]);
    }

    /// @notice Actions that were sent once, sent again by anybody.
    function replayAction(uint256 seed) external watched {
        if (_sentActions.length == 0) return;
        vm.prank(stranger);
        (bool success,) = address(treasury).call(_sentActions[seed % _sentActions.length]);
        _see(Rule.NobodyElseActs, !success);
    }

    /// @notice The keys and terms of the charter before, for the nonce and epoch of now.
    function signWithFormerKeys(uint32 ringSeed) external watched {
        uint32 ring = _ring(ringSeed);
        if (_formerCharters[ring].seats.length == 0) return;
        _try(_nextTurn(ring, _formerCharters[ring], _pay(payee, 1)));
    }

    /// @notice A turn with one bit of it turned, or with its quorum understated.
    function tamper(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        Turn memory next = _nextTurn(ring, _pay(payee, 1));
        uint256 kind = seed % 3;
        // Past the tag: what is signed, who signed, or the charter's numbers.
        if (kind == 0) next.calls[1 + (seed >> 8) % (next.calls.length - 1)] ^= 0x01;
        else if (kind == 1) next.witness[1 + (seed >> 8) % 19] ^= 0x01;
        else next.terms = _terms(SEATS, _charters[ring].window, _charters[ring].quorum - 1);
        (bool success,) = address(treasury).call(_encoded(next));
        _see(Rule.TamperedTurnsFail, !success);
    }

    /// @notice Some seats sign that are not the first Q of the window: fewer, more, or others, perhaps from outside of it.
    function signWithOtherSeats(uint32 ringSeed, uint256 signers) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        uint8[] memory stances = new uint8[](SEATS);
        for (uint256 i; i < SEATS; ++i) {
            bool sits = charter.seats[(turns[ring] + i) % SEATS] != address(0);
            stances[i] = sits && signers >> i & 1 == 1 ? SIGNED : ABSENT;
        }
        TurnId id = _id(ring, uint32(changes[ring]), uint40(turns[ring]), NO_EXPIRY);
        _try(_turn(id, charter, _pay(payee, 1), stances));
    }

    /// @notice What an honest key signs: one content, as often as it likes, and a void beside it.
    function proveHonesty(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        address key = charter.seats[seed % SEATS];
        if (key == address(0)) return;
        TurnId id = _id(ring, uint32(changes[ring]), uint40(turns[ring]), NO_EXPIRY);
        IRingMultisig.SignedTurn memory content = _signedTurn(id, key, _pay(payee, 1));
        bool beside = (seed >> 8) % 2 == 0;
        bytes memory proof = abi.encodeCall(
            IRingMultisig.proveEquivocation, (charter, content, beside ? _signedTurn(id, key, "") : content)
        );
        (bool success,) = address(treasury).call(proof);
        _see(Rule.ProofsTakeTwoContents, !success);
    }

    /// @notice Anybody but the master, with a signature of its own or without, asks for what only the master may.
    function usurp(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        address[4] memory usurpers = [guardian, stranger, keys[seed % 33], payee];
        address by = usurpers[(seed >> 16) % 4];
        address claimed = (seed >> 32) % 2 == 0 ? by : master;
        uint256 kind = (seed >> 40) % 7;
        IRingMultisig.Authorization memory authorization = _direct(claimed);
        // There is no key of the payee's.
        if (by != payee && (seed >> 48) % 2 == 0) {
            authorization = _by(by, _wanted(kind, ring, by, actions[claimed]), _time);
            authorization.signer = claimed;
        }
        bytes memory call_ = _request(kind, ring, by, authorization);
        vm.prank(by);
        (bool success,) = address(treasury).call(call_);
        _see(Rule.NobodyElseActs, !success);
    }

    function _wanted(uint256 kind, uint32 ring, address by, uint256 nonce) private view returns (Message memory) {
        uint32 epoch = uint32(changes[ring]);
        if (kind == 0) return Messages.resume(ring, epoch, nonce, _time);
        if (kind == 1) return Messages.formRing(ring, epoch, _charters[ring], nonce, _time);
        if (kind == 2) return Messages.replace(ring, epoch, 0, by, true, nonce, _time);
        if (kind == 3) return Messages.masterExecute(by, 1, "", 0, nonce, _time);
        if (kind == 4) return Messages.setPermissions(ring, _permissions(_bareTransfer(by)), nonce, _time);
        if (kind == 5) return Messages.setLimits(ring, _limits(address(0), CAP, DAY), nonce, _time);
        return Messages.transferMaster(by, nonce, _time);
    }

    function _request(uint256 kind, uint32 ring, address by, IRingMultisig.Authorization memory a)
        private
        view
        returns (bytes memory)
    {
        uint32 epoch = uint32(changes[ring]);
        if (kind == 0) return abi.encodeCall(IRingMultisig.resume, (ring, epoch, a));
        if (kind == 1) return abi.encodeCall(IRingMultisig.formRing, (ring, epoch, _charters[ring], a));
        if (kind == 2) return abi.encodeCall(IRingMultisig.replace, (ring, epoch, 0, by, true, _charters[ring], a));
        if (kind == 3) return abi.encodeCall(IRingMultisig.masterExecute, (by, 1, "", 0, a));
        if (kind == 4) {
            return abi.encodeCall(IRingMultisig.setPermissions, (ring, _permissions(_bareTransfer(by)), a));
        }
        if (kind == 5) return abi.encodeCall(IRingMultisig.setLimits, (ring, _limits(address(0), CAP, DAY), a));
        return abi.encodeCall(IRingMultisig.transferMaster, (by, a));
    }
}
