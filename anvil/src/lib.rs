//! A development chain, a ring on it with one relayer process per seat, and everything that happens around a ring in real
//! life: a backend that pays, a master with an offline machine, a thief, and the books.
//!
//! The demonstration (`make demo`) and the end-to-end tests are made of these parts. Every process belongs to a value here
//! and ends with it.

pub mod backend;
pub mod books;
pub mod bound;
pub mod chain;
pub mod client;
mod custody;
pub mod deadline;
pub mod demo;
pub mod deployment;
pub mod folder;
pub mod keys;
pub mod master;
pub mod orders;
pub mod process;
pub mod programs;
pub mod ring;
pub mod seat;
pub mod thief;
pub mod token;

pub use backend::{Backend, Progress};
pub use books::Books;
pub use chain::{Chain, Mining};
pub use client::{Client, ClientError, Head, Health, Stage, Status};
pub use custody::Custody;
pub use deployment::Deployment;
pub use keys::{KeyFiles, RingKeys};
pub use master::Master;
pub use orders::Order;
pub use programs::Programs;
pub use ring::RingProcesses;
pub use seat::{Finality, Policy, RingSettings, Seat};
pub use thief::Thief;

/// Chooses the TLS provider of this process. Call it first: without one, no HTTP client can be made.
pub fn install_tls() {
    // Fails only if there is one already, and then that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
