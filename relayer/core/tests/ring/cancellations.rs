//! Cancellations: what a client takes back is signed by nobody any more, and called cancelled only when nobody can execute it.

use alloy::signers::SignerSync;
use ring_contracts::{RequestId, SignedCancellation, SignedRequest, Turn, TurnId};
use ring_core::{
    Action, BoundTurn, CancelRefusal, CancelledRequest, Cancelling, Event, Halt, Message, Phase, Record, Submission,
};

use crate::world::{FAR, Plan, RING, VALIDITY, World, domain, signer};

fn phase(world: &World, seat: usize, number: u8) -> Option<Phase> {
    let id = RequestId::with_last_byte(number);
    world.hosts[seat].status(id).map(|status| status.phase)
}

/// A calm ring of three seats, two of which sign, in which a request waits at a seat that is not the lead of turn 0.
fn waiting() -> (World, SignedRequest) {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.crash(0);
    let request = world.request(1, 5, FAR);
    world.post(1, &request);
    world.talk();
    (world, request)
}

/// What a peer tells of a cancelled request.
fn told(world: &World, request: &SignedRequest) -> Message {
    let cancellation = world.cancellation(&request.request).signature;
    Message::Cancellations { requests: vec![CancelledRequest { request: request.clone(), cancellation }] }
}

/// The digests that a seat says to withhold among its actions.
fn withheld(actions: &[Action]) -> Vec<ring_contracts::B256> {
    let said = actions.iter().filter_map(|action| match action {
        Action::Send { message: Message::Withheld { requests }, .. } => Some(requests.clone()),
        _ => None,
    });
    said.flatten().collect()
}

#[test]
fn what_is_cancelled_while_it_waits_is_never_paid_and_everything_else_is() {
    let (mut world, request) = waiting();
    let other = world.request(2, 5, FAR);
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Kept));
    world.post(1, &other);
    world.restart(0);
    world.complete(20);
    for seat in 0..3 {
        assert_eq!(phase(&world, seat, 1), Some(Phase::Cancelled));
        assert!(matches!(phase(&world, seat, 2), Some(Phase::Final { .. })));
    }
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn nothing_is_called_cancelled_before_every_seat_has_said_that_it_withholds_it() {
    let (mut world, request) = waiting();
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Kept));
    world.rounds(6);
    // Seat 0 is away: nobody knows what it would sign.
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelling { turn: None }));
    assert_eq!(phase(&world, 2, 1), Some(Phase::Cancelling { turn: None }));
    world.restart(0);
    world.complete(10);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelled));
}

#[test]
fn a_cancellation_is_on_disk_before_it_is_answered_and_survives_a_restart() {
    let (mut world, request) = waiting();
    let cancellation = world.cancellation(&request.request);
    let id = request.request.id;
    world.taken_back.insert(id);
    let effects = world.hosts[1].step(Event::Cancelled(cancellation));
    assert_eq!(effects.records, [Record::Withheld { request: id, cancellation: cancellation.signature }]);
    let answer = Action::AnswerCancellation { request: id, answer: Cancelling::Kept };
    assert!(effects.actions.contains(&answer));
    world.hosts[1].write(effects.records);
    world.crash(1);
    world.restart(1);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelling { turn: None }));
    world.restart(0);
    world.complete(20);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelled));
}

#[test]
fn the_same_cancellation_is_answered_the_same_for_ever_and_changes_nothing_more() {
    let (mut world, request) = waiting();
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Kept));
    let before = world.hosts[1].journal.len();
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Kept));
    assert_eq!(world.hosts[1].journal.len(), before);
    world.restart(0);
    world.complete(20);
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Done));
    assert!(matches!(world.post(1, &request), Some(Submission::Ended(_))));
    world.crash(2);
    world.restart(2);
    assert_eq!(world.cancel(2, &request), Some(Cancelling::Done));
}

#[test]
fn only_who_asked_for_a_request_cancels_it_and_only_that_content() {
    let (mut world, request) = waiting();
    let right = world.cancellation(&request.request);
    let id = request.request.id;
    let mut answer = |signed: SignedCancellation| {
        let effects = world.hosts[1].step(Event::Cancelled(signed));
        assert_eq!(effects.records, []);
        effects.actions.into_iter().find_map(|action| match action {
            Action::AnswerCancellation { answer: Cancelling::Refused(refusal), .. } => Some(refusal),
            _ => None,
        })
    };
    let mut other_ring = right;
    other_ring.cancellation.ring += 1;
    assert!(matches!(answer(other_ring), Some(CancelRefusal::WrongRing { actual: 8, expected: RING })));
    let mut other_content = right;
    other_content.cancellation.request.0[0] ^= 1;
    assert!(matches!(answer(other_content), Some(CancelRefusal::OtherContent { .. })));
    let mut foreign = right;
    foreign.signature = signer(5).sign_hash_sync(&right.cancellation.digest(&domain())).unwrap().as_bytes().into();
    let refusal = answer(foreign).unwrap();
    assert!(matches!(refusal, CancelRefusal::WrongSigner { signer: by, .. } if by == signer(5).address()), "{refusal}");
    let mut damaged = right;
    damaged.signature = ring_contracts::FixedBytes([0xff; 65]);
    assert!(matches!(answer(damaged), Some(CancelRefusal::Signature(_))));
    let mut unknown = right;
    unknown.cancellation.id = RequestId::with_last_byte(9);
    assert_eq!(answer(unknown), Some(CancelRefusal::Unknown(RequestId::with_last_byte(9))));
    assert_eq!(phase(&world, 1, id[15]), Some(Phase::Accepted));
}

#[test]
fn what_was_executed_is_not_cancelled_any_more() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.round();
    for (rounds, end) in [(0, false), (20, true)] {
        world.rounds(rounds);
        world.look_at_head(0);
        assert_eq!(matches!(phase(&world, 0, 1), Some(Phase::Final { .. })), end);
        let answer = world.cancel(0, &request);
        assert!(matches!(answer, Some(Cancelling::Refused(CancelRefusal::Executed { nonce: 0, .. }))), "{answer:?}");
    }
    world.complete(20);
}

#[test]
fn what_every_seat_has_signed_is_paid_although_it_is_cancelled_and_the_status_says_so() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    assert_eq!(world.cancel(2, &request), Some(Cancelling::Kept));
    world.talk();
    let bound = Phase::Cancelling { turn: Some(BoundTurn { epoch: 1, nonce: 0 }) };
    assert_eq!(phase(&world, 2, 1), Some(bound));
    assert_eq!(serde_json::to_value(bound).unwrap()["nonce"], 0);
    world.complete(20);
    for seat in 0..3 {
        assert!(matches!(phase(&world, seat, 1), Some(Phase::Final { .. })));
    }
}

#[test]
fn a_turn_that_lacks_a_signature_when_its_request_is_cancelled_is_voided_at_once_and_the_ring_goes_on() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let [request, other] = [1, 2].map(|number| world.request(number, 5, FAR));
    // Seat 1 hears of the cancellation before it hears of the turn that seat 0 has signed.
    world.divide(Some(&[0]));
    world.post(0, &request);
    world.post(0, &other);
    world.talk();
    world.post(1, &request);
    assert_eq!(world.cancel(1, &request), Some(Cancelling::Kept));
    world.divide(None);
    let time = world.chain.head().time;
    for seat in [0, 0, 1, 1] {
        world.tick(seat);
    }
    world.talk();
    let void = Turn::void(RING, 1, 0).digest(&domain());
    assert!([0, 1].iter().all(|seat| world.hosts[*seat].disk.reserved.contains(&(1, 0, void))));
    assert!(world.objections.iter().any(|(seat, reason)| *seat == 1 && reason.contains("cancelled by its client")));
    world.complete(12);
    assert!(world.chain.head().time < time + 2 * VALIDITY);
    assert!(world.chain.final_ledger().turns[0].turn.is_void());
    assert_eq!(phase(&world, 0, 1), Some(Phase::Cancelled));
    assert!(matches!(phase(&world, 0, 2), Some(Phase::Final { nonce: 1, .. })));
}

#[test]
fn a_turn_of_others_with_a_request_that_is_withheld_here_halts_nobody() {
    // Two of three sign; seat 2 has the cancellation, and the others do not hear of it in time.
    let mut world = World::new(Plan::calm(4, 3, 2));
    let request = world.request(1, 5, FAR);
    world.post(2, &request);
    assert_eq!(world.cancel(2, &request), Some(Cancelling::Kept));
    world.divide(Some(&[2]));
    world.post(0, &request);
    world.rounds(2);
    world.divide(None);
    world.complete(20);
    assert!(matches!(phase(&world, 2, 1), Some(Phase::Final { .. })));
    assert!(world.hosts.iter().all(|host| !host.disk.halted));
    assert!(world.hosts[2].disk.reserved.is_empty());
}

#[test]
fn a_seat_that_a_turn_binds_says_only_when_that_is_finally_over_that_it_withholds_the_request() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let told = told(&world, &request);
    let effects = world.hosts[0].step(Event::Received { from: 2, message: told });
    assert!(effects.records.iter().any(|record| matches!(record, Record::Withheld { .. })));
    assert!(withheld(&effects.actions).is_empty());
}

#[test]
fn a_seat_withholds_what_it_has_never_heard_of_and_what_it_knows_with_other_content() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.crash(0);
    let request = world.request(1, 5, FAR);
    let digest = request.request.digest(&domain());
    let message = told(&world, &request);
    let effects = world.hosts[1].step(Event::Received { from: 2, message: message.clone() });
    assert!(matches!(&effects.records[..], [Record::Request(_), Record::Withheld { .. }]));
    assert_eq!(withheld(&effects.actions), [digest]);
    let mut other = request.request.clone();
    other.gas += 1;
    let other = world.signed_request(other);
    world.post(2, &other);
    let effects = world.hosts[2].step(Event::Received { from: 1, message });
    assert_eq!(effects.records, []);
    assert_eq!(withheld(&effects.actions), [digest]);
}

#[test]
fn a_forged_cancellation_of_a_peer_changes_nothing() {
    let (mut world, request) = waiting();
    let Message::Cancellations { mut requests } = told(&world, &request) else { unreachable!() };
    requests[0].cancellation = signer(5).sign_hash_sync(&domain().separator()).unwrap().as_bytes().into();
    let effects = world.hosts[1].step(Event::Received { from: 2, message: Message::Cancellations { requests } });
    assert_eq!(effects.records, []);
    assert!(withheld(&effects.actions).is_empty());
}

#[test]
fn a_seat_that_has_forgotten_what_it_signed_says_nothing() {
    let (mut world, request) = waiting();
    let memory_lost = Record::Halted(Halt::MemoryLost { through: Some(1) });
    world.put_back(2, vec![Record::Joined { epoch: 1, nonce: 0 }, memory_lost]);
    let message = told(&world, &request);
    let effects = world.hosts[2].step(Event::Received { from: 1, message });
    assert!(effects.records.iter().any(|record| matches!(record, Record::Withheld { .. })));
    assert!(withheld(&effects.actions).is_empty());
}

#[test]
fn what_was_cancelled_stays_so_in_a_new_epoch_also_for_a_seat_with_a_new_store() {
    let (mut world, request) = waiting();
    world.cancel(1, &request);
    world.restart(0);
    world.complete(20);
    world.plan.changes = 1;
    world.replace(&[0].into());
    world.rounds(8);
    world.complete(20);
    assert_eq!(world.chain.ledger().epoch, 2);
    assert_eq!(phase(&world, 0, 1), None);
    // The client posts it again, at the seat that does not know of its cancellation, and which may lead.
    world.post(0, &request);
    world.complete(40);
    assert_eq!(phase(&world, 0, 1), Some(Phase::Cancelled));
    assert_eq!(world.chain.ledger().turns.iter().filter(|turn| !turn.turn.is_void()).count(), 0);
}

#[test]
fn what_is_cancelled_and_not_confirmed_by_all_ends_when_its_time_has_passed() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.crash(0);
    let request = world.request(1, 5, world.chain.head().time + 300);
    world.post(1, &request);
    world.cancel(1, &request);
    world.rounds(4);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelling { turn: None }));
    world.rounds(8);
    assert_eq!(phase(&world, 1, 1), Some(Phase::Cancelled));
}

#[test]
fn a_seat_signs_no_turn_with_what_it_withholds_though_it_agreed_to_it_before() {
    let mut world = World::new(Plan { evidence: true, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    let id = request.request.id;
    // Seat 1 has the turn, but its sources do not confirm the request yet.
    world.unheard.insert((1, id));
    world.post(1, &request);
    world.talk();
    let charter = world.hosts[0].settings.charter.clone();
    let valid_until = world.chain.head().time + VALIDITY;
    let turn_id = TurnId { ring: RING, epoch: 1, nonce: 0, valid_until };
    let turn = Turn::new(turn_id, vec![request.request.to_call(charter.asset)]).unwrap();
    let votes = vec![World::vote(0, &turn)];
    let content = turn.digest(&domain());
    world.feed(1, Event::Received { from: 0, message: Message::Turn { turn, requests: vec![], votes } });
    assert_eq!(world.hosts[1].disk.contents.len(), 1);
    world.cancel(1, &request);
    world.unheard.clear();
    for _ in 0..6 {
        world.tick(1);
        world.find_one(1);
    }
    assert!(!world.hosts[1].disk.reserved.contains(&(1, 0, content)));
    assert_eq!(world.hosts[1].disk.reserved.len(), 1, "the void");
}

#[test]
fn whoever_brings_a_request_or_a_turn_with_what_was_cancelled_for_good_is_told_and_the_turn_voided() {
    let (mut world, request) = waiting();
    world.cancel(1, &request);
    world.restart(0);
    world.complete(20);
    let charter = world.hosts[0].settings.charter.clone();
    let valid_until = world.chain.head().time + VALIDITY;
    let turn_id = TurnId { ring: RING, epoch: 1, nonce: 0, valid_until };
    let turn = Turn::new(turn_id, vec![request.request.to_call(charter.asset)]).unwrap();
    let votes = vec![World::vote(0, &turn)];
    let id = request.request.id;
    let cancellation = world.cancellation(&request.request).signature;
    let tells = Action::TellCancelled { to: 0, request: id, cancellation };
    let requests = vec![request];
    let seat = &mut world.hosts[1];
    let effects = seat.step(Event::Received { from: 0, message: Message::Requests { requests: requests.clone() } });
    assert!(effects.records.is_empty() && effects.actions.contains(&tells), "{effects:?}");
    let effects = seat.step(Event::Received { from: 0, message: Message::Turn { turn, requests, votes } });
    assert!(effects.actions.contains(&tells), "{effects:?}");
    assert!(!effects.records.iter().any(|record| matches!(record, Record::Content(_))));
    let void = Turn::void(RING, 1, 0).digest(&domain());
    assert!(effects.records.contains(&Record::Reserved { nonce: 0, digest: void, void: true }));
}
