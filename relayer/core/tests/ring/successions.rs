//! The ring's keys change, all of them, as it was announced: nobody halts, and nobody has to let a seat go on.

use ring_contracts::B256;
use ring_core::{Action, ChainView, Event, Halt, Message, ObservedTurn, Record, Submission};

use crate::world::{FAR, Plan, World, chain::Transaction};

/// A ring whose requests are executed by old keys and by new ones.
fn rotates(mut world: World) -> World {
    let (old, new) = (world.request(1, 5, FAR), world.request(2, 5, FAR));
    world.post(0, &old);
    world.rounds(6);
    let change = world.announce();
    world.mine(&[change], 60);
    world.post(1, &new);
    world.rounds(12);
    let epochs: Vec<u32> = world.chain.ledger().turns.iter().map(|turn| turn.turn.id().epoch).collect();
    assert_eq!(epochs, [1, 2]);
    world
}

fn succeeded(world: &World, seat: usize) -> Option<(u32, u64)> {
    let records = world.hosts[seat].journal.iter();
    records.clone().find_map(|record| match record {
        Record::Succeeded { epoch, nonce, .. } => Some((*epoch, *nonce)),
        _ => None,
    })
}

#[test]
fn an_announced_change_of_all_keys_halts_nobody_and_what_waits_is_paid_with_the_new_ones() {
    let mut world = rotates(World::new(Plan { rotations: 1, ..Plan::calm(3, 2, 2) }));
    for seat in 0..3 {
        assert_eq!(succeeded(&world, seat), Some((2, 1)));
        assert!(!world.hosts[seat].disk.halted);
    }
    world.complete(10);
}

#[test]
fn a_change_to_other_keys_than_those_announced_halts() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let Transaction::Form { epoch, mut charter } = world.announce() else { unreachable!() };
    charter.seats.swap(0, 1);
    world.struck = true;
    world.mine(&[Transaction::Form { epoch, charter }], 60);
    for seat in 0..3 {
        world.look_at_head(seat);
        assert!(world.hosts[seat].disk.halted);
    }
}

#[test]
fn a_second_change_after_the_announced_one_halts_who_has_not_gone_on_yet() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let change = world.announce();
    world.struck = true;
    world.mine(&[change, Transaction::Resume { epoch: 2 }], 60);
    world.look_at_head(0);
    assert!(world.hosts[0].disk.halted, "nobody announced that the ring would be resumed");
}

#[test]
fn nobody_goes_on_before_the_announced_change_is_final_and_a_reorg_of_it_changes_nothing() {
    let mut world = World::new(Plan { rotations: 1, ..Plan::calm(3, 2, 2) });
    let change = world.announce();
    world.mine(std::slice::from_ref(&change), 60);
    (0..3).for_each(|seat| world.look_at_head(seat));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    (0..3).for_each(|seat| world.tick(seat));
    world.talk();
    assert!((0..3).all(|seat| succeeded(&world, seat).is_none()));
    assert!(world.hosts.iter().all(|host| host.disk.reserved.is_empty()), "the old keys sign nothing any more");
    world.reorganise(1);
    world.pool.clear();
    world.rounds(6);
    assert_eq!(world.chain.ledger().turns[0].turn.id().epoch, 1, "the change never came, the old keys go on");
    world.mine(&[change], 60);
    world.rounds(8);
    assert!((0..3).all(|seat| succeeded(&world, seat) == Some((2, 1))));
}

#[test]
fn who_was_away_when_the_keys_changed_goes_on_from_the_same_turn_and_knows_what_was_paid() {
    let mut world = World::new(Plan { rotations: 1, ..Plan::calm(3, 1, 1) });
    let [old, new] = [1, 2].map(|number| world.request(number, 5, FAR));
    world.post(0, &old);
    world.talk();
    let change = world.announce();
    world.crash(2);
    // Turn 0 of the old keys, and turn 1 of the new ones, that seat 2 has no part in: both are executed before it is back.
    world.rounds(6);
    world.mine(&[change], 60);
    world.rounds(8);
    world.post(0, &new);
    world.rounds(2);
    assert_eq!(world.chain.ledger().nonce, 2);
    world.restart(2);
    world.rounds(30);
    assert_eq!(succeeded(&world, 2), Some((2, 1)));
    assert!(!world.hosts[2].disk.halted);
    for request in [old, new] {
        assert!(matches!(world.post(2, &request), Some(Submission::Ended(_))));
    }
}

#[test]
fn who_has_gone_on_explains_the_turns_of_the_epoch_before() {
    let mut world = World::new(Plan { copies: 1, rotations: 1, ..Plan::calm(3, 1, 1) });
    let request = world.request(1, 5, FAR);
    world.crash(2);
    world.post(0, &request);
    let change = world.announce();
    world.rounds(6);
    world.mine(&[change], 60);
    world.rounds(8);
    assert_eq!([succeeded(&world, 0), succeeded(&world, 1), succeeded(&world, 2)], [Some((2, 1)), Some((2, 1)), None]);
    // It has never heard of turn 0, and nobody else takes part in its epoch any more.
    world.restart(2);
    world.rounds(10);
    assert_eq!(succeeded(&world, 2), Some((2, 1)));
    assert!(!world.hosts[2].disk.halted);
}

#[test]
fn a_halt_is_not_ended_by_an_announced_change() {
    let mut world = World::new(Plan { rotations: 1, ..Plan::calm(3, 2, 2) });
    let change = world.announce();
    world.feed(1, Event::HaltOrdered { reason: "a drill".to_owned() });
    world.struck = true;
    world.pool.clear();
    world.mine(&[change], 60);
    world.rounds(8);
    assert!(world.hosts[1].disk.halted);
    assert_eq!([succeeded(&world, 0), succeeded(&world, 1)], [Some((2, 0)), None]);
}

#[test]
fn what_was_signed_ahead_by_old_keys_means_nothing_after_the_change() {
    let mut world = rotates(World::new(Plan { rotations: 1, ..Plan::calm(3, 2, 2) }));
    let signed = world.chain.ledger().turns[0].turn.clone();
    let votes = vec![World::vote(0, &signed), World::vote(1, &signed)];
    let journal = world.hosts[2].journal.len();
    world.feed(2, Event::Received { from: 1, message: Message::Turn { turn: signed, requests: Vec::new(), votes } });
    assert_eq!(world.hosts[2].journal.len(), journal);
}

#[test]
fn a_view_from_before_the_change_was_final_halts_nobody_who_has_gone_on() {
    let mut world = World::new(Plan { rotations: 1, ..Plan::calm(2, 2, 2) });
    let change = world.announce();
    world.mine(&[change], 60);
    world.rounds(8);
    assert_eq!(succeeded(&world, 0), Some((2, 0)));
    // An RPC that is behind, on a fork that lost: there the old keys executed a turn first.
    let view = world.chain.moments.last().unwrap().view(0);
    let executed = ObservedTurn {
        epoch: 1,
        nonce: 0,
        digest: B256::repeat_byte(1),
        requests: Vec::new(),
        failed: Vec::new(),
        transaction: B256::repeat_byte(2),
        block: view.head.number,
    };
    let behind =
        ChainView { epoch: 1, final_epoch: 1, nonce: 1, final_nonce: 0, turns: vec![executed], ..view.clone() };
    let seat = &mut world.hosts[0];
    let effects = seat.step(Event::Chain(behind.clone()));
    assert_eq!(effects.records, [], "{effects:?}");
    assert!(!seat.step(Event::Tick).actions.iter().any(|action| matches!(action, Action::Sign { .. })));
    // Once the change is final, a turn that nobody knows is one.
    let effects = seat.step(Event::Chain(ChainView { epoch: 2, final_epoch: 2, ..behind }));
    assert!(
        matches!(&effects.records[..], [Record::Halted(Halt::UnknownTurn { own_key_used: true, .. })]),
        "{effects:?}"
    );
}
