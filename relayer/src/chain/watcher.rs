//! Following the chain.

use std::{collections::BTreeSet, time::Duration};

use alloy::providers::DynProvider;
use ring_contracts::{Address, Charter, Domain};
use ring_core::{Block, ChainView, Settings};
use tokio::sync::{mpsc, watch};

use super::{fault::Fault, heads::Heads, quiet::Quiet, rpc::Rpc, view::Viewer};

/// The first pause after a fault; it doubles with each fault in a row.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How many blocks of logs are asked for at once, unless an RPC wants fewer.
const MOST_BLOCKS: u64 = 2_000;

/// When a block is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// When the chain says so: the `finalized` block.
    Tag,
    /// When so many blocks are on top of it.
    Depth(u64),
}

/// From where on turns are reported. Moves forward as turns become final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The first nonce that is not settled ([`State::first_open_nonce`](ring_core::State::first_open_nonce)).
    pub first_open_nonce: u64,
    /// No turn from that nonce on is in a block before this one, and the turns before it were final at this block.
    pub from_block: u64,
}

/// What a watcher is told before it starts.
#[derive(Clone, Debug)]
pub struct WatcherSettings {
    /// The contract and its chain.
    pub domain: Domain,
    /// Which ring.
    pub ring: u32,
    /// The ring's charter as announced: its main asset, cap and period.
    pub charter: Charter,
    /// Assets beside the main one whose allowances are reported.
    pub other_assets: BTreeSet<Address>,
    /// When a block is final.
    pub finality: Finality,
    /// How often the head is looked up where there is no subscription to heads, or it is silent.
    pub poll_interval: Duration,
    /// The most blocks whose logs are asked for at once; at least 1.
    pub most_blocks: u64,
}

impl WatcherSettings {
    /// The settings of a seat's watcher.
    pub fn new(seat: &Settings, finality: Finality, poll_interval: Duration) -> Self {
        Self {
            domain: seat.domain,
            ring: seat.ring,
            charter: seat.charter.clone(),
            other_assets: seat.other_assets.clone(),
            finality,
            poll_interval,
            most_blocks: MOST_BLOCKS,
        }
    }
}

/// How the connection to the chain is, for whoever looks after the seat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The newest block of the last view.
    pub head: Option<Block>,
    /// The newest final block of the last view.
    pub finalized: Option<Block>,
    /// What is wrong now. `None`: the last look at the chain went well.
    pub fault: Option<String>,
    /// How many looks in a row went wrong.
    pub failures: u32,
}

/// Follows the chain and reports each head as a whole [`ChainView`], or not at all: while the RPC does not answer, or its
/// answers do not fit together, nothing is reported.
#[derive(Debug)]
pub struct Watcher {
    heads: Heads,
    viewer: Viewer,
    cursor: watch::Receiver<Cursor>,
    views: mpsc::Sender<ChainView>,
    connection: watch::Sender<Connection>,
    quiet: Quiet,
}

impl Watcher {
    /// A watcher that reports to `views` what `cursor` asks for.
    pub fn new(
        provider: DynProvider,
        settings: WatcherSettings,
        cursor: watch::Receiver<Cursor>,
        views: mpsc::Sender<ChainView>,
    ) -> Self {
        let heads = Heads::new(provider.clone(), settings.poll_interval);
        let viewer = Viewer::new(Rpc::new(provider), settings);
        let connection = watch::Sender::new(Connection::default());
        Self { heads, viewer, cursor, views, connection, quiet: Quiet::default() }
    }

    /// How the connection is, from now on.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    /// Follows the chain until nobody listens any more.
    pub async fn run(mut self) {
        let views = self.views.clone();
        tokio::select! {
            () = views.closed() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            self.heads.prepare().await;
            let cursor = *self.cursor.borrow_and_update();
            match self.viewer.look(cursor).await {
                Ok(view) => {
                    self.note_success(view.as_ref());
                    if let Some(view) = view
                        && self.views.send(view).await.is_err()
                    {
                        return;
                    }
                    self.heads.wait().await;
                }
                Err(fault) => {
                    let pause = self.note_failure(&fault);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn note_success(&mut self, view: Option<&ChainView>) {
        self.connection.send_if_modified(|connection| {
            if connection.failures > 0 {
                tracing::info!(failures = connection.failures, "the chain can be followed again");
            }
            let before = connection.clone();
            (connection.fault, connection.failures) = (None, 0);
            if let Some(view) = view {
                (connection.head, connection.finalized) = (Some(view.head), Some(view.finalized));
            }
            *connection != before
        });
    }

    /// Returns how long to wait.
    fn note_failure(&mut self, fault: &Fault) -> Duration {
        let mut failures = 0;
        self.connection.send_modify(|connection| {
            connection.failures = connection.failures.saturating_add(1);
            connection.fault = Some(fault.to_string());
            failures = connection.failures;
        });
        match fault {
            // Everyday life of a chain.
            Fault::Reorganised(_) if failures == 1 => tracing::debug!(%fault, "looking again"),
            _ => {
                if let Some(silenced) = self.quiet.ask() {
                    tracing::warn!(%fault, failures, silenced, "the chain cannot be followed, trying again: check the RPC");
                }
            }
        }
        let doubled = SHORTEST_PAUSE.saturating_mul(1 << (failures - 1).min(16));
        fault.retry_after().unwrap_or(doubled).min(LONGEST_PAUSE)
    }
}
