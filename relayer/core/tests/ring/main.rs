//! The tests of the state machine. [`world`] holds a whole ring in one thread: its seats and their disks, the network, the
//! signers, the clients, the master, a thief, and a plain model of the chain. [`sweep`] runs it under seeded faults; the
//! other modules show the rules one by one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancellations;
mod early;
mod evidence;
mod halts;
mod pace;
mod refills;
mod requests;
mod restarts;
mod successions;
mod sweep;
mod theft;
mod turns;
mod voids;
mod world;
