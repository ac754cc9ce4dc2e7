//! Turns that nobody asked for, and what leaves the treasury without one.

use std::collections::BTreeMap;

use alloy::{primitives::U256, providers::ProviderBuilder, signers::local::PrivateKeySigner, sol_types::SolCall as _};
use ring_anvil::{
    Thief,
    demo::RING,
    thief,
    token::{DemoToken::approveCall, DemoTokenInstance, ONE},
};

use crate::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_theft_every_seat_halts_and_stays_halted_through_kills() {
    let mut world = World::new(3, 2, 2, 60).await;
    let mut keys = BTreeMap::new();
    for seat in [0, 1] {
        keys.insert(seat, world.stage.ring.seats()[seat].key().open().unwrap());
    }
    let account = PrivateKeySigner::random();
    world.stage.chain.give(account.address(), thief::gas_money()).await.unwrap();
    let (rpc, charter) = (world.stage.chain.http(), world.stage.charter().clone());
    let thief = Thief::new(keys, account, &rpc, &world.stage.deployment, RING, charter).unwrap();
    let paying = world.start_paying();
    let strike = thief.strike(0, 1, PATIENCE).await.unwrap();
    assert_eq!(strike.turns, 1);

    world.stage.ring.wait_halted(PATIENCE).await.unwrap();
    world.until("the ring is halted on chain", async || Ok(world.stage.deployment.ring(RING).await?.halted)).await;
    let nonce = world.stage.deployment.ring(RING).await.unwrap().nonce;

    for seat in 0..3 {
        world.stage.ring.seat(seat).kill().await;
    }
    world.stage.ring.start().unwrap();
    for health in world.stage.ring.wait_halted(PATIENCE).await.unwrap() {
        assert!(health.halted_because.is_some_and(|why| !why.is_empty()));
    }
    let order = world.stage.orders.last().unwrap();
    for client in world.stage.ring.clients().unwrap() {
        let refused = client.submit(&world.backend.request(order).unwrap()).await;
        assert!(
            refused.as_ref().is_err_and(|error| error.is_halted()) || refused.is_ok_and(|known| known.nonce.is_none())
        );
    }
    for attempt in thief.try_everything(&strike).await.unwrap() {
        assert!(!attempt.succeeded, "{}", attempt.form);
    }
    assert_eq!(world.stage.deployment.ring(RING).await.unwrap().nonce, nonce, "nothing was executed after the halt");
    paying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_that_uses_an_allowance_instead_of_a_turn_halts_the_ring() {
    let mut world = World::new(3, 2, 2, 20).await;
    world.start_paying().await.unwrap().unwrap();
    let account = PrivateKeySigner::random();
    world.stage.chain.give(account.address(), thief::gas_money()).await.unwrap();
    let token = world.stage.deployment.token;
    let approve = approveCall { spender: account.address(), value: U256::MAX }.abi_encode();
    let call = [("--target", token.to_string()), ("--data", alloy::hex::encode_prefixed(approve))];
    world.stage.master.act("approve", &["execute"], &call).await.unwrap();

    let wallet = ProviderBuilder::new().wallet(account.clone()).connect_http(world.stage.chain.http().parse().unwrap());
    let treasury = world.stage.deployment.domain.contract;
    let token = DemoTokenInstance::new(token, wallet);
    let taking = token.transferFrom(treasury, account.address(), U256::from(ONE)).send().await.unwrap();
    let taken = taking.get_receipt().await.unwrap().transaction_hash;
    world
        .until("the ring is halted on chain", async || {
            // Until that is final.
            world.stage.chain.finalize().await?;
            Ok(world.stage.deployment.ring(RING).await?.halted)
        })
        .await;
    let health = world.stage.ring.wait_halted(PATIENCE).await.unwrap();
    let reasons: Vec<String> = health.into_iter().filter_map(|health| health.halted_because).collect();
    assert!(reasons.iter().any(|reason| reason.contains(&taken.to_string())), "{reasons:?}");
}
