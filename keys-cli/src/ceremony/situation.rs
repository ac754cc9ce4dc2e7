//! Where a ceremony is held: the chain, the contract, the machines' files.

use std::path::PathBuf;

use alloy::primitives::Address;

use super::{CeremonyError, arguments::ProceedingArgs};
use crate::{chain::Chain, error::Error, rpc::Connection};

/// The id of Anvil's own chain: no chain with money has it.
const ANVIL: u64 = 31_337;

/// What the steps are about.
#[derive(Debug)]
pub(super) struct Situation {
    pub(super) connection: Connection,
    /// As it was given. It may hold a secret, so it is in no command that is shown.
    pub(super) rpc: String,
    pub(super) address_book: Option<PathBuf>,
    pub(super) contract: Address,
    pub(super) how: ProceedingArgs,
}

impl Situation {
    /// The contract, after a check that it is ours.
    pub(super) async fn chain(&self) -> Result<Chain, Error> {
        Ok(Chain::at(self.connection.clone(), self.contract).await?)
    }

    /// A file between the machines.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        match self.how.folder.as_os_str() == "." {
            true => PathBuf::from(name),
            false => self.how.folder.join(name),
        }
    }

    /// Whether a contract is at this address: then it has no key that signs.
    pub(super) async fn is_contract(&self, address: Address) -> Result<bool, Error> {
        Ok(!self.connection.code(address).await?.is_empty())
    }

    /// Refuses to rehearse where it would be no rehearsal. Whatever is signed for a fork is good on the chain that it
    /// is a fork of.
    pub(super) async fn check_rehearsal(&self) -> Result<(), Error> {
        let (client, chain_id) = (self.connection.client_version().await?, self.connection.chain_id());
        match !self.how.rehearsal || (client.starts_with("anvil/") && chain_id == ANVIL) {
            true => Ok(()),
            false => Err(CeremonyError::NoRehearsal { client, chain_id }.into()),
        }
    }
}
