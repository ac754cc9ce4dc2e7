//! Sources of evidence against the real things: PostgreSQL, a payment provider over HTTPS, Anvil.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../chain/anvil.rs"]
#[allow(dead_code, reason = "the tests of the chain use more of it")]
mod anvil;
mod event;
mod https;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "the tests of the store use more of it")]
mod postgres;
#[path = "../chain/proxy.rs"]
#[allow(dead_code, reason = "the tests of the chain use more of it")]
mod proxy;
mod refills;
mod requests;
mod simulation;
mod sql;
