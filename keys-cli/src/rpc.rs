//! The chain, through one RPC: reading, simulating, sending.

use std::time::Duration;

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _},
    contract,
    eips::BlockNumberOrTag,
    network::{Ethereum, NetworkTransactionBuilder as _, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, ProviderBuilder, RootProvider, SendableTx},
    rpc::{
        client::RpcClient,
        types::{TransactionReceipt, TransactionRequest},
    },
    transports::{RpcError, TransportError, http::Http},
};
use reqwest::Url;
use ring_contracts::{CodeError, IERC20};
use serde::Serialize;
use tokio::time::Instant;

use crate::{error::Error, revert::Revert, signing_key::SigningKey};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a transaction that was sent is waited for. Then its fate is unknown, which is not a failure.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(180);
const RECEIPT_INTERVAL: Duration = Duration::from_millis(200);

/// What can go wrong between us and the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Not an address of an RPC.
    #[error("{0:?} is not an RPC address: it has to start with http:// or https://")]
    Url(String),
    /// It does not answer.
    #[error("the RPC {rpc} cannot be used: {reason}")]
    Unreachable {
        /// Scheme and host: what follows them may be a secret.
        rpc: String,
        /// What happened.
        reason: String,
    },
    /// It answers with an error that is not the contract's.
    #[error("the RPC {rpc} refused: {message}")]
    Refused {
        /// Scheme and host.
        rpc: String,
        /// Its words.
        message: String,
    },
    /// The contract refuses.
    #[error("the contract refuses: {0}")]
    Reverted(Revert),
    /// There is another contract, or none.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The sender cannot pay.
    #[error(
        "{sender} has no native coin to pay the gas with: send it some, or let another key send (--sender-keystore)"
    )]
    NoGas {
        /// Who was to send.
        sender: Address,
    },
    /// The transaction went out and nothing is known of it.
    #[error(
        "transaction {transaction} was sent, and whether it is executed is not known ({reason}): \
         look for it on the chain before you send anything again"
    )]
    Unknown {
        /// Its hash.
        transaction: B256,
        /// Why nothing is known.
        reason: String,
    },
    /// The transaction is on the chain and failed.
    #[error("transaction {transaction} is in block {block} and was reverted: {reason}")]
    RevertedInBlock {
        /// Its hash.
        transaction: B256,
        /// The block.
        block: u64,
        /// What a repetition of it says.
        reason: String,
    },
}

/// A chain.
#[derive(Clone, Debug)]
pub struct Connection {
    provider: RootProvider<Ethereum>,
    rpc: String,
    chain_id: u64,
}

/// A transaction that was executed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Its hash.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// What it took.
    pub gas_used: u64,
}

impl Connection {
    /// Connects to an RPC.
    ///
    /// # Errors
    /// `Url`, `Unreachable`, `Refused`.
    pub async fn open(url: &str) -> Result<Self, ChainError> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let parsed = parsed.ok_or_else(|| ChainError::Url(without_path(url)))?;
        let rpc = without_path(url);
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| ChainError::Unreachable { rpc: rpc.clone(), reason: error.without_url().to_string() })?;
        let local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let client = RpcClient::new(Http::with_client(client, parsed), local);
        let mut connection = Self { provider: RootProvider::new(client), rpc, chain_id: 0 };
        connection.chain_id = connection.provider.get_chain_id().await.map_err(|error| connection.failure(error))?;
        Ok(connection)
    }

    /// The chain id (EIP-155).
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Scheme and host of the RPC.
    pub fn rpc(&self) -> &str {
        &self.rpc
    }

    /// What the node calls itself.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub(crate) async fn client_version(&self) -> Result<String, ChainError> {
        self.provider.get_client_version().await.map_err(|error| self.failure(error))
    }

    /// The number of the latest block.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub(crate) async fn block_number(&self) -> Result<u64, ChainError> {
        self.provider.get_block_number().await.map_err(|error| self.failure(error))
    }

    pub(crate) fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    pub(crate) async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.provider.get_code_at(address).await.map_err(|error| self.failure(error))
    }

    /// The call data of a transaction. `None`: the RPC does not know it.
    pub(crate) async fn input_of(&self, transaction: B256) -> Result<Option<Bytes>, ChainError> {
        let found = self.provider.get_transaction_by_hash(transaction).await.map_err(|error| self.failure(error))?;
        Ok(found.map(|found| found.inner.input().clone()))
    }

    /// How much of an asset (zero: the native coin) an address has.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn balance(&self, asset: Address, owner: Address) -> Result<U256, ChainError> {
        if asset.is_zero() {
            return self.provider.get_balance(owner).await.map_err(|error| self.failure(error));
        }
        let token = IERC20::new(asset, &self.provider);
        token.balanceOf(owner).call().await.map_err(|error| self.call_failure(error))
    }

    /// The time of the latest block, in Unix seconds.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn time(&self) -> Result<u64, ChainError> {
        let latest = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await;
        match latest.map_err(|error| self.failure(error))? {
            Some(block) => Ok(block.header.timestamp),
            None => Err(self.unusable("it has no latest block".to_owned())),
        }
    }

    /// The time of a block, in Unix seconds.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn time_of(&self, block: u64) -> Result<u64, ChainError> {
        let found = self.provider.get_block_by_number(block.into()).await;
        match found.map_err(|error| self.failure(error))? {
            Some(block) => Ok(block.header.timestamp),
            None => Err(self.unusable(format!("it has no block {block}, of which it told an event"))),
        }
    }

    /// Does as if a transaction were sent, and changes nothing.
    ///
    /// # Errors
    /// `Reverted`, and what an RPC can answer.
    pub async fn simulate(&self, from: Address, to: Address, input: Bytes) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(input);
        self.provider.call(request).await.map_err(|error| self.failure(error))
    }

    /// Sends a transaction and waits until it is executed.
    ///
    /// # Errors
    /// `Unknown` and `RevertedInBlock` after it went out; anything else before.
    pub async fn send(&self, key: &mut dyn SigningKey, to: Address, input: Bytes) -> Result<TransactionReceipt, Error> {
        let sender = key.address()?;
        let mut request = TransactionRequest::default().with_from(sender).with_to(to).with_input(input);
        let gas = match self.provider.estimate_gas(request.clone()).await {
            Ok(gas) => gas,
            Err(error) => return Err(self.why_not_sent(error, sender).await.into()),
        };
        // What it takes may have changed a little by the time it is executed.
        request.set_gas_limit(gas + gas / 5);

        let filler = ProviderBuilder::new().connect_provider(self.provider.clone());
        let filled = filler.fill(request.clone()).await.map_err(|error| self.failure(error))?;
        let SendableTx::Builder(filled) = filled else {
            unreachable!("nobody signs what a provider without a wallet fills");
        };
        let unsigned = filled.build_unsigned().map_err(|error| self.unusable(error.error.to_string()))?;
        let signature = key.sign_transaction(&unsigned)?;
        let recovered = signature.recover_address_from_prehash(&unsigned.signature_hash());
        if recovered.ok() != Some(sender) {
            return Err(Error::SigningFailed { signer: sender });
        }
        let envelope = unsigned.into_envelope(signature);
        let transaction = *envelope.tx_hash();
        if let Err(error) = self.provider.send_tx_envelope(envelope).await {
            // The words of a refusal differ from node to node, and a lost answer says nothing: what counts is whether
            // the transaction is there.
            match self.provider.get_transaction_by_hash(transaction).await {
                Ok(Some(_)) => {}
                Ok(None) if error.is_error_resp() => return Err(self.why_not_sent(error, sender).await.into()),
                Ok(None) | Err(_) => {
                    return Err(ChainError::Unknown { transaction, reason: self.failure(error).to_string() }.into());
                }
            }
        }
        let receipt = self.receipt(transaction).await?;
        if !receipt.status() {
            let block = receipt.block_number.unwrap_or_default();
            let reason = match self.provider.call(request).await {
                Ok(_) => "the same call succeeds now, so the state changed meanwhile".to_owned(),
                Err(error) => self.failure(error).to_string(),
            };
            return Err(ChainError::RevertedInBlock { transaction, block, reason }.into());
        }
        Ok(receipt)
    }

    async fn receipt(&self, transaction: B256) -> Result<TransactionReceipt, ChainError> {
        let start = Instant::now();
        loop {
            let answer = self.provider.get_transaction_receipt(transaction).await;
            let reason = match answer {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => "it is in no block yet".to_owned(),
                Err(error) => self.failure(error).to_string(),
            };
            if start.elapsed() > RECEIPT_TIMEOUT {
                return Err(ChainError::Unknown { transaction, reason });
            }
            tokio::time::sleep(RECEIPT_INTERVAL).await;
        }
    }

    async fn why_not_sent(&self, error: TransportError, sender: Address) -> ChainError {
        let failure = self.failure(error);
        match (&failure, self.provider.get_balance(sender).await) {
            (ChainError::Refused { .. }, Ok(U256::ZERO)) => ChainError::NoGas { sender },
            _ => failure,
        }
    }

    fn unusable(&self, reason: String) -> ChainError {
        ChainError::Unreachable { rpc: self.rpc.clone(), reason }
    }

    pub(crate) fn call_failure(&self, error: contract::Error) -> ChainError {
        match error {
            contract::Error::TransportError(error) => self.failure(error),
            other => self.unusable(other.to_string()),
        }
    }

    pub(crate) fn failure(&self, error: TransportError) -> ChainError {
        match error {
            RpcError::ErrorResp(payload) => match payload.as_revert_data() {
                Some(data) => ChainError::Reverted(Revert(data)),
                None => ChainError::Refused { rpc: self.rpc.clone(), message: payload.message.into_owned() },
            },
            // The outer layers repeat the whole address, which may hold a secret; the innermost says what happened.
            RpcError::Transport(kind) => match kind.as_http_error() {
                Some(http) => self.unusable(format!("it answered with HTTP status {}", http.status)),
                None => {
                    let mut cause: &dyn std::error::Error = &kind;
                    while let Some(deeper) = cause.source() {
                        cause = deeper;
                    }
                    self.unusable(cause.to_string())
                }
            },
            RpcError::DeserError { .. } | RpcError::NullResp => {
                self.unusable("it answered something that is no answer: is it an Ethereum RPC?".to_owned())
            }
            other => self.unusable(other.to_string()),
        }
    }
}

/// Scheme, host and port of an address: its user, path and query may be secrets.
pub(crate) fn without_path(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => "(not shown: it is no address)".to_owned(),
    }
}
