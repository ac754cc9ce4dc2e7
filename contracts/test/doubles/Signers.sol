// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice An account that is a contract: sends whatever it is told to, as tests demand.
abstract contract Account {
    function send(address target, bytes calldata data) external payable {
        (bool success, bytes memory answer) = target.call{ value: msg.value }(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable { }
}

/// @notice Signs by remembering digests (ERC-1271).
contract GoodSigner is Account {
    mapping(bytes32 digest => bool) public approved;

    function approve(bytes32 digest) external {
        approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return approved[digest] ? this.isValidSignature.selector : bytes4(0);
    }
}

enum Flaw {
    WrongMagic,
    MagicInLowBytes,
    ShortAnswer,
    NoAnswer,
    MagicThenRevert,
    BurnsAllGas,
    HugeAnswer,
    HugeRevert
}

/// @notice Answers a question for its signature in some wrong way.
contract BadSigner is Account {
    Flaw private _flaw;

    function choose(Flaw flaw) external {
        _flaw = flaw;
    }

    function isValidSignature(bytes32, bytes calldata) external view {
        Flaw flaw = _flaw;
        bytes32 magic = bytes32(bytes4(0x1626ba7e));
        assembly ("memory-safe") {
            switch flaw
            case 0 {
                mstore(0, not(0))
                return(0, 32)
            }
            case 1 {
                mstore(0, shr(224, magic))
                return(0, 32)
            }
            case 2 {
                mstore(0, magic)
                return(0, 31)
            }
            case 3 { return(0, 0) }
            case 4 {
                mstore(0, magic)
                revert(0, 32)
            }
            case 5 { invalid() }
            case 6 { return(0x80, 1000000) }
            default { revert(0x80, 1000000) }
        }
    }
}
