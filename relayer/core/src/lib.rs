//! The state machine of one seat of a ring.
//!
//! Every decision about requests, turns, votes, voids and halts is made here, and only here. Nothing in this crate knows
//! a clock, a disk or a network: what happens comes in as an [`Event`], what is to be done goes out as [`Effects`].
//!
//! ```text
//!              Event                     Effects
//!  edges ───────────────▶ State::step ───────────────▶ records: made durable, all or none …
//!                                                  └──▶ actions: … and only then performed
//! ```
//!
//! Two rules carry the promise that nothing is paid twice:
//!
//! - A request is *bound* to at most one (epoch, nonce). It comes free only when that nonce is finally used by something
//!   else, or that epoch is finally over.
//! - A key signs at most one content for an (epoch, nonce), and besides it only the void turn, which pays nobody.
//!
//! Everything durable is a [`Record`], and state changes durably in one way only: by applying a record. A restarted seat
//! applies the records of its store and is where it was.

#[macro_use]
mod planted;

mod cancel;
mod early;
mod effect;
mod event;
mod evidence;
mod halt;
mod lease;
mod message;
mod observe;
mod pool;
mod propose;
mod record;
mod refill;
mod requests;
mod seats;
mod settings;
mod sharing;
mod state;
mod succession;
mod vote;

#[cfg(feature = "planted-bugs")]
pub use planted::{Bug, is_planted, plant};

pub use cancel::{CancelRefusal, Cancelling};
pub use effect::{Action, Effects};
pub use event::{Allowance, Block, ChainView, Event, ObservedTurn};
pub use evidence::Evidence;
pub use halt::{Dispute, Halt, Shortfall, TermsChanged};
pub use message::{CancelledRequest, Message, Vote};
pub use record::{Outcome, Past, Record, Settled};
pub use requests::{BoundTurn, Phase, Refusal, RequestStatus, Submission};
pub use settings::{Announced, Settings, SettingsError};
pub use state::{Overview, State};
pub use vote::Objection;
