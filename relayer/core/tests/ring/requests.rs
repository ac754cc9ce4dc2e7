//! Requests: what is taken, what is answered, what is settled.

use ring_contracts::RequestId;
use ring_core::{Action, Event, Message, Phase, Record, Refusal, Submission};

use crate::world::{CAP, FAR, Plan, World, signer};

fn phase(world: &World, seat: usize, number: u8) -> Option<Phase> {
    let id = RequestId::with_last_byte(number);
    world.hosts[seat].status(id).map(|status| status.phase)
}

#[test]
fn a_request_goes_from_received_over_accepted_and_signing_and_executed_to_final() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    // Seat 2 is not in the first window: it waits until the lead hears of the request.
    assert_eq!(world.post(2, &request), Some(Submission::New));
    assert_eq!(phase(&world, 2, 1), Some(Phase::Received));
    world.talk();
    assert!(world.accepted.contains(&request.request.id));
    assert!(matches!(phase(&world, 2, 1), Some(Phase::Signing { epoch: 1, nonce: 0 })));
    world.round();
    for seat in 0..3 {
        world.look_at_head(seat);
        assert!(matches!(phase(&world, seat, 1), Some(Phase::Executed { nonce: 0, .. })));
    }
    world.complete(20);
    assert!(matches!(phase(&world, 0, 1), Some(Phase::Final { nonce: 0, .. })));
}

#[test]
fn a_request_is_accepted_only_once_enough_seats_say_that_they_have_it() {
    let mut world = World::new(Plan { copies: 3, ..Plan::calm(4, 2, 2) });
    let request = world.request(1, 5, FAR);
    let id = request.request.id;
    world.post(3, &request);
    let delivered = |to| Event::Delivered { to, requests: vec![id], confirmed: vec![] };
    let seat = &mut world.hosts[3];
    assert!(!seat.step(delivered(1)).actions.contains(&Action::Accepted { request: id }));
    // The same seat again is no further copy.
    assert!(!seat.step(delivered(1)).actions.contains(&Action::Accepted { request: id }));
    assert!(seat.step(delivered(2)).actions.contains(&Action::Accepted { request: id }));
    assert!(!seat.step(delivered(0)).actions.contains(&Action::Accepted { request: id }));
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_and_changes_nothing_while_open_and_when_settled() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let mut other = request.request.clone();
    other.value += 1;
    let other = world.signed_request(other);
    world.post(0, &request);
    for settled in [false, true] {
        if settled {
            world.complete(20);
        }
        world.hosts[0].start();
        world.look(0);
        let answer = |world: &mut World, signed: &ring_contracts::SignedRequest| {
            let effects = world.hosts[0].step(Event::Submitted(signed.clone()));
            assert_eq!(effects.records, []);
            match &effects.actions[..] {
                [Action::Answer { submission, .. }] => submission.clone(),
                actions => panic!("{actions:?}"),
            }
        };
        let known = answer(&mut world, &request);
        assert_eq!(matches!(known, Submission::Ended(_)), settled);
        assert_eq!(known == Submission::Known, !settled);
        assert_eq!(answer(&mut world, &other), Submission::Refused(Refusal::Conflict(request.request.id)));
    }
}

#[test]
fn a_known_request_is_answered_as_known_even_when_nothing_new_would_be_taken() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let new = world.request(2, 5, FAR);
    world.post(0, &request);
    world.feed(0, Event::HaltOrdered { reason: "a test".to_owned() });
    assert_eq!(world.post(0, &request), Some(Submission::Known));
    assert!(matches!(world.post(0, &new), Some(Submission::Refused(Refusal::Halted(_)))));
    world.crash(0);
    world.restart(0);
    assert_eq!(world.post(0, &request), Some(Submission::Known));
}

#[test]
fn what_is_impossible_is_refused_with_its_reason_and_leaves_nothing_behind() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let good = world.request(1, 5, FAR).request;
    let mut cases = Vec::new();
    let change = |alter: &dyn Fn(&mut ring_contracts::Request)| {
        let mut request = good.clone();
        alter(&mut request);
        request
    };
    cases.push((change(&|request| request.ring = 8), "is for ring 8"));
    cases.push((change(&|request| request.expiry = 10), "expired at 10"));
    cases.push((change(&|request| request.value = CAP + 1), "over the cap"));
    cases.push((change(&|request| request.value = 1 << 96), "too large"));
    cases.push((change(&|request| request.gas = 400_001), "gas of 400001"));
    cases.push((change(&|request| request.data = vec![1, 2, 3, 4].into()), "neither a transfer"));
    for (request, words) in cases {
        let signed = world.signed_request(request);
        let Some(Submission::Refused(refusal)) = world.post(0, &signed) else { panic!("{words}: not refused") };
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    let mut foreign = world.signed_request(good);
    let digest = foreign.request.digest(&crate::world::domain());
    let signature = alloy::signers::SignerSync::sign_hash_sync(&signer(5), &digest).unwrap();
    foreign.signature = signature.as_bytes().into();
    assert!(matches!(world.post(0, &foreign), Some(Submission::Refused(Refusal::UnknownRequester(_)))));
    assert_eq!(world.hosts[0].journal.len(), 1, "only the start is on disk");
}

#[test]
fn before_it_has_seen_the_chain_a_seat_takes_nothing_new() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.crash(0);
    world.restart(0);
    assert_eq!(world.post(0, &request), Some(Submission::Refused(Refusal::NotReady)));
}

#[test]
fn what_a_peer_brings_is_kept_only_if_it_is_genuine_and_new() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let mut forged = world.request(2, 5, FAR);
    forged.request.value += 1;
    let mut other = request.request.clone();
    other.value += 1;
    let other = world.signed_request(other);
    let state = &mut world.hosts[2];
    let mut brings =
        |requests| state.step(Event::Received { from: 1, message: Message::Requests { requests } }).records;
    assert_eq!(brings(vec![request.clone(), forged]), [Record::Request(request.clone())]);
    assert_eq!(brings(vec![request]), []);
    assert_eq!(brings(vec![other]), []);
}

#[test]
fn a_request_whose_call_fails_is_failed_and_never_tried_again() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(7, 5, FAR);
    world.post(0, &request);
    world.complete(20);
    world.rounds(10);
    for seat in 0..3 {
        assert!(matches!(phase(&world, seat, 7), Some(Phase::Failed { nonce: 0, .. })));
    }
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_request_expires_only_when_no_final_block_can_have_it_any_more() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    // The only seat that could propose it is not there.
    world.crash(0);
    let expiry = world.chain.head().time + 100;
    let request = world.request(1, 5, expiry);
    world.post(1, &request);
    world.mine(&[], 200);
    world.look_at_head(1);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Received), "its time is over at the head, but not finally");
    world.rounds(5);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Expired));
    world.restart(0);
    world.complete(20);
    assert_eq!(world.chain.ledger().turns.len(), 0);
}

#[test]
fn no_turn_spends_more_than_what_is_left_and_the_rest_waits_for_the_next_period() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    for number in [1, 2, 4] {
        let request = world.request(number, 40, FAR);
        world.post(0, &request);
    }
    world.rounds(8);
    let executed: usize = world.chain.ledger().turns.iter().map(|turn| turn.turn.calls().len()).sum();
    assert_eq!(executed, 2, "three times 40 are over the cap of 100");
    world.complete(100);
    assert!(matches!(phase(&world, 0, 4), Some(Phase::Final { .. })));
}
