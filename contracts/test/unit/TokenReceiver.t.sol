// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { IERC1155 } from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import { IERC1155Receiver } from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { IERC721Receiver } from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import { ERC165Checker } from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import { IERC165 } from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import { IRingMultisig } from "../../src/IRingMultisig.sol";
import { RingTest } from "../RingTest.sol";
import { Collectible, Collectibles } from "../doubles/Collectibles.sol";

/// @notice Tokens that ask whether they are welcome, OpenZeppelin's; and how they leave again.
contract TokenReceiverTest is RingTest {
    Collectible private _single;
    Collectibles private _several;

    function setUp() public override {
        super.setUp();
        _single = new Collectible();
        _several = new Collectibles();
    }

    // ------------------------------------------------------------------------------------------------------------
    // In
    // ------------------------------------------------------------------------------------------------------------

    function test_TakesASingleToken() public {
        _single.mint(address(treasury), 1);
        _single.mint(payee, 2);
        vm.prank(payee);
        _single.safeTransferFrom(payee, address(treasury), 2, hex"c0ffee");
        assertEq(_single.balanceOf(address(treasury)), 2);
    }

    function test_TakesAnAmountOfOneToken() public {
        _several.mint(address(treasury), 1, 5);
        _several.mint(payee, 1, 6);
        vm.prank(payee);
        _several.safeTransferFrom(payee, address(treasury), 1, 6, hex"c0ffee");
        assertEq(_several.balanceOf(address(treasury), 1), 11);
    }

    function test_TakesAmountsOfSeveralTokens() public {
        (uint256[] memory ids, uint256[] memory amounts) = (new uint256[](3), new uint256[](3));
        for (uint256 i; i < 3; ++i) {
            (ids[i], amounts[i]) = (i, i + 1);
            _several.mint(payee, i, i + 1);
        }
        vm.prank(payee);
        _several.safeBatchTransferFrom(payee, address(treasury), ids, amounts, hex"c0ffee");
        assertEq(_several.balanceOf(address(treasury), 2), 3);
    }

    function test_SaysWhatItTakes() public view {
        assertTrue(ERC165Checker.supportsERC165(address(treasury)));
        assertTrue(IERC165(address(treasury)).supportsInterface(type(IERC721Receiver).interfaceId));
        assertTrue(IERC165(address(treasury)).supportsInterface(type(IERC1155Receiver).interfaceId));
    }

    function testFuzz_SaysWhatItDoesNot(bytes4 id) public view {
        vm.assume(id != type(IERC165).interfaceId);
        vm.assume(id != type(IERC721Receiver).interfaceId && id != type(IERC1155Receiver).interfaceId);
        assertFalse(IERC165(address(treasury)).supportsInterface(id));
    }

    /// @dev Whoever asks, whatever is said: nothing changes.
    function test_AnsweringChangesNothing() public {
        vm.record();
        vm.prank(stranger);
        IERC721Receiver(address(treasury)).onERC721Received(stranger, stranger, 1, "");
        (, bytes32[] memory writes) = vm.accesses(address(treasury));
        assertEq(writes.length, 0);
    }

    /// @dev A token that comes in the middle of a turn is taken: the answer does not enter the treasury again.
    function test_TakesATokenDuringATurn() public {
        IRingMultisig.Charter memory ring = _usualCharter();
        _form(RING, ring);
        IRingMultisig.Permission memory permission = _bareTransfer(address(_single));
        (permission.selector, permission.addressWords) = (Collectible.mint.selector, 1);
        _permit(RING, permission);
        _run(RING, ring, _call(address(_single), 0, abi.encodeCall(Collectible.mint, (address(treasury), 7))));
        assertEq(_single.ownerOf(7), address(treasury));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Out
    // ------------------------------------------------------------------------------------------------------------

    function test_TheMasterSendsThemOn() public {
        _single.mint(address(treasury), 1);
        _several.mint(address(treasury), 1, 5);
        bytes memory one = abi.encodeCall(IERC721.transferFrom, (address(treasury), payee, 1));
        bytes memory five = abi.encodeCall(IERC1155.safeTransferFrom, (address(treasury), payee, 1, 5, ""));
        vm.startPrank(master);
        treasury.masterExecute(address(_single), 0, one, 0, _direct(master));
        treasury.masterExecute(address(_several), 0, five, 0, _direct(master));
        vm.stopPrank();
        assertEq(_single.ownerOf(1), payee);
        assertEq(_several.balanceOf(payee, 1), 5);
    }

    /// @dev Its `transferFrom` has ERC-20's selector and returns nothing.
    function test_ARingSendsThemOnIfPermitted() public {
        IRingMultisig.Charter memory ring = _usualCharter();
        _form(RING, ring);
        _single.mint(address(treasury), 1);
        bytes memory data = abi.encodeCall(IERC721.transferFrom, (address(treasury), payee, 1));
        _refused(
            _turn(RING, ring, _call(address(_single), 0, data)),
            abi.encodeWithSelector(
                IRingMultisig.CallNotPermitted.selector, address(_single), IERC721.transferFrom.selector
            )
        );
        IRingMultisig.Permission memory permission = _bareTransfer(address(_single));
        (permission.selector, permission.addressWords) = (IERC721.transferFrom.selector, 3);
        _permit(RING, permission);
        vm.recordLogs();
        _run(RING, ring, _call(address(_single), 0, data));
        assertEq(vm.getRecordedLogs().length, 2, "the turn and the token's own, no failure");
        assertEq(_single.ownerOf(1), payee);
    }

    /// @dev The amount of one id is a word like any other; the collection is the asset.
    function test_ARingsAmountsAreMetered() public {
        IRingMultisig.Charter memory ring = _usualCharter();
        _form(RING, ring);
        _several.mint(address(treasury), 1, 50);
        IRingMultisig.Permission memory permission =
            _metered(address(_several), IERC1155.safeTransferFrom.selector, 3, address(_several));
        permission.addressWords = 3;
        _permit(RING, permission);
        _limit(RING, address(_several), 6);
        bytes memory data = abi.encodeCall(IERC1155.safeTransferFrom, (address(treasury), payee, 1, 5, ""));
        _run(RING, ring, _call(address(_several), 0, data));
        assertEq(_several.balanceOf(payee, 1), 5);
        _refused(
            _turn(RING, ring, _call(address(_several), 0, data)),
            abi.encodeWithSelector(IRingMultisig.CapExceeded.selector, address(_several), 6, 5, 5)
        );
    }
}
