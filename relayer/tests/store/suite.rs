//! What a store promises, whatever database it is kept in.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use futures::executor::block_on;
use ring_contracts::{
    Address, B256, Bytes, Call, CompactSignature, Domain, Effect, FixedBytes, Request, RequestId, SignedRequest, Turn,
    TurnId, U256,
};
use ring_core::{BoundTurn, Halt as HaltReason, Message, Outcome, Phase, Record, Settled};
use ring_relayer::{
    signer::Signer,
    store::{
        Booking, Change, Deliveries, DurableEvent, Held, Identity, Place, Raised, Store, StoreError, Told, Untold,
        Waiting,
    },
};

use crate::bench::{Bench, DOMAIN};

pub(crate) fn request(number: u8) -> SignedRequest {
    let request = Request {
        id: RequestId::repeat_byte(number),
        ring: 1,
        target: Address::repeat_byte(1),
        value: 1,
        data: Bytes::new(),
        gas: 50_000,
        expiry: 1_000,
    };
    // The store believes the state machine, which has checked it.
    SignedRequest { request, signature: Default::default() }
}

pub(crate) fn finality(nonce: u64, settled: Vec<(RequestId, Outcome)>) -> Record {
    Record::Final { nonce, digest: B256::ZERO, block: nonce, settled }
}

pub(crate) fn turn(nonce: u64, amount: u128) -> Turn {
    let effect = Effect::Pay { to: Address::repeat_byte(1), amount };
    let call = Call { request_id: RequestId::repeat_byte(7), gas: 50_000, effect };
    Turn::new(TurnId { ring: 1, epoch: 3, nonce, valid_until: 1_000 }, vec![call]).unwrap()
}

pub(crate) fn reserve(turn: &Turn) -> [Record; 2] {
    let digest = turn.digest(&DOMAIN);
    [Record::Content(turn.clone()), Record::Reserved { nonce: turn.id().nonce, digest, void: false }]
}

pub(crate) fn vote(turn: &Turn, key: &PrivateKeySigner) -> Record {
    let digest = turn.digest(&DOMAIN);
    let signature = CompactSignature::from(key.sign_hash_sync(&digest).unwrap());
    Record::Voted { nonce: turn.id().nonce, digest, seat: 0, signature }
}

pub(crate) fn what_was_committed_is_there_after_a_restart_in_order(bench: &Bench) {
    let mut store = bench.create();
    let mut expected = vec![Record::Joined { epoch: 3, nonce: 0 }];
    for nonce in 0..5 {
        let [content, reserved] = reserve(&turn(nonce, 1));
        let records = [content, reserved, vote(&turn(nonce, 1), &bench.key)];
        store.commit(&records).unwrap();
        expected.extend(records);
    }
    let halted = [Record::Halted(HaltReason::HaltedOnChain)];
    store.commit(&halted).unwrap();
    expected.extend(halted);
    store.close();
    assert_eq!(bench.open().unwrap().1, expected);
}

pub(crate) fn only_what_is_reserved_on_disk_can_be_signed(bench: &Bench) {
    let mut store = bench.create();
    let content = turn(0, 1);
    store.commit(&[Record::Content(content.clone())]).unwrap();
    let digest = content.digest(&DOMAIN);
    assert!(store.reservation(0, digest).unwrap().is_none(), "agreeing is not reserving");

    store.commit(&[Record::Reserved { nonce: 0, digest, void: false }]).unwrap();
    let reservation = store.reservation(0, digest).unwrap().unwrap();
    let signature = block_on(bench.signer().sign_turn(&reservation, Vec::new())).unwrap();
    assert_eq!(signature.recover(&digest), Ok(bench.key.address()));
    assert!(store.reservation(1, digest).unwrap().is_none(), "another nonce is another reservation");
}

pub(crate) fn a_nonce_has_one_content_and_beside_it_the_void(bench: &Bench) {
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    let void = Turn::void(1, 3, 0).digest(&DOMAIN);
    store.commit(&[Record::Reserved { nonce: 0, digest: void, void: true }]).unwrap();
    assert_eq!(*store.reservation(0, void).unwrap().unwrap().turn(), Turn::void(1, 3, 0));

    let second = store.commit(&reserve(&turn(0, 2)));
    assert!(matches!(second, Err(StoreError::Database(_))), "{second:?}");
    store.close();
    let (_, records) = bench.open().unwrap();
    assert!(!records.contains(&Record::Content(turn(0, 2))), "a refused commit leaves nothing behind");
}

pub(crate) fn an_own_signature_without_a_reservation_cannot_be_written(bench: &Bench) {
    let mut store = bench.create();
    store.commit(&[Record::Content(turn(0, 1))]).unwrap();
    assert!(matches!(store.commit(&[vote(&turn(0, 1), &bench.key)]), Err(StoreError::Database(_))));
}

pub(crate) fn a_missing_store_is_refused_and_an_existing_one_is_not_overwritten(bench: &Bench) {
    assert!(matches!(bench.open(), Err(StoreError::Missing(_))));
    bench.create().close();
    assert!(matches!(Store::create(&bench.location(), bench.identity()), Err(StoreError::Exists(_))));
    assert_eq!(bench.open().unwrap().1.len(), 1);
}

pub(crate) fn a_second_process_of_the_seat_is_refused(bench: &Bench) {
    let store = bench.create();
    assert!(matches!(bench.open(), Err(StoreError::InUse(_))));
    store.close();
    bench.open().unwrap();
}

pub(crate) fn a_store_of_another_seat_ring_or_chain_is_refused(bench: &Bench) {
    bench.create().close();
    let others = [
        Identity { key: Address::repeat_byte(9), ..bench.identity() },
        Identity { ring: 2, ..bench.identity() },
        Identity { domain: Domain { chain_id: 1, ..DOMAIN }, ..bench.identity() },
    ];
    for other in others {
        let opened = Store::open(&bench.location(), other);
        assert!(matches!(opened, Err(StoreError::OtherIdentity { .. })), "{opened:?}");
    }
}

pub(crate) fn a_record_changed_removed_or_inserted_is_found(bench: &Bench) {
    let damages = [
        "UPDATE journal SET record = replace(record, '\"nonce\":1', '\"nonce\":2') WHERE seq = 5",
        "DELETE FROM journal WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 5",
        "DELETE FROM live WHERE seq = 3",
        "UPDATE live SET seq = 9 WHERE seq = 5",
        "INSERT INTO journal SELECT seq + 1, epoch, nonce, record, checksum FROM journal WHERE seq = 5",
        "UPDATE totals SET live = live + 1",
        "DELETE FROM totals",
    ];
    for damage in damages {
        let bench = bench.another();
        let mut store = bench.create();
        store.commit(&reserve(&turn(0, 1))).unwrap();
        store.commit(&reserve(&turn(1, 1))).unwrap();
        store.close();
        bench.alter(damage);
        let opened = bench.open().map(|(_, records)| records);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{damage}: {opened:?}");
    }
}

pub(crate) fn damage_to_what_a_start_does_not_read_is_found_by_reading_all(bench: &Bench) {
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    store.commit(&[finality(0, vec![])]).unwrap();
    assert_eq!(store.verify().unwrap(), 4);
    store.close();
    for damage in [
        "UPDATE journal SET record = replace(record, '\"nonce\":0', '\"nonce\":7') WHERE seq = 2",
        "UPDATE journal SET checksum = (SELECT checksum FROM journal WHERE seq = 1) WHERE seq = 3",
    ] {
        bench.alter(damage);
        let (store, _) = bench.open().unwrap();
        let verified = store.verify();
        assert!(matches!(verified, Err(StoreError::Damaged { .. })), "{damage}: {verified:?}");
        store.close();
    }
}

pub(crate) fn a_start_reads_what_is_open_and_no_history(bench: &Bench) {
    let mut store = bench.create();
    let [ended, expired, open] = [1, 2, 3].map(request);
    store.commit(&[&ended, &expired, &open].map(|signed| Record::Request(signed.clone()))).unwrap();
    for nonce in 0..2 {
        store.commit(&reserve(&turn(nonce, 1))).unwrap();
        store.commit(&[vote(&turn(nonce, 1), &bench.key)]).unwrap();
    }
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let first = finality(0, vec![(ended.request.id, executed)]);
    let second = finality(1, vec![]);
    let settled = Record::Settled { request: expired.request.id, outcome: Outcome::Expired };
    store.commit(&[first, settled]).unwrap();
    let [content, reserved] = reserve(&turn(2, 1));
    store.commit(&[second.clone(), content.clone(), reserved.clone()]).unwrap();
    store.close();
    let joined = Record::Joined { epoch: 3, nonce: 0 };
    assert_eq!(bench.open().unwrap().1, [joined, Record::Request(open), second, content, reserved]);
}

pub(crate) fn an_end_is_found_by_id_and_stays_the_first(bench: &Bench) {
    let mut store = bench.create();
    let (known, foreign) = (request(1), RequestId::repeat_byte(0xee));
    store.commit(&[Record::Request(known.clone())]).unwrap();
    let id = known.request.id;
    assert!(store.settled([id, foreign]).unwrap().is_empty());

    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let again = Outcome::Disputed { nonce: 1, transaction: B256::ZERO };
    store.commit(&[finality(0, vec![(id, executed), (foreign, executed)])]).unwrap();
    store.commit(&[finality(1, vec![(id, again), (foreign, again)])]).unwrap();
    store.close();
    let (mut store, _) = bench.open().unwrap();
    let past = store.settled([id, foreign]).unwrap();
    assert_eq!(past[&id], Settled { digest: Some(known.request.digest(&DOMAIN)), outcome: executed });
    assert_eq!(past[&foreign], Settled { digest: None, outcome: executed });

    let taken_again = store.commit(&[Record::Request(known)]);
    assert!(matches!(taken_again, Err(StoreError::Database(_))), "{taken_again:?}");
}

/// What the store says of a request in a change.
fn told(history: &[Change]) -> Vec<String> {
    history.iter().map(|change| serde_json::to_value(&change.event).unwrap()["status"].to_string()).collect()
}

pub(crate) fn the_history_is_read_in_pieces_from_any_place_and_a_request_ends_in_it_once(bench: &Bench) {
    let mut store = bench.create();
    let (one, two) = (request(1), request(2));
    let (one_id, two_id) = (one.request.id, two.request.id);
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let again = Outcome::Disputed { nonce: 1, transaction: B256::ZERO };
    let records =
        [Record::Request(one), Record::Request(two), finality(0, vec![(one_id, executed), (two_id, executed)])];
    store.commit(&records).unwrap();
    assert_eq!(told(&store.changes(&records).unwrap()), ["\"received\"", "\"received\"", "\"final\"", "\"final\""]);
    store.commit(&[finality(1, vec![(one_id, again)])]).unwrap();

    let start = Place::after(1);
    let whole = store.history(start, 100).unwrap();
    assert!(whole.is_all() && whole.reached == store.end());
    assert_eq!(told(&whole.changes), ["\"received\"", "\"received\"", "\"final\"", "\"final\""]);
    for (index, change) in whole.changes.iter().enumerate() {
        let mut rest = Vec::new();
        let mut place = change.place;
        while place < store.end() {
            let piece = store.history(place, 1).unwrap();
            rest.extend(piece.changes);
            // From inside a record on, the first piece is the rest of that record.
            place = piece.reached;
        }
        assert_eq!(rest, whole.changes[index + 1..], "after {}", change.place);
    }
}

pub(crate) fn what_a_client_asked_for_is_there_with_who_signed_it(bench: &Bench) {
    let mut store = bench.create();
    let mut signed = request(1);
    let signature = bench.key.sign_hash_sync(&signed.request.digest(&DOMAIN)).unwrap();
    signed.signature = ring_contracts::FixedBytes(signature.as_bytes());
    store.commit(&[Record::Request(signed.clone())]).unwrap();
    let posted = store.posted(signed.request.id).unwrap().unwrap();
    assert_eq!((posted.request, posted.requester), (signed.request, Some(bench.key.address())));
    assert_eq!(store.posted(RequestId::repeat_byte(9)).unwrap(), None);
}

pub(crate) fn what_a_peer_asks_for_is_there_after_it_is_final(bench: &Bench) {
    let mut store = bench.create();
    let signed = request(7);
    let effect = Effect::Pay { to: signed.request.target, amount: 1 };
    let call = Call { request_id: signed.request.id, gas: 50_000, effect };
    let turn = Turn::new(TurnId { ring: 1, epoch: 3, nonce: 0, valid_until: 1_000 }, vec![call]).unwrap();
    store.commit(&[Record::Request(signed.clone())]).unwrap();
    store.commit(&reserve(&turn)).unwrap();
    store.commit(&[vote(&turn, &bench.key)]).unwrap();
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    store.commit(&[finality(0, vec![(signed.request.id, executed)])]).unwrap();
    let contents = store.contents(0).unwrap();
    let [Message::Turn { turn: told, requests, votes }] = &contents[..] else { panic!("{contents:?}") };
    assert_eq!((told, &requests[..], votes.len()), (&turn, &[signed][..], 1));
}

pub(crate) fn a_standby_gets_nothing_until_the_first_has_ended_and_then_all(bench: &Bench) {
    let mut store = bench.create();
    let mut waiting = Waiting::new(&bench.location()).unwrap();
    for nonce in 0..3 {
        assert!(waiting.try_take().unwrap().is_none(), "never two at once");
        store.commit(&reserve(&turn(nonce, 1))).unwrap();
    }
    store.close();
    let (store, records) = waiting.try_take().unwrap().expect("it is free").open(bench.identity()).unwrap();
    assert_eq!(records.len(), 7);
    assert!(matches!(bench.open(), Err(StoreError::InUse(_))));
    store.close();
}

pub(crate) fn what_many_requests_ended_in_is_read_back_for_each(bench: &Bench) {
    let mut store = bench.create();
    let requests: Vec<Record> = (0..200).map(|number| Record::Request(request(number))).collect();
    store.commit(&requests).unwrap();
    let ends = |number: u8| match number % 2 {
        0 => Outcome::Executed { nonce: 0, transaction: B256::repeat_byte(number) },
        _ => Outcome::Failed { nonce: 0, transaction: B256::repeat_byte(number) },
    };
    let settled = (0..200).map(|number| (RequestId::repeat_byte(number), ends(number))).collect();
    store.commit(&[finality(0, settled)]).unwrap();
    store.close();
    let (store, records) = bench.open().unwrap();
    assert_eq!(records.len(), 2, "none is open");
    let past = store.settled((0..=255).map(RequestId::repeat_byte)).unwrap();
    assert_eq!(past.len(), 200);
    assert!((0..200).all(|number| past[&RequestId::repeat_byte(number)].outcome == ends(number)));
    store.close();
}

pub(crate) fn a_seat_goes_on_with_another_key_in_the_next_epoch_and_forgets_nothing(bench: &Bench) {
    let mut store = bench.create();
    store.commit(&[Record::Request(request(7))]).unwrap();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    let digest = turn(0, 1).digest(&DOMAIN);
    let charter = B256::repeat_byte(4);
    let succeeded = Record::Succeeded { epoch: 4, nonce: 0, charter };
    let next = Identity { key: Address::repeat_byte(9), ..bench.identity() };
    // Both or neither: the second record cannot be written.
    let twice = store.succeed(next.key, &[succeeded.clone(), Record::Request(request(7))]);
    assert!(matches!(twice, Err(StoreError::Database(_))), "{twice:?}");
    store.close();
    let held = Held::take(&bench.location()).unwrap();
    assert_eq!(held.succeeded_to().unwrap(), None);
    let (mut store, _) = held.open(bench.identity()).unwrap();

    store.succeed(next.key, std::slice::from_ref(&succeeded)).unwrap();
    assert!(store.reservation(0, digest).unwrap().is_none(), "what the old key may sign the new one may not");
    store.close();
    assert!(matches!(bench.open(), Err(StoreError::OtherIdentity { .. })), "the old key has no store any more");
    let held = Held::take(&bench.location()).unwrap();
    assert_eq!(held.succeeded_to().unwrap(), Some(charter));
    let (store, records) = held.open(next).unwrap();
    assert_eq!(records.last(), Some(&succeeded));
    assert!(records.contains(&Record::Request(request(7))));
    let contents = store.contents(0).unwrap();
    assert!(matches!(&contents[..], [Message::Turn { turn: of, .. }] if *of == turn(0, 1)), "for who is behind");
    store.verify().unwrap();
    store.close();
}

pub(crate) fn a_cancellation_is_there_after_a_restart_until_its_request_has_ended(bench: &Bench) {
    let mut store = bench.create();
    let id = RequestId::repeat_byte;
    let cancellation = |number: u8| FixedBytes::repeat_byte(number);
    let withheld = |number| Record::Withheld { request: id(number), cancellation: cancellation(number) };
    for number in 1..=3 {
        store.commit(&[Record::Request(request(number))]).unwrap();
        store.commit(&[withheld(number)]).unwrap();
    }
    let cancelled = Outcome::Cancelled { cancellation: cancellation(1) };
    store.commit(&[Record::Settled { request: id(1), outcome: cancelled }]).unwrap();
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    store.commit(&[finality(0, vec![(id(2), executed)])]).unwrap();
    store.commit(&[Record::Joined { epoch: 4, nonce: 1 }]).unwrap();
    store.close();

    let (store, records) = bench.open().unwrap();
    let about: Vec<&Record> = records
        .iter()
        .filter(|record| matches!(record, Record::Request(_) | Record::Withheld { .. } | Record::Settled { .. }))
        .collect();
    assert_eq!(about, [&Record::Request(request(3)), &withheld(3)]);
    let past = store.settled([1, 2, 3].map(id)).unwrap();
    assert_eq!(past[&id(1)].outcome, cancelled);
    assert_eq!(past[&id(2)].outcome, executed);
    assert!(!past.contains_key(&id(3)));
    store.verify().unwrap();
}

pub(crate) fn the_history_tells_of_a_cancellation_and_that_a_turn_bound_what_was_cancelled(bench: &Bench) {
    let mut store = bench.create();
    let id = RequestId::repeat_byte(7);
    let cancellation = FixedBytes::repeat_byte(7);
    store.commit(&[Record::Request(request(7))]).unwrap();
    store.commit(&[Record::Content(turn(0, 1))]).unwrap();
    store.commit(&[Record::Withheld { request: id, cancellation }]).unwrap();
    store.commit(&[Record::Content(turn(1, 1))]).unwrap();
    store.commit(&[Record::Settled { request: id, outcome: Outcome::Cancelled { cancellation } }]).unwrap();
    let history = store.history(Place::START, 100).unwrap();
    let phases: Vec<Phase> = history
        .changes
        .into_iter()
        .filter_map(|change| match change.event {
            DurableEvent::Request { status } => Some(status.phase),
            _ => None,
        })
        .collect();
    let expected = [
        Phase::Received,
        Phase::Signing { epoch: 3, nonce: 0 },
        Phase::Cancelling { turn: None },
        Phase::Cancelling { turn: Some(BoundTurn { epoch: 3, nonce: 1 }) },
        Phase::Cancelled,
    ];
    assert_eq!(phases, expected);
}

fn booking(number: u8, at: u64, expiry: u64) -> Booking {
    Booking {
        request: RequestId::repeat_byte(number),
        requester: Address::repeat_byte(1),
        asset: Address::ZERO,
        recipient: Address::repeat_byte(2),
        amount: U256::MAX - U256::from(number),
        at,
        expiry,
    }
}

pub(crate) fn what_was_booked_is_there_after_a_restart_as_long_as_it_counts(bench: &Bench) {
    const LONGEST: u64 = 100;
    let mut store = bench.create();
    assert_eq!(store.bookings(LONGEST).unwrap(), []);
    store.book(&[booking(1, 1_000, 1_100), booking(2, 1_000, 9_000)]).unwrap();
    assert!(store.book(&[booking(3, 1_001, 9_000), booking(1, 1_001, 9_000)]).is_err(), "a request is booked once");
    store.close();
    let mut store = bench.open().unwrap().0;
    assert_eq!(store.bookings(LONGEST).unwrap(), [booking(1, 1_000, 1_100), booking(2, 1_000, 9_000)], "all or none");
    // Two periods later, the one whose request nobody can ask about any more is forgotten.
    store.book(&[booking(4, 1_200, 9_000)]).unwrap();
    assert_eq!(store.bookings(LONGEST).unwrap().len(), 3);
    store.book(&[booking(5, 1_201, 9_000)]).unwrap();
    let kept = [booking(2, 1_000, 9_000), booking(4, 1_200, 9_000), booking(5, 1_201, 9_000)];
    assert_eq!(store.bookings(LONGEST).unwrap(), kept);
}

pub(crate) fn alarms_are_there_after_a_restart_once_each_and_not_without_bound(bench: &Bench) {
    let raised = |reasons: &[&str]| {
        let mut raised = Raised::default();
        reasons.iter().for_each(|reason| raised.add(reason));
        raised
    };
    let untold = |store: &Store, name: &str| {
        let Untold { missed, alarms } = store.untold(name).unwrap();
        (missed, alarms.into_iter().map(|alarm| alarm.reason).collect::<Vec<_>>())
    };
    let mut store = bench.create();
    store.follow_alarms("pager", true).unwrap();
    // With records, and alone.
    store.commit_with(&reserve(&turn(1, 1)), &raised(&["one", "two", "one"])).unwrap();
    store.commit_with(&[], &raised(&["three"])).unwrap();
    store.follow_alarms("late", true).unwrap();
    store.follow_alarms("pager", true).unwrap();
    store.close();
    let mut store = bench.open().unwrap().0;
    assert_eq!(untold(&store, "pager"), (0, ["two", "one", "three"].map(str::to_owned).to_vec()));
    assert_eq!((untold(&store, "late"), untold(&store, "nobody")), ((0, vec![]), (0, vec![])));

    // The same again comes once more, also to those who were told before; under a later number.
    let told = store.untold("pager").unwrap().alarms[1].number;
    let alarms = [("pager".to_owned(), Told { number: Some(told), missed: 0 })].into();
    store.note_deliveries(&Deliveries { alarms, ..Deliveries::default() }).unwrap();
    assert_eq!(untold(&store, "pager").1, ["three"]);
    store.commit_with(&[], &raised(&["one"])).unwrap();
    assert_eq!(
        (untold(&store, "pager").1, untold(&store, "late").1),
        (vec!["three".into(), "one".into()], vec!["one".into()])
    );

    // A flood: only the newest stay, and it is known how many did not.
    for round in 0..3 {
        let flood: Vec<String> = (0..150).map(|number| format!("{round} {number}")).collect();
        store.commit_with(&[], &raised(&flood.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    }
    store.close();
    let mut store = bench.open().unwrap().0;
    let (missed, alarms) = untold(&store, "pager");
    assert_eq!((missed, alarms.len(), &alarms[0][..], &alarms[255][..]), (196, 256, "1 44", "2 149"));
    let alarms = [("pager".to_owned(), Told { number: None, missed: 196 })].into();
    store.note_deliveries(&Deliveries { alarms, ..Deliveries::default() }).unwrap();
    assert_eq!(untold(&store, "pager").0, 0);
    // One that nobody can print is cut, and no reason to stop.
    let long = "ä".repeat(3_000);
    store.commit_with(&[], &raised(&[&long[..]])).unwrap();
    assert_eq!(untold(&store, "late").1.pop().unwrap(), "ä".repeat(1_000));
    store.follow_alarms("pager", false).unwrap();
    assert_eq!(untold(&store, "pager"), (0, vec![]));
    store.verify().unwrap();
}

pub(crate) fn a_store_of_the_layout_before_is_brought_to_this_one(bench: &Bench) {
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    let records = store.verify().unwrap();
    store.close();
    for statement in ["DROP TABLE alarms", "DROP TABLE alarm_deliveries", "UPDATE identity SET version = 5"] {
        bench.execute(statement);
    }
    let mut store = bench.open().unwrap().0;
    store.follow_alarms("pager", true).unwrap();
    assert_eq!(store.verify().unwrap(), records);
    store.close();
    // Once and for all.
    bench.open().unwrap().0.close();
    bench.alter("UPDATE identity SET version = 4");
    assert!(matches!(bench.open(), Err(StoreError::OtherVersion { found: 4, .. })));
    bench.alter("UPDATE identity SET version = 7");
    assert!(matches!(bench.open(), Err(StoreError::OtherVersion { found: 7, .. })));
}

pub(crate) fn a_seat_that_succeeded_has_its_next_key_and_charter_after_a_restart(bench: &Bench) {
    let succeeded_to = || {
        let held = Held::take(&bench.location()).unwrap();
        let charter = held.succeeded_to().unwrap();
        held.close();
        charter
    };
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    store.close();
    assert_eq!(succeeded_to(), None);
    let next = Identity { key: Address::repeat_byte(9), ..bench.identity() };
    let succeeded = |epoch| Record::Succeeded { epoch, nonce: 1, charter: B256::with_last_byte(epoch as u8) };
    let mut store = bench.open().unwrap().0;
    store.succeed(next.key, &[succeeded(2)]).unwrap();
    store.close();
    assert_eq!(succeeded_to(), Some(B256::with_last_byte(2)));
    assert!(matches!(bench.open(), Err(StoreError::OtherIdentity { .. })), "the old key is not its own any more");
    let (mut store, records) = Store::open(&bench.location(), next.clone()).unwrap();
    assert!(records.contains(&succeeded(2)));
    // What was reserved in the epoch before is none of this one's.
    assert!(store.reservation(0, turn(0, 1).digest(&DOMAIN)).unwrap().is_none());
    store.succeed(next.key, &[succeeded(3)]).unwrap();
    store.close();
    assert_eq!(succeeded_to(), Some(B256::with_last_byte(3)), "the last one counts");
}
