// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { Budget, CharterLib, Terms } from "../../src/libraries/CharterLib.sol";
import { Limit, LimitLib } from "../../src/libraries/LimitLib.sol";
import { PermissionLib, Rule } from "../../src/libraries/PermissionLib.sol";
import { Symbols } from "./Symbols.sol";

/// @title PackingProof
/// @notice Charters, limits and permissions in their words; what a limit is charged. Sums beside differences are quick work for
/// z3 and too much for yices.
/// @custom:halmos --solver z3
contract PackingProof is Test, Symbols {
    function check_TermsReadBackWhatWasPacked(uint8 count, uint24 period, uint24 turnsPerPeriod, uint24 interval)
        external
        pure
    {
        IRingMultisig.Charter memory charter = _anyCharter();
        (charter.period, charter.turnsPerPeriod, charter.interval) = (period, turnsPerPeriod, interval);
        charter.expiresAt = uint40(svm.createUint(40, "expiresAt"));
        Terms terms = CharterLib.packTerms(charter, count);
        assert(terms.seats() == count && terms.window() == charter.window && terms.quorum() == charter.quorum);
        assert(terms.period() == charter.period && terms.turnsPerPeriod() == charter.turnsPerPeriod);
        assert(terms.interval() == charter.interval && terms.expiresAt() == charter.expiresAt);
        assert(terms.lastNonce() == charter.lastNonce && uint256(Terms.unwrap(terms)) >> 176 == 0);
    }

    function check_ABudgetReadsBackWhatWasPacked() external pure {
        IRingMultisig.Charter memory charter = _anyCharter();
        Budget budget = CharterLib.packBudget(charter);
        assert(budget.asset() == charter.asset && budget.cap() == charter.cap);
    }

    /// @dev Of two seats each.
    function check_TwoChartersShareACommitmentOnlyIfTheyAreTheSame() external pure {
        (IRingMultisig.Charter memory first, IRingMultisig.Charter memory second) = (_anyCharter(), _anyCharter());
        vm.assume(CharterLib.commitment(first) == CharterLib.commitment(second));
        assert(first.window == second.window && first.quorum == second.quorum && first.cap == second.cap);
        assert(first.asset == second.asset && first.lastNonce == second.lastNonce);
        assert(first.seats[0] == second.seats[0] && first.seats[1] == second.seats[1]);
    }

    /// @dev Of no seats, one or two; only their number can tell these from one another.
    function check_TwoChartersWithOtherNumbersOfSeatsShareNoCommitment() external pure {
        (IRingMultisig.Charter memory first, IRingMultisig.Charter memory second) = (_anyCharter(), _anyCharter());
        first.seats = new address[](_pick(2, "fewer"));
        assert(CharterLib.commitment(first) != CharterLib.commitment(second));
    }

    function _anyCharter() private pure returns (IRingMultisig.Charter memory charter) {
        charter.window = uint8(svm.createUint(8, "window"));
        charter.quorum = uint8(svm.createUint(8, "quorum"));
        charter.asset = svm.createAddress("asset");
        charter.cap = uint96(svm.createUint(96, "cap"));
        charter.lastNonce = uint40(svm.createUint(40, "lastNonce"));
        charter.seats = new address[](2);
        (charter.seats[0], charter.seats[1]) = (svm.createAddress("key 0"), svm.createAddress("key 1"));
    }

    function check_ALimitReadsBackWhatWasPacked(uint104 cap, uint24 period) external pure {
        Limit limit = LimitLib.create(cap, period);
        assert(limit.cap() == cap && limit.period() == period && limit.spent() == 0 && limit.periodIndex() == 0);
    }

    function check_ATotalIsWithinTheCapOrRefused(uint104 cap, uint104 spent, uint256 amount) external view {
        bytes memory input = abi.encodeCall(this.checkedTotal, (cap, spent, amount));
        (bool ok, bytes memory result) = address(this).staticcall(input);
        assert(ok == (cap != 0 && amount <= type(uint128).max && uint256(spent) + amount <= cap));
        if (ok) assert(abi.decode(result, (uint256)) == spent + amount);
    }

    /// @dev Of a day, on one day: dividing any time by any period is too hard for the solver. What was spent before may have
    /// been spent in any period.
    function check_ALimitIsChargedWhatIsSpentInThisPeriodAndNoMoreThanItsCap(
        uint104 cap,
        uint24 periodIndex,
        uint104 spentBefore,
        uint256 amount
    ) external {
        vm.warp(20_000 days + 12 hours);
        bytes32 word = bytes32(abi.encodePacked(spentBefore, uint24(1 days), periodIndex, cap));
        Limit limit = Limit.wrap(uint256(word));
        (bool ok, bytes memory result) = address(this).call(abi.encodeCall(this.charge, (limit, amount)));
        uint256 index = 20_000;
        uint256 spent = limit.periodIndex() == index ? limit.spent() : 0;
        bool isAllowed = limit.cap() != 0 && amount <= type(uint128).max && spent + amount <= limit.cap();
        assert(ok == isAllowed);
        if (!ok) return;
        Limit charged = abi.decode(result, (Limit));
        assert(charged.cap() == limit.cap() && charged.period() == limit.period());
        assert(charged.periodIndex() == index && charged.spent() == spent + amount);
    }

    function check_ARuleReadsBackThePermission(IRingMultisig.Permission calldata permission) external pure {
        Rule rule = PermissionLib.pack(permission);
        IRingMultisig.Permission memory unpacked = rule.unpack(permission.target, permission.selector);
        assert(keccak256(abi.encode(unpacked)) == keccak256(abi.encode(permission)));
        assert(rule.listed() && Rule.unwrap(rule) >> 186 == 0);
    }

    function check_AnArgumentIsTheWordBehindTheSelector(bytes4 selector, uint256 first, uint256 second) external view {
        bytes memory data = abi.encodeWithSelector(selector, first, second);
        assert(this.argument(data, 0) == first && this.argument(data, 1) == second);
    }

    function check_AnArgumentThatIsNotThereIsRefused(bytes4 selector, uint256 word) external view {
        bytes memory data = bytes.concat(abi.encodeWithSelector(selector, word), bytes31(0));
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.argument, (data, 1)));
        assert(!ok);
    }

    /// @dev Of three words, any of which may have to be addresses.
    function check_AddressWordsHaveCleanUpperBits(uint256 rule, uint256 first, uint256 second, uint256 third)
        external
        view
    {
        uint256 words = rule >> 168 & 7;
        bytes memory data = abi.encodeWithSelector(0xa9059cbb, first, second, third);
        bytes memory input = abi.encodeCall(this.checkAddresses, (Rule.wrap(words << 168), data));
        (bool ok,) = address(this).staticcall(input);
        bool isClean = (words & 1 == 0 || first < 2 ** 160) && (words & 2 == 0 || second < 2 ** 160)
            && (words & 4 == 0 || third < 2 ** 160);
        assert(ok == isClean);
    }

    function charge(Limit limit, uint256 amount) external view returns (Limit) {
        return limit.charge(address(1), amount);
    }

    function checkedTotal(uint256 cap, uint256 spent, uint256 amount) external pure returns (uint256) {
        return LimitLib.checkedTotal(address(1), cap, spent, amount);
    }

    function argument(bytes calldata data, uint256 word) external pure returns (uint256) {
        return PermissionLib.argument(address(1), data, word);
    }

    function checkAddresses(Rule rule, bytes calldata data) external pure {
        rule.checkAddresses(address(1), data);
    }
}
