// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { Turn } from "../RingTest.sol";
import { Recorder, Refuser } from "../doubles/Callees.sol";
import { Messages } from "../reference/Messages.sol";
import { Message } from "../reference/TypedData.sol";
import { RingBooks, Rule } from "./RingBooks.sol";

/// @title RingActions
/// @notice What operators, guardian and master do with two rings of the same keys, at random and in earnest.
abstract contract RingActions is RingBooks {
    Turn[] internal _signedEarlier;
    bytes[] internal _sentActions;
    /// @dev Charters that were replaced: their keys are still known to somebody.
    mapping(uint32 ring => IRingMultisig.Charter) internal _formerCharters;

    function setUp() public virtual override {
        super.setUp();
        (_refuser, _recorder) = (address(new Refuser()), new Recorder());
        vm.deal(address(treasury), 1e30);
        token.mint(address(treasury), 1e30 - token.balanceOf(address(treasury)));
        (expectedBalance[address(0)], expectedBalance[address(token)]) = (1e30, 1e30);
        _time = NOON;
        for (uint32 ring = NATIVE_RING; ring <= TOKEN_RING; ++ring) {
            _charters[ring] = _randomCharter(ring, uint256(keccak256(abi.encode(ring))));
            _form(ring, _charters[ring]);
            _allow(ring, _otherAsset(ring), CAP / 2);
            _permit(ring, ring == TOKEN_RING ? _transferOf(address(token)) : _bareTransfer(address(0)));
            _permit(ring, _recorderPermission(METERED, true));
            _permit(ring, _recorderPermission(UNMETERED, true));
            (permitted[ring][METERED], permitted[ring][UNMETERED]) = (true, true);
            actions[master] += 6;
            ++changes[ring];
        }
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns
    // ------------------------------------------------------------------------------------------------------------

    /// @notice A turn as it should be, but perhaps too soon, over its cap, or to a callee that refuses. A ring that can't go on
    /// is mostly formed anew before, or little would ever happen.
    function turn(uint32 ringSeed, uint256 seed, uint256 wait) external {
        uint32 ring = _ring(ringSeed);
        if (_isStuck(ring) && _mixed(seed) % 3 != 0) this.formAnew(ringSeed, seed, true);
        (seed, wait) = (_mixed(seed), _mixed(wait));
        uint256 interval = _charters[ring].interval;
        uint256 kind = wait % 8;
        if (kind == 1 && interval != 0) _time += interval - 1;
        else if (kind > 1) _time += interval + (kind < 5 ? 0 : (wait >> 8) % 1 hours);
        this.turnNow(ring, seed);
    }

    function turnNow(uint32 ring, uint256 seed) external watched {
        Turn memory next = _nextTurn(ring, _randomCalls(ring, seed));
        if (seed % 5 == 0) _signedEarlier.push(next);
        _try(next);
    }

    function void(uint32 ringSeed) external watched {
        _try(_nextTurn(_ring(ringSeed), ""));
    }

    /// @notice Signed now and kept: it may be sent when its time is over.
    function signAhead(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        _signedEarlier.push(_nextTurn(ring, _randomCalls(ring, seed)));
    }

    function pass(uint256 seconds_) external {
        _time += bound(seconds_, 1, 36 hours);
        vm.warp(_time);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Tightening
    // ------------------------------------------------------------------------------------------------------------

    function halt(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        if (_isSpared(seed)) return;
        IRingMultisig.Charter memory charter = _charters[ring];
        address by = seed % 3 == 0 ? guardian : seed % 3 == 1 ? master : charter.seats[(seed >> 8) % SEATS];
        if (by == address(0)) return;
        treasury.halt(ring, charter, by, _haltSignature(by, ring));
        shouldStand[ring] = true;
    }

    function revoke(uint32 ringSeed, uint256 seed, bool byMaster, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        address key = charter.seats[seed % SEATS];
        if (key == address(0) || _isSpared(seed)) return;
        address by = byMaster ? master : guardian;
        Message memory message = Messages.revoke(ring, key, actions[by], _time);
        IRingMultisig.Authorization memory authorization = _authorization(by, message, direct);
        _act(by, abi.encodeCall(IRingMultisig.revoke, (ring, key, charter, authorization)), direct);
        _changeSeat(ring, uint8(seed % SEATS), address(0));
    }

    /// @notice A seat signs two contents for a nonce of some epoch: the proof halts the ring and empties the seat.
    function proveEquivocation(uint32 ringSeed, uint256 seed) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _charters[ring];
        address key = charter.seats[seed % SEATS];
        if (key == address(0) || _isSpared(seed)) return;
        TurnId id = _id(ring, uint32(1 + (seed >> 8) % changes[ring]), uint40((seed >> 40) % 64), NO_EXPIRY);
        bytes memory proof = abi.encodeCall(
            IRingMultisig.proveEquivocation,
            (charter, _signedTurn(id, key, abi.encode(seed)), _signedTurn(id, key, abi.encode(~seed)))
        );
        vm.prank(stranger);
        (bool success,) = address(treasury).call(proof);
        _see(Rule.ProofsTakeTwoContents, success);
        if (!success) return;
        shouldStand[ring] = true;
        _changeSeat(ring, uint8(seed % SEATS), address(0));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master
    // ------------------------------------------------------------------------------------------------------------

    function resume(uint32 ringSeed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        uint32 epoch = uint32(changes[ring]);
        Message memory message = Messages.resume(ring, epoch, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.resume, (ring, epoch, authorization)), direct);
        shouldStand[ring] = false;
        ++changes[ring];
    }

    function formAnew(uint32 ringSeed, uint256 seed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.Charter memory charter = _randomCharter(ring, _mixed(seed));
        uint32 epoch = uint32(changes[ring]);
        Message memory message = Messages.formRing(ring, epoch, charter, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.formRing, (ring, epoch, charter, authorization)), direct);
        _formerCharters[ring] = _charters[ring];
        _charters[ring] = charter;
        shouldStand[ring] = false;
        ++changes[ring];
        // Turns and the main asset's meter are set back with the ring; so are the books.
        turnsIn[ring][_time / DAY] = 0;
        _setBack(ring, charter.asset);
    }

    function replace(uint32 ringSeed, uint256 seed, bool andResume, bool direct) external watched {
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
        _replace(ring, seat, key, andResume, direct);
        if (andResume) shouldStand[ring] = false;
        _changeSeat(ring, seat, key);
    }

    function _replace(uint32 ring, uint8 seat, address key, bool andResume, bool direct) private {
        uint32 epoch = uint32(changes[ring]);
        IRingMultisig.Charter memory charter = _charters[ring];
        Message memory message = Messages.replace(ring, epoch, seat, key, andResume, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        bytes memory call_ =
            abi.encodeCall(IRingMultisig.replace, (ring, epoch, seat, key, andResume, charter, authorization));
        _act(master, call_, direct);
    }

    function setPermissions(uint32 ringSeed, bool metered, bool allowed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        bytes4 selector = metered ? METERED : UNMETERED;
        IRingMultisig.Permission[] memory permissions = _permissions(_recorderPermission(selector, allowed));
        Message memory message = Messages.setPermissions(ring, permissions, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.setPermissions, (ring, permissions, authorization)), direct);
        permitted[ring][selector] = allowed;
    }

    /// @notice The same cap again: what was spent of it counts from zero.
    function setLimits(uint32 ringSeed, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        IRingMultisig.LimitSetting[] memory limits = _limits(_otherAsset(ring), CAP / 2, DAY);
        Message memory message = Messages.setLimits(ring, limits, actions[master], _time);
        IRingMultisig.Authorization memory authorization = _authorization(master, message, direct);
        _act(master, abi.encodeCall(IRingMultisig.setLimits, (ring, limits, authorization)), direct);
        _setBack(ring, _otherAsset(ring));
    }

    function permitPayment(uint32 ringSeed, uint96 amount, bool direct) external watched {
        uint32 ring = _ring(ringSeed);
        Payment memory next = Payment(changes[ring], _nextRequest(), payee, uint96(bound(amount, 1, 3 * CAP)), false);
        // Only the last one permitted is in the books, so the one before it has to be used or dead.
        if (payment[ring].epoch == changes[ring] && !payment[ring].used) return;
        IRingMultisig.Authorization memory authorization = _authorization(master, _permitMessage(ring, next), direct);
        _act(master, _permitCall(ring, next, authorization), direct);
        payment[ring] = next;
    }

    function _permitMessage(uint32 ring, Payment memory p) private view returns (Message memory) {
        address asset = _charters[ring].asset;
        uint32 epoch = uint32(p.epoch);
        return Messages.permitPayment(ring, epoch, p.requestId, asset, p.to, p.amount, actions[master], _time);
    }

    function _permitCall(uint32 ring, Payment memory p, IRingMultisig.Authorization memory authorization)
        private
        view
        returns (bytes memory)
    {
        address asset = _charters[ring].asset;
        uint32 epoch = uint32(p.epoch);
        return
            abi.encodeCall(
                IRingMultisig.permitPayment, (ring, epoch, p.requestId, asset, p.to, p.amount, authorization)
            );
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev Two of three: what stops a ring is rarer than what it does.
    function _isSpared(uint256 seed) private pure returns (bool) {
        return _mixed(seed) % 3 != 0;
    }

    /// @dev What the fuzzer gives is often small, or a number that it has seen before.
    function _mixed(uint256 seed) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }

    function _isStuck(uint32 ring) private view returns (bool) {
        IRingMultisig.Charter storage charter = _charters[ring];
        for (uint256 i; i < SEATS; ++i) {
            if (charter.seats[i] == address(0)) return true;
        }
        return shouldStand[ring] || _time > charter.expiresAt || turns[ring] > charter.lastNonce;
    }

    function _nextTurn(uint32 ring, bytes memory calls) internal view returns (Turn memory) {
        return _nextTurn(ring, _charters[ring], calls);
    }

    function _nextTurn(uint32 ring, IRingMultisig.Charter memory charter, bytes memory calls)
        internal
        view
        returns (Turn memory)
    {
        uint8[] memory stances = new uint8[](SEATS);
        uint256 missing = charter.quorum;
        for (uint256 i; i < charter.window && missing != 0; ++i) {
            if (charter.seats[(turns[ring] + i) % SEATS] == address(0)) continue;
            stances[i] = SIGNED;
            --missing;
        }
        return _turn(_id(ring, uint32(changes[ring]), uint40(turns[ring]), NO_EXPIRY), charter, calls, stances);
    }

    /// @dev One to three calls, most of them within the caps and permitted.
    function _randomCalls(uint32 ring, uint256 seed) internal returns (bytes memory calls) {
        uint256 count = 1 + seed % 3;
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            calls = bytes.concat(calls, _randomCall(ring, seed, (seed >> 16) % (CAP / (seed % 4 == 0 ? 1 : 4))));
        }
    }

    function _randomCall(uint32 ring, uint256 seed, uint256 amount) private returns (bytes memory) {
        Payment memory known = payment[ring];
        bool waits = known.epoch == changes[ring] && !known.used;
        if (waits && (seed >> 128) % 3 == 0) return _pay(known.requestId, CALL_GAS, known.to, known.amount);
        address to = seed % 7 == 0 ? _refuser : payee;
        uint256 kind = (seed >> 8) % 16;
        if (kind < 5) return _pay(to, amount);
        if (kind < 7) return _call(to, amount, "");
        if (kind < 9) return _transfer(address(token), to, amount);
        if (kind < 11) return _call(address(_recorder), 0, abi.encodeWithSelector(METERED, payee, amount));
        if (kind < 13) return _call(address(_recorder), amount / 4, abi.encodeWithSelector(UNMETERED, seed));
        if (kind < 14) return _call(address(_recorder), 0, abi.encodeWithSelector(NEVER_PERMITTED));
        return _pay(known.requestId, CALL_GAS, known.to, known.amount);
    }

    /// @dev Five seats, any window and quorum; few turns, short leases, some of them in a hurry.
    function _randomCharter(uint32 ring, uint256 seed) private view returns (IRingMultisig.Charter memory charter) {
        charter = _charter(SEATS, uint8(1 + seed % SEATS), 1);
        charter.quorum = uint8(1 + (seed >> 8) % charter.window);
        charter.asset = ring == TOKEN_RING ? address(token) : address(0);
        charter.turnsPerPeriod = uint24(1 + (seed >> 16) % 8);
        charter.interval = (seed >> 24) % 3 == 0 ? 0 : uint24((seed >> 32) % 30 minutes);
        charter.expiresAt = uint40(_time + (seed >> 64) % 4 days);
        charter.lastNonce = uint40(turns[ring] + (seed >> 96) % 24);
        for (uint256 i; i < SEATS; ++i) {
            charter.seats[i] = keys[(seed >> 128) % 20 + i];
        }
    }

    function _recorderPermission(bytes4 selector, bool allowed)
        private
        view
        returns (IRingMultisig.Permission memory p)
    {
        p = _bareTransfer(address(_recorder));
        (p.selector, p.allowed) = (selector, allowed);
        if (selector == METERED) (p.amountWord, p.asset, p.addressWords) = (1, address(token), 1);
    }

    function _changeSeat(uint32 ring, uint8 seat, address key) private {
        _formerCharters[ring] = _charters[ring];
        _charters[ring].seats[seat] = key;
        ++changes[ring];
    }

    function _setBack(uint32 ring, address asset) private {
        booked[ring][asset][_time / DAY] = 0;
        outflow[ring][asset][_time / DAY] = 0;
    }

    function _authorization(address signer, Message memory message, bool direct)
        private
        view
        returns (IRingMultisig.Authorization memory)
    {
        return direct ? _direct(signer) : _by(signer, message, _time);
    }

    function _act(address signer, bytes memory call_, bool direct) private {
        vm.prank(direct ? signer : stranger);
        (bool success,) = address(treasury).call(call_);
        _see(Rule.HonestActionsWork, success);
        ++actions[signer];
        _sentActions.push(call_);
    }

    function _ring(uint32 seed) internal pure returns (uint32) {
        return seed % 2 == 0 ? NATIVE_RING : TOKEN_RING;
    }
}
