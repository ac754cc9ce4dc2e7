// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title CapModel
/// @notice What was spent of one asset, as a list of all that was ever spent: nothing is summed up until it is asked.
contract CapModel {
    struct Entry {
        uint256 time;
        uint256 amount;
    }

    uint256 private immutable CAP;
    uint256 private immutable PERIOD;
    Entry[] private _entries;

    constructor(uint256 cap, uint256 period) {
        CAP = cap;
        PERIOD = period;
    }

    function allows(uint256 time, uint256 amount) public view returns (bool) {
        uint256 start = time - time % PERIOD;
        uint256 spent = spentBetween(start, start + PERIOD);
        return amount <= CAP && spent + amount <= CAP;
    }

    function spend(uint256 time, uint256 amount) external {
        _entries.push(Entry(time, amount));
    }

    function spentBetween(uint256 from, uint256 to) public view returns (uint256 sum) {
        for (uint256 i; i < _entries.length; ++i) {
            if (from <= _entries[i].time && _entries[i].time < to) sum += _entries[i].amount;
        }
    }

    /// @notice The most that was spent in any span as long as a period, whereever it starts.
    function mostInAnySpan() external view returns (uint256 most) {
        for (uint256 i; i < _entries.length; ++i) {
            uint256 sum = spentBetween(_entries[i].time, _entries[i].time + PERIOD);
            if (sum > most) most = sum;
        }
    }
}
