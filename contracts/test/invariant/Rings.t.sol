// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { PlainToken } from "../doubles/Tokens.sol";
import { RingActions } from "./RingActions.sol";
import { Rule } from "./RingBooks.sol";
import { RingHandler } from "./RingHandler.sol";

/// @notice What holds after any sequence of calls, by the handler's books of all that happened before. The first kind compares
/// the contract's state with the books; the second asks whether a rule was ever broken on the way.
contract RingsInvariantTest is Test {
    RingHandler private _handler;
    IRingMultisig private _treasury;

    function setUp() public {
        _handler = new RingHandler();
        _handler.setUp();
        _treasury = _handler.treasuryAddress();
        bytes4[21] memory functions = [
            RingActions.turn.selector,
            RingActions.turn.selector,
            RingActions.turn.selector,
            RingActions.turn.selector,
            RingActions.turn.selector,
            RingActions.void.selector,
            RingActions.signAhead.selector,
            RingActions.pass.selector,
            RingActions.halt.selector,
            RingActions.revoke.selector,
            RingActions.proveEquivocation.selector,
            RingActions.resume.selector,
            RingActions.formAnew.selector,
            RingActions.replace.selector,
            RingActions.setPermissions.selector,
            RingActions.setLimits.selector,
            RingActions.permitPayment.selector,
            RingActions.permitPayment.selector,
            RingHandler.sendWhatWasSignedEarlier.selector,
            RingHandler.replay.selector,
            RingHandler.signWithFormerKeys.selector
        ];
        bytes4[5] memory attacks = [
            RingHandler.signWithOtherSeats.selector,
            RingHandler.replayAction.selector,
            RingHandler.tamper.selector,
            RingHandler.proveHonesty.selector,
            RingHandler.usurp.selector
        ];
        bytes4[] memory selectors = new bytes4[](functions.length + attacks.length);
        for (uint256 i; i < selectors.length; ++i) {
            selectors[i] = i < functions.length ? functions[i] : attacks[i - functions.length];
        }
        targetSelector(FuzzSelector(address(_handler), selectors));
        targetContract(address(_handler));
    }

    // ------------------------------------------------------------------------------------------------------------
    // The state is what the books say
    // ------------------------------------------------------------------------------------------------------------

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

    function invariant_ActionNonceCountsTheActions() public view {
        (address master, address guardian) = _handler.signers();
        assertEq(_treasury.actionNonce(master), _handler.actions(master));
        assertEq(_treasury.actionNonce(guardian), _handler.actions(guardian));
        assertEq(_treasury.master(), master);
        assertEq(_treasury.guardian(), guardian);
        assertEq(_treasury.pendingMaster(), address(0));
    }

    /// @dev To the last unit: what calls that succeed took, and nothing else, has left.
    function invariant_TreasuryHoldsWhatTheBooksSay() public view {
        PlainToken token = PlainToken(_handler.tokenAddress());
        assertEq(address(_treasury).balance, _handler.expectedBalance(address(0)));
        assertEq(token.balanceOf(address(_treasury)), _handler.expectedBalance(address(token)));
    }

    /// @dev Failed calls are booked like the others; permitted payments are not.
    function invariant_MetersShowWhatWasBooked() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            IRingMultisig.RingView memory state = _treasury.getRing(ring);
            address main = _handler.charterOf(ring).asset;
            assertEq(state.spent, _handler.booked(ring, main, state.periodIndex));
            IRingMultisig.LimitView memory limit = _treasury.getLimit(ring, _handler.otherAsset(ring));
            assertEq(limit.spent, _handler.booked(ring, limit.asset, limit.periodIndex));
        }
    }

    function invariant_TurnsAndTheirTimeAreCounted() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            IRingMultisig.RingView memory state = _treasury.getRing(ring);
            assertEq(state.turns, _handler.turnsIn(ring, state.periodIndex));
            assertEq(state.lastTurnAt, _handler.lastTurnAt(ring));
        }
    }

    function invariant_PermissionsAreWhatWasGiven() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            IRingMultisig.Permission[] memory listed = _treasury.getPermissions(ring);
            for (uint256 i; i < listed.length; ++i) {
                bytes4 selector = listed[i].selector;
                if (selector != _handler.METERED() && selector != _handler.UNMETERED()) continue;
                assertEq(listed[i].allowed, _handler.permitted(ring, selector));
            }
        }
    }

    /// @dev Unused, and of this epoch: otherwise it is not permitted.
    function invariant_APermittedPaymentIsUsedOnceAtMost() public view {
        for (uint32 ring = 1; ring <= 2; ++ring) {
            (uint256 epoch, bytes16 requestId, address to, uint96 amount, bool used) = _handler.payment(ring);
            address asset = _handler.charterOf(ring).asset;
            assertEq(
                _treasury.isPaymentPermitted(ring, requestId, asset, to, amount),
                epoch == _handler.changes(ring) && !used
            );
        }
        _never(Rule.NothingPassesTheCapButOncePermitted);
    }

    // ------------------------------------------------------------------------------------------------------------
    // The rule was never broken
    // ------------------------------------------------------------------------------------------------------------

    function invariant_AHaltedRingMovesNothing() public view {
        _never(Rule.HaltedRingsMoveNothing);
    }

    function invariant_TurnsGoInOrderAndOnce() public view {
        _never(Rule.TurnsGoInOrder);
        _never(Rule.OneContentPerNonce);
    }

    /// @dev No key that was revoked, none that never sat, none from outside the window.
    function invariant_OnlyTheQuorumOfTheWindowCounts() public view {
        _never(Rule.OnlyTheQuorumOfTheWindowCounts);
        _never(Rule.TamperedTurnsFail);
    }

    function invariant_NothingRunsAfterTheLease() public view {
        _never(Rule.NothingRunsAfterTheLease);
    }

    function invariant_NoPeriodHasMoreTurnsThanAllowed() public view {
        _never(Rule.NoMoreTurnsAPeriodThanAllowed);
    }

    function invariant_NoGapIsShorterThanTheInterval() public view {
        _never(Rule.NoGapShorterThanTheInterval);
    }

    function invariant_OnlyPermittedCallsAreMade() public view {
        _never(Rule.OnlyPermittedCallsAreMade);
    }

    /// @dev By real balances, permitted payments apart.
    function invariant_NoPeriodSpendsMoreThanItsCap() public view {
        _never(Rule.NoPeriodSpendsMoreThanItsCap);
    }

    function invariant_OneRingDoesNotTouchAnother() public view {
        _never(Rule.OtherRingsAreUntouched);
    }

    function invariant_NothingGoesBack() public view {
        _never(Rule.NothingGoesBack);
        _never(Rule.KeysChangeWithTheEpochAlone);
    }

    function invariant_TheMasterActsAndNobodyElse() public view {
        _never(Rule.HonestActionsWork);
        _never(Rule.NobodyElseActs);
    }

    function invariant_AProofTakesTwoContents() public view {
        _never(Rule.ProofsTakeTwoContents);
    }

    /// @dev All of them in one campaign: for very long ones, where one each would take a day.
    function invariant_AllAtOnce() public view {
        invariant_NonceCountsTheTurns();
        invariant_EpochCountsTheChanges();
        invariant_HaltedUntilTheMasterSaysOtherwise();
        invariant_CharterIsTheLastAnnounced();
        invariant_ActionNonceCountsTheActions();
        invariant_TreasuryHoldsWhatTheBooksSay();
        invariant_MetersShowWhatWasBooked();
        invariant_TurnsAndTheirTimeAreCounted();
        invariant_PermissionsAreWhatWasGiven();
        invariant_APermittedPaymentIsUsedOnceAtMost();
        assertEq(_handler.allViolations(), 0);
    }

    function _never(Rule rule) private view {
        assertEq(_handler.violations(rule), 0);
    }
}
