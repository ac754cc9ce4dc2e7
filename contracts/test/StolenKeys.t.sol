// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../src/IRingMultisig.sol";
import { TurnId } from "../src/libraries/TurnIdLib.sol";
import { RingTest, Turn } from "./RingTest.sol";
import { RingModel } from "./reference/RingModel.sol";

/// @notice Every ring of up to eight seats, every window and quorum, every set of stolen keys, every place in the ring:
/// the thief, alone, takes exactly what the bound says, and not a turn more, whatever it tries.
contract StolenKeysTest is RingTest {
    /// @dev One theft: a ring, where it stands, and what the thief has.
    struct Theft {
        IRingMultisig.Charter charter;
        uint256 nonce;
        bool[] stolen;
    }

    /// @dev The witnesses that a thief may try.
    struct Witnesses {
        bytes insideOnly;
        bytes everywhere;
        bytes forgedSeats;
        bytes sentSeats;
    }

    function test_OneToFourSeats() public {
        for (uint8 seats = 1; seats <= 4; ++seats) {
            for (uint8 window = 1; window <= seats; ++window) {
                _everyTheft(seats, window, seats);
            }
        }
    }

    function test_FiveSeats() public {
        for (uint8 window = 1; window <= 5; ++window) {
            _everyTheft(5, window, 5);
        }
    }

    // From here on at one place in the ring: the contract knows a place by nonce mod N alone, and every set is also each of
    // the others turned around.

    function test_SixSeats() public {
        for (uint8 window = 1; window <= 6; ++window) {
            _everyTheft(6, window, 1);
        }
    }

    function test_SevenSeats_WindowsUpTo4() public {
        for (uint8 window = 1; window <= 4; ++window) {
            _everyTheft(7, window, 1);
        }
    }

    function test_SevenSeats_WindowsFrom5() public {
        for (uint8 window = 5; window <= 7; ++window) {
            _everyTheft(7, window, 1);
        }
    }

    function test_EightSeats_WindowsUpTo3() public {
        for (uint8 window = 1; window <= 3; ++window) {
            _everyTheft(8, window, 1);
        }
    }

    function test_EightSeats_WindowOf4() public {
        _everyTheft(8, 4, 1);
    }

    function test_EightSeats_WindowOf5() public {
        _everyTheft(8, 5, 1);
    }

    function test_EightSeats_WindowOf6() public {
        _everyTheft(8, 6, 1);
    }

    function test_EightSeats_WindowOf7() public {
        _everyTheft(8, 7, 1);
    }

    function test_EightSeats_WindowOf8() public {
        _everyTheft(8, 8, 1);
    }

    /// @dev The sentences of the design, checked against the count of turns that the thefts above are held to.
    function test_TheBoundsAsTheyAreStated() public {
        vm.pauseGasMetering();
        for (uint256 seats = 1; seats <= 8; ++seats) {
            for (uint256 set; set < 2 ** seats; ++set) {
                bool[] memory stolen = _set(seats, set);
                (uint256 count, uint256 longest) = _countAndLongestRun(stolen);
                for (uint256 window = 1; window <= seats; ++window) {
                    for (uint256 nonce; nonce < seats; ++nonce) {
                        uint256 turns = RingModel.turnsOfThief(stolen, nonce, window, window);
                        assert(turns == RingModel.boundOfFullQuorum(stolen, nonce, window));
                        if (count == seats) {
                            assert(turns == RingModel.FOREVER);
                        } else {
                            assert(longest < window ? turns == 0 : turns <= longest - window + 1);
                        }
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @param places At how many places in the ring it begins, one after the other.
    function _everyTheft(uint8 seats, uint8 window, uint256 places) private {
        // Thousands of thefts of many turns: their gas says nothing, and would exceed the test's.
        vm.pauseGasMetering();
        for (uint8 quorum = 1; quorum <= window; ++quorum) {
            IRingMultisig.Charter memory charter = _charter(seats, window, quorum);
            charter.cap = type(uint96).max;
            _form(RING, charter);
            for (uint256 place; place < places; ++place) {
                uint256 start = vm.snapshotState();
                for (uint256 set; set < 2 ** seats; ++set) {
                    // A call of its own, so that its memory is given back.
                    this.commit(Theft(charter, treasury.getRing(RING).nonce, _set(seats, set)));
                    vm.revertToState(start);
                }
                _run(RING, charter, "");
            }
        }
    }

    /// @notice Sees one thief take what it can.
    function commit(Theft calldata theft) external {
        uint256 seats = theft.stolen.length;
        uint256 window = theft.charter.window;
        uint256 bound = RingModel.turnsOfThief(theft.stolen, theft.nonce, window, theft.charter.quorum);
        if (window == theft.charter.quorum) {
            assertEq(bound, RingModel.boundOfFullQuorum(theft.stolen, theft.nonce, window));
        }
        uint256 turns = bound == RingModel.FOREVER ? seats + window : bound;
        for (uint256 i; i < turns; ++i) {
            assertTrue(this.steal(theft, theft.nonce + i), "the thief gets less than the bound says");
        }
        assertEq(payee.balance, turns);
        if (bound != RingModel.FOREVER) this.tryEverything(theft, theft.nonce + turns);
        assertEq(payee.balance, turns, "the thief gets more than the bound says");
        assertEq(treasury.getRing(RING).nonce, theft.nonce + turns);
    }

    /// @notice The straight way: the first Q stolen seats of the window sign, the others are named.
    function steal(Theft calldata theft, uint256 nonce) external returns (bool) {
        uint8[] memory stances = new uint8[](theft.stolen.length);
        uint256 missing = theft.charter.quorum;
        for (uint256 i; i < theft.charter.window && missing != 0; ++i) {
            if (!theft.stolen[(nonce + i) % theft.stolen.length]) continue;
            stances[i] = SIGNED;
            --missing;
        }
        return _send(_turn(_loot(nonce), theft.charter, _pay(payee, 1), stances));
    }

    /// @notice The crooked ways, for a turn that the stolen keys cannot make: each must fail.
    function tryEverything(Theft calldata theft, uint256 nonce) external {
        uint256 seats = theft.stolen.length;
        IRingMultisig.Charter memory charter = theft.charter;
        Turn memory turn = _turn(_loot(nonce), charter, _pay(payee, 1), new uint8[](seats));
        bytes32 digest = _digest(turn.id, turn.calls);
        bytes[] memory signed = new bytes[](seats);
        address aThief;
        for (uint256 seat; seat < seats; ++seat) {
            if (!theft.stolen[seat]) continue;
            signed[seat] = _signed(charter.seats[seat], digest);
            aThief = charter.seats[seat];
        }
        bytes memory forged = aThief == address(0) ? _signed(stranger, digest) : _signed(aThief, digest);

        Witnesses memory witnesses = _witnesses(theft, nonce, signed, forged);
        _fails(turn, witnesses.insideOnly);
        _fails(turn, witnesses.everywhere);
        _fails(turn, witnesses.forgedSeats);
        vm.prank(aThief == address(0) ? stranger : aThief);
        _fails(turn, witnesses.sentSeats);

        // The quorum understated to what it has; the window widened to all seats.
        turn.terms = _terms(seats, charter.window, RingModel.stolenInWindow(theft.stolen, nonce, charter.window));
        _fails(turn, witnesses.insideOnly);
        turn.terms = _terms(seats, seats, charter.quorum);
        _fails(turn, witnesses.everywhere);

        // Another ring of the thief's own: its stolen keys alone, or its own key in the honest seats.
        turn.terms = _terms(1, 1, 1);
        _fails(turn, forged);

        // The next turns, whose windows may be better.
        for (uint256 later = 1; later < seats; ++later) {
            assertFalse(this.steal(theft, nonce + later), "a turn out of order");
        }
    }

    /// @dev Honest seats named as absent; then each in turn filled: with a stolen key's signature, with the sender.
    function _witnesses(Theft calldata theft, uint256 nonce, bytes[] memory signed, bytes memory forged)
        private
        pure
        returns (Witnesses memory made)
    {
        for (uint256 i; i < signed.length; ++i) {
            uint256 seat = (nonce + i) % signed.length;
            bytes memory absent = _absent(theft.charter.seats[seat]);
            bool inside = i < theft.charter.window;
            bool has = theft.stolen[seat];
            made.insideOnly = bytes.concat(made.insideOnly, has && inside ? signed[seat] : absent);
            made.everywhere = bytes.concat(made.everywhere, has ? signed[seat] : absent);
            made.forgedSeats = bytes.concat(made.forgedSeats, !inside ? absent : has ? signed[seat] : forged);
            made.sentSeats = bytes.concat(made.sentSeats, !inside ? absent : has ? signed[seat] : bytes(hex"02"));
        }
    }

    function _fails(Turn memory turn, bytes memory witness) private {
        turn.witness = witness;
        assertFalse(_send(turn), "a turn that stolen keys cannot make");
    }

    function _send(Turn memory turn) private returns (bool success) {
        (success,) = address(treasury).call(_encoded(turn));
    }

    function _loot(uint256 nonce) private view returns (TurnId) {
        return _id(RING, treasury.getRing(RING).epoch, uint40(nonce), NO_EXPIRY);
    }

    function _set(uint256 seats, uint256 bits) private pure returns (bool[] memory set) {
        set = new bool[](seats);
        for (uint256 seat; seat < seats; ++seat) {
            set[seat] = bits >> seat & 1 == 1;
        }
    }

    function _countAndLongestRun(bool[] memory set) private pure returns (uint256 count, uint256 longest) {
        uint256 run;
        for (uint256 i; i < 2 * set.length; ++i) {
            if (i < set.length && set[i]) ++count;
            run = set[i % set.length] ? run + 1 : 0;
            if (run > longest) longest = run;
        }
        if (longest > set.length) longest = set.length;
    }
}
