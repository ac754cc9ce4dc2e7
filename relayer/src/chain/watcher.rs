//! Following the chain.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ring_contracts::{Address, Charter, Domain};
use ring_core::{Block, ChainView, Settings};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::{
    backoff,
    connection::Endpoints,
    disagreement::{Contradiction, Disagreement},
    endpoint::Endpoint,
    fault::Fault,
    finality::Finality,
    heads::{Heads, Told},
    quiet::Quiet,
    quorum::Quorum,
};

/// How many blocks of logs are asked for at once, unless an RPC wants fewer.
const MOST_BLOCKS: u64 = 2_000;
/// How long a seat that has no part in the next turns leaves heads unread.
const REST: Duration = Duration::from_millis(50);

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
    /// The seat that follows the chain. What may be spent is read at each head while it may sign the next turn, and else now
    /// and then; `None`: at each head.
    pub seat: Option<usize>,
    /// The ring's charter as announced: its main asset, cap and period.
    pub charter: Charter,
    /// Assets beside the main one whose allowances are reported.
    pub other_assets: BTreeSet<Address>,
    /// When a block is final.
    pub finality: Finality,
    /// How often the head is looked up where there is no subscription to heads, or it is silent.
    pub poll_interval: Duration,
    /// For how long after a look a seat that has no part in the next turns leaves heads unread: on a chain whose blocks come
    /// faster it reads several at once.
    pub rest: Duration,
    /// The most blocks whose logs are asked for at once; at least 1.
    pub most_blocks: u64,
    /// For how long RPCs may contradict each other.
    pub longest_disagreement: Duration,
}

impl WatcherSettings {
    /// The settings of a seat's watcher.
    pub fn new(seat: &Settings, finality: Finality, poll_interval: Duration, longest_disagreement: Duration) -> Self {
        Self {
            domain: seat.domain,
            ring: seat.ring,
            seat: seat.charter.seat_of(seat.key),
            charter: seat.charter.clone(),
            other_assets: seat.other_assets.clone(),
            finality,
            poll_interval,
            rest: REST,
            most_blocks: MOST_BLOCKS,
            longest_disagreement,
        }
    }

    /// Whether the one that follows the chain may be asked to sign this turn.
    pub(super) fn may_sign(&self, nonce: u64) -> bool {
        self.seat.is_none_or(|seat| self.charter.position_in_window(nonce, seat).is_some())
    }

    /// How many turns before the first that it may be asked to sign, from this one on.
    fn turns_before_its_own(&self, nonce: u64) -> u64 {
        let round = self.charter.seats.len() as u64;
        (0..round).find(|turns| self.may_sign(nonce.saturating_add(*turns))).unwrap_or(0)
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
    /// How RPCs contradict each other, from the first time until there is a view again.
    pub disagreement: Option<Disagreement>,
    /// How each RPC is, in the order of the configuration.
    pub rpcs: Vec<RpcHealth>,
}

/// How an RPC is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcHealth {
    /// Its place in the configuration, and its host.
    pub rpc: String,
    /// What was wrong the last time that it was asked for a view. `None`: nothing, or it was only behind.
    pub fault: Option<String>,
}

/// Follows the chain and reports each head as a whole [`ChainView`], or not at all: while too few RPCs answer, their answers
/// do not fit together, or they contradict each other, nothing is reported.
#[derive(Debug)]
pub struct Watcher {
    endpoints: Endpoints,
    heads: Heads,
    settings: WatcherSettings,
    quorum: Quorum,
    /// Since when RPCs contradict each other.
    disagreeing: Option<Instant>,
    cursor: watch::Receiver<Cursor>,
    views: mpsc::Sender<ChainView>,
    connection: watch::Sender<Connection>,
    quiet: Quiet,
}

impl Watcher {
    /// A watcher that reports to `views` what `cursor` asks for.
    pub fn new(
        endpoints: Endpoints,
        settings: WatcherSettings,
        cursor: watch::Receiver<Cursor>,
        views: mpsc::Sender<ChainView>,
    ) -> Self {
        let heads = Heads::new(&endpoints, settings.poll_interval);
        let quorum = Quorum::new(endpoints.clone(), settings.clone());
        let connection = watch::Sender::new(Connection { rpcs: health(&endpoints), ..Connection::default() });
        let (disagreeing, quiet) = (None, Quiet::default());
        Self { endpoints, heads, settings, quorum, disagreeing, cursor, views, connection, quiet }
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
        let mut told = Some(Told::default());
        loop {
            let cursor = *self.cursor.borrow_and_update();
            match self.quorum.look(cursor, told.as_ref()).await {
                Ok(view) => {
                    self.note_success(view.as_ref());
                    if let Some(view) = view {
                        let (nonce, head) = (view.nonce, view.head.number);
                        if self.views.send(view).await.is_err() {
                            return;
                        }
                        self.rest(nonce, head).await;
                    }
                    told = self.heads.wait().await;
                }
                Err(fault) => {
                    let pause = self.note_failure(&fault);
                    tokio::time::sleep(pause).await;
                    told = Some(Told::default());
                }
            }
        }
    }

    /// Leaves heads unread while this seat's turn cannot have come: a block holds one turn of a ring at most. The last head
    /// before is read, so that there is little left to do then.
    async fn rest(&self, nonce: u64, head: u64) {
        let turns = self.settings.turns_before_its_own(nonce);
        if turns > 2 {
            // Whichever comes first.
            let _ = tokio::time::timeout(self.settings.rest, self.heads.reach(head + turns - 1)).await;
        }
    }

    fn note_success(&mut self, view: Option<&ChainView>) {
        let rpcs = health(&self.endpoints);
        self.disagreeing = None;
        self.connection.send_if_modified(|connection| {
            if connection.failures > 0 {
                tracing::info!(failures = connection.failures, "the chain can be followed again");
            }
            let before = connection.clone();
            (connection.fault, connection.failures) = (None, 0);
            (connection.disagreement, connection.rpcs) = (None, rpcs);
            if let Some(view) = view {
                (connection.head, connection.finalized) = (Some(view.head), Some(view.finalized));
            }
            *connection != before
        });
    }

    /// Returns how long to wait.
    fn note_failure(&mut self, fault: &Fault) -> Duration {
        let disagreement = match fault {
            Fault::Disagreement(contradiction) => Some(self.disagreement(contradiction)),
            // What they contradict each other about is not over because one of them does not answer now.
            _ => None,
        };
        let rpcs = health(&self.endpoints);
        let mut failures = 0;
        self.connection.send_modify(|connection| {
            connection.failures = connection.failures.saturating_add(1);
            connection.fault = Some(fault.to_string());
            connection.rpcs = rpcs;
            if let Some(mut disagreement) = disagreement {
                disagreement.since = connection.disagreement.as_ref().map_or(disagreement.since, |first| first.since);
                connection.disagreement = Some(disagreement);
            }
            failures = connection.failures;
        });
        match fault {
            // Everyday life of a chain.
            Fault::Reorganised(_) if failures == 1 => tracing::debug!(%fault, "looking again"),
            Fault::Disagreement(_) => {
                if let Some(silenced) = self.quiet.ask() {
                    tracing::error!(%fault, failures, silenced, "RPCs contradict each other, nothing is believed: check them");
                }
            }
            _ => {
                if let Some(silenced) = self.quiet.ask() {
                    tracing::warn!(%fault, failures, silenced, "the chain cannot be followed, trying again: check the RPC");
                }
            }
        }
        backoff::pause(failures, fault)
    }

    fn disagreement(&mut self, contradiction: &Contradiction) -> Disagreement {
        let since = self.disagreeing.get_or_insert_with(Instant::now);
        let is_lasting = since.elapsed() >= self.settings.longest_disagreement;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Disagreement { since: now, is_lasting, contradiction: contradiction.clone() }
    }
}

fn health(endpoints: &Endpoints) -> Vec<RpcHealth> {
    let health = |endpoint: &Endpoint| RpcHealth { rpc: endpoint.name().to_owned(), fault: endpoint.fault() };
    endpoints.all().iter().map(health).collect()
}
