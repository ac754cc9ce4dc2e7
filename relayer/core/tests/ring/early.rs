//! What peers say of turns whose nonces have not come.

use ring_contracts::{B256, SignedRequest, Turn, TurnId};
use ring_core::{Action, ChainView, Effects, Event, Message, ObservedTurn, Record};

use crate::world::{FAR, Plan, RING, VALIDITY, World, domain};

/// A turn as its lead proposes it.
fn proposal(world: &World, nonce: u64, request: &SignedRequest) -> (Turn, Message) {
    let charter = &world.hosts[0].settings.charter;
    let valid_until = world.chain.head().time + VALIDITY;
    let calls = vec![request.request.to_call(charter.asset)];
    let turn = Turn::new(TurnId { ring: RING, epoch: 1, nonce, valid_until }, calls).unwrap();
    let lead = charter.window_of(nonce).next().unwrap();
    let message =
        Message::Turn { turn: turn.clone(), requests: vec![request.clone()], votes: vec![World::vote(lead, &turn)] };
    (turn, message)
}

/// Pays a request in the next turn, which all of these seats see.
fn pay(world: &mut World, number: u8, seats: impl IntoIterator<Item = usize>) {
    let request = world.request(number, 5, FAR);
    let turns = world.chain.ledger().turns.len();
    world.post(0, &request);
    world.talk();
    let transactions = world.pool.clone();
    world.mine(&transactions, 60);
    assert_eq!(world.chain.ledger().turns.len(), turns + 1);
    seats.into_iter().for_each(|seat| world.look_at_head(seat));
    world.talk();
}

fn knows(world: &World, seat: usize, turn: &Turn) -> bool {
    world.hosts[seat].disk.contents.iter().any(|known| known.digest(&domain()) == turn.digest(&domain()))
}

#[test]
fn what_is_proposed_before_its_nonce_binds_and_is_written_down_when_that_comes() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let (early, message) = proposal(&world, 1, &request);
    world.feed(2, Event::Received { from: 1, message });
    assert!(world.hosts[2].journal.iter().all(|record| record.about() != Some(1)));
    assert_eq!(world.hosts[2].status(request.request.id), None);
    // Whoever proposes early holds nothing back.
    let (now, message) = proposal(&world, 0, &request);
    world.feed(2, Event::Received { from: 0, message });
    assert!(knows(&world, 2, &now) && !knows(&world, 2, &early));
    assert!(world.hosts[2].signing.is_empty());

    let other = world.request(2, 5, FAR);
    let (early, message) = proposal(&world, 1, &other);
    world.feed(2, Event::Received { from: 1, message });
    assert!(!knows(&world, 2, &early));
    pay(&mut world, 1, [0, 2]);
    assert!(knows(&world, 2, &early), "its nonce has come");
}

#[test]
fn a_seat_whose_chain_lags_asks_nobody_for_turns_that_it_was_told_of() {
    let mut world = World::new(Plan::calm(5, 2, 2));
    // Seat 4 has no part in the turns 0 to 2, and sees none of them executed.
    (1..=3).for_each(|number| pay(&mut world, number, 0..4));
    let view = world.chain.moments.last().unwrap().view(0);
    assert_eq!(view.nonce, 3, "three turns are executed");
    let actions = world.hosts[4].step(Event::Chain(view)).actions;
    let asks = |action: &Action| matches!(action, Action::Send { message: Message::Explain { .. }, .. });
    assert!(!actions.iter().any(asks), "{actions:?}");
    assert!(world.hosts[4].state.as_ref().unwrap().overview().unexplained.is_empty());
}

#[test]
fn votes_told_before_their_nonce_count_when_that_comes() {
    let mut world = World::new(Plan::calm(3, 3, 3));
    let request = world.request(1, 5, FAR);
    // Seats 1 and 2 have signed, in this order, and seat 0 hears of the votes alone first.
    let (turn, message) = proposal(&world, 1, &request);
    let votes = vec![World::vote(1, &turn), World::vote(2, &turn)];
    let votes = Message::Votes { epoch: 1, nonce: 1, digest: turn.digest(&domain()), votes };
    world.feed(0, Event::Received { from: 2, message: votes });
    world.feed(0, Event::Received { from: 1, message });
    pay(&mut world, 2, []);
    let view = world.chain.moments.last().unwrap().view(0);
    let effects = world.hosts[0].step(Event::Chain(view));
    let asks = |action: &Action| matches!(action, Action::Send { message: Message::Explain { .. }, .. });
    assert!(!effects.actions.iter().any(asks), "{effects:?}");
    assert!(effects.actions.iter().any(|action| matches!(action, Action::Sign { nonce: 1, .. })), "{effects:?}");
    let voted = effects.records.iter().filter(|record| matches!(record, Record::Voted { nonce: 1, .. }));
    assert_eq!(voted.count(), 2);
}

#[test]
fn a_turn_told_before_its_nonce_is_judged_by_what_has_ended_when_that_comes() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let all = 0..3;
    pay(&mut world, 1, all.clone());
    // Until the first turn is final and its request has ended.
    (0..4).for_each(|_| world.mine(&[], 60));
    all.clone().for_each(|seat| world.look_at_head(seat));
    let ended = world.request(1, 5, FAR);
    assert!(world.hosts[0].disk.settled.contains_key(&ended.request.id));

    let (early, message) = proposal(&world, 2, &ended);
    world.feed(0, Event::Received { from: 2, message });
    pay(&mut world, 2, [1, 2]);
    let view = world.chain.moments.last().unwrap().view(1);
    assert_eq!(view.nonce, 2);
    let Effects { records, actions } = world.hosts[0].step(Event::Chain(view));
    let is_refused = |action: &Action| matches!(action, Action::Objected { from: 2, nonce: 2, reason, .. } if reason.contains("settled"));
    assert!(actions.iter().any(is_refused), "{actions:?}");
    assert!(!records.contains(&Record::Content(early)));
}

#[test]
fn only_who_has_a_part_in_a_turn_is_heard_before_its_nonce_and_a_round_before_at_most() {
    for (nonce, from, heard) in [(2, 2, true), (2, 4, true), (2, 1, false), (5, 1, true), (6, 1, false)] {
        let mut world = World::new(Plan::calm(5, 3, 2));
        let request = world.request(1, 5, FAR);
        let (turn, message) = proposal(&world, nonce, &request);
        let view = world.chain.moments.last().unwrap().view(0);
        let executed = |nonce| ObservedTurn {
            epoch: view.epoch,
            nonce,
            digest: B256::ZERO,
            requests: Vec::new(),
            failed: Vec::new(),
            transaction: B256::ZERO,
            block: view.head.number,
        };
        let view = ChainView { nonce, turns: (0..nonce).map(executed).collect(), ..view.clone() };
        world.hosts[0].step(Event::Received { from, message });
        let records = world.hosts[0].step(Event::Chain(view)).records;
        assert_eq!(records.contains(&Record::Content(turn)), heard, "turn {nonce}, told by seat {from}");
    }
}
