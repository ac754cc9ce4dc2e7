//! Evidence: each seat signs only what its own sources confirm, and no turn is proposed that waits for a source.

use ring_core::{Message, Phase};

use crate::world::{FAR, Plan, World};

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
