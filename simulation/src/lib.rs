//! A whole ring in one thread, under faults from a seed.
//!
//! The real parts are the state machine ([`ring_core`]), the store ([`ring_relayer::store`]) on SQLite, and the bytecode of
//! the contract in an EVM. What is simulated is everything around them: disks, network, RPCs, signers, clocks, clients,
//! people, and a thief. Time and all chance come from the seed, so that a seed that fails once fails again.

#[cfg(feature = "planted-bugs")]
pub mod bugs;
pub mod chain;
pub mod disk;
pub mod incidents;
pub mod random;
pub mod run;
pub mod shrink;
pub mod world;
