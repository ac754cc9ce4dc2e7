//! The edge to the chain: what happened there comes in as whole [`ChainView`](ring_core::ChainView)s, what should happen
//! there goes out as one transaction at a time.
//!
//! ```text
//!            Cursor ─────────────▶ Watcher ───▶ ChainView      one head, or nothing
//!  driver ◀───────────────────────────┘
//!         ──▶ Option<Wanted> ────▶ Submitter ─▶ transactions   of one account, at most one unmined
//! ```
//!
//! Where there are several RPCs, a view counts only if enough of them say the same, and none says something else
//! (`quorum`). An RPC is believed in two things only: a view whose parts fit together, and a receipt. What it says about a
//! transaction that it refused, lost or did not answer about is noted for people; nothing is concluded from it.

mod alarm;
mod allowance;
mod backoff;
mod connection;
mod disagreement;
mod endpoint;
mod fault;
mod fees;
mod finality;
mod foreign;
mod heads;
mod history;
mod line;
mod quiet;
mod quorum;
mod reconciliation;
mod rpc;
mod rules;
mod simulate;
mod socket;
mod submitter;
mod transaction;
mod view;
mod wanted;
mod watcher;

pub use alarm::Alarm;
pub use connection::{ChainError, Endpoints, connect};
pub use disagreement::{Answer, Contradiction, Disagreement, Evidence, Subject};
pub use fees::L1Fee;
pub use finality::Finality;
pub use reconciliation::Reconciler;
pub use simulate::{Tried, TryError};
pub use submitter::{Sending, Submitter, SubmitterSettings};
pub use wanted::{TransactionSigner, Wanted};
pub use watcher::{Connection, Cursor, RpcHealth, Watcher, WatcherSettings};
