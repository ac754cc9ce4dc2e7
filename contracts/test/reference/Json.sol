// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

import { Field, Message } from "./TypedData.sol";

/// @title Json
/// @notice Writes JSON text. The cheatcodes for it turn decimal strings into numbers and sort keys; files that other
/// languages read should do neither. Every integer is a decimal string: some exceed 2^53.
library Json {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function quoted(string memory value) internal pure returns (string memory) {
        return string.concat("\"", value, "\"");
    }

    function number(uint256 value) internal pure returns (string memory) {
        return quoted(VM.toString(value));
    }

    function hexadecimal(bytes memory value) internal pure returns (string memory) {
        return quoted(VM.toString(value));
    }

    /// @notice One member of an object, with the comma that goes before it unless it is the first.
    function with(string memory object, string memory key, string memory value) internal pure returns (string memory) {
        return string.concat(object, bytes(object).length == 0 ? "" : ",", quoted(key), ":", value);
    }

    /// @notice One element of a list.
    function and(string memory list, string memory value) internal pure returns (string memory) {
        return string.concat(list, bytes(list).length == 0 ? "" : ",", value);
    }

    function braced(string memory members) internal pure returns (string memory) {
        return string.concat("{", members, "}");
    }

    function bracketed(string memory elements) internal pure returns (string memory) {
        return string.concat("[", elements, "]");
    }

    /// @notice `{"Name":[{"name":…,"type":…},…],…}`, the types of `eth_signTypedData_v4`: the message's own and those of the
    /// members of its arrays, which must not be empty.
    function types(Message memory message) internal pure returns (string memory) {
        return braced(typesOf(message));
    }

    function typesOf(Message memory message) private pure returns (string memory members) {
        string memory list = "";
        string memory nested = "";
        for (uint256 i; i < message.fields.length; ++i) {
            Field memory field = message.fields[i];
            list = and(list, braced(with(with("", "name", quoted(field.name)), "type", quoted(field.kind))));
            if (bytes(field.memberType).length != 0) nested = and(nested, typesOf(field.members[0]));
        }
        members = with("", message.primaryType, bracketed(list));
        return bytes(nested).length == 0 ? members : and(members, nested);
    }

    function values(Message memory message) internal pure returns (string memory members) {
        for (uint256 i; i < message.fields.length; ++i) {
            members = with(members, message.fields[i].name, value_(message.fields[i]));
        }
        return braced(members);
    }

    function value_(Field memory field) private pure returns (string memory list) {
        bytes32 kind = keccak256(bytes(field.kind));
        if (kind == keccak256("bytes")) return hexadecimal(field.value);
        if (kind == keccak256("bool")) return uint256(bytes32(field.value)) == 0 ? "false" : "true";
        if (kind == keccak256("bytes4")) return hexadecimal(abi.encodePacked(bytes4(bytes32(field.value))));
        if (kind == keccak256("bytes16")) return hexadecimal(abi.encodePacked(bytes16(bytes32(field.value))));
        if (kind == keccak256("address")) return quoted(VM.toString(abi.decode(field.value, (address))));
        for (uint256 i; i < field.members.length; ++i) {
            list = and(list, values(field.members[i]));
        }
        if (bytes(field.memberType).length != 0) return bracketed(list);
        if (kind != keccak256("address[]")) return number(uint256(bytes32(field.value)));
        for (uint256 at; at < field.value.length; at += 32) {
            bytes memory encoded = field.value;
            address element;
            assembly ("memory-safe") {
                element := mload(add(add(encoded, 32), at))
            }
            list = and(list, quoted(VM.toString(element)));
        }
        return bracketed(list);
    }

    /// @notice The same JSON, indented by two. Knows no escapes: our strings have none.
    function pretty(string memory compact) internal pure returns (string memory) {
        bytes memory source = bytes(compact);
        bytes memory target = new bytes(source.length * 3 + 1024);
        uint256 length;
        uint256 depth;
        bool inString;
        for (uint256 i; i < source.length; ++i) {
            bytes1 c = source[i];
            if (c == "\"") inString = !inString;
            bool closes = !inString && (c == "}" || c == "]");
            bool opens = !inString && (c == "{" || c == "[");
            bool empty = opens && (source[i + 1] == "}" || source[i + 1] == "]");
            if (closes && source[i - 1] != "{" && source[i - 1] != "[") length = _newLine(target, length, --depth);
            target[length++] = c;
            if (opens && !empty) length = _newLine(target, length, ++depth);
            if (!inString && c == ",") length = _newLine(target, length, depth);
            if (!inString && c == ":") target[length++] = " ";
        }
        target[length++] = "\n";
        assembly ("memory-safe") {
            mstore(target, length)
        }
        return string(target);
    }

    function _newLine(bytes memory target, uint256 length, uint256 depth) private pure returns (uint256) {
        target[length++] = "\n";
        for (uint256 i; i < 2 * depth; ++i) {
            target[length++] = " ";
        }
        return length;
    }
}
