//! Turns: proposing, reserving, signing, submitting.

use std::collections::BTreeSet;

use ring_contracts::{Turn, TurnId};
use ring_core::{Action, ChainView, Event, Halt, Message, ObservedTurn, Past, Record};

use crate::world::{FAR, MAX_CALLS, Plan, RING, VALIDITY, World, domain, sign, signer};

fn shares(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Send { message: Message::Turn { .. }, .. })).count()
}

/// A turn with these requests, as seat `nonce` would propose it.
fn turn_of(world: &World, nonce: u64, requests: &[&ring_contracts::SignedRequest]) -> Turn {
    let valid_until = world.chain.head().time + VALIDITY;
    let charter = &world.hosts[0].settings.charter;
    let calls = requests.iter().map(|signed| signed.request.to_call(charter.asset)).collect();
    Turn::new(TurnId { ring: RING, epoch: 1, nonce, valid_until }, calls).unwrap()
}

#[test]
fn the_lead_reserves_before_it_signs_and_shares_nothing_before_it_has_signed() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let seat = &mut world.hosts[0];
    let effects = seat.step(Event::Submitted(request.clone()));
    let Some(Action::Sign { nonce: 0, digest }) =
        effects.actions.iter().find(|action| matches!(action, Action::Sign { .. })).cloned()
    else {
        panic!("the lead signs nothing: {effects:?}")
    };
    assert!(
        matches!(&effects.records[..], [Record::Request(_), Record::Content(turn), Record::Reserved { nonce: 0, void: false, digest: reserved }]
        if *reserved == digest && turn.digest(&domain()) == digest)
    );
    assert_eq!(shares(&effects.actions), 0);
    let signature = sign(&signer(1), &digest);
    let effects = seat.step(Event::Signed { nonce: 0, digest, signature });
    assert_eq!(effects.records, [Record::Voted { nonce: 0, digest, seat: 0, signature }]);
    assert_eq!(shares(&effects.actions), 2, "one to each peer");
}

#[test]
fn a_turn_is_told_without_the_requests_that_a_peer_has_and_who_lacks_one_gets_it_and_agrees() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let turn = turn_of(&world, 0, &[&request]);
    // Seat 1 answered that it has the request; it proposes the same turn to seat 2, which has lost it.
    let told = |world: &mut World, to: usize| -> Vec<usize> {
        let state = world.hosts[0].state.as_mut().unwrap();
        let ticks = (0..4).map(|_| Event::Tick);
        let actions = state.step(ticks, &Past::new()).actions;
        let sizes = actions.into_iter().filter_map(|action| match action {
            Action::Send { to: peer, message: Message::Turn { requests, .. } } if peer == to => Some(requests.len()),
            _ => None,
        });
        sizes.collect()
    };
    assert!(told(&mut world, 2).iter().all(|requests| *requests == 0));

    let mut world = World::new(Plan::calm(3, 2, 2));
    let votes = vec![World::vote(0, &turn)];
    let whole = Message::Turn { turn: turn.clone(), requests: vec![request.clone()], votes: votes.clone() };
    let bare = Message::Turn { turn: turn.clone(), requests: vec![], votes };
    let seat = &mut world.hosts[1];
    let asks = Action::Send { to: 0, message: Message::Explain { nonce: 0 } };
    let effects = seat.step(Event::Received { from: 0, message: bare });
    assert!(effects.actions.contains(&asks), "{effects:?}");
    assert!(!effects.records.contains(&Record::Content(turn.clone())));
    let effects = seat.step(Event::Received { from: 0, message: whole });
    assert!(effects.records.contains(&Record::Content(turn)), "{effects:?}");
    assert!(effects.actions.iter().any(|action| matches!(action, Action::Sign { .. })));
}

#[test]
fn votes_are_told_to_who_waits_for_them_and_to_everybody_once_the_turn_does_not_come() {
    // Who sends the turn where all have to sign; else whoever may add its vote or send it.
    votes_are_told(3, &[2]);
    votes_are_told(2, &[0, 2]);
}

fn votes_are_told(quorum: u8, at_once: &[usize]) {
    let mut world = World::new(Plan::calm(5, 3, quorum));
    let request = world.request(1, 5, FAR);
    let turn = turn_of(&world, 0, &[&request]);
    let digest = turn.digest(&domain());
    let votes = vec![World::vote(0, &turn)];
    let seat = &mut world.hosts[1];
    seat.step(Event::Received { from: 0, message: Message::Turn { turn, requests: vec![request], votes } });
    let signature = sign(&signer(2), &digest);
    let told = |actions: &[Action]| -> BTreeSet<usize> {
        let to = |action: &Action| match action {
            Action::Send { to, message: Message::Turn { .. } | Message::Votes { .. } } => Some(*to),
            _ => None,
        };
        actions.iter().filter_map(to).collect()
    };
    let effects = seat.step(Event::Signed { nonce: 0, digest, signature });
    assert_eq!(told(&effects.actions), at_once.iter().copied().collect());
    let later: Vec<Action> = (0..16).flat_map(|_| seat.step(Event::Tick).actions).collect();
    assert_eq!(told(&later), [0, 2, 3, 4].into(), "all peers");
}

#[test]
fn a_seat_outside_the_window_signs_nothing() {
    let mut world = World::new(Plan::calm(4, 2, 2));
    let request = world.request(1, 5, FAR);
    for seat in 0..4 {
        world.post(seat, &request);
    }
    world.talk();
    let reserved: Vec<bool> = world.hosts.iter().map(|host| !host.disk.reserved.is_empty()).collect();
    assert_eq!(reserved, [true, true, false, false]);
}

#[test]
fn a_signature_of_what_is_not_reserved_goes_nowhere() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(1, &request);
    let turn = turn_of(&world, 0, &[&request]);
    let digest = turn.digest(&domain());
    let signature = sign(&signer(2), &digest);
    let effects = world.hosts[1].step(Event::Signed { nonce: 0, digest, signature });
    assert_eq!((effects.records, effects.actions), (vec![], vec![]));
}

#[test]
fn a_damaged_answer_of_the_signer_is_no_vote_and_is_asked_for_again() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    let (nonce, digest) = world.hosts[0].signing.remove(0);
    let signature = sign(&signer(2), &digest);
    world.feed(0, Event::Signed { nonce, digest, signature });
    assert!(!world.hosts[0].journal.iter().any(|record| matches!(record, Record::Voted { .. })));
    world.complete(20);
}

#[test]
fn a_turn_takes_requests_in_the_order_of_their_arrival_and_no_more_than_fit() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.crash(0);
    for number in [4, 2, 5, 1] {
        let request = world.request(number, 5, FAR);
        world.post(1, &request);
    }
    world.talk();
    world.restart(0);
    world.rounds(6);
    let turns = &world.chain.ledger().turns;
    let ids = |index: usize| -> Vec<u8> { turns[index].turn.calls().iter().map(|call| call.request_id[15]).collect() };
    assert_eq!(ids(0), [4, 2, 5], "at most {MAX_CALLS}");
    assert_eq!(ids(1), [1]);
}

#[test]
fn a_turn_is_valid_no_longer_than_the_first_of_its_requests() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let soon = world.chain.head().time + 60;
    let request = world.request(1, 5, soon);
    world.post(0, &request);
    world.talk();
    let turn = &world.hosts[1].disk.contents[0];
    assert_eq!(turn.id().valid_until, soon);
}

#[test]
fn a_peers_turn_is_refused_whose_calls_are_not_its_requests_or_whose_requests_may_not_be_in_it() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let [first, second, third] = [1, 2, 4].map(|number| world.request(number, 5, FAR));
    let soon = world.request(5, 5, world.chain.head().time + 10);
    let mut rival = third.request.clone();
    rival.value += 1;
    let rival = world.signed_request(rival);
    let mut forged = second.clone();
    forged.request.value += 1;
    let mut altered = first.clone();
    altered.request.value += 1;
    let asset = world.signed_request(ring_contracts::Request {
        target: ring_contracts::Address::repeat_byte(0x99),
        data: world.request(3, 5, FAR).request.data,
        ..world.request(3, 5, FAR).request
    });
    world.post(1, &third);
    let cases = [
        (turn_of(&world, 0, &[&first]), vec![second.clone()], "not known here"),
        (turn_of(&world, 0, &[&first]), vec![], "not known here"),
        (turn_of(&world, 0, &[&first]), vec![first.clone(), second.clone()], "not those that its requests"),
        (turn_of(&world, 0, &[&altered]), vec![first.clone()], "not those that its requests"),
        (turn_of(&world, 0, &[&first, &first]), vec![first.clone(), first.clone()], "twice"),
        (turn_of(&world, 0, &[&forged]), vec![forged], "no requester"),
        (turn_of(&world, 0, &[&asset]), vec![asset], "may not spend"),
        (turn_of(&world, 0, &[&rival]), vec![rival], "other content"),
        (turn_of(&world, 0, &[&soon]), vec![soon], "after request"),
    ];
    for (turn, requests, words) in cases {
        let votes = vec![World::vote(0, &turn)];
        let message = Message::Turn { turn, requests, votes };
        let mut seat = world.hosts[1].state.clone().unwrap();
        let effects = seat.step([Event::Received { from: 0, message }], &Past::new());
        let objected = effects
            .actions
            .iter()
            .any(|action| matches!(action, Action::Objected { reason, .. } if reason.contains(words)));
        assert!(objected, "{words}: {effects:?}");
        assert!(!effects.actions.iter().any(|action| matches!(action, Action::Sign { .. })));
        assert!(!effects.records.iter().any(|record| matches!(record, Record::Content(_))));
    }
}

#[test]
fn a_request_that_is_bound_to_one_turn_is_refused_in_another_until_that_turn_is_final() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let transactions = world.pool.clone();
    world.mine(&transactions, 60);
    world.look_at_head(2);
    let again = turn_of(&world, 1, &[&request]);
    let message = Message::Turn { votes: vec![World::vote(1, &again)], turn: again, requests: vec![request] };
    world.feed(2, Event::Received { from: 1, message });
    assert!(world.objections.iter().any(|(seat, reason)| *seat == 2 && reason.contains("bound to turn 0")));
    world.complete(20);
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_request_that_has_its_end_is_refused_in_any_other_turn() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.complete(20);
    let again = turn_of(&world, 1, &[&request]);
    let message = Message::Turn { votes: vec![World::vote(1, &again)], turn: again, requests: vec![request] };
    world.feed(2, Event::Received { from: 1, message });
    assert!(world.objections.iter().any(|(seat, reason)| *seat == 2 && reason.contains("settled already")));
    assert!(!world.hosts[2].disk.reserved.iter().any(|(_, nonce, _)| *nonce == 1));
}

#[test]
fn where_all_have_to_sign_only_what_the_lead_signed_is_signed() {
    let mut world = World::new(Plan::calm(3, 3, 3));
    let request = world.request(1, 5, FAR);
    let turn = turn_of(&world, 0, &[&request]);
    let message = |votes| Message::Turn { turn: turn.clone(), requests: vec![request.clone()], votes };
    world.feed(1, Event::Received { from: 2, message: message(vec![World::vote(2, &turn)]) });
    assert!(world.hosts[1].signing.is_empty());
    world.feed(1, Event::Received { from: 2, message: message(vec![World::vote(0, &turn)]) });
    assert_eq!(world.hosts[1].signing, [(0, turn.digest(&domain()))]);
}

#[test]
fn a_content_over_what_is_left_or_too_late_is_not_signed() {
    let world = World::new(Plan::calm(3, 2, 2));
    let requests = [1, 2, 4].map(|number| world.request(number, 40, FAR));
    let over = turn_of(&world, 0, &requests.each_ref());
    let late = {
        let valid_until = world.chain.head().time;
        let calls = over.calls()[..1].to_vec();
        Turn::new(TurnId { valid_until, ..over.id() }, calls).unwrap()
    };
    for turn in [over, late] {
        let requests = requests[..turn.calls().len()].to_vec();
        let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests };
        let mut seat = world.hosts[1].state.clone().unwrap();
        let effects = seat.step([Event::Received { from: 0, message }], &Past::new());
        assert!(effects.records.iter().any(|record| matches!(record, Record::Content(_))), "its requests are genuine");
        assert!(!effects.records.iter().any(|record| matches!(record, Record::Reserved { void: false, .. })));
    }
}

#[test]
fn a_vote_counts_only_from_a_seat_of_the_window_and_by_its_key_and_for_this_turn() {
    let mut world = World::new(Plan::calm(4, 2, 2));
    let request = world.request(1, 5, FAR);
    let turn = turn_of(&world, 0, &[&request]);
    let other = turn_of(&world, 1, &[&request]);
    let mut of_another = World::vote(0, &turn);
    of_another.seat = 1;
    let mut nowhere = World::vote(0, &turn);
    nowhere.seat = 99;
    let votes = vec![World::vote(2, &turn), World::vote(0, &other), of_another, nowhere];
    let message = Message::Turn { turn: turn.clone(), requests: vec![request], votes };
    world.feed(1, Event::Received { from: 0, message });
    assert!(!world.hosts[1].journal.iter().any(|record| matches!(record, Record::Voted { .. })));
    assert!(world.hosts[1].signing.is_empty());
}

#[test]
fn the_last_of_the_window_submits_and_the_one_before_it_only_when_nothing_comes_of_that() {
    let mut world = World::new(Plan::calm(3, 3, 3));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let submits = |world: &World| -> Vec<bool> { world.hosts.iter().map(|host| host.submission.is_some()).collect() };
    assert_eq!(submits(&world), [false, false, true]);
    // The ones before it hear of all votes when they are told to everybody, and wait from then on.
    let tick = |world: &mut World| {
        (0..3).for_each(|seat| world.tick(seat));
        world.talk();
    };
    for _ in 0..5 {
        tick(&mut world);
        assert_eq!(submits(&world), [false, false, true]);
    }
    tick(&mut world);
    assert_eq!(submits(&world), [false, true, true]);
    (0..4).for_each(|_| tick(&mut world));
    assert_eq!(submits(&world), [true, true, true]);
    // Whichever of them is mined: the same turn.
    world.complete(20);
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_turn_is_repeated_to_the_others_only_if_nothing_comes_of_it_for_some_time_or_after_a_restart() {
    let mut world = World::new(Plan::calm(4, 2, 2));
    let request = world.request(1, 5, FAR);
    let turn = turn_of(&world, 0, &[&request]);
    let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests: vec![request] };
    // It has no part in this turn.
    world.feed(3, Event::Received { from: 0, message });
    let repeats = |world: &mut World| shares(&world.hosts[3].step(Event::Tick).actions);
    assert_eq!(
        (repeats(&mut world), repeats(&mut world), repeats(&mut world)),
        (0, 2, 0),
        "0 told it, and is told votes"
    );
    world.restart(3);
    world.look_at_head(3);
    assert_eq!(repeats(&mut world), 3);
}

#[test]
fn with_fewer_signatures_than_seats_the_next_leads_when_the_lead_is_silent() {
    let mut world = World::new(Plan::calm(4, 3, 2));
    world.crash(0);
    let request = world.request(1, 5, FAR);
    world.post(1, &request);
    let done = (0..12).any(|_| {
        world.round();
        !world.chain.ledger().turns.is_empty()
    });
    assert!(done, "nothing was executed though a quorum is up");
    assert!(world.hosts[0].disk.reserved.is_empty());
}

#[test]
fn after_a_reorg_the_same_turn_is_sent_again_and_nothing_new_is_signed() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.round();
    let executed = world.chain.ledger().turns[0].digest;
    for seat in 0..3 {
        world.look_at_head(seat);
    }
    let reserved: Vec<_> = world.hosts.iter().map(|host| host.disk.reserved.clone()).collect();
    world.reorganise(1);
    world.pool.clear();
    (0..3).for_each(|seat| world.hosts[seat].submission = None);
    world.mine(&[], 60);
    for seat in 0..3 {
        world.look_at_head(seat);
    }
    assert!(world.hosts[1].submission.is_some(), "the last of the window sends it again");
    world.complete(20);
    assert_eq!(world.chain.ledger().turns.len(), 1);
    assert_eq!(world.chain.ledger().turns[0].digest, executed);
    assert_eq!(reserved, world.hosts.iter().map(|host| host.disk.reserved.clone()).collect::<Vec<_>>());
}

#[test]
fn where_two_contents_can_be_complete_a_turn_is_signed_only_when_the_one_before_is_final() {
    // One signature of two is enough: each seat completes a content of its own for turn 0.
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(2, 2, 1) });
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.divide(Some(&[0]));
    world.post(0, &first);
    world.post(1, &second);
    (0..5).for_each(|_| world.tick(1));
    world.talk();
    (0..5).for_each(|_| world.tick(0));
    let contents = world.pool.clone();
    assert_eq!(contents.len(), 2, "both are complete");
    let ours = world.hosts[0].submission.clone().unwrap();
    let other = contents.into_iter().find(|sent| *sent != ours).unwrap();
    world.mine(&[ours], 60);
    // Seat 0 knows the second request too, and leads when seat 1 is silent.
    world.post(0, &second);
    world.look_at_head(0);
    (0..10).for_each(|_| world.tick(0));
    world.talk();
    let after = world.pool.iter().filter(|sent| **sent != other).cloned().collect::<Vec<_>>();
    world.mine(&after, 60);
    // The other history: the second request in turn 0, and whatever was signed for turn 1.
    world.reorganise(2);
    world.mine(&[other], 30);
    world.mine(&after, 30);
    world.divide(None);
    world.complete(40);
}

#[test]
fn while_an_executed_turn_is_not_explained_a_seat_signs_nothing_and_asks() {
    let mut world = World::new(Plan::calm(4, 2, 2));
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    // Seat 2, lead of turn 2, hears nothing of turn 0.
    world.crash(2);
    world.post(0, &first);
    world.talk();
    let transactions = world.pool.clone();
    world.mine(&transactions, 60);
    world.restart(2);
    world.look_at_head(2);
    world.post(2, &second);
    assert!(world.hosts[2].signing.is_empty());
    let unexplained = |world: &World| world.hosts[2].state.as_ref().unwrap().overview().unexplained;
    world.talk();
    assert_eq!(unexplained(&world), [0], "whoever proposed it may still be telling");
    world.tick(2);
    world.talk();
    assert_eq!(unexplained(&world), [] as [u64; 0], "a peer explains it");
    world.complete(20);
}

#[test]
fn a_turn_that_would_block_its_nonce_for_long_is_not_remembered() {
    let mut world = World::new(Plan::calm(4, 3, 2));
    let request = world.request(1, 5, FAR);
    let charter = world.hosts[0].settings.charter.clone();
    let id = TurnId { ring: RING, epoch: 1, nonce: 0, valid_until: world.chain.head().time + 10 * VALIDITY };
    let turn = Turn::new(id, vec![request.request.to_call(charter.asset)]).unwrap();
    let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests: vec![request] };
    let seat = &mut world.hosts[1];
    let effects = seat.step(Event::Received { from: 0, message });
    assert_eq!(effects.records, [], "nothing of it is kept");
    assert!(effects.actions.iter().any(|action| matches!(action, Action::Objected { .. })), "{:?}", effects.actions);
}

/// A ring of five, windows of three, two of which sign. Seat 0, the lead of nonce 0, proposed a request and was cut off; the others
/// executed another one under nonce 0, and that request under nonce 1. Then seat 0 hears and sees all of it.
fn a_lead_that_was_cut_off() -> (World, ring_contracts::SignedRequest) {
    let mut world = World::new(Plan::calm(5, 3, 2));
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.divide(Some(&[0]));
    world.post(0, &second);
    world.talk();
    for request in [&first, &second] {
        world.post(1, request);
        let is_sent = (0..30).any(|_| {
            for seat in 1..5 {
                world.look_at_head(seat);
                world.tick(seat);
            }
            world.talk();
            world.hosts.iter().any(|host| host.submission.is_some())
        });
        assert!(is_sent, "the others do not wait for seat 0");
        let sent: Vec<_> = world.hosts.iter().flat_map(|host| host.submission.iter().cloned()).collect();
        world.mine(&sent, 12);
    }
    assert_eq!(world.chain.ledger().turns.len(), 2);
    world.divide(None);
    for seat in 0..5 {
        world.look_at_head(seat);
    }
    world.talk();
    (world, second)
}

#[test]
fn a_lead_that_was_cut_off_waits_for_finality_and_does_not_halt_for_what_the_others_made_of_its_requests() {
    let (mut world, _) = a_lead_that_was_cut_off();
    for _ in 0..2 * world.plan.grace {
        (0..5).for_each(|seat| world.tick(seat));
        world.talk();
    }
    let overview = |world: &World| world.hosts[0].state.as_ref().unwrap().overview();
    assert_eq!((overview(&world).unexplained, world.hosts[0].disk.halted), (vec![1], false));
    world.complete(30);
    assert!(overview(&world).unexplained.is_empty());
}

#[test]
fn a_request_that_two_turns_make_halts_also_where_it_was_bound_to_a_third() {
    let (mut world, second) = a_lead_that_was_cut_off();
    // Keys of the window of nonce 2 are stolen, and make the request of turn 1 once more.
    let turn = turn_of(&world, 2, &[&second]);
    let votes = vec![World::vote(2, &turn), World::vote(3, &turn)];
    let grace = world.plan.grace;
    let seat = &mut world.hosts[0];
    let mut view = world.chain.moments.last().unwrap().view(0);
    let executed = ObservedTurn {
        nonce: 2,
        digest: turn.digest(&domain()),
        requests: vec![second.request.id],
        ..view.turns[1].clone()
    };
    view.turns.push(executed);
    view.nonce = 3;
    seat.step(Event::Received { from: 2, message: Message::Turn { turn, requests: vec![second], votes } });
    seat.step(Event::Chain(view));
    for _ in 0..=grace {
        seat.step(Event::Tick);
    }
    let halt = seat.state.as_ref().unwrap().halt();
    assert!(matches!(halt, Some(Halt::UnknownTurn { .. })), "{halt:?}");
}

#[test]
fn a_request_that_is_bound_to_a_turn_that_may_still_come_halts_when_another_makes_it() {
    let mut world = World::new(Plan::calm(5, 3, 2));
    let [other, request] = [1, 2].map(|number| world.request(number, 5, FAR));
    let first = turn_of(&world, 0, &[&other]);
    let [earlier, later] = [0, 1].map(|nonce| turn_of(&world, nonce, &[&request]));
    let told = |by: usize, turn: &Turn, request: &ring_contracts::SignedRequest| {
        let votes = vec![World::vote(by, turn)];
        Event::Received {
            from: by,
            message: Message::Turn { turn: turn.clone(), requests: vec![request.clone()], votes },
        }
    };
    let grace = world.plan.grace;
    let view = world.chain.moments.last().unwrap().view(0);
    let executed = |turn: &Turn| {
        let executed = ObservedTurn {
            epoch: view.epoch,
            nonce: 0,
            digest: turn.digest(&domain()),
            requests: turn.calls().iter().map(|call| call.request_id).collect(),
            failed: Vec::new(),
            transaction: Default::default(),
            block: view.head.number,
        };
        Event::Chain(ChainView { nonce: 1, turns: vec![executed], ..view.clone() })
    };
    let seat = &mut world.hosts[4];
    seat.step(told(0, &first, &other));
    seat.step(executed(&first));
    seat.step(told(1, &later, &request));
    // A reorganisation: now it is another turn, whose request may yet be made by the one that was told of.
    seat.step(told(2, &earlier, &request));
    seat.step(executed(&earlier));
    for _ in 0..=grace {
        seat.step(Event::Tick);
    }
    let halt = seat.state.as_ref().unwrap().halt();
    assert!(matches!(halt, Some(Halt::UnknownTurn { nonce: 0, .. })), "{halt:?}");
}
