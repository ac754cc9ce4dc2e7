//! Restarts, new seats, lost and old stores.

use std::collections::BTreeSet;

use ring_contracts::{RequestId, Turn, TurnId};
use ring_core::{Event, Halt, Message, Phase, Record, State, Submission};

use crate::world::{FAR, Plan, RING, VALIDITY, World};

#[test]
fn a_restarted_seat_signs_what_it_reserved_and_nothing_else() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.post(0, &first);
    let reserved = world.hosts[0].signing.clone();
    world.crash(0);
    world.restart(0);
    world.look_at_head(0);
    world.post(0, &second);
    world.tick(0);
    assert_eq!(world.hosts[0].signing, reserved);
    world.complete(20);
}

#[test]
fn what_was_never_durable_never_was() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    // The step is made, and the power fails before its records are on disk.
    let effects = world.hosts[0].step(Event::Submitted(first.clone()));
    assert!(!effects.records.is_empty());
    world.crash(0);
    world.restart(0);
    world.look_at_head(0);
    assert_eq!(world.post(0, &first), Some(Submission::New));
    world.post(0, &second);
    world.complete(20);
}

#[test]
fn the_same_journal_makes_the_same_state_at_each_of_its_lengths() {
    let mut world = World::new(Plan { seed: 7, steps: 300, requests: 5, ..Plan::calm(4, 3, 3) });
    world.suffer();
    world.complete(100);
    let host = &world.hosts[1];
    for length in 0..=host.journal.len() {
        let text = serde_json::to_string(&host.journal[..length]).unwrap();
        let records: Vec<Record> = serde_json::from_str(&text).unwrap();
        let one = State::restore(host.settings.clone(), host.journal[..length].to_vec()).unwrap();
        let other = State::restore(host.settings.clone(), records).unwrap();
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

#[test]
fn a_seat_with_a_new_key_learns_from_the_chain_what_is_done_and_never_signs_it_again() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.complete(20);
    world.struck = true;
    world.replace(&BTreeSet::from([0, 1, 2]));
    world.complete(40);
    for seat in 0..3 {
        assert!(matches!(world.post(seat, &request), Some(Submission::Ended(_))));
        let status = world.hosts[seat].status(request.request.id);
        assert!(matches!(status.unwrap().phase, Phase::Final { nonce: 0, .. }));
    }
    world.rounds(10);
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_new_seat_signs_nothing_before_the_turns_before_its_time_are_final() {
    // All stores are lost while the only turn is in a block that is not final.
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let sent = world.pool.clone();
    world.mine(&sent, 60);
    assert_eq!(world.chain.ledger().nonce, 1);
    let charter = world.chain.ledger().charter.clone();
    world.mine(&[crate::world::chain::Transaction::Form { epoch: 1, charter }], 60);
    for seat in 0..3 {
        world.put_back(seat, vec![Record::Joined { epoch: 2, nonce: 1 }]);
    }
    for seat in 0..3 {
        world.post(seat, &request);
        world.tick(seat);
    }
    world.talk();
    let signed = world.hosts.iter().any(|host| !host.disk.reserved.is_empty());
    assert!(!signed, "the request may be executed already");
    world.rounds(10);
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_seat_that_joins_late_signs_nothing_before_the_turns_it_missed_are_final() {
    // Each turn is signed by one seat. Seat 1 has lost its store, and joins while turn 0 of this epoch is not final.
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(2, 1, 1) });
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let sent = world.pool.clone();
    world.mine(&sent, 60);
    world.put_back(1, vec![Record::Joined { epoch: 1, nonce: 1 }]);
    world.post(1, &request);
    world.rounds(10);
    assert_eq!(world.chain.ledger().turns.len(), 1, "the request is executed already");
}

#[test]
fn a_content_is_not_signed_any_more_once_one_of_its_requests_has_its_end() {
    // Seat 2 joins while turn 0 is not final, and agrees to a turn 1 that makes the same call again.
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let sent = world.pool.clone();
    world.mine(&sent, 60);
    world.put_back(2, vec![Record::Joined { epoch: 1, nonce: 1 }]);
    let id = TurnId { ring: RING, epoch: 1, nonce: 1, valid_until: world.chain.head().time + VALIDITY };
    let turn = Turn::new(id, vec![request.request.to_call(world.chain.ledger().charter.asset)]).unwrap();
    let votes = vec![World::vote(1, &turn)];
    world.feed(2, Event::Received { from: 1, message: Message::Turn { turn, requests: vec![request], votes } });
    assert_eq!(world.hosts[2].disk.contents.len(), 1);
    for _ in 0..4 {
        world.mine(&[], 60);
        world.look_at_head(2);
        world.tick(2);
    }
    assert!(world.hosts[2].disk.reserved.is_empty());
}

#[test]
fn a_request_bound_in_an_epoch_is_free_only_when_that_epoch_is_finally_over() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let content = world.pool.clone();
    world.pool.clear();
    world.struck = true;
    world.mine(&[crate::world::chain::Transaction::Resume { epoch: 1 }], 60);
    for seat in 0..3 {
        // A person who is too early.
        world.hosts[seat].write(vec![Record::Joined { epoch: 2, nonce: 0 }]);
        world.hosts[seat].start();
        world.look_at_head(seat);
        world.tick(seat);
    }
    // What is new may not be signed in the new epoch either, while that can be taken back.
    let second = world.request(2, 5, FAR);
    world.post(0, &second);
    world.talk();
    let over = |record: &Record| matches!(record, Record::EpochOver { .. });
    assert!(!world.hosts.iter().any(|host| host.journal.iter().any(over)));
    let early = world.hosts.iter().flat_map(|host| &host.disk.reserved).any(|(epoch, ..)| *epoch == 2);
    assert!(!early, "the old epoch may come back, and its turn with it");
    world.reorganise(1);
    world.mine(&content, 60);
    assert_eq!(world.chain.ledger().turns.len(), 1);
    world.mine(&[crate::world::chain::Transaction::Resume { epoch: 1 }], 60);
    world.rounds(20);
    assert_eq!(world.chain.ledger().turns.len(), 1);
}

#[test]
fn a_seat_that_joins_an_epoch_late_catches_up_with_what_was_bound_in_the_one_before() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    assert!((0..3).all(|seat| world.hosts[seat].disk.contents.len() == 1), "bound to turn 0 of epoch 1, everywhere");
    world.pool.clear();
    world.hosts.iter_mut().for_each(|host| host.submission = None);
    world.struck = true;
    world.mine(&[crate::world::chain::Transaction::Resume { epoch: 1 }], 60);
    // Nobody is needed but seats 0 and 1. They go on, until the request is executed in epoch 2, finally.
    world.crash(2);
    for _ in 0..12 {
        (0..2).for_each(|seat| world.join(seat));
        world.round();
    }
    assert_eq!(world.chain.final_ledger().turns[0].turn.id().epoch, 2);
    world.struck = false;
    world.join(2);
    world.rounds(10);
    assert_eq!(world.hosts[2].state.as_ref().unwrap().halt(), None);
    world.complete(10);
}

#[test]
fn to_go_on_in_the_same_epoch_makes_a_seat_forget_nothing_it_signed() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.post(0, &first);
    let reserved = world.hosts[0].disk.reserved.clone();
    world.feed(0, Event::HaltOrdered { reason: "a drill".to_owned() });
    // The halt never got on chain.
    world.pool.clear();
    world.hosts[0].write(vec![Record::Joined { epoch: 1, nonce: 0 }]);
    world.restart(0);
    world.look_at_head(0);
    world.post(0, &second);
    (0..5).for_each(|_| world.tick(0));
    assert_eq!(world.hosts[0].disk.reserved, reserved);
    world.complete(20);
}

#[test]
fn an_old_store_halts_when_a_peer_shows_what_its_key_signed_since() {
    let mut world = World::new(Plan::calm(3, 3, 3));
    let request = world.request(1, 5, FAR);
    let old = world.hosts[1].journal.clone();
    world.post(0, &request);
    world.talk();
    assert!(!world.hosts[1].disk.reserved.is_empty());
    // The store of seat 1 is put back to what it was.
    world.struck = true;
    world.put_back(1, old);
    (0..5).for_each(|_| world.tick(2));
    world.talk();
    assert!(world.hosts[1].state.as_ref().unwrap().halt().is_some(), "its own signature came back to it");
    assert!(world.hosts[1].disk.reserved.is_empty());
}

#[test]
fn an_old_store_halts_when_the_chain_shows_a_turn_that_needs_its_key() {
    let mut world = World::new(Plan::calm(3, 3, 3));
    let request = world.request(1, 5, FAR);
    let old = world.hosts[1].journal.clone();
    world.post(0, &request);
    world.round();
    world.struck = true;
    world.put_back(1, old);
    let halt = world.hosts[1].state.as_ref().unwrap().halt().cloned();
    assert!(matches!(halt, Some(Halt::UnknownTurn { own_key_used: true, nonce: 0, .. })));
    assert_eq!(world.chain.ledger().turns[0].turn.calls()[0].request_id, RequestId::with_last_byte(1));
}
