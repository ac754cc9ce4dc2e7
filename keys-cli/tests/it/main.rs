//! `ring-keys` as people run it: the real command, real keystores, a real chain.

mod air_gap;
mod ceremonies;
mod deployment;
mod formation;
mod guided;
mod harness;
mod keystores;
mod ledger;
mod one_step;
mod permissions;
mod proofs;
mod requests;
mod rotation;
mod three_steps;
mod trezor;
mod trezor_device;
mod unlocking;
mod verification;
mod wrong_inputs;
