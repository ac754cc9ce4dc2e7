//! Who keeps a key: the real thing, made for the suite and ended with it.

mod azure_kv;
mod enclave;
mod gcp_kms;
mod keystore;
mod memory;
mod moto;
mod softhsm;
mod vault;

use alloy::primitives::{Address, B256, keccak256};
use eyre::Result;
use ring_key::{Key, KeyError};

use crate::proxy::Losses;

pub(crate) use azure_kv::AzureKv;
pub(crate) use enclave::{Enclave, Form};
pub(crate) use gcp_kms::GcpKms;
pub(crate) use keystore::Keystore;
pub(crate) use memory::Memory;
pub(crate) use moto::Moto;
pub(crate) use softhsm::{ENCLAVES, SEATS, SoftHsm};
pub(crate) use vault::Vault;

/// Why something cannot be run here.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl From<eyre::Report> for Missing {
    fn from(error: eyre::Report) -> Self {
        Self(format!("{error:#}"))
    }
}

/// What can be done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing, and everything undone.
    AsItWas,
    /// Another is in its place.
    Exchanged,
    /// Whoever uses it may no longer.
    Forbidden,
    /// It is gone.
    Deleted,
}

/// A keeper. Where `false` or `None` is returned, there is no such thing with it.
pub(crate) trait Keeper {
    /// What is real about it.
    fn real(&self) -> String;

    /// Whether it is the real thing, or what the suite has in its place.
    fn is_real(&self) -> bool {
        true
    }

    /// The key's address, known from elsewhere than from what is tested.
    fn address(&self) -> Address;

    /// Opens the key, as a seat does that starts.
    fn open(&self) -> impl Future<Output = Result<Box<dyn Key>, KeyError>>;

    /// The same with a wrong password, PIN or token.
    fn open_with_wrong_secret(&self) -> impl Future<Output = Option<Result<Box<dyn Key>, KeyError>>>;

    /// Secrets that nobody may be told.
    fn secrets(&self) -> Vec<String>;

    /// What can be lost between the key and its keeper.
    fn losses(&self) -> Option<&Losses> {
        None
    }

    /// A digest that it is asked to sign, by its number.
    fn digest(&self, number: u64) -> B256 {
        keccak256(number.to_be_bytes())
    }

    /// Ends what was begun by logging in.
    fn end_sessions(&mut self) -> impl Future<Output = Result<bool>> {
        std::future::ready(Ok(false))
    }

    /// Has a login that is soon over, and waits until that was made longer.
    fn outlive_login(&mut self) -> impl Future<Output = Result<bool>> {
        std::future::ready(Ok(false))
    }

    /// Is not there any more.
    fn leave(&mut self) -> impl Future<Output = Result<bool>> {
        std::future::ready(Ok(false))
    }

    /// Is there again.
    fn come_back(&mut self) -> impl Future<Output = Result<()>> {
        std::future::ready(Ok(()))
    }

    /// Does something to the key.
    fn change(&mut self, _fate: Fate) -> impl Future<Output = Result<bool>> {
        std::future::ready(Ok(false))
    }
}
