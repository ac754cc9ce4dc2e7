//! Putting a contract on a chain.

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use ring_contracts::creation_code;
use serde::Serialize;

use crate::{chain::Chain, error::Error, rpc::Connection};

/// A contract that was deployed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    contract: Address,
    chain_id: u64,
    master: Address,
    guardian: Option<Address>,
    transaction: B256,
    block: u64,
}

impl Deployed {
    /// The deployment in words.
    pub fn in_words(&self) -> String {
        let guardian = self.guardian.map_or_else(|| "none".to_owned(), |guardian| guardian.to_string());
        format!(
            "contract     {}\nchain        {}\nmaster       {}\nguardian     {guardian}\ntransaction  {} in block {}",
            self.contract, self.chain_id, self.master, self.transaction, self.block
        )
    }
}

/// Deploys a contract from the bytecode of this release, and looks whether what is there then is that.
///
/// # Errors
/// The transaction is not executed, or what it deployed is not what it should be.
pub async fn deploy(
    connection: Connection,
    master: Address,
    guardian: Option<Address>,
    key: PrivateKeySigner,
) -> Result<Deployed, Error> {
    if master.is_zero() {
        return Err(Error::NoMaster);
    }
    let sender = key.address();
    let receipt = connection.send(key, None, creation_code(master, guardian.unwrap_or_default())).await?;
    let transaction = receipt.transaction_hash;
    let contract = receipt.contract_address.unwrap_or_else(|| sender.create(0));
    let failed = |reason: String| Error::Deployment { transaction, contract, reason };

    let chain_id = connection.chain_id();
    let chain = Chain::at(connection, contract).await.map_err(|error| failed(error.to_string()))?;
    let authorities = chain.authorities().await.map_err(|error| failed(error.to_string()))?;
    if (authorities.master, authorities.guardian) != (master, guardian.unwrap_or_default()) {
        return Err(failed(format!("its master is {} and its guardian {}", authorities.master, authorities.guardian)));
    }
    Ok(Deployed { contract, chain_id, master, guardian, transaction, block: receipt.block_number.unwrap_or_default() })
}
