//! A key that people unlock for a time.

use std::{path::PathBuf, time::Duration};

use alloy::primitives::Address;
use ring_key::{
    Key,
    memory::{self, Lease, MemoryKey},
    unlock,
};
use tokio::sync::watch;

use super::Kept;
use crate::key::{KeyError, SigningKey};

/// How long before a key goes it is said.
pub(crate) const WARNING: Duration = Duration::from_secs(3_600);

/// How people unlock a key.
#[derive(Debug)]
pub(crate) struct Unlocking {
    pub(crate) address: Address,
    /// Where.
    pub(crate) socket: PathBuf,
    /// For how long at most.
    pub(crate) lease: Duration,
    /// How long before its end it is said.
    pub(crate) warning: Duration,
    /// Of how many shares it is made. `None`: it is given whole.
    pub(crate) shares: Option<u8>,
}

impl Unlocking {
    fn key(&self) -> MemoryKey {
        MemoryKey::of(self.address, &self.socket)
    }
}

impl SigningKey {
    /// The place for a key that is locked.
    ///
    /// # Errors
    /// `Runtime`.
    pub(crate) fn to_unlock(unlocking: &Unlocking) -> Result<Self, KeyError> {
        let key: Box<dyn Key> = Box::new(unlocking.key());
        Kept::open(true, std::future::ready(Ok(key))).map(Self::Kept)
    }

    /// Lets people unlock it from now on.
    ///
    /// # Errors
    /// `Socket`.
    pub(crate) fn let_unlock(&self, unlocking: &Unlocking) -> Result<(), KeyError> {
        let Self::Kept(Kept { runtime, .. }) = self else { return Ok(()) };
        for missing in memory::harden() {
            eprintln!("{missing}");
        }
        let key = unlocking.key();
        let served = runtime.block_on(unlock::serve(&key, unlocking.shares, unlocking.lease));
        served.map_err(|why| KeyError::Socket { path: unlocking.socket.clone(), why })?;
        runtime.spawn(tell(key.lease(), unlocking.warning));
        Ok(())
    }
}

/// Says when the key goes, before and after.
async fn tell(mut lease: watch::Receiver<Lease>, warning: Duration) {
    let mut told = None;
    loop {
        let news = match *lease.borrow_and_update() {
            Lease::Locked => "the key is locked: nothing is signed until it is unlocked (`ring-keys unlock`)",
            Lease::Unlocked { left } if left <= warning => {
                "the key is wiped soon: unlock it again before (`ring-keys unlock`)"
            }
            Lease::Unlocked { .. } => "the key is unlocked",
        };
        if told.replace(news) != Some(news) {
            eprintln!("{news}");
        }
        if lease.changed().await.is_err() {
            return;
        }
    }
}
