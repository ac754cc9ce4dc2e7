//! Voids: what can't be finished frees its requests, but only once that is final.

use std::collections::BTreeSet;

use ring_contracts::{RequestId, Turn, TurnId};
use ring_core::{Event, Message, Phase, Record};

use crate::world::{FAR, Plan, RING, VALIDITY, World, chain::Transaction, domain};

fn is_void(transaction: &Transaction) -> bool {
    matches!(transaction, Transaction::Execute { turn, .. } if turn.is_void())
}

/// A world in which turn 0, with request 1, is complete and expired, and its void is complete too.
fn content_and_void(seats: usize, window: u8) -> (World, Transaction, Transaction) {
    let mut world = World::new(Plan::calm(seats, window, window));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    let content = world.pool[0].clone();
    // Nobody includes it in time.
    world.pool.clear();
    world.mine(&[], VALIDITY + 60);
    for seat in 0..seats {
        world.look_at_head(seat);
    }
    world.talk();
    for _ in 0..4 * seats {
        (0..seats).for_each(|seat| world.tick(seat));
        world.talk();
    }
    let void = world.pool.iter().find(|sent| is_void(sent)).cloned().expect("the void is signed and sent");
    world.pool.clear();
    (world, content, void)
}

#[test]
fn an_expired_content_is_voided_and_its_requests_go_into_a_later_turn() {
    let (mut world, _, _) = content_and_void(3, 2);
    world.complete(30);
    let turns = &world.chain.final_ledger().turns;
    assert!(turns[0].turn.is_void());
    assert_eq!(turns[1].turn.calls()[0].request_id, RequestId::with_last_byte(1));
    assert_eq!(turns.len(), 2);
}

#[test]
fn what_a_void_frees_is_proposed_again_only_once_the_void_is_final() {
    let (mut world, _, void) = content_and_void(3, 2);
    world.mine(&[void], 60);
    for blocks in 0..3 {
        for seat in 0..3 {
            world.look_at_head(seat);
            world.tick(seat);
        }
        world.talk();
        let later = world.hosts.iter().flat_map(|host| &host.disk.reserved).any(|(_, nonce, _)| *nonce == 1);
        assert!(!later, "{blocks} blocks above the void something is signed for turn 1");
        let phase = world.hosts[1].status(RequestId::with_last_byte(1)).unwrap().phase;
        assert_eq!(phase, Phase::Signing { epoch: 1, nonce: 0 });
        world.mine(&[], 60);
    }
    world.complete(30);
}

#[test]
fn when_the_void_is_reorganised_away_and_the_content_executed_instead_it_is_paid_once() {
    let (mut world, content, void) = content_and_void(3, 2);
    world.mine(&[void], 60);
    for seat in 0..3 {
        world.look_at_head(seat);
        world.tick(seat);
    }
    world.talk();
    world.reorganise(3);
    // In this history the blocks are earlier, so that the content is still in time.
    world.mine(&[content], 30);
    assert_eq!(world.chain.ledger().turns.len(), 1);
    world.complete(30);
    assert_eq!(world.chain.ledger().turns.len(), 1);
    assert!(!world.chain.ledger().turns[0].turn.is_void());
}

#[test]
fn a_seat_that_signed_the_void_signs_no_content_of_that_nonce_any_more() {
    let mut world = World::new(Plan::calm(3, 3, 2));
    let time = world.chain.head().time;
    let void = Turn::void(RING, 1, 0).digest(&domain());
    for (lead, number, valid_until) in [(0, 1, time - 1), (2, 2, time + VALIDITY)] {
        let request = world.request(number, 5, FAR);
        let calls = vec![request.request.to_call(world.chain.ledger().charter.asset)];
        let turn = Turn::new(TurnId { ring: RING, epoch: 1, nonce: 0, valid_until }, calls).unwrap();
        let message = Message::Turn { votes: vec![World::vote(lead, &turn)], turn, requests: vec![request] };
        world.feed(1, Event::Received { from: lead, message });
        assert_eq!(world.hosts[1].disk.reserved, BTreeSet::from([(1, 0, void)]));
    }
    assert_eq!(world.hosts[1].disk.contents.len(), 2);
}

#[test]
fn without_any_content_nobody_signs_a_void() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.mine(&[], 10 * VALIDITY);
    world.rounds(10);
    assert!(world.hosts.iter().all(|host| host.disk.reserved.is_empty()));
    assert!(world.chain.ledger().turns.is_empty());
}

#[test]
fn the_void_waits_until_every_content_that_was_heard_of_has_expired() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.talk();
    world.pool.clear();
    world.mine(&[], VALIDITY);
    for seat in 0..3 {
        world.look_at_head(seat);
    }
    world.talk();
    let void = Turn::void(RING, 1, 0).digest(&domain());
    let signed_void = |world: &World| world.hosts.iter().any(|host| host.disk.reserved.contains(&(1, 0, void)));
    assert!(!signed_void(&world), "at its last second the content can still be executed");
    world.mine(&[], 1);
    for seat in 0..3 {
        world.look_at_head(seat);
    }
    assert!(signed_void(&world));
}

#[test]
fn when_two_seats_lead_and_split_the_votes_both_requests_are_done_in_the_end() {
    // Three seats, all in the window, two signatures: seats 0 and 1 lead with contents of their own, and seat 2 is away.
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(3, 3, 2) });
    world.crash(2);
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.post(0, &first);
    world.sign_one(0);
    world.post(1, &second);
    (0..5).for_each(|_| world.tick(1));
    world.sign_one(1);
    world.talk();
    // Seat 2 may still decide it; while it is away, only time does.
    assert!(world.hosts.iter().take(2).all(|host| host.disk.reserved.len() == 1));
    world.restart(2);
    world.complete(40);
    let executed = world.chain.final_ledger().turns.iter().flat_map(|turn| turn.turn.calls().to_vec()).count();
    assert_eq!(executed, 2);
}

#[test]
fn a_void_whose_content_is_not_known_for_sure_is_waited_for_until_it_is_final() {
    // Two signatures of three. Seats 0 and 2 complete a content and, when it is late, the void; seats 1 and 3 do not hear
    // of them, and of the same nonce know another content only.
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(4, 3, 2) });
    let [first, second] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.divide(Some(&[0, 2]));
    world.post(0, &first);
    world.talk();
    let content = world.pool[0].clone();
    world.pool.clear();
    world.post(1, &second);
    (0..5).for_each(|_| world.tick(1));
    world.talk();
    assert_eq!(world.hosts[3].disk.contents.len(), 1);
    world.mine(&[], VALIDITY + 60);
    for _ in 0..6 {
        for seat in [0, 2] {
            world.look_at_head(seat);
            world.tick(seat);
        }
        world.talk();
    }
    let void = world.pool.iter().find(|sent| is_void(sent)).cloned().unwrap();
    world.pool.clear();
    world.mine(&[void], 60);
    // Now seats 1 and 3 hear of the first request from the client, and may sign turn 1 without the others.
    world.post(1, &first);
    for _ in 0..12 {
        for seat in [1, 3] {
            world.look_at_head(seat);
            world.tick(seat);
        }
        world.talk();
    }
    let after: Vec<Transaction> = world.pool.iter().filter(|sent| !is_void(sent)).cloned().collect();
    // The other history: the content is in time, and whatever was signed for turn 1 follows.
    world.reorganise(3);
    world.mine(&[content], 30);
    world.mine(&after, 30);
    world.divide(None);
    world.complete(60);
}

#[test]
fn a_void_that_nobody_explains_never_halts() {
    let (mut world, _, void) = content_and_void(4, 2);
    world.divide(Some(&[3]));
    // A store that has not heard of the content.
    world.put_back(3, vec![Record::Joined { epoch: 1, nonce: 0 }]);
    world.mine(&[void], 60);
    world.look_at_head(3);
    (0..100).for_each(|_| world.tick(3));
    assert_eq!(world.hosts[3].state.as_ref().unwrap().halt(), None, "a void pays nobody");
    world.divide(None);
    world.complete(30);
}

#[test]
fn votes_that_no_content_can_win_with_lead_to_the_void_at_once() {
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(4, 4, 3) });
    let requests = [1, 2].map(|number| world.request(number, 5, FAR));
    // Seats 0 and 1 sign their own; 2 and 3 hear of one each.
    world.post(0, &requests[0]);
    world.sign_one(0);
    world.post(1, &requests[1]);
    (0..5).for_each(|_| world.tick(1));
    world.sign_one(1);
    for (seat, lead) in [(2, 0), (3, 1)] {
        let turn = world.hosts[lead].disk.contents[0].clone();
        let votes = vec![World::vote(lead, &turn)];
        let requests = vec![requests[lead].clone()];
        let message = Message::Turn { turn, requests, votes };
        world.feed(seat, Event::Received { from: lead, message });
        world.sign_one(seat);
    }
    let time = world.chain.head().time;
    world.talk();
    let void = Turn::void(RING, 1, 0).digest(&domain());
    assert!(world.hosts.iter().all(|host| host.disk.reserved.contains(&(1, 0, void))));
    assert_eq!(world.chain.head().time, time);
    world.complete(40);
    assert!(world.chain.final_ledger().turns[0].turn.is_void());
}

#[test]
fn the_void_is_reserved_like_a_content() {
    let (world, _, _) = content_and_void(3, 2);
    let reserved = |record: &&Record| matches!(record, Record::Reserved { nonce: 0, void: true, .. });
    for host in &world.hosts[..2] {
        assert_eq!(host.journal.iter().filter(reserved).count(), 1);
    }
    assert_eq!(world.hosts[2].journal.iter().filter(reserved).count(), 0);
}
