//! Limits a period, which neither a kill nor another kind of store forgets.

use std::fs;

use ring_anvil::{Stage as Phase, orders::Order};

use crate::{
    postgres::Postgres,
    world::{PATIENCE, World},
};

impl World {
    /// Adds a table to the configuration of every seat.
    fn add_to_configurations(&self, text: &str) {
        for seat in self.stage.ring.seats() {
            let file = seat.config();
            let config = fs::read_to_string(&file).unwrap();
            assert!(config.contains("[policy]\n"), "{config}");
            fs::write(file, config.replacen("[policy]\n", "[policy]\nevidence = true\n", 1) + text).unwrap();
        }
    }

    async fn phase(&self, order: &Order) -> Phase {
        let client = self.stage.ring.seats()[1].client().unwrap();
        client.submit(&self.backend.request(order).unwrap()).await.unwrap().stage
    }

    async fn until_paid(&self, order: &Order) {
        self.until("the order is final", async || Ok(self.phase(order).await == Phase::Final)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_recipient_got_counts_after_kills_in_a_file_and_in_a_database() {
    let server = Postgres::start_durable();
    let mut world = World::new(3, 3, 3, 3).await;
    world.stage.ring.stop().await;
    world.stage.ring.seat(0).keep_in(&server.url()).unwrap();
    world.stage.ring.configure().unwrap();
    world.stage.ring.seats()[0].init().await.unwrap();
    let [first, second, third] = &world.stage.orders[..] else { panic!() };
    // The same customer once more, and another one.
    let (first, again, other) =
        (first.clone(), Order { address: first.address, amount: 1, ..second.clone() }, third.clone());
    let most = first.amount.max(other.amount);
    world.add_to_configurations(&format!(
        "\n[[recipient_limit]]\nasset = \"{}\"\nrecipients = []\namount = \"{most}\"\nperiod = \"week\"\n",
        world.stage.deployment.token
    ));
    let first = Order { amount: most, ..first };
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    world.until_paid(&first).await;
    for seat in 0..3 {
        world.stage.ring.seat(seat).kill().await;
    }
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    // All seats have to sign, so each remembers by itself.
    assert_eq!(world.phase(&again).await, Phase::Accepted);
    world.until_paid(&other).await;
    assert_eq!(world.phase(&again).await, Phase::Accepted, "it waits for the next week");
}
