//! Whole worlds: the promises hold, and the same seed tells the same story.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ring_simulation::{
    run::{Job, live, run},
    world::{Cuts, Fault, Plan},
};

#[test]
fn the_promises_hold_in_a_hundred_worlds() {
    let job = Job { from: 0, seeds: 100, time: None, cuts: Cuts::default(), threads: 1 };
    let report = run(&job, &indicatif::ProgressBar::hidden());
    assert_eq!(report.failure, None);
    assert_eq!((report.counts.worlds, report.twice), (100, 2));
    assert!(report.counts.turns > 100 && report.counts.faults.len() > 20, "{:?}", report.counts);
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let story = |seed| live(Plan::of(seed), true);
    let (first, second) = (story(11), story(11));
    assert_eq!((first.hash, &first.story, &first.counts), (second.hash, &second.story, &second.counts));
    assert_ne!(first.hash, story(12).hash);
}

#[test]
fn what_is_cut_from_a_plan_does_not_happen() {
    let seed = (0..).find(|seed| Plan::of(*seed).strength(Fault::Kill) > 50).unwrap();
    let without = Cuts { without: [Fault::Kill].into(), requests: Some(1), ..Cuts::default() };
    let counts = live(Plan::of(seed).cut(&without), false).counts;
    assert!(!counts.faults.contains_key("kill"), "{counts:?}");
}
