// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { CallBatch } from "../../src/libraries/CallBatch.sol";
import { TurnId } from "../../src/libraries/TurnIdLib.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Messages } from "../reference/Messages.sol";
import { RingModel } from "../reference/RingModel.sol";

/// @notice Windows, packings and digests against their plain descriptions.
contract TurnsTest is RingTest {
    struct Call {
        bool pay;
        bytes16 requestId;
        uint24 gas;
        address target;
        uint96 amount;
        bytes data;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Windows
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Any ring, any nonce, any set of signers: executed exactly when Q seats signed, all of them of the window.
    function testFuzz_ExecutesExactlyWhenQuorumOfTheWindowSigns(
        uint256 seats,
        uint256 window,
        uint256 quorum,
        uint256 nonce,
        uint32 signers,
        bool likely
    ) public {
        seats = bound(seats, 1, 32);
        window = bound(window, 1, seats);
        quorum = bound(quorum, 1, window);
        nonce = bound(nonce, 0, 2 * seats);
        IRingMultisig.Charter memory charter = _charter(seats, uint8(window), uint8(quorum));
        _form(RING, charter);
        for (uint256 i; i < nonce; ++i) {
            _run(RING, charter, "");
        }
        if (likely) signers = _likely(signers, window, quorum);

        uint8[] memory stances = new uint8[](seats);
        uint256 signed;
        bool onlyOfWindow = true;
        for (uint256 i; i < seats; ++i) {
            if (signers >> i & 1 == 0) continue;
            stances[i] = SIGNED;
            ++signed;
            if (!RingModel.inWindow((nonce + i) % seats, nonce, seats, window)) onlyOfWindow = false;
        }
        (bool success,) = address(treasury).call(_encoded(_turn(RING, charter, _pay(payee, 1), stances)));
        assertEq(success, onlyOfWindow && signed == quorum);
        assertEq(payee.balance, success ? 1 : 0);
        assertEq(treasury.getRing(RING).nonce, success ? nonce + 1 : nonce);
    }

    /// @dev Random signers rarely make a quorum: this keeps Q of the window.
    function _likely(uint32 seed, uint256 window, uint256 quorum) private pure returns (uint32 signers) {
        uint256 left = quorum;
        for (uint256 i; i < window; ++i) {
            bool take = left == window - i || (left != 0 && uint256(keccak256(abi.encode(seed, i))) % 2 == 0);
            if (!take) continue;
            signers |= uint32(1 << i);
            --left;
        }
    }

    // ------------------------------------------------------------------------------------------------------------
    // Digests
    // ------------------------------------------------------------------------------------------------------------

    function testFuzz_DigestIsThatOfEip712(
        uint32 ring,
        uint32 epoch,
        uint40 nonce,
        uint40 validUntil,
        bytes calldata calls,
        uint64 chainId
    ) public {
        vm.chainId(bound(chainId, 1, type(uint64).max - 1));
        TurnId id = _id(ring, epoch, nonce, validUntil);
        assertEq(id.ring(), ring);
        assertEq(id.epoch(), epoch);
        assertEq(id.nonce(), nonce);
        assertEq(id.validUntil(), validUntil);
        assertEq(
            treasury.turnDigest(id, calls),
            Messages.turn(ring, epoch, nonce, validUntil, calls).digest(_chainId(), address(treasury))
        );
    }

    function test_DomainSeparatorFollowsTheChain() public {
        bytes32 here = treasury.domainSeparator();
        vm.chainId(999);
        bytes32 there = treasury.domainSeparator();
        assertTrue(here != there);
        vm.chainId(31_337);
        assertEq(treasury.domainSeparator(), here);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Packed calls
    // ------------------------------------------------------------------------------------------------------------

    function testFuzz_ParsesWhatWasPacked(Call[] memory calls) public view {
        bytes memory packed;
        for (uint256 i; i < calls.length; ++i) {
            Call memory c = calls[i];
            packed = bytes.concat(
                packed,
                c.pay
                    ? _pay(c.requestId, c.gas, c.target, c.amount)
                    : _call(c.requestId, c.gas, c.target, c.amount, c.data)
            );
        }
        Call[] memory parsed = this.parse(packed);
        assertEq(parsed.length, calls.length);
        for (uint256 i; i < calls.length; ++i) {
            if (calls[i].pay) calls[i].data = "";
            assertEq(abi.encode(parsed[i]), abi.encode(calls[i]));
        }
    }

    /// @dev Whatever parses packs to the same bytes: no two batches mean the same, and nothing is left over.
    function testFuzz_PacksWhatWasParsed(bytes calldata noise, uint256 trimmed) public view {
        bytes memory packed = bytes.concat(noise);
        if (packed.length != 0) packed[0] = bytes1(uint8(packed[0]) % 3);
        // A length that fits is rare: write one in.
        if (packed.length > 55) {
            uint256 length = bound(trimmed, 0, packed.length - 55);
            (packed[52], packed[53], packed[54]) =
            (bytes1(uint8(length >> 16)), bytes1(uint8(length >> 8)), bytes1(uint8(length)));
        }
        try this.parse(packed) returns (Call[] memory parsed) {
            bytes memory again;
            for (uint256 i; i < parsed.length; ++i) {
                Call memory c = parsed[i];
                again = bytes.concat(
                    again,
                    c.pay
                        ? _pay(c.requestId, c.gas, c.target, c.amount)
                        : _call(c.requestId, c.gas, c.target, c.amount, c.data)
                );
            }
            assertEq(again, packed);
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IRingMultisig.CallsMalformed.selector, "reads out of bounds");
        }
    }

    function parse(bytes calldata packed) external pure returns (Call[] memory calls) {
        Call[] memory buffer = new Call[](packed.length / 52 + 1);
        uint256 count;
        for (uint256 offset; offset < packed.length; ++count) {
            Call memory c;
            uint256 kind;
            uint256 gas_;
            uint256 amount;
            (kind, c.requestId, gas_, c.target, amount) = CallBatch.head(packed, offset);
            (c.pay, c.gas, c.amount) = (kind == CallBatch.PAY, uint24(gas_), uint96(amount));
            if (c.pay) {
                offset = CallBatch.afterPay(offset);
            } else {
                bytes calldata data = CallBatch.data(packed, offset);
                c.data = data;
                offset = CallBatch.afterCall(offset, data);
            }
            buffer[count] = c;
        }
        calls = new Call[](count);
        for (uint256 i; i < count; ++i) {
            calls[i] = buffer[i];
        }
    }
}
