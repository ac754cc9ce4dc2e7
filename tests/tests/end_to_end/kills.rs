//! `kill -9` at random moments, thousands of times, with reorganisations between: `make kills KILLS=2000`.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};
use ring_anvil::deadline;

use crate::{endurance::Miner, world::World};

/// How many orders are under way at a time.
const BATCH: usize = 40;
/// After how many kills there is a reorganisation.
const KILLS_A_REORG: u64 = 10;
/// For how many kills nothing may be executed before the ring is left alone until something is.
const FRUITLESS: u64 = 25;
/// How long the ring may need to do something once it is left alone.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(10);
/// Enough orders for anything: more than there can be turns.
const ORDERS: u64 = 60_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long: `make kills`"]
async fn thousands_of_kills_and_reorganisations_pay_each_order_once() {
    let (wanted, minutes) = (number("RING_KILLS", 2_000), number("RING_KILL_MINUTES", 24 * 60));
    let mut random = StdRng::seed_from_u64(number("RING_KILL_SEED", 7));
    let mut world = World::enduring(ORDERS, 1).await;
    let all = world.stage.orders.clone();
    let miner = Miner::start(&world).await;
    let begin = Instant::now();
    let (mut kills, mut reorgs, mut paid) = (0u64, 0u64, 0usize);
    let on = |kills: u64| kills < wanted && begin.elapsed() < Duration::from_secs(60 * minutes);
    while on(kills) {
        let orders = all[paid..paid + BATCH].to_vec();
        paid += BATCH;
        let (progress, paying) = world.pay(orders, world.stage.ring.clients().unwrap());
        let (mut executed, mut fruitless) = (0, 0);
        // The last of the orders are paid in peace.
        while !paying.is_finished() && on(kills) {
            let seat = random.gen_range(0..3);
            world.stage.ring.seat(seat).kill().await;
            world.stage.ring.seat(seat).start().unwrap();
            kills += 1;
            if kills.is_multiple_of(KILLS_A_REORG) {
                reorgs += u64::from(miner.reorganise().await);
            }
            if kills.is_multiple_of(100) {
                println!("{kills} kills, {reorgs} reorganisations, {} s", begin.elapsed().as_secs());
            }
            let now = progress.figures().executed;
            fruitless = if now == executed { fruitless + 1 } else { 0 };
            executed = now;
            // The next one hits at any moment of whatever the ring is doing, or, where the kills are too many for it to do
            // anything, only after it has done something.
            let patience = match fruitless < FRUITLESS {
                true => Duration::from_millis(random.gen_range(20..400)),
                false => PATIENCE,
            };
            let moved =
                async || Ok(progress.figures().executed > executed && fruitless >= FRUITLESS || paying.is_finished());
            let waited = deadline::until("an order is executed", patience, LOOK, moved).await;
            if fruitless >= FRUITLESS {
                if let Err(error) = waited {
                    panic!("{error:#} after {kills} kills\n{}", world.story().await);
                }
                fruitless = 0;
            }
        }
        paying.await.unwrap().unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    world.assert_all_is_well(&all[..paid]).await;
    drop(miner);
    println!(
        "{kills} kills ({:.1} a second), {reorgs} reorganisations, {paid} orders, each paid exactly once; nobody halted",
        kills as f64 / seconds
    );
    assert!(kills > 0 && reorgs > 0, "the test shows nothing");
}
