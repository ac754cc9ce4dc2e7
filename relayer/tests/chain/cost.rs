//! What is asked of an RPC, and how often: requests cost time and money.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ring_contracts::{Action, Permission, Permissions};
use ring_core::ChainView;
use ring_relayer::chain::{Finality, WatcherSettings};
use serde_json::json;

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{GWEI, Patience, Sender, mine_until_nonce},
    tap::Tap,
    treasury::{CAP, RING, Treasury},
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

#[tokio::test]
async fn what_there_is_to_spend_is_asked_of_each_head_only_while_this_seat_may_sign() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let proxy = counting(&treasury).await;
    // In the window of turn 2, and not in those before.
    let settings = WatcherSettings { seat: Some(4), ..treasury.watcher_settings() };
    let mut follower = Follower::of(connect(proxy.url()).await, settings);
    let left = |view: &ChainView| view.allowances[&Address::ZERO].left;
    // Until what the heads change can be told from their events.
    let mut view = follower.view().await;
    for _ in 0..2 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
    }
    let asked = proxy.count("eth_getBalance");
    treasury.anvil.set_balance(treasury.domain.contract, U256::from(5_000)).await;
    for _ in 0..3 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
        assert_eq!(left(&view), U256::from(CAP));
    }
    assert_eq!(proxy.count("eth_getBalance"), asked);

    // An event tells that the master changed something.
    let permissions = vec![Permission::erc20_transfer(Address::with_last_byte(9))];
    treasury.act(Action::SetPermissions { ring: RING, permissions }).await;
    view = follower.until_block(view.head.number + 1).await;
    assert_eq!(left(&view), U256::from(5_000));
    let asked = proxy.count("eth_getBalance");
    treasury.anvil.set_balance(treasury.domain.contract, U256::from(4_000)).await;
    treasury.executed(&treasury.turn(0, 1)).await;
    view = follower.until("turn 0", |view| view.nonce == 1).await;
    assert_eq!((left(&view), proxy.count("eth_getBalance")), (U256::from(5_000), asked), "another window's turn");
    for nonce in 1..4 {
        treasury.executed(&treasury.turn(nonce, nonce as u8 + 1)).await;
        view = follower.until("the turn", |view| view.nonce == nonce + 1).await;
        assert_eq!(left(&view), U256::from(4_000 - 100 * (nonce + 1)), "turn {nonce}");
    }
}

#[tokio::test]
async fn a_seat_that_comes_into_the_window_unexpectedly_asks_what_there_is_to_spend() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let settings = WatcherSettings { seat: Some(4), ..treasury.watcher_settings() };
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), settings);
    let mut view = follower.view().await;
    for _ in 0..2 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
    }
    treasury.anvil.set_balance(treasury.domain.contract, U256::from(5_000)).await;
    treasury.anvil.ask("evm_setAutomine", json!([false])).await;
    for nonce in 0..2 {
        let calldata = treasury.execute(&treasury.turn(nonce, nonce as u8 + 1));
        treasury.anvil.post(treasury.anvil.accounts[1], Some(treasury.domain.contract), calldata).await;
    }
    treasury.anvil.mine(1).await;
    let next = follower.until_block(view.head.number + 1).await;
    assert_eq!((next.nonce, next.allowances[&Address::ZERO].left), (2, U256::from(4_800)));
}

#[tokio::test]
async fn by_depth_the_final_block_follows_from_the_heads() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let (tap, mut follower) = told_with(&treasury, |settings| settings.finality = Finality::Depth(2)).await;
    let mut view = follower.view().await;
    for _ in 0..3 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
    }
    for _ in 0..4 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
        assert_eq!(view.finalized.number, view.head.number - 2);
        assert_eq!(tap.count("eth_getBlockByNumber", &format!("{:#x}", view.finalized.number)), 0);
    }
}

/// A watcher that looks only when it is told of a head.
async fn told(treasury: &Treasury) -> (Tap, Follower) {
    told_with(treasury, |_| {}).await
}

async fn told_with(treasury: &Treasury, change: impl FnOnce(&mut WatcherSettings)) -> (Tap, Follower) {
    let tap = Tap::to(&treasury.anvil.ws()).await;
    let mut settings = WatcherSettings { poll_interval: Duration::from_secs(3_600), ..treasury.watcher_settings() };
    change(&mut settings);
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
async fn of_heads_that_come_faster_than_they_are_read_each_is_asked_for_its_logs_and_nothing_else_is_read_again() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let (mut tap, mut follower) = told_with(&treasury, |settings| settings.finality = Finality::Depth(20)).await;
    let mut view = follower.view().await;
    tap.until_asked("eth_subscribe", "newHeads", 1).await;
    // Until what the heads change can be told from their events.
    for _ in 0..2 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
    }
    let of_ranges = |tap: &Tap| tap.count_where("eth_getLogs", |filter| filter["blockHash"].is_null());
    let of_blocks = |tap: &Tap| tap.count_where("eth_getLogs", |filter| !filter["blockHash"].is_null());
    let chain_ids = |tap: &Tap| tap.count_where("eth_chainId", |_| true);
    let asked = (of_ranges(&tap), of_blocks(&tap), chain_ids(&tap));
    // Nobody takes the views of these.
    for nonce in 0..6 {
        treasury.executed(&treasury.turn(nonce, nonce as u8 + 1)).await;
    }
    let last = treasury.anvil.head().await;
    let new = usize::try_from(last - view.head.number).unwrap();
    view = follower.until_block(last).await;
    assert_eq!(view.turns.iter().map(|turn| turn.nonce).collect::<Vec<_>>(), (0..6).collect::<Vec<_>>());
    assert_eq!((of_ranges(&tap), of_blocks(&tap), chain_ids(&tap)), (asked.0, asked.1 + new, asked.2));

    // An event of any of them has what it may have changed read again.
    for nonce in 6..9 {
        treasury.executed(&treasury.turn(nonce, nonce as u8 + 1)).await;
    }
    let permissions = vec![Permission::erc20_transfer(Address::with_last_byte(9))];
    treasury.act(Action::SetPermissions { ring: RING, permissions }).await;
    treasury.anvil.mine(2).await;
    let view = follower.until_block(treasury.anvil.head().await).await;
    assert_ne!(view.permissions, Permissions::default());
}

#[tokio::test]
async fn a_seat_leaves_heads_unread_while_its_turn_cannot_have_come() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(3).await;
    let mut tap = Tap::to(&treasury.anvil.ws()).await;
    let endpoints = connect(tap.url()).await;
    let mut settings = WatcherSettings {
        finality: Finality::Depth(20),
        poll_interval: Duration::from_secs(3_600),
        rest: Duration::from_secs(3_600),
        ..treasury.watcher_settings()
    };
    // Has no seat, and so reads each head that both are told of.
    let mut every = Follower::of(endpoints.clone(), settings.clone());
    // Of five seats it signs the turns 0 and 5.
    settings.charter.window = 1;
    settings.seat = Some(0);
    let mut follower = Follower::of(endpoints, settings);
    follower.view().await;
    tap.until_asked("eth_subscribe", "newHeads", 1).await;
    treasury.executed(&treasury.turn(0, 1)).await;
    follower.until("turn 0", |view| view.nonce == 1).await;
    for nonce in 1..4 {
        treasury.executed(&treasury.turn(nonce, nonce as u8 + 1)).await;
        every.until("the turn", |view| view.nonce == nonce + 1).await;
    }
    assert_eq!(follower.view().await.nonce, 4);
    for nonce in 4..6 {
        treasury.executed(&treasury.turn(nonce, nonce as u8 + 1)).await;
        assert_eq!(follower.view().await.nonce, nonce + 1);
    }
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
