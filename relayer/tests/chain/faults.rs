//! What the watcher reports while its RPC fails, lies or is behind: the truth or nothing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use alloy::{primitives::B256, providers::Provider as _, sol_types::SolEvent as _};
use ring_contracts::{Action, Permission, Permissions, RingMultisig, TurnId};
use ring_relayer::chain::{Cursor, WatcherSettings};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    treasury::{RING, Treasury},
    wire::Wire,
};

fn switch(on: bool) -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(on));
    (switch.clone(), switch)
}

fn blocks_asked(parameters: &Value) -> u64 {
    let number = |name: &str| {
        let text = parameters[0][name].as_str().expect("a block number").trim_start_matches("0x");
        u64::from_str_radix(text, 16).expect("hex")
    };
    number("toBlock") - number("fromBlock") + 1
}

async fn a_hole_is_not_shown(blocks_on_top: usize) {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.executed(&treasury.turn(1, 2)).await;
    treasury.anvil.mine(blocks_on_top).await;
    let (hides, switch) = switch(true);
    let proxy = Proxy::start(treasury.anvil.http(), move |method, _| match method {
        "eth_getLogs" if hides.load(SeqCst) => Verdict::Answer(json!([])),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    follower.until_fault("contradictory answers").await;
    assert_eq!(follower.sent(), None);
    // What was kept of the lie must not outlive it.
    switch.store(false, SeqCst);
    assert_eq!(follower.view().await.turns.len(), 2);
    follower.until_well().await;
}

#[tokio::test]
async fn a_hole_at_the_head_is_told_as_a_fault_and_never_shown() {
    a_hole_is_not_shown(0).await;
}

#[tokio::test]
async fn a_hole_in_what_is_final_is_told_as_a_fault_and_never_shown() {
    a_hole_is_not_shown(3).await;
}

#[tokio::test]
async fn an_rpc_that_answers_about_another_block_than_it_was_asked_is_not_believed() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let proxy = Proxy::start(treasury.anvil.http(), |method, parameters| match method {
        // As RPCs do that do not know the parameter, or lack the state.
        "eth_call" => Verdict::AskInstead(json!([parameters[0], "latest"])),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    follower.until_fault("should be final").await;
    assert_eq!(follower.sent(), None);
}

#[tokio::test]
async fn a_reorg_after_the_last_question_is_noticed() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.executed(&treasury.turn(1, 2)).await;
    let head = format!("{:#x}", treasury.anvil.head().await);
    let state_is_read = Arc::new(Notify::new());
    let (armed, _) = switch(true);
    let anvil = treasury.anvil.provider.clone();
    let proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| {
        let (anvil, state_is_read) = (anvil.clone(), state_is_read.clone());
        match method {
            // The last question about the state.
            "eth_getBalance" => Verdict::ForwardAnd(Box::pin(async move { state_is_read.notify_one() })),
            "eth_getLogs" if parameters[0]["toBlock"] == head && armed.swap(false, SeqCst) => {
                Verdict::ForwardAnd(Box::pin(async move {
                    state_is_read.notified().await;
                    let reorg = anvil.raw_request::<_, Value>("anvil_reorg".into(), json!([1, []]));
                    reorg.await.expect("Anvil reorganises");
                }))
            }
            _ => Verdict::Forward,
        }
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let view = follower.view().await;
    assert_eq!((view.nonce, view.turns.len()), (1, 1));
}

#[tokio::test]
async fn logs_of_another_block_with_the_number_of_the_head_are_not_shown() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let (lies, switch) = switch(true);
    let contract = treasury.domain.contract;
    let digest = B256::repeat_byte(7);
    let number = treasury.anvil.head().await;
    let proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| match method {
        "eth_getLogs" if lies.load(SeqCst) && parameters[0]["toBlock"] == format!("{number:#x}") => {
            let event = RingMultisig::TurnExecuted {
                id: TurnId { ring: crate::treasury::RING, epoch: 1, nonce: 0, valid_until: 0 }.pack(),
                digest,
                requestIds: Default::default(),
            };
            let log = event.encode_log_data();
            Verdict::Answer(json!([{
                "address": contract, "topics": log.topics(), "data": log.data, "removed": false,
                "blockNumber": format!("{number:#x}"), "blockHash": digest,
                "transactionHash": digest, "transactionIndex": "0x0", "logIndex": "0x0",
            }]))
        }
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    follower.until_fault("reorganised").await;
    assert_eq!(follower.sent(), None);
    switch.store(false, SeqCst);
    assert_ne!(follower.view().await.turns[0].digest, digest);
}

#[tokio::test]
async fn an_rpc_that_fails_is_waited_for() {
    let treasury = Treasury::new().await;
    let (fails, switch) = switch(true);
    let proxy = Proxy::start(treasury.anvil.http(), move |_, _| match fails.load(SeqCst) {
        true => Verdict::Status(503),
        false => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let connection = follower.until_fault("503").await;
    assert_eq!(connection.head, None);
    assert!(connection.failures > 0);
    assert_eq!(follower.sent(), None);
    switch.store(false, SeqCst);
    follower.view().await;
    follower.until_well().await;
}

#[tokio::test]
async fn what_was_kept_as_final_is_not_shown_once_the_chain_has_something_else() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.anvil.mine(3).await;
    let (fails, switch) = switch(false);
    let proxy = Proxy::start(treasury.anvil.http(), move |_, _| match fails.load(SeqCst) {
        true => Verdict::Status(503),
        false => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    assert_eq!(follower.view().await.final_nonce, 1);
    switch.store(true, SeqCst);
    treasury.anvil.ask("anvil_rollback", json!([4])).await;
    let other = treasury.turn(0, 2);
    treasury.executed(&other).await;
    // Where the first one was.
    treasury.anvil.mine(4).await;
    switch.store(false, SeqCst);
    let view = follower.view().await;
    assert_eq!((view.final_nonce, view.turns[0].digest), (1, other.digest(&treasury.domain)));
}

#[tokio::test]
async fn a_cut_connection_is_made_anew_and_tells_of_heads_again() {
    let treasury = Treasury::new().await;
    let mut wire = Wire::to(&treasury.anvil.ws()).await;
    let poll_interval = std::time::Duration::from_secs(3_600);
    let settings = WatcherSettings { poll_interval, ..treasury.watcher_settings() };
    let mut follower = Follower::of(connect(wire.url()).await, settings);
    follower.view().await;
    wire.cut();
    wire.up_after(2).await;
    // Heads of before the new subscription are not told, so the chain has to go on by itself.
    treasury.anvil.ask("evm_setIntervalMining", json!([1])).await;
    follower.view().await;
}

#[tokio::test]
async fn ranges_that_are_too_long_for_an_rpc_are_halved() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.anvil.mine(10).await;
    treasury.executed(&treasury.turn(1, 2)).await;
    let proxy = Proxy::start(treasury.anvil.http(), |method, parameters| match method {
        "eth_getLogs" if blocks_asked(parameters) > 3 => {
            Verdict::Refuse(-32005, "query returned more than 10000 results")
        }
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    assert_eq!(follower.view().await.turns.len(), 2);
}

#[tokio::test]
async fn what_is_final_is_read_once() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.anvil.mine(20).await;
    let proxy = Proxy::start(treasury.anvil.http(), {
        let mut first = true;
        move |method, parameters| match method {
            // All at once at first; then what is not final yet, and what just became so.
            "eth_getLogs" if parameters[0]["blockHash"].is_string() => Verdict::Refuse(-32602, "no block hashes here"),
            "eth_getLogs" if blocks_asked(parameters) > 4 && !std::mem::take(&mut first) => {
                Verdict::Refuse(-32000, "read again")
            }
            _ => Verdict::Forward,
        }
    });
    let proxy = proxy.await;
    let settings = WatcherSettings { most_blocks: 2_000, ..treasury.watcher_settings() };
    let mut follower = Follower::of(connect(proxy.url()).await, settings);
    let mut view = follower.view().await;
    let logs_before = proxy.count("eth_getLogs");
    for _ in 0..5 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
        assert_eq!(view.turns.len(), 1);
    }
    assert!(proxy.count("eth_getLogs") - logs_before <= 10, "two questions a head");
}

#[tokio::test]
async fn of_a_head_that_follows_the_last_one_only_its_own_logs_are_read() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let proxy = Proxy::start(treasury.anvil.http(), {
        let mut first = true;
        move |method, parameters| match method {
            "eth_getLogs" if !parameters[0]["blockHash"].is_string() && !std::mem::take(&mut first) => {
                Verdict::Refuse(-32000, "read again")
            }
            _ => Verdict::Forward,
        }
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let mut view = follower.view().await;
    for nonce in 1..5 {
        treasury.executed(&treasury.turn(nonce, 1)).await;
        view = follower.until_block(view.head.number + 1).await;
        assert_eq!(view.turns.len() as u64, nonce + 1);
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
        assert_eq!(view.turns.len() as u64, nonce + 1);
    }
    assert_eq!(view.final_nonce, 4, "what has become final is still told");
}

#[tokio::test]
async fn a_change_of_permissions_is_seen_even_where_an_rpc_does_not_tell_of_its_event() {
    let treasury = Treasury::new().await;
    let proxy = Proxy::start(treasury.anvil.http(), |method, _| match method {
        "eth_getLogs" => Verdict::Answer(json!([])),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let start = follower.view().await;
    treasury.anvil.mine(1).await;
    follower.until_block(start.head.number + 1).await;
    let permissions = vec![Permission::bare(treasury.anvil.accounts[9])];
    treasury.act(Action::SetPermissions { ring: RING, permissions: permissions.clone() }).await;
    let mut view = follower.until_block(start.head.number + 2).await;
    while view.head.number < start.head.number + 32 {
        treasury.anvil.mine(1).await;
        view = follower.until_block(view.head.number + 1).await;
    }
    assert_eq!(view.permissions, Permissions::new(permissions));
}

#[tokio::test]
async fn before_anything_is_final_the_first_block_is() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let proxy = Proxy::start(treasury.anvil.http(), |method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] == "finalized" => Verdict::Answer(Value::Null),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let view = follower.view().await;
    assert_eq!((view.finalized.number, view.final_nonce, view.final_epoch, view.nonce), (0, 0, 0, 1));
}

#[tokio::test]
async fn an_rpc_that_is_behind_is_not_taken_for_broken_finality() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let block = treasury.anvil.head().await;
    treasury.anvil.mine(3).await;
    let (forgets, switch) = switch(true);
    let proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] == "finalized" && forgets.load(SeqCst) => Verdict::Answer(Value::Null),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;

    // Known from before a restart.
    let cursor = Cursor { first_open_nonce: 1, from_block: block };
    let provider = connect(proxy.url()).await;
    let mut follower = Follower::start(provider, treasury.watcher_settings(), cursor);
    follower.until_fault("behind").await;
    assert_eq!(follower.sent(), None);
    switch.store(false, SeqCst);
    assert_eq!(follower.view().await.final_nonce, 1);

    // Known from a view, while the cursor has not moved yet.
    switch.store(true, SeqCst);
    follower.cursor.send_replace(Cursor { first_open_nonce: 0, from_block: 0 });
    treasury.anvil.mine(1).await;
    follower.until_fault("behind").await;
    assert_eq!(follower.sent(), None);
}

#[tokio::test]
async fn a_head_that_the_chain_left_behind_is_asked_for_once_more_and_one_below_what_is_final_is_not_believed() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.anvil.mine(12).await;
    let head = treasury.anvil.head().await;
    // By the time of block 5 much more is final: it was the newest once, or it is another node's.
    let old = treasury.anvil.ask("eth_getBlockByNumber", json!(["0x5", false])).await;
    let (is_behind, switch) = switch(false);
    let mut was_asked = false;
    let proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| match method {
        "eth_getBlockByNumber" if parameters[0] == "latest" => {
            let is_first = !std::mem::replace(&mut was_asked, true);
            if is_first || is_behind.load(SeqCst) { Verdict::Answer(old.clone()) } else { Verdict::Forward }
        }
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    assert_eq!(follower.view().await.head.number, head);
    assert_eq!(follower.connection.borrow().failures, 0, "it is no fault");
    switch.store(true, SeqCst);
    follower.until_fault("behind: it is at block 5").await;
    assert_eq!(follower.sent(), None);
    switch.store(false, SeqCst);
    treasury.anvil.mine(1).await;
    assert_eq!(follower.view().await.head.number, head + 1);
}

#[tokio::test]
async fn finality_that_is_really_broken_is_shown() {
    let treasury = Treasury::new().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let block = treasury.anvil.head().await;
    treasury.anvil.mine(3).await;
    treasury.anvil.reorg(4).await;
    treasury.anvil.mine(1).await;
    let cursor = Cursor { first_open_nonce: 1, from_block: block };
    let mut follower = Follower::start(treasury.anvil.endpoints.clone(), treasury.watcher_settings(), cursor);
    let view = follower.view().await;
    assert_eq!((view.nonce, view.final_nonce, view.turns), (0, 0, vec![]));
}
