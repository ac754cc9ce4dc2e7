// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { RingTest } from "./RingTest.sol";

/// @dev What the tests use of Safe 1.4.1.
interface ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external;
    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes calldata signatures
    ) external payable returns (bool);
    function getTransactionHash(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 nonce
    ) external view returns (bytes32);
    function nonce() external view returns (uint256);
    function domainSeparator() external view returns (bytes32);
}

interface ISafeProxyFactory {
    function createProxyWithNonce(address singleton, bytes calldata initializer, uint256 saltNonce)
        external
        returns (address);
}

/// @title RealSafe
/// @notice Safes of two owners out of three, deployed from Safe's published bytecode the way Safe deploys them.
abstract contract RealSafe is RingTest {
    string private constant ARTIFACTS = "node_modules/@safe-global/safe-contracts/build/artifacts/contracts/";
    bytes32 private constant SAFE_MESSAGE = keccak256("SafeMessage(bytes message)");

    /// @dev In ascending order of their addresses, as Safe wants their signatures.
    address[3] internal owners;
    address private _singleton;
    address private _handler;
    ISafeProxyFactory private _factory;
    uint256 private _salt;

    function setUp() public virtual override {
        super.setUp();
        owners = [_newKey("owner 0"), _newKey("owner 1"), _newKey("owner 2")];
        for (uint256 i; i < 2; ++i) {
            for (uint256 j; j < 2 - i; ++j) {
                if (owners[j] > owners[j + 1]) (owners[j], owners[j + 1]) = (owners[j + 1], owners[j]);
            }
        }
        _singleton = _deployPublished("Safe.sol/Safe.json");
        _handler = _deployPublished("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json");
        _factory = ISafeProxyFactory(_deployPublished("proxies/SafeProxyFactory.sol/SafeProxyFactory.json"));
    }

    function _newSafe() internal returns (ISafe) {
        address[] memory list = new address[](3);
        (list[0], list[1], list[2]) = (owners[0], owners[1], owners[2]);
        bytes memory initializer =
            abi.encodeCall(ISafe.setup, (list, 2, address(0), "", _handler, address(0), 0, payable(address(0))));
        return ISafe(_factory.createProxyWithNonce(_singleton, initializer, ++_salt));
    }

    /// @dev A transaction of the Safe, signed by its first two owners and sent by anybody.
    function _transact(ISafe safe, address to, bytes memory data) internal returns (bool) {
        bytes32 hash = safe.getTransactionHash(to, 0, data, 0, 0, 0, 0, address(0), address(0), safe.nonce());
        bytes memory signatures = bytes.concat(_signature(owners[0], hash), _signature(owners[1], hash));
        return safe.execTransaction(to, 0, data, 0, 0, 0, 0, address(0), payable(address(0)), signatures);
    }

    /// @dev What an owner signs for the Safe to have signed this digest (ERC-1271).
    function _safeMessage(ISafe safe, bytes32 digest) internal view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(SAFE_MESSAGE, keccak256(abi.encode(digest))));
        return keccak256(abi.encodePacked(hex"1901", safe.domainSeparator(), structHash));
    }

    function _safeSignature(ISafe safe, bytes32 digest) internal view returns (bytes memory) {
        bytes32 message = _safeMessage(safe, digest);
        return bytes.concat(_signature(owners[0], message), _signature(owners[2], message));
    }

    function _deployPublished(string memory file) private returns (address deployed) {
        bytes memory code = vm.parseJsonBytes(vm.readFile(string.concat(ARTIFACTS, file)), ".bytecode");
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
        assertTrue(deployed != address(0), file);
    }
}
