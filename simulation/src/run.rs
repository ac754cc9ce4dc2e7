//! Many worlds: over seeds, on all processors, each world in one thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use crate::world::{self, Broken, Counts, Cuts, Ending, Plan, Promise};

/// Each of so many seeds is lived twice, and has to end the same.
const TWICE_EVERY: u64 = 50;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// For how long at most.
    pub time: Option<Duration>,
    /// What every plan is cut down to.
    pub cuts: Cuts,
    /// On how many threads.
    pub threads: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much happened.
    pub counts: Counts,
    /// The first seed that failed, as far as was run, and how.
    pub failure: Option<(u64, Broken)>,
    /// How many worlds were lived twice.
    pub twice: u64,
    /// How long it took.
    pub time: Duration,
}

/// Lives a plan; a panic is a broken promise.
pub fn live(plan: Plan, told: bool) -> Ending {
    let caught = catch_unwind(AssertUnwindSafe(|| world::live(plan, told)));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("panic: {}", text.unwrap_or_else(|| "without words".to_owned()));
        let broken = Some(Broken { promise: Promise::Sound, what });
        Ending { broken, counts: Counts { worlds: 1, ..Counts::default() }, story: Vec::new(), hash: 0 }
    })
}

/// Runs until a seed fails, all are done, or the time is over.
pub fn run(job: &Job, bar: &ProgressBar) -> Report {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let twice = AtomicU64::new(0);
    let shared: Mutex<(Counts, Option<(u64, Broken)>)> = Mutex::default();
    let over = || job.time.is_some_and(|time| start.elapsed() >= time);
    std::thread::scope(|scope| {
        for _ in 0..job.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= job.seeds || over() {
                        return;
                    }
                    let seed = job.from.wrapping_add(number);
                    let again = number.is_multiple_of(TWICE_EVERY);
                    let plan = Plan::of(seed).cut(&job.cuts);
                    let ending = live(plan.clone(), again);
                    let mut broken = ending.broken;
                    if again && broken.is_none() {
                        twice.fetch_add(1, Ordering::Relaxed);
                        let second = live(plan, true);
                        if second.hash != ending.hash {
                            let what = "the same seed tells another story the second time".to_owned();
                            broken = Some(Broken { promise: Promise::Sound, what });
                        }
                    }
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    shared.0 += &ending.counts;
                    bar.inc(1);
                    if let Some(broken) = broken {
                        if shared.1.as_ref().is_none_or(|(other, _)| seed < *other) {
                            shared.1 = Some((seed, broken));
                        }
                        // The others end with the worlds that they are in.
                        next.store(job.seeds, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (counts, failure) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    Report { counts, failure, twice: twice.into_inner(), time: start.elapsed() }
}
