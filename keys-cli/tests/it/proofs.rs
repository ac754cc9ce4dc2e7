//! Two contents that one key signed: what is sent, and what is not.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use ring_contracts::{Call, CompactSignature, Domain, Effect, Equivocation, SignedTurn, Turn, TurnId};
use secrecy::SecretString;
use serde_json::json;

use crate::harness::{Bench, MNEMONIC, NAMES, address, by, lower};

fn key(name: &str) -> PrivateKeySigner {
    let index = NAMES.iter().position(|other| *other == name).expect("it is one of the names");
    ring_keystore::from_mnemonic(&SecretString::from(MNEMONIC), index as u32).expect("it is a mnemonic")
}

fn turn(epoch: u32, nonce: u64, amount: u128) -> Turn {
    let effect = Effect::Pay { to: address("spare"), amount };
    let id = TurnId { ring: 1, epoch, nonce, valid_until: TurnId::NO_EXPIRY };
    Turn::new(id, vec![Call { request_id: Default::default(), gas: 1, effect }]).expect("it is a turn")
}

impl Bench {
    fn signed_turn(&self, turn: &Turn, name: &str) -> SignedTurn {
        let domain = Domain { chain_id: 31337, contract: self.contract.parse().expect("an address") };
        let signature = key(name).sign_hash_sync(&turn.digest(&domain)).expect("it signs");
        turn.signed_by(CompactSignature::from(signature))
    }

    fn write_proof(&self, first: SignedTurn, second: SignedTurn) {
        let json = serde_json::to_string(&Equivocation { first, second }).expect("it is JSON");
        self.place.write("proof.json", &json);
    }
}

fn prove() -> String {
    format!("prove --in proof.json {}", by("stranger"))
}

#[test]
fn two_contents_of_one_key_revoke_it_and_halt_the_ring_whoever_sends_them() {
    let bench = Bench::with_ring();
    bench.write_proof(bench.signed_turn(&turn(1, 5, 1), "op1"), bench.signed_turn(&turn(1, 5, 2), "op1"));
    let words = bench.run(&prove()).ok().err;
    for word in [&address("op1").to_string(), "seat 1 of ring 1", "turn 5", "epoch 1", "revoked"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
    let ring = bench.ring();
    assert_eq!((&ring["halted"], &ring["epoch"]), (&json!(true), &json!(2)));
    assert_eq!(ring["charter"]["seats"][1], lower(Default::default()));
    bench.refused(&prove(), 4, &[&address("op1").to_string(), "has no seat in ring 1"]);
}

#[test]
fn a_proof_of_an_earlier_epoch_counts_and_one_of_a_later_does_not() {
    let bench = Bench::with_ring();
    bench.write_proof(bench.signed_turn(&turn(2, 0, 1), "op0"), bench.signed_turn(&turn(2, 0, 2), "op0"));
    bench.refused(&prove(), 4, &["of epoch 2 of ring 1, which is in epoch 1"]);
    for _ in 0..2 {
        bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
    }
    bench.run(&prove()).ok();
}

#[test]
fn what_proves_nothing_is_not_sent() {
    let bench = Bench::with_ring();
    let first = bench.signed_turn(&turn(1, 5, 1), "op1");
    let cases = [
        (bench.signed_turn(&turn(1, 6, 2), "op1"), "both may be honest"),
        (bench.signed_turn(&Turn::void(1, 1, 5), "op1"), "void"),
        (first, "one and the same"),
        (bench.signed_turn(&turn(1, 5, 2), "op2"), "by two keys"),
    ];
    for (second, word) in cases {
        bench.write_proof(first, second);
        bench.refused(&prove(), 4, &["proof.json proves nothing", word]);
    }
    bench.write_proof(bench.signed_turn(&turn(1, 5, 1), "spare"), bench.signed_turn(&turn(1, 5, 2), "spare"));
    bench.refused(&prove(), 4, &[&address("spare").to_string(), "has no seat"]);
    bench.place.write("proof.json", "{\"first\": 7}");
    bench.refused(&prove(), 4, &["no pair of signed turns", "callsHash"]);
    bench.refused(&prove().replace("proof.json", "none.json"), 3, &["none.json"]);
}
