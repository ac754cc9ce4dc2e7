//! The submitter on a chain that works: fees, reorgs, changes of mind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use alloy::{
    primitives::{B256, U256},
    providers::Provider as _,
};
use ring_relayer::chain::{Alarm, SubmitterSettings};
use serde_json::json;

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{GWEI, Patience, Sender, mine_until_nonce},
    treasury::{POLL, Treasury},
};

const GWEI_U64: u64 = GWEI as u64;
const SENDING: &str = "eth_sendRawTransaction";
const COUNTING: &str = "eth_getTransactionCount";
const RECEIPTS: &str = "eth_getTransactionReceipt";

fn follow(treasury: &Treasury) -> Follower {
    Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings())
}

/// Counts what is asked.
async fn counting(treasury: &Treasury) -> Proxy {
    Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await
}

async fn sends_turns_over(url: String, treasury: &Treasury) {
    let mut follower = follow(treasury);
    let sender = Sender::start(treasury, connect(&url).await, Patience::Endless).await;
    for nonce in 0..3 {
        sender.want_turn(nonce, treasury.execute(&treasury.turn(nonce, nonce as u8)));
        mine_until_nonce(treasury, &mut follower, nonce + 1).await;
        assert_eq!(treasury.anvil.sent_by(sender.account()).await, nonce + 1);
        // Still wanted, for all the submitter knows: it must not be sent again.
        treasury.anvil.mine(3).await;
    }
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 3);
    assert_eq!(sender.signed().iter().map(|transaction| transaction.nonce).collect::<Vec<_>>(), [0, 1, 2]);
    sender.stop().await;
}

#[tokio::test]
async fn a_wanted_turn_is_executed_once_over_http() {
    let treasury = Treasury::new().await;
    sends_turns_over(treasury.anvil.http(), &treasury).await;
}

#[tokio::test]
async fn a_wanted_turn_is_executed_once_over_ws() {
    let treasury = Treasury::new().await;
    sends_turns_over(treasury.anvil.ws(), &treasury).await;
}

#[tokio::test]
async fn what_would_revert_is_not_sent_until_it_would_not() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    for estimates in 1..=3 {
        proxy.until_asked("eth_estimateGas", estimates).await;
        treasury.anvil.mine(1).await;
    }
    assert_eq!(sender.signed(), []);
    assert_eq!(sender.sending.borrow().alarm, None);
    treasury.executed(&treasury.turn(0, 0)).await;
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_turn_waits_for_the_interval_without_alarm_and_is_sent_when_it_is_over() {
    let mut treasury = Treasury::new().await;
    treasury.reform(|charter| charter.interval = 1_000).await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    treasury.executed(&treasury.turn(0, 0)).await;
    let last = treasury.anvil.time().await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    for estimates in 1..=3 {
        proxy.until_asked("eth_estimateGas", estimates).await;
        treasury.anvil.mine(1).await;
    }
    assert_eq!(sender.signed(), []);
    assert_eq!(sender.sending.borrow().alarm, None);
    treasury.anvil.set_next_time(last + 1_000).await;
    treasury.anvil.mine(1).await;
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_nonce_that_is_counted_before_there_is_a_receipt_makes_no_second_transaction() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let start = treasury.anvil.head().await;
    // The node loses the transaction for a while, and counts it at two heads that do not follow one another all the same.
    let takes = Arc::new(AtomicBool::new(false));
    let is_taken = takes.clone();
    let mut proxy = Proxy::start(treasury.anvil.http(), move |method, parameters| match method {
        SENDING if !is_taken.load(SeqCst) => Verdict::Answer(json!(B256::repeat_byte(0x22))),
        COUNTING if [start + 1, start + 3].iter().any(|head| parameters[1] == format!("{head:#x}")) => {
            Verdict::Answer(json!("0x1"))
        }
        _ => Verdict::Forward,
    })
    .await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 0)));
    proxy.until_asked(SENDING, 1).await;
    treasury.anvil.mine(1).await;
    proxy.until_asked(RECEIPTS, 1).await;
    treasury.anvil.mine(1).await;
    proxy.until_asked(SENDING, 2).await;
    let asked = proxy.count(RECEIPTS);
    treasury.anvil.mine(1).await;
    proxy.until_asked(RECEIPTS, asked + 1).await;
    takes.store(true, SeqCst);
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().iter().map(|transaction| transaction.nonce).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn a_turn_waits_for_the_next_period_when_all_of_this_one_are_taken() {
    let mut treasury = Treasury::new().await;
    treasury.reform(|charter| charter.turns_per_period = 1).await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    treasury.executed(&treasury.turn(0, 0)).await;
    let next_day = (treasury.anvil.time().await / 86_400 + 1) * 86_400;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    proxy.until_asked("eth_estimateGas", 1).await;
    treasury.anvil.mine(1).await;
    assert_eq!((sender.signed(), sender.sending.borrow().alarm.clone()), (Vec::new(), None));
    treasury.anvil.set_next_time(next_day).await;
    treasury.anvil.mine(1).await;
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_chain_that_makes_no_block_by_itself_is_not_waited_for() {
    let mut treasury = Treasury::new().await;
    treasury.reform(|charter| charter.interval = 2).await;
    let sender = Sender::start(&treasury, connect(&treasury.anvil.http()).await, Patience::Endless).await;
    treasury.executed(&treasury.turn(0, 0)).await;
    let head = treasury.anvil.head().await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while sender.signed().is_empty() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await
    .expect("it is sent once the interval is over");
    assert_eq!(treasury.anvil.head().await, head);
}

#[tokio::test]
async fn a_lease_that_is_over_is_an_alarm_and_not_a_failure() {
    let lease_over = |text: &str| {
        let text = text.to_owned();
        move |alarm: &Alarm| matches!(alarm, Alarm::LeaseOver(reason) if reason.contains(&text))
    };
    let mut treasury = Treasury::new().await;
    let ended = treasury.anvil.time().await - 1;
    treasury.reform(|charter| charter.expires_at = ended).await;
    let mut sender = Sender::start(&treasury, connect(&treasury.anvil.http()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 0)));
    sender.until_alarm(lease_over(&ended.to_string())).await;
    assert_eq!(sender.signed(), []);

    treasury.reform(|charter| (charter.expires_at, charter.last_nonce) = (ended + 1_000_000, 0)).await;
    treasury.executed(&treasury.turn(0, 0)).await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    sender.until_alarm(lease_over("last turn is 0")).await;
    assert_eq!(sender.signed(), []);

    // The master forms it anew: the alarm ends, and what is wanted goes out.
    treasury.reform(|charter| charter.last_nonce = 5).await;
    let mut follower = follow(&treasury);
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 1)));
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_eq!(sender.sending.borrow().alarm, None);
}

#[tokio::test]
async fn a_submission_survives_a_reorg_with_the_same_bytes() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let provider = connect(&treasury.anvil.ws()).await;
    let mut sender = Sender::start(&treasury, provider, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let hash = sender.until_sending(None).await;
    let mined = mine_until_nonce(&treasury, &mut follower, 1).await;

    treasury.anvil.reorg(mined.head.number - mined.turns[0].block + 1).await;
    follower.until("the reorg", |view| view.nonce == 0).await;
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 0);
    mine_until_nonce(&treasury, &mut follower, 1).await;
    let receipt = treasury.anvil.provider.get_transaction_receipt(hash).await.unwrap();
    assert!(receipt.is_some_and(|receipt| receipt.status()), "another transaction was made for it");
    assert_eq!(sender.signed().len(), 1, "{:?}", sender.signed());
}

#[tokio::test]
async fn a_turn_that_is_wanted_again_after_a_reorg_is_sent_with_the_same_bytes() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let sender = Sender::start(&treasury, treasury.anvil.endpoints.clone(), Patience::Endless).await;
    let calldata = treasury.execute(&treasury.turn(0, 1));
    sender.want_turn(0, calldata.clone());
    let mined = mine_until_nonce(&treasury, &mut follower, 1).await;
    sender.wanted.send_replace(None);
    treasury.anvil.reorg(mined.head.number - mined.turns[0].block + 1).await;
    follower.until("the reorg", |view| view.nonce == 0).await;
    sender.want_turn(0, calldata);
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().len(), 1, "{:?}", sender.signed());
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_with_higher_fees_and_mined_once() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    for gwei in [10, 100] {
        let sent = sender.until_pooled(&treasury, &mut proxy).await;
        let before = (sender.signed().len(), proxy.count(SENDING));
        treasury.anvil.set_base_fee(gwei * GWEI_U64).await;
        treasury.anvil.mine(1).await;
        proxy.until_asked(SENDING, before.1 + 1).await;
        assert_eq!(sender.signed().len(), before.0, "replaced after one block");
        treasury.anvil.set_base_fee(gwei * GWEI_U64).await;
        treasury.anvil.mine(1).await;
        sender.until_sending(Some(sent)).await;
    }
    sender.until_pooled(&treasury, &mut proxy).await;
    treasury.anvil.set_base_fee(GWEI_U64).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;

    let signed = sender.signed();
    assert!(signed.len() >= 3);
    for pair in signed.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        assert_eq!((old.nonce, &old.input), (new.nonce, &new.input));
        assert!(
            new.max_fee_per_gas * 8 >= old.max_fee_per_gas * 9,
            "{} after {}",
            new.max_fee_per_gas,
            old.max_fee_per_gas
        );
        assert!(new.max_priority_fee_per_gas * 8 >= old.max_priority_fee_per_gas * 9);
    }
    treasury.anvil.mine(3).await;
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 1);
}

#[tokio::test]
async fn a_transaction_that_has_had_little_time_is_not_replaced() {
    let treasury = Treasury::new().await;
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_pooled(&treasury, &mut proxy).await;
    for _ in 0..4 {
        let before = proxy.count(SENDING);
        treasury.anvil.set_base_fee(10 * GWEI_U64).await;
        treasury.anvil.mine(1).await;
        proxy.until_asked(SENDING, before + 1).await;
    }
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_chain_that_makes_no_blocks_does_not_raise_the_fees() {
    let treasury = Treasury::new().await;
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_pooled(&treasury, &mut proxy).await;
    let looks = proxy.count("eth_getBlockByNumber");
    proxy.until_asked("eth_getBlockByNumber", looks + 5).await;
    assert_eq!(sender.signed().len(), 1);
    assert_eq!(proxy.count(SENDING), 1, "sent again without a new head");
}

#[tokio::test]
async fn fees_stay_under_the_ceiling_and_people_are_told() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let provider = connect(proxy.url()).await;
    let mut sender = Sender::with_ceiling(&treasury, provider, Patience::TwoBlocks, GWEI).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let sent = sender.until_pooled(&treasury, &mut proxy).await;
    for _ in 0..2 {
        treasury.anvil.set_base_fee(10 * GWEI_U64).await;
        treasury.anvil.mine(1).await;
    }
    let alarm = sender.until_alarm(|alarm| matches!(alarm, Alarm::FeeCeiling { .. })).await;
    let Alarm::FeeCeiling { transaction, max_fee_per_gas } = alarm else { unreachable!("it was just one") };
    assert_eq!(transaction, sent);
    // The rest is for a halt.
    assert!(max_fee_per_gas <= GWEI * 8 / 9 && max_fee_per_gas > GWEI / 9 * 7, "{max_fee_per_gas}");
    assert_eq!(sender.signed().len(), 1);
    // Once fees have fallen, it goes through as it is.
    treasury.anvil.set_base_fee(1).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    sender.wanted.send_replace(None);
    sender.until_calm().await;
}

#[tokio::test]
async fn a_halt_takes_the_place_of_a_turn_that_is_stuck_at_its_ceiling() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let provider = connect(proxy.url()).await;
    let mut sender = Sender::with_ceiling(&treasury, provider, Patience::TwoBlocks, GWEI).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let turn = sender.until_pooled(&treasury, &mut proxy).await;
    for _ in 0..2 {
        treasury.anvil.set_base_fee(10 * GWEI_U64).await;
        treasury.anvil.mine(1).await;
    }
    sender.until_alarm(|alarm| matches!(alarm, Alarm::FeeCeiling { .. })).await;
    sender.want_halt(treasury.halt());
    let halt = sender.until_sending(Some(turn)).await;
    let halted = async {
        loop {
            // Just too much for the turn.
            treasury.anvil.set_base_fee(GWEI_U64 / 100 * 95).await;
            treasury.anvil.mine(1).await;
            let head = treasury.anvil.head().await;
            if follower.until_block(head).await.halted {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), halted).await.expect("the ring is halted");
    assert!(treasury.ring().await.nonce.is_zero(), "the turn was executed");
    let receipt = treasury.anvil.provider.get_transaction_receipt(halt).await.unwrap();
    assert!(receipt.is_some_and(|receipt| receipt.status()));
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 1);
}

#[tokio::test]
async fn what_is_newly_wanted_does_not_wait_for_the_next_head() {
    let treasury = Treasury::new().await;
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let turn = sender.until_pooled(&treasury, &mut proxy).await;
    let looks = proxy.count("eth_getBlockByNumber");
    proxy.until_asked("eth_getBlockByNumber", looks + 2).await;
    sender.wanted.send_replace(None);
    sender.until_idle().await;
    sender.want_halt(treasury.halt());
    assert_ne!(sender.until_sending(Some(turn)).await, turn);
}

#[tokio::test]
async fn a_halt_that_is_in_the_chain_is_not_sent_again() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_halt(treasury.halt());
    sender.until_pooled(&treasury, &mut proxy).await;
    treasury.anvil.mine(1).await;
    follower.until("the halt", |view| view.halted).await;
    // Halting a halted ring would succeed, so only its receipt tells that it is done.
    for _ in 0..3 {
        let looks = proxy.count("eth_getTransactionReceipt");
        treasury.anvil.mine(1).await;
        proxy.until_asked("eth_getTransactionReceipt", looks + 1).await;
    }
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_turn_that_somebody_else_executed_does_not_block_the_next() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = counting(&treasury).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    let turn = treasury.turn(0, 1);
    sender.want_turn(0, treasury.execute(&turn));
    let first = sender.until_pooled(&treasury, &mut proxy).await;
    // The pool forgets ours, and somebody else's is mined.
    sender.wanted.send_replace(None);
    treasury.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    treasury.executed(&turn).await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 2)));
    let second = sender.until_sending(Some(first)).await;
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_ne!(first, second);
    let signed = sender.signed();
    assert!(signed.iter().all(|transaction| transaction.nonce == 0), "one account nonce for both");
    assert!(signed[1].max_fee_per_gas * 8 >= signed[0].max_fee_per_gas * 9, "no replacement for the first");
    assert_eq!(treasury.anvil.sent_by(sender.account()).await, 1);
}

#[tokio::test]
async fn an_account_without_funds_is_told_and_goes_on_once_it_has_some() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let settings = SubmitterSettings::new(treasury.domain, 300 * GWEI, POLL);
    let mut sender = Sender::with_key(&treasury, treasury.anvil.endpoints.clone(), settings, |_| {}).await;
    treasury.anvil.set_balance(sender.account(), U256::from(5)).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let alarm = sender.until_alarm(|alarm| matches!(alarm, Alarm::NoFunds { .. })).await;
    let text = alarm.to_string();
    assert!(text.contains(&sender.account().to_string()) && text.contains("has 5 wei"), "{text}");
    assert_eq!(sender.signed(), []);
    treasury.anvil.set_balance(sender.account(), U256::from(1_000_000_000 * GWEI)).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    sender.until_calm().await;
}
