//! The parts together: real processes, real Anvil, the real compiler.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

mod artifacts;
mod faults;
mod payments;
mod recovery;
mod refusals;
mod theft;

mod world;
