//! Whether mistakes that are planted are found.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use ring_core::{Bug, plant};

use crate::{
    run::{self, Job},
    world::Broken,
};

/// How the search for one mistake went.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The mistake.
    pub bug: Bug,
    /// What it broke, and with which seed; `None`: it was not found.
    pub found: Option<(u64, Broken)>,
    /// How many seeds were tried.
    pub seeds: u64,
    /// How long it took.
    pub time: Duration,
}

/// Plants a mistake and runs until it breaks a promise, or the time is over.
pub fn hunt(bug: Bug, job: &Job) -> Hunt {
    plant(Some(bug));
    let start = Instant::now();
    let report = run::run(job, &ProgressBar::hidden());
    plant(None);
    Hunt { bug, found: report.failure, seeds: report.counts.worlds, time: start.elapsed() }
}
