//! The enclave: a process of its own that holds a seat's key and trusts nobody, its relayer least of all. It decodes what it is
//! asked to sign, has its own rules about it, and remembers on disk which content it signed for which turn. So whoever takes
//! the relayer's host gets no signature of what the rules forbid, and never two contents for one turn.
//!
//! ```text
//!                  question              what is it?       may it be?      is it the only one?
//!  relayer ──▶ listen, one a connection ──▶ message ──▶ policy ─────────▶ guard (disk) ──▶ key ──▶ signature
//! ```
//!
//! It does not know the chain. A compromised relayer can have signed what the rules allow: see docs/CUSTODY.md.

pub mod config;
mod enclave;
pub mod guard;
mod key;
mod listen;
pub mod message;
pub mod policy;
mod sandbox;
mod transaction;

pub use enclave::Enclave;
pub use key::{KeyError, SigningKey};
pub use listen::{Connection, Listen, ListenError, Listener, PATIENCE, accepted, answer};
pub use sandbox::{SandboxError, bound_memory, enter as enter_sandbox, harden};
