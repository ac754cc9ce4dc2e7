//! Worlds under seeded faults. `RING_CORE_SEEDS=n` runs n of each kind. A failure shows its plan, seed included.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::world::{Plan, World};

/// How many worlds of each kind: as the environment says, or enough for every day.
fn config(every_day: u32) -> Config {
    #[expect(clippy::disallowed_methods, reason = "how long to test is no part of the state machine")]
    let cases = std::env::var("RING_CORE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(every_day);
    Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() }
}

/// A ring of any shape: mostly the whole window has to sign.
fn shape() -> impl Strategy<Value = (usize, u8, u8)> {
    (1usize..=6).prop_flat_map(|seats| (Just(seats), 1..=seats as u8)).prop_flat_map(|(seats, window)| {
        let quorum = prop_oneof![2 => Just(window), 1 => 1..=window];
        (Just(seats), Just(window), quorum)
    })
}

prop_compose! {
    /// Faults of every kind and strength, but no theft.
    fn faults()(
        (seats, window, quorum) in shape(),
        copies in 1usize..=6,
        seed in any::<u64>(),
        steps in 200usize..900,
        requests in 1usize..=10,
        loss in prop_oneof![Just(0), 0u64..400],
        crashes in prop_oneof![Just(0), 0u64..60],
        reorgs in prop_oneof![Just(0), 0u64..40],
        changes in prop_oneof![3 => Just(0), 1 => 1usize..=2],
    ) -> Plan {
        Plan {
            seats, window, quorum, copies: copies.min(seats), seed, steps, requests, loss, crashes, reorgs, changes,
            grace: 10_000, stolen: BTreeSet::new(),
        }
    }
}

#[test]
fn whatever_fails_nothing_is_paid_twice_or_lost_and_nobody_halts_without_cause() {
    let run = |plan: Plan| {
        let mut world = World::new(plan);
        world.suffer();
        world.complete(700);
        Ok(())
    };
    TestRunner::new(config(150)).run(&faults(), run).unwrap();
}
