//! `ring-keys` as people run it: the real command, real keystores, a real chain.

mod formation;
mod harness;
mod keystores;
mod one_step;
mod requests;
mod three_steps;
mod wrong_inputs;
