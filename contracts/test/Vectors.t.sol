// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

import { IRingMultisig } from "../src/IRingMultisig.sol";
import { Budget, Terms } from "../src/libraries/CharterLib.sol";
import { TurnId } from "../src/libraries/TurnIdLib.sol";
import { RingTest, Turn } from "./RingTest.sol";
import { PlainToken } from "./doubles/Tokens.sol";
import { Json } from "./reference/Json.sol";
import { Messages } from "./reference/Messages.sol";
import { Message, TypedData } from "./reference/TypedData.sol";

/// @notice The files that every language here checks its encoding against. The digests of turns are the contract's own;
/// each signed action was accepted by the contract, and refused when altered. The files are compared with what is made
/// here; `UPDATE_VECTORS=1` writes them anew.
contract VectorsTest is RingTest {
    string private constant DIRECTORY = "contracts/vectors/";
    address private constant TREASURY = 0x5FbDB2315678afecb367f032d93F642f64180aa3;
    address private constant TOKEN = 0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512;
    address private constant PAYEE = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8;
    uint256 private constant CHAIN_ID = 31_337;
    uint256 private constant DEADLINE = 1_800_000_000;
    uint40 private constant VALID_UNTIL = 1_800_000_000;
    uint32 private constant TOKEN_RING = 8;

    /// @dev Keys 0 … 9 of the mnemonic "test test … junk": known to all the world, and good for nothing else.
    address[10] private _accounts;
    string private _vectors;
    uint256 private _time;

    function setUp() public override {
        super.setUp();
        vm.chainId(CHAIN_ID);
        _time = 1_750_000_000;
        vm.warp(_time);
        string memory mnemonic = "test test test test test test test test test test test junk";
        for (uint32 i; i < 10; ++i) {
            uint256 privateKey = vm.deriveKey(mnemonic, i);
            _accounts[i] = vm.addr(privateKey);
            privateKeyOf[_accounts[i]] = privateKey;
        }
        (master, guardian) = (_accounts[9], _accounts[8]);
        deployCodeTo("RingMultisig.sol:RingMultisig", abi.encode(master, guardian), TREASURY);
        deployCodeTo("Tokens.sol:PlainToken", TOKEN);
        (treasury, token) = (IRingMultisig(TREASURY), PlainToken(TOKEN));
        vm.deal(TREASURY, 1000 ether);
        token.mint(TREASURY, 1000 ether);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Turns
    // ------------------------------------------------------------------------------------------------------------

    function test_Turns() public {
        IRingMultisig.Charter memory native = _charterOf(address(0), 2, 2, 3);
        IRingMultisig.Charter memory tokens = _charterOf(TOKEN, 2, 2, 3);
        _form(RING, native);
        _form(TOKEN_RING, tokens);
        _allow(RING, TOKEN, 5 ether);
        _permit(RING, _bareTransfer(PAYEE));

        bytes memory transfer_ = abi.encodeWithSignature("transfer(address,uint256)", PAYEE, 0.25 ether);
        string[] memory calls = new string[](1);
        calls[0] = _described(1, "", 50_000, PAYEE, 0.5 ether, "");
        bytes memory pay = _pay(_request(0), 50_000, PAYEE, 0.5 ether);
        _executedTurn("pay the native coin", RING, native, pay, calls);
        _executedTurn("pay the main token", TOKEN_RING, tokens, pay, calls);

        calls[0] = _described(0, "", 50_000, PAYEE, 0.5 ether, "");
        _executedTurn(
            "call: send the native coin", RING, native, _call(_request(0), 50_000, PAYEE, 0.5 ether, ""), calls
        );
        calls[0] = _described(0, "", 80_000, TOKEN, 0, transfer_);
        bytes memory second = _call(_request(0), 80_000, TOKEN, 0, transfer_);
        _executedTurn("call: transfer of another asset", RING, native, second, calls);

        calls = new string[](3);
        calls[0] = _described(1, "", 50_000, PAYEE, 0.5 ether, "");
        calls[1] = _described(0, "01", 80_000, TOKEN, 0, transfer_);
        calls[2] = _described(0, "02", 50_000, PAYEE, 1, "");
        bytes memory batch = bytes.concat(
            pay, _call(_request(1), 80_000, TOKEN, 0, transfer_), _call(_request(2), 50_000, PAYEE, 1, "")
        );
        _executedTurn("batch", RING, native, batch, calls);
        _executedTurn("void", RING, native, "", new string[](0));

        // What no ring will see, but every encoder must survive.
        IRingMultisig.Charter memory largest = _charterOf(address(type(uint160).max), 10, 10, 10);
        (largest.cap, largest.period) = (type(uint96).max, type(uint24).max);
        (largest.turnsPerPeriod, largest.interval) = (type(uint24).max, type(uint24).max);
        (largest.expiresAt, largest.lastNonce) = (type(uint40).max, type(uint40).max);
        calls = new string[](2);
        calls[0] = _described(1, "ff", type(uint24).max, address(type(uint160).max), type(uint96).max, "");
        bytes memory data = new bytes(300);
        for (uint256 i; i < data.length; ++i) {
            data[i] = 0xff;
        }
        calls[1] = _described(0, "ff", type(uint24).max, address(type(uint160).max), type(uint96).max, data);
        bytes16 request = bytes16(type(uint128).max);
        batch = bytes.concat(
            _pay(request, type(uint24).max, address(type(uint160).max), type(uint96).max),
            _call(request, type(uint24).max, address(type(uint160).max), type(uint96).max, data)
        );
        TurnId id = _id(type(uint32).max, type(uint32).max, type(uint40).max, type(uint40).max);
        _writeTurn("largest values", id, largest, batch, calls);
        _finish("turns.json");
    }

    /// @dev The next turn of the ring; sees it executed with the witness that is written down.
    function _executedTurn(
        string memory name,
        uint32 ring,
        IRingMultisig.Charter memory charter,
        bytes memory calls,
        string[] memory described
    ) private {
        _time += charter.interval;
        vm.warp(_time);
        TurnId id = _id(ring, 1, treasury.getRing(ring).nonce, VALID_UNTIL);
        Turn memory turn = _turn(id, charter, calls, _firstSign(charter));
        _writeTurn(name, id, charter, calls, described);
        vm.recordLogs();
        _execute(turn);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            assertTrue(logs[i].topics[0] != IRingMultisig.CallFailed.selector);
        }
    }

    function _writeTurn(
        string memory name,
        TurnId id,
        IRingMultisig.Charter memory charter,
        bytes memory calls,
        string[] memory described
    ) private {
        Message memory message = Messages.turn(id.ring(), id.epoch(), id.nonce(), id.validUntil(), calls);
        bytes32 digest = treasury.turnDigest(id, calls);
        string memory list = "";
        for (uint256 i; i < described.length; ++i) {
            list = Json.and(list, described[i]);
        }
        string memory members = _signed(name, message, digest, charter.seats[id.nonce() % charter.seats.length]);
        members = Json.with(members, "id", Json.hexadecimal(abi.encode(TurnId.unwrap(id))));
        members = Json.with(members, "calls", Json.hexadecimal(calls));
        members = Json.with(members, "decodedCalls", Json.bracketed(list));
        members = Json.with(members, "charter", _describedCharter(charter));
        bytes memory witness = _witness(charter, id.nonce(), digest, _firstSign(charter));
        members = Json.with(members, "witness", Json.hexadecimal(witness));
        _vectors = Json.and(_vectors, Json.braced(members));
    }

    function _describedCharter(IRingMultisig.Charter memory charter) private view returns (string memory members) {
        string memory seats = "";
        for (uint256 i; i < charter.seats.length; ++i) {
            seats = Json.and(seats, Json.quoted(vm.toString(charter.seats[i])));
        }
        members = Json.with("", "window", Json.number(charter.window));
        members = Json.with(members, "quorum", Json.number(charter.quorum));
        members = Json.with(members, "asset", Json.quoted(vm.toString(charter.asset)));
        members = Json.with(members, "cap", Json.number(charter.cap));
        members = Json.with(members, "period", Json.number(charter.period));
        members = Json.with(members, "turnsPerPeriod", Json.number(charter.turnsPerPeriod));
        members = Json.with(members, "interval", Json.number(charter.interval));
        members = Json.with(members, "expiresAt", Json.number(charter.expiresAt));
        members = Json.with(members, "lastNonce", Json.number(charter.lastNonce));
        members = Json.with(members, "seats", Json.bracketed(seats));
        members = Json.with(members, "terms", Json.hexadecimal(abi.encode(Terms.unwrap(_terms(charter)))));
        members = Json.with(members, "budget", Json.hexadecimal(abi.encode(Budget.unwrap(_budget(charter)))));
        members = Json.with(members, "hash", Json.hexadecimal(abi.encode(treasury.charterHash(charter))));
        return Json.braced(members);
    }

    function _described(
        uint8 kind,
        string memory request,
        uint24 gas_,
        address target,
        uint96 amount,
        bytes memory data
    ) private pure returns (string memory members) {
        bytes16 requestId = bytes(request).length == 0
            ? _request(0)
            : keccak256(bytes(request)) == keccak256("ff")
                ? bytes16(type(uint128).max)
                : _request(keccak256(bytes(request)) == keccak256("01") ? 1 : 2);
        members = Json.with("", "kind", Json.quoted(kind == 1 ? "pay" : "call"));
        members = Json.with(members, "requestId", Json.hexadecimal(abi.encodePacked(requestId)));
        members = Json.with(members, "gas", Json.number(gas_));
        members = Json.with(members, "target", Json.quoted(vm.toString(target)));
        members = Json.with(members, "amount", Json.number(amount));
        if (kind == 0) members = Json.with(members, "data", Json.hexadecimal(data));
        return Json.braced(members);
    }

    function _request(uint8 number) private pure returns (bytes16) {
        return bytes16(uint128(0x0190b2c4d6e87f0081920a3b4c5d6e00) + number);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Actions
    // ------------------------------------------------------------------------------------------------------------

    function test_Actions() public {
        IRingMultisig.Charter memory charter = _charterOf(TOKEN, 3, 2, 5);
        address seven = _accounts[7];
        IRingMultisig.Authorization memory signed;

        signed = _action("form a ring", master, Messages.formRing(RING, 0, charter, 0, DEADLINE));
        charter.lastNonce += 1;
        _altered(abi.encodeCall(IRingMultisig.formRing, (RING, 0, charter, signed)));
        charter.lastNonce -= 1;
        treasury.formRing(RING, 0, charter, signed);

        _setPermissionsAndLimits();

        Message memory message = Messages.permitPayment(RING, 1, _request(0), TOKEN, PAYEE, 25 ether, 3, DEADLINE);
        signed = _action("permit a payment", master, message);
        _altered(abi.encodeCall(IRingMultisig.permitPayment, (RING, 1, _request(1), TOKEN, PAYEE, 25 ether, signed)));
        treasury.permitPayment(RING, 1, _request(0), TOKEN, PAYEE, 25 ether, signed);
        assertTrue(treasury.isPaymentPermitted(RING, _request(0), TOKEN, PAYEE, 25 ether));

        signed = _action("halt, by a seat", charter.seats[1], Messages.halt(RING, 1));
        _altered(abi.encodeCall(IRingMultisig.halt, (RING, charter, charter.seats[0], signed.signature)));
        treasury.halt(RING, charter, charter.seats[1], signed.signature);
        assertTrue(treasury.getRing(RING).halted);

        signed = _action("resume", master, Messages.resume(RING, 1, 4, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.resume, (TOKEN_RING, 1, signed)));
        treasury.resume(RING, 1, signed);

        signed = _action("halt, by the guardian", guardian, Messages.halt(RING, 2));
        _altered(abi.encodeCall(IRingMultisig.halt, (RING, charter, master, signed.signature)));
        treasury.halt(RING, charter, guardian, signed.signature);
        assertTrue(treasury.getRing(RING).halted);

        signed = _action("revoke, by the guardian", guardian, Messages.revoke(RING, charter.seats[2], 0, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.revoke, (RING, charter.seats[3], charter, signed)));
        treasury.revoke(RING, charter.seats[2], charter, signed);
        charter.seats[2] = address(0);

        signed = _action("replace and resume", master, Messages.replace(RING, 3, 2, seven, true, 5, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.replace, (RING, 3, 2, seven, false, charter, signed)));
        treasury.replace(RING, 3, 2, seven, true, charter, signed);
        assertFalse(treasury.getRing(RING).halted);

        signed = _action("set the guardian", master, Messages.setGuardian(address(0), 6, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.setGuardian, (seven, signed)));
        treasury.setGuardian(address(0), signed);

        bytes memory data = abi.encodeWithSignature("transfer(address,uint256)", PAYEE, 1 ether);
        signed = _action("master executes", master, Messages.masterExecute(TOKEN, 0, data, 60_000, 7, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.masterExecute, (TOKEN, 0, data, 0, signed)));
        treasury.masterExecute(TOKEN, 0, data, 60_000, signed);
        assertEq(token.balanceOf(PAYEE), 1 ether);

        signed = _action("transfer the master", master, Messages.transferMaster(seven, 8, DEADLINE));
        _altered(abi.encodeCall(IRingMultisig.transferMaster, (PAYEE, signed)));
        treasury.transferMaster(seven, signed);

        signed = _action("accept the master", seven, Messages.acceptMaster(0, DEADLINE));
        signed.deadline += 1;
        _altered(abi.encodeCall(IRingMultisig.acceptMaster, (signed)));
        signed.deadline -= 1;
        treasury.acceptMaster(signed);
        assertEq(treasury.master(), seven);
        _finish("actions.json");
    }

    function _setPermissionsAndLimits() private {
        IRingMultisig.Permission[] memory permissions = new IRingMultisig.Permission[](2);
        // A token's transferFrom, whose third argument is an amount of the token, and bare transfers to anybody.
        permissions[0] = _metered(TOKEN, 0x23b872dd, 2, TOKEN);
        permissions[0].addressWords = 3;
        permissions[1] = _bareTransfer(address(0));
        Message memory message = Messages.setPermissions(RING, permissions, 1, DEADLINE);
        IRingMultisig.Authorization memory signed = _action("set permissions", master, message);
        permissions[1].allowed = false;
        _altered(abi.encodeCall(IRingMultisig.setPermissions, (RING, permissions, signed)));
        permissions[1].allowed = true;
        treasury.setPermissions(RING, permissions, signed);

        IRingMultisig.LimitSetting[] memory limits = new IRingMultisig.LimitSetting[](2);
        limits[0] = IRingMultisig.LimitSetting({ asset: address(0), cap: 2 ether, period: DAY });
        limits[1] = IRingMultisig.LimitSetting({ asset: PAYEE, cap: type(uint104).max, period: 1 hours });
        message = Messages.setLimits(RING, limits, 2, DEADLINE);
        signed = _action("set limits", master, message);
        limits[0].cap += 1;
        _altered(abi.encodeCall(IRingMultisig.setLimits, (RING, limits, signed)));
        limits[0].cap -= 1;
        treasury.setLimits(RING, limits, signed);
    }

    function _action(string memory name, address signer, Message memory message)
        private
        returns (IRingMultisig.Authorization memory)
    {
        string memory members = _signed(name, message, _digest(message), signer);
        _vectors = Json.and(_vectors, Json.braced(members));
        return _by(signer, message, DEADLINE);
    }

    function _altered(bytes memory action) private {
        (bool success, bytes memory reason) = TREASURY.call(action);
        assertFalse(success);
        assertEq(bytes4(reason), IRingMultisig.SignatureInvalid.selector);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Requests
    // ------------------------------------------------------------------------------------------------------------

    function test_Requests() public {
        _writeRequest("pay somebody", _request(0), RING, PAYEE, 0.5 ether, "", 50_000, VALID_UNTIL);
        bytes memory data = abi.encodeWithSignature("transfer(address,uint256)", PAYEE, 0.25 ether);
        _writeRequest("transfer a token", _request(1), TOKEN_RING, TOKEN, 0, data, 80_000, VALID_UNTIL);
        _writeRequest("smallest values", bytes16(0), 0, address(0), 0, "", 0, 0);
        _writeRequest(
            "largest values",
            bytes16(type(uint128).max),
            type(uint32).max,
            address(type(uint160).max),
            type(uint96).max,
            hex"ffffffff",
            type(uint24).max,
            type(uint40).max
        );
        _finish("requests.json");
    }

    /// @dev The contract knows no requests: clients sign them for relayers. The digest is computed twice.
    function _writeRequest(
        string memory name,
        bytes16 id,
        uint32 ring,
        address target,
        uint96 value,
        bytes memory data,
        uint24 gas_,
        uint40 expiry
    ) private {
        Message memory message = TypedData.message("Request", 7);
        message.put(0, "id", id);
        message.put(1, "uint32", "ring", ring);
        message.put(2, "target", target);
        message.put(3, "uint96", "value", value);
        message.put(4, "data", data);
        message.put(5, "uint24", "gas", gas_);
        message.put(6, "uint40", "expiry", expiry);
        bytes32 typeHash = keccak256(
            "Request(bytes16 id,uint32 ring,address target,uint96 value,bytes data,uint24 gas,uint40 expiry)"
        );
        bytes32 hash = keccak256(abi.encode(typeHash, id, ring, target, value, keccak256(data), gas_, expiry));
        assertEq(message.structHash(), hash);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", treasury.domainSeparator(), hash));
        string memory members = _signed(name, message, digest, _accounts[0]);
        _vectors = Json.and(_vectors, Json.braced(members));
    }

    // ------------------------------------------------------------------------------------------------------------

    /// @dev What all vectors have.
    function _signed(string memory name, Message memory message, bytes32 digest, address signer)
        private
        view
        returns (string memory members)
    {
        assertEq(message.digest(CHAIN_ID, TREASURY), digest);
        uint256 privateKey = privateKeyOf[signer];
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        (, bytes32 vs) = vm.signCompact(privateKey, digest);
        string memory domain = Json.with("", "name", Json.quoted("Ring Window"));
        domain = Json.with(domain, "version", Json.quoted("1"));
        domain = Json.with(domain, "chainId", Json.number(CHAIN_ID));
        domain = Json.with(domain, "verifyingContract", Json.quoted(vm.toString(TREASURY)));

        members = Json.with("", "name", Json.quoted(name));
        members = Json.with(members, "domain", Json.braced(domain));
        members = Json.with(members, "primaryType", Json.quoted(message.primaryType));
        members = Json.with(members, "types", Json.types(message));
        members = Json.with(members, "message", Json.values(message));
        members = Json.with(members, "structHash", Json.hexadecimal(abi.encode(message.structHash())));
        members = Json.with(members, "digest", Json.hexadecimal(abi.encode(digest)));
        members = Json.with(members, "signer", Json.quoted(vm.toString(signer)));
        members = Json.with(members, "privateKey", Json.hexadecimal(abi.encode(privateKey)));
        members = Json.with(members, "signature", Json.hexadecimal(abi.encodePacked(r, s, v)));
        members = Json.with(members, "compactSignature", Json.hexadecimal(abi.encodePacked(r, vs)));
    }

    function _charterOf(address asset, uint8 window, uint8 quorum, uint256 seats)
        private
        view
        returns (IRingMultisig.Charter memory charter)
    {
        charter = _charter(seats, window, quorum);
        charter.asset = asset;
        (charter.turnsPerPeriod, charter.interval) = (500, 12);
        (charter.expiresAt, charter.lastNonce) = (1_790_000_000, 9999);
        for (uint256 i; i < seats; ++i) {
            charter.seats[i] = _accounts[i];
        }
    }

    function _finish(string memory file) private {
        string memory path = string.concat(DIRECTORY, file);
        string memory made = Json.pretty(Json.bracketed(_vectors));
        if (vm.envOr("UPDATE_VECTORS", uint256(0)) != 0) vm.writeFile(path, made);
        assertTrue(
            keccak256(bytes(vm.readFile(path))) == keccak256(bytes(made)),
            string.concat(path, " is not what the contract says; UPDATE_VECTORS=1 writes it anew")
        );
    }
}
