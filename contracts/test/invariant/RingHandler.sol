// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Refuser } from "../doubles/Callees.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";

/// @title RingHandler
/// @notice Two rings with the same keys, used, halted, resumed, formed anew and attacked at random. What happened is
/// written down here, outside the contract, and never taken back; whatever should have been impossible is named.
contract RingHandler is RingTest {
    uint32 public constant NATIVE_RING = 1;
    uint32 public constant TOKEN_RING = 2;
    uint256 private constant SEATS = 5;

    /// @dev The same for both rings of one kind of asset: a period's outflow, in the handler's own books.
    mapping(uint32 ring => mapping(address asset => mapping(uint256 period => uint256))) public outflow;
    mapping(address asset => uint256) public totalOutflow;
    mapping(uint32 ring => uint256) public turns;
    mapping(uint32 ring => uint256) public changes;
    mapping(address signer => uint256) public actions;
    mapping(bytes32 digest => uint256) public executions;
    mapping(bytes32 slot => bytes32 digest) public contentOf;
    mapping(uint32 ring => bool) public shouldStand;

    /// @dev What must never happen, by name; empty as long as all is well.
    string[] private _wrongs;

    Turn[] private _executed;
    Turn[] private _signedEarlier;
    bytes[] private _sentActions;
    mapping(uint32 ring => IRingMultisig.Charter) private _charters;
    address private _refuser;
    uint256 private _time;
    uint256 public firstPeriod;
    uint256 public successes;

    modifier watched() {
        bytes memory before = abi.encode(treasury.getRing(NATIVE_RING), treasury.getRing(TOKEN_RING));
        vm.warp(_time);
        _;
        _compare(before);
    }

    function setUp() public override {
        super.setUp();
        _refuser = address(new Refuser());
        vm.deal(address(treasury), 1e30);
        token.mint(address(treasury), 1e30);
        _time = NOON;
        firstPeriod = NOON / DAY;
        for (uint32 ring = NATIVE_RING; ring <= TOKEN_RING; ++ring) {
            _charters[ring] = _charter(SEATS, 3, 2);
            if (ring == TOKEN_RING) _charters[ring].asset = address(token);
            vm.prank(master);
            treasury.formRing(ring, _charters[ring], _direct(master));
            vm.prank(master);
            treasury.setLimit(ring, _otherAsset(ring), CAP / 2, DAY, _direct(master));
            actions[master] += 2;
            ++changes[ring];
        }
    }

    function wrongs() external view returns (string[] memory) {
        return _wrongs;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Honest use
    // ------------------------------------------------------------------------------------------------------------

    /// @notice A turn as it should be, but perhaps over its cap, perhaps to a callee that refuses.
    function turn(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        Turn memory next = _nextTurn(ring, _randomCalls(seed));
        if (seed % 5 == 0) _signedEarlier.push(next);
        _try(next);
    }

    function void(uint32 ringSeed) external watched {
        _try(_nextTurn(_ring(ringSeed), ""));
    }

    /// @notice Signed now and kept: it may be sent when its time is over.
    function signAhead(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        _signedEarlier.push(_nextTurn(ring, _randomCalls(seed)));
    }

    function sendWhatWasSignedEarlier(uint256 seed) external watched {
        if (_signedEarlier.length == 0) return;
        _try(_signedEarlier[seed % _signedEarlier.length]);
    }

    function replay(uint256 seed) external watched {
        if (_executed.length == 0) return;
        _try(_executed[seed % _executed.length]);
    }

    function pass(uint256 seconds_) external {
        _time += bound(seconds_, 1, 36 hours);
        vm.warp(_time);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master, guardian, operators
    // ------------------------------------------------------------------------------------------------------------

    function halt(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        address by = seed % 3 == 0 ? guardian : seed % 3 == 1 ? master : charter.seats[(seed >> 8) % SEATS];
        if (by == address(0)) return;
        treasury.halt(ring, charter, by, _haltSignature(by, ring));
        shouldStand[ring] = true;
    }

    function resume(uint32 ringSeed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        Message memory message = Messages.resume(ring, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.resume, (ring, authorization)), direct);
        shouldStand[ring] = false;
        ++changes[ring];
    }

    function formAnew(uint32 ringSeed, uint256 seed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charter(SEATS, uint8(1 + seed % SEATS), 1);
        charter.quorum = uint8(1 + (seed >> 8) % charter.window);
        charter.asset = _charters[ring].asset;
        for (uint256 i; i < SEATS; ++i) {
            charter.seats[i] = keys[(seed >> 16) % 20 + i];
        }
        Message memory message = Messages.formRing(ring, charter, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.formRing, (ring, charter, authorization)), direct);
        _charters[ring] = charter;
        shouldStand[ring] = false;
        ++changes[ring];
        // The meter of the main asset is set back with the ring; so are our books.
        outflow[ring][charter.asset][_time / DAY] = 0;
    }

    function revoke(uint32 ringSeed, uint256 seed, bool byMaster, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        address key = charter.seats[seed % SEATS];
        if (key == address(0)) return;
        address by = byMaster ? master : guardian;
        Message memory message = Messages.revoke(ring, key, actions[by], _time);
        IRingMultisig.Authorization memory authorization = _authorization(by, message, direct);
        _act(by, abi.encodeCall(IRingMultisig.revoke, (ring, key, charter, authorization)), direct);
        _charters[ring].seats[seed % SEATS] = address(0);
        ++changes[ring];
    }

    function replace(uint32 ringSeed, uint256 seed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        uint8 seat = uint8(seed % SEATS);
        // Emptied seats first: that is what the master would do.
        for (uint8 i; i < SEATS; ++i) {
            if (charter.seats[i] == address(0)) seat = i;
        }
        address key = keys[26 + (seed >> 8) % 7];
        for (uint256 i; i < SEATS; ++i) {
            if (charter.seats[i] == key) return;
        }
        Message memory message = Messages.replace(ring, seat, key, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.replace, (ring, seat, key, charter, authorization)), direct);
        _charters[ring].seats[seat] = key;
        ++changes[ring];
    }

    // ------------------------------------------------------------------------------------------------------------
    // Attacks
    // ------------------------------------------------------------------------------------------------------------

    /// @notice Anybody but the master, with a signature of its own or without, asks for what only the master may.
    function usurp(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        address[4] memory usurpers = [guardian, stranger, keys[seed % 33], payee];
        address by = usurpers[(seed >> 16) % 4];
        address claimed = (seed >> 32) % 2 == 0 ? by : master;
        IRingMultisig.Charter memory charter = _charters[ring];
        uint256 nonce = treasury.actionNonce(claimed);
        IRingMultisig.Authorization memory authorization = _direct(claimed);
        uint256 kind = (seed >> 40) % 5;
        Message memory message = kind == 0
            ? Messages.resume(ring, nonce, _time)
            : kind == 1
                ? Messages.formRing(ring, charter, nonce, _time)
                : kind == 2
                    ? Messages.replace(ring, 0, by, nonce, _time)
                    : kind == 3
                        ? Messages.masterExecute(by, 1, "", nonce, _time)
                        : Messages.transferMaster(by, nonce, _time);
        if (by != payee && (seed >> 48) % 2 == 0) authorization = _by(by, message, _time);
        authorization.signer = claimed;
        bytes memory call_ = kind == 0
            ? abi.encodeCall(IRingMultisig.resume, (ring, authorization))
            : kind == 1
                ? abi.encodeCall(IRingMultisig.formRing, (ring, charter, authorization))
                : kind == 2
                    ? abi.encodeCall(IRingMultisig.replace, (ring, 0, by, charter, authorization))
                    : kind == 3
                        ? abi.encodeCall(IRingMultisig.masterExecute, (by, 1, "", authorization))
                        : abi.encodeCall(IRingMultisig.transferMaster, (by, authorization));
        vm.prank(by);
        (bool success,) = address(treasury).call(call_);
        if (success) _wrongs.push("somebody did what only the master may");
    }

    /// @notice Actions that were sent once, sent again by anybody.
    function replayAction(uint256 seed) external watched {
        if (_sentActions.length == 0) return;
        vm.prank(stranger);
        (bool success,) = address(treasury).call(_sentActions[seed % _sentActions.length]);
        if (success) _wrongs.push("an action was executed twice");
    }

    /// @notice A turn with one signature too few, or one byte of it turned.
    function tamper(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        Turn memory next = _nextTurn(ring, _pay(payee, 1));
        uint256 kind = seed % 3;
        // Past the tag: what is signed, who signed, or the charter's numbers.
        if (kind == 0) next.calls[1 + (seed >> 8) % (next.calls.length - 1)] ^= 0x01;
        else if (kind == 1) next.witness[1 + (seed >> 8) % 19] ^= 0x01;
        else next.terms = _terms(SEATS, _charters[ring].window, _charters[ring].quorum - 1, DAY);
        (bool success,) = address(treasury).call(_encoded(next));
        if (success) _wrongs.push("a tampered turn was executed");
    }

    // ------------------------------------------------------------------------------------------------------------

    function charterOf(uint32 ring) external view returns (IRingMultisig.Charter memory) {
        return _charters[ring];
    }

    function otherAsset(uint32 ring) external view returns (address) {
        return _otherAsset(ring);
    }

    function balances() external view returns (uint256 native, uint256 tokens) {
        return (address(treasury).balance, token.balanceOf(address(treasury)));
    }

    function treasuryAddress() external view returns (IRingMultisig) {
        return treasury;
    }

    function signers() external view returns (address master_, address guardian_) {
        return (master, guardian);
    }

    function today() external view returns (uint256) {
        return _time / DAY;
    }

    /// @dev Sends a turn and writes down what it did, if it did anything. Judges by the handler's books alone.
    function _try(Turn memory next) private {
        uint32 ring = next.id.ring();
        bytes32 digest = _digest(next.id, next.calls);
        (bool success,) = address(treasury).call(_encoded(next));
        if (!success) return;
        ++successes;
        if (shouldStand[ring]) _wrongs.push("a halted ring executed a turn");
        if (next.id.epoch() != changes[ring]) _wrongs.push("a turn of another epoch was executed");
        if (next.id.nonce() != turns[ring]) _wrongs.push("a turn out of order was executed");
        if (++executions[digest] != 1) _wrongs.push("a digest was executed twice");
        bytes32 slot = keccak256(abi.encode(ring, next.id.epoch(), next.id.nonce()));
        if (contentOf[slot] != 0) _wrongs.push("two contents shared a nonce");
        contentOf[slot] = digest;
        ++turns[ring];
        _executed.push(next);
        _book(ring, next.calls);
    }

    /// @dev What the turn was allowed to spend, failed calls included: they are booked all the same.
    function _book(uint32 ring, bytes memory calls) private {
        for (uint256 offset; offset < calls.length;) {
            bool pay = calls[offset] == 0x01;
            uint256 amount = _word(calls, offset + 20) & type(uint96).max;
            address asset = _charters[ring].asset;
            if (pay) {
                offset += 52;
            } else {
                // The handler's other calls are bare transfers, or a transfer of 68 bytes.
                bool bare = calls[offset + 54] == 0;
                asset = bare ? address(0) : address(token);
                if (!bare) amount = _word(calls, offset + 55 + 36);
                offset += bare ? 55 : 55 + 68;
            }
            outflow[ring][asset][_time / DAY] += amount;
            totalOutflow[asset] += amount;
        }
    }

    /// @dev Whatever was called: nonces and epochs moved as the books say, and a ring that was not named did not move.
    function _compare(bytes memory before) private {
        (IRingMultisig.RingView memory one, IRingMultisig.RingView memory two) =
            abi.decode(before, (IRingMultisig.RingView, IRingMultisig.RingView));
        bool movedOne = _movedWell(one, treasury.getRing(NATIVE_RING));
        bool movedTwo = _movedWell(two, treasury.getRing(TOKEN_RING));
        if (movedOne && movedTwo) _wrongs.push("one call changed two rings");
    }

    function _movedWell(IRingMultisig.RingView memory was, IRingMultisig.RingView memory is_) private returns (bool) {
        if (is_.nonce < was.nonce) _wrongs.push("a nonce went back");
        if (is_.nonce > was.nonce + 1) _wrongs.push("a nonce jumped");
        if (is_.epoch < was.epoch) _wrongs.push("an epoch went back");
        if (is_.charter != was.charter && is_.epoch == was.epoch) _wrongs.push("keys changed within an epoch");
        return keccak256(abi.encode(was)) != keccak256(abi.encode(is_));
    }

    function _nextTurn(uint32 ring, bytes memory calls) private view returns (Turn memory) {
        IRingMultisig.Charter memory charter = _charters[ring];
        IRingMultisig.RingView memory state = treasury.getRing(ring);
        uint8[] memory stances = new uint8[](SEATS);
        uint256 missing = charter.quorum;
        for (uint256 i; i < charter.window && missing != 0; ++i) {
            if (charter.seats[(state.nonce + i) % SEATS] == address(0)) continue;
            stances[i] = SIGNED;
            --missing;
        }
        return _turn(_id(ring, state.epoch, state.nonce, NO_EXPIRY), charter, calls, stances);
    }

    /// @dev One to three calls that take between nothing and two thirds of a cap each.
    function _randomCalls(uint256 seed) private returns (bytes memory calls) {
        uint256 count = 1 + seed % 3;
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 amount = (seed >> 16) % (CAP / 3 * 2);
            address to = seed % 7 == 0 ? _refuser : payee;
            uint256 kind = (seed >> 8) % 3;
            if (kind == 0) calls = bytes.concat(calls, _pay(to, amount));
            else if (kind == 1) calls = bytes.concat(calls, _call(to, amount, ""));
            else calls = bytes.concat(calls, _transfer(address(token), to, amount));
        }
    }

    function _authorization(address signer, Message memory message, bool direct)
        private
        view
        returns (IRingMultisig.Authorization memory)
    {
        return direct ? _direct(signer) : _by(signer, message, _time);
    }

    /// @dev Honest actions must succeed: a revert here fails the invariant run.
    function _act(address signer, bytes memory call_, bool direct) private {
        vm.prank(direct ? signer : stranger);
        (bool success,) = address(treasury).call(call_);
        if (!success) {
            _wrongs.push("an honest action was refused");
            return;
        }
        ++actions[signer];
        _sentActions.push(call_);
    }

    function _ring(uint32 seed) private pure returns (uint32) {
        return seed % 2 == 0 ? NATIVE_RING : TOKEN_RING;
    }

    function _otherAsset(uint32 ring) private view returns (address) {
        return ring == TOKEN_RING ? address(0) : address(token);
    }

    function _word(bytes memory data, uint256 at) private pure returns (uint256 word) {
        for (uint256 i; i < 32; ++i) {
            word = word << 8 | uint8(data[at + i]);
        }
    }
}
