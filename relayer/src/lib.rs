//! One seat of a ring: configuration, driver, HTTP, peers, chain, store and signer around `ring-core`.
//!
//! ```text
//!   clients ── http ──┐                         ┌── store   records, durable before anything is done
//!   peers ── peers ───┼─▶ driver ── ring-core ──┼── signer  only what the store has reserved
//!   chain ── watcher ─┘   (a batch at a time)   └── submitter, peers
//! ```

pub mod backups;
pub mod certificate;
pub mod chain;
pub mod cli;
pub mod config;
pub mod driver;
pub mod evidence;
pub mod exit;
pub mod explain;
mod headers;
pub mod http;
pub mod lease;
pub mod metrics;
pub mod notify;
pub mod offline;
pub mod peers;
pub mod postgres;
pub mod rebuild;
pub mod refill;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.
mod running;
pub mod seat;
pub mod service;
pub mod signer;
pub mod standby;
pub mod store;
pub mod token;
pub mod traces;

use ring_tls::authorities as tls;
