//! The command of a Ring Window's master and operators: keys, deployment, rings, halts, and what a client asks for.
//!
//! `cli` is what people write; `run` turns it into work. An action goes from its arguments through a
//! [`Document`](action::Document), which holds all that is signed, to the chain; `error` is the one place for exit codes.

pub mod action;
pub mod address_book;
pub mod amount;
pub mod ceremony;
pub mod chain;
pub mod check_words;
pub mod cli;
pub mod custody;
pub mod deploy;
pub mod description;
pub mod emergency_kit;
pub mod error;
pub mod function;
pub mod ledger;
pub mod output;
pub mod paper;
pub mod prove;
pub mod qr;
pub mod record;
pub mod request;
pub mod revert;
pub mod ring;
pub mod rotation;
pub mod rpc;
pub mod rules;
mod run;
pub mod safe;
pub mod secret;
pub mod signing_key;
pub mod status;
pub mod terms;
pub mod time;
pub mod trezor;
pub mod unlock;

pub use run::run;
