// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.33;

import { IRingMultisig } from "./IRingMultisig.sol";
import { CallBatch } from "./libraries/CallBatch.sol";
import { Budget, CharterLib, Terms } from "./libraries/CharterLib.sol";
import { Eip712Lib } from "./libraries/Eip712Lib.sol";
import { Limit, LimitLib } from "./libraries/LimitLib.sol";
import { RingState } from "./libraries/RingStateLib.sol";
import { SignatureLib } from "./libraries/SignatureLib.sol";
import { TurnId } from "./libraries/TurnIdLib.sol";

/// @title RingMultisig
/// @notice See `IRingMultisig`.
contract RingMultisig is IRingMultisig {
    // ------------------------------------------------------------------------------------------------------------
    // Storage
    // ------------------------------------------------------------------------------------------------------------

    /// @dev A turn reads `state` and `charter`, and writes `state`. Spending another asset touches one of `limits`.
    /// Permissions of a ring go behind `limits`, velocity into the free bits of `state`, the lease into those of `Terms`.
    struct Ring {
        RingState state;
        bytes32 charter;
        uint64 changedAt;
        mapping(address asset => Limit) limits;
    }

    /// @dev How a seat stands in the witness of a turn.
    uint8 private constant ABSENT = 0;
    uint8 private constant SIGNED = 1;
    uint8 private constant SENDER = 2;

    uint256 private constant MAX_SEATS = 32;
    bytes4 private constant ERC20_TRANSFER = 0xa9059cbb;
    uint256 private constant ERC20_TRANSFER_LENGTH = 68;

    /// @dev What CALL itself may cost before the rest is divided by EIP-150: a cold account (2,600), value (9,000), an
    /// account that is new (25,000), and what surrounds the call here.
    uint256 private constant CALL_OVERHEAD = 40_000;
    uint256 private constant MAX_REASON = 256;

    uint256 private immutable DEPLOYED_CHAIN_ID;
    bytes32 private immutable DEPLOYED_DOMAIN_SEPARATOR;

    bool private transient _entered;

    /// @inheritdoc IRingMultisig
    address public override master;
    /// @inheritdoc IRingMultisig
    address public override pendingMaster;
    /// @inheritdoc IRingMultisig
    address public override guardian;
    /// @inheritdoc IRingMultisig
    mapping(address signer => uint256) public override actionNonce;
    mapping(uint32 ring => Ring) private _rings;

    // ------------------------------------------------------------------------------------------------------------
    // Construction and funding
    // ------------------------------------------------------------------------------------------------------------

    /// @param master_ The first master; not zero.
    /// @param guardian_ The first guardian, or zero for none.
    constructor(address master_, address guardian_) {
        if (master_ == address(0)) revert MasterInvalid(master_);
        DEPLOYED_CHAIN_ID = block.chainid;
        DEPLOYED_DOMAIN_SEPARATOR = Eip712Lib.domainSeparator();
        master = master_;
        guardian = guardian_;
        emit MasterTransferred(address(0), master_);
        emit GuardianChanged(address(0), guardian_);
    }

    /// @notice Funds the treasury with the native coin.
    receive() external payable { }

    modifier nonReentrant() {
        if (_entered) revert Reentrancy();
        _entered = true;
        _;
        _entered = false;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Operators
    // ------------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRingMultisig
    function execute(TurnId id, Terms terms, Budget budget, bytes calldata calls, bytes calldata witness)
        external
        override
        nonReentrant
    {
        Ring storage ring = _rings[id.ring()];
        RingState state = ring.state;
        if (state.halted()) revert RingIsHalted(id.ring());
        if (id.epoch() != state.epoch()) revert EpochMismatch(state.epoch(), id.epoch());
        if (id.nonce() != state.nonce()) revert NonceMismatch(state.nonce(), id.nonce());
        if (block.timestamp > id.validUntil()) revert TurnExpired(id.validUntil(), block.timestamp);

        bytes32 digest = turnDigest(id, calls);
        bytes32 presented = _charterOfWitness(digest, id.nonce(), terms, budget, witness);
        if (presented != ring.charter) revert CharterMismatch(ring.charter, presented);

        bytes memory requestIds;
        (state, requestIds) = _spend(ring, state, terms, budget, calls);
        ring.state = state.nextTurn();
        emit TurnExecuted(id.ring(), id.nonce(), digest, requestIds);

        _perform(id, budget.asset(), calls);
    }

    /// @inheritdoc IRingMultisig
    function halt(uint32 ringId, Charter calldata charter, address signer, bytes calldata signature)
        external
        override
        nonReentrant
    {
        Ring storage ring = _existing(ringId);
        RingState state = ring.state;
        if (signer == address(0)) revert NotEntitled(signer);
        if (signer != master && signer != guardian) {
            _checkCharter(ring, charter);
            if (_seatOf(charter, signer) == charter.seats.length) revert NotEntitled(signer);
        }
        _checkConsent(signer, Eip712Lib.halt(ringId, state.epoch()), signature);

        if (state.halted()) return;
        ring.state = state.withHalted(true);
        emit Halted(ringId, state.epoch(), signer);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master
    // ------------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRingMultisig
    function formRing(uint32 ringId, Charter calldata charter, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.formRing(ringId, charter, nonce, authorization.deadline));
        _checkFormation(charter);

        Ring storage ring = _rings[ringId];
        ring.state = ring.state.nextEpoch().withHalted(false).withMeter(0, 0);
        _commit(ringId, ring, charter, charter.seats);
    }

    /// @inheritdoc IRingMultisig
    function resume(uint32 ringId, Authorization calldata authorization) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.resume(ringId, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        RingState state = ring.state.nextEpoch().withHalted(false);
        ring.state = state;
        emit Resumed(ringId, state.epoch());
    }

    /// @inheritdoc IRingMultisig
    function revoke(uint32 ringId, address key, Charter calldata charter, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMasterOrGuardian(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.revoke(ringId, key, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        _checkCharter(ring, charter);
        uint256 seat = _seatOf(charter, key);
        if (key == address(0) || seat == charter.seats.length) revert KeyUnknown(ringId, key);
        emit KeyRevoked(ringId, key, uint8(seat), authorization.signer);
        _changeSeat(ringId, ring, charter, seat, address(0));
    }

    /// @inheritdoc IRingMultisig
    function replace(
        uint32 ringId,
        uint8 seat,
        address key,
        Charter calldata charter,
        Authorization calldata authorization
    ) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.replace(ringId, seat, key, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        _checkCharter(ring, charter);
        if (seat >= charter.seats.length || _seatOf(charter, key) != charter.seats.length) {
            revert SeatInvalid(seat, key);
        }
        _checkSeat(seat, key);
        emit KeyReplaced(ringId, charter.seats[seat], key, seat);
        _changeSeat(ringId, ring, charter, seat, key);
    }

    /// @inheritdoc IRingMultisig
    function setLimit(uint32 ringId, address asset, uint104 cap, uint24 period, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(
            authorization, Eip712Lib.setLimit(ringId, asset, cap, period, nonce, authorization.deadline)
        );
        if (asset == address(this)) revert AssetInvalid(asset);
        if (period < LimitLib.MIN_PERIOD) revert PeriodInvalid(period);

        _existing(ringId).limits[asset] = LimitLib.create(cap, period);
        emit LimitSet(ringId, asset, cap, period);
    }

    /// @inheritdoc IRingMultisig
    function setGuardian(address newGuardian, Authorization calldata authorization) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.setGuardian(newGuardian, nonce, authorization.deadline));

        emit GuardianChanged(guardian, newGuardian);
        guardian = newGuardian;
    }

    /// @inheritdoc IRingMultisig
    function transferMaster(address newMaster, Authorization calldata authorization) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.transferMaster(newMaster, nonce, authorization.deadline));

        pendingMaster = newMaster;
        emit MasterTransferStarted(master, newMaster);
    }

    /// @inheritdoc IRingMultisig
    function acceptMaster(Authorization calldata authorization) external override nonReentrant {
        address newMaster = authorization.signer;
        if (newMaster == address(0) || newMaster != pendingMaster) revert NotEntitled(newMaster);
        uint256 nonce = actionNonce[newMaster]++;
        _checkAuthorization(authorization, Eip712Lib.acceptMaster(nonce, authorization.deadline));

        emit MasterTransferred(master, newMaster);
        master = newMaster;
        pendingMaster = address(0);
    }

    /// @inheritdoc IRingMultisig
    function masterExecute(address target, uint256 value, bytes calldata callData, Authorization calldata authorization)
        external
        override
        nonReentrant
        returns (bytes memory result)
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(
            authorization, Eip712Lib.masterExecute(target, value, callData, nonce, authorization.deadline)
        );
        if (target == address(this)) revert SelfCall();

        emit MasterExecuted(target, value, callData);
        bool success;
        (success, result) = target.call{ value: value }(callData);
        if (!success) {
            if (result.length > MAX_REASON) {
                assembly ("memory-safe") {
                    mstore(result, MAX_REASON)
                }
            }
            revert MasterCallFailed(result);
        }
    }

    // ------------------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRingMultisig
    function getRing(uint32 ringId) external view override returns (RingView memory) {
        Ring storage ring = _rings[ringId];
        RingState state = ring.state;
        return RingView({
            nonce: state.nonce(),
            epoch: state.epoch(),
            halted: state.halted(),
            charter: ring.charter,
            periodIndex: state.periodIndex(),
            spent: state.spent(),
            changedAt: ring.changedAt
        });
    }

    /// @inheritdoc IRingMultisig
    function getLimit(uint32 ringId, address asset) external view override returns (LimitView memory) {
        Limit limit = _rings[ringId].limits[asset];
        return
            LimitView({
                cap: limit.cap(), period: limit.period(), periodIndex: limit.periodIndex(), spent: limit.spent()
            });
    }

    /// @inheritdoc IRingMultisig
    function charterHash(Charter calldata charter) external pure override returns (bytes32) {
        return _charterHash(charter, charter.seats);
    }

    /// @inheritdoc IRingMultisig
    function domainSeparator() public view override returns (bytes32) {
        return block.chainid == DEPLOYED_CHAIN_ID ? DEPLOYED_DOMAIN_SEPARATOR : Eip712Lib.domainSeparator();
    }

    /// @inheritdoc IRingMultisig
    function turnDigest(TurnId id, bytes calldata calls) public view override returns (bytes32) {
        return Eip712Lib.digest(domainSeparator(), Eip712Lib.turn(id, calls));
    }

    // ------------------------------------------------------------------------------------------------------------
    // A turn, step by step
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Goes around the ring once from the first seat of the window, taking each key from its signature, from the
    /// sender or as given, and returns the charter that terms, budget and these keys make. Until the caller has found it
    /// to be the ring's charter, nothing in it means anything, N, W and Q included. Then: exactly Q seats of the window have
    /// agreed, each at its own place, so none can be counted twice; and no seat of the window is revoked.
    function _charterOfWitness(bytes32 digest, uint256 nonce, Terms terms, Budget budget, bytes calldata witness)
        private
        view
        returns (bytes32)
    {
        uint256 count = terms.seats();
        address[] memory keys = new address[](count);
        uint256 agreed;
        uint256 offset;
        for (uint256 i; i < count; ++i) {
            uint256 seat = (nonce + i) % count;
            if (offset == witness.length) revert WitnessMalformed(offset);
            uint8 tag = uint8(witness[offset]);
            uint256 next = offset + 1 + (tag == ABSENT ? 20 : tag == SIGNED ? 64 : 0);
            if (tag > SENDER || next > witness.length) revert WitnessMalformed(offset);
            if (tag == ABSENT) {
                keys[seat] = address(bytes20(witness[offset + 1:next]));
                // Where fewer than all have to sign, the others must not go on without it.
                if (i < terms.window() && keys[seat] == address(0)) revert SeatIsRevoked(seat);
            } else {
                if (i >= terms.window()) revert SeatOutsideWindow(seat);
                ++agreed;
                keys[seat] = tag == SENDER
                    ? msg.sender
                    : SignatureLib.recoverCompact(
                        digest, bytes32(witness[offset + 1:offset + 33]), bytes32(witness[offset + 33:next])
                    );
            }
            offset = next;
        }
        if (offset != witness.length) revert WitnessMalformed(offset);
        if (agreed != terms.quorum()) revert QuorumMismatch(terms.quorum(), agreed);
        return CharterLib.commitment(terms, budget, keys);
    }

    /// @dev Checks that the ring may make each of the calls, and books what they spend, call by call.
    function _spend(Ring storage ring, RingState state, Terms terms, Budget budget, bytes calldata calls)
        private
        returns (RingState, bytes memory requestIds)
    {
        uint256 mainSpent;
        bool mainUsed;
        uint24 mainIndex;
        if (calls.length != 0) {
            mainIndex = LimitLib.currentIndex(terms.period());
            mainSpent = state.periodIndex() == mainIndex ? state.spent() : 0;
        }
        for (uint256 offset; offset < calls.length;) {
            (uint8 kind, bytes16 requestId,, address target, uint256 amount) = CallBatch.head(calls, offset);
            requestIds = bytes.concat(requestIds, requestId);
            address asset;
            if (kind == CallBatch.PAY) {
                asset = budget.asset();
                if (asset == address(0)) _checkTarget(target, bytes4(0));
                offset = CallBatch.afterPay(offset);
            } else {
                bytes calldata callData = CallBatch.data(calls, offset);
                (asset, amount) = _assetOfCall(target, amount, callData);
                offset = CallBatch.afterCall(offset, callData);
            }

            if (asset == budget.asset()) {
                mainSpent = LimitLib.checkedTotal(asset, budget.cap(), mainSpent, amount);
                mainUsed = true;
            } else {
                Limit limit = ring.limits[asset];
                if (limit.period() == 0) revert CallNotPermitted(target, bytes4(0));
                ring.limits[asset] = limit.charge(asset, amount);
            }
        }
        if (mainUsed) state = state.withMeter(mainIndex, uint96(mainSpent));
        return (state, requestIds);
    }

    /// @dev What a call of kind `CALL` spends: a bare transfer of the native coin, or a token's `transfer` with its two words
    /// clean. Nothing else is permitted.
    function _assetOfCall(address target, uint256 value, bytes calldata callData)
        private
        view
        returns (address asset, uint256 amount)
    {
        bytes4 selector = callData.length < 4 ? bytes4(0) : bytes4(callData);
        _checkTarget(target, selector);
        if (callData.length == 0) return (address(0), value);
        bool isTransfer = selector == ERC20_TRANSFER && callData.length == ERC20_TRANSFER_LENGTH && value == 0
            && target != address(0) && uint256(bytes32(callData[4:36])) <= type(uint160).max;
        if (!isTransfer) revert CallNotPermitted(target, selector);
        return (target, uint256(bytes32(callData[36:68])));
    }

    function _checkTarget(address target, bytes4 selector) private view {
        if (target == address(this) || target == master) revert CallNotPermitted(target, selector);
    }

    /// @dev Makes the calls. Each gets at least the gas that was signed for it, or the whole turn is undone. What a call
    /// returns is never copied but for one word.
    function _perform(TurnId id, address mainAsset, bytes calldata calls) private {
        uint256 index;
        for (uint256 offset; offset < calls.length; ++index) {
            (uint8 kind, bytes16 requestId, uint256 gas_, address target, uint256 amount) =
                CallBatch.head(calls, offset);
            bytes memory callData;
            if (kind == CallBatch.PAY) {
                if (mainAsset != address(0)) {
                    callData = abi.encodeWithSelector(ERC20_TRANSFER, target, amount);
                    (target, amount) = (mainAsset, 0);
                }
                offset = CallBatch.afterPay(offset);
            } else {
                bytes calldata data = CallBatch.data(calls, offset);
                offset = CallBatch.afterCall(offset, data);
                callData = data;
            }

            uint256 required = gas_ + gas_ / 63 + CALL_OVERHEAD;
            if (gasleft() < required) revert GasTooLow(index, required, gasleft());
            if (!_call(target, amount, gas_, callData)) emit CallFailed(id.ring(), id.nonce(), index, requestId);
        }
    }

    /// @dev A call with data is a token's: it succeeded if there is code that returned nothing or a word that is `true`.
    function _call(address target, uint256 value, uint256 gas_, bytes memory callData) private returns (bool success) {
        uint256 returnedSize;
        uint256 returnedWord;
        assembly ("memory-safe") {
            success := call(gas_, target, value, add(callData, 32), mload(callData), 0, 32)
            returnedSize := returndatasize()
            returnedWord := mload(0)
        }
        if (!success || callData.length == 0) return success;
        return returnedSize == 0 ? target.code.length != 0 : returnedSize >= 32 && returnedWord == 1;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Charters
    // ------------------------------------------------------------------------------------------------------------

    function _existing(uint32 ringId) private view returns (Ring storage ring) {
        ring = _rings[ringId];
        if (ring.state.epoch() == 0) revert RingUnknown(ringId);
    }

    function _charterHash(Charter calldata charter, address[] memory seats) private pure returns (bytes32) {
        return CharterLib.commitment(
            CharterLib.pack(uint8(seats.length), charter.window, charter.quorum, charter.period),
            CharterLib.pack(charter.asset, charter.cap),
            seats
        );
    }

    function _checkCharter(Ring storage ring, Charter calldata charter) private view {
        bytes32 presented = _charterHash(charter, charter.seats);
        if (presented != ring.charter) revert CharterMismatch(ring.charter, presented);
    }

    /// @dev The seat of a key, or the number of seats if it has none.
    function _seatOf(Charter calldata charter, address key) private pure returns (uint256 seat) {
        while (seat < charter.seats.length && charter.seats[seat] != key) ++seat;
    }

    function _checkFormation(Charter calldata charter) private view {
        uint256 count = charter.seats.length;
        if (
            count == 0 || count > MAX_SEATS || charter.window == 0 || charter.window > count || charter.quorum == 0
                || charter.quorum > charter.window || charter.period < LimitLib.MIN_PERIOD
        ) revert CharterInvalid(count, charter.window, charter.quorum, charter.period);
        if (charter.asset == address(this)) revert AssetInvalid(charter.asset);
        for (uint256 seat; seat < count; ++seat) {
            address key = charter.seats[seat];
            _checkSeat(seat, key);
            if (_seatOf(charter, key) != seat) revert SeatInvalid(seat, key);
        }
    }

    function _checkSeat(uint256 seat, address key) private view {
        if (key == address(0) || key == address(this) || key == master || key == guardian) {
            revert SeatInvalid(seat, key);
        }
    }

    function _changeSeat(uint32 ringId, Ring storage ring, Charter calldata charter, uint256 seat, address key)
        private
    {
        address[] memory seats = charter.seats;
        seats[seat] = key;
        ring.state = ring.state.nextEpoch();
        _commit(ringId, ring, charter, seats);
    }

    function _commit(uint32 ringId, Ring storage ring, Charter calldata charter, address[] memory seats) private {
        ring.charter = _charterHash(charter, seats);
        ring.changedAt = uint64(block.number);
        emit CharterChanged(
            ringId,
            ring.state.epoch(),
            Charter({
                window: charter.window,
                quorum: charter.quorum,
                asset: charter.asset,
                cap: charter.cap,
                period: charter.period,
                seats: seats
            })
        );
    }

    // ------------------------------------------------------------------------------------------------------------
    // Authority
    // ------------------------------------------------------------------------------------------------------------

    function _useNonceOfMaster(address signer) private returns (uint256) {
        if (signer != master) revert NotEntitled(signer);
        return actionNonce[signer]++;
    }

    function _useNonceOfMasterOrGuardian(address signer) private returns (uint256) {
        if (signer == address(0) || (signer != master && signer != guardian)) revert NotEntitled(signer);
        return actionNonce[signer]++;
    }

    function _checkAuthorization(Authorization calldata authorization, bytes32 structHash) private view {
        if (authorization.signature.length != 0 && block.timestamp > authorization.deadline) {
            revert ActionExpired(authorization.deadline, block.timestamp);
        }
        _checkConsent(authorization.signer, structHash, authorization.signature);
    }

    function _checkConsent(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (signature.length == 0) {
            if (msg.sender != signer) revert SenderIsNotSigner(signer, msg.sender);
        } else if (!SignatureLib.isValid(signer, Eip712Lib.digest(domainSeparator(), structHash), signature)) {
            revert SignatureInvalid();
        }
    }
}
