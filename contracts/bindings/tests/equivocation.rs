//! What proves that a key signed two contents, and what does not.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

use alloy::{
    primitives::{Address, Bytes, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use ring_contracts::{
    Call, CompactSignature, Domain, Effect, Equivocation, EquivocationError, SignatureError, SignedTurn, Turn, TurnId,
};

fn domain() -> Domain {
    Domain { chain_id: 31_337, contract: Address::repeat_byte(0xc0) }
}

fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[number; 32]).unwrap()
}

fn id(nonce: u64, valid_until: u64) -> TurnId {
    TurnId { ring: 1, epoch: 2, nonce, valid_until }
}

fn turn(nonce: u64, valid_until: u64, amount: u128) -> Turn {
    let effect = Effect::Pay { to: Address::repeat_byte(1), amount };
    Turn::new(id(nonce, valid_until), vec![Call { request_id: Default::default(), gas: 1, effect }]).unwrap()
}

fn signed(turn: &Turn, by: u8) -> SignedTurn {
    turn.signed_by(CompactSignature::from(key(by).sign_hash_sync(&turn.digest(&domain())).unwrap()))
}

fn check(first: SignedTurn, second: SignedTurn) -> Result<Address, EquivocationError> {
    Equivocation { first, second }.check(&domain())
}

#[test]
fn a_turn_is_hashed_the_same_with_and_without_its_calls() {
    for turn in [turn(0, 5, 7), Turn::void(1, 2, 3), turn((1 << 40) - 1, (1 << 40) - 1, 0)] {
        assert_eq!(signed(&turn, 1).digest(&domain()), turn.digest(&domain()));
    }
}

#[test]
fn two_contents_of_one_nonce_by_one_key_are_proof() {
    let first = signed(&turn(3, 100, 1), 1);
    assert_eq!(check(first, signed(&turn(3, 100, 2), 1)), Ok(key(1).address()));
    assert_eq!(check(first, signed(&turn(3, 101, 1), 1)), Ok(key(1).address()));
}

#[test]
fn what_an_honest_key_may_do_is_none() {
    let first = signed(&turn(3, 100, 1), 1);
    let other = signed(&turn(4, 100, 2), 1);
    assert_eq!(check(first, other), Err(EquivocationError::Unrelated { first: first.id, second: other.id }));
    assert_eq!(check(first, signed(&Turn::void(1, 2, 3), 1)), Err(EquivocationError::Void));
    assert_eq!(check(first, first), Err(EquivocationError::Same(first.digest(&domain()))));
    let signers = EquivocationError::SignersDiffer { first: key(1).address(), second: key(2).address() };
    assert_eq!(check(first, signed(&turn(3, 100, 2), 2)), Err(signers));
    let mut high = *signed(&turn(3, 100, 2), 1).signature.as_bytes();
    high[32..].fill(0xff);
    let damaged = SignedTurn { signature: CompactSignature::from(high), ..signed(&turn(3, 100, 2), 1) };
    assert_eq!(check(first, damaged), Err(EquivocationError::Signature(SignatureError::HighS)));
}

#[test]
fn the_call_shows_both_turns_as_they_were_signed() {
    use alloy::sol_types::SolCall as _;
    let (first, second) = (signed(&turn(3, 100, 1), 1), signed(&turn(3, 100, 2), 1));
    let seats = vec![key(1).address()];
    let charter = ring_contracts::Charter {
        window: 1,
        quorum: 1,
        asset: Address::ZERO,
        cap: 1,
        period: 3_600,
        turns_per_period: 1,
        interval: 0,
        expires_at: 7,
        last_nonce: 8,
        seats,
    };
    let calldata: Bytes = Equivocation { first, second }.calldata(&charter);
    let call = ring_contracts::RingMultisig::proveEquivocationCall::abi_decode(&calldata).unwrap();
    for (shown, signed) in [(&call.first, first), (&call.second, second)] {
        assert_eq!(shown.id, signed.id.pack());
        assert_eq!(shown.callsHash, signed.calls_hash);
        assert_eq!([shown.r.0, shown.vs.0].concat(), signed.signature.as_bytes());
    }
    assert_eq!(call.first.id & U256::from((1u64 << 40) - 1), U256::from(100));
}
