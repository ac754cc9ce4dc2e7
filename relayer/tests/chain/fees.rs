//! What transactions cost, who pays for them, and what becomes of them when that changes.

use alloy::{
    primitives::{Address, Bytes, U256, address},
    providers::Provider as _,
};
use ring_relayer::chain::{Alarm, L1Fee};
use serde_json::json;

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{GWEI, Patience, Sender, mine_until_nonce},
    treasury::Treasury,
};

const ORACLE: Address = address!("0x420000000000000000000000000000000000000F");

fn follow(treasury: &Treasury) -> Follower {
    Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings())
}

/// Code that answers every question with this number: `PUSH32 … PUSH0 MSTORE PUSH1 32 PUSH0 RETURN`.
fn answering(number: U256) -> Bytes {
    [&[0x7f], &number.to_be_bytes::<32>()[..], &[0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]].concat().into()
}

#[tokio::test]
async fn a_base_fee_above_the_ceiling_is_an_alarm_and_the_turn_goes_on_when_it_falls() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let set_base_fee = async || treasury.anvil.set_base_fee(10 * GWEI as u64).await;
    set_base_fee().await;
    treasury.anvil.mine(1).await;
    set_base_fee().await;
    let endpoints = treasury.anvil.endpoints.clone();
    let mut sender = Sender::with_ceiling(&treasury, endpoints, Patience::TwoBlocks, GWEI).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let sent = sender.until_sending(None).await;
    for _ in 0..2 {
        set_base_fee().await;
        treasury.anvil.mine(1).await;
    }
    set_base_fee().await;
    sender.until_alarm(|alarm| matches!(alarm, Alarm::FeeCeiling { .. })).await;
    treasury.anvil.set_base_fee(1).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().len(), 1);
    let receipt = treasury.anvil.provider.get_transaction_receipt(sent).await.unwrap();
    assert!(receipt.is_some_and(|receipt| receipt.status()), "another transaction was mined");
}

#[tokio::test]
async fn a_transaction_that_pools_drop_is_sent_again_with_the_same_bytes() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    for sends in 2..4 {
        let hash = sender.until_pooled(&treasury, &mut proxy).await;
        treasury.anvil.ask("anvil_dropTransaction", json!([hash])).await;
        treasury.anvil.mine(1).await;
        proxy.until_asked("eth_sendRawTransaction", sends).await;
    }
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().len(), 1);
}

#[tokio::test]
async fn a_foreign_transaction_of_the_account_is_told_and_the_turn_gets_the_next_nonce() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let mut sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    sender.until_pooled(&treasury, &mut proxy).await;
    assert_eq!(sender.sending.borrow().warnings, []);
    let fee = format!("{:#x}", 50 * GWEI);
    let foreign = json!([{
        "from": sender.account(), "to": sender.account(), "nonce": "0x0", "gas": "0x5208",
        "maxFeePerGas": fee, "maxPriorityFeePerGas": fee,
    }]);
    treasury.anvil.ask("anvil_impersonateAccount", json!([sender.account()])).await;
    treasury.anvil.ask("eth_sendTransaction", foreign).await;
    treasury.anvil.mine(1).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().iter().map(|transaction| transaction.nonce).collect::<Vec<_>>(), [0, 1]);
    treasury.anvil.mine(1).await;
    let warning = sender.until_warning(|alarm| matches!(alarm, Alarm::ForeignTransaction { .. })).await;
    assert_eq!(warning, Alarm::ForeignTransaction { account: sender.account(), nonce: 0 });
}

#[tokio::test]
async fn the_account_s_own_transactions_are_not_taken_for_foreign_ones() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let mut proxy = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let sender = Sender::start(&treasury, connect(proxy.url()).await, Patience::TwoBlocks).await;
    for nonce in 0..3 {
        sender.want_turn(nonce, treasury.execute(&treasury.turn(nonce, nonce as u8)));
        mine_until_nonce(&treasury, &mut follower, nonce + 1).await;
        let heads = proxy.count("eth_getTransactionCount");
        treasury.anvil.mine(1).await;
        proxy.until_asked("eth_getTransactionCount", heads + 1).await;
    }
    // The block of the last one is taken back, and it is mined again.
    treasury.anvil.reorg(2).await;
    mine_until_nonce(&treasury, &mut follower, 3).await;
    let heads = proxy.count("eth_getTransactionCount");
    treasury.anvil.mine(1).await;
    proxy.until_asked("eth_getTransactionCount", heads + 1).await;
    assert_eq!(sender.sending.borrow().warnings, []);
}

#[tokio::test]
async fn the_tip_is_at_least_what_the_chain_s_nodes_take() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let endpoints = treasury.anvil.endpoints.clone();
    let least = |settings: &mut ring_relayer::chain::SubmitterSettings| settings.min_priority_fee_per_gas = 25 * GWEI;
    let sender = Sender::with_settings(&treasury, endpoints, least).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    mine_until_nonce(&treasury, &mut follower, 1).await;
    let signed = &sender.signed()[0];
    assert!(signed.max_priority_fee_per_gas >= 25 * GWEI && signed.max_fee_per_gas > 25 * GWEI, "{signed:?}");
}

#[tokio::test]
async fn what_an_op_stack_chain_takes_for_its_l1_has_to_be_there_too() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let endpoints = treasury.anvil.endpoints.clone();
    let mut sender = Sender::with_settings(&treasury, endpoints, |settings| settings.l1_fee = L1Fee::OpStack).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    // No oracle is there yet.
    sender.until_alarm(|alarm| matches!(alarm, Alarm::Rpc(reason) if reason.contains("chain.l1_fee"))).await;
    // More than the account has, with a quarter on top.
    let fee = U256::from(1_000_000_000 * GWEI);
    treasury.anvil.set_code(ORACLE, answering(fee)).await;
    treasury.anvil.mine(1).await;
    let alarm = sender.until_alarm(|alarm| matches!(alarm, Alarm::NoFunds { .. })).await;
    assert!(matches!(alarm, Alarm::NoFunds { needed, .. } if needed > fee + fee / U256::from(4)), "{alarm}");
    assert_eq!(sender.signed(), []);
    treasury.anvil.set_code(ORACLE, answering(U256::from(1))).await;
    mine_until_nonce(&treasury, &mut follower, 1).await;
    sender.until_calm().await;
}

#[tokio::test]
async fn a_low_balance_is_told_before_it_is_empty() {
    let treasury = Treasury::new().await;
    let mut follower = follow(&treasury);
    let endpoints = treasury.anvil.endpoints.clone();
    let low = |settings: &mut ring_relayer::chain::SubmitterSettings| settings.low_balance_turns = 1_000_000;
    let mut sender = Sender::with_settings(&treasury, endpoints, low).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    let warning = sender.until_warning(|alarm| matches!(alarm, Alarm::LowBalance { .. })).await;
    assert!(warning.to_string().contains(&sender.account().to_string()), "{warning}");
    mine_until_nonce(&treasury, &mut follower, 1).await;
    assert_eq!(sender.signed().len(), 1, "it is only a warning");
    treasury.anvil.set_balance(sender.account(), U256::from(1_000_000) * U256::from(1_000_000_000 * GWEI)).await;
    sender.want_turn(1, treasury.execute(&treasury.turn(1, 2)));
    mine_until_nonce(&treasury, &mut follower, 2).await;
    assert_eq!(sender.sending.borrow().warnings, []);
}
