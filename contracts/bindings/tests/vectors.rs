//! The vectors that the contract made, reproduced by these bindings: packings, digests, signatures, charters, witnesses. Those
//! of cancellations, of which the contract knows nothing, were made by viem.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

use std::{fs, path::Path};

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, Signature, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use ring_contracts::{
    Action, Call, Cancellation, Charter, CompactSignature, Domain, Effect, Halt, LimitSetting, Permission, Request,
    Seat, SignedCancellation, SignedRequest, Turn, TurnId, witness,
};
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!vectors.is_empty(), "{name} is empty: nothing would be checked");
    vectors
}

/// Reads what a vector writes as text.
fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

fn domain(vector: &Value) -> Domain {
    let domain = &vector["domain"];
    assert_eq!((domain["name"].as_str(), domain["version"].as_str()), (Some("Ring Window"), Some("1")));
    Domain { chain_id: read(&domain["chainId"]), contract: read(&domain["verifyingContract"]) }
}

/// Checks digest, signer and both forms of the signature.
fn check_signature(vector: &Value, digest: B256) {
    let name = &vector["name"];
    assert_eq!(digest, read::<B256>(&vector["digest"]), "{name}");
    let key: PrivateKeySigner = read(&vector["privateKey"]);
    let signature = key.sign_hash_sync(&digest).unwrap();
    assert_eq!(key.address(), read::<Address>(&vector["signer"]), "{name}");
    assert_eq!(signature, read::<Signature>(&vector["signature"]), "{name}");
    let compact = CompactSignature::from(signature);
    assert_eq!(compact.as_bytes(), &*read::<FixedBytes<64>>(&vector["compactSignature"]), "{name}");
    assert_eq!(compact.recover(&digest), Ok(key.address()), "{name}");
}

fn charter(value: &Value) -> Charter {
    Charter {
        window: read(&value["window"]),
        quorum: read(&value["quorum"]),
        asset: read(&value["asset"]),
        cap: read(&value["cap"]),
        period: read(&value["period"]),
        turns_per_period: read(&value["turnsPerPeriod"]),
        interval: read(&value["interval"]),
        expires_at: read(&value["expiresAt"]),
        last_nonce: read(&value["lastNonce"]),
        seats: value["seats"].as_array().unwrap().iter().map(read).collect(),
    }
}

fn call(value: &Value) -> Call {
    let (target, amount) = (read(&value["target"]), read(&value["amount"]));
    let effect = match value["kind"].as_str().unwrap() {
        "pay" => Effect::Pay { to: target, amount },
        "call" => Effect::Call { target, value: amount, data: read(&value["data"]) },
        kind => panic!("{kind} is no kind of call"),
    };
    Call { request_id: read(&value["requestId"]), gas: read(&value["gas"]), effect }
}

#[test]
fn turns_are_packed_and_hashed_as_the_contract_does() {
    for vector in vectors("turns.json") {
        let (name, message) = (&vector["name"], &vector["message"]);
        let id = TurnId {
            ring: read(&message["ring"]),
            epoch: read(&message["epoch"]),
            nonce: read(&message["nonce"]),
            valid_until: read(&message["validUntil"]),
        };
        let calls: Vec<Call> = vector["decodedCalls"].as_array().unwrap().iter().map(call).collect();
        let turn = Turn::new(id, calls).unwrap();
        assert_eq!(*turn.packed_calls(), read::<Bytes>(&vector["calls"]), "{name}");
        assert_eq!(Turn::from_packed(id, read(&vector["calls"])), Ok(turn.clone()), "{name}");
        assert_eq!(id.pack(), read::<U256>(&vector["id"]), "{name}");
        assert_eq!(TurnId::unpack(id.pack()), Some(id), "{name}");
        check_signature(&vector, turn.digest(&domain(&vector)));
        let there_and_back: Turn = serde_json::from_str(&serde_json::to_string(&turn).unwrap()).unwrap();
        assert_eq!(there_and_back, turn, "{name}");
    }
}

#[test]
fn charters_are_packed_and_hashed_as_the_contract_does() {
    for vector in vectors("turns.json") {
        let (name, value) = (&vector["name"], &vector["charter"]);
        let charter = charter(value);
        assert_eq!(charter.terms(), read::<B256>(&value["terms"]), "{name}");
        assert_eq!(charter.budget(), read::<B256>(&value["budget"]), "{name}");
        assert_eq!(charter.commitment(), read::<B256>(&value["hash"]), "{name}");
    }
}

#[test]
fn witnesses_are_written_as_the_contract_reads_them() {
    for vector in vectors("turns.json") {
        let (name, charter) = (&vector["name"], charter(&vector["charter"]));
        let (nonce, count) = (read::<u64>(&vector["message"]["nonce"]), charter.seats.len() as u64);
        let (expected, digest) = (read::<Bytes>(&vector["witness"]), read::<B256>(&vector["digest"]));
        // Who stands behind the turn, read off the witness itself.
        let mut stands = vec![None; charter.seats.len()];
        let mut rest = expected.as_ref();
        for position in 0..count {
            let seat = usize::try_from((nonce % count + position) % count).unwrap();
            let length = match rest[0] {
                0 => 20,
                1 => {
                    let signature = CompactSignature::from(<[u8; 64]>::try_from(&rest[1..65]).unwrap());
                    assert_eq!(signature.verify(&digest, charter.seats[seat]), Ok(()), "{name}");
                    stands[seat] = Some(Seat::Signed(signature));
                    64
                }
                _ => {
                    stands[seat] = Some(Seat::Sender);
                    0
                }
            };
            rest = &rest[1 + length..];
        }
        assert_eq!(witness(&charter, nonce, |seat| stands[seat]), Ok(expected), "{name}");
    }
}

/// Reads what a vector writes as a word.
fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| read(value))
}

fn permission(value: &Value) -> Permission {
    Permission {
        target: read(&value["target"]),
        selector: read(&value["selector"]),
        allowed: flag(&value["allowed"]),
        amount_word: read(&value["amountWord"]),
        asset: read(&value["asset"]),
        address_words: read(&value["addressWords"]),
    }
}

fn limit(value: &Value) -> LimitSetting {
    LimitSetting { asset: read(&value["asset"]), cap: read(&value["cap"]), period: read(&value["period"]) }
}

fn action(vector: &Value) -> Option<Action> {
    let message = &vector["message"];
    let ring = || read::<u32>(&message["ring"]);
    let epoch = || read::<u32>(&message["epoch"]);
    let list = |name: &str| message[name].as_array().unwrap().iter();
    Some(match vector["primaryType"].as_str().unwrap() {
        "FormRing" => Action::FormRing { ring: ring(), epoch: epoch(), charter: charter(message) },
        "Resume" => Action::Resume { ring: ring(), epoch: epoch() },
        "Revoke" => Action::Revoke { ring: ring(), key: read(&message["key"]) },
        "Replace" => Action::Replace {
            ring: ring(),
            epoch: epoch(),
            seat: read(&message["seat"]),
            key: read(&message["key"]),
            and_resume: flag(&message["andResume"]),
        },
        "SetPermissions" => {
            Action::SetPermissions { ring: ring(), permissions: list("permissions").map(permission).collect() }
        }
        "SetLimits" => Action::SetLimits { ring: ring(), limits: list("limits").map(limit).collect() },
        "PermitPayment" => Action::PermitPayment {
            ring: ring(),
            epoch: epoch(),
            request_id: read(&message["requestId"]),
            asset: read(&message["asset"]),
            to: read(&message["to"]),
            amount: read(&message["amount"]),
        },
        "SetGuardian" => Action::SetGuardian { guardian: read(&message["guardian"]) },
        "TransferMaster" => Action::TransferMaster { new_master: read(&message["newMaster"]) },
        "AcceptMaster" => Action::AcceptMaster {},
        "MasterExecute" => Action::MasterExecute {
            target: read(&message["target"]),
            value: read(&message["value"]),
            data: read(&message["data"]),
            gas: read(&message["gas"]),
        },
        _ => return None,
    })
}

#[test]
fn every_action_is_hashed_as_the_contract_does() {
    let mut kinds = std::collections::BTreeSet::new();
    for vector in vectors("actions.json") {
        let message = &vector["message"];
        let digest = match action(&vector) {
            Some(action) => {
                kinds.insert(vector["primaryType"].to_string());
                assert_eq!(action.check(), Ok(()), "{}", vector["name"]);
                let json = serde_json::to_string(&action).unwrap();
                assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action, "{}", vector["name"]);
                action.digest(&domain(&vector), read(&message["nonce"]), read(&message["deadline"]))
            }
            None => Halt { ring: read(&message["ring"]), epoch: read(&message["epoch"]) }.digest(&domain(&vector)),
        };
        check_signature(&vector, digest);
    }
    assert_eq!(kinds.len(), 11, "an action has no vector");
}

#[test]
fn requests_are_hashed_as_any_eip_712_library_does() {
    for vector in vectors("requests.json") {
        let (name, message) = (&vector["name"], &vector["message"]);
        let request = Request {
            id: read(&message["id"]),
            ring: read(&message["ring"]),
            target: read(&message["target"]),
            value: read(&message["value"]),
            data: read(&message["data"]),
            gas: read(&message["gas"]),
            expiry: read(&message["expiry"]),
        };
        check_signature(&vector, request.digest(&domain(&vector)));
        let signed = SignedRequest { request, signature: read(&vector["signature"]) };
        assert_eq!(signed.requester(&domain(&vector)), Ok(read(&vector["signer"])), "{name}");
    }
}

#[test]
fn cancellations_have_the_digest_that_other_encoders_give_them() {
    for (vector, of_request) in vectors("cancellations.json").iter().zip(vectors("requests.json")) {
        let (name, message) = (&vector["name"], &vector["message"]);
        let cancellation =
            Cancellation { id: read(&message["id"]), ring: read(&message["ring"]), request: read(&message["request"]) };
        check_signature(vector, cancellation.digest(&domain(vector)));
        assert_eq!(cancellation.request, read::<B256>(&of_request["digest"]), "{name}");
        let signed = SignedCancellation { cancellation, signature: read(&vector["signature"]) };
        assert_eq!(signed.signer(&domain(vector)), Ok(read(&vector["signer"])), "{name}");
    }
}
