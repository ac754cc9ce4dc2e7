//! What a thief gets, and what the seats do about it.

use std::collections::BTreeSet;

use ring_contracts::{Charter, RequestId};
use ring_core::{Halt, Phase};

use crate::world::{FAR, Plan, World, chain::Transaction};

fn robbed(seats: usize, window: u8, quorum: u8, stolen: &[usize]) -> World {
    World::new(Plan { stolen: stolen.iter().copied().collect(), grace: 4, ..Plan::calm(seats, window, quorum) })
}

/// How many turns the thief gets now, one after the other.
fn burst(world: &mut World, id: RequestId) -> usize {
    let most = 2 * world.plan.seats;
    (0..most)
        .take_while(|_| {
            let Some(strike) = world.strike(id, 1).filter(|strike| world.chain.would_take(strike).is_ok()) else {
                return false;
            };
            world.struck = true;
            world.mine(&[strike], 60);
            true
        })
        .count()
}

/// max(0, run(n) − W + 1), and no end if all keys are stolen.
fn bound(charter: &Charter, stolen: &BTreeSet<usize>, nonce: u64) -> usize {
    let seats = charter.seats.len();
    let run = (0..seats).take_while(|step| stolen.contains(&((nonce as usize + step) % seats))).count();
    if run == seats { 2 * seats } else { (run + 1).saturating_sub(usize::from(charter.window)) }
}

#[test]
fn a_thief_gets_just_the_turns_that_the_bound_says_for_every_set_of_keys() {
    for seats in 1..=5usize {
        for window in 1..=seats as u8 {
            for set in 0u32..1 << seats {
                let stolen: Vec<usize> = (0..seats).filter(|seat| set >> seat & 1 == 1).collect();
                let mut world = robbed(seats, window, window, &stolen);
                let expected = bound(&world.chain.ledger().charter.clone(), &world.plan.stolen, 0);
                let got = burst(&mut world, RequestId::repeat_byte(0xee));
                assert_eq!(got, expected, "N {seats}, W {window}, stolen {stolen:?}");
            }
        }
    }
}

#[test]
fn after_a_turn_of_the_thief_every_seat_halts_and_halts_the_ring_and_signs_nothing_more() {
    let mut world = robbed(5, 2, 2, &[0, 1]);
    assert_eq!(burst(&mut world, RequestId::repeat_byte(0xee)), 1);
    for number in [1, 2] {
        let request = world.request(number, 5, FAR);
        world.post(usize::from(number), &request);
    }
    world.look_at_head(0);
    world.look_at_head(4);
    let halt = |world: &World, seat: usize| world.hosts[seat].state.as_ref().unwrap().halt().cloned();
    assert!(matches!(halt(&world, 0), Some(Halt::UnknownTurn { own_key_used: true, .. })), "its own key: at once");
    assert_eq!(halt(&world, 4), None, "a peer might explain it");
    world.rounds(2);
    assert!(world.chain.ledger().halted);
    world.rounds(4);
    for seat in 0..5 {
        assert!(halt(&world, seat).is_some());
        world.crash(seat);
        world.restart(seat);
    }
    world.rounds(5);
    assert!((0..5).all(|seat| halt(&world, seat).is_some()));
    assert_eq!(world.chain.ledger().nonce, 1);
}

#[test]
fn a_seat_outside_the_window_halts_when_nobody_can_explain_the_turn() {
    let mut world = robbed(5, 2, 2, &[0, 1]);
    burst(&mut world, RequestId::repeat_byte(0xee));
    // The robbed seats are silenced by the thief.
    world.crash(0);
    world.crash(1);
    for seat in [2, 3, 4] {
        world.look_at_head(seat);
        (0..=world.plan.grace).for_each(|_| world.tick(seat));
        let halt = world.hosts[seat].state.as_ref().unwrap().halt().cloned();
        assert!(matches!(halt, Some(Halt::UnknownTurn { own_key_used: false, nonce: 0, .. })), "{halt:?}");
        assert!(matches!(world.hosts[seat].halting, Some(Transaction::Halt { epoch: 1, .. })));
    }
}

#[test]
fn a_request_whose_id_a_thief_used_is_disputed_and_never_paid_by_us() {
    let mut world = robbed(4, 2, 2, &[0, 1]);
    let request = world.request(1, 5, FAR);
    world.crash(0);
    world.post(3, &request);
    world.talk();
    assert_eq!(burst(&mut world, request.request.id), 1);
    world.restart(0);
    world.rounds(6);
    world.replace(&BTreeSet::from([0, 1]));
    world.plan.changes = 1;
    world.complete(40);
    let phase = |seat: usize| world.hosts[seat].status(request.request.id);
    assert!(matches!(phase(3).unwrap().phase, Phase::Disputed { nonce: 0, .. }));
    assert_eq!(world.chain.final_ledger().turns.len(), 1);
}

#[test]
fn an_end_that_was_told_stays_when_a_thief_uses_the_id_again() {
    let mut world = robbed(4, 2, 2, &[1, 2]);
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.complete(20);
    let status = |world: &World, seat: usize| world.hosts[seat].status(request.request.id).map(|status| status.phase);
    let before = status(&world, 0);
    assert!(matches!(before, Some(Phase::Final { nonce: 0, .. })));
    assert_eq!(burst(&mut world, request.request.id), 1);
    world.rounds(6);
    world.replace(&BTreeSet::from([1, 2]));
    for _ in 0..20 {
        (0..4).for_each(|seat| world.join(seat));
        world.round();
    }
    for seat in [0, 3] {
        assert_eq!(status(&world, seat), before);
        assert!(matches!(world.post(seat, &request), Some(ring_core::Submission::Ended(_))));
    }
}

#[test]
fn after_the_master_has_replaced_the_stolen_keys_what_was_accepted_is_done() {
    let mut world = robbed(5, 3, 3, &[0, 1, 2]);
    let requests: Vec<_> = [1, 2, 4].into_iter().map(|number| world.request(number, 5, FAR)).collect();
    world.crash(0);
    requests.iter().for_each(|request| {
        world.post(3, request);
    });
    world.talk();
    burst(&mut world, RequestId::repeat_byte(0xee));
    world.restart(0);
    world.rounds(8);
    world.replace(&BTreeSet::from([0, 1, 2]));
    world.complete(60);
    let executed = world.chain.final_ledger().turns.iter().flat_map(|turn| turn.turn.calls().to_vec()).count();
    assert_eq!(executed, 1 + 3);
}
