//! One RPC of those that are configured: its name, its connection, and how it did lately.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use alloy::providers::DynProvider;
use tokio::sync::watch;

use super::{backoff, fault::Fault, heads::Listener, line::Line, rpc::Rpc};

/// An RPC. Clones share what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    name: Arc<str>,
    rpc: Rpc,
    /// `None` until somebody wants to hear of heads.
    listener: Arc<OnceLock<Listener>>,
    standing: watch::Sender<Standing>,
}

/// How an RPC did lately.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// What was wrong the last time that it was asked.
    fault: Option<String>,
    /// How often in a row.
    failures: u32,
    /// Until when it is left alone.
    until: Option<Instant>,
}

impl Endpoint {
    /// An RPC that is asked over `provider` once there is one.
    pub(super) fn new(name: String, provider: watch::Receiver<Option<DynProvider>>) -> Self {
        Self {
            name: name.into(),
            rpc: Rpc::new(provider),
            listener: Arc::default(),
            standing: watch::Sender::default(),
        }
    }

    /// Its place in the configuration and its host. Never its URL: that may hold an access token.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The heads that it tells of, from now on.
    pub(super) fn heads(&self) -> watch::Receiver<Line> {
        self.listener.get_or_init(|| Listener::new(self.rpc.clone())).heads()
    }

    /// Whether it is better not asked now.
    pub(super) fn is_left_alone(&self) -> bool {
        self.standing.borrow().until.is_some_and(|until| Instant::now() < until)
    }

    /// What was wrong the last time that it was asked.
    pub(super) fn fault(&self) -> Option<String> {
        self.standing.borrow().fault.clone()
    }

    /// It answered. Returns whether it did not before.
    pub(super) fn note_success(&self) -> bool {
        self.standing.send_replace(Standing::default()).fault.is_some()
    }

    /// It did not answer, or not sensibly: it is left alone, longer each time. Returns whether it answered before.
    pub(super) fn note_fault(&self, fault: &Fault) -> bool {
        let mut is_new = false;
        self.standing.send_modify(|standing| {
            is_new = standing.fault.replace(fault.to_string()).is_none();
            standing.failures = standing.failures.saturating_add(1);
            standing.until = Some(Instant::now() + backoff::pause(standing.failures, fault));
        });
        is_new
    }
}
