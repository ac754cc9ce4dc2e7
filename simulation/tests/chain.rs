//! The chain runs the real contract: turns, reorgs and finality.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ring_contracts::{Address, Call, Charter, Effect, Execution, RequestId, Seat, Turn, TurnId, U256, witness};
use ring_simulation::chain::{
    self, Chain, Cursor, Floor, GENESIS_TIME, Key, Lie, Purpose, RING, Transaction, Unusable,
};

const PAYEE: Address = Address::repeat_byte(0x77);
const SENDER: Address = Address::repeat_byte(0x66);
const DEPTH: u64 = 2;

fn charter() -> Charter {
    Charter {
        window: 2,
        quorum: 2,
        asset: Address::ZERO,
        cap: 100,
        period: 3_600,
        turns_per_period: 1_000,
        interval: 0,
        expires_at: Charter::NO_EXPIRY,
        last_nonce: Charter::NO_LAST_NONCE,
        seats: (1..=3).map(|number| Key::new(number).address()).collect(),
    }
}

fn turn(chain: &Chain, nonce: u64, amount: u128, signers: &[u64]) -> Transaction {
    let id = TurnId { ring: RING, epoch: 1, nonce, valid_until: TurnId::NO_EXPIRY };
    let effect = Effect::Pay { to: PAYEE, amount };
    let call = Call { request_id: RequestId::with_last_byte(nonce as u8 + 1), gas: 50_000, effect };
    let turn = Turn::new(id, vec![call]).unwrap();
    let digest = turn.digest(&chain.domain());
    let keys: Vec<Key> = signers.iter().map(|number| Key::new(*number)).collect();
    let charter = charter();
    let stands = |seat: usize| {
        let key = keys.iter().find(|key| key.address() == charter.seats[seat])?;
        Some(Seat::Signed(key.sign(&digest)))
    };
    let witness = witness(&charter, nonce, stands).unwrap();
    Transaction::new(SENDER, Execution::new(&turn, &charter, witness).calldata().unwrap(), Purpose::Turn(id))
}

fn time(block: u64) -> u64 {
    GENESIS_TIME + 12 * block
}

#[test]
fn a_turn_is_paid_once_reorganised_away_and_paid_again() {
    let mut chain = Chain::new(|_| charter(), DEPTH);
    let first = turn(&chain, 0, 40, &[1, 2]);
    let tried = chain.mine(vec![first.clone(), first.clone()], time(1));
    assert_eq!(tried.iter().filter(|tried| tried.refusal.is_none()).count(), 1);
    assert_eq!((chain.head().nonce(), chain.balance(Address::ZERO, PAYEE)), (1, U256::from(40)));
    assert_eq!(chain.outflows(3_600).values().sum::<U256>(), U256::from(40));

    chain.reorganise(1);
    assert_eq!((chain.head().nonce(), chain.balance(Address::ZERO, PAYEE)), (0, U256::ZERO));
    chain.mine(vec![first], time(1));
    assert_eq!((chain.head().nonce(), chain.balance(Address::ZERO, PAYEE)), (1, U256::from(40)));
    assert_eq!(chain.finalized().nonce(), 0);
    chain.mine(vec![], time(2));
    chain.mine(vec![], time(3));
    assert_eq!(chain.finalized().nonce(), 1);
}

#[test]
fn the_contract_refuses_other_windows_and_what_is_over_the_cap() {
    let mut chain = Chain::new(|_| charter(), DEPTH);
    let transactions = vec![turn(&chain, 1, 1, &[2, 3]), turn(&chain, 0, 101, &[1, 2])];
    assert!(chain.mine(transactions, time(1)).iter().all(|tried| tried.refusal.is_some()));
    assert_eq!(chain.head().nonce(), 0);
}

#[test]
fn a_view_holds_what_the_contract_says_and_one_that_does_not_fit_together_is_refused() {
    let mut chain = Chain::new(|_| charter(), DEPTH);
    let transaction = turn(&chain, 0, 40, &[1, 2]);
    chain.mine(vec![transaction.clone()], time(1));
    for block in 2..=4 {
        chain.mine(vec![], time(block));
    }
    let cursor = Cursor { first_open_nonce: 0, from_block: 0 };
    let look = |lie, cursor, floor: &mut Floor| chain::look(chain.head(), DEPTH, &charter(), cursor, floor, lie);
    let mut floor = Floor::default();
    let view = look(None, cursor, &mut floor).unwrap();
    assert_eq!((view.nonce, view.final_nonce, view.epoch, view.final_epoch), (1, 1, 1, 1));
    assert_eq!(view.charter, charter().commitment());
    assert_eq!((view.turns.len(), view.turns[0].transaction, view.turns[0].block), (1, transaction.hash, 1));
    assert_eq!(view.allowances[&Address::ZERO].left, U256::from(60));
    assert_eq!(view.allowances[&chain.token()].left, U256::from(100));
    for lie in [Lie::MissingTurn, Lie::WrongNonce, Lie::WrongFinalNonce] {
        assert_eq!(look(Some(lie), cursor, &mut floor).unwrap_err(), Unusable::Inconsistent);
    }
    let ahead = Cursor { first_open_nonce: 1, from_block: 1 };
    assert_eq!(look(None, ahead, &mut floor).unwrap().turns, []);
    let old = chain.at(2);
    assert_eq!(chain::look(&old, DEPTH, &charter(), ahead, &mut floor, None).unwrap_err(), Unusable::Behind);
}
