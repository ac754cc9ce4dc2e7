//! The submitter with an RPC, a signer or a callee that it cannot rely on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use alloy::{
    primitives::{Address, U256},
    providers::Provider as _,
};
use ring_relayer::chain::{Alarm, SubmitterSettings};
use serde_json::{Value, json};

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{GWEI, Patience, Sender, mine_until_nonce},
    treasury::{POLL, Treasury},
};

/// Has a turn executed once through an RPC that treats what it is sent like this.
async fn executes_once(verdict: impl Fn(u64) -> Verdict + Send + 'static) -> Vec<u64> {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let sends = AtomicU64::new(0);
    let proxy = Proxy::start(treasury.anvil.http(), move |method, _| match method {
        "eth_sendRawTransaction" => verdict(sends.fetch_add(1, SeqCst)),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    mine_until_nonce(&treasury, &mut follower, 1).await;
    let head = treasury.anvil.head().await;
    treasury.anvil.mine(3).await;
    follower.until_block(head + 3).await;
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 1, "sent twice");
    sender.signed().iter().map(|transaction| transaction.nonce).collect()
}

#[tokio::test]
async fn a_transaction_that_the_rpc_swallows_is_sent_again() {
    let nonces = executes_once(|sends| match sends {
        0..3 => Verdict::Answer(json!(alloy::primitives::B256::repeat_byte(1))),
        _ => Verdict::Forward,
    });
    assert!(nonces.await.iter().all(|nonce| *nonce == 0));
}

#[tokio::test]
async fn an_error_about_a_transaction_that_arrived_is_not_believed() {
    for (code, message) in [(-32000, "nonce too low"), (-32000, "already known"), (-32003, "transaction rejected")] {
        let nonces = executes_once(move |_| Verdict::ForwardAndRefuse(code, message)).await;
        assert!(nonces.iter().all(|nonce| *nonce == 0), "{message}");
    }
}

#[tokio::test]
async fn an_error_about_a_transaction_that_did_not_arrive_is_not_believed_either() {
    let nonces = executes_once(|sends| match sends {
        0 => Verdict::Refuse(-32000, "already known"),
        1 => Verdict::Refuse(429, "too many requests"),
        2 => Verdict::Status(502),
        _ => Verdict::Forward,
    });
    assert!(nonces.await.iter().all(|nonce| *nonce == 0));
}

#[tokio::test]
async fn what_an_earlier_process_left_in_the_pool_is_replaced_without_waiting() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let provider = treasury.anvil.endpoints.clone();
    let mut sender = Sender::start(&treasury, provider, Patience::Endless).await;
    // Offers more than is usual, and what it was for is no longer wanted.
    let leftover = json!([{
        "from": sender.account(), "to": sender.account(), "nonce": "0x0", "gas": "0x5208",
        "maxFeePerGas": format!("{:#x}", 5 * GWEI), "maxPriorityFeePerGas": format!("{:#x}", 5 * GWEI),
    }]);
    treasury.anvil.ask("anvil_impersonateAccount", json!([sender.account()])).await;
    treasury.anvil.ask("eth_sendTransaction", leftover).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_sending(None).await;
    let executed = async {
        loop {
            // Too much for the leftover.
            treasury.anvil.set_base_fee(6 * GWEI as u64).await;
            treasury.anvil.mine(1).await;
            let head = treasury.anvil.head().await;
            if follower.until_block(head).await.nonce == 1 {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), executed).await.expect("the turn is executed");
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 1);
    assert!(sender.signed().len() >= 2, "there was nothing to replace");
}

#[tokio::test]
async fn a_reorg_between_two_questions_makes_no_second_transaction() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let armed = AtomicBool::new(true);
    let anvil = treasury.anvil.provider.clone();
    let proxy = Proxy::start(treasury.anvil.http(), move |method, _| match method {
        // Asked once the account's nonce says that the transaction was mined; then the turn could be executed again.
        "eth_getTransactionReceipt" if armed.swap(false, SeqCst) => {
            let anvil = anvil.clone();
            Verdict::ForwardAfter(Box::pin(async move {
                let reorg = anvil.raw_request::<_, Value>("anvil_reorg".into(), json!([1, []]));
                reorg.await.expect("Anvil reorganises");
            }))
        }
        _ => Verdict::Forward,
    });
    let mut proxy = proxy.await;
    // Without the patience that would have it look once more in any case.
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_pooled(&treasury, &mut proxy).await;
    treasury.anvil.mine(1).await;
    proxy.until_asked("eth_getTransactionReceipt", 1).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    // It may have been replaced, but not made again.
    let nonces: Vec<u64> = sender.signed().iter().map(|transaction| transaction.nonce).collect();
    assert!(nonces.iter().all(|nonce| *nonce == 0), "{nonces:?}");
}

#[tokio::test]
async fn an_rpc_that_fails_is_told_and_tried_again() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let questions = Arc::new(AtomicU64::new(0));
    let count = questions.clone();
    let proxy = Proxy::start(treasury.anvil.http(), move |_, _| match count.fetch_add(1, SeqCst) {
        0..5 => Verdict::Status(503),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_alarm(|alarm| matches!(alarm, Alarm::Rpc(reason) if reason.contains("503"))).await;
    sender.until_sending(None).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
}

#[tokio::test]
async fn what_a_signer_signed_instead_is_not_sent() {
    let treasury = Treasury::new().await;
    let settings = SubmitterSettings::new(treasury.domain, 300 * GWEI, POLL);
    let provider = treasury.anvil.endpoints.clone();
    let tamper = |transaction: &mut alloy::consensus::TxEip1559| transaction.value = U256::from(1);
    let mut sender = Sender::with_key(&treasury, provider, settings, tamper).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let alarm = sender.until_alarm(|alarm| matches!(alarm, Alarm::Signer(_))).await;
    assert!(alarm.to_string().contains("another transaction"), "{alarm}");
    assert_eq!(sender.sending.borrow().transaction, None);
    let pool = treasury.anvil.ask("txpool_status", json!([])).await;
    assert_eq!(pool["pending"], "0x0");
}

#[tokio::test]
async fn a_callee_that_uses_more_gas_than_when_it_was_tried_makes_one_transaction_revert_at_most() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let burner = Address::with_last_byte(0xbe);
    let mut proxy = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    let calls = (1..=8).map(|id| Treasury::payment(id, burner, 1)).collect();
    sender.want_turn(0, treasury.execute(&treasury.turn_of(0, calls)));
    let starved = sender.until_pooled(&treasury, &mut proxy).await;
    // `INVALID`.
    treasury.anvil.set_code(burner, vec![0xfe].into()).await;
    treasury.anvil.mine(1).await;
    treasury.anvil.set_code(burner, Default::default()).await;
    assert_eq!(treasury.ring().await.nonce.to::<u64>(), 0, "the first transaction was not starved");
    sender.until_sending(Some(starved)).await;
    treasury.anvil.set_code(burner, vec![0xfe].into()).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    let gas: Vec<u64> = sender.signed().iter().map(|transaction| transaction.gas_limit).collect();
    assert!(gas[1] >= gas[0] + 8 * 100_000, "{gas:?}");
}
