//! What everybody has to agree on to talk to a `RingMultisig`: its ABI and bytecode, the packed encodings of
//! `contracts/src/libraries`, and the EIP-712 digests of everything that is ever signed. No input or output.
//!
//! `contracts/vectors` holds digests and signatures made by the contract; the tests of this crate reproduce them.

mod abi;
mod action;
mod call;
mod cancellation;
mod charter;
mod code;
mod decimal;
mod domain;
mod equivocation;
mod execution;
mod permission;
mod refill;
mod request;
mod signature;
mod turn;
mod witness;

pub use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256, hex, keccak256};

pub use abi::{IERC20, IRingMultisig, RingMultisig};
pub use action::{Action, ActionError, Halt, TypedStruct, halts};
pub use call::{Call, CallError, ERC20_TRANSFER_SELECTOR, Effect, Transfer};
pub use cancellation::{Cancellation, SignedCancellation};
pub use charter::{Charter, CharterError, MAX_PERIOD_SECONDS, MAX_SEATS, MAX_TURNS_PER_PERIOD, MIN_PERIOD_SECONDS};
pub use code::{CodeError, DEPLOYMENT_PROXY, creation_code, predicted_address, verify_runtime_code};
pub use domain::{Domain, NAME, VERSION};
pub use equivocation::{Equivocation, EquivocationError, SignedTurn};
pub use execution::Execution;
pub use permission::{
    BARE_TRANSFER, LimitSetting, MAX_ADDRESS_WORDS, NO_AMOUNT, Permission, PermissionError, Permissions,
};
pub use refill::Refill;
pub use request::{Request, RequestError, RequestId, SignedRequest};
pub use signature::{CompactSignature, SignatureError};
pub use turn::{Turn, TurnId};
pub use witness::{Seat, WitnessError, witness};
