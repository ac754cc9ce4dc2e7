//! Putting a contract on a chain: by the deterministic deployment proxy, so that it has the same address on every chain.

use alloy::primitives::{Address, B256, Bytes, bytes, hex};
use ring_contracts::{DEPLOYMENT_PROXY, creation_code, predicted_address};
use serde::Serialize;

use crate::{
    chain::{Authorities, Chain},
    error::Error,
    rpc::Connection,
    signing_key::SigningKey,
};

/// The code of the proxy: it creates what follows the salt with CREATE2, and answers the address.
const PROXY_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b\
     8082525050506014600cf3"
);
/// What comes before and after that code in a transaction that puts the proxy on any chain (that takes transactions without
/// a chain id): its signature is made up, so that nobody has the key of its sender, and its sender and nonce give the proxy
/// its address.
const PROXY_TRANSACTION: [&str; 2] = [
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe",
    "1ba02222222222222222222222222222222222222222222222222222222222222222a0222222222222222222222222222222222222222222222222\
     2222222222222222",
];
/// The sender of that transaction, who needs 0.01 ether: 100,000 gas at 100 gwei.
const PROXY_DEPLOYER: Address = alloy::primitives::address!("3fab184622dc19b6109349b94811493bf2a45362");

/// Why there is nothing to deploy with.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The chain has no proxy.
    #[error(
        "chain {chain_id} has no deployment proxy at {DEPLOYMENT_PROXY}, without which the contract would have another address \
         than elsewhere. Anybody can put it there, once: send 0.01 of the native coin to {PROXY_DEPLOYER}, then publish this \
         transaction, `cast publish --rpc-url … {}`; a chain that refuses it, for having no chain id, needs its operator's help",
        proxy_transaction()
    )]
    NoProxy {
        /// Which chain.
        chain_id: u64,
    },
    /// Something else is where the proxy should be.
    #[error(
        "what is at {DEPLOYMENT_PROXY} on chain {chain_id} is not the deployment proxy ({length} bytes of other code): it \
         would put the contract elsewhere, or something else"
    )]
    OtherProxy {
        /// Which chain.
        chain_id: u64,
        /// How long its code is.
        length: usize,
    },
}

fn proxy_transaction() -> String {
    let [before, after] = PROXY_TRANSACTION;
    format!("{before}{}{after}", hex::encode(PROXY_CODE))
}

/// What a contract's address is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The first master.
    pub master: Address,
    /// The first guardian, if there is one.
    pub guardian: Option<Address>,
    /// What tells two contracts of the same master and guardian apart.
    pub salt: B256,
}

/// Where a contract will be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicted {
    contract: Address,
    #[serde(flatten)]
    plan: Plan,
}

/// A contract that is deployed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    contract: Address,
    chain_id: u64,
    #[serde(flatten)]
    plan: Plan,
    already_there: bool,
    transaction: Option<B256>,
    block: Option<u64>,
}

impl Plan {
    /// Where the contract will be, on every chain.
    ///
    /// # Errors
    /// `NoMaster`.
    pub fn predict(self) -> Result<Predicted, Error> {
        if self.master.is_zero() {
            return Err(Error::NoMaster);
        }
        Ok(Predicted { contract: self.address(), plan: self })
    }

    /// The address that the first master, the first guardian and the salt give.
    pub fn address(&self) -> Address {
        predicted_address(self.master, self.guardian.unwrap_or_default(), self.salt)
    }

    fn in_words(&self, contract: Address) -> String {
        let guardian = self.guardian.map_or_else(|| "none".to_owned(), |guardian| guardian.to_string());
        format!(
            "contract     {contract}\nmaster       {}\nguardian     {guardian}\nsalt         {}",
            self.master, self.salt
        )
    }
}

impl Predicted {
    /// The address.
    pub fn contract(&self) -> Address {
        self.contract
    }

    /// The prediction in words.
    pub fn in_words(&self) -> String {
        self.plan.in_words(self.contract)
    }
}

impl Deployed {
    /// The deployment in words.
    pub fn in_words(&self) -> String {
        let how = match (self.transaction, self.block) {
            (Some(transaction), Some(block)) => format!("transaction  {transaction} in block {block}"),
            _ => "it was there already, with the code of this release: nothing was sent".to_owned(),
        };
        format!("{}\nchain        {}\n{how}", self.plan.in_words(self.contract), self.chain_id)
    }
}

/// Deploys a contract from the bytecode of this release, and looks whether what is there then is that. If it is there
/// already, nothing is sent, and `key` is not asked for.
///
/// # Errors
/// There is no proxy; the transaction is not executed; or what is there is not what it should be.
pub async fn deploy(
    connection: Connection,
    plan: Plan,
    key: impl FnOnce() -> Result<Box<dyn SigningKey>, Error>,
) -> Result<Deployed, Error> {
    let contract = plan.predict()?.contract;
    let chain_id = connection.chain_id();
    let deployed =
        |already_there, transaction, block| Deployed { contract, chain_id, plan, already_there, transaction, block };
    if !connection.code(contract).await?.is_empty() {
        Chain::at(connection, contract).await?;
        return Ok(deployed(true, None, None));
    }
    check_proxy(&connection).await?;
    let init_code = creation_code(plan.master, plan.guardian.unwrap_or_default());
    let input = [plan.salt.as_slice(), init_code.as_ref()].concat();
    let receipt = connection.send(&mut key()?, DEPLOYMENT_PROXY, input.into()).await?;
    let transaction = receipt.transaction_hash;
    let failed = |reason: String| Error::Deployment { transaction, contract, reason };

    let chain = Chain::at(connection, contract).await.map_err(|error| failed(error.to_string()))?;
    let Authorities { master, guardian, .. } = chain.authorities().await.map_err(|error| failed(error.to_string()))?;
    if (master, guardian) != (plan.master, plan.guardian.unwrap_or_default()) {
        return Err(failed(format!("its master is {master} and its guardian {guardian}")));
    }
    Ok(deployed(false, Some(transaction), Some(receipt.block_number.unwrap_or_default())))
}

async fn check_proxy(connection: &Connection) -> Result<(), Error> {
    let chain_id = connection.chain_id();
    let code = connection.code(DEPLOYMENT_PROXY).await?;
    if code.is_empty() {
        return Err(DeployError::NoProxy { chain_id }.into());
    }
    if code != PROXY_CODE {
        return Err(DeployError::OtherProxy { chain_id, length: code.len() }.into());
    }
    Ok(())
}
