//! The parts together: real processes, real Anvil, the real compiler.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

mod artifacts;
mod endurance;
mod faults;
mod flood;
mod kill_sweep;
mod kills;
mod payments;
mod recovery;
mod refusals;
mod theft;

mod world;
