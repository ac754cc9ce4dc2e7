// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest, Turn } from "../RingTest.sol";
import { Gauge } from "../doubles/Callees.sol";

/// @notice Which calls a ring may make: none that was not permitted, with arguments as the permission says. Every turn here
/// is well signed; a refused one leaves its nonce for another. What the calls spend is in `MeteredCalls.t.sol`.
contract PermittedCallsTest is RingTest {
    IRingMultisig.Charter private _ring;
    Gauge private _gauge;
    bytes4 private constant FUNCTION = 0xc0ffee00;

    function setUp() public override {
        super.setUp();
        _ring = _usualCharter();
        _form(RING, _ring);
        _gauge = new Gauge();
    }

    // ------------------------------------------------------------------------------------------------------------
    // Default-deny
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_NothingIsPermitted() public {
        _limit(RING, address(token), CAP);
        _notPermitted(_transfer(address(token), payee, 0), address(token), IERC20.transfer.selector);
        _notPermitted(_call(payee, 1, ""), payee, bytes4(0));
        // Not even nothing: a bare call is a call.
        _notPermitted(_call(payee, 0, ""), payee, bytes4(0));
    }

    function test_RevertWhen_TheSelectorIsAnother() public {
        _allow(RING, address(token), CAP);
        bytes[5] memory others = [
            abi.encodeCall(IERC20.approve, (payee, 1)),
            abi.encodeCall(IERC20.transferFrom, (address(treasury), payee, 1)),
            abi.encodeWithSignature("increaseAllowance(address,uint256)", payee, 1),
            abi.encodeWithSignature("permit(address,uint256)", payee, 1),
            abi.encodeWithSignature("multicall(bytes[])", new bytes[](0))
        ];
        for (uint256 i; i < others.length; ++i) {
            _notPermitted(_call(address(token), 0, others[i]), address(token), bytes4(others[i]));
        }
    }

    function testFuzz_RevertWhen_TheSelectorIsAnother(bytes4 selector, address to, uint256 amount) public {
        vm.assume(selector != IERC20.transfer.selector);
        _allow(RING, address(token), CAP);
        _notPermitted(_call(address(token), 0, abi.encodeWithSelector(selector, to, amount)), address(token), selector);
    }

    function test_RevertWhen_TheTargetIsAnother() public {
        _permit(RING, _unmetered(address(_gauge)));
        address other = address(new Gauge());
        _notPermitted(_call(other, 0, bytes.concat(FUNCTION)), other, FUNCTION);
    }

    /// @dev Target zero means "any address" for bare transfers alone.
    function test_RevertWhen_OnlyBareTransfersToAnybodyArePermitted() public {
        _permit(RING, _bareTransfer(address(0)));
        _notPermitted(_call(address(_gauge), 0, bytes.concat(FUNCTION)), address(_gauge), FUNCTION);
        _notPermitted(_call(address(0), 0, bytes.concat(FUNCTION)), address(0), FUNCTION);
    }

    function test_RevertWhen_ThePermissionIsOfAnotherRing() public {
        _form(9, _ring);
        _allow(9, address(token), CAP);
        _limit(RING, address(token), CAP);
        _notPermitted(_transfer(address(token), payee, 1), address(token), IERC20.transfer.selector);
        _run(9, _ring, _transfer(address(token), payee, 1));
    }

    function test_RevertWhen_OneCallOfABatchIsNotPermitted() public {
        _notPermitted(
            bytes.concat(_pay(payee, 1), _transfer(address(token), payee, 1), _pay(payee, 1)),
            address(token),
            IERC20.transfer.selector
        );
        assertEq(payee.balance, 0);
    }

    function test_RevertWhen_ThePermissionWasTakenAway() public {
        IRingMultisig.Permission memory permission = _unmetered(address(_gauge));
        _permit(RING, permission);
        _run(RING, _ring, _call(address(_gauge), 0, bytes.concat(FUNCTION)));
        permission.allowed = false;
        _permit(RING, permission);
        _notPermitted(_call(address(_gauge), 0, bytes.concat(FUNCTION)), address(_gauge), FUNCTION);
        permission.allowed = true;
        _permit(RING, permission);
        _run(RING, _ring, _call(address(_gauge), 0, bytes.concat(FUNCTION)));
    }

    /// @dev Permissions are the ring's, not its keys'.
    function test_PermissionsStayWhenTheRingIsFormedAnew() public {
        _permit(RING, _unmetered(address(_gauge)));
        IRingMultisig.Charter memory charter = _charter(5, 3, 2);
        _form(RING, charter);
        _run(RING, charter, _callGauge(0, bytes.concat(FUNCTION)));
        assertEq(_gauge.data(), bytes.concat(FUNCTION));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Bare transfers
    // ------------------------------------------------------------------------------------------------------------

    function test_BareTransfersToOneAddress() public {
        _permit(RING, _bareTransfer(payee));
        _run(RING, _ring, _call(payee, 5, ""));
        assertEq(payee.balance, 5);
        _notPermitted(_call(stranger, 1, ""), stranger, bytes4(0));
        _notPermitted(_call(address(0), 1, ""), address(0), bytes4(0));
    }

    function test_BareTransfersToAnybody() public {
        _permit(RING, _bareTransfer(address(0)));
        _run(RING, _ring, bytes.concat(_call(payee, 5, ""), _call(stranger, 6, "")));
        assertEq(payee.balance, 5);
        assertEq(stranger.balance, 6);
    }

    /// @dev Either permission is enough, and taking one away does not take the other.
    function test_RevertWhen_BothPermissionsForBareTransfersAreTakenAway() public {
        IRingMultisig.Permission memory toAnybody = _bareTransfer(address(0));
        IRingMultisig.Permission memory toPayee = _bareTransfer(payee);
        _permit(RING, toAnybody);
        _permit(RING, toPayee);
        toPayee.allowed = false;
        _permit(RING, toPayee);
        _run(RING, _ring, _call(payee, 5, ""));
        toAnybody.allowed = false;
        _permit(RING, toAnybody);
        _notPermitted(_call(payee, 5, ""), payee, bytes4(0));
    }

    /// @dev One to three bytes are no selector; what a fallback makes of them is anybody's guess.
    function test_RevertWhen_TheCallDataIsShorterThanASelector() public {
        _permit(RING, _bareTransfer(address(0)));
        _permit(RING, _bareTransfer(address(_gauge)));
        _permit(RING, _unmetered(address(_gauge)));
        bytes[4] memory short = [bytes(hex"c0"), hex"c0ff", hex"c0ffee", hex"000000"];
        for (uint256 i; i < short.length; ++i) {
            _notPermitted(_call(address(_gauge), 0, short[i]), address(_gauge), bytes4(0));
        }
    }

    /// @dev Selector zero is the name of bare transfers: with call data it would be a function that nobody permitted.
    function test_RevertWhen_TheSelectorIsZero() public {
        _permit(RING, _bareTransfer(address(0)));
        _permit(RING, _bareTransfer(address(_gauge)));
        _notPermitted(_call(address(_gauge), 0, hex"00000000"), address(_gauge), bytes4(0));
        _notPermitted(_call(address(_gauge), 0, new bytes(68)), address(_gauge), bytes4(0));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Arguments
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheCallDataEndsEarly() public {
        _allow(RING, address(token), CAP);
        bytes memory whole = abi.encodeCall(IERC20.transfer, (payee, 1));
        for (uint256 length = 4; length < whole.length; ++length) {
            bytes memory part = new bytes(length);
            for (uint256 i; i < length; ++i) {
                part[i] = whole[i];
            }
            _malformed(_call(address(token), 0, part), address(token), IERC20.transfer.selector, length < 36 ? 0 : 1);
        }
        _run(RING, _ring, _call(address(token), 0, whole));
    }

    /// @dev Arguments that the permission says nothing about are the callee's business.
    function test_LongerCallDataIsPassedOnWhole() public {
        _permit(RING, _metered(address(_gauge), FUNCTION, 1, address(0)));
        bytes memory data = bytes.concat(abi.encodeWithSelector(FUNCTION, payee, 1, type(uint256).max), hex"0102");
        _run(RING, _ring, _callGauge(0, data));
        assertEq(_gauge.data(), data);
    }

    function testFuzz_RevertWhen_TheAddressWordIsDirty(uint96 dirt) public {
        vm.assume(dirt != 0);
        _allow(RING, address(token), CAP);
        bytes memory data = abi.encodePacked(IERC20.transfer.selector, dirt, payee, uint256(1));
        _malformed(_call(address(token), 0, data), address(token), IERC20.transfer.selector, 0);
    }

    /// @dev Any set of address words, one of all sixteen words dirty: refused exactly if that word is of the set.
    function testFuzz_RevertWhen_AnyOfTheAddressWordsIsDirty(uint16 words, uint8 dirty, uint8 bit) public {
        dirty %= 16;
        IRingMultisig.Permission memory permission = _unmetered(address(_gauge));
        permission.addressWords = words;
        _permit(RING, permission);
        bytes memory data = bytes.concat(FUNCTION);
        for (uint256 word; word < 16; ++word) {
            uint256 argument = uint160(payee);
            if (word == dirty) argument |= 1 << (160 + bit % 96);
            data = bytes.concat(data, bytes32(argument));
        }
        bytes memory calls = _call(_nextRequest(), 2_000_000, address(_gauge), 0, data);
        if (words >> dirty & 1 == 1) {
            _malformed(calls, address(_gauge), FUNCTION, dirty);
        } else {
            _run(RING, _ring, calls);
            assertEq(_gauge.data(), data);
        }
    }

    function test_TheLargestAddressIsClean() public {
        IRingMultisig.Permission memory permission = _unmetered(address(_gauge));
        permission.addressWords = 1;
        _permit(RING, permission);
        bytes memory data = abi.encodeWithSelector(FUNCTION, type(uint160).max);
        _run(RING, _ring, _callGauge(0, data));
        assertEq(_gauge.data(), data);
        data = abi.encodeWithSelector(FUNCTION, uint256(type(uint160).max) + 1);
        _malformed(_callGauge(0, data), address(_gauge), FUNCTION, 0);
    }

    function test_RevertWhen_AnAddressWordIsMissing() public {
        IRingMultisig.Permission memory permission = _unmetered(address(_gauge));
        permission.addressWords = 0x8000;
        _permit(RING, permission);
        bytes memory data = abi.encodePacked(FUNCTION, new bytes(16 * 32 - 1));
        _malformed(_call(address(_gauge), 0, data), address(_gauge), FUNCTION, 15);
        data = bytes.concat(data, hex"01");
        _run(RING, _ring, _call(_nextRequest(), 2_000_000, address(_gauge), 0, data));
        assertEq(_gauge.data(), data);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Targets that no permission reaches
    // ------------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheTargetIsTheTreasury() public {
        _permit(RING, _bareTransfer(address(0)));
        bytes memory data = abi.encodeCall(IERC20.transfer, (payee, 1));
        _notPermitted(_call(address(treasury), 1, ""), address(treasury), bytes4(0));
        _notPermitted(_call(address(treasury), 0, data), address(treasury), IERC20.transfer.selector);
        data = abi.encodeCall(IRingMultisig.setGuardian, (payee, _direct(address(treasury))));
        _notPermitted(_call(address(treasury), 0, data), address(treasury), IRingMultisig.setGuardian.selector);
    }

    /// @dev Not refused, for the gas that looking would cost every payment: the treasury takes nothing from itself.
    function test_APaymentOfTheNativeCoinToTheTreasuryFails() public {
        Turn memory turn = _turn(RING, _ring, _pay(bytes16(uint128(7)), CALL_GAS, address(treasury), 5));
        vm.expectEmit(true, true, true, true, address(treasury));
        emit IRingMultisig.CallFailed(RING, 0, 0, bytes16(uint128(7)));
        _execute(turn);
        assertEq(treasury.getRing(RING).spent, 5);
    }

    /// @dev A token lets an account pay itself: nothing moves, and what did not move counts.
    function test_APaymentOfTheMainTokenToTheTreasuryMovesNothing() public {
        IRingMultisig.Charter memory charter = _tokenCharter();
        _form(RING, charter);
        uint256 before = token.balanceOf(address(treasury));
        _run(RING, charter, _pay(address(treasury), 5));
        assertEq(token.balanceOf(address(treasury)), before);
        assertEq(treasury.getRing(RING).spent, 5);
    }

    function test_RevertWhen_ABareTransferGoesToTheMaster() public {
        _permit(RING, _bareTransfer(address(0)));
        _notPermitted(_call(master, 1, ""), master, bytes4(0));
    }

    /// @dev A payment of the main asset calls no code but the receiver's own, and is what sweeping to the master takes.
    function test_PaymentsOfTheMainAssetReachTheMaster() public {
        _run(RING, _ring, _pay(master, 5));
        assertEq(master.balance, 5);
        IRingMultisig.Charter memory charter = _tokenCharter();
        _form(RING, charter);
        _run(RING, charter, _pay(master, 6));
        assertEq(token.balanceOf(master), 6);
    }

    /// @dev What was permitted before it became the master is not permitted while it is.
    function test_RevertWhen_TheTargetBecameTheMaster() public {
        _permit(RING, _unmetered(address(_gauge)));
        _permit(RING, _bareTransfer(address(_gauge)));
        _run(RING, _ring, bytes.concat(_callGauge(0, bytes.concat(FUNCTION)), _callGauge(1, "")));

        address former = master;
        vm.prank(former);
        treasury.transferMaster(address(_gauge), _direct(former));
        _run(RING, _ring, _callGauge(0, bytes.concat(FUNCTION)));
        vm.prank(address(_gauge));
        treasury.acceptMaster(_direct(address(_gauge)));
        _notPermitted(_callGauge(0, bytes.concat(FUNCTION)), address(_gauge), FUNCTION);
        _notPermitted(_callGauge(1, ""), address(_gauge), bytes4(0));
    }

    // ------------------------------------------------------------------------------------------------------------

    function _unmetered(address target) private pure returns (IRingMultisig.Permission memory permission) {
        permission = _bareTransfer(target);
        permission.selector = FUNCTION;
    }

    /// @dev With enough gas for the gauge to note it all.
    function _callGauge(uint256 value, bytes memory data) private returns (bytes memory) {
        return _call(_nextRequest(), 500_000, address(_gauge), value, data);
    }

    function _notPermitted(bytes memory calls, address target, bytes4 selector) private {
        _refused(
            _turn(RING, _ring, calls), abi.encodeWithSelector(IRingMultisig.CallNotPermitted.selector, target, selector)
        );
    }

    function _malformed(bytes memory calls, address target, bytes4 selector, uint256 word) private {
        _refused(
            _turn(RING, _ring, calls),
            abi.encodeWithSelector(IRingMultisig.ArgumentMalformed.selector, target, selector, word)
        );
    }
}
