//! The chain edge against a real Anvil: reorgs, stuck transactions, RPCs that fail and lie.

mod anvil;
mod connection;
mod faults;
mod follower;
mod proxy;
mod sender;
mod submitter;
mod submitter_faults;
mod treasury;
mod watcher;
mod wire;
