// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";

/// @notice What a turn costs as a transaction of its own: two of three seats, the second payment of a day, to somebody
/// who already has some. Bounds, so that a dearer turn is noticed.
contract TurnGasTest is RingTest {
    uint32 private constant TOKEN_RING = 8;

    /// @dev The first payments are made here, in another transaction: a slot written twice in one is cheaper.
    function setUp() public override {
        super.setUp();
        _form(RING, _usualCharter());
        _form(TOKEN_RING, _tokenCharter());
        _run(RING, _usualCharter(), _pay(payee, 1));
        _run(TOKEN_RING, _tokenCharter(), _pay(payee, 1));
    }

    function test_PayTheNativeCoin() public {
        _costsAtMost("pay native", RING, _usualCharter(), 64_000);
    }

    function test_PayAToken() public {
        _costsAtMost("pay ERC-20", TOKEN_RING, _tokenCharter(), 68_500);
    }

    function _costsAtMost(string memory name, uint32 ring, IRingMultisig.Charter memory charter, uint256 most) private {
        Turn memory turn = _turn(ring, charter, _pay(payee, 1 ether));
        bytes memory input = _encoded(turn);
        vm.cool(address(treasury));
        vm.cool(address(token));
        vm.cool(payee);
        _execute(turn);
        uint256 cost = vm.lastCallGas().gasTotalUsed + 21_000 + _priceOf(input);
        emit log_named_uint(name, cost);
        assertLe(cost, most);
    }

    function _priceOf(bytes memory input) private pure returns (uint256 price) {
        for (uint256 i; i < input.length; ++i) {
            price += input[i] == 0 ? 4 : 16;
        }
    }
}
