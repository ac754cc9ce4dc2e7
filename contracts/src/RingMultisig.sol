// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import { IRingMultisig } from "./IRingMultisig.sol";
import { TokenReceiver } from "./TokenReceiver.sol";
import { CallBatch } from "./libraries/CallBatch.sol";
import { Budget, CharterLib, Terms } from "./libraries/CharterLib.sol";
import { Eip712Lib } from "./libraries/Eip712Lib.sol";
import { Limit, LimitLib } from "./libraries/LimitLib.sol";
import { PermissionLib, Rule } from "./libraries/PermissionLib.sol";
import { RingState, RingStateLib } from "./libraries/RingStateLib.sol";
import { SignatureLib } from "./libraries/SignatureLib.sol";
import { TurnId } from "./libraries/TurnIdLib.sol";
import { TurnLog } from "./libraries/TurnLog.sol";
import { WitnessLib } from "./libraries/WitnessLib.sol";

/// @title RingMultisig
/// @notice See `IRingMultisig`.
contract RingMultisig is IRingMultisig, TokenReceiver {
    // ------------------------------------------------------------------------------------------------------------
    // Storage
    // ------------------------------------------------------------------------------------------------------------

    /// @dev A turn that pays the main asset reads `state` and `charter`, and writes `state`. A call reads one of `rules` (a bare
    /// transfer perhaps two), and each other asset that it spends is one of `limits`. The lists say, to views alone, what was
    /// ever set.
    struct Ring {
        RingState state;
        bytes32 charter;
        uint64 changedAt;
        mapping(address target => mapping(bytes4 selector => Rule)) rules;
        mapping(address asset => Limit) limits;
        mapping(bytes32 payment => bool) permittedPayments;
        PermissionKey[] listedPermissions;
        address[] listedAssets;
    }

    /// @dev What became of a payment.
    enum Outcome {
        NotMade,
        Failed,
        /// It did not revert, but returned nothing: some tokens never do.
        Silent
    }

    struct PermissionKey {
        address target;
        bytes4 selector;
    }

    uint256 private constant MAX_SEATS = 32;
    uint32 private constant ANY_EPOCH = type(uint32).max;

    bytes4 private constant ERC20_TRANSFER = 0xa9059cbb;
    bytes4 private constant ERC20_TRANSFER_FROM = 0x23b872dd;
    bytes4 private constant ERC20_APPROVE = 0x095ea7b3;

    /// @dev What CALL itself may cost before the rest is divided by EIP-150: a cold account (2,600), value (9,000), an
    /// account that is new (25,000), and what is done here between looking at the gas and the call.
    uint256 private constant CALL_OVERHEAD = 40_000;
    uint256 private constant MAX_REASON = 256;

    /// @dev The hash of no calls.
    bytes32 private constant VOID = keccak256("");

    uint256 private immutable DEPLOYED_CHAIN_ID;
    bytes32 private immutable DEPLOYED_DOMAIN_SEPARATOR;

    /// @dev A whole word: a smaller one would have to be read before it is written.
    uint256 private transient _entered;

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
    receive() external payable {
        // A payment of the native coin to this contract fails here.
        if (msg.sender == address(this)) revert SelfCall();
    }

    modifier nonReentrant() {
        if (_entered != 0) revert Reentrancy();
        _entered = 1;
        _;
        _entered = 0;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Operators
    // ------------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRingMultisig
    function execute(TurnId id, Terms terms, Budget budget, bytes calldata signedCalls) external override nonReentrant {
        (bytes calldata calls, bytes calldata witness) = CallBatch.split(signedCalls);
        bytes32 digest = turnDigest(id, calls);
        (bytes32 presented, uint256 fault) = WitnessLib.charterOf(digest, id.nonce(), terms, budget, witness);
        Ring storage ring = _rings[id.ring()];
        RingState state = ring.state;
        if (fault | uint256(presented ^ ring.charter) | state.refusal(id) != 0) {
            _refuse(id, terms, budget, signedCalls);
        }

        // From here on terms and budget are what the master set, and the window has agreed.
        state = _admit(id, state, terms);
        uint256 firstId = TurnLog.open(id, digest, calls.length);
        (uint256 left, uint256 endOfIds) = _book(id, budget, _left(budget, state), calls, firstId);
        unchecked {
            // What is left is never more than the cap.
            ring.state = state.withSpent(budget.cap() - left);
        }
        TurnLog.close(firstId, endOfIds);

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

        _halt(ringId, ring, signer);
    }

    /// @inheritdoc IRingMultisig
    function proveEquivocation(Charter calldata charter, SignedTurn calldata first, SignedTurn calldata second)
        external
        override
        nonReentrant
    {
        if (first.id.slot() != second.id.slot()) revert TurnsUnrelated(first.id, second.id);
        (bytes32 firstDigest, address key) = _readSignedTurn(first);
        (bytes32 secondDigest, address other) = _readSignedTurn(second);
        bool hasVoid = first.callsHash == VOID || second.callsHash == VOID;
        if (hasVoid || firstDigest == secondDigest) revert ContentsCompatible(firstDigest, secondDigest);
        if (key != other) revert SignersDiffer(key, other);

        uint32 ringId = first.id.ring();
        Ring storage ring = _existing(ringId);
        uint32 epoch = ring.state.epoch();
        if (first.id.epoch() == 0 || first.id.epoch() > epoch) revert EpochMismatch(epoch, first.id.epoch());
        emit EquivocationProven(ringId, key, first.id.nonce(), firstDigest, secondDigest);
        _halt(ringId, ring, key);
        _revoke(ringId, ring, charter, key, msg.sender);
    }

    // ------------------------------------------------------------------------------------------------------------
    // Master
    // ------------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRingMultisig
    function formRing(uint32 ringId, uint32 epoch, Charter calldata charter, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.formRing(ringId, epoch, charter, nonce, authorization.deadline));
        _checkFormation(charter);

        Ring storage ring = _rings[ringId];
        if (epoch != ANY_EPOCH) _checkEpoch(ring, epoch);
        ring.state = ring.state.nextEpoch().withHalted(false).withoutUse();
        _commit(ringId, ring, charter);
    }

    /// @inheritdoc IRingMultisig
    function resume(uint32 ringId, uint32 epoch, Authorization calldata authorization) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.resume(ringId, epoch, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        _checkEpoch(ring, epoch);
        ring.state = ring.state.nextEpoch().withHalted(false);
        emit Resumed(ringId, epoch + 1);
    }

    /// @inheritdoc IRingMultisig
    function revoke(uint32 ringId, address key, Charter calldata charter, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMasterOrGuardian(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.revoke(ringId, key, nonce, authorization.deadline));

        _revoke(ringId, _existing(ringId), charter, key, authorization.signer);
    }

    /// @inheritdoc IRingMultisig
    function replace(
        uint32 ringId,
        uint32 epoch,
        uint8 seat,
        address key,
        bool andResume,
        Charter calldata charter,
        Authorization calldata authorization
    ) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(
            authorization, Eip712Lib.replace(ringId, epoch, seat, key, andResume, nonce, authorization.deadline)
        );

        Ring storage ring = _existing(ringId);
        _checkEpoch(ring, epoch);
        _checkCharter(ring, charter);
        if (seat >= charter.seats.length || _seatOf(charter, key) != charter.seats.length) {
            revert SeatInvalid(seat, key);
        }
        _checkSeat(seat, key);
        emit KeyReplaced(ringId, charter.seats[seat], key, seat);
        RingState state = ring.state.nextEpoch();
        if (andResume && state.halted()) {
            state = state.withHalted(false);
            emit Resumed(ringId, state.epoch());
        }
        ring.state = state;
        _commitSeat(ringId, ring, charter, seat, key);
    }

    /// @inheritdoc IRingMultisig
    function setPermissions(uint32 ringId, Permission[] calldata permissions, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.setPermissions(ringId, permissions, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        for (uint256 i; i < permissions.length; ++i) {
            Permission calldata permission = permissions[i];
            (address target, bytes4 selector) = (permission.target, permission.selector);
            _checkPermission(permission);
            if (!ring.rules[target][selector].listed()) {
                ring.listedPermissions.push(PermissionKey({ target: target, selector: selector }));
            }
            ring.rules[target][selector] = PermissionLib.pack(permission);
            emit PermissionSet(
                ringId,
                target,
                selector,
                permission.allowed,
                permission.amountWord,
                permission.asset,
                permission.addressWords
            );
        }
    }

    /// @inheritdoc IRingMultisig
    function setLimits(uint32 ringId, LimitSetting[] calldata limits, Authorization calldata authorization)
        external
        override
        nonReentrant
    {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(authorization, Eip712Lib.setLimits(ringId, limits, nonce, authorization.deadline));

        Ring storage ring = _existing(ringId);
        for (uint256 i; i < limits.length; ++i) {
            (address asset, uint104 cap, uint24 period) = (limits[i].asset, limits[i].cap, limits[i].period);
            if (asset == address(this)) revert AssetInvalid(asset);
            if (period < LimitLib.MIN_PERIOD) revert PeriodInvalid(period);
            if (ring.limits[asset].period() == 0) ring.listedAssets.push(asset);
            ring.limits[asset] = LimitLib.create(cap, period);
            emit LimitSet(ringId, asset, cap, period);
        }
    }

    /// @inheritdoc IRingMultisig
    function permitPayment(
        uint32 ringId,
        uint32 epoch,
        bytes16 requestId,
        address asset,
        address to,
        uint96 amount,
        Authorization calldata authorization
    ) external override nonReentrant {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(
            authorization,
            Eip712Lib.permitPayment(ringId, epoch, requestId, asset, to, amount, nonce, authorization.deadline)
        );

        Ring storage ring = _existing(ringId);
        _checkEpoch(ring, epoch);
        ring.permittedPayments[_paymentKey(epoch, requestId, asset, to, amount)] = true;
        emit PaymentPermitted(ringId, epoch, requestId, asset, to, amount);
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
    function masterExecute(
        address target,
        uint256 value,
        bytes calldata callData,
        uint256 gas_,
        Authorization calldata authorization
    ) external override nonReentrant returns (bytes memory result) {
        uint256 nonce = _useNonceOfMaster(authorization.signer);
        _checkAuthorization(
            authorization, Eip712Lib.masterExecute(target, value, callData, gas_, nonce, authorization.deadline)
        );
        if (target == address(this)) revert SelfCall();

        emit MasterExecuted(target, value, callData);
        bytes memory input = callData;
        uint256 required = _gasFor(gas_);
        if (gas_ != 0 && gasleft() < required) revert MasterGasTooLow(required, gasleft());
        bool success;
        (success, result) = target.call{ value: value }(input);
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
            turns: state.turns(),
            periodIndex: state.periodIndex(),
            lastTurnAt: state.lastTurnAt(),
            spent: state.spent(),
            changedAt: ring.changedAt
        });
    }

    /// @inheritdoc IRingMultisig
    function getLimit(uint32 ringId, address asset) public view override returns (LimitView memory) {
        Limit limit = _rings[ringId].limits[asset];
        return LimitView({
            asset: asset,
            cap: limit.cap(),
            period: limit.period(),
            periodIndex: limit.periodIndex(),
            spent: limit.spent()
        });
    }

    /// @inheritdoc IRingMultisig
    function getLimits(uint32 ringId) external view override returns (LimitView[] memory limits) {
        address[] storage listed = _rings[ringId].listedAssets;
        limits = new LimitView[](listed.length);
        for (uint256 i; i < limits.length; ++i) {
            limits[i] = getLimit(ringId, listed[i]);
        }
    }

    /// @inheritdoc IRingMultisig
    function getPermission(uint32 ringId, address target, bytes4 selector)
        public
        view
        override
        returns (Permission memory)
    {
        return _rings[ringId].rules[target][selector].unpack(target, selector);
    }

    /// @inheritdoc IRingMultisig
    function getPermissions(uint32 ringId) external view override returns (Permission[] memory permissions) {
        PermissionKey[] storage listed = _rings[ringId].listedPermissions;
        permissions = new Permission[](listed.length);
        for (uint256 i; i < permissions.length; ++i) {
            permissions[i] = getPermission(ringId, listed[i].target, listed[i].selector);
        }
    }

    /// @inheritdoc IRingMultisig
    function isPaymentPermitted(uint32 ringId, bytes16 requestId, address asset, address to, uint96 amount)
        external
        view
        override
        returns (bool)
    {
        Ring storage ring = _rings[ringId];
        return ring.permittedPayments[_paymentKey(ring.state.epoch(), requestId, asset, to, amount)];
    }

    /// @inheritdoc IRingMultisig
    function charterHash(Charter calldata charter) external pure override returns (bytes32) {
        return CharterLib.commitment(charter);
    }

    /// @inheritdoc IRingMultisig
    function domainSeparator() public view override returns (bytes32) {
        return block.chainid == DEPLOYED_CHAIN_ID ? DEPLOYED_DOMAIN_SEPARATOR : Eip712Lib.domainSeparator();
    }

    /// @inheritdoc IRingMultisig
    function turnDigest(TurnId id, bytes calldata calls) public view override returns (bytes32) {
        return Eip712Lib.digest(domainSeparator(), Eip712Lib.turn(id, Eip712Lib.hash(calls)));
    }

    // ------------------------------------------------------------------------------------------------------------
    // A turn, step by step
    // ------------------------------------------------------------------------------------------------------------

    /// @dev Reverts with what is wrong with a turn.
    function _refuse(TurnId id, Terms terms, Budget budget, bytes calldata signedCalls) private view {
        Ring storage ring = _rings[id.ring()];
        RingState state = ring.state;
        if (!id.isClean()) revert TurnIdMalformed(id);
        if (state.halted()) revert RingIsHalted(id.ring());
        if (id.epoch() != state.epoch()) revert EpochMismatch(state.epoch(), id.epoch());
        if (id.nonce() != state.nonce()) revert NonceMismatch(state.nonce(), id.nonce());

        CallBatch.checkSplit(signedCalls);
        (bytes calldata calls, bytes calldata witness) = CallBatch.split(signedCalls);
        bytes32 digest = turnDigest(id, calls);
        WitnessLib.check(digest, id.nonce(), terms, witness);
        (bytes32 presented,) = WitnessLib.charterOf(digest, id.nonce(), terms, budget, witness);
        revert CharterMismatch(ring.charter, presented);
    }

    /// @dev Checks lease and velocity. Returns the state after this turn, what it spends aside.
    function _admit(TurnId id, RingState state, Terms terms) private view returns (RingState) {
        if (block.timestamp > id.validUntil()) revert TurnExpired(id.validUntil(), block.timestamp);
        if (block.timestamp > terms.expiresAt()) revert LeaseExpired(terms.expiresAt(), block.timestamp);
        if (id.nonce() > terms.lastNonce()) revert LeaseUsedUp(terms.lastNonce(), id.nonce());
        // Sums and products of numbers far below 2^256.
        unchecked {
            uint256 earliest = uint256(state.lastTurnAt()) + terms.interval();
            if (block.timestamp < earliest) revert TurnTooSoon(earliest, block.timestamp);

            uint24 index = LimitLib.currentIndex(terms.period());
            if (state.periodIndex() != index) state = state.inPeriod(index);
            if (state.turns() >= terms.turnsPerPeriod()) {
                revert TooManyTurns(terms.turnsPerPeriod(), (uint256(index) + 1) * terms.period());
            }
        }
        return state.nextTurn();
    }

    /// @dev What the ring may still spend of its main asset.
    function _left(Budget budget, RingState state) private pure returns (uint256) {
        unchecked {
            return budget.cap() > state.spent() ? budget.cap() - state.spent() : 0;
        }
    }

    /// @dev Checks that the ring may make each of the calls, and books what they spend, call by call. Returns what is then
    /// left of the main asset, and where the request ids end.
    function _book(TurnId id, Budget budget, uint256 left, bytes calldata calls, uint256 nextId)
        private
        returns (uint256, uint256)
    {
        uint256 offset;
        (offset, left, nextId) = CallBatch.passPays(calls, offset, left, nextId);
        while (offset < calls.length) {
            // Whatever is not a plain payment, or not well formed.
            (offset, left, nextId) = _bookNext(id, budget, left, calls, offset, nextId);
            (offset, left, nextId) = CallBatch.passPays(calls, offset, left, nextId);
        }
        if (offset != calls.length) revert CallsMalformed(offset - CallBatch.HEAD);
        return (left, nextId);
    }

    function _bookNext(TurnId id, Budget budget, uint256 left, bytes calldata calls, uint256 offset, uint256 nextId)
        private
        returns (uint256, uint256, uint256)
    {
        (uint256 kind, bytes16 requestId,, address target, uint256 amount) = CallBatch.head(calls, offset);
        nextId = TurnLog.add(nextId, requestId);
        if (kind == CallBatch.PAY) {
            left = _bookPay(id, budget, left, requestId, target, amount);
            offset = CallBatch.afterPay(offset);
        } else {
            bytes calldata callData = CallBatch.data(calls, offset);
            left = _bookCall(_rings[id.ring()], budget, left, target, amount, callData);
            offset = CallBatch.afterCall(offset, callData);
        }
        return (offset, left, nextId);
    }

    /// @dev A payment that is not plain: it takes all that is left, or more.
    function _bookPay(TurnId id, Budget budget, uint256 left, bytes16 requestId, address to, uint256 amount)
        private
        returns (uint256)
    {
        address asset = budget.asset();
        if (budget.cap() != 0 && amount <= left) return left - amount;

        Ring storage ring = _rings[id.ring()];
        bytes32 payment = _paymentKey(id.epoch(), requestId, asset, to, uint96(amount));
        if (!ring.permittedPayments[payment]) {
            revert CapExceeded(asset, budget.cap(), budget.cap() - left, amount);
        }
        delete ring.permittedPayments[payment];
        emit PermittedPaymentUsed(id.ring(), requestId);
        return left;
    }

    /// @dev Value counts as spending of the native coin, whatever else the call spends.
    function _bookCall(
        Ring storage ring,
        Budget budget,
        uint256 left,
        address target,
        uint256 value,
        bytes calldata callData
    ) private returns (uint256) {
        if (callData.length == 0) {
            _checkBareTransfer(ring, target);
            return _bookAmount(ring, budget, left, address(0), value);
        }
        bytes4 selector = callData.length < 4 ? PermissionLib.BARE_TRANSFER : bytes4(callData);
        Rule rule = ring.rules[target][selector];
        // The master may have changed since the permission was given.
        if (selector == PermissionLib.BARE_TRANSFER || !rule.allowed() || target == master) {
            revert CallNotPermitted(target, selector);
        }
        rule.checkAddresses(target, callData);
        if (rule.amountWord() != PermissionLib.NO_AMOUNT) {
            uint256 amount = PermissionLib.argument(target, callData, rule.amountWord());
            left = _bookAmount(ring, budget, left, rule.asset(), amount);
        }
        if (value != 0) left = _bookAmount(ring, budget, left, address(0), value);
        return left;
    }

    function _checkBareTransfer(Ring storage ring, address to) private view {
        bytes4 selector = PermissionLib.BARE_TRANSFER;
        bool allowed = ring.rules[to][selector].allowed() || ring.rules[address(0)][selector].allowed();
        if (!allowed || to == address(this) || to == master) revert CallNotPermitted(to, selector);
    }

    function _bookAmount(Ring storage ring, Budget budget, uint256 left, address asset, uint256 amount)
        private
        returns (uint256)
    {
        if (asset == budget.asset()) {
            return budget.cap() - LimitLib.checkedTotal(asset, budget.cap(), budget.cap() - left, amount);
        }
        ring.limits[asset] = ring.limits[asset].charge(asset, amount);
        return left;
    }

    /// @dev Makes the calls, which `_book` found well formed. Each gets at least the gas that was signed for it, or the whole
    /// turn is undone. What a call returns is never copied but for one word.
    function _perform(TurnId id, address mainAsset, bytes calldata calls) private {
        uint256 index;
        uint256 offset;
        while (true) {
            uint256 start = offset;
            Outcome outcome;
            (offset, outcome) = mainAsset == address(0) ? _payCoin(calls, offset) : _payToken(mainAsset, calls, offset);
            if (offset == calls.length) return;

            index += (offset - start) / CallBatch.HEAD;
            (, bytes16 requestId,,,) = CallBatch.head(calls, offset);
            bool success;
            if (outcome == Outcome.NotMade) {
                (success, offset) = _performNext(index, calls, offset);
            } else {
                success = outcome == Outcome.Silent && mainAsset.code.length != 0;
                offset = CallBatch.afterPay(offset);
            }
            if (!success) emit CallFailed(id.ring(), id.nonce(), index, requestId);
            ++index;
        }
    }

    /// @dev Makes payments of the native coin from `offset` on. Stops at the end of the batch; at a call that is no payment, or
    /// that there is too little gas for (`NotMade`); and at a payment that failed.
    /// In assembly, since it runs for every payment of a batch.
    function _payCoin(bytes calldata calls, uint256 offset) private returns (uint256, Outcome outcome) {
        assembly ("memory-safe") {
            for { } lt(offset, calls.length) { offset := add(offset, 52) } {
                let first := calldataload(add(calls.offset, offset))
                let second := calldataload(add(calls.offset, add(offset, 20)))
                let gas_ := and(shr(96, first), 0xffffff)
                let isReady := gt(gas(), add(add(gas_, div(gas_, 63)), CALL_OVERHEAD))
                if iszero(and(eq(byte(0, first), 1), isReady)) { break }
                if iszero(call(gas_, shr(96, second), and(second, 0xffffffffffffffffffffffff), 0, 0, 0, 0)) {
                    outcome := 1
                    break
                }
            }
        }
        return (offset, outcome);
    }

    /// @dev The same with a token's `transfer`, encoded in memory that nothing keeps. It also stops at a payment that was made
    /// and not plainly agreed to.
    function _payToken(address token, bytes calldata calls, uint256 offset) private returns (uint256, Outcome outcome) {
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, ERC20_TRANSFER)
            for { } lt(offset, calls.length) { offset := add(offset, 52) } {
                let first := calldataload(add(calls.offset, offset))
                let second := calldataload(add(calls.offset, add(offset, 20)))
                let gas_ := and(shr(96, first), 0xffffff)
                let isReady := gt(gas(), add(add(gas_, div(gas_, 63)), CALL_OVERHEAD))
                if iszero(and(eq(byte(0, first), 1), isReady)) { break }
                mstore(add(input, 4), shr(96, second))
                mstore(add(input, 36), and(second, 0xffffffffffffffffffffffff))
                // Only a whole word writes a one there.
                mstore(0, 0)
                let success := call(gas_, token, 0, input, 68, 0, 32)
                if iszero(and(success, eq(mload(0), 1))) {
                    outcome := add(1, and(success, iszero(returndatasize())))
                    break
                }
            }
        }
        return (offset, outcome);
    }

    /// @dev Makes the call at `offset`, which is no payment, or for which there is too little gas.
    function _performNext(uint256 index, bytes calldata calls, uint256 offset)
        private
        returns (bool success, uint256 next)
    {
        (uint256 kind,, uint256 gas_, address target, uint256 amount) = CallBatch.head(calls, offset);
        uint256 required = _gasFor(gas_);
        // A payment comes here only for want of gas.
        if (kind == CallBatch.PAY) revert GasTooLow(index, required, gasleft());
        bytes calldata callData = CallBatch.data(calls, offset);
        // Where `_call` finds it: nothing in between allocates.
        assembly ("memory-safe") {
            calldatacopy(mload(0x40), callData.offset, callData.length)
        }
        // Only now, since copying took some.
        if (gasleft() < required) revert GasTooLow(index, required, gasleft());
        success = _call(target, amount, gas_, callData);
        next = CallBatch.afterCall(offset, callData);
    }

    /// @dev The gas that must be left so that a call gets `gas_` (EIP-150 keeps back 1/64).
    function _gasFor(uint256 gas_) private pure returns (uint256) {
        return gas_ + gas_ / 63 + CALL_OVERHEAD;
    }

    /// @dev Makes a call with the data that is in free memory. A call with data succeeded only if there is code; one of ERC-20's
    /// functions that answer whether they did what was asked, only if it did.
    function _call(address target, uint256 value, uint256 gas_, bytes calldata callData)
        private
        returns (bool success)
    {
        uint256 returnedSize;
        uint256 returnedWord;
        assembly ("memory-safe") {
            success := call(gas_, target, value, mload(0x40), callData.length, 0, 32)
            returnedSize := returndatasize()
            returnedWord := mload(0)
        }
        if (!success || callData.length == 0) return success;
        bytes4 selector = bytes4(callData);
        bool answers = selector == ERC20_TRANSFER || selector == ERC20_TRANSFER_FROM || selector == ERC20_APPROVE;
        return answers ? _tokenAgrees(target, returnedSize, returnedWord) : target.code.length != 0;
    }

    /// @dev A token that returns nothing agrees by not reverting, if it is there at all.
    function _tokenAgrees(address token, uint256 returnedSize, uint256 returnedWord) private view returns (bool) {
        return returnedSize == 0 ? token.code.length != 0 : returnedSize >= 32 && returnedWord == 1;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Charters
    // ------------------------------------------------------------------------------------------------------------

    function _existing(uint32 ringId) private view returns (Ring storage ring) {
        ring = _rings[ringId];
        if (ring.state.epoch() == 0) revert RingUnknown(ringId);
    }

    function _checkEpoch(Ring storage ring, uint32 epoch) private view {
        if (ring.state.epoch() != epoch) revert EpochMismatch(ring.state.epoch(), epoch);
    }

    function _checkCharter(Ring storage ring, Charter calldata charter) private view {
        bytes32 presented = CharterLib.commitment(charter);
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
                || charter.turnsPerPeriod == 0 || charter.turnsPerPeriod > RingStateLib.MAX_TURNS
        ) revert CharterInvalid(count, charter.window, charter.quorum, charter.period, charter.turnsPerPeriod);
        if (charter.asset == address(this)) revert AssetInvalid(charter.asset);
        // There is a nonce after every turn.
        if (charter.lastNonce == type(uint40).max) revert LastNonceInvalid(charter.lastNonce);
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

    function _checkPermission(Permission calldata permission) private view {
        (address target, bytes4 selector) = (permission.target, permission.selector);
        bool isBare = selector == PermissionLib.BARE_TRANSFER;
        bool isMetered = permission.amountWord != PermissionLib.NO_AMOUNT;
        if (
            target == address(this) || (target == master && permission.allowed) || (target == address(0) && !isBare)
                || (isBare && (isMetered || permission.addressWords != 0))
                || (!isMetered && permission.asset != address(0))
        ) revert PermissionInvalid(target, selector);
    }

    function _halt(uint32 ringId, Ring storage ring, address by) private {
        RingState state = ring.state;
        if (state.halted()) return;
        ring.state = state.withHalted(true);
        emit Halted(ringId, state.epoch(), by);
    }

    function _revoke(uint32 ringId, Ring storage ring, Charter calldata charter, address key, address by) private {
        _checkCharter(ring, charter);
        uint256 seat = _seatOf(charter, key);
        if (key == address(0) || seat == charter.seats.length) revert KeyUnknown(ringId, key);
        emit KeyRevoked(ringId, key, uint8(seat), by);
        ring.state = ring.state.nextEpoch();
        _commitSeat(ringId, ring, charter, seat, address(0));
    }

    function _commitSeat(uint32 ringId, Ring storage ring, Charter memory charter, uint256 seat, address key) private {
        charter.seats[seat] = key;
        _commit(ringId, ring, charter);
    }

    function _commit(uint32 ringId, Ring storage ring, Charter memory charter) private {
        ring.charter = CharterLib.commitment(charter);
        ring.changedAt = uint64(block.number);
        emit CharterChanged(ringId, ring.state.epoch(), charter);
    }

    function _paymentKey(uint32 epoch, bytes16 requestId, address asset, address to, uint96 amount)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(epoch, requestId, asset, to, amount));
    }

    /// @dev The digest of a turn, and the key that signed it.
    function _readSignedTurn(SignedTurn calldata turn) private view returns (bytes32 digest, address key) {
        if (!turn.id.isClean()) revert TurnIdMalformed(turn.id);
        digest = Eip712Lib.digest(domainSeparator(), Eip712Lib.turn(turn.id, turn.callsHash));
        key = SignatureLib.recoverCompact(digest, turn.r, turn.vs);
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
