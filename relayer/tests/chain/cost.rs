//! What is asked of an RPC, and how often: requests cost time and money.

use std::time::Duration;

use ring_relayer::chain::WatcherSettings;

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{GWEI, Patience, Sender, mine_until_nonce},
    tap::Tap,
    treasury::Treasury,
};

async fn counting(treasury: &Treasury) -> Proxy {
    Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await
}

#[tokio::test]
async fn a_head_takes_few_questions_and_one_that_was_seen_takes_none() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.anvil.mine(3).await;
    let mut proxy = counting(&treasury).await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    follower.view().await;
    let others = |proxy: &Proxy| proxy.count_all() - proxy.count("eth_getBlockByNumber");
    let (blocks, other) = (proxy.count("eth_getBlockByNumber"), others(&proxy));
    proxy.until_asked("eth_getBlockByNumber", blocks + 5).await;
    assert_eq!(others(&proxy), other, "a head that was seen is read again");
    // Until what is final is a head that was seen.
    for _ in 0..2 {
        treasury.anvil.mine(1).await;
        follower.view().await;
    }
    let other = others(&proxy);
    treasury.anvil.mine(1).await;
    follower.view().await;
    // The ring at the head, the balance and the logs; the rest is known since no event told of a change.
    assert_eq!(others(&proxy) - other, 3);
}

/// A watcher that looks only when it is told of a head.
async fn told(treasury: &Treasury) -> (Tap, Follower) {
    let tap = Tap::to(&treasury.anvil.ws()).await;
    let settings = WatcherSettings { poll_interval: Duration::from_secs(3_600), ..treasury.watcher_settings() };
    let follower = Follower::of(connect(tap.url()).await, settings);
    (tap, follower)
}

#[tokio::test]
async fn a_head_that_an_rpc_tells_of_is_not_asked_for() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let (mut tap, mut follower) = told(&treasury).await;
    let first = follower.view().await;
    tap.until_asked("eth_subscribe", "newHeads", 1).await;
    // The subscription may begin after the next block, which is asked for then.
    treasury.anvil.mine(1).await;
    follower.until_block(first.head.number + 1).await;
    treasury.anvil.mine(1).await;
    follower.until_block(first.head.number + 2).await;
    let asked = tap.count("eth_getBlockByNumber", "latest");
    for number in 3..8 {
        treasury.anvil.mine(1).await;
        follower.until_block(first.head.number + number).await;
    }
    assert_eq!(tap.count("eth_getBlockByNumber", "latest"), asked);
}

#[tokio::test]
async fn a_head_that_is_told_of_late_is_not_believed_to_be_the_newest() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let (mut tap, mut follower) = told(&treasury).await;
    let first = follower.view().await;
    for number in 1..4 {
        treasury.anvil.mine(1).await;
        follower.until_block(first.head.number + number).await;
    }
    let asked = tap.count("eth_getBlockByNumber", "latest");
    tap.tell_first_again();
    tap.until_asked("eth_getBlockByNumber", "latest", asked + 1).await;
    treasury.anvil.mine(1).await;
    let view = follower.view().await;
    assert_eq!(view.head.number, first.head.number + 4);
    // Had it been believed, the last head would have to be looked for.
    let last = format!("{:#x}", view.head.number - 1);
    assert_eq!(tap.count("eth_getBlockByNumber", &last), 0);
}

#[tokio::test]
async fn gas_is_estimated_once_for_a_turn_that_waits_for_its_block() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let first = sender.until_pooled(&treasury, &mut proxy).await;
    for sends in 1..3 {
        proxy.until_asked("eth_sendRawTransaction", sends).await;
        treasury.anvil.set_base_fee(50 * GWEI as u64).await;
        treasury.anvil.mine(1).await;
    }
    sender.until_sending(Some(first)).await;
    assert_eq!(proxy.count("eth_estimateGas"), 1);
    treasury.anvil.set_base_fee(1).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
}

#[tokio::test]
async fn a_turn_that_is_wanted_again_while_it_is_pressed_is_not_started_over() {
    let treasury = Treasury::new().await;
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    let calldata = treasury.execute(&treasury.turn(0, 1));
    sender.want_turn(0, calldata.clone());
    sender.until_pooled(&treasury, &mut proxy).await;
    for _ in 0..5 {
        sender.want_turn(0, calldata.clone());
    }
    let looks = proxy.count("eth_getBlockByNumber");
    proxy.until_asked("eth_getBlockByNumber", looks + 3).await;
    assert_eq!((proxy.count("eth_sendRawTransaction"), proxy.count("eth_estimateGas")), (1, 1));
}
