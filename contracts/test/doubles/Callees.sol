// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { ITransferHook } from "./Tokens.sol";

/// @notice Reverts without a reason.
contract Refuser {
    fallback() external payable {
        revert();
    }
}

/// @notice Takes the native coin if nothing comes with it.
contract Purse {
    receive() external payable { }
}

/// @notice Reverts with as much data as its gas pays for: whoever copies it runs out of gas.
contract Bomb {
    fallback() external payable {
        assembly ("memory-safe") {
            revert(0x80, 1000000)
        }
    }
}

/// @notice Succeeds with as much data, the word `true` first.
contract LoudToken {
    fallback() external payable {
        assembly ("memory-safe") {
            mstore(0, 1)
            return(0, 1000000)
        }
    }
}

/// @notice Burns all gas it gets.
contract Burner {
    fallback() external payable {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @notice Takes every call, and keeps the list of the functions that were called.
contract Recorder {
    bytes4[] private _called;

    fallback() external payable {
        _called.push(msg.sig);
    }

    function count() external view returns (uint256) {
        return _called.length;
    }

    function at(uint256 index) external view returns (bytes4) {
        return _called[index];
    }
}

/// @notice Returns whatever follows the selector.
contract Answerer {
    fallback(bytes calldata input) external returns (bytes memory) {
        return input[4:];
    }
}

/// @notice Notes how much gas it got and how it was called.
contract Gauge {
    uint256 public gasAtEntry;
    uint256 public value;
    bytes public data;

    fallback() external payable {
        gasAtEntry = gasleft();
        value = msg.value;
        data = msg.data;
    }
}

/// @notice Notes the gas that it is called with, and nothing else: its calls may be long.
contract GasMeter {
    uint256 public gasAtEntry;

    fallback() external payable {
        gasAtEntry = gasleft();
    }
}

/// @notice When paid, or told so by a token, it calls back with a prepared call and notes the answer.
contract Reenterer is ITransferHook {
    address private immutable TARGET;
    bytes private _call;
    bool public entered;
    bool public success;
    bytes public answer;

    constructor(address target) {
        TARGET = target;
    }

    function prepare(bytes calldata call_) external {
        _call = call_;
        entered = false;
    }

    receive() external payable {
        _reenter();
    }

    function onTokenTransfer() external {
        _reenter();
    }

    /// @notice The same call from outside, to see that only the moment was wrong.
    function again() external returns (bool success_) {
        (success_,) = TARGET.call(_call);
    }

    function _reenter() private {
        entered = true;
        (success, answer) = TARGET.call(_call);
    }
}
