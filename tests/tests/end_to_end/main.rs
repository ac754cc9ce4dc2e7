//! The parts together: real processes, real Anvil, the real compiler.

mod artifacts;
mod faults;
mod payments;
mod refusals;
mod theft;

mod world;
