// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import { Budget, Terms } from "./libraries/CharterLib.sol";
import { TurnId } from "./libraries/TurnIdLib.sol";

/// @title IRingMultisig
/// @notice A treasury whose spending keys sit in rings. Turn `n` of a ring may be signed only by the window of seats
/// `n, n+1, … n+W-1` (mod N), and executes when exactly Q of them agree to exactly that turn. The next turn needs the
/// next window, so stolen keys act only where they sit side by side, and no longer than their run around the ring.
///
/// Three kinds of authority, each narrower than the one before:
/// - the *master* (cold) forms and resumes rings, replaces keys, sets limits, and executes any call;
/// - the *guardian* (optional) only tightens: it halts rings and revokes keys;
/// - an *operator*, the key of a seat, signs turns inside its windows, and halts its own ring.
///
/// Master and guardian may be contracts (ERC-1271). There is no proxy, no upgrade, no delegatecall, no call to itself.
interface IRingMultisig {
    // ------------------------------------------------------------------------------------------------------------
    // Types
    // ------------------------------------------------------------------------------------------------------------

    /// @notice All that is fixed about a ring between two changes of its keys. The contract stores only its hash (see
    /// `CharterLib`); the whole of it is in the last `CharterChanged` event, in block `RingView.changedAt`.
    /// @param window W: how many seats, from seat `nonce % N` on, may sign a turn. 1 … N.
    /// @param quorum Q: how many of them must sign. 1 … W.
    /// @param asset The main asset, whose spending is metered beside the nonce: a token, or zero for the native coin.
    /// @param cap The most of the main asset that the ring may spend in one period, in the asset's smallest unit.
    /// @param period The length of the main asset's period in seconds, 1 hour … 194 days.
    /// @param seats The operator keys in ring order, 1 … 32. A revoked key leaves the zero address in its place: the
    /// windows that hold it stay blocked until the master puts a key there. It is never skipped.
    struct Charter {
        uint8 window;
        uint8 quorum;
        address asset;
        uint96 cap;
        uint24 period;
        address[] seats;
    }

    /// @notice Who stands behind an action, and how that is shown.
    /// @param signer The master, the guardian or the pending master, as the action demands.
    /// @param deadline The last second (Unix time) at which the signature counts. Not used without a signature.
    /// @param signature Empty: the sender of the transaction is the signer. Otherwise a signature of the action's
    /// EIP-712 struct: 65 bytes r‖s‖v, 64 bytes r‖vs (ERC-2098), or whatever the signer's ERC-1271 code accepts.
    struct Authorization {
        address signer;
        uint256 deadline;
        bytes signature;
    }

    /// @notice The state of a ring, unpacked.
    /// @param nonce The next turn to execute.
    /// @param epoch Raised by each change of keys and each resumption; 0 means that the ring was never formed.
    /// @param halted No turn executes while this is set.
    /// @param charter The commitment to the ring's `Charter`.
    /// @param periodIndex `block.timestamp / period` when the main asset was last spent.
    /// @param spent What the ring spent of its main asset in that period.
    /// @param changedAt The block of the last `CharterChanged` event.
    struct RingView {
        uint40 nonce;
        uint32 epoch;
        bool halted;
        bytes32 charter;
        uint24 periodIndex;
        uint96 spent;
        uint64 changedAt;
    }

    /// @notice A cap on an asset that is not the ring's main asset.
    /// @param cap The most that may be spent in one period, in the asset's smallest unit. 0: nothing, not even zero.
    /// @param period The length of the period in seconds. Periods start at multiples of it, so a day is a UTC day.
    /// @param periodIndex `block.timestamp / period` when the asset was last spent.
    /// @param spent What was spent in that period.
    struct LimitView {
        uint104 cap;
        uint24 period;
        uint24 periodIndex;
        uint104 spent;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Events
    // ------------------------------------------------------------------------------------------------------------

    /// @notice A turn used its nonce. Emitted before its calls are made.
    /// @param digest The EIP-712 digest that the window signed: it tells two contents of one nonce apart.
    /// @param requestIds The 16-byte request ids of its calls, one after the other. Empty for a void turn.
    event TurnExecuted(uint32 indexed ring, uint40 nonce, bytes32 digest, bytes requestIds);

    /// @notice One call of a turn failed: it reverted, ran out of its gas, or a token answered `false`. The turn stands.
    /// @param index The position of the call in its turn, from 0.
    event CallFailed(uint32 indexed ring, uint40 nonce, uint256 index, bytes16 requestId);

    /// @notice The keys or terms of a ring changed. `charter` is the new whole.
    event CharterChanged(uint32 indexed ring, uint32 epoch, Charter charter);

    /// @notice The key of a seat was revoked. Its seat is empty and blocks its windows.
    event KeyRevoked(uint32 indexed ring, address indexed key, uint8 seat, address by);

    /// @notice A seat has a new key.
    event KeyReplaced(uint32 indexed ring, address indexed oldKey, address indexed newKey, uint8 seat);

    /// @notice A ring stopped.
    event Halted(uint32 indexed ring, uint32 epoch, address indexed by);

    /// @notice The master let a ring go on, in a new epoch.
    event Resumed(uint32 indexed ring, uint32 epoch);

    /// @notice The master set a cap on an asset; what was spent of it counts from zero again.
    event LimitSet(uint32 indexed ring, address indexed asset, uint104 cap, uint24 period);

    /// @notice The master named its successor, who has to accept.
    event MasterTransferStarted(address indexed master, address indexed pendingMaster);

    /// @notice The successor accepted.
    event MasterTransferred(address indexed oldMaster, address indexed newMaster);

    /// @notice The guardian changed. Zero: there is none.
    event GuardianChanged(address indexed oldGuardian, address indexed newGuardian);

    /// @notice The master made a call.
    event MasterExecuted(address indexed target, uint256 value, bytes data);

    // ------------------------------------------------------------------------------------------------------------
    // Errors
    // ------------------------------------------------------------------------------------------------------------

    /// @notice The ring is halted. The master has to resume or re-form it.
    error RingIsHalted(uint32 ring);

    /// @notice There is no such ring. The master has to form it first.
    error RingUnknown(uint32 ring);

    /// @notice The turn was signed for another epoch. Signatures of an old epoch are dead; sign anew.
    error EpochMismatch(uint32 expected, uint32 actual);

    /// @notice The turn was signed for another nonce: it was executed already, or it is too early.
    error NonceMismatch(uint40 expected, uint40 actual);

    /// @notice The turn is too late. Use its nonce up with a void turn and sign its requests into a later one.
    error TurnExpired(uint256 validUntil, uint256 timestamp);

    /// @notice Terms, budget and keys (those recovered from the signatures included) do not hash to the ring's charter:
    /// a signature is not of this turn or not of its seat's key, or the charter given is not the current one.
    error CharterMismatch(bytes32 expected, bytes32 actual);

    /// @notice Not exactly Q seats signed. Leave superfluous signatures out, gather missing ones.
    error QuorumMismatch(uint256 expected, uint256 actual);

    /// @notice A seat signed that is not in the window of this turn.
    error SeatOutsideWindow(uint256 seat);

    /// @notice A key of the window is revoked. The window is blocked until the master gives the seat a new key.
    error SeatIsRevoked(uint256 seat);

    /// @notice The witness ends early, goes on too long, or has an unknown tag at this byte.
    error WitnessMalformed(uint256 offset);

    /// @notice The signature is not canonical: wrong length or recovery id, high s, or it recovers to no key.
    error SignatureInvalid();

    /// @notice The batch of calls ends early, or has an unknown kind at this byte.
    error CallsMalformed(uint256 offset);

    /// @notice The ring may not make this call. The selector is zero for a bare value transfer.
    error CallNotPermitted(address target, bytes4 selector);

    /// @notice The call would exceed what the ring may spend of this asset in this period.
    error CapExceeded(address asset, uint256 cap, uint256 spent, uint256 amount);

    /// @notice The transaction has too little gas to give this call what was signed for it. Send it with more gas.
    error GasTooLow(uint256 index, uint256 required, uint256 available);

    /// @notice This address may not do that.
    error NotEntitled(address signer);

    /// @notice The sender is not the signer named, and there is no signature.
    error SenderIsNotSigner(address signer, address sender);

    /// @notice The signature of the action came too late. Prepare and sign it again.
    error ActionExpired(uint256 deadline, uint256 timestamp);

    /// @notice The charter cannot work: see the limits at `Charter`.
    error CharterInvalid(uint256 seats, uint256 window, uint256 quorum, uint256 period);

    /// @notice This address cannot take the seat: it is zero, the contract, the master, the guardian, or sits already.
    error SeatInvalid(uint256 seat, address key);

    /// @notice The key has no seat in this ring.
    error KeyUnknown(uint32 ring, address key);

    /// @notice The contract itself cannot be an asset.
    error AssetInvalid(address asset);

    /// @notice The period is outside 1 hour … 194 days.
    error PeriodInvalid(uint256 period);

    /// @notice The contract does not call itself.
    error SelfCall();

    /// @notice The master's call failed. `reason` holds the first 256 bytes of what it returned. The nonce is not used.
    error MasterCallFailed(bytes reason);

    /// @notice The master cannot be the zero address.
    error MasterInvalid(address master);

    /// @notice A call made by this contract tried to enter it again.
    error Reentrancy();

    // ------------------------------------------------------------------------------------------------------------
    // Operators
    // ------------------------------------------------------------------------------------------------------------

    /// @notice Executes one turn of a ring. Anybody may send it.
    ///
    /// The nonce is used and the spending booked before the first call is made. A call that fails does not undo the
    /// turn, nor what was booked for it; it is reported by `CallFailed`. A turn without calls is *void*: it only uses the nonce.
    ///
    /// WARNING: caps meter what was asked for. With a token that moves more than the amount (or moves other assets) the
    /// cap bounds the amount asked, not the effect: do not give a ring a limit on such a token.
    ///
    /// @param id Ring, epoch, nonce and validUntil, packed as `TurnIdLib` says.
    /// @param terms The packed terms of the ring's charter.
    /// @param budget The packed main asset and cap of the ring's charter.
    /// @param calls The packed calls, as `CallBatch` says.
    /// @param witness The keys of all seats, starting with the first seat of the window and going once around the ring.
    /// Each is one byte and what it announces: 0, the 20 bytes of a key that did not sign; 1, the 64 bytes of a compact
    /// signature (ERC-2098) of the turn; 2, nothing: this seat is the sender of the transaction.
    function execute(TurnId id, Terms terms, Budget budget, bytes calldata calls, bytes calldata witness) external;

    /// @notice Halts a ring in its current epoch. Anybody may send it, signed by the master, the guardian or any key of the
    /// ring: `Halt(uint32 ring,uint32 epoch)`. It can be signed ahead, and stays valid until the epoch ends; it uses no
    /// nonce, so nothing the ring does can invalidate it. Halting a halted ring changes nothing and succeeds.
    /// @param charter The ring's charter, to show that the signer has a seat. Not read for the master and the guardian.
    /// @param signature Empty if the sender is the signer; see `Authorization`.
    function halt(uint32 ringId, Charter calldata charter, address signer, bytes calldata signature) external;

    // ------------------------------------------------------------------------------------------------------------
    // Master
    //
    // Each action uses one nonce of its signer (`actionNonce`), whether it is sent directly or signed. So a direct action
    // kills whatever the signer signed before it and did not send.
    // ------------------------------------------------------------------------------------------------------------

    /// @notice Forms a ring, or forms it anew: other keys, window, quorum or main limit. A new epoch begins, the nonce goes
    /// on, a halted ring runs again, and the spending of the main asset counts from zero. Limits on other assets stay.
    function formRing(uint32 ringId, Charter calldata charter, Authorization calldata authorization) external;

    /// @notice Lets a halted ring go on, in a new epoch: halts and turns signed before it are dead.
    function resume(uint32 ringId, Authorization calldata authorization) external;

    /// @notice Empties the seat of a key: master or guardian. Every window that holds the seat is blocked until it has a new
    /// key. A new epoch begins. Does not halt or resume.
    /// @param charter The ring's current charter.
    function revoke(uint32 ringId, address key, Charter calldata charter, Authorization calldata authorization) external;

    /// @notice Gives a seat, revoked or not, a new key. A new epoch begins. Does not halt or resume.
    /// @param charter The ring's current charter.
    function replace(
        uint32 ringId,
        uint8 seat,
        address key,
        Charter calldata charter,
        Authorization calldata authorization
    ) external;

    /// @notice Caps what a ring may spend of an asset: a token's `transfer`, or bare transfers of the native coin (zero).
    /// Whatever has no limit is refused. The spending counts from zero. The main asset's cap is in the charter and takes
    /// precedence over a limit set here.
    /// Periods are aligned, not sliding: in any span as long as one period, at most twice the cap is spent.
    function setLimit(uint32 ringId, address asset, uint104 cap, uint24 period, Authorization calldata authorization)
        external;

    /// @notice Names or, with zero, removes the guardian.
    function setGuardian(address guardian, Authorization calldata authorization) external;

    /// @notice First step of a master transfer. Nothing changes until the successor accepts; naming another, or zero,
    /// withdraws it.
    function transferMaster(address newMaster, Authorization calldata authorization) external;

    /// @notice Second step, by the successor.
    function acceptMaster(Authorization calldata authorization) external;

    /// @notice Makes any call but one to this contract: payments over the caps, and the rescue. No limit applies.
    function masterExecute(address target, uint256 value, bytes calldata data, Authorization calldata authorization)
        external
        returns (bytes memory result);

    // ------------------------------------------------------------------------------------------------------------
    // Views
    // ------------------------------------------------------------------------------------------------------------

    /// @notice The key that forms and resumes rings.
    function master() external view returns (address);

    /// @notice The successor that has yet to accept, or zero.
    function pendingMaster() external view returns (address);

    /// @notice The key that may halt and revoke, or zero.
    function guardian() external view returns (address);

    /// @notice The next nonce for an action signed by this address.
    function actionNonce(address signer) external view returns (uint256);

    /// @notice The state of a ring. All zero if it was never formed.
    function getRing(uint32 ringId) external view returns (RingView memory);

    /// @notice The limit on an asset other than the main one. All zero if there is none.
    function getLimit(uint32 ringId, address asset) external view returns (LimitView memory);

    /// @notice The commitment to a charter: what `getRing(ring).charter` is while this charter is in force.
    function charterHash(Charter calldata charter) external pure returns (bytes32);

    /// @notice The EIP-712 domain separator for the chain this runs on now.
    function domainSeparator() external view returns (bytes32);

    /// @notice The EIP-712 digest of a turn: `Turn(uint32 ring,uint32 epoch,uint40 nonce,uint40 validUntil,bytes calls)`.
    function turnDigest(TurnId id, bytes calldata calls) external view returns (bytes32);
}
