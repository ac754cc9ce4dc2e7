//! Killed processes, lost turns, reorganised blocks: the ring goes on, and nothing is paid twice or lost.

use alloy::{providers::ext::AnvilApi, rpc::types::anvil::ReorgOptions};
use rand::{Rng, SeedableRng, rngs::StdRng};
use ring_anvil::Stage as Phase;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn relayers_killed_at_any_moment_and_started_again_pay_each_order_once() {
    let mut world = World::new(3, 2, 2, 120).await;
    let seed = std::env::var("RING_KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut random = StdRng::seed_from_u64(seed);
    let paying = world.start_paying();
    let mut kills = 0;
    while !paying.is_finished() {
        let seat = random.gen_range(0..3);
        world.stage.ring.seat(seat).kill().await;
        world.stage.ring.seat(seat).start().unwrap();
        kills += 1;
        // The next kill comes at any moment of some turn: when a random number of orders more was executed, or a while
        // after the seat was started if the ring stands still meanwhile.
        let executed = world.progress.figures().executed + random.gen_range(1..8);
        let wait = ring_anvil::deadline::until(
            "some orders are executed",
            std::time::Duration::from_millis(random.gen_range(500..4_000)),
            crate::world::LOOK,
            async || Ok(world.progress.figures().executed >= executed || paying.is_finished()),
        );
        let _ = wait.await;
    }
    paying.await.unwrap().unwrap();
    println!("{kills} kills (seed {seed})");
    assert!(kills >= 5, "only {kills} kills: the test shows nothing");
    world.assert_each_paid_once(&world.stage.orders).await;
    // Ready is not halted.
    world.stage.ring.wait_ready(crate::world::PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_expires_unsigned_is_voided_and_its_requests_are_paid_later() {
    let mut world = World::new(3, 2, 2, 60).await;
    world.change_policy(|policy| policy.validity_seconds = Some(5)).await;
    // The first turn's window is seats 0 and 1. Without seat 1 its lead proposes in vain.
    let nonce = world.stage.deployment.ring(ring_anvil::demo::RING).await.unwrap().nonce;
    let lead = usize::try_from(nonce % 3).unwrap();
    let second = (lead + 1) % 3;
    world.stage.ring.seat(second).kill().await;
    let order = world.stage.orders[0].clone();
    let client = world.stage.ring.seats()[lead].client().unwrap();
    client.submit(&world.backend.request(&order).unwrap()).await.unwrap();
    let bound =
        async || Ok(client.status(order.request_id()).await?.is_some_and(|status| status.stage == Phase::Signing));
    world.until("the request is bound to a turn", bound).await;
    let bound_at = world.stage.deployment.time().await.unwrap();
    world.until("the turn has expired", async || Ok(world.stage.deployment.time().await? > bound_at + 6)).await;
    world.stage.ring.seat(second).start().unwrap();
    let done = async || Ok(client.status(order.request_id()).await?.is_some_and(|status| status.stage == Phase::Final));
    world.until("the request is paid", done).await;

    let turns = world.stage.deployment.turns(ring_anvil::demo::RING).await.unwrap();
    assert!(turns[0].requests.is_empty(), "the expired turn's nonce was voided: {turns:?}");
    assert_eq!(turns.iter().filter(|turn| turn.requests.contains(&order.request_id())).count(), 1);
    world.assert_each_paid_once(std::slice::from_ref(&order)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_above_finality_pays_nothing_twice_and_halts_nobody() {
    let world = World::new(3, 2, 2, 90).await;
    let paying = world.start_paying();
    let mut reorganised = 0;
    while !paying.is_finished() {
        let executed = world.progress.figures().executed;
        world
            .until("another turn was executed", async || {
                Ok(world.progress.figures().executed > executed || paying.is_finished())
            })
            .await;
        // The block before the last is not final yet (one slot an epoch); its transactions are forgotten.
        let options = ReorgOptions { depth: 1, tx_block_pairs: Vec::new() };
        if world.stage.chain.provider().anvil_reorg(options).await.is_ok() {
            reorganised += 1;
        }
        if reorganised == 5 {
            break;
        }
    }
    paying.await.unwrap().unwrap();
    assert!(reorganised >= 3, "only {reorganised} reorganisations: the test shows nothing");
    world.assert_each_paid_once(&world.stage.orders).await;
}
