//! The parts together: real processes, real Anvil, the real compiler.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

mod artifacts;
mod cancellations;
#[path = "../../../relayer/src/traces/tests/collecting.rs"]
mod collecting;
mod custody;
mod endurance;
mod faults;
mod flood;
mod kill_sweep;
mod kills;
mod limits;
mod payments;
#[path = "../../../relayer/tests/postgres/server.rs"]
#[allow(dead_code, reason = "the tests of the relayer use more of it")]
mod postgres;
mod recovery;
mod refills;
mod refusals;
mod reload;
mod rotation;
mod standby;
mod theft;
mod traces;

mod world;
