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
/// - the *master* (cold) forms and resumes rings, replaces keys, sets permissions and limits, and executes any call;
/// - the *guardian* (optional) only tightens: it halts rings and revokes keys;
/// - an *operator*, the key of a seat, signs turns inside its windows, and halts its own ring.
///
/// Master and guardian may be contracts (ERC-1271). There is no proxy, no upgrade, no delegatecall, no call to itself.
///
/// What a ring may do is denied unless the master said otherwise:
/// - its charter lets it *pay* its main asset to anybody, up to a cap a period (calls of kind 1, see `CallBatch`);
/// - a permission lets it *call* one function of one contract (kind 0), or send bare value to one address or to any;
/// - whatever such a call spends needs a limit on the asset spent;
/// - its charter bounds how many turns it takes in a period, how soon after one another, until when, and up to which nonce.
///
/// What one stolen key can sign follows: a seat is in W of every N windows, so of the at most V turns of a period it can
/// sign at most W * floor(V / N) + min(W, V mod N), and each of them counts only if the other Q - 1 sign it too.
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
    /// @param period The length of a period in seconds, 1 hour … 194 days, for the main asset's cap and `turnsPerPeriod`.
    /// Periods are aligned: period i holds the seconds from i * period on, so a day is a UTC day.
    /// @param turnsPerPeriod The most turns, void ones included, that execute in one period. 1 … 2^23 - 1.
    /// @param interval The least number of seconds between two turns, so that a halt has a block to land in. 0 for none,
    /// 2^24 - 1 (194 days) at most.
    /// @param expiresAt The last second (Unix time) at which a turn executes: the charter is a lease.
    /// @param lastNonce The last nonce that executes under this charter. 0 … 2^40 - 2.
    /// @param seats The operator keys in ring order, 1 … 32. A revoked key leaves the zero address in its place: the
    /// windows that hold it stay blocked until the master puts a key there. It is never skipped.
    struct Charter {
        uint8 window;
        uint8 quorum;
        address asset;
        uint96 cap;
        uint24 period;
        uint24 turnsPerPeriod;
        uint24 interval;
        uint40 expiresAt;
        uint40 lastNonce;
        address[] seats;
    }

    /// @notice Who stands behind an action, and how that is shown.
    /// @param signer The master, the guardian or the pending master, as the action demands.
    /// @param deadline The last second (Unix time) at which the signature counts. Not used without a signature.
    /// @param signature Empty: the sender of the transaction is the signer. Otherwise a signature of the action's
    /// EIP-712 struct: 65 bytes r‖s‖v, 64 bytes r‖vs (ERC-2098), or whatever the signer's ERC-1271 code accepts, if it is not
    /// empty.
    struct Authorization {
        address signer;
        uint256 deadline;
        bytes signature;
    }

    /// @notice That a ring may make calls of one kind, or no longer may.
    /// @param target The contract called; not this one. With `selector` zero it may be zero: bare transfers to any address.
    /// @param selector The function called. Zero means a bare transfer of the native coin: value and no call data. Its
    /// value always counts as spending of the native coin, so `amountWord` is `NO_AMOUNT`, and the rest is zero.
    /// @param allowed False takes the permission away.
    /// @param amountWord Which 32-byte word of the arguments, from 0, is an amount to meter; 255 (`NO_AMOUNT`) for none.
    /// An allowance counts as spending: give `approve` and `increaseAllowance` the word of their amount.
    /// @param asset What that word is an amount of: a token, or zero for the native coin. Zero without an amount.
    /// @param addressWords Bit i set: word i of the arguments (0 … 15) is an address, and its upper 96 bits must be zero.
    ///
    /// WARNING: a function permitted without an amount may do whatever it can do, as often as the velocity allows. Never permit
    /// a function that takes calls as arguments (`multicall`, a Safe's `execTransaction`), `setApprovalForAll`, or that of
    /// a contract which holds rights over this one.
    struct Permission {
        address target;
        bytes4 selector;
        bool allowed;
        uint8 amountWord;
        address asset;
        uint16 addressWords;
    }

    /// @notice A cap on an asset that is not the ring's main asset. The call that spends it needs a permission besides.
    /// @param asset A token, or zero for the native coin.
    /// @param cap The most that may be spent in one period, in the asset's smallest unit. 0: nothing, not even zero.
    /// @param period The length of the period in seconds, 1 hour … 194 days, aligned like the charter's.
    struct LimitSetting {
        address asset;
        uint104 cap;
        uint24 period;
    }

    /// @notice A turn as one key signed it, for `proveEquivocation`.
    /// @param callsHash keccak256 of the packed calls.
    /// @param r The first half of the compact signature (ERC-2098).
    /// @param vs Its second half.
    struct SignedTurn {
        TurnId id;
        bytes32 callsHash;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice The state of a ring, unpacked.
    /// @param nonce The next turn to execute.
    /// @param epoch Raised by each change of keys and each resumption; 0 means that the ring was never formed.
    /// @param halted No turn executes while this is set.
    /// @param charter The commitment to the ring's `Charter`.
    /// @param turns How many turns it took in the period `periodIndex`.
    /// @param periodIndex `block.timestamp / period` at the last turn.
    /// @param lastTurnAt The time (Unix) of the last turn.
    /// @param spent What the ring spent of its main asset in that period.
    /// @param changedAt The block of the last `CharterChanged` event, as `block.number` says: on some rollups that is not the
    /// number by which logs are found.
    struct RingView {
        uint40 nonce;
        uint32 epoch;
        bool halted;
        bytes32 charter;
        uint24 turns;
        uint24 periodIndex;
        uint40 lastTurnAt;
        uint96 spent;
        uint64 changedAt;
    }

    /// @notice A limit and what was spent of it.
    /// @param periodIndex `block.timestamp / period` when the asset was last spent.
    /// @param spent What was spent in that period.
    struct LimitView {
        address asset;
        uint104 cap;
        uint24 period;
        uint24 periodIndex;
        uint104 spent;
    }

    // ------------------------------------------------------------------------------------------------------------
    // Events
    // ------------------------------------------------------------------------------------------------------------

    /// @notice A turn used its nonce. Emitted before its calls are made.
    /// @param id Ring, epoch, nonce and validUntil, packed as `TurnIdLib` says.
    /// @param digest The EIP-712 digest that the window signed: it tells two contents of one nonce apart.
    /// @param requestIds The 16-byte request ids of its calls, one after the other. Empty for a void turn.
    /// @dev The ring is no topic of its own, for 375 gas a turn.
    event TurnExecuted(TurnId id, bytes32 digest, bytes requestIds);

    /// @notice One call of a turn failed: it reverted, ran out of its gas, or a token answered `false`. The turn stands.
    /// @param index The position of the call in its turn, from 0.
    event CallFailed(uint32 indexed ring, uint40 nonce, uint256 index, bytes16 requestId);

    /// @notice The keys or terms of a ring changed. `charter` is the new whole. Unless `KeyRevoked` or `KeyReplaced` stands before
    /// it, the ring was formed anew: it is not halted, and turns and spending of the main asset count from zero.
    event CharterChanged(uint32 indexed ring, uint32 epoch, Charter charter);

    /// @notice The key of a seat was revoked: by the master, the guardian, or whoever sent the proof of its equivocation. Its
    /// seat is empty and blocks its windows.
    event KeyRevoked(uint32 indexed ring, address indexed key, uint8 seat, address by);

    /// @notice A seat has a new key.
    event KeyReplaced(uint32 indexed ring, address indexed oldKey, address indexed newKey, uint8 seat);

    /// @notice A ring stopped. `by` is who halted it; after a proof of equivocation, the key that is proven.
    event Halted(uint32 indexed ring, uint32 epoch, address indexed by);

    /// @notice The master let a ring go on, in a new epoch. Forming a ring anew does so too, see `CharterChanged`.
    event Resumed(uint32 indexed ring, uint32 epoch);

    /// @notice The master permitted calls of one kind to a ring, or took the permission away. All of them together, in
    /// order, are what `getPermissions` returns.
    event PermissionSet(
        uint32 indexed ring,
        address indexed target,
        bytes4 indexed selector,
        bool allowed,
        uint8 amountWord,
        address asset,
        uint16 addressWords
    );

    /// @notice The master let one payment of the main asset pass outside the cap, in this epoch.
    event PaymentPermitted(
        uint32 indexed ring, uint32 epoch, bytes16 indexed requestId, address asset, address indexed to, uint256 amount
    );

    /// @notice Such a payment was booked, without counting against the cap.
    event PermittedPaymentUsed(uint32 indexed ring, bytes16 indexed requestId);

    /// @notice One key signed two different contents for one nonce. `KeyRevoked` and, unless it stood already, `Halted` follow.
    event EquivocationProven(
        uint32 indexed ring, address indexed key, uint40 nonce, bytes32 firstDigest, bytes32 secondDigest
    );

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

    /// @notice There is no such ring. The master has to form it first. (A turn of one is a `CharterMismatch`.)
    error RingUnknown(uint32 ring);

    /// @notice The turn was signed for another epoch. Signatures of an old epoch are dead; sign anew.
    error EpochMismatch(uint32 expected, uint32 actual);

    /// @notice The turn was signed for another nonce: it was executed already, or it is too early.
    error NonceMismatch(uint40 expected, uint40 actual);

    /// @notice The turn is too late. Use its nonce up with a void turn and sign its requests into a later one.
    error TurnExpired(uint256 validUntil, uint256 timestamp);

    /// @notice The turn's id has bits set above the ring. Pack it as `TurnIdLib` says.
    error TurnIdMalformed(TurnId id);

    /// @notice The charter's lease is over. The master has to form the ring anew.
    error LeaseExpired(uint256 expiresAt, uint256 timestamp);

    /// @notice The charter's nonces are used up. The master has to form the ring anew.
    error LeaseUsedUp(uint256 lastNonce, uint256 nonce);

    /// @notice The turn follows the last one too soon. Send it again at `earliest`.
    error TurnTooSoon(uint256 earliest, uint256 timestamp);

    /// @notice All turns of this period are taken. Send it again when the next period begins, at `nextPeriodAt`.
    error TooManyTurns(uint256 turnsPerPeriod, uint256 nextPeriodAt);

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

    /// @notice The ring may not make this call. The selector is zero for a bare value transfer, and for one to 3 bytes of call
    /// data, which are never permitted. The master may permit it (`setPermissions`).
    error CallNotPermitted(address target, bytes4 selector);

    /// @notice The call data is too short for this word of the arguments, or the word is no clean address though the
    /// permission says so. Encode the arguments as the ABI says.
    error ArgumentMalformed(address target, bytes4 selector, uint256 word);

    /// @notice The call would exceed what the ring may spend of this asset in this period; a cap of zero means that there is no
    /// limit on the asset, so that nothing of it may be spent. Wait for the next period, or ask the master.
    error CapExceeded(address asset, uint256 cap, uint256 spent, uint256 amount);

    /// @notice The transaction has too little gas to give this call what was signed for it. Send it with more gas.
    error GasTooLow(uint256 index, uint256 required, uint256 available);

    /// @notice The master's call has too little gas to give it what was signed for it. Send it with more gas.
    error MasterGasTooLow(uint256 required, uint256 available);

    /// @notice The two turns are not of one ring, epoch and nonce: both may be honest.
    error TurnsUnrelated(TurnId first, TurnId second);

    /// @notice The two turns are one and the same, or one of them is void: an honest key may sign both.
    error ContentsCompatible(bytes32 firstDigest, bytes32 secondDigest);

    /// @notice The two turns were signed by different keys.
    error SignersDiffer(address first, address second);

    /// @notice This permission cannot be: the target is this contract or the master, or is zero with a selector; or fields
    /// that must be zero are not; see `Permission`.
    error PermissionInvalid(address target, bytes4 selector);

    /// @notice This address may not do that.
    error NotEntitled(address signer);

    /// @notice The sender is not the signer named, and there is no signature.
    error SenderIsNotSigner(address signer, address sender);

    /// @notice The signature of the action came too late. Prepare and sign it again.
    error ActionExpired(uint256 deadline, uint256 timestamp);

    /// @notice The charter cannot work: see the limits at `Charter`.
    error CharterInvalid(uint256 seats, uint256 window, uint256 quorum, uint256 period, uint256 turnsPerPeriod);

    /// @notice The last nonce of a charter is at most 2^40 - 2.
    error LastNonceInvalid(uint256 lastNonce);

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
    /// WARNING: paying native coin to a contract runs its code, with the gas signed for the call.
    ///
    /// WARNING: caps meter what was asked for. With a token that moves more than the amount (or moves other assets) the
    /// cap bounds the amount asked, not the effect: do not give a ring a limit on such a token.
    ///
    /// @param id Ring, epoch, nonce and validUntil, packed as `TurnIdLib` says.
    /// @param terms The packed terms of the ring's charter, as `CharterLib` says.
    /// @param budget The packed main asset and cap of the ring's charter.
    /// @param signedCalls Three bytes with the length of the calls, the packed calls, as `CallBatch` says, and the witness, as
    /// `WitnessLib` says: the keys of all seats, starting with the first seat of the window and going once around the ring.
    /// Each is one byte and what it announces: 0, the 20 bytes of a key that did not sign; 1, the 64 bytes of a compact
    /// signature (ERC-2098) of the turn; 2, nothing: this seat is the sender of the transaction.
    function execute(TurnId id, Terms terms, Budget budget, bytes calldata signedCalls) external;

    /// @notice Halts a ring in its current epoch. Anybody may send it, signed by the master, the guardian or any key of the
    /// ring: `Halt(uint32 ring,uint32 epoch)`. It can be signed ahead, and stays valid until the epoch ends; it uses no
    /// nonce, so nothing the ring does can invalidate it. Halting a halted ring changes nothing and succeeds.
    /// @param charter The ring's charter, to show that the signer has a seat. Not read for the master and the guardian.
    /// @param signature Empty if the sender is the signer; see `Authorization`.
    function halt(uint32 ringId, Charter calldata charter, address signer, bytes calldata signature) external;

    /// @notice Shows that a key of the ring signed two different contents for one nonce, in this epoch or an earlier one. Its
    /// seat is emptied and the ring halted, in a new epoch; anybody may send it. A content and a void turn are no proof, nor
    /// are two void turns: an honest key may sign a void beside its one content. Two contents are different when their
    /// digests are: other calls, or another `validUntil`.
    /// @param charter The ring's current charter, in which the key still has a seat.
    function proveEquivocation(Charter calldata charter, SignedTurn calldata first, SignedTurn calldata second) external;

    // ------------------------------------------------------------------------------------------------------------
    // Master
    //
    // Each action uses one nonce of its signer (`actionNonce`), whether it is sent directly or signed. So a direct action
    // kills what the signer signed for that nonce and did not send; what it signed for the next then counts. To kill several,
    // use their nonces up: `setPermissions` of none does nothing else.
    // ------------------------------------------------------------------------------------------------------------

    /// @notice Forms a ring, or forms it anew: other keys, window, quorum, main limit, velocity or lease. A new epoch begins,
    /// the nonce goes on, a halted ring runs again, and turns and spending of the main asset count from zero. Permissions and
    /// limits on other assets stay. Leaving keys out revokes them, so this is also revoke-and-re-form in one action.
    /// @param epoch The ring's current epoch, 0 for a new ring, so that what was signed before another change of its keys is dead;
    /// or 2^32 - 1 for whatever it is: a thief who holds keys can raise the epoch once for each of them, by proving that they
    /// equivocate, and would otherwise hold up a master that acts slowly.
    function formRing(uint32 ringId, uint32 epoch, Charter calldata charter, Authorization calldata authorization)
        external;

    /// @notice Lets a halted ring go on, in a new epoch (a running one too): halts and turns signed before it are dead.
    /// @param epoch The ring's current epoch.
    function resume(uint32 ringId, uint32 epoch, Authorization calldata authorization) external;

    /// @notice Empties the seat of a key: master or guardian. Every window that holds the seat is blocked until it has a new
    /// key. A new epoch begins. Does not halt or resume.
    /// @param charter The ring's current charter.
    function revoke(uint32 ringId, address key, Charter calldata charter, Authorization calldata authorization) external;

    /// @notice Gives a seat, revoked or not, a new key. A new epoch begins.
    /// @param epoch The ring's current epoch.
    /// @param andResume Whether a halted ring runs again. Otherwise a halted ring stays halted.
    /// @param charter The ring's current charter.
    function replace(
        uint32 ringId,
        uint32 epoch,
        uint8 seat,
        address key,
        bool andResume,
        Charter calldata charter,
        Authorization calldata authorization
    ) external;

    /// @notice Permits calls to a ring, or takes permissions away, in the order given. See `Permission`.
    function setPermissions(uint32 ringId, Permission[] calldata permissions, Authorization calldata authorization)
        external;

    /// @notice Caps what a ring may spend of assets. The spending of each counts from zero. The main asset's cap is in the
    /// charter and takes precedence over a limit set here, which comes into force when the main asset changes.
    /// Periods are aligned, not sliding: in any span as long as one period, at most twice the cap is spent.
    function setLimits(uint32 ringId, LimitSetting[] calldata limits, Authorization calldata authorization) external;

    /// @notice Raises the cap for one payment: lets the ring pay exactly this much of its main asset, for exactly this request,
    /// without counting it. The ring has to take the turn itself; it is used by a payment that the cap would refuse, and
    /// dies with the epoch.
    /// @param epoch The ring's current epoch.
    /// @param asset The ring's main asset. The contract does not look: a payment of another asset is never made this way.
    function permitPayment(
        uint32 ringId,
        uint32 epoch,
        bytes16 requestId,
        address asset,
        address to,
        uint96 amount,
        Authorization calldata authorization
    ) external;

    /// @notice Names or, with zero, removes the guardian. Whether it sits in a ring is not looked at, and should not be so.
    function setGuardian(address guardian, Authorization calldata authorization) external;

    /// @notice First step of a master transfer. Nothing changes until the successor accepts; naming another, or zero,
    /// withdraws it.
    function transferMaster(address newMaster, Authorization calldata authorization) external;

    /// @notice Second step, by the successor. Whether it sits in a ring is not looked at, and should not be so.
    function acceptMaster(Authorization calldata authorization) external;

    /// @notice Makes any call but one to this contract: payments over the caps, and the rescue. No limit applies. A call
    /// that reverts undoes the whole action.
    ///
    /// WARNING: what the call returns is not judged. A token that answers `false` has not paid.
    /// @param gas_ The least gas that the call gets; 0 for whatever there is. Somebody else sends a signed action, and could
    /// otherwise let a part of the call that tolerates failure fail.
    function masterExecute(
        address target,
        uint256 value,
        bytes calldata data,
        uint256 gas_,
        Authorization calldata authorization
    ) external returns (bytes memory result);

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

    /// @notice The limit on an asset other than the main one. Zero but for the asset if there is none.
    function getLimit(uint32 ringId, address asset) external view returns (LimitView memory);

    /// @notice All limits of a ring but that of its charter, in the order in which the assets first had one. One on the main
    /// asset is not in force. A cap of zero is none.
    function getLimits(uint32 ringId) external view returns (LimitView[] memory);

    /// @notice The permission for a function of a contract, or for bare transfers (selector zero); `allowed` is false if
    /// there is none.
    function getPermission(uint32 ringId, address target, bytes4 selector) external view returns (Permission memory);

    /// @notice All permissions of a ring, in the order in which they were first set; `allowed` says whether they stand. The
    /// charter's payments of the main asset are not among them.
    function getPermissions(uint32 ringId) external view returns (Permission[] memory);

    /// @notice Whether the master permitted this payment of the main asset in the ring's current epoch, and it was not yet used.
    function isPaymentPermitted(uint32 ringId, bytes16 requestId, address asset, address to, uint96 amount)
        external
        view
        returns (bool);

    /// @notice The commitment to a charter: what `getRing(ring).charter` is while this charter is in force.
    function charterHash(Charter calldata charter) external pure returns (bytes32);

    /// @notice The EIP-712 domain separator for the chain this runs on now.
    function domainSeparator() external view returns (bytes32);

    /// @notice The EIP-712 digest of a turn: `Turn(uint32 ring,uint32 epoch,uint40 nonce,uint40 validUntil,bytes calls)`.
    function turnDigest(TurnId id, bytes calldata calls) external view returns (bytes32);
}
