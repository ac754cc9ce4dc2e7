//! Refills: a seat may ask for gas money for its own account, once a period, and every seat sees for itself that it needs it.

use ring_contracts::{Address, Request, RequestId, SignedRequest};
use ring_core::{Phase, Refusal, Submission};

use crate::world::{FAR, Plan, REFILL, RING, World, domain, sign_request};

fn world() -> World {
    World::new(Plan::calm(3, 2, 2))
}

fn refill(world: &World, seat: usize, time: u64) -> Request {
    REFILL.request(&domain(), RING, world.hosts[seat].settings.key, time)
}

/// Signed by a seat.
fn signed(world: &World, seat: usize, request: Request) -> SignedRequest {
    sign_request(&world.hosts[seat].signer, request)
}

/// Whether its call was made, and finally so; some fail in this model of the chain.
fn is_executed(world: &World, seat: usize, id: RequestId) -> bool {
    matches!(world.hosts[seat].status(id).unwrap().phase, Phase::Final { .. } | Phase::Failed { .. })
}

#[test]
fn a_seat_gets_gas_money_once_a_period_however_often_it_asks() {
    let mut world = world();
    let start = world.chain.head().time / REFILL.period * REFILL.period;
    let request = signed(&world, 0, refill(&world, 0, start));
    assert_eq!(world.post(0, &request), Some(Submission::New));
    world.complete(20);
    assert!(is_executed(&world, 2, request.request.id));
    for time in [start, start + REFILL.period - 1] {
        let again = signed(&world, 0, refill(&world, 0, time));
        assert!(matches!(world.post(0, &again), Some(Submission::Ended(_))), "it is the same");
    }
    assert_eq!(world.chain.ledger().turns.len(), 1);
    let next = signed(&world, 0, refill(&world, 0, start + REFILL.period));
    assert_eq!(world.post(0, &next), Some(Submission::New));
}

#[test]
fn every_seat_has_to_see_for_itself_that_an_account_needs_it_where_nothing_else_has_to_be_confirmed() {
    let mut world = world();
    let request = signed(&world, 0, refill(&world, 0, world.chain.head().time));
    let id = request.request.id;
    world.unheard.extend((1..3).map(|seat| (seat, id)));
    world.post(0, &request);
    let other = world.request(1, 5, FAR);
    world.post(0, &other);
    world.rounds(20);
    assert!(is_executed(&world, 0, other.request.id));
    assert_eq!(world.hosts[0].status(id).unwrap().phase, Phase::Accepted, "only the seat itself confirms it");
    world.unheard.clear();
    world.complete(40);
    assert!(is_executed(&world, 0, id));
}

#[test]
fn a_seats_key_may_ask_for_nothing_else() {
    let mut world = world();
    let time = world.chain.head().time;
    let right = refill(&world, 0, time);
    let key = world.hosts[0].settings.key;
    let other = world.hosts[1].settings.key;
    for (what, wrong) in [
        ("for another account", Request { target: Address::with_last_byte(9), ..right.clone() }),
        ("for another seat", refill(&world, 1, time)),
        ("more", Request { value: REFILL.amount + 1, ..right.clone() }),
        ("a second", Request { id: RequestId::with_last_byte(1), ..right.clone() }),
        ("for longer", Request { expiry: right.expiry + 1, ..right.clone() }),
        ("with more gas", Request { gas: right.gas + 1, ..right.clone() }),
        ("with data", Request { data: vec![1].into(), ..right.clone() }),
        ("of another time", Request { expiry: right.expiry + REFILL.period, ..right.clone() }),
    ] {
        let refused = world.post(0, &signed(&world, 0, wrong));
        let is_refused =
            |refused| matches!(refused, Some(Submission::Refused(Refusal::UnknownRequester(by))) if by == key);
        assert!(is_refused(refused.clone()), "{what}: {refused:?}");
    }
    let by_another = world.post(0, &signed(&world, 1, right.clone()));
    assert_eq!(by_another, Some(Submission::Refused(Refusal::UnknownRequester(other))));
    for host in &mut world.hosts {
        host.settings.refill = None;
    }
    world.crash(0);
    world.restart(0);
    world.look_at_head(0);
    let refused = world.post(0, &signed(&world, 0, right));
    assert_eq!(refused, Some(Submission::Refused(Refusal::UnknownRequester(key))));
}
