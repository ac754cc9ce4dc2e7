//! An event on a chain, this ring's or another.

mod expected;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    providers::{DynProvider, Provider as _},
    rpc::types::Log,
    transports::{TransportError, TransportErrorKind},
};
use futures::{FutureExt as _, future::BoxFuture};
use reqwest::Url;
use ring_core::Evidence;
use tokio::sync::OnceCell;

use self::expected::Expected;
use super::{Facts, Field, Pace, Source, Trouble};
use crate::chain::{self, Finality};

pub use expected::ExpectedError;

/// What is looked for on a chain.
#[derive(Clone)]
pub struct EventSettings {
    /// What people call the source.
    pub name: String,
    /// The node. It may hold an access token.
    pub rpc: Url,
    /// The chain that it has to serve.
    pub chain_id: u64,
    /// Whose events count.
    pub contract: Address,
    /// The event, as in Solidity.
    pub event: String,
    /// Parameters and what they have to be.
    pub compared: Vec<(String, String)>,
    /// When an event counts.
    pub finality: Finality,
    /// The first block that it can be in.
    pub from_block: u64,
    /// How it may be asked.
    pub pace: Pace,
}

/// A contract that knows which requests are genuine.
pub struct Event {
    name: String,
    pace: Pace,
    rpc: Url,
    chain_id: u64,
    contract: Address,
    expected: Expected,
    finality: Finality,
    from_block: u64,
    provider: OnceCell<DynProvider>,
}

impl Event {
    /// A source that has not been asked yet.
    ///
    /// # Errors
    /// As [`ExpectedError`] says.
    pub fn new(settings: EventSettings) -> Result<Self, ExpectedError> {
        let EventSettings { name, rpc, chain_id, contract, event, compared, finality, from_block, pace } = settings;
        let compared = compared.iter().map(|(parameter, value)| (parameter.as_str(), value.as_str()));
        let expected = Expected::parse(&event, compared)?;
        let provider = OnceCell::new();
        Ok(Self { name, pace, rpc, chain_id, contract, expected, finality, from_block, provider })
    }

    /// The fields that decide whether a request is genuine.
    pub fn compared_fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.expected.fields()
    }

    /// A connection to a node that serves the right chain.
    async fn provider(&self) -> Result<&DynProvider, Trouble> {
        let connect = || async {
            let provider = chain::connect(&self.rpc).await.map_err(|error| Trouble::down(error.to_string()))?;
            match provider.get_chain_id().await.map_err(down)? {
                id if id == self.chain_id => Ok(provider),
                id => Err(Trouble::Useless(format!("the node serves chain {id}, not {}", self.chain_id))),
            }
        };
        self.provider.get_or_try_init(connect).await
    }

    /// The newest block whose events count.
    async fn last_block(&self, provider: &DynProvider) -> Result<Option<u64>, Trouble> {
        match self.finality {
            Finality::Depth(depth) => Ok(provider.get_block_number().await.map_err(down)?.checked_sub(depth)),
            tagged => {
                let tag = tagged.tag().unwrap_or(BlockNumberOrTag::Finalized);
                let block = provider.get_block_by_number(tag).await.map_err(down)?;
                Ok(block.map(|block| block.header.number))
            }
        }
    }

    async fn look(&self, facts: &Facts) -> Result<Evidence, Trouble> {
        let filter = self.expected.filter(facts)?;
        // A node of another chain is no worse for one request than for another.
        let provider = self.provider().await.map_err(|trouble| Trouble::down(trouble.to_string()))?;
        let Some(last) = self.last_block(provider).await?.filter(|last| *last >= self.from_block) else {
            return Ok(Evidence::NotYet);
        };
        let filter = filter.address(self.contract).from_block(self.from_block).to_block(last);
        let logs = provider.get_logs(&filter).await.map_err(down)?;
        self.judge(facts, last, &logs)
    }

    fn judge(&self, facts: &Facts, last: u64, logs: &[Log]) -> Result<Evidence, Trouble> {
        // Whatever a node answers beside what it was asked for does not count.
        let counts = |log: &&Log| {
            log.address() == self.contract && !log.removed && log.block_number.is_some_and(|block| block <= last)
        };
        let logs: Vec<&Log> = logs.iter().filter(counts).collect();
        let refuted = |reason| Ok(Evidence::Refuted { reason });
        for log in &logs {
            let topics: &[B256] = log.topics();
            if let Err(reason) = self.expected.compare(facts, topics, &log.inner.data.data)? {
                return refuted(reason);
            }
        }
        match logs.len() {
            0 => Ok(Evidence::NotYet),
            1 => Ok(Evidence::Genuine),
            several => refuted(format!("{several} events have its id")),
        }
    }
}

impl Source for Event {
    fn name(&self) -> &str {
        &self.name
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        async { self.provider().await.map(|_| ()) }.boxed()
    }

    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        self.look(facts).boxed()
    }
}

/// What went wrong, without the node's address: that may hold an access token.
fn down(error: TransportError) -> Trouble {
    match &error {
        TransportError::ErrorResp(answer) => {
            Trouble::down(format!("the node answers: {}", answer.message.chars().take(200).collect::<String>()))
        }
        TransportError::Transport(TransportErrorKind::HttpError(http)) => {
            Trouble::down(format!("the node answers HTTP status {}", http.status))
        }
        TransportError::Transport(_) => Trouble::down("the node does not answer"),
        _ => Trouble::down("the node's answer cannot be read"),
    }
}
