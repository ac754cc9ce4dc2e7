//! Whether all that left the treasury left by a turn or by the master's word.
//!
//! ```text
//!  balances near the head ─▶ wait until they are final ─▶ what left since the last ─▶ explained, or a Shortfall
//! ```
//!
//! Everything else is nothing that any ring agreed to: somebody had an allowance, the owner of a token took it back, or the
//! contract is not what everybody believes it to be. What came in is of no interest.
//!
//! Balances are read a few blocks below the head: nodes forget the state of blocks as old as final ones are on some chains, and
//! some announce a head before its state or its events can be asked for. What no transaction explains has to be short twice, for
//! one wrong answer must not halt a ring.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use ring_contracts::{Call, Effect, Execution, IERC20, RingMultisig};
use ring_core::Shortfall;
use tokio::sync::{mpsc, watch};

use super::{
    allowance,
    connection::Endpoints,
    fault::Fault,
    quiet::Quiet,
    quorum,
    rpc::{Header, Rpc},
    watcher::{Connection, WatcherSettings},
};

/// How many blocks are between two looks at the balances, at least.
const BLOCKS: u64 = 32;
/// How many blocks below the head balances are read.
const BELOW_HEAD: u64 = 8;
/// How many blocks of logs are asked for at once.
const MOST_BLOCKS: u64 = 1_000;
/// How many transactions are asked for at once.
const MOST_TRANSACTIONS: usize = 16;
/// How many transactions a shortfall names.
const MOST_NAMED: usize = 8;

/// Compares what the treasury has of its assets with what left it, again and again.
#[derive(Debug)]
pub struct Reconciler {
    endpoints: Endpoints,
    contract: Address,
    /// The ring, and its main asset.
    ring: (u32, Address),
    /// Zero is the native coin.
    assets: BTreeSet<Address>,
    connection: watch::Receiver<Connection>,
    shortfalls: mpsc::Sender<Shortfall>,
    /// Of the last block that is known to be final.
    settled: Option<Balances>,
    /// Of a block that has yet to be final.
    open: Option<Balances>,
    /// Whether they seemed to be short of something the last time.
    suspicious: bool,
    quiet: Quiet,
}

/// What the treasury had in a block, of the assets that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Balances {
    block: Header,
    by_asset: BTreeMap<Address, U256>,
}

/// What left the treasury between two blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outflow {
    /// How much turns and the master moved at most, by asset.
    explained: BTreeMap<Address, U256>,
    /// The transactions that moved an asset without either.
    unexplained: BTreeMap<Address, BTreeSet<B256>>,
    /// The transactions with turns.
    turns: BTreeSet<B256>,
}

impl Reconciler {
    /// One that reports to `shortfalls` what is not explained of the native coin and of the ring's assets, without those that
    /// are `unwatched`.
    pub fn new(
        endpoints: Endpoints,
        settings: &WatcherSettings,
        unwatched: &BTreeSet<Address>,
        connection: watch::Receiver<Connection>,
        shortfalls: mpsc::Sender<Shortfall>,
    ) -> Self {
        let WatcherSettings { domain, ring, charter, other_assets, .. } = settings;
        let assets = other_assets.iter().copied().chain([Address::ZERO, charter.asset]);
        Self {
            endpoints,
            contract: domain.contract,
            ring: (*ring, charter.asset),
            assets: assets.filter(|asset| !unwatched.contains(asset)).collect(),
            connection,
            shortfalls,
            settled: None,
            open: None,
            suspicious: false,
            quiet: Quiet::default(),
        }
    }

    /// Works until nobody follows the chain or listens any more. What leaves while it does not is not noticed.
    pub async fn run(mut self) {
        while self.connection.changed().await.is_ok() && !self.shortfalls.is_closed() {
            let blocks = {
                let connection = self.connection.borrow_and_update();
                connection.head.zip(connection.finalized)
            };
            let Some((head, finalized)) = blocks else { continue };
            match self.look(head.number, finalized.number).await {
                Ok(shortfalls) => {
                    for shortfall in shortfalls {
                        // Whoever does not listen any more is ending.
                        let _ = self.shortfalls.send(shortfall).await;
                    }
                }
                Err(fault) => {
                    if let Some(silenced) = self.quiet.ask() {
                        tracing::warn!(%fault, silenced, "the treasury's balances cannot be looked at, trying again: check the RPC");
                    }
                }
            }
        }
    }

    async fn look(&mut self, head: u64, finalized: u64) -> Result<Vec<Shortfall>, Fault> {
        let mut shortfalls = Vec::new();
        if let Some(open) = self.open.clone().filter(|open| open.block.number <= finalized) {
            shortfalls = self.settle(open).await?;
        }
        let is_due = self.settled.as_ref().is_none_or(|settled| head >= settled.block.number + BLOCKS + BELOW_HEAD);
        if self.open.is_none() && is_due {
            self.open = Some(self.measure().await?);
        }
        Ok(shortfalls)
    }

    /// Reads the balances in a recent block.
    async fn measure(&self) -> Result<Balances, Fault> {
        let (head, members) = quorum::recent(&self.endpoints).await?;
        let number = head.number.saturating_sub(BELOW_HEAD);
        let block = |rpc: Rpc| async move { rpc.header(number.into()).await };
        let block = quorum::agreed(&self.endpoints, &members, head, block).await?;
        let block = block.ok_or_else(|| Fault::Malformed(format!("block {number} is not there")))?;
        let read = |rpc: Rpc| async move {
            let balances = self.assets.iter().map(async |asset| {
                let balance = allowance::balance(&rpc, self.contract, *asset, block).await?;
                Ok::<_, Fault>(balance.map(|balance| (*asset, balance)))
            });
            let by_asset = try_join_all(balances).await?.into_iter().flatten().collect();
            Ok(Balances { block, by_asset })
        };
        quorum::agreed(&self.endpoints, &members, block, read).await
    }

    /// Compares balances of a block, which may be final now, with those before them.
    async fn settle(&mut self, open: Balances) -> Result<Vec<Shortfall>, Fault> {
        let (head, members) = quorum::recent(&self.endpoints).await?;
        let number = open.block.number;
        let in_chain = |rpc: Rpc| async move { rpc.header(number.into()).await };
        let in_chain = quorum::agreed(&self.endpoints, &members, head, in_chain).await?;
        if in_chain.is_none_or(|block| block.hash != open.block.hash) {
            self.open = None;
            return Ok(Vec::new());
        }
        let shortfalls = match &self.settled {
            Some(settled) => {
                let (this, open) = (&*self, &open);
                let outflow = |rpc: Rpc| async move { this.outflow(&rpc, settled, open).await };
                let outflow = quorum::agreed(&self.endpoints, &members, head, outflow).await?;
                shortfalls(settled, open, &outflow)
            }
            None => Vec::new(),
        };
        self.open = None;
        let is_certain = shortfalls.iter().any(|shortfall| !shortfall.transactions.is_empty());
        if !shortfalls.is_empty() && !is_certain && !std::mem::replace(&mut self.suspicious, true) {
            tracing::warn!(?shortfalls, "the treasury seems to be short of something: looking again");
            return Ok(Vec::new());
        }
        (self.settled, self.suspicious) = (Some(open), false);
        Ok(shortfalls)
    }

    /// What left after the one block, up to and including the other.
    async fn outflow(&self, rpc: &Rpc, from: &Balances, to: &Balances) -> Result<Outflow, Fault> {
        let mut outflow = Outflow::default();
        let mut start = from.block.number + 1;
        while start <= to.block.number {
            let end = to.block.number.min(start + MOST_BLOCKS - 1);
            let range = || Filter::new().from_block(start).to_block(end);
            let events = vec![RingMultisig::TurnExecuted::SIGNATURE_HASH, RingMultisig::MasterExecuted::SIGNATURE_HASH];
            let tokens: Vec<Address> = self.assets.iter().copied().filter(|asset| !asset.is_zero()).collect();
            let transfers = match tokens.is_empty() {
                true => Vec::new(),
                false => {
                    let of_treasury = range().address(tokens).event_signature(IERC20::Transfer::SIGNATURE_HASH);
                    rpc.logs(&of_treasury.topic1(self.contract)).await?
                }
            };
            outflow.add(&rpc.logs(&range().address(self.contract).event_signature(events)).await?, &transfers)?;
            start = end + 1;
        }
        // The native coin moves without an event, and some tokens do when they are given back for something else.
        if !shortfalls(from, to, &outflow).is_empty() {
            let calls = stream::iter(outflow.turns.clone()).map(|turn| rpc.call_of(turn)).buffered(MOST_TRANSACTIONS);
            for (to, input) in calls.try_collect::<Vec<_>>().await? {
                let execution = Execution::decode(&input).filter(|_| to == Some(self.contract));
                let ring = execution.as_ref().and_then(Execution::turn_id).map(|id| id.ring);
                let calls = execution.and_then(|execution| execution.unpacked_calls().ok());
                let (own, main_asset) = self.ring;
                outflow.add_calls(calls.as_deref(), (ring == Some(own)).then_some(main_asset));
            }
        }
        Ok(outflow)
    }
}

impl Outflow {
    /// Takes in the turns and actions of some blocks, and the transfers by the treasury in them.
    fn add(&mut self, of_contract: &[Log], transfers: &[Log]) -> Result<(), Fault> {
        let mut explaining = BTreeSet::new();
        for log in of_contract {
            let transaction = transaction(log)?;
            explaining.insert(transaction);
            match log.log_decode::<RingMultisig::MasterExecuted>() {
                Ok(action) => {
                    let RingMultisig::MasterExecuted { target, value, data } = action.inner.data;
                    self.explain(Address::ZERO, value);
                    self.add_call(target, &data);
                }
                Err(_) => drop(self.turns.insert(transaction)),
            }
        }
        for log in transfers {
            // Other contracts have events of the same name: the transfer of a single ERC-721 has a fourth topic.
            let Ok(transfer) = log.log_decode::<IERC20::Transfer>() else { continue };
            let (asset, amount, transaction) = (log.address(), transfer.inner.data.value, transaction(log)?);
            match explaining.contains(&transaction) {
                true => self.explain(asset, amount),
                // Anybody can have a token say that it moved nothing.
                false if amount.is_zero() => {}
                false => drop(self.unexplained.entry(asset).or_default().insert(transaction)),
            }
        }
        Ok(())
    }

    /// Takes in what the calls of a turn move without an event, given the main asset of its ring. Calls that are not known
    /// (another contract had the turn executed) may move any amount of the native coin, and so may payments of a ring whose main
    /// asset is not known.
    fn add_calls(&mut self, calls: Option<&[Call]>, main_asset: Option<Address>) {
        let Some(calls) = calls else { return self.explain(Address::ZERO, U256::MAX) };
        for call in calls {
            match &call.effect {
                Effect::Pay { amount, .. } if main_asset.is_none_or(|asset| asset.is_zero()) => {
                    self.explain(Address::ZERO, U256::from(*amount));
                }
                // Tokens tell of their transfers.
                Effect::Pay { .. } => {}
                Effect::Call { target, value, data } => {
                    self.explain(Address::ZERO, U256::from(*value));
                    self.add_call(*target, data);
                }
            }
        }
    }

    /// Whoever calls a token itself for something else than a transfer may have it move without saying so, as wrapped coins do
    /// that are unwrapped.
    fn add_call(&mut self, target: Address, data: &[u8]) {
        if !data.is_empty() && !data.starts_with(&<IERC20::transferCall as alloy::sol_types::SolCall>::SELECTOR) {
            self.explain(target, U256::MAX);
        }
    }

    fn explain(&mut self, asset: Address, amount: U256) {
        let explained = self.explained.entry(asset).or_default();
        *explained = explained.saturating_add(amount);
    }
}

fn transaction(log: &Log) -> Result<B256, Fault> {
    log.transaction_hash.ok_or_else(|| Fault::Malformed("a log has no transaction".into()))
}

/// What is not explained of what left.
fn shortfalls(from: &Balances, to: &Balances, outflow: &Outflow) -> Vec<Shortfall> {
    let told = from.by_asset.keys().chain(to.by_asset.keys());
    let assets: BTreeSet<Address> = told.chain(outflow.unexplained.keys()).copied().collect();
    let unexplained = assets.into_iter().filter_map(|asset| {
        // Of a token that was not there yet there was nothing; of one that does not tell, only its events do.
        let before = from.by_asset.get(&asset).copied().unwrap_or_default();
        let after = to.by_asset.get(&asset).copied().unwrap_or(before);
        let explained = outflow.explained.get(&asset).copied().unwrap_or_default();
        let transactions = outflow.unexplained.get(&asset).into_iter().flatten().copied().take(MOST_NAMED);
        let transactions: Vec<B256> = transactions.collect();
        let is_explained = before.saturating_sub(after) <= explained && transactions.is_empty();
        (!is_explained).then_some(Shortfall {
            asset,
            from_block: from.block.number,
            to_block: to.block.number,
            before,
            after,
            explained,
            transactions,
        })
    });
    unexplained.collect()
}

#[cfg(test)]
mod tests;
