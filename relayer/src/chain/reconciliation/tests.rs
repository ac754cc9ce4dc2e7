use alloy::{primitives::Bytes, sol_types::SolCall as _};
use ring_contracts::RequestId;

use super::*;

const TOKEN: Address = Address::repeat_byte(3);
const TREASURY: Address = Address::repeat_byte(1);
const SOMEBODY: Address = Address::repeat_byte(2);

fn balances(number: u64, of: &[(Address, u64)]) -> Balances {
    let block = Header { hash: B256::ZERO, parent: B256::ZERO, number, time: 0 };
    let by_asset = of.iter().map(|(asset, balance)| (*asset, U256::from(*balance))).collect();
    Balances { block, by_asset }
}

/// What is missing of a token of which there were 100 and are so many.
fn missing(left: u64, outflow: &Outflow) -> Vec<Shortfall> {
    shortfalls(&balances(10, &[(TOKEN, 100)]), &balances(42, &[(TOKEN, left)]), outflow)
}

fn log(transaction: u8, event: impl alloy::sol_types::SolEvent, emitter: Address) -> Log {
    let inner = alloy::primitives::Log { address: emitter, data: event.encode_log_data() };
    Log { inner, transaction_hash: Some(B256::repeat_byte(transaction)), ..Log::default() }
}

fn moved(transaction: u8, amount: u64) -> Log {
    log(transaction, IERC20::Transfer { from: TREASURY, to: SOMEBODY, value: U256::from(amount) }, TOKEN)
}

fn turn(transaction: u8) -> Log {
    let event = RingMultisig::TurnExecuted { id: U256::ZERO, digest: B256::ZERO, requestIds: Bytes::new() };
    log(transaction, event, TREASURY)
}

fn by_master(transaction: u8, target: Address, value: u64, data: Bytes) -> Log {
    log(transaction, RingMultisig::MasterExecuted { target, value: U256::from(value), data }, TREASURY)
}

fn outflow(of_contract: &[Log], transfers: &[Log]) -> Outflow {
    let mut outflow = Outflow::default();
    outflow.add(of_contract, transfers).unwrap();
    outflow
}

fn transfer() -> Bytes {
    IERC20::transferCall { to: SOMEBODY, value: U256::from(1) }.abi_encode().into()
}

#[test]
fn what_turns_and_the_master_move_is_explained_and_nothing_more() {
    let outflow =
        outflow(&[turn(1), by_master(2, TOKEN, 0, transfer()), turn(3)], &[moved(1, 10), moved(1, 20), moved(2, 5)]);
    assert_eq!(missing(65, &outflow), []);
    assert_eq!(missing(200, &outflow), []);
    let [shortfall] = &missing(64, &outflow)[..] else { panic!() };
    assert_eq!((shortfall.from_block, shortfall.to_block), (10, 42));
    assert_eq!([shortfall.before, shortfall.after, shortfall.explained], [100, 64, 35].map(U256::from));
    assert_eq!(shortfall.transactions, [] as [B256; 0]);
}

#[test]
fn a_transfer_without_a_turn_is_a_shortfall_even_if_more_came_in() {
    let outflow = outflow(&[turn(1)], &[moved(1, 10), moved(2, 1)]);
    let [shortfall] = &missing(500, &outflow)[..] else { panic!() };
    assert_eq!(shortfall.transactions, [B256::repeat_byte(2)]);
}

#[test]
fn anybody_may_move_nothing() {
    assert_eq!(missing(100, &outflow(&[], &[moved(2, 0)])), []);
}

#[test]
fn a_shortfall_names_only_so_many_transactions() {
    let transfers: Vec<Log> = (1..=20).map(|transaction| moved(transaction, 1)).collect();
    assert_eq!(missing(80, &outflow(&[], &transfers))[0].transactions.len(), MOST_NAMED);
}

#[test]
fn who_calls_a_token_for_something_else_may_move_any_amount_of_it() {
    let unwrap = Bytes::from_static(&[0x2e, 0x1a, 0x7d, 0x4d]);
    assert_eq!(missing(0, &outflow(&[by_master(1, TOKEN, 0, unwrap.clone())], &[])), []);
    assert_eq!(missing(99, &outflow(&[by_master(1, TOKEN, 0, transfer())], &[])).len(), 1);
    assert_eq!(missing(99, &outflow(&[by_master(1, TOKEN, 0, Bytes::new())], &[])).len(), 1);
    assert_eq!(missing(99, &outflow(&[by_master(1, SOMEBODY, 0, unwrap.clone())], &[])).len(), 1);
    let of_turn = |target| Call {
        request_id: RequestId::ZERO,
        gas: 1,
        effect: Effect::Call { target, value: 0, data: unwrap.clone() },
    };
    for (target, is_explained) in [(TOKEN, true), (SOMEBODY, false)] {
        let mut outflow = outflow(&[turn(1)], &[]);
        outflow.add_calls(Some(&[of_turn(target)]), None);
        assert_eq!(missing(99, &outflow).is_empty(), is_explained);
    }
}

#[test]
fn the_native_coin_is_explained_by_the_calls_of_turns() {
    let pay = Call { request_id: RequestId::ZERO, gas: 1, effect: Effect::Pay { to: SOMEBODY, amount: 30 } };
    let effect = Effect::Call { target: SOMEBODY, value: 7, data: Bytes::new() };
    let calls = [pay, Call { request_id: RequestId::ZERO, gas: 1, effect }];
    let coin = Address::ZERO;
    let missing = |left, outflow: &Outflow| {
        shortfalls(&balances(1, &[(coin, 100)]), &balances(33, &[(coin, left)]), outflow).len()
    };
    for (main_asset, most) in [(Some(coin), 37), (Some(TOKEN), 7), (None, 37)] {
        let mut outflow = Outflow::default();
        outflow.add_calls(Some(&calls), main_asset);
        assert_eq!([missing(100 - most, &outflow), missing(99 - most, &outflow)], [0, 1], "{main_asset:?}");
    }
    let mut unknown = Outflow::default();
    unknown.add_calls(None, Some(coin));
    assert_eq!(missing(0, &unknown), 0);
    assert_eq!(
        [missing(95, &outflow(&[by_master(1, SOMEBODY, 5, Bytes::new())], &[])), missing(99, &Outflow::default())],
        [0, 1]
    );
}

#[test]
fn an_asset_that_does_not_tell_its_balance_is_judged_by_its_events() {
    for (before, after) in [(&[(TOKEN, 5)][..], &[][..]), (&[], &[(TOKEN, 5)]), (&[], &[])] {
        let shortfalls = |outflow: &Outflow| shortfalls(&balances(1, before), &balances(33, after), outflow).len();
        assert_eq!(shortfalls(&Outflow::default()), 0);
        assert_eq!(shortfalls(&outflow(&[turn(1)], &[moved(1, 3)])), 0);
        assert_eq!(shortfalls(&outflow(&[turn(1)], &[moved(2, 3)])), 1);
    }
}
