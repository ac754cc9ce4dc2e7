// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Recorder } from "../doubles/Callees.sol";

/// @notice What must never be otherwise, whatever happens.
enum Rule {
    HaltedRingsMoveNothing,
    TurnsGoInOrder,
    OneContentPerNonce,
    OnlyTheQuorumOfTheWindowCounts,
    NothingRunsAfterTheLease,
    NoMoreTurnsAPeriodThanAllowed,
    NoGapShorterThanTheInterval,
    OnlyPermittedCallsAreMade,
    NothingPassesTheCapButOncePermitted,
    NoPeriodSpendsMoreThanItsCap,
    OtherRingsAreUntouched,
    NothingGoesBack,
    KeysChangeWithTheEpochAlone,
    HonestActionsWork,
    NobodyElseActs,
    TamperedTurnsFail,
    ProofsTakeTwoContents
}

/// @title RingBooks
/// @notice The history of two rings, kept outside the contract and never taken back. Each executed turn is judged by what was
/// written down before it: the contract is asked for balances, but never for its opinion.
abstract contract RingBooks is RingTest {
    struct Payment {
        uint256 epoch;
        bytes16 requestId;
        address to;
        uint96 amount;
        bool used;
    }

    uint32 public constant NATIVE_RING = 1;
    uint32 public constant TOKEN_RING = 2;
    uint256 internal constant SEATS = 5;
    /// @dev Permitted and taken away: with an amount of the token as second argument, and with value alone.
    bytes4 public constant METERED = 0xaaaaaaaa;
    bytes4 public constant UNMETERED = 0xbbbbbbbb;
    bytes4 public constant NEVER_PERMITTED = 0xcccccccc;

    mapping(Rule rule => uint256) public violations;
    uint256 public allViolations;
    mapping(uint32 ring => uint256) public turns;
    mapping(uint32 ring => uint256) public changes;
    mapping(uint32 ring => bool) public shouldStand;
    mapping(uint32 ring => uint256) public lastTurnAt;
    mapping(uint32 ring => mapping(uint256 period => uint256)) public turnsIn;
    mapping(address signer => uint256) public actions;
    /// @dev What was asked for and counted, failed calls included; and what really went. Both set back with their meter.
    mapping(uint32 ring => mapping(address asset => mapping(uint256 period => uint256))) public booked;
    mapping(uint32 ring => mapping(address asset => mapping(uint256 period => uint256))) public outflow;
    mapping(address asset => uint256) public expectedBalance;
    mapping(uint32 ring => mapping(bytes4 selector => bool)) public permitted;
    mapping(uint32 ring => Payment) public payment;
    mapping(bytes32 digest => uint256) private _executions;
    mapping(bytes32 slot => bytes32 digest) private _contentOf;

    uint256 public successes;
    uint256 internal _time;
    mapping(uint32 ring => IRingMultisig.Charter) internal _charters;
    Turn[] internal _executed;
    Recorder internal _recorder;
    address internal _refuser;
    /// @dev What permitted payments moved in the turn that is judged.
    uint256 private _movedOutsideTheCap;

    /// @dev Whatever is called: nothing goes back, and no more than one ring moves.
    modifier watched() {
        bytes memory one = abi.encode(treasury.getRing(NATIVE_RING));
        bytes memory two = abi.encode(treasury.getRing(TOKEN_RING));
        vm.warp(_time);
        _;
        bool both = _moved(NATIVE_RING, one) && _moved(TOKEN_RING, two);
        _see(Rule.OtherRingsAreUntouched, !both);
    }

    // ------------------------------------------------------------------------------------------------------------
    // For the invariants
    // ------------------------------------------------------------------------------------------------------------

    function charterOf(uint32 ring) external view returns (IRingMultisig.Charter memory) {
        return _charters[ring];
    }

    function otherAsset(uint32 ring) external view returns (address) {
        return _otherAsset(ring);
    }

    function treasuryAddress() external view returns (IRingMultisig) {
        return treasury;
    }

    function tokenAddress() external view returns (address) {
        return address(token);
    }

    function signers() external view returns (address master_, address guardian_) {
        return (master, guardian);
    }

    // ------------------------------------------------------------------------------------------------------------
    // One turn
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Sends a turn, and judges what it did or did not do.
    function _try(Turn memory next) internal {
        uint32 ring = next.id.ring();
        uint256 native = address(treasury).balance;
        uint256 tokens = token.balanceOf(address(treasury));
        uint256 calls = _recorder.count();
        uint32 other = ring == NATIVE_RING ? TOKEN_RING : NATIVE_RING;
        // That its state stays is seen after every call; the lists are long, and looked at for some.
        bool isListed = next.id.nonce() % 4 == 0;
        bytes32 listed = isListed ? _listsOf(other) : bytes32(0);
        (bool success,) = address(treasury).call(_encoded(next));
        if (isListed) _see(Rule.OtherRingsAreUntouched, listed == _listsOf(other));
        (native, tokens) = (native - address(treasury).balance, tokens - token.balanceOf(address(treasury)));
        if (shouldStand[ring]) _see(Rule.HaltedRingsMoveNothing, !success && native == 0 && tokens == 0);
        if (!success) return;
        ++successes;
        bytes32 digest = _digest(next.id, next.calls);
        _judgePlace(next, digest);
        _judgePace(ring);
        _judgeSigners(next, digest);
        for (; calls < _recorder.count(); ++calls) {
            _see(Rule.OnlyPermittedCallsAreMade, permitted[ring][_recorder.at(calls)]);
        }
        _movedOutsideTheCap = 0;
        _book(ring, next.calls);
        address main = _charters[ring].asset;
        _judgeOutflow(ring, address(0), native - (main == address(0) ? _movedOutsideTheCap : 0));
        _judgeOutflow(ring, address(token), tokens - (main == address(0) ? 0 : _movedOutsideTheCap));
        _executed.push(next);
    }

    function _judgePlace(Turn memory next, bytes32 digest) private {
        uint32 ring = next.id.ring();
        _see(Rule.TurnsGoInOrder, next.id.epoch() == changes[ring] && next.id.nonce() == turns[ring]);
        bytes32 slot = keccak256(abi.encode(ring, next.id.epoch(), next.id.nonce()));
        _see(Rule.OneContentPerNonce, ++_executions[digest] == 1 && _contentOf[slot] == 0);
        _contentOf[slot] = digest;
        IRingMultisig.Charter storage charter = _charters[ring];
        _see(Rule.NothingRunsAfterTheLease, _time <= charter.expiresAt && turns[ring] <= charter.lastNonce);
        ++turns[ring];
    }

    function _judgePace(uint32 ring) private {
        IRingMultisig.Charter storage charter = _charters[ring];
        uint256 count = ++turnsIn[ring][_time / DAY];
        _see(Rule.NoMoreTurnsAPeriodThanAllowed, count <= charter.turnsPerPeriod);
        _see(Rule.NoGapShorterThanTheInterval, _time - lastTurnAt[ring] >= charter.interval);
        lastTurnAt[ring] = _time;
    }

    /// @dev Reads the witness once more: exactly Q of the window have signed this turn, with the keys that sit there by the
    /// books, so with no key that was revoked; and no seat of the window is empty.
    function _judgeSigners(Turn memory next, bytes32 digest) private {
        IRingMultisig.Charter memory charter = _charters[next.id.ring()];
        uint256 signed;
        uint256 offset;
        bool good = true;
        for (uint256 i; i < SEATS; ++i) {
            address seat = charter.seats[(next.id.nonce() + i) % SEATS];
            if (i < charter.window && seat == address(0)) good = false;
            if (next.witness[offset] == 0x00) {
                offset += 21;
                continue;
            }
            uint256 vs = _word(next.witness, offset + 33);
            bytes32 r = bytes32(_word(next.witness, offset + 1));
            address key = ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32(vs << 1 >> 1));
            if (key != seat || i >= charter.window) good = false;
            ++signed;
            offset += 65;
        }
        _see(Rule.OnlyTheQuorumOfTheWindowCounts, good && signed == charter.quorum);
    }

    /// @dev By what really left the treasury.
    function _judgeOutflow(uint32 ring, address asset, uint256 amount) private {
        uint256 total = outflow[ring][asset][_time / DAY] += amount;
        _see(Rule.NoPeriodSpendsMoreThanItsCap, total <= (asset == _charters[ring].asset ? CAP : CAP / 2));
    }

    // ------------------------------------------------------------------------------------------------------------
    // The calls of a turn
    // ------------------------------------------------------------------------------------------------------------

    function _book(uint32 ring, bytes memory calls) private {
        for (uint256 offset; offset < calls.length;) {
            uint256 head = _word(calls, offset + 20);
            if (calls[offset] == 0x01) {
                _bookPay(ring, bytes16(bytes32(_word(calls, offset + 1))), address(uint160(head >> 96)), uint96(head));
                offset += 52;
            } else {
                uint256 length = _word(calls, offset + 52) >> 232;
                _bookCall(ring, address(uint160(head >> 96)), uint96(head), calls, offset + 55, length);
                offset += 55 + length;
            }
        }
    }

    /// @dev What does not fit under the cap must have been permitted, for this epoch, and not be used yet.
    function _bookPay(uint32 ring, bytes16 requestId, address to, uint96 amount) private {
        address asset = _charters[ring].asset;
        bool moves = asset != address(0) || to != _refuser;
        if (moves) expectedBalance[asset] -= amount;
        uint256 total = booked[ring][asset][_time / DAY] + amount;
        if (total <= CAP) {
            booked[ring][asset][_time / DAY] = total;
            return;
        }
        Payment storage known = payment[ring];
        bool same = known.requestId == requestId && known.to == to && known.amount == amount;
        _see(Rule.NothingPassesTheCapButOncePermitted, same && known.epoch == changes[ring] && !known.used);
        known.used = true;
        if (moves) _movedOutsideTheCap += amount;
    }

    function _bookCall(uint32 ring, address target, uint96 value, bytes memory calls, uint256 at, uint256 length)
        private
    {
        booked[ring][address(0)][_time / DAY] += value;
        if (target != _refuser) expectedBalance[address(0)] -= value;
        if (length == 0) return;
        bytes4 selector = bytes4(bytes32(_word(calls, at)));
        if (selector == UNMETERED) return;
        // A transfer of the token, or the function that is metered as if it were.
        uint256 amount = _word(calls, at + 36);
        booked[ring][address(token)][_time / DAY] += amount;
        if (target == address(token)) expectedBalance[address(token)] -= amount;
    }

    // ------------------------------------------------------------------------------------------------------------

    function _see(Rule rule, bool holds) internal {
        if (holds) return;
        ++violations[rule];
        ++allViolations;
    }

    function _moved(uint32 ring, bytes memory before) private returns (bool) {
        IRingMultisig.RingView memory was = abi.decode(before, (IRingMultisig.RingView));
        IRingMultisig.RingView memory is_ = treasury.getRing(ring);
        _see(Rule.NothingGoesBack, is_.nonce >= was.nonce && is_.epoch >= was.epoch && is_.lastTurnAt >= was.lastTurnAt);
        _see(Rule.TurnsGoInOrder, is_.nonce <= was.nonce + 1);
        _see(Rule.KeysChangeWithTheEpochAlone, is_.charter == was.charter || is_.epoch == was.epoch + 1);
        return keccak256(before) != keccak256(abi.encode(is_));
    }

    function _listsOf(uint32 ring) private view returns (bytes32) {
        return keccak256(abi.encode(treasury.getLimits(ring), treasury.getPermissions(ring)));
    }

    function _otherAsset(uint32 ring) internal view returns (address) {
        return ring == TOKEN_RING ? address(0) : address(token);
    }

    /// @dev Past the end are zeros.
    function _word(bytes memory data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), at))
        }
        if (at + 32 > data.length) word = word >> 8 * (at + 32 - data.length) << 8 * (at + 32 - data.length);
    }
}
