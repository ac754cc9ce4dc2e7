//! Gas money that a ring gives its own seats.

use std::fs;

use alloy::{primitives::U256, providers::Provider as _};
use ring_anvil::{demo::RING, token::ONE};

use crate::world::{PATIENCE, World};

const REFILL: &str = "\n[refill]\nbelow = \"50000000000000000\"\namount = \"200000000000000000\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_runs_low_is_refilled_by_the_ring_and_no_other() {
    let mut world = World::new(3, 2, 2, 1).await;
    let seats: Vec<_> = world.stage.ring.seats().iter().map(|seat| seat.key().address).collect();
    for (index, seat) in seats.iter().enumerate() {
        let bare = [("--ring", RING.to_string()), ("--target", seat.to_string())];
        world.stage.master.act(&format!("permit-{index}"), &["permit", "--bare"], &bare).await.unwrap();
    }
    let limit =
        [("--asset", "native"), ("--cap", "1ether"), ("--period", "day")].map(|(name, value)| (name, value.into()));
    let limit: Vec<(&str, String)> = [("--ring", RING.to_string())].into_iter().chain(limit).collect();
    world.stage.master.act("allow", &["allow"], &limit).await.unwrap();
    world.stage.chain.give(world.stage.deployment.domain.contract, U256::from(10 * ONE)).await.unwrap();
    world.stage.ring.stop().await;
    for seat in world.stage.ring.seats() {
        let config = fs::read_to_string(seat.config()).unwrap();
        let others = "[ring]\nother_assets = [\"0x0000000000000000000000000000000000000000\"]";
        assert!(config.contains("[ring]\n"), "{config}");
        fs::write(seat.config(), config.replacen("[ring]", others, 1) + REFILL).unwrap();
    }
    let low = U256::from(ONE / 25);
    world.stage.chain.give(seats[1], low).await.unwrap();
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();

    let provider = world.stage.chain.provider().clone();
    world
        .until("the account is refilled", async || Ok(provider.get_balance(seats[1]).await? > U256::from(ONE / 5)))
        .await;
    // Whoever empties the account gets no more of it in this period.
    world.stage.chain.give(seats[1], low).await.unwrap();
    let log = world.stage.ring.seats()[1].log().to_owned();
    world
        .until("people hear of it", async || {
            Ok(fs::read_to_string(&log)?.contains("is not refilled: it was refilled in this period already"))
        })
        .await;
    let turns = world.stage.deployment.turns(RING).await.unwrap();
    assert_eq!(turns.len(), 1, "{turns:?}");
}
