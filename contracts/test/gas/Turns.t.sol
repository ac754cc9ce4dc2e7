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

    function test_PayTheNativeCoin_ASeatSends() public {
        _costsAtMost("native, a seat sends", RING, _usualCharter(), SENDER, 60_000);
    }

    function test_PayTheNativeCoin_Relayed() public {
        _costsAtMost("native, relayed", RING, _usualCharter(), SIGNED, 64_000);
    }

    function test_PayAToken_ASeatSends() public {
        _costsAtMost("ERC-20, a seat sends", TOKEN_RING, _tokenCharter(), SENDER, 64_500);
    }

    function test_PayAToken_Relayed() public {
        _costsAtMost("ERC-20, relayed", TOKEN_RING, _tokenCharter(), SIGNED, 68_500);
    }

    /// @param stance How the last seat of the window agrees: by signing, or by sending the transaction.
    function _costsAtMost(
        string memory name,
        uint32 ring,
        IRingMultisig.Charter memory charter,
        uint8 stance,
        uint256 most
    ) private {
        Turn memory turn = _turn(ring, charter, _pay(payee, 1 ether), _stances(SIGNED, stance, ABSENT));
        bytes memory input = _encoded(turn);
        vm.cool(address(treasury));
        vm.cool(address(token));
        vm.cool(payee);
        vm.prank(charter.seats[(turn.id.nonce() + 1) % 3]);
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
