//! Noticing that the chain moved.

use std::{sync::Arc, time::Duration};

use alloy::{providers::Provider as _, pubsub::RawSubscription};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::JoinSet,
};

use super::{connection::Endpoints, fault::Fault, rpc::Rpc};

const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Wakes whoever has to look at the chain: at each head that an RPC tells of, and whenever nothing was heard for the poll
/// interval, since subscriptions die silently.
#[derive(Debug)]
pub(super) struct Heads {
    poll_interval: Duration,
    told: Arc<Notify>,
    /// One for each RPC; they end with this.
    _listeners: JoinSet<()>,
}

impl Heads {
    pub(super) fn new(endpoints: &Endpoints, poll_interval: Duration) -> Self {
        let told = Arc::new(Notify::new());
        let listeners =
            endpoints.all().iter().map(|endpoint| listen(endpoint.rpc().clone(), told.clone(), poll_interval));
        let _listeners = listeners.collect();
        Self { poll_interval, told, _listeners }
    }

    /// Waits until it is time to look, and says whether an RPC told of a head. Several heads told of are looked at once.
    /// Dropping it midway loses nothing.
    pub(super) async fn wait(&self) -> bool {
        tokio::time::timeout(self.poll_interval, self.told.notified()).await.is_ok()
    }
}

/// Subscribes to the heads of an RPC, again whenever it ends. One that has no subscriptions is not listened to.
async fn listen(mut rpc: Rpc, told: Arc<Notify>, retry_interval: Duration) {
    let Some(provider) = rpc.connected().await else { return };
    if provider.client().pubsub_frontend().is_none() {
        return;
    }
    loop {
        match tokio::time::timeout(SUBSCRIBE_TIMEOUT, provider.subscribe_blocks()).await {
            Ok(Ok(subscription)) => {
                // There may have been a head meanwhile.
                told.notify_one();
                follow(subscription.into_raw(), &told).await;
            }
            Ok(Err(error)) => tracing::debug!(fault = %Fault::from(error), "no subscription to heads, polling"),
            Err(_) => tracing::debug!("no answer to a subscription to heads, polling"),
        }
        tokio::time::sleep(retry_interval).await;
    }
}

/// Passes heads on until the subscription ends.
async fn follow(mut subscription: RawSubscription, told: &Notify) {
    while let Ok(_) | Err(RecvError::Lagged(_)) = subscription.recv().await {
        told.notify_one();
    }
}
