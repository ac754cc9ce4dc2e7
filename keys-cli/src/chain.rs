//! A contract on its chain.

use alloy::{
    contract,
    eips::BlockNumberOrTag,
    network::Ethereum,
    primitives::{Address, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, Log},
};
use ring_contracts::{Domain, IERC20, RingMultisig, verify_runtime_code};

use crate::{
    error::Error,
    rpc::{ChainError, Connection, Sent},
    signing_key::SigningKey,
};

/// How many blocks are asked for at once where an RPC refuses the whole chain.
const LOG_CHUNK: u64 = 10_000;

/// A `RingMultisig` on a chain.
#[derive(Clone, Debug)]
pub struct Chain {
    connection: Connection,
    domain: Domain,
}

/// Who may do what to the contract.
#[derive(Clone, Copy, Debug)]
pub struct Authorities {
    /// The master.
    pub master: Address,
    /// The guardian, or zero.
    pub guardian: Address,
    /// The successor that has yet to accept, or zero.
    pub pending_master: Address,
}

type Contract<'a> = RingMultisig::RingMultisigInstance<&'a RootProvider<Ethereum>>;

impl Chain {
    /// The contract at an address, after a check that it is ours.
    ///
    /// # Errors
    /// `Code`, and what an RPC can answer.
    pub async fn at(connection: Connection, contract: Address) -> Result<Self, ChainError> {
        let domain = Domain { chain_id: connection.chain_id(), contract };
        verify_runtime_code(&connection.code(contract).await?, &domain)?;
        Ok(Self { connection, domain })
    }

    /// A contract that is not there yet.
    pub(crate) fn to_be(connection: Connection, contract: Address) -> Self {
        let domain = Domain { chain_id: connection.chain_id(), contract };
        Self { connection, domain }
    }

    /// The chain.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The contract and its chain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The contract's functions.
    pub(crate) fn functions(&self) -> Contract<'_> {
        RingMultisig::new(self.domain.contract, self.connection.provider())
    }

    pub(crate) fn call_failure(&self, error: contract::Error) -> ChainError {
        self.connection.call_failure(error)
    }

    /// Master, guardian and pending master.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn authorities(&self) -> Result<Authorities, ChainError> {
        let functions = self.functions();
        let failure = |error| self.call_failure(error);
        Ok(Authorities {
            master: functions.master().call().await.map_err(failure)?,
            guardian: functions.guardian().call().await.map_err(failure)?,
            pending_master: functions.pendingMaster().call().await.map_err(failure)?,
        })
    }

    /// The nonce of the next action of a signer.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn action_nonce(&self, signer: Address) -> Result<U256, ChainError> {
        self.functions().actionNonce(signer).call().await.map_err(|error| self.call_failure(error))
    }

    /// The decimals of a token: what it says; what the person says only if the token is silent or agrees.
    ///
    /// # Errors
    /// They differ.
    pub async fn decimals(&self, given: Option<u8>, token: Address) -> Result<Option<u8>, Error> {
        match (given, IERC20::new(token, self.connection.provider()).decimals().call().await.ok()) {
            (Some(given), Some(actual)) if given != actual => Err(Error::DecimalsDiffer { token, given, actual }),
            (given, actual) => Ok(actual.or(given)),
        }
    }

    /// Sends a call of the contract and waits for it.
    ///
    /// # Errors
    /// See [`Connection::send`].
    pub async fn send(&self, key: &mut dyn SigningKey, input: Bytes) -> Result<Sent, Error> {
        let receipt = self.connection.send(key, self.domain.contract, input).await?;
        Ok(Sent {
            transaction: receipt.transaction_hash,
            block: receipt.block_number.unwrap_or_default(),
            gas_used: receipt.gas_used,
        })
    }

    /// The contract's events of one kind in one block.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn events_in_block(&self, filter: &Filter, block: u64) -> Result<Vec<Log>, ChainError> {
        let filter = filter.clone().address(self.domain.contract).from_block(block).to_block(block);
        self.connection.provider().get_logs(&filter).await.map_err(|error| self.connection.failure(error))
    }

    /// The contract's events of one kind since its deployment, oldest first. Asks for all at once, and where the RPC refuses
    /// that, for the blocks piece by piece.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn events(&self, filter: &Filter) -> Result<Vec<Log>, ChainError> {
        let filter = filter.clone().address(self.domain.contract);
        let provider = self.connection.provider();
        let failure = |error| self.connection.failure(error);
        if let Ok(logs) = provider.get_logs(&filter.clone().from_block(0).to_block(BlockNumberOrTag::Latest)).await {
            return Ok(logs);
        }
        let latest = provider.get_block_number().await.map_err(failure)?;
        let mut logs = Vec::new();
        for from in (0..=latest).step_by(LOG_CHUNK as usize) {
            let chunk = filter.clone().from_block(from).to_block((from + LOG_CHUNK - 1).min(latest));
            logs.extend(provider.get_logs(&chunk).await.map_err(failure)?);
        }
        Ok(logs)
    }
}
