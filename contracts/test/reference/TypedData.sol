// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice A member of an EIP-712 struct: its type, its name, and its value: one word, the bytes, or the array's words.
/// Of an array of structs the words are the hashes of `members`, and `memberType` is their type string.
struct Field {
    string kind;
    string name;
    bytes value;
    string memberType;
    Message[] members;
}

/// @notice An EIP-712 message whose only nested structs are the members of one array.
struct Message {
    string primaryType;
    Field[] fields;
}

using TypedData for Message global;

/// @title TypedData
/// @notice EIP-712 from the standard's text, sharing nothing with the contract: type strings are put together from the
/// fields, words are concatenated one by one.
library TypedData {
    function message(string memory primaryType, uint256 fieldCount) internal pure returns (Message memory result) {
        result.primaryType = primaryType;
        result.fields = new Field[](fieldCount);
    }

    function put(Message memory self, uint256 at, string memory kind, string memory name, uint256 value) internal pure {
        self.fields[at] = Field(kind, name, abi.encode(value), "", new Message[](0));
    }

    function put(Message memory self, uint256 at, string memory name, address value) internal pure {
        self.fields[at] = Field("address", name, abi.encode(value), "", new Message[](0));
    }

    function put(Message memory self, uint256 at, string memory name, bytes memory value) internal pure {
        self.fields[at] = Field("bytes", name, value, "", new Message[](0));
    }

    function put(Message memory self, uint256 at, string memory name, bytes16 value) internal pure {
        self.fields[at] = Field("bytes16", name, abi.encode(value), "", new Message[](0));
    }

    /// @param member Any message of the members' type: an empty array has a type too.
    function put(Message memory self, uint256 at, string memory name, Message memory member, Message[] memory value)
        internal
        pure
    {
        bytes memory words;
        for (uint256 i; i < value.length; ++i) {
            words = bytes.concat(words, structHash(value[i]));
        }
        self.fields[at] = Field(string.concat(member.primaryType, "[]"), name, words, typeString(member), value);
    }

    function put(Message memory self, uint256 at, string memory name, address[] memory value) internal pure {
        bytes memory words;
        for (uint256 i; i < value.length; ++i) {
            words = bytes.concat(words, abi.encode(value[i]));
        }
        self.fields[at] = Field("address[]", name, words, "", new Message[](0));
    }

    /// @notice Whether a value is not one word, but is hashed into one.
    function isDynamic(Field memory field) internal pure returns (bool) {
        bytes32 kind = keccak256(bytes(field.kind));
        return kind == keccak256("bytes") || kind == keccak256("address[]") || bytes(field.memberType).length != 0;
    }

    function typeString(Message memory self) internal pure returns (string memory result) {
        for (uint256 i; i < self.fields.length; ++i) {
            result = string.concat(result, i == 0 ? "" : ",", self.fields[i].kind, " ", self.fields[i].name);
        }
        result = string.concat(self.primaryType, "(", result, ")");
        for (uint256 i; i < self.fields.length; ++i) {
            result = string.concat(result, self.fields[i].memberType);
        }
    }

    function structHash(Message memory self) internal pure returns (bytes32) {
        bytes memory words = bytes.concat(keccak256(bytes(typeString(self))));
        for (uint256 i; i < self.fields.length; ++i) {
            bytes memory value = self.fields[i].value;
            words = bytes.concat(words, isDynamic(self.fields[i]) ? keccak256(value) : bytes32(value));
        }
        return keccak256(words);
    }

    function digest(Message memory self, uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", domainSeparator(chainId, verifyingContract), structHash(self)));
    }

    function domainSeparator(uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Ring Window"),
                keccak256("1"),
                bytes32(chainId),
                bytes32(uint256(uint160(verifyingContract)))
            )
        );
    }
}
