//! A key in memory for a time: where it is unlocked, and telling people that it goes, before and after.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring_key::{
    memory::{self, Lease},
    unlock,
};
use tokio::sync::watch;
use tracing::warn;

use crate::{
    config::Memory,
    driver::{Handle, Stopped},
    metrics::SeatMetrics,
    signer::SignerError,
};

/// Watches how long the seat's key stays.
pub struct LeaseWatch {
    lease: watch::Receiver<Lease>,
    /// How long before the end people are told.
    warning: Duration,
    handle: Handle,
    metrics: SeatMetrics,
    /// What they were told last. `None`: nothing yet.
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Locked,
    Ending,
    Fine,
}

impl LeaseWatch {
    /// As [`serve`](Self::serve), and watches the key.
    ///
    /// # Errors
    /// `Socket`.
    pub async fn start(memory: &Memory, handle: Handle, metrics: SeatMetrics) -> Result<Self, SignerError> {
        Self::serve(memory).await?;
        Ok(Self { lease: memory.key().lease(), warning: memory.warning, handle, metrics, told: None })
    }

    /// Has this process keep its memory to itself, and the key unlocked where the configuration says.
    ///
    /// # Errors
    /// `Socket`.
    pub async fn serve(memory: &Memory) -> Result<(), SignerError> {
        for missing in memory::harden() {
            warn!("{missing}");
        }
        let served = unlock::serve(&memory.key(), memory.shares, memory.lease).await;
        served.map_err(|why| SignerError::Socket { path: memory.socket.clone(), why })
    }

    /// Watches until the driver stops.
    pub async fn run(mut self) {
        while self.look().await.is_ok() && self.lease.changed().await.is_ok() {}
    }

    async fn look(&mut self) -> Result<(), Stopped> {
        let lease = *self.lease.borrow_and_update();
        let ends = match lease {
            Lease::Locked => None,
            Lease::Unlocked { left } => {
                SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| (now + left).as_secs())
            }
        };
        self.metrics.note_key_lease(ends);
        let (news, reason) = match lease {
            Lease::Locked => (
                Told::Locked,
                "the key is locked: this seat signs nothing until it is unlocked (`ring-keys unlock`)".to_owned(),
            ),
            Lease::Unlocked { left } if left <= self.warning => {
                let text =
                    format!("the key is wiped in {} s: unlock it again before (`ring-keys unlock`)", left.as_secs());
                (Told::Ending, text)
            }
            Lease::Unlocked { .. } => (Told::Fine, String::new()),
        };
        if self.told.replace(news) != Some(news) && news != Told::Fine {
            self.handle.raise(reason).await?;
        }
        Ok(())
    }
}
