//! Connecting to an RPC, and making sure that it is the right one.

use std::time::Duration;

use alloy::{
    providers::{DynProvider, Provider as _, ProviderBuilder},
    rpc::client::WsConnect,
};
use reqwest::Url;
use ring_contracts::{CodeError, Domain, verify_runtime_code};

use super::{fault::describe, rpc::Rpc};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause between attempts to reconnect; alloy doubles it up to half a minute.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Why a chain cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The address of the RPC is not one.
    #[error("the address of the RPC is not usable ({0}): it has to begin with http://, https://, ws:// or wss://")]
    Url(String),
    /// The RPC does not answer.
    #[error("the RPC at {host} does not answer ({reason}): check its address, that it runs, and the network")]
    Unreachable {
        /// The host. Never the whole URL: it may hold an API key.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The RPC is connected and a question went wrong.
    #[error("the RPC could not be asked: {0}")]
    Rpc(String),
    /// The RPC serves another chain.
    #[error("the RPC serves chain {actual}, the configuration says {expected}: correct one of them")]
    WrongChain {
        /// As configured.
        expected: u64,
        /// As the RPC answers.
        actual: u64,
    },
    /// The contract is not there, or it is another.
    #[error(transparent)]
    Code(#[from] CodeError),
}

/// Connects to an RPC: `ws://` and `wss://` with subscriptions, reconnecting for ever; `http://` and `https://` without.
/// A TLS provider has to be installed (`rustls::crypto::ring`) before.
///
/// # Errors
/// `Url`, `Unreachable`. An HTTP RPC is not asked yet.
pub async fn connect(rpc: &str) -> Result<DynProvider, ChainError> {
    let url: Url = rpc.parse().map_err(|error| ChainError::Url(format!("{error}")))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let unreachable = |reason| ChainError::Unreachable { host, reason };
    // Without fillers: nonce and fees are the submitter's business.
    let builder = ProviderBuilder::new().disable_recommended_fillers();
    match url.scheme() {
        "http" | "https" => {
            let client = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).build();
            let client = client.map_err(|error| unreachable(describe(&error)))?;
            Ok(builder.connect_reqwest(client, url).erased())
        }
        "ws" | "wss" => {
            let socket = WsConnect::new(url).with_max_retries(u32::MAX).with_retry_interval(RECONNECT_INTERVAL);
            match tokio::time::timeout(CONNECT_TIMEOUT, builder.connect_pubsub_with(socket)).await {
                Ok(Ok(provider)) => Ok(provider.erased()),
                Ok(Err(error)) => Err(unreachable(super::fault::Fault::from(error).to_string())),
                Err(_) => Err(unreachable(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))),
            }
        }
        scheme => Err(ChainError::Url(format!("the scheme is {scheme:?}"))),
    }
}

/// Checks that the RPC serves the right chain, and that the contract there is a `RingMultisig` of this version.
///
/// # Errors
/// `Rpc`, `WrongChain`, `Code`.
pub async fn verify(provider: &DynProvider, domain: &Domain) -> Result<(), ChainError> {
    let rpc = Rpc::new(provider.clone());
    let failed = |fault: super::fault::Fault| ChainError::Rpc(fault.to_string());
    let actual = rpc.chain_id().await.map_err(failed)?;
    if actual != domain.chain_id {
        return Err(ChainError::WrongChain { expected: domain.chain_id, actual });
    }
    let code = rpc.code(domain.contract).await.map_err(failed)?;
    Ok(verify_runtime_code(&code, domain)?)
}
