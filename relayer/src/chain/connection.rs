//! Connecting to the RPCs, and making sure that they are the right ones.

use std::time::Duration;

use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use futures::future::join_all;
use reqwest::Url;
use ring_contracts::{Address, CodeError, Domain, IRingMultisig::RingView, U256, verify_runtime_code};
use ring_core::Block;
use tokio::sync::watch;

use super::{
    endpoint::Endpoint,
    fault::{Fault, describe},
    finality::Finality,
    quorum,
    rpc::Rpc,
    socket::Socket,
    watcher::WatcherSettings,
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between attempts to connect for the first time.
const CONNECT_INTERVAL: Duration = Duration::from_secs(15);

/// Why a chain cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The address of an RPC is not one.
    #[error("the address of {rpc} is not usable ({reason}): it has to begin with http://, https://, ws:// or wss://")]
    Url {
        /// Which RPC.
        rpc: String,
        /// What is wrong.
        reason: String,
    },
    /// Too few RPCs are configured.
    #[error("{agree} RPCs have to agree, and {configured} are configured: add RPCs, or lower chain.agree")]
    TooFew {
        /// How many have to agree; at least 1.
        agree: usize,
        /// How many there are.
        configured: usize,
    },
    /// An RPC does not answer, without which there are too few.
    #[error("{rpc} does not answer ({reason}): check its address, that it runs, and the network")]
    Unreachable {
        /// Its place in the configuration, and its host. Never the whole URL: it may hold an API key.
        rpc: String,
        /// What happened.
        reason: String,
    },
    /// An RPC is connected and a question went wrong.
    #[error("{rpc} could not be asked: {reason}")]
    Rpc {
        /// Which RPC.
        rpc: String,
        /// What happened.
        reason: String,
    },
    /// An RPC serves another chain.
    #[error("{rpc} serves chain {actual}, the configuration says {expected}: correct one of them")]
    WrongChain {
        /// Which RPC.
        rpc: String,
        /// As configured.
        expected: u64,
        /// As the RPC answers.
        actual: u64,
    },
    /// An RPC does not know what is final.
    #[error(
        "{rpc} does not know the {tag} block ({reason}): use a node that does, or give chain.finality as a number of blocks \
         that are never reorganised on this chain"
    )]
    Finality {
        /// Which RPC.
        rpc: String,
        /// `finalized` or `safe`.
        tag: Finality,
        /// What it answered.
        reason: String,
    },
    /// The contract is not there, or it is another.
    #[error("{rpc}: {source}")]
    Code {
        /// Which RPC.
        rpc: String,
        /// What is there.
        source: CodeError,
    },
    /// The RPCs do not agree on a view of the chain.
    #[error("the chain cannot be read: {0}")]
    NoView(String),
}

/// The RPCs of a chain, and how many of them have to agree on what there is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoints {
    all: std::sync::Arc<[Endpoint]>,
    agree: usize,
}

impl Endpoints {
    /// Connects to RPCs: `ws://` and `wss://` with subscriptions, reconnecting for ever; `http://` and `https://` without.
    /// Those that do not answer now are tried again and again, as long as `agree` others do. A TLS provider has to be
    /// installed (`rustls::crypto::ring`) before.
    ///
    /// # Errors
    /// `Url`, `TooFew`, `Unreachable`. An HTTP RPC is not asked yet.
    pub async fn connect<'a>(rpcs: impl IntoIterator<Item = &'a str>, agree: usize) -> Result<Self, ChainError> {
        let mut all = Vec::new();
        for (place, text) in rpcs.into_iter().enumerate() {
            let usable = |url: &Url| matches!(url.scheme(), "http" | "https" | "ws" | "wss");
            let (name, reason) = match text.parse::<Url>() {
                Ok(url) if usable(&url) => {
                    all.push((name(place, &url), url));
                    continue;
                }
                Ok(url) => (name(place, &url), format!("the scheme is {:?}", url.scheme())),
                Err(error) => (format!("rpc[{place}]"), error.to_string()),
            };
            return Err(ChainError::Url { rpc: name, reason });
        }
        if agree == 0 || agree > all.len() {
            return Err(ChainError::TooFew { agree, configured: all.len() });
        }
        let dialled = join_all(all.iter().map(|(_, url)| dial(url))).await;
        let mut missing = all.len() - agree;
        let mut endpoints = Vec::new();
        for ((name, url), dialled) in all.into_iter().zip(dialled) {
            let (connected, provider) = watch::channel(None);
            match dialled {
                Ok(provider) => {
                    connected.send_replace(Some(provider));
                }
                Err(reason) if missing == 0 => return Err(ChainError::Unreachable { rpc: name, reason }),
                Err(reason) => {
                    missing -= 1;
                    tracing::warn!(rpc = name, reason, "an RPC does not answer, going on without it");
                    tokio::spawn(dial_until_connected(name.clone(), url, connected));
                }
            }
            endpoints.push(Endpoint::new(name, provider));
        }
        Ok(Self { all: endpoints.into(), agree })
    }

    pub(super) fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// How many have to agree.
    pub(super) fn agree(&self) -> usize {
        self.agree
    }

    /// Checks that every RPC that answers serves the right chain, that the contract there is a `RingMultisig` of this
    /// version, and that it knows what is final; and that enough of them answer.
    ///
    /// # Errors
    /// `Rpc`, `WrongChain`, `Code`, `Finality`.
    pub async fn verify(&self, domain: &Domain, finality: Finality) -> Result<(), ChainError> {
        let mut missing = self.all.len() - self.agree;
        for verified in join_all(self.all.iter().map(|endpoint| verify(endpoint, domain, finality))).await {
            match verified {
                Err(error @ ChainError::Rpc { .. }) if missing > 0 => {
                    missing -= 1;
                    tracing::warn!("{error}; going on without it");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Checks that every RPC that answers serves this chain.
    ///
    /// # Errors
    /// `Rpc`, `WrongChain`.
    pub async fn check_chain(&self, chain_id: u64) -> Result<(), ChainError> {
        let checked = join_all(self.all.iter().map(|endpoint| serves(endpoint, chain_id))).await;
        let mut missing = self.all.len() - self.agree;
        for checked in checked {
            match checked {
                Err(ChainError::Rpc { .. }) if missing > 0 => missing -= 1,
                other => other?,
            }
        }
        Ok(())
    }

    /// What an account has of the native coin, in wei, in a recent block that enough RPCs agree on.
    ///
    /// # Errors
    /// `NoView`.
    pub async fn balance(&self, account: Address) -> Result<(U256, Block), ChainError> {
        let balance = async {
            let (block, members) = quorum::recent(self).await?;
            let balance = |rpc: Rpc| async move { rpc.balance_at(account, block.hash).await };
            Ok((quorum::agreed(self, &members, block, balance).await?, block.into()))
        };
        balance.await.map_err(|fault: Fault| ChainError::NoView(fault.to_string()))
    }

    /// How a ring stands, in a recent block that enough RPCs agree on.
    ///
    /// # Errors
    /// `NoView`.
    pub async fn ring(&self, domain: &Domain, ring: u32) -> Result<RingView, ChainError> {
        quorum::ring(self, domain, ring).await.map_err(|fault| ChainError::NoView(fault.to_string()))
    }

    /// How the ring stands in the newest block that enough RPCs call final. `None`: its contract was not there then.
    ///
    /// # Errors
    /// `NoView`.
    pub async fn final_ring(&self, settings: WatcherSettings) -> Result<Option<RingView>, ChainError> {
        quorum::final_ring(self, settings).await.map_err(|fault| ChainError::NoView(fault.to_string()))
    }
}

/// What an RPC is called: by its place in the configuration and its host, which are no secrets.
fn name(place: usize, url: &Url) -> String {
    format!("rpc[{place}] ({})", url.host_str().unwrap_or_default())
}

/// Connects to one RPC, which is believed by itself: for what is not this ring's chain.
///
/// # Errors
/// `Url`, `Unreachable`. An HTTP RPC is not asked yet.
pub async fn connect(rpc: &Url) -> Result<DynProvider, ChainError> {
    let rpc_name = name(0, rpc);
    dial(rpc).await.map_err(|reason| ChainError::Unreachable { rpc: rpc_name, reason })
}

async fn dial(url: &Url) -> Result<DynProvider, String> {
    // Without fillers: nonce and fees are the submitter's business.
    let builder = ProviderBuilder::new().disable_recommended_fillers();
    if matches!(url.scheme(), "http" | "https") {
        let client = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|error| describe(&error))?;
        return Ok(builder.connect_reqwest(client, url.clone()).erased());
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, builder.connect_pubsub_with(Socket(url.clone()))).await {
        Ok(Ok(provider)) => Ok(provider.erased()),
        Ok(Err(error)) => Err(Fault::from(error).to_string()),
        Err(_) => Err(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

async fn dial_until_connected(name: String, url: Url, connected: watch::Sender<Option<DynProvider>>) {
    loop {
        tokio::select! {
            // Nobody asks it any more.
            () = connected.closed() => return,
            () = tokio::time::sleep(CONNECT_INTERVAL) => {}
        }
        match dial(&url).await {
            Ok(provider) => {
                tracing::info!(rpc = name, "an RPC answers now");
                connected.send_replace(Some(provider));
                return;
            }
            Err(reason) => tracing::debug!(rpc = name, reason, "an RPC still does not answer"),
        }
    }
}

async fn serves(endpoint: &Endpoint, chain_id: u64) -> Result<(), ChainError> {
    let rpc = endpoint.name().to_owned();
    match endpoint.rpc().check_chain(chain_id).await {
        Err(Fault::WrongChain { expected, actual }) => Err(ChainError::WrongChain { rpc, expected, actual }),
        other => other.map_err(|fault| ChainError::Rpc { rpc, reason: fault.to_string() }),
    }
}

async fn verify(endpoint: &Endpoint, domain: &Domain, finality: Finality) -> Result<(), ChainError> {
    let name = || endpoint.name().to_owned();
    let failed = |fault: Fault| ChainError::Rpc { rpc: name(), reason: fault.to_string() };
    serves(endpoint, domain.chain_id).await?;
    let code = endpoint.rpc().code(domain.contract).await.map_err(failed)?;
    verify_runtime_code(&code, domain).map_err(|source| ChainError::Code { rpc: name(), source })?;
    let Some(tag) = finality.tag() else { return Ok(()) };
    match endpoint.rpc().header(tag).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            tracing::warn!(
                rpc = name(), tag = %finality,
                "an RPC has no such block: on a young chain that passes; else give chain.finality as a number of blocks"
            );
            Ok(())
        }
        Err(fault @ Fault::Refused { .. }) => {
            Err(ChainError::Finality { rpc: name(), tag: finality, reason: fault.to_string() })
        }
        Err(fault) => Err(failed(fault)),
    }
}
