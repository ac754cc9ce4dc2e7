//! Worlds under seeded faults. `RING_CORE_SEEDS=n` runs n of each kind. A failure shows its plan, seed included.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use ring_contracts::Charter;

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
        steps in 200usize..700,
        requests in 1usize..=10,
        loss in prop_oneof![Just(0), 0u64..400],
        crashes in prop_oneof![Just(0), 0u64..60],
        reorgs in prop_oneof![Just(0), 0u64..40],
        changes in prop_oneof![3 => Just(0), 1 => 1usize..=2],
        rotations in prop_oneof![2 => Just(0), 1 => 1usize..=2],
        turns_per_period in prop_oneof![3 => Just(1_000), 1 => 4u32..=60],
        interval in prop_oneof![3 => Just(0), 1 => 1u32..=150],
        evidence in any::<bool>(), confirmed_ticks in proptest::option::of(2u64..20),
    ) -> Plan {
        Plan {
            seats, window, quorum, copies: copies.min(seats), seed, steps, requests, loss, crashes, reorgs, changes, rotations,
            grace: 10_000, stolen: BTreeSet::new(), turns_per_period, interval, expires_at: Charter::NO_EXPIRY, evidence, confirmed_ticks,
        }
    }
}

prop_compose! {
    /// The same, and a thief with some of the keys.
    fn theft()(plan in faults(), stolen in 0u32..64, every_seat in 0u32..10) -> Plan {
        let all = every_seat == 0;
        let stolen = (0..plan.seats).filter(|seat| all || stolen >> seat & 1 == 1).collect();
        // A thief who has to wait between turns gets no more: the hardest case is that it need not.
        Plan { stolen, changes: 0, rotations: 0, grace: 6, turns_per_period: 1_000, interval: 0, ..plan }
    }
}

#[test]
fn a_thief_gets_no_more_than_its_bound_and_everybody_halts_and_all_else_is_done_after_it() {
    let run = |plan: Plan| {
        let mut world = World::new(plan);
        world.suffer();
        world.restart_all();
        world.rounds(25);
        if world.chain.final_ledger().turns.iter().any(|turn| world.foreign.contains(&turn.digest)) {
            world.check_halted();
        }
        let every_key = world.plan.stolen.len() == world.plan.seats;
        if world.plan.reorgs == 0 && world.plan.quorum == world.plan.window && !every_key {
            world.check_bound();
        }
        if world.struck || world.hosts.iter().any(|host| host.disk.halted) || world.chain.ledger().halted {
            let stolen = world.plan.stolen.clone();
            // With the keys the stores are given up: what was on no other is lost, and its client asks again.
            if stolen.len() >= world.plan.copies {
                world.accepted.clear();
            }
            world.plan.changes = 1;
            world.replace(&stolen);
        }
        world.complete(700);
        Ok(())
    };
    TestRunner::new(config(50)).run(&theft(), run).unwrap();
}

#[test]
fn whatever_fails_nothing_is_paid_twice_or_lost_and_nobody_halts_without_cause() {
    let run = |plan: Plan| {
        let mut world = World::new(plan);
        world.suffer();
        world.complete(700);
        Ok(())
    };
    TestRunner::new(config(60)).run(&faults(), run).unwrap();
}

#[test]
fn once_all_hear_one_another_again_nobody_halts_however_long_finality_takes() {
    let run = |plan: Plan| {
        // Where others may go on without a seat. And none without memory: it may pay what the others have seen cancelled, for
        // which they halt with cause.
        let (seats, window, quorum) = (plan.seats.max(4), 3, 2);
        let mut world = World::new(Plan { seats, window, quorum, changes: 0, ..plan });
        world.suffer();
        world.stand_still(6);
        world.complete(700);
        Ok(())
    };
    TestRunner::new(config(60)).run(&faults(), run).unwrap();
}
