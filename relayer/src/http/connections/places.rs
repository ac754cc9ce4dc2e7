//! How many connections there are, and which of them makes room for a new one.
//!
//! Whoever only holds connections must not keep others out: where all places are taken, the connection that has been doing
//! nothing for longest is cut. One that is being answered never is, and one that never got as far as a request goes before one
//! that did.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All places.
#[derive(Clone, Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    places: Mutex<BTreeMap<u64, Occupant>>,
    /// Goes up with everything that happens: what is smaller was earlier.
    moment: AtomicU64,
    /// Told when a connection was answered: it may be the first that can be cut.
    answered: Notify,
}

#[derive(Debug)]
struct Occupant {
    stage: Stage,
    since: u64,
    cut: CancellationToken,
}

/// How far a connection is; what is further back here is cut later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It is being opened.
    Opening,
    /// It is open, and no request came yet.
    Silent,
    /// A request was answered.
    Waiting,
    /// A request is being answered.
    Answering,
}

/// The place of one connection; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Taken>,
    id: u64,
    cut: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// A place for a connection that is about to be opened. If there is none, the connection that has been idle for longest is
    /// cut; only where all are being answered it waits. `None`: there will be no more.
    pub(super) async fn take(&self) -> Option<Place> {
        let permit = loop {
            let answered = self.taken.answered.notified();
            if self.free.available_permits() == 0 {
                self.taken.cut_one();
            }
            tokio::select! {
                permit = self.free.clone().acquire_owned() => break permit.ok()?,
                () = answered => {}
            }
        };
        let (id, cut) = (self.taken.next(), CancellationToken::new());
        let occupant = Occupant { stage: Stage::Opening, since: id, cut: cut.clone() };
        self.taken.lock().insert(id, occupant);
        Some(Place { taken: self.taken.clone(), id, cut, _permit: permit })
    }
}

impl Taken {
    fn cut_one(&self) {
        let places = self.lock();
        if places.values().any(|one| one.cut.is_cancelled()) {
            // Its place is about to be free.
            return;
        }
        let idle = places.values().filter(|one| one.stage != Stage::Answering);
        if let Some(first) = idle.min_by_key(|one| (one.stage, one.since)) {
            first.cut.cancel();
        }
    }

    fn next(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Occupant>> {
        // Nothing panics while it holds the lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ends when the place is needed by somebody else.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// The connection is open.
    pub(super) fn open(&self) {
        self.set(Stage::Silent);
    }

    /// A request came.
    pub(super) fn answering(&self) {
        self.set(Stage::Answering);
    }

    /// It was answered.
    pub(super) fn answered(&self) {
        self.set(Stage::Waiting);
        self.taken.answered.notify_waiters();
    }

    fn set(&self, stage: Stage) {
        let since = self.taken.next();
        if let Some(occupant) = self.taken.lock().get_mut(&self.id) {
            (occupant.stage, occupant.since) = (stage, since);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn full(count: usize) -> (Places, Vec<Place>) {
        let places = Places::new(count);
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(places.take().await.unwrap());
        }
        (places, taken)
    }

    fn cut(taken: &[Place]) -> Vec<usize> {
        (0..taken.len()).filter(|index| taken[*index].cut.is_cancelled()).collect()
    }

    #[tokio::test]
    async fn who_never_asked_for_anything_makes_room_before_who_did() {
        let (places, mut taken) = full(3).await;
        taken[0].open();
        taken[0].answering();
        taken[0].answered();
        taken[1].open();
        // Those that come instead are being answered.
        let mut instead = Vec::new();
        while let Some(last) = taken.len().checked_sub(1) {
            assert!(places.take().now_or_never().is_none());
            assert_eq!(cut(&taken), [last]);
            taken.pop();
            instead.push(places.take().await.unwrap());
            instead.iter().for_each(Place::answering);
        }
    }

    #[tokio::test]
    async fn the_one_that_is_idle_for_longest_makes_room() {
        let (places, taken) = full(3).await;
        for index in [1, 0, 2] {
            taken[index].open();
        }
        assert!(places.take().now_or_never().is_none());
        assert_eq!(cut(&taken), [1]);
    }

    #[tokio::test]
    async fn nobody_who_is_being_answered_is_cut() {
        let (places, taken) = full(2).await;
        taken.iter().for_each(Place::answering);
        assert!(places.take().now_or_never().is_none());
        assert_eq!(cut(&taken), [0; 0]);
        let (waiting, ()) = tokio::join!(places.take(), async {
            taken[1].answered();
            assert_eq!(cut(&taken), [0; 0]);
            while cut(&taken).is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(cut(&taken), [1]);
            drop(taken);
        });
        assert!(waiting.is_some(), "whoever was waiting hears of it");
    }

    #[tokio::test]
    async fn nobody_is_cut_while_there_is_room() {
        let (places, mut taken) = full(2).await;
        drop(taken.pop());
        assert!(places.take().now_or_never().flatten().is_some());
        assert_eq!(cut(&taken), [0; 0]);
    }
}
