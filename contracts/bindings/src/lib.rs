//! What everybody has to agree on to talk to a `RingMultisig`: its ABI and bytecode, the packed encodings of
//! `contracts/src/libraries`, and the EIP-712 digests of everything that is ever signed. No input or output.
//!
//! `contracts/vectors` holds digests and signatures made by the contract; the tests of this crate reproduce them.

mod abi;
mod action;
mod call;
mod charter;
mod code;
mod decimal;
mod domain;
mod request;
mod signature;
mod turn;
mod witness;

pub use alloy::primitives::{Address, B256, Bytes, U256, hex, keccak256};

pub use abi::{IERC20, IRingMultisig, RingMultisig};
pub use action::{Action, Halt};
pub use call::{Call, CallError, ERC20_TRANSFER_SELECTOR, Effect};
pub use charter::{Charter, CharterError, MAX_SEATS, MIN_PERIOD_SECONDS};
pub use code::{CodeError, creation_code, verify_runtime_code};
pub use domain::{Domain, NAME, VERSION};
pub use request::{Request, RequestError, RequestId, SignedRequest};
pub use signature::{CompactSignature, SignatureError};
pub use turn::{Turn, TurnId};
pub use witness::{Seat, WitnessError, witness};
