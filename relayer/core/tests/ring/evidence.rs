//! Evidence: each seat signs only what its own sources confirm, and no turn is proposed that waits for a source.

use ring_contracts::{SignedRequest, Turn, TurnId};
use ring_core::{Message, Phase, Vote};

use crate::world::{FAR, Plan, RING, World, domain, sign};

fn world() -> World {
    World::new(Plan { evidence: true, ..Plan::calm(3, 2, 2) })
}

#[test]
fn a_request_that_every_source_confirms_is_paid() {
    let mut world = world();
    let request = world.request(1, 5, FAR);
    world.post(2, &request);
    world.complete(20);
    assert!(matches!(world.hosts[0].status(request.request.id).unwrap().phase, Phase::Final { .. }));
}

#[test]
fn a_seat_signs_nothing_that_its_own_sources_do_not_confirm_whoever_proposes_it() {
    let mut world = world();
    let request = world.request(1, 5, FAR);
    let id = request.request.id;
    // The lead says that it knows of seat 1's confirmation, which there is not.
    world.unheard.insert((1, id));
    world.post(0, &request);
    world.feed(0, ring_core::Event::Received { from: 1, message: Message::Confirmed { requests: vec![id] } });
    world.talk();
    world.rounds(3);
    assert_eq!(world.chain.ledger().turns.len(), 0);
    // Once its sources have heard of it, it signs.
    world.unheard.clear();
    world.complete(30);
    assert!(matches!(world.hosts[1].status(id).unwrap().phase, Phase::Final { .. }));
}

#[test]
fn a_request_that_waits_for_a_source_holds_nothing_up() {
    let mut world = world();
    let [waits, goes] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.unheard.insert((1, waits.request.id));
    world.post(0, &waits);
    world.post(0, &goes);
    world.rounds(6);
    let paid: Vec<_> = world.chain.ledger().turns.iter().flat_map(|turn| turn.turn.calls()).collect();
    assert_eq!(paid.len(), 1, "seat 1 is in the window of turn 1 too");
    assert_eq!(paid[0].request_id, goes.request.id);
}

#[test]
fn a_request_that_a_source_contradicts_is_reported_and_expires() {
    let mut world = world();
    let request = world.request(1, 5, world.chain.head().time + 900);
    let id = request.request.id;
    for seat in 0..3 {
        world.refuted.insert((seat, id));
    }
    world.post(0, &request);
    world.rounds(40);
    assert!(world.objections.iter().any(|(_, reason)| reason.contains("nobody paid for it")));
    assert_eq!(world.hosts[0].status(id).unwrap().phase, Phase::Expired);
    assert_eq!(world.chain.ledger().turns.len(), 0);
}

#[test]
fn people_hear_of_a_turn_that_made_what_this_seats_sources_refute_whichever_is_known_first() {
    let told = |world: &World, seat: usize| {
        world.alarms.iter().filter(|(of, reason)| *of == seat && reason.contains("own sources refute")).count()
    };
    for refuted_first in [true, false] {
        let mut world = world();
        let request = world.request(1, 5, FAR);
        let id = request.request.id;
        // Seat 2 has no part in turn 0.
        match refuted_first {
            true => world.refuted.insert((2, id)),
            false => world.unheard.insert((2, id)),
        };
        world.post(0, &request);
        world.rounds(3);
        assert_eq!(world.chain.ledger().turns.len(), 1, "the others know of nothing against it");
        if !refuted_first {
            assert_eq!(told(&world, 2), 0);
            world.unheard.clear();
            world.refuted.insert((2, id));
            (0..8).for_each(|_| world.tick(2));
            world.talk();
        }
        assert_eq!((told(&world, 0), told(&world, 1), told(&world, 2)), (0, 0, 1));
    }
}

#[test]
fn after_a_restart_the_sources_are_asked_again_and_the_peers_told_again() {
    let mut world = world();
    let request = world.request(1, 5, FAR);
    world.unheard.insert((0, request.request.id));
    world.post(1, &request);
    world.rounds(2);
    for seat in 0..3 {
        world.crash(seat);
        world.restart(seat);
    }
    world.unheard.clear();
    world.complete(30);
    assert!(matches!(world.hosts[2].status(request.request.id).unwrap().phase, Phase::Final { .. }));
}

/// A ring in which every seat has to sign every turn, and whose sources are believed for six ticks.
fn forgetful() -> World {
    World::new(Plan { evidence: true, confirmed_ticks: Some(6), ..Plan::calm(3, 3, 3) })
}

/// A request that seat 1 confirms, and the lead does not: nothing is proposed.
fn held_up(world: &mut World) -> SignedRequest {
    let request = world.request(1, 5, FAR);
    world.unheard.insert((0, request.request.id));
    world.post(1, &request);
    world.talk();
    request
}

/// So many ticks of a seat, at each of which its sources answer.
fn ticks(world: &mut World, seat: usize, count: usize) {
    for _ in 0..count {
        world.tick(seat);
        world.talk();
    }
}

#[test]
fn what_was_confirmed_long_ago_is_asked_about_again_before_anything_is_signed() {
    let mut world = forgetful();
    let id = held_up(&mut world).request.id;
    assert!(world.hosts[1].confirmed.contains_key(&id));
    // Meanwhile what seat 1 was told is no longer so.
    world.unheard.insert((1, id));
    ticks(&mut world, 1, 6);
    world.unheard.remove(&(0, id));
    world.rounds(3);
    assert_eq!(world.chain.ledger().turns.len(), 0, "seat 1 signs by what it was told long ago");
    world.unheard.clear();
    world.complete(40);
    assert!(matches!(world.hosts[1].status(id).unwrap().phase, Phase::Final { .. }));
}

#[test]
fn what_is_refuted_when_it_is_asked_about_again_is_never_signed() {
    let mut world = forgetful();
    let request = world.request(1, 5, world.chain.head().time + 900);
    let id = request.request.id;
    world.unheard.insert((0, id));
    world.post(1, &request);
    world.talk();
    world.refuted.insert((1, id));
    ticks(&mut world, 1, 6);
    assert!(world.objections.iter().any(|(_, reason)| reason.contains("nobody paid for it")));
    world.unheard.clear();
    world.rounds(40);
    assert!(world.chain.ledger().turns.iter().all(|turn| turn.turn.is_void()));
    assert_eq!(world.hosts[1].status(id).unwrap().phase, Phase::Expired);
}

#[test]
fn a_turn_that_was_signed_is_not_asked_about_again() {
    let mut world = forgetful();
    let request = world.request(1, 5, FAR);
    let id = request.request.id;
    world.post(0, &request);
    world.talk();
    assert!(world.hosts.iter().any(|host| host.submission.is_some()), "it is signed and only has to be sent");
    for seat in 0..3 {
        world.unheard.insert((seat, id));
        ticks(&mut world, seat, 12);
    }
    world.complete(20);
    assert!(matches!(world.hosts[0].status(id).unwrap().phase, Phase::Final { .. }));
}

#[test]
fn what_waits_and_stays_confirmed_is_paid_without_asking_at_every_turn() {
    let mut world = forgetful();
    held_up(&mut world);
    let mut asked = 0;
    for _ in 0..12 {
        world.tick(1);
        asked += world.hosts[1].inquiries.len();
        world.talk();
    }
    assert_eq!(asked, 4, "twice in the time for which it is believed");
}

#[test]
fn what_is_not_confirmed_any_more_is_not_signed_even_if_it_was_a_moment_ago() {
    let mut world = forgetful();
    let id = held_up(&mut world).request.id;
    world.unheard.insert((1, id));
    ticks(&mut world, 1, 3);
    world.unheard.remove(&(0, id));
    ticks(&mut world, 0, 4);
    assert!(world.hosts[0].confirmed.contains_key(&id), "the lead may propose it");
    assert!(world.hosts[1].disk.reserved.is_empty(), "seat 1 signs by what it was told before");
    world.unheard.clear();
    world.complete(40);
}

#[test]
fn sources_that_take_their_time_are_asked_once() {
    let mut world = forgetful();
    let request = held_up(&mut world);
    for _ in 0..20 {
        world.tick(1);
    }
    assert_eq!(world.hosts[1].inquiries, [request.request.id]);
}

#[test]
fn what_a_proposed_turn_carries_is_kept_confirmed_until_it_can_be_signed() {
    let mut world = forgetful();
    let request = held_up(&mut world);
    let id = request.request.id;
    // Seat 1 hears of a turn that the lead has yet to sign.
    let call = request.request.to_call(world.hosts[1].settings.charter.asset);
    let turn_id = TurnId { ring: RING, epoch: 1, nonce: 0, valid_until: world.chain.head().time + 300 };
    let turn = Turn::new(turn_id, vec![call]).unwrap();
    let vote = Vote { seat: 2, signature: sign(&world.hosts[2].signer, &turn.digest(&domain())) };
    let message = Message::Turn { turn, requests: vec![request], votes: vec![vote] };
    world.feed(1, ring_core::Event::Received { from: 2, message });
    assert!(matches!(world.hosts[1].status(id).unwrap().phase, Phase::Signing { .. }));
    for _ in 0..12 {
        world.tick(1);
        world.find_one(1);
    }
    assert_eq!(world.hosts[1].confirmed.get(&id), Some(&12));
}
