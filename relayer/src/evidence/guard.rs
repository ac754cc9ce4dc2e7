//! Asking a source without hurting it: a few questions at a time, none while it does not work, and never for long.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring_core::Evidence;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tracing::{info, warn};

use super::{
    Facts, Source, Trouble,
    breaker::{Admission, Breaker},
};

/// How long a question waits for its turn, or for a source to work again, before its answer is "not yet". So as many
/// requests as there are do not go round and round while a source is down.
const PATIENCE: Duration = Duration::from_secs(2);
/// Useless answers are told to people no more often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How a source may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many questions at a time.
    pub parallel: usize,
    /// How long the source may take for one.
    pub timeout: Duration,
}

/// A source that is asked at its pace.
pub(super) struct Guarded {
    source: Box<dyn Source>,
    pace: Pace,
    places: Semaphore,
    condition: Mutex<Condition>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Condition {
    breaker: Breaker,
    /// When it was last said that an answer was of no use, and how often it was not said since.
    complained: Option<Instant>,
    unsaid: u64,
}

impl Guarded {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        let pace = source.pace();
        let condition = Mutex::new(Condition::default());
        Self { source, pace, places: Semaphore::new(pace.parallel), condition, changed: Notify::new() }
    }

    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// Whether the source can be asked as it is configured.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        timeout(self.pace.timeout, self.source.check()).await.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// Asks when there is room. Ends within the source's time and a little patience, whatever the source does.
    pub(super) async fn ask(&self, facts: &Facts) -> Evidence {
        let patient_until = Instant::now() + PATIENCE;
        let Ok(Ok(_place)) = timeout_at(patient_until, self.places.acquire()).await else { return Evidence::NotYet };
        if !self.admitted(patient_until).await {
            return Evidence::NotYet;
        }
        // Whoever drops this question has not found out anything.
        let mut asking = Asking { guarded: self, is_over: false };
        let answer = timeout(self.pace.timeout, self.source.ask(facts)).await.unwrap_or_else(|_| Err(self.too_slow()));
        asking.is_over = true;
        self.note(facts, answer)
    }

    /// Waits until the source may be asked, or it takes too long.
    async fn admitted(&self, patient_until: Instant) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = Instant::now();
            let until = match self.condition().breaker.admit(now) {
                Admission::Ask => return true,
                _ if now >= patient_until => return false,
                Admission::RestUntil(until) => until.min(patient_until),
                Admission::Wait => patient_until,
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => {}
            }
        }
    }

    fn note(&self, facts: &Facts, answer: Result<Evidence, Trouble>) -> Evidence {
        let source = self.name();
        let now = Instant::now();
        let mut condition = self.condition();
        let evidence = match answer {
            Err(Trouble::Down { reason, retry_after }) => {
                if let Some(rest) = condition.breaker.failed(now, retry_after) {
                    warn!(
                        source,
                        reason,
                        rest_seconds = rest.as_secs(),
                        "a source of evidence does not work: it is left alone"
                    );
                }
                Evidence::NotYet
            }
            answered => {
                if condition.breaker.worked() {
                    info!(source, "a source of evidence works again");
                }
                answered.unwrap_or_else(|trouble| {
                    condition.complain(now, source, facts, &trouble);
                    Evidence::NotYet
                })
            }
        };
        drop(condition);
        self.changed.notify_waiters();
        evidence
    }

    fn too_slow(&self) -> Trouble {
        Trouble::down(format!("no answer within {} ms", self.pace.timeout.as_millis()))
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        // Nothing in it can be half done.
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    fn complain(&mut self, now: Instant, source: &str, facts: &Facts, trouble: &Trouble) {
        if self.complained.is_some_and(|at| now < at + COMPLAINT_INTERVAL) {
            self.unsaid += 1;
            return;
        }
        self.complained = Some(now);
        let unsaid = std::mem::take(&mut self.unsaid);
        warn!(source, request = %facts.id, %trouble, unsaid, "an answer of a source of evidence is of no use");
    }
}

struct Asking<'a> {
    guarded: &'a Guarded,
    is_over: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.guarded.condition().breaker.gave_up();
            self.guarded.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use futures::{FutureExt as _, future::BoxFuture};
    use tokio::task::JoinSet;

    use super::*;
    use crate::evidence::samples::token_transfer;

    /// Answers what it is told to, and counts.
    #[derive(Default)]
    struct Fake {
        asked: AtomicUsize,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        is_down: std::sync::atomic::AtomicBool,
        is_silent: std::sync::atomic::AtomicBool,
    }

    struct Shared(Arc<Fake>);

    impl Source for Shared {
        fn name(&self) -> &str {
            "books"
        }

        fn pace(&self) -> Pace {
            Pace { parallel: 4, timeout: Duration::from_millis(500) }
        }

        fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
            std::future::ready(Ok(())).boxed()
        }

        fn ask<'a>(&'a self, _: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
            async {
                let fake = &self.0;
                fake.asked.fetch_add(1, SeqCst);
                let at_once = fake.at_once.fetch_add(1, SeqCst) + 1;
                fake.most_at_once.fetch_max(at_once, SeqCst);
                if fake.is_silent.load(SeqCst) {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                fake.at_once.fetch_sub(1, SeqCst);
                match fake.is_down.load(SeqCst) {
                    true => Err(Trouble::down("refused")),
                    false => Ok(Evidence::Genuine),
                }
            }
            .boxed()
        }
    }

    fn guarded() -> (Arc<Fake>, Arc<Guarded>) {
        let fake = Arc::new(Fake::default());
        (fake.clone(), Arc::new(Guarded::new(Box::new(Shared(fake)))))
    }

    async fn ask_often(guarded: &Arc<Guarded>, times: usize) -> Vec<Evidence> {
        let mut all = JoinSet::new();
        for _ in 0..times {
            let guarded = guarded.clone();
            all.spawn(async move { guarded.ask(&token_transfer(1)).await });
        }
        all.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_questions_than_allowed_are_asked_at_a_time() {
        let (fake, guarded) = guarded();
        let answers = ask_often(&guarded, 100).await;
        assert!(answers.iter().all(|answer| *answer == Evidence::Genuine));
        assert_eq!((fake.asked.load(SeqCst), fake.most_at_once.load(SeqCst)), (100, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_source_is_not_hammered_by_all_that_waits() {
        let (fake, guarded) = guarded();
        fake.is_down.store(true, SeqCst);
        let answers = ask_often(&guarded, 10_000).await;
        assert!(answers.iter().all(|answer| *answer == Evidence::NotYet));
        // The first few, and one after each rest.
        assert!(fake.asked.load(SeqCst) <= 8, "asked {} times", fake.asked.load(SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_source_gives_not_yet_to_all_and_is_left_alone() {
        let (fake, guarded) = guarded();
        fake.is_silent.store(true, SeqCst);
        let started = Instant::now();
        let answers = ask_often(&guarded, 10_000).await;
        assert!(answers.iter().all(|answer| *answer == Evidence::NotYet));
        assert!(fake.asked.load(SeqCst) <= 8, "asked {} times", fake.asked.load(SeqCst));
        assert!(started.elapsed() <= PATIENCE + Duration::from_millis(500), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_when_the_source_works_again() {
        let (fake, guarded) = guarded();
        fake.is_down.store(true, SeqCst);
        ask_often(&guarded, 3).await;
        fake.is_down.store(false, SeqCst);
        let answers = ask_often(&guarded, 20).await;
        assert!(answers.iter().all(|answer| *answer == Evidence::Genuine), "{answers:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_was_dropped_leaves_its_place_to_others() {
        let (fake, guarded) = guarded();
        fake.is_down.store(true, SeqCst);
        ask_often(&guarded, 3).await;
        fake.is_down.store(false, SeqCst);
        fake.is_silent.store(true, SeqCst);
        let request = token_transfer(1);
        let dropped = timeout(Duration::from_millis(1_100), guarded.ask(&request)).await;
        assert!(dropped.is_err(), "it was asked, and did not answer by now");
        fake.is_silent.store(false, SeqCst);
        assert_eq!(guarded.ask(&token_transfer(1)).await, Evidence::Genuine);
    }
}
