//! The chain edge against a real Anvil: reorgs, stuck transactions, RPCs that fail and lie.

mod anvil;
mod connection;
mod cost;
mod faults;
mod fees;
mod follower;
mod proxy;
mod quorum;
mod reconciliation;
mod sender;
mod submitter;
mod submitter_faults;
mod tap;
mod treasury;
mod watcher;
mod wire;
