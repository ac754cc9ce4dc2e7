// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";

/// @notice A member of an EIP-712 struct: its type, its name, its value as one encoded word and as JSON.
struct Field {
    string kind;
    string name;
    bytes32 word;
    string json;
}

/// @notice An EIP-712 message without nested structs: the only shape that this protocol signs.
struct Message {
    string primaryType;
    Field[] fields;
}

using TypedData for Message global;

/// @title TypedData
/// @notice EIP-712 from the standard's text, sharing nothing with the contract: type strings are put together from the
/// fields, words are concatenated one by one. Every integer is a decimal string in JSON, since some exceed 2^53.
library TypedData {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function message(string memory primaryType, uint256 fieldCount) internal pure returns (Message memory result) {
        result.primaryType = primaryType;
        result.fields = new Field[](fieldCount);
    }

    function put(Message memory self, uint256 at, string memory kind, string memory name, uint256 value)
        internal
        pure
    {
        self.fields[at] = Field(kind, name, bytes32(value), quoted(VM.toString(value)));
    }

    function put(Message memory self, uint256 at, string memory name, address value) internal pure {
        self.fields[at] = Field("address", name, bytes32(uint256(uint160(value))), quoted(VM.toString(value)));
    }

    function put(Message memory self, uint256 at, string memory name, bytes memory value) internal pure {
        self.fields[at] = Field("bytes", name, keccak256(value), quoted(VM.toString(value)));
    }

    function put(Message memory self, uint256 at, string memory name, bytes16 value) internal pure {
        self.fields[at] =
            Field("bytes16", name, bytes32(value), quoted(VM.toString(abi.encodePacked(value))));
    }

    function put(Message memory self, uint256 at, string memory name, address[] memory value) internal pure {
        bytes memory words;
        string memory json = "";
        for (uint256 i; i < value.length; ++i) {
            words = bytes.concat(words, bytes32(uint256(uint160(value[i]))));
            json = string.concat(json, i == 0 ? "" : ",", quoted(VM.toString(value[i])));
        }
        self.fields[at] = Field("address[]", name, keccak256(words), string.concat("[", json, "]"));
    }

    function typeString(Message memory self) internal pure returns (string memory result) {
        for (uint256 i; i < self.fields.length; ++i) {
            result = string.concat(result, i == 0 ? "" : ",", self.fields[i].kind, " ", self.fields[i].name);
        }
        result = string.concat(self.primaryType, "(", result, ")");
    }

    function structHash(Message memory self) internal pure returns (bytes32) {
        bytes memory words = bytes.concat(keccak256(bytes(typeString(self))));
        for (uint256 i; i < self.fields.length; ++i) {
            words = bytes.concat(words, self.fields[i].word);
        }
        return keccak256(words);
    }

    function digest(Message memory self, uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", domainSeparator(chainId, verifyingContract), structHash(self)));
    }

    function domainSeparator(uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        Message memory domain = message("EIP712Domain", 4);
        domain.fields[0] = Field("string", "name", keccak256("Ring Window"), quoted("Ring Window"));
        domain.fields[1] = Field("string", "version", keccak256("1"), quoted("1"));
        put(domain, 2, "uint256", "chainId", chainId);
        put(domain, 3, "verifyingContract", verifyingContract);
        return structHash(domain);
    }

    function quoted(string memory value) internal pure returns (string memory) {
        return string.concat("\"", value, "\"");
    }
}
