//! Noticing that the chain moved.

use std::time::Duration;

use alloy::{
    providers::Provider as _,
    pubsub::{Subscription, SubscriptionItem},
    rpc::types,
};
use futures::future::select_all;
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connection::Endpoints,
    fault::Fault,
    line::Line,
    rpc::{Header, Rpc},
};

const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before subscribing again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// What RPCs told of since they were asked last, by their places: heads, or only that there may be a new one.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Option<Line>>);

impl Told {
    /// The newest head that an RPC told of.
    pub(super) fn by(&self, place: usize) -> Option<Header> {
        self.line(place).and_then(Line::head)
    }

    /// The head that an RPC told of, and what it told of before.
    pub(super) fn line(&self, place: usize) -> Option<&Line> {
        self.0.get(place)?.as_ref()
    }
}

/// Wakes whoever has to look at the chain: at each head that an RPC tells of, and whenever nothing was heard for the poll
/// interval, since subscriptions die silently.
#[derive(Debug)]
pub(super) struct Heads {
    poll_interval: Duration,
    /// One for each RPC.
    told: Vec<watch::Receiver<Line>>,
}

impl Heads {
    pub(super) fn new(endpoints: &Endpoints, poll_interval: Duration) -> Self {
        Self { poll_interval, told: endpoints.all().iter().map(|endpoint| endpoint.heads()).collect() }
    }

    /// Waits until an RPC has told of a block at this height, and takes none of what was told.
    pub(super) async fn reach(&self, number: u64) {
        let reach = |told: &watch::Receiver<Line>| {
            let mut told = told.clone();
            Box::pin(async move {
                let is_there = |line: &Line| line.head().is_some_and(|head| head.number >= number);
                if told.wait_for(is_there).await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        };
        select_all(self.told.iter().map(reach)).await;
    }

    /// Waits until it is time to look, and says what RPCs told of; `None`: nothing. Dropping it midway loses nothing.
    pub(super) async fn wait(&mut self) -> Option<Told> {
        // Where nobody can tell of anything any more, only time passes.
        let changed = self.told.iter_mut().map(|told| {
            Box::pin(async {
                if told.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        });
        let ((), which, _) = tokio::time::timeout(self.poll_interval, select_all(changed)).await.ok()?;
        let news = |(place, told): (usize, &mut watch::Receiver<Line>)| {
            let is_new = place == which || told.has_changed().unwrap_or(false);
            is_new.then(|| told.borrow_and_update().clone())
        };
        Some(Told(self.told.iter_mut().enumerate().map(news).collect()))
    }
}

/// A subscription to the heads of an RPC, which all who follow the chain through it share.
#[derive(Debug)]
pub(super) struct Listener {
    told: watch::Receiver<Line>,
    _listening: AbortOnDropHandle<()>,
}

impl Listener {
    /// Listens until it is dropped.
    pub(super) fn new(rpc: Rpc) -> Self {
        let (tell, told) = watch::channel(Line::default());
        Self { told, _listening: AbortOnDropHandle::new(tokio::spawn(listen(rpc, tell))) }
    }

    /// The last heads that it heard of; empty where only that there may be one is known. Changes with each.
    pub(super) fn heads(&self) -> watch::Receiver<Line> {
        self.told.clone()
    }
}

/// Subscribes to the heads of an RPC, again whenever it ends. One that has no subscriptions is not listened to.
async fn listen(mut rpc: Rpc, tell: watch::Sender<Line>) {
    let Some(provider) = rpc.connected().await else { return };
    if provider.client().pubsub_frontend().is_none() {
        return;
    }
    loop {
        match tokio::time::timeout(SUBSCRIBE_TIMEOUT, provider.subscribe_blocks()).await {
            Ok(Ok(subscription)) => {
                // There may have been a head meanwhile.
                tell.send_replace(Line::default());
                follow(subscription, &tell).await;
            }
            Ok(Err(error)) => tracing::debug!(fault = %Fault::from(error), "no subscription to heads, polling"),
            Err(_) => tracing::debug!("no answer to a subscription to heads, polling"),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Passes heads on until the subscription ends.
async fn follow(mut subscription: Subscription<types::Header>, tell: &watch::Sender<Line>) {
    loop {
        match subscription.recv_any().await {
            Ok(SubscriptionItem::Item(head)) => tell.send_modify(|line| line.note(Header::from(&head))),
            Ok(SubscriptionItem::Other(_)) | Err(RecvError::Lagged(_)) => drop(tell.send_replace(Line::default())),
            Err(RecvError::Closed) => return,
        }
    }
}
