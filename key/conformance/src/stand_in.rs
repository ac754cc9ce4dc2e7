//! What the suite's own stand-ins for services have in common. They hold a real key and speak what the service's reference says,
//! credentials included; they are not the service, and what is run against them counts as not run.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use alloy::{
    primitives::B256,
    signers::{SignerSync as _, k256::ecdsa, local::PrivateKeySigner},
};
use rand::{Rng as _, distributions::Alphanumeric};
use tokio::sync::watch;

use crate::keeper::Fate;

/// How often a stand-in has too much to do, and says so: each so many signatures.
const THROTTLED_EACH: u64 = 100;

/// A key that a stand-in has, and what was done to it. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct StandIn(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: PrivateKeySigner,
    other: PrivateKeySigner,
    fate: Mutex<Fate>,
    is_there: watch::Sender<bool>,
    asked: AtomicU64,
    /// What is presented at each question.
    token: Mutex<String>,
    /// What a token is given for.
    secret: String,
}

impl StandIn {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            key: ring_keystore::generate(),
            other: ring_keystore::generate(),
            fate: Mutex::new(Fate::AsItWas),
            is_there: watch::Sender::new(true),
            asked: AtomicU64::new(0),
            token: Mutex::new(random()),
            secret: random(),
        }))
    }

    pub(crate) fn key(&self) -> &PrivateKeySigner {
        &self.0.key
    }

    pub(crate) fn token(&self) -> String {
        lock(&self.0.token).clone()
    }

    /// The tokens that were given are good for nothing any more.
    pub(crate) fn renew_token(&self) {
        *lock(&self.0.token) = random();
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0.secret
    }

    pub(crate) fn fate(&self) -> Fate {
        *lock(&self.0.fate)
    }

    pub(crate) fn set_fate(&self, fate: Fate) {
        *lock(&self.0.fate) = fate;
    }

    /// Answers nothing any more, as a network does that swallows everything; or again.
    pub(crate) fn set_there(&self, is_there: bool) {
        self.0.is_there.send_replace(is_there);
    }

    /// Comes back once it is there.
    pub(crate) async fn presence(&self) {
        // It ends with the process.
        let _ = self.0.is_there.subscribe().wait_for(|is_there| *is_there).await;
    }

    /// Whether this signature is one too many.
    pub(crate) fn is_throttled(&self) -> bool {
        self.0.asked.fetch_add(1, Ordering::SeqCst) % THROTTLED_EACH == THROTTLED_EACH - 1
    }

    /// Signs, with high s half of the time, as services do.
    pub(crate) fn sign(&self, digest: &[u8]) -> Option<ecdsa::Signature> {
        let digest = B256::try_from(digest).ok()?;
        let key = if self.fate() == Fate::Exchanged { &self.0.other } else { &self.0.key };
        let low = key.sign_hash_sync(&digest).ok()?.to_k256().ok()?;
        let high = ecdsa::Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).ok()?;
        Some(if digest[0] % 2 == 0 { low } else { high })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random() -> String {
    rand::thread_rng().sample_iter(Alphanumeric).take(32).map(char::from).collect()
}
