//! Whatever a peer says is refused or understood: never a panic, and what was understood is written as it was read.

use proptest::{
    prelude::*,
    sample::{Index, select},
};
use ring_contracts::{B256, Call, CompactSignature, Effect, Equivocation, RequestId, SignedTurn, Turn, TurnId};
use ring_core::{Dispute, Halt, Message, Shortfall, TermsChanged, Vote};
use serde_json::{Value, json};

use super::*;
use crate::http::body;

fn read(bytes: &[u8]) -> Option<Vec<Message>> {
    body::parse(bytes).ok()
}

/// Reads, and sees that what is understood is written so that it is read as the same.
fn read_back(bytes: &[u8]) -> Result<Option<Vec<Message>>, TestCaseError> {
    let read_once = read(bytes);
    if let Some(messages) = &read_once {
        let written = serde_json::to_vec(messages).unwrap();
        let again = read(&written);
        prop_assert_eq!(again.as_ref(), Some(messages));
        prop_assert_eq!(serde_json::to_vec(&again).unwrap(), written);
    }
    Ok(read_once)
}

prop_compose! {
    fn hash()(bytes: [u8; 32]) -> B256 { B256::from(bytes) }
}

prop_compose! {
    fn id()(bytes: [u8; 16]) -> RequestId { RequestId::from(bytes) }
}

prop_compose! {
    fn signature()(front: [u8; 32], back: [u8; 32]) -> CompactSignature {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&front);
        bytes[32..].copy_from_slice(&back);
        bytes.into()
    }
}

prop_compose! {
    fn address()(bytes: [u8; 20]) -> Address { Address::from(bytes) }
}

prop_compose! {
    fn signed_request()(
        id in id(), ring: u32, target in address(), value: u128, data in prop::collection::vec(any::<u8>(), 0..80), gas: u32,
        expiry: u64, recovery: u8, signature in signature(),
    ) -> SignedRequest {
        let mut bytes = [recovery; 65];
        bytes[..64].copy_from_slice(signature.as_bytes());
        let request = Request { id, ring, target, value, data: Bytes::from(data), gas, expiry };
        SignedRequest { request, signature: bytes.into() }
    }
}

prop_compose! {
    fn turn_id()(ring: u32, epoch: u32, nonce in 0..1u64 << 40, valid_until in 0..1u64 << 40) -> TurnId {
        TurnId { ring, epoch, nonce, valid_until }
    }
}

prop_compose! {
    fn call()(
        request_id in id(), gas in 0..1u32 << 24, to in address(), amount in 0..1u128 << 96,
        data in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) -> Call {
        let effect = match data {
            None => Effect::Pay { to, amount },
            Some(data) => Effect::Call { target: to, value: amount, data: data.into() },
        };
        Call { request_id, gas, effect }
    }
}

prop_compose! {
    fn turn()(id in turn_id(), calls in prop::collection::vec(call(), 0..3)) -> Turn { Turn::new(id, calls).unwrap() }
}

prop_compose! {
    fn vote()(seat: usize, signature in signature()) -> Vote { Vote { seat, signature } }
}

fn votes() -> impl Strategy<Value = Vec<Vote>> {
    prop::collection::vec(vote(), 0..3)
}

fn halt() -> impl Strategy<Value = Halt> {
    let signed = (turn_id(), hash(), signature())
        .prop_map(|(id, calls_hash, signature)| SignedTurn { id, calls_hash, signature })
        .boxed();
    let proof = (signed.clone(), signed).prop_map(|(first, second)| Box::new(Equivocation { first, second }));
    let unknown =
        (any::<u64>(), hash(), hash(), any::<bool>()).prop_map(|(nonce, digest, transaction, own_key_used)| {
            Halt::UnknownTurn { nonce, digest, transaction, own_key_used }
        });
    let twice = (any::<usize>(), any::<u64>(), hash(), hash(), prop::option::of(proof));
    let changed = (any::<u32>(), any::<u32>(), hash());
    let dispute = (any::<u64>(), ".{0,8}", any::<u64>(), prop::collection::vec(".{0,8}", 0..3));
    let shortfall = (hash(), any::<[u64; 5]>(), prop::collection::vec(hash(), 0..3)).prop_map(
        |(asset, [from_block, to_block, before, after, explained], transactions)| {
            let [before, after, explained] = [before, after, explained].map(ring_contracts::U256::from);
            let asset = ring_contracts::Address::from_word(asset);
            Halt::Shortfall(Shortfall { asset, from_block, to_block, before, after, explained, transactions })
        },
    );
    let terms = (hash(), any::<bool>(), any::<(u64, u64)>()).prop_map(|(word, is_master, (announced, cap))| {
        let address = ring_contracts::Address::from_word(word);
        let [announced, cap] = [announced, cap].map(ring_contracts::U256::from);
        Halt::TermsChanged(match is_master {
            true => TermsChanged::Master { master: address },
            false => TermsChanged::Cap { asset: address, announced, cap },
        })
    });
    prop_oneof![
        unknown,
        twice.prop_map(|(seat, nonce, first, second, proof)| Halt::Equivocation { seat, nonce, first, second, proof }),
        (any::<u64>(), hash()).prop_map(|(nonce, digest)| Halt::UnreservedVote { nonce, digest }),
        changed.prop_map(|(expected_epoch, epoch, charter)| Halt::RingChanged { expected_epoch, epoch, charter }),
        any::<(u64, u64)>().prop_map(|(expected_nonce, nonce)| Halt::FinalityBroken { expected_nonce, nonce }),
        dispute
            .prop_map(|(since, what, block, answers)| { Halt::ChainDisputed(Dispute { since, what, block, answers }) }),
        shortfall,
        terms,
        Just(Halt::HaltedOnChain),
        ".{0,12}".prop_map(|reason| Halt::Ordered { reason }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let requests = || prop::collection::vec(signed_request(), 0..3);
    prop_oneof![
        requests().prop_map(|requests| Message::Requests { requests }),
        prop::collection::vec(id(), 0..4).prop_map(|requests| Message::Confirmed { requests }),
        (requests(), any::<u8>()).prop_map(|(requests, byte)| {
            let cancellation = ring_contracts::FixedBytes([byte; 65]);
            let cancelled = |request| ring_core::CancelledRequest { request, cancellation };
            Message::Cancellations { requests: requests.into_iter().map(cancelled).collect() }
        }),
        prop::collection::vec(hash(), 0..4).prop_map(|requests| Message::Withheld { requests }),
        (turn(), requests(), votes()).prop_map(|(turn, requests, votes)| Message::Turn { turn, requests, votes }),
        (any::<u32>(), any::<u64>(), hash(), votes()).prop_map(|(epoch, nonce, digest, votes)| Message::Votes {
            epoch,
            nonce,
            digest,
            votes
        }),
        any::<u64>().prop_map(|nonce| Message::Explain { nonce }),
        (any::<u32>(), halt()).prop_map(|(epoch, halt)| Message::Halted { epoch, halt }),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    prop::collection::vec(message(), 1..3)
}

/// Values that a sender should not choose.
fn odd() -> impl Strategy<Value = Value> {
    let number = select(vec!["-1", "1e400", "1.5", "18446744073709551616", "340282366920938463463374607431768211456"]);
    prop_oneof![
        number.prop_map(|text| serde_json::from_str(text).unwrap_or(Value::Null)),
        select(vec![
            json!(null),
            json!(true),
            json!([]),
            json!({}),
            json!(""),
            json!("0x"),
            json!("0x0"),
            json!(u64::MAX)
        ]),
        "0x[0-9a-f]{0,200}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        (1usize..200).prop_map(|depth| (0..depth).fold(json!(0), |inner, _| json!([inner]))),
    ]
}

/// What is done to one place in a message.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Value),
    Remove,
    Add(String),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => odd().prop_map(Damage::Replace),
        1 => Just(Damage::Remove),
        1 => "[a-z]{1,8}".prop_map(Damage::Add),
    ]
}

/// Every place in a value, as the way to it.
fn places(value: &Value, way: &str, found: &mut Vec<String>) {
    found.push(way.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{way}/{index}"), found));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, field)| places(field, &format!("{way}/{name}"), found)),
        _ => {}
    }
}

fn spoil(value: &mut Value, at: Index, damage: Damage) {
    let mut found = Vec::new();
    places(value, "", &mut found);
    let way = at.get(&found).clone();
    match damage {
        Damage::Replace(odd) => *value.pointer_mut(&way).unwrap() = odd,
        Damage::Add(name) => {
            if let Some(Value::Object(fields)) = value.pointer_mut(&way) {
                fields.insert(name, json!(1));
            }
        }
        Damage::Remove => {
            let Some((parent, name)) = way.rsplit_once('/') else { return };
            match value.pointer_mut(parent).unwrap() {
                Value::Array(items) => drop(items.remove(name.parse().unwrap())),
                Value::Object(fields) => drop(fields.remove(name)),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_message_is_read_as_it_was_written(said in messages()) {
        let written = serde_json::to_vec(&said).unwrap();
        prop_assert_eq!(read_back(&written)?, Some(said));
    }

    #[test]
    fn any_bytes_are_refused_or_understood(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_back(&bytes)?;
    }

    #[test]
    fn a_message_with_bytes_changed_or_cut_off_is_refused_or_understood(
        said in messages(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4), cut in any::<Option<Index>>(),
    ) {
        let mut bytes = serde_json::to_vec(&said).unwrap();
        for (at, byte) in changes {
            let index = at.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(at) = cut {
            bytes.truncate(at.index(bytes.len()));
        }
        read_back(&bytes)?;
    }

    #[test]
    fn a_message_with_anything_else_in_any_place_is_refused_or_understood(
        said in messages(), damages in prop::collection::vec((any::<Index>(), damage()), 1..4),
    ) {
        let mut value = serde_json::to_value(&said).unwrap();
        for (at, damage) in damages {
            spoil(&mut value, at, damage);
        }
        read_back(&serde_json::to_vec(&value).unwrap())?;
    }

    #[test]
    fn a_field_that_means_nothing_is_refused_wherever_it_is(said in messages(), at: Index) {
        let mut value = serde_json::to_value(&said).unwrap();
        let mut ways = Vec::new();
        places(&value, "", &mut ways);
        // A variant without fields is known by its kind alone: serde looks at nothing else there.
        let takes_anything = |object: &Value| object["kind"] == "haltedOnChain";
        ways.retain(|way| value.pointer(way).is_some_and(|place| place.is_object() && !takes_anything(place)));
        let way = at.get(&ways);
        value.pointer_mut(way).unwrap().as_object_mut().unwrap().insert("zzz".to_owned(), json!(1));
        prop_assert_eq!(read(&serde_json::to_vec(&value).unwrap()), None);
    }

    #[test]
    fn a_field_given_twice_is_refused(nonce: u64, other: u64) {
        let text = format!("[{{\"type\":\"explain\",\"nonce\":{nonce},\"nonce\":{other}}}]");
        prop_assert_eq!(read(text.as_bytes()), None);
    }

    #[test]
    fn a_number_that_is_too_large_is_refused_and_not_cut(beyond in u64::from(u32::MAX) + 1.., nonce in 1u64 << 40..) {
        let digest = B256::ZERO;
        for text in [
            format!("[{{\"type\":\"votes\",\"epoch\":{beyond},\"nonce\":1,\"digest\":\"{digest}\",\"votes\":[]}}]"),
            format!(
                "[{{\"type\":\"turn\",\"turn\":{{\"id\":{{\"ring\":1,\"epoch\":1,\"nonce\":{nonce},\"validUntil\":1}},\
                 \"calls\":\"0x\"}},\"requests\":[],\"votes\":[]}}]"
            ),
            format!("[{{\"type\":\"explain\",\"nonce\":{beyond}0000000000}}]"),
        ] {
            prop_assert_eq!(read(text.as_bytes()), None, "{}", text);
        }
    }
}

#[test]
fn what_is_nested_deeply_is_refused_and_costs_no_stack() {
    for (open, close) in [("[", "]"), ("{\"type\":", "}"), ("[{\"type\":\"halted\",\"epoch\":1,\"halt\":", "}]")] {
        for closed in [true, false] {
            let depth = 100_000;
            let text = open.repeat(depth) + "1" + &if closed { close.repeat(depth) } else { String::new() };
            assert_eq!(read(text.as_bytes()), None, "{open}");
        }
    }
}
