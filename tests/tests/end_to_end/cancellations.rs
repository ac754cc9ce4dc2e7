//! Clients take requests back: what is cancelled is never paid, and what is paid cannot be cancelled.

use std::collections::BTreeSet;

use alloy::signers::SignerSync;
use ring_anvil::{Client, ClientError, Programs, Stage as Phase, demo::RING, orders::Order};
use ring_contracts::{Cancellation, SignedCancellation};
use tokio::process::Command;

use crate::world::World;

fn cancellation(world: &World, order: &Order) -> SignedCancellation {
    let request = world.backend.request(order).unwrap().request;
    let cancellation = Cancellation::of(&request, &world.backend.domain);
    let digest = cancellation.digest(&world.backend.domain);
    let signature = world.backend.requester.sign_hash_sync(&digest).unwrap();
    SignedCancellation { cancellation, signature: signature.as_bytes().into() }
}

async fn stage(client: &Client, order: &Order) -> eyre::Result<Option<Phase>> {
    Ok(client.status(order.request_id()).await?.map(|status| status.stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_is_never_paid_while_others_are_and_a_paid_one_cannot_be_cancelled() {
    let mut world = World::new(3, 2, 2, 60).await;
    // Without the lead of the next turn nothing is proposed: the requests wait.
    let nonce = world.stage.deployment.ring(RING).await.unwrap().nonce;
    let lead = usize::try_from(nonce % 3).unwrap();
    let third = (lead + 2) % 3;
    for seat in [lead, third] {
        world.stage.ring.seat(seat).kill().await;
    }
    let orders: Vec<Order> = world.stage.orders[..5].to_vec();
    let (cancelled, paid) = orders.split_at(2);
    let clients = world.stage.ring.clients().unwrap();
    let client = &clients[(lead + 1) % 3];
    let first = cancellation(&world, &cancelled[0]);
    // At one seat alone it is not accepted, and can be taken back all the same.
    let request = world.backend.request(&cancelled[0]).unwrap();
    let lonely = client.submit(&request).await;
    assert!(matches!(&lonely, Err(ClientError::Unavailable { code, .. }) if code == "not_enough_copies"), "{lonely:?}");
    for _ in 0..2 {
        let status = client.cancel(&first).await.unwrap();
        assert_eq!((status.stage, status.nonce), (Phase::Cancelling, None));
        assert_eq!(client.submit(&request).await.unwrap().stage, Phase::Cancelling);
    }
    world.stage.ring.seat(third).start().unwrap();
    for order in &orders[1..] {
        world
            .until("a second seat has the order", async || {
                Ok(client.submit(&world.backend.request(order)?).await.is_ok())
            })
            .await;
    }

    // The other one by the command, as a person does, at the other seat.
    let requester = &world.stage.requester;
    let cancelling = Command::new(Programs::find().unwrap().keys)
        .args(["cancel", "--wait", "--relayer", clients[third].base()])
        .args(["--id", &cancelled[1].request_id().to_string(), "--chain-id", "31337"])
        .args(["--contract", &world.backend.domain.contract.to_string()])
        .arg("--keystore")
        .arg(&requester.keystore)
        .arg("--password-file")
        .arg(&requester.password_file)
        .output();
    let cancelling = tokio::spawn(cancelling);
    let other = &clients[third];
    world
        .until("the other one is cancelled too", async || {
            Ok(stage(other, &cancelled[1]).await? == Some(Phase::Cancelling))
        })
        .await;
    assert_eq!(stage(client, &cancelled[0]).await.unwrap(), Some(Phase::Cancelling), "one seat has not said anything");

    // What has been promised is on disk.
    for seat in 0..3 {
        world.stage.ring.seat(seat).kill().await;
    }
    for seat in 0..3 {
        world.stage.ring.seat(seat).start().unwrap();
    }
    let clients = world.stage.ring.clients().unwrap();
    for client in &clients {
        for (orders, end) in [(cancelled, Phase::Cancelled), (paid, Phase::Final)] {
            for order in orders {
                let what = format!("{} is {end:?}", order.request_id());
                let is_so = async || Ok(stage(client, order).await.ok().flatten() == Some(end));
                world.until(&what, is_so).await;
            }
        }
    }
    let output = cancelling.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("cancelled"), "{output:?}");

    // Once more, from anywhere: nothing comes of it.
    for client in &clients {
        let status = client.submit(&world.backend.request(&cancelled[0]).unwrap()).await.unwrap();
        assert_eq!(status.stage, Phase::Cancelled);
        assert_eq!(client.cancel(&first).await.unwrap().stage, Phase::Cancelled);
        let late = client.cancel(&cancellation(&world, &paid[0])).await;
        assert!(matches!(&late, Err(ClientError::Refused { status: 409, .. })), "{late:?}");
    }
    let last = world.stage.orders[5].clone();
    clients[0].submit(&world.backend.request(&last).unwrap()).await.unwrap();
    world.until("a later one is paid", async || Ok(stage(&clients[0], &last).await? == Some(Phase::Final))).await;
    world.assert_each_paid_once(&world.stage.orders[2..6]).await;
    let turns = world.stage.deployment.turns(RING).await.unwrap();
    let executed: BTreeSet<_> = turns.iter().flat_map(|turn| turn.requests.iter().copied()).collect();
    assert!(cancelled.iter().all(|order| !executed.contains(&order.request_id())), "{turns:?}");
}
