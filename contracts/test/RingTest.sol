// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";

import { IRingMultisig } from "../src/IRingMultisig.sol";
import { Budget, Terms } from "../src/libraries/CharterLib.sol";
import { TurnId } from "../src/libraries/TurnIdLib.sol";
import { PlainToken } from "./doubles/Tokens.sol";
import { Messages } from "./reference/Messages.sol";
import { Message } from "./reference/TypedData.sol";

/// @notice What one `execute` takes.
struct Turn {
    TurnId id;
    Terms terms;
    Budget budget;
    bytes calls;
    bytes witness;
}

/// @dev In Foundry, but not yet in the interface of forge-std.
interface IChainIdCheat {
    function getChainId() external view returns (uint256);
}

/// @title RingTest
/// @notice A treasury with a master, a guardian and keys to form rings of; builders for charters, calls, witnesses and
/// authorisations. The packing is written anew here, so that a mistake in the contract's own is seen.
abstract contract RingTest is Test {
    uint8 internal constant ABSENT = 0;
    uint8 internal constant SIGNED = 1;
    uint8 internal constant SENDER = 2;

    uint32 internal constant RING = 7;
    uint24 internal constant DAY = 1 days;
    uint96 internal constant CAP = 10 ether;
    uint24 internal constant CALL_GAS = 100_000;
    uint40 internal constant NO_EXPIRY = type(uint40).max;
    uint40 internal constant MAX_LAST_NONCE = type(uint40).max - 1;
    uint24 internal constant MAX_TURNS = 2 ** 23 - 1;
    uint8 internal constant NO_AMOUNT = 255;
    /// @dev Noon of a UTC day. Times are counted from here and never from `block.timestamp`: the optimiser may read
    /// that once for a whole test.
    uint256 internal constant NOON = 20_000 days + 12 hours;

    IRingMultisig internal treasury;
    PlainToken internal token;
    address internal master;
    address internal guardian;
    address internal stranger;
    address internal payee;
    /// @dev One more than a ring holds.
    address[33] internal keys;
    mapping(address signer => uint256) internal privateKeyOf;
    uint128 private _requestCount;

    function setUp() public virtual {
        vm.warp(NOON);
        master = _newKey("master");
        guardian = _newKey("guardian");
        stranger = _newKey("stranger");
        payee = makeAddr("payee");
        for (uint256 i; i < keys.length; ++i) {
            keys[i] = _newKey(string.concat("seat ", vm.toString(i)));
        }
        // Deployed from the artifact: a change of the contract alone does not recompile every test.
        treasury = IRingMultisig(_deploy(master, guardian));
        token = new PlainToken();
        vm.deal(address(treasury), 1000 ether);
        token.mint(address(treasury), 1000 ether);
    }

    function _deploy(address master_, address guardian_) internal returns (address) {
        return vm.deployCode("RingMultisig.sol:RingMultisig", abi.encode(master_, guardian_));
    }

    /// @dev Asked anew each time: the optimiser may read `block.chainid` once for a whole test.
    function _chainId() internal view returns (uint256) {
        return IChainIdCheat(address(vm)).getChainId();
    }

    function _newKey(string memory label) internal returns (address signer) {
        uint256 privateKey;
        (signer, privateKey) = makeAddrAndKey(label);
        privateKeyOf[signer] = privateKey;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Charters
    // ------------------------------------------------------------------------------------------------------------

    /// @dev A ring of the first `seats` keys that pays the native coin.
    function _charter(uint256 seats, uint8 window, uint8 quorum)
        internal
        view
        returns (IRingMultisig.Charter memory charter)
    {
        charter.window = window;
        charter.quorum = quorum;
        charter.cap = CAP;
        charter.period = DAY;
        charter.turnsPerPeriod = MAX_TURNS;
        charter.expiresAt = type(uint40).max;
        charter.lastNonce = MAX_LAST_NONCE;
        charter.seats = new address[](seats);
        for (uint256 i; i < seats; ++i) {
            charter.seats[i] = keys[i];
        }
    }

    /// @dev The usual ring: three seats, windows of two, both must sign.
    function _usualCharter() internal view returns (IRingMultisig.Charter memory) {
        return _charter(3, 2, 2);
    }

    function _tokenCharter() internal view returns (IRingMultisig.Charter memory charter) {
        charter = _usualCharter();
        charter.asset = address(token);
    }

    function _form(uint32 ring, IRingMultisig.Charter memory charter) internal {
        uint32 epoch = treasury.getRing(ring).epoch;
        vm.prank(master);
        treasury.formRing(ring, epoch, charter, _direct(master));
    }

    /// @dev Lets a ring spend an asset besides its main one: caps it, and permits what spends it, a token's `transfer` or
    /// bare transfers to anybody.
    function _allow(uint32 ring, address asset, uint104 cap) internal {
        _limit(ring, asset, cap);
        _permit(ring, asset == address(0) ? _bareTransfer(address(0)) : _transferOf(asset));
    }

    function _limit(uint32 ring, address asset, uint104 cap) internal {
        vm.prank(master);
        treasury.setLimits(ring, _limits(asset, cap, DAY), _direct(master));
    }

    function _limits(address asset, uint104 cap, uint24 period)
        internal
        pure
        returns (IRingMultisig.LimitSetting[] memory limits)
    {
        limits = new IRingMultisig.LimitSetting[](1);
        limits[0] = IRingMultisig.LimitSetting({ asset: asset, cap: cap, period: period });
    }

    function _permit(uint32 ring, IRingMultisig.Permission memory permission) internal {
        vm.prank(master);
        treasury.setPermissions(ring, _permissions(permission), _direct(master));
    }

    function _permissions(IRingMultisig.Permission memory permission)
        internal
        pure
        returns (IRingMultisig.Permission[] memory permissions)
    {
        permissions = new IRingMultisig.Permission[](1);
        permissions[0] = permission;
    }

    /// @dev Bare transfers of the native coin to `to`, or with zero to anybody.
    function _bareTransfer(address to) internal pure returns (IRingMultisig.Permission memory permission) {
        permission.target = to;
        permission.allowed = true;
        permission.amountWord = NO_AMOUNT;
    }

    /// @dev A token's `transfer(address,uint256)`, metered.
    function _transferOf(address asset) internal pure returns (IRingMultisig.Permission memory) {
        return _metered(asset, 0xa9059cbb, 1, asset);
    }

    /// @dev A function whose first argument is an address and whose `amountWord`-th is an amount.
    function _metered(address target, bytes4 selector, uint8 amountWord, address asset)
        internal
        pure
        returns (IRingMultisig.Permission memory)
    {
        return IRingMultisig.Permission({
            target: target, selector: selector, allowed: true, amountWord: amountWord, asset: asset, addressWords: 1
        });
    }

    function _terms(IRingMultisig.Charter memory charter) internal pure returns (Terms) {
        return Terms.wrap(
            bytes32(
                charter.seats.length + uint256(charter.window) * 2 ** 8 + uint256(charter.quorum) * 2 ** 16
                    + uint256(charter.period) * 2 ** 24 + uint256(charter.turnsPerPeriod) * 2 ** 48
                    + uint256(charter.interval) * 2 ** 72 + uint256(charter.expiresAt) * 2 ** 96
                    + uint256(charter.lastNonce) * 2 ** 136
            )
        );
    }

    /// @dev The numbers of a charter of this shape, true or not.
    function _terms(uint256 seats, uint256 window, uint256 quorum) internal view returns (Terms) {
        return _terms(_charter(seats, uint8(window), uint8(quorum)));
    }

    function _budget(IRingMultisig.Charter memory charter) internal pure returns (Budget) {
        return Budget.wrap(bytes32(uint256(uint160(charter.asset)) * 2 ** 96 + charter.cap));
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns
    // ------------------------------------------------------------------------------------------------------------

    function _id(uint32 ring, uint32 epoch, uint40 nonce, uint40 validUntil) internal pure returns (TurnId) {
        return TurnId.wrap(uint256(bytes32(abi.encodePacked(uint112(0), ring, epoch, nonce, validUntil))));
    }

    /// @dev A request id of its own for every call.
    function _nextRequest() internal returns (bytes16) {
        return bytes16(++_requestCount);
    }

    function _pay(address to, uint256 amount) internal returns (bytes memory) {
        return _pay(_nextRequest(), CALL_GAS, to, amount);
    }

    function _pay(bytes16 requestId, uint24 gas_, address to, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), requestId, gas_, to, uint96(amount));
    }

    function _call(address target, uint256 value, bytes memory data) internal returns (bytes memory) {
        return _call(_nextRequest(), CALL_GAS, target, value, data);
    }

    function _call(bytes16 requestId, uint24 gas_, address target, uint256 value, bytes memory data)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(0), requestId, gas_, target, uint96(value), uint24(data.length), data);
    }

    /// @dev A `CALL` of a token's `transfer`.
    function _transfer(address asset, address to, uint256 amount) internal returns (bytes memory) {
        return _call(asset, 0, abi.encodeWithSignature("transfer(address,uint256)", to, amount));
    }

    /// @dev The next turn of a ring, signed by the first Q seats of its window.
    function _turn(uint32 ring, IRingMultisig.Charter memory charter, bytes memory calls)
        internal
        view
        returns (Turn memory)
    {
        return _turn(ring, charter, calls, _firstSign(charter));
    }

    /// @dev The next turn of a ring, with every seat's stance, in the order of the window.
    function _turn(uint32 ring, IRingMultisig.Charter memory charter, bytes memory calls, uint8[] memory stances)
        internal
        view
        returns (Turn memory)
    {
        IRingMultisig.RingView memory state = treasury.getRing(ring);
        return _turn(_id(ring, state.epoch, state.nonce, NO_EXPIRY), charter, calls, stances);
    }

    function _turn(TurnId id, IRingMultisig.Charter memory charter, bytes memory calls, uint8[] memory stances)
        internal
        view
        returns (Turn memory)
    {
        bytes32 digest = _digest(id, calls);
        return Turn({
            id: id,
            terms: _terms(charter),
            budget: _budget(charter),
            calls: calls,
            witness: _witness(charter, id.nonce(), digest, stances)
        });
    }

    function _digest(TurnId id, bytes memory calls) internal view returns (bytes32) {
        return
            Messages.turn(id.ring(), id.epoch(), id.nonce(), id.validUntil(), calls)
                .digest(_chainId(), address(treasury));
    }

    /// @dev A turn as one key signed it, as the proof of its equivocation shows it.
    function _signedTurn(TurnId id, address key, bytes memory calls)
        internal
        view
        returns (IRingMultisig.SignedTurn memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(privateKeyOf[key], _digest(id, calls));
        return IRingMultisig.SignedTurn({ id: id, callsHash: keccak256(calls), r: r, vs: vs });
    }

    /// @dev The calls and the witness as they are sent.
    function _signedCalls(Turn memory turn) internal pure returns (bytes memory) {
        return abi.encodePacked(uint24(turn.calls.length), turn.calls, turn.witness);
    }

    function _execute(Turn memory turn) internal {
        treasury.execute(turn.id, turn.terms, turn.budget, _signedCalls(turn));
    }

    function _encoded(Turn memory turn) internal pure returns (bytes memory) {
        return abi.encodeCall(IRingMultisig.execute, (turn.id, turn.terms, turn.budget, _signedCalls(turn)));
    }

    /// @dev Executes the next turn, signed by the first Q seats of its window.
    function _run(uint32 ring, IRingMultisig.Charter memory charter, bytes memory calls) internal {
        _execute(_turn(ring, charter, calls));
    }

    /// @dev Sees the turn refused for this reason, and that nothing of it stays.
    function _refused(Turn memory turn, bytes memory reason) internal {
        IRingMultisig.RingView memory before = treasury.getRing(turn.id.ring());
        vm.expectRevert(reason);
        _execute(turn);
        assertEq(abi.encode(treasury.getRing(turn.id.ring())), abi.encode(before), "a refused turn left a trace");
    }

    // ------------------------------------------------------------------------------------------------------------
    // Witnesses
    // ------------------------------------------------------------------------------------------------------------

    /// @dev The first Q seats of the window sign, the others do not.
    function _firstSign(IRingMultisig.Charter memory charter) internal pure returns (uint8[] memory stances) {
        stances = new uint8[](charter.seats.length);
        for (uint256 i; i < charter.quorum; ++i) {
            stances[i] = SIGNED;
        }
    }

    function _stances(uint8 first, uint8 second, uint8 third) internal pure returns (uint8[] memory stances) {
        stances = new uint8[](3);
        (stances[0], stances[1], stances[2]) = (first, second, third);
    }

    function _witness(IRingMultisig.Charter memory charter, uint256 nonce, bytes32 digest, uint8[] memory stances)
        internal
        view
        returns (bytes memory witness)
    {
        for (uint256 i; i < stances.length; ++i) {
            address key = charter.seats[(nonce + i) % charter.seats.length];
            if (stances[i] == ABSENT) witness = bytes.concat(witness, _absent(key));
            else if (stances[i] == SIGNED) witness = bytes.concat(witness, _signed(key, digest));
            else witness = bytes.concat(witness, bytes1(SENDER));
        }
    }

    function _absent(address key) internal pure returns (bytes memory) {
        return abi.encodePacked(ABSENT, key);
    }

    function _signed(address key, bytes32 digest) internal view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(privateKeyOf[key], digest);
        return abi.encodePacked(SIGNED, r, vs);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Authorisations
    // ------------------------------------------------------------------------------------------------------------

    function _direct(address signer) internal pure returns (IRingMultisig.Authorization memory) {
        return IRingMultisig.Authorization({ signer: signer, deadline: 0, signature: "" });
    }

    function _by(address signer, Message memory message, uint256 deadline)
        internal
        view
        returns (IRingMultisig.Authorization memory)
    {
        return IRingMultisig.Authorization({
            signer: signer, deadline: deadline, signature: _signature(signer, _digest(message))
        });
    }

    function _digest(Message memory message) internal view returns (bytes32) {
        return message.digest(_chainId(), address(treasury));
    }

    function _signature(address signer, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeyOf[signer], digest);
        return abi.encodePacked(r, s, v);
    }

    function _haltSignature(address signer, uint32 ring) internal view returns (bytes memory) {
        return _signature(signer, _digest(Messages.halt(ring, treasury.getRing(ring).epoch)));
    }
}
