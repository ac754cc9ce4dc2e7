// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingHandler } from "./RingHandler.sol";

/// @notice What holds after any sequence of calls. Each compares the contract with the handler's books of all that
/// happened before, not with the same call.
///
/// - nonces: never back, one up for each executed turn and for nothing else
/// - epochs: never back, one up for each change of keys or resumption and for nothing else
/// - a halted ring executes nothing; only the master sets it going
/// - a digest is executed once; no two contents share ring, epoch and nonce; no turn of an old epoch is executed
/// - in no period more than the cap is spent; nothing leaves but what turns were allowed to spend
/// - action nonces: one up for each action; nobody else acts for the master; no action works twice
contract RingsInvariantTest is Test {
    uint256 private constant CAP = 10 ether;

    RingHandler private _handler;
    IRingMultisig private _treasury;
    uint256 private _nativeAtStart;
    uint256 private _tokensAtStart;

    function setUp() public {
        _handler = new RingHandler();
        _handler.setUp();
        _treasury = _handler.treasuryAddress();
        (_nativeAtStart, _tokensAtStart) = _handler.balances();
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = RingHandler.turn.selector;
        selectors[1] = RingHandler.turn.selector;
        selectors[2] = RingHandler.turn.selector;
        selectors[3] = RingHandler.void.selector;
        selectors[4] = RingHandler.signAhead.selector;
        selectors[5] = RingHandler.sendWhatWasSignedEarlier.selector;
        selectors[6] = RingHandler.replay.selector;
        selectors[7] = RingHandler.pass.selector;
        selectors[8] = RingHandler.halt.selector;
        selectors[9] = RingHandler.resume.selector;
        selectors[10] = RingHandler.formAnew.selector;
        selectors[11] = RingHandler.replace.selector;
        selectors[12] = RingHandler.usurp.selector;
        selectors[13] = RingHandler.tamper.selector;
        targetSelector(FuzzSelector(address(_handler), selectors));
        bytes4[] memory more = new bytes4[](2);
        more[0] = RingHandler.revoke.selector;
        more[1] = RingHandler.replayAction.selector;
        targetSelector(FuzzSelector(address(_handler), more));
        targetContract(address(_handler));
    }

    /// @dev Everything that the handler found impossible when it happened.
    function invariant_NothingImpossibleHappened() public view {
        string[] memory wrongs = _handler.wrongs();
        if (wrongs.length != 0) assertEq(wrongs[0], "");
    }

    function invariant_NonceCountsTheTurns() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            assertEq(_treasury.getRing(ring).nonce, _handler.turns(ring));
        }
    }

    function invariant_EpochCountsTheChanges() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            assertEq(_treasury.getRing(ring).epoch, _handler.changes(ring));
        }
    }

    function invariant_HaltedUntilTheMasterSaysOtherwise() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            assertEq(_treasury.getRing(ring).halted, _handler.shouldStand(ring));
        }
    }

    function invariant_CharterIsTheLastAnnounced() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            assertEq(_treasury.getRing(ring).charter, _treasury.charterHash(_handler.charterOf(ring)));
        }
    }

    function invariant_NoPeriodSpendsMoreThanItsCap() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            address main = _handler.charterOf(ring).asset;
            for (uint256 day = _handler.firstPeriod(); day <= _handler.today(); ++day) {
                assertLe(_handler.outflow(ring, main, day), CAP);
                assertLe(_handler.outflow(ring, _handler.otherAsset(ring), day), CAP / 2);
            }
        }
    }

    /// @dev What left the treasury left by turns that were allowed to spend it. Failed calls are booked too, so this
    /// is a bound and no equation.
    function invariant_NothingLeavesUnbooked() public view {
        (uint256 native, uint256 tokens) = _handler.balances();
        assertLe(_nativeAtStart - native, _handler.totalOutflow(address(0)));
        assertLe(_tokensAtStart - tokens, _handler.totalOutflow(_handler.otherAsset(1)));
    }

    /// @dev Each formation sets the meter back once: cap × (periods + formations), for each of the rings.
    function invariant_TotalOutflowIsBoundedByTheCaps() public view {
        uint256 periods = _handler.today() - _handler.firstPeriod() + 1;
        uint256 changes = _handler.changes(1) + _handler.changes(2);
        uint256 most = CAP * (2 * periods + changes);
        (uint256 native, uint256 tokens) = _handler.balances();
        assertLe(_nativeAtStart - native, most);
        assertLe(_tokensAtStart - tokens, most);
    }

    function invariant_ActionNonceCountsTheActions() public view {
        (address master, address guardian) = _handler.signers();
        assertEq(_treasury.actionNonce(master), _handler.actions(master));
        assertEq(_treasury.actionNonce(guardian), _handler.actions(guardian));
        assertEq(_treasury.master(), master);
        assertEq(_treasury.guardian(), guardian);
    }
}
