//! Paying, whatever happens to the relayers.

use ring_anvil::Stage as Phase;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_the_same_however_often_and_wherever_it_is_posted() {
    let world = World::new(3, 2, 2, 60).await;
    let order = &world.stage.orders[0];
    let request = world.backend.request(order).unwrap();
    let clients = world.stage.ring.clients().unwrap();
    for client in clients.iter().chain(&clients) {
        client.submit(&request).await.unwrap();
    }
    for client in &clients {
        world
            .until("every seat says that it is final", async || {
                Ok(client.status(order.request_id()).await?.is_some_and(|status| status.stage == Phase::Final))
            })
            .await;
        assert_eq!(client.submit(&request).await.unwrap().stage, Phase::Final);
    }
    world.assert_each_paid_once(&world.stage.orders[..1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_smaller_than_the_window_pays_on_without_a_seat() {
    let mut world = World::new(4, 3, 2, 24).await;
    world.stage.ring.seat(1).kill().await;
    let paying = world.start_paying();
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_one_pays() {
    let world = World::new(1, 1, 1, 12).await;
    world.start_paying().await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
}
