// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { SymbolicRing } from "./SymbolicRing.sol";

/// @title LeasesProof
/// @notice Turns that everybody agreed to and that come too late, too soon or too often. N, W, Q = 2, 2, 2; void turns.
contract LeasesProof is SymbolicRing {
    function check_AnExpiredTurnNeverExecutes() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(block.timestamp > turn.id.validUntil());
        assert(!_execute(ring, turn));
    }

    function check_ATurnAfterTheLeaseNeverExecutes() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(block.timestamp > ring.terms.expiresAt());
        assert(!_execute(ring, turn));
    }

    function check_ATurnAfterTheLastNonceNeverExecutes() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(_nonce(ring.state) > ring.terms.lastNonce());
        assert(!_execute(ring, turn));
    }

    function check_ATurnTooSoonAfterTheLastOneNeverExecutes() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(block.timestamp < _lastTurnAt(ring.state) + ring.terms.interval());
        assert(!_execute(ring, turn));
    }

    function check_NoMoreTurnsExecuteInAPeriodThanTheCharterSays() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(_periodIndex(ring.state) == uint24(block.timestamp / ring.terms.period()));
        vm.assume(_turns(ring.state) >= ring.terms.turnsPerPeriod());
        assert(!_execute(ring, turn));
    }

    /// @notice What all of these do not forbid executes: none of them is refused for another reason.
    function check_AVoidTurnInTimeAlwaysExecutes() external {
        (Ring memory ring, Turn memory turn) = _next();
        vm.assume(block.timestamp <= turn.id.validUntil());
        vm.assume(block.timestamp <= ring.terms.expiresAt());
        vm.assume(_nonce(ring.state) <= ring.terms.lastNonce());
        vm.assume(block.timestamp >= _lastTurnAt(ring.state) + ring.terms.interval());
        vm.assume(ring.terms.turnsPerPeriod() != 0);
        vm.assume(
            _periodIndex(ring.state) != uint24(block.timestamp / ring.terms.period())
                || _turns(ring.state) < ring.terms.turnsPerPeriod()
        );
        assert(_execute(ring, turn));
    }

    function _next() private returns (Ring memory ring, Turn memory turn) {
        ring = _anyRing(2, 2, 2, 1);
        turn = _agreed(RING, ring, "");
    }
}
