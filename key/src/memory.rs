//! A key that is only in this process's memory, and only for a time: the process starts locked, people unlock it over a local
//! socket ([`unlock`](crate::unlock)), and at the end of the lease the key is wiped.
//!
//! Time is that of the host since its start, suspensions included (`CLOCK_BOOTTIME`): no clock that somebody sets makes a lease
//! longer.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, Signature},
    signers::local::PrivateKeySigner,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use rustix::{
    mm::{MlockAllFlags, mlockall},
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::{sync::watch, task::AbortHandle};

use crate::{Key, KeyError, LocalKey};

const KEEPER: &str = "this process";
/// How often the lease is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a key stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// There is none.
    #[default]
    Locked,
    /// So long, as of the last look, which is at most a second ago.
    Unlocked {
        /// What is left.
        left: Duration,
    },
}

/// A key in memory, or the place for it. Clones share it.
#[derive(Clone)]
pub struct MemoryKey(Arc<Place>);

struct Place {
    address: Address,
    socket: PathBuf,
    /// For how long somebody may have the key. Nothing, until a seat that runs says so.
    longest: Mutex<Duration>,
    held: Mutex<Option<Held>>,
    lease: watch::Sender<Lease>,
    now: fn() -> Duration,
    /// What goes on as long as the place is there.
    working: Mutex<Option<Working>>,
}

/// The server at which a place is unlocked, and what wipes its key in time. Both end when this is dropped.
pub(crate) struct Working {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    pub(crate) threshold: Option<u8>,
    pub(crate) tasks: [AbortHandle; 2],
}

impl Drop for Working {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        // What is left over is replaced by whoever serves next.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A place, without keeping it.
pub(crate) struct PlaceRef(Weak<Place>);

impl PlaceRef {
    /// `None`: nobody has use for the key any more.
    pub(crate) fn key(&self) -> Option<MemoryKey> {
        self.0.upgrade().map(MemoryKey)
    }

    /// Wipes the key when its time is over.
    pub(crate) async fn expire(self) {
        while let Some(key) = self.key() {
            key.look();
            drop(key);
            tokio::time::sleep(LOOK).await;
        }
    }
}

struct Held {
    key: LocalKey,
    until: Duration,
}

impl MemoryKey {
    /// The place in this process of the key of this address that is unlocked at this socket. It is locked unless somebody
    /// unlocked it before: a seat that is loaded anew goes on with the key that is there.
    pub fn of(address: Address, socket: &Path) -> Self {
        static PLACES: Mutex<BTreeMap<(Address, PathBuf), Weak<Place>>> = Mutex::new(BTreeMap::new());
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (address, socket.to_owned());
        if let Some(place) = places.get(&name).and_then(Weak::upgrade) {
            return Self(place);
        }
        let key = Self::new(address, socket.to_owned(), since_start);
        places.insert(name, Arc::downgrade(&key.0));
        key
    }

    fn new(address: Address, socket: PathBuf, now: fn() -> Duration) -> Self {
        let (longest, held, working) = Default::default();
        let lease = watch::Sender::default();
        Self(Arc::new(Place { address, socket, longest, held, lease, now, working }))
    }

    /// Says for how long somebody may have the key; whoever has it for longer has it that long from now.
    pub(crate) fn allow(&self, longest: Duration) {
        let place = &self.0;
        *place.longest.lock().unwrap_or_else(PoisonError::into_inner) = longest;
        if let Some(held) = &mut *place.held() {
            held.until = held.until.min((place.now)() + longest);
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// Takes the key, for as long as is asked for and allowed. Returns for how long.
    ///
    /// # Errors
    /// `Refused`: it is another key than this one's.
    pub fn unlock(&self, key: PrivateKeySigner, wish: Option<Duration>) -> Result<Duration, KeyError> {
        let place = &self.0;
        if key.address() != place.address {
            let why = format!("this is the key of {}, and that of {} is wanted", key.address(), place.address);
            return Err(KeyError::Refused { keeper: KEEPER.to_owned(), why });
        }
        let longest = *place.longest.lock().unwrap_or_else(PoisonError::into_inner);
        let left = wish.unwrap_or(longest).min(longest);
        *place.held() = Some(Held { key: LocalKey::new(key), until: (place.now)() + left });
        place.lease.send_replace(Lease::Unlocked { left });
        Ok(left)
    }

    /// Wipes the key, if it is there.
    pub fn lock(&self) {
        *self.0.held() = None;
        self.0.lease.send_replace(Lease::Locked);
    }

    /// How long the key stays; wipes it if its time is over.
    pub fn look(&self) -> Lease {
        let place = &self.0;
        let mut held = place.held();
        let left = held.as_ref().and_then(|held| held.until.checked_sub((place.now)())).filter(|left| !left.is_zero());
        let lease = match left {
            Some(left) => Lease::Unlocked { left },
            None => {
                *held = None;
                Lease::Locked
            }
        };
        place.lease.send_if_modified(|known| std::mem::replace(known, lease) != lease);
        lease
    }

    /// How long the key stays, from now on.
    pub fn lease(&self) -> watch::Receiver<Lease> {
        self.0.lease.subscribe()
    }

    pub(crate) fn downgrade(&self) -> PlaceRef {
        PlaceRef(Arc::downgrade(&self.0))
    }

    pub(crate) fn working(&self) -> MutexGuard<'_, Option<Working>> {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key for MemoryKey {
    fn address(&self) -> Address {
        self.0.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        self.look();
        let signed = match &*self.0.held() {
            Some(held) => held.key.sign_now(KEEPER, digest),
            None => {
                let why = "its key is locked: unlock it by `ring-keys unlock`".to_owned();
                Err(KeyError::Unavailable { keeper: KEEPER.to_owned(), why })
            }
        };
        ready(signed).boxed()
    }
}

impl fmt::Debug for MemoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryKey({})", self.0.address)
    }
}

/// Keeps what is in this process's memory in it: no core dumps, no debugger of the same user, and no swap if the host lets it.
/// Returns what could not be had.
pub fn harden() -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        missing.push(format!("processes of the same user may read this one's memory: {error}"));
    }
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        missing.push(format!("a crash may write a core dump: {error}"));
    }
    // With a limit, memory that comes later could not be had at all.
    let locked = match getrlimit(Resource::Memlock).current {
        None => mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|error| error.to_string()),
        Some(bytes) => Err(format!(
            "at most {bytes} bytes may be locked: LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"
        )),
    };
    if let Err(why) = locked {
        missing.push(format!("memory with the key may be swapped to a disk: {why}"));
    }
    missing
}

fn since_start() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Never before the start.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    static NOW: AtomicU64 = AtomicU64::new(1_000);

    fn now() -> Duration {
        Duration::from_secs(NOW.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_key_signs_within_its_lease_and_is_wiped_at_its_end() {
        let signer = PrivateKeySigner::from_slice(&[9; 32]).unwrap();
        let key = MemoryKey::new(signer.address(), PathBuf::new(), now);
        key.allow(Duration::from_secs(100));
        let mut lease = key.lease();
        assert!(matches!(key.sign(B256::ZERO).await, Err(KeyError::Unavailable { .. })), "it starts locked");
        assert_eq!(key.unlock(signer.clone(), Some(Duration::from_secs(1_000))).unwrap(), Duration::from_secs(100));
        key.sign(B256::ZERO).await.unwrap();
        NOW.fetch_add(99, Ordering::SeqCst);
        key.sign(B256::ZERO).await.unwrap();
        assert_eq!(*lease.borrow_and_update(), Lease::Unlocked { left: Duration::from_secs(1) });
        NOW.fetch_add(1, Ordering::SeqCst);
        assert!(matches!(key.sign(B256::ZERO).await, Err(KeyError::Unavailable { .. })));
        assert!(key.0.held().is_none(), "wiped");
        assert_eq!(*lease.borrow_and_update(), Lease::Locked);

        key.unlock(signer.clone(), None).unwrap();
        key.allow(Duration::from_secs(7));
        assert_eq!(key.look(), Lease::Unlocked { left: Duration::from_secs(7) }, "less is allowed by now");
        key.allow(Duration::from_secs(100));
        assert_eq!(key.look(), Lease::Unlocked { left: Duration::from_secs(7) }, "nobody gets more without unlocking");
        key.sign(B256::ZERO).await.unwrap();
        key.lock();
        assert!(key.0.held().is_none());
        let other = PrivateKeySigner::from_slice(&[8; 32]).unwrap();
        assert!(matches!(key.unlock(other, None), Err(KeyError::Refused { .. })));
        assert_eq!(key.look(), Lease::Locked);
    }

    #[test]
    fn a_seat_that_is_loaded_anew_goes_on_with_the_key_that_is_there() {
        let signer = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
        let place = |name: &str| MemoryKey::of(signer.address(), Path::new(name));
        let first = place("one.sock");
        first.allow(Duration::from_secs(50));
        first.unlock(signer.clone(), None).unwrap();
        assert_eq!(place("another.sock").look(), Lease::Locked, "another seat with the same key");
        let second = place("one.sock");
        drop(first);
        assert!(matches!(second.look(), Lease::Unlocked { .. }));
        drop(second);
        assert_eq!(place("one.sock").look(), Lease::Locked);
    }
}
