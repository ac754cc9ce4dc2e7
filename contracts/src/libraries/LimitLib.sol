// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../IRingMultisig.sol";

/// @notice A cap on one asset and what was spent of it, in one slot.
///
///     255  152 151  128 127         104 103   0
///     | spent | period | periodIndex  |  cap  |
type Limit is uint256;

using LimitLib for Limit global;

/// @title LimitLib
/// @notice Caps over aligned periods: period `i` holds the seconds from `i * period` on. Whatever the edges, any span as
/// long as one period touches two of them, so at most twice the cap is spent in it.
library LimitLib {
    /// @notice The shortest period. Shorter ones are no limit: a thief would wait them out.
    uint256 internal constant MIN_PERIOD = 1 hours;

    /// @notice A limit of which nothing is spent.
    function create(uint104 cap_, uint24 period_) internal pure returns (Limit) {
        return Limit.wrap(uint256(cap_) | uint256(period_) << 128);
    }

    /// @notice The most that may be spent in one period.
    function cap(Limit limit) internal pure returns (uint104) {
        return uint104(Limit.unwrap(limit));
    }

    /// @notice The period in which `spent` was spent.
    function periodIndex(Limit limit) internal pure returns (uint24) {
        return uint24(Limit.unwrap(limit) >> 104);
    }

    /// @notice The length of a period in seconds. 0: there is no limit, so nothing may be spent.
    function period(Limit limit) internal pure returns (uint24) {
        return uint24(Limit.unwrap(limit) >> 128);
    }

    /// @notice What was spent in that period.
    function spent(Limit limit) internal pure returns (uint104) {
        return uint104(Limit.unwrap(limit) >> 152);
    }

    /// @notice The limit after spending `amount` now.
    function charge(Limit limit, address asset, uint256 amount) internal view returns (Limit) {
        // No limit at all: nothing may be spent, and there is no period to divide by.
        if (limit.period() == 0) revert IRingMultisig.CapExceeded(asset, 0, 0, amount);
        uint24 index = currentIndex(limit.period());
        uint256 spent_ = limit.periodIndex() == index ? limit.spent() : 0;
        uint256 total = checkedTotal(asset, limit.cap(), spent_, amount);
        return Limit.wrap(uint256(limit.cap()) | uint256(index) << 104 | uint256(limit.period()) << 128 | total << 152);
    }

    /// @notice The index of the period that this block is in.
    function currentIndex(uint256 period_) internal view returns (uint24 index) {
        // Fits: period_ is at least one hour, and 2^24 hours are 1,900 years. In assembly because a period is never zero.
        assembly ("memory-safe") {
            index := div(timestamp(), period_)
        }
    }

    /// @notice What is spent with `amount` more, if the cap allows it. A cap of zero allows nothing, not even zero.
    function checkedTotal(address asset, uint256 cap_, uint256 spent_, uint256 amount)
        internal
        pure
        returns (uint256 total)
    {
        unchecked {
            // Compared by subtraction: a token's amount is any 256-bit number and must not overflow into the cap.
            if (cap_ == 0 || spent_ > cap_ || amount > cap_ - spent_) {
                revert IRingMultisig.CapExceeded(asset, cap_, spent_, amount);
            }
            return spent_ + amount;
        }
    }
}
