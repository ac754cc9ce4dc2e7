//! Noticing that the chain moved.

use std::{future, time::Duration};

use alloy::{
    providers::{DynProvider, Provider as _},
    pubsub::RawSubscription,
};
use tokio::sync::broadcast::error::RecvError;

use super::fault::Fault;

const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Wakes whoever has to look at the chain: at each head where the RPC tells of them, and whenever nothing was heard for
/// the poll interval, since subscriptions die silently.
#[derive(Debug)]
pub(super) struct Heads {
    provider: DynProvider,
    poll_interval: Duration,
    subscription: Option<RawSubscription>,
}

impl Heads {
    pub(super) fn new(provider: DynProvider, poll_interval: Duration) -> Self {
        Self { provider, poll_interval, subscription: None }
    }

    /// Subscribes if need be. To be done before looking at the chain, so that no head is missed in between.
    pub(super) async fn prepare(&mut self) {
        if self.subscription.is_some() || self.provider.client().pubsub_frontend().is_none() {
            return;
        }
        match tokio::time::timeout(SUBSCRIBE_TIMEOUT, self.provider.subscribe_blocks()).await {
            Ok(Ok(subscription)) => self.subscription = Some(subscription.into_raw()),
            Ok(Err(error)) => tracing::debug!(fault = %Fault::from(error), "no subscription to heads, polling"),
            Err(_) => tracing::debug!("no answer to a subscription to heads, polling"),
        }
    }

    /// Waits until it is time to look. Dropping it midway loses nothing.
    pub(super) async fn wait(&mut self) {
        let told = async {
            match &mut self.subscription {
                Some(subscription) => subscription.recv().await.map(drop),
                None => future::pending().await,
            }
        };
        match tokio::time::timeout(self.poll_interval, told).await {
            Ok(Err(RecvError::Closed)) => self.subscription = None,
            // Several heads told of are looked at once.
            Ok(Ok(()) | Err(RecvError::Lagged(_))) => {
                while self.subscription.as_mut().is_some_and(|subscription| subscription.try_recv().is_ok()) {}
            }
            Err(_) => {}
        }
    }
}
