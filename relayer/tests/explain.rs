//! The story of a halt: what a person and another relayer can check.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use ring_contracts::{
    Address, B256, Call, Charter, CompactSignature, Domain, Effect, Equivocation, RequestId, Turn, TurnId,
};
use ring_core::{Halt, Record, Settings, State};
use ring_relayer::{
    explain::Story,
    store::{Identity, Location, Store},
};
use tempfile::TempDir;

const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };

fn settings(keys: &[PrivateKeySigner]) -> Settings {
    let charter = Charter {
        window: 2,
        quorum: 2,
        asset: Address::ZERO,
        cap: 100,
        period: 3_600,
        turns_per_period: 100,
        interval: 0,
        expires_at: Charter::NO_EXPIRY,
        last_nonce: Charter::NO_LAST_NONCE,
        seats: keys.iter().map(PrivateKeySigner::address).collect(),
    };
    Settings {
        domain: DOMAIN,
        ring: 1,
        charter,
        key: keys[0].address(),
        next_charter: None,
        announced: Default::default(),
        other_assets: [].into(),
        requesters: [].into(),
        refill: None,
        evidence: false,
        confirmed_ticks: None,
        copies: 2,
        max_calls: 10,
        max_gas: 1_000_000,
        validity: 600,
        resend_ticks: 2,
        patience_ticks: 4,
        grace_ticks: 20,
    }
}

fn turn(amount: u128) -> Turn {
    let effect = Effect::Pay { to: Address::repeat_byte(1), amount };
    let call = Call { request_id: RequestId::repeat_byte(7), gas: 50_000, effect };
    Turn::new(TurnId { ring: 1, epoch: 3, nonce: 5, valid_until: 1_000 }, vec![call]).unwrap()
}

fn sign(key: &PrivateKeySigner, turn: &Turn) -> CompactSignature {
    key.sign_hash_sync(&turn.digest(&DOMAIN)).unwrap().into()
}

/// The story of seat 0 after these records, read back from its disk.
fn story(keys: &[PrivateKeySigner], records: &[Record]) -> Option<Story> {
    let folder = TempDir::new().unwrap();
    let (location, settings) = (Location::file(folder.path().join("store")), settings(keys));
    let identity = Identity { domain: DOMAIN, ring: 1, key: settings.key };
    let mut store = Store::create(&location, identity.clone()).unwrap();
    store.commit(&[Record::Joined { epoch: 3, nonce: 0 }]).unwrap();
    store.commit(records).unwrap();
    store.close();
    let (store, records) = Store::open(&location, identity).unwrap();
    Story::of(&State::restore(settings, records).unwrap(), &store).unwrap()
}

fn keys() -> Vec<PrivateKeySigner> {
    (0..3).map(|_| PrivateKeySigner::random()).collect()
}

#[test]
fn a_seat_that_is_not_halted_has_no_story() {
    assert!(story(&keys(), &[]).is_none());
}

#[test]
fn the_story_of_an_unknown_turn_tells_what_was_executed_and_what_this_seat_had_agreed_to() {
    let keys = keys();
    let agreed = turn(1);
    let digest = agreed.digest(&DOMAIN);
    let (stolen, transaction) = (B256::repeat_byte(0xee), B256::repeat_byte(0xdd));
    let signature = sign(&keys[2], &agreed);
    let halt = Halt::UnknownTurn { nonce: 5, digest: stolen, transaction, own_key_used: false };
    let story = story(
        &keys,
        &[Record::Content(agreed), Record::Voted { nonce: 5, digest, seat: 2, signature }, Record::Halted(halt)],
    );
    let story = story.unwrap();
    assert_eq!((story.agreed.len(), story.agreed[0].digest, &story.agreed[0].signed_by[..]), (1, digest, &[2][..]));
    let text = story.to_string();
    for part in [stolen.to_string(), transaction.to_string(), digest.to_string(), "what to do:".into()] {
        assert!(text.contains(&part), "{part} is missing:\n{text}");
    }
}

#[test]
fn an_equivocation_comes_with_a_proof_that_anybody_can_check() {
    let keys = keys();
    let (first, second) = (turn(1), turn(2));
    let signed = |turn: &Turn| turn.signed_by(sign(&keys[1], turn));
    let proof = Equivocation { first: signed(&first), second: signed(&second) };
    let halt = Halt::Equivocation {
        seat: 1,
        nonce: 5,
        first: first.digest(&DOMAIN),
        second: second.digest(&DOMAIN),
        proof: Some(Box::new(proof)),
    };
    let story = story(&keys, &[Record::Halted(halt)]).unwrap();
    let read: Equivocation = serde_json::from_value(serde_json::to_value(story.halt.proof()).unwrap()).unwrap();
    assert_eq!(read.check(&DOMAIN), Ok(keys[1].address()));
    assert!(story.to_string().contains("ring-keys prove"));
}
