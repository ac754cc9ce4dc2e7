//! Halts: what stops a seat, that it stays stopped, and that it says so on chain.

use ring_contracts::{Address, B256, Equivocation, Turn, TurnId, U256};
use ring_core::{Action, Announced, Dispute, Event, Halt, Message, Past, Record, Shortfall, TermsChanged};

use crate::world::{CAP, FAR, Plan, RING, TOKEN, VALIDITY, World, chain::Transaction, domain};

fn halt(world: &World, seat: usize) -> Option<Halt> {
    world.hosts[seat].state.as_ref().unwrap().halt().cloned()
}

fn turn(world: &World, number: u8, nonce: u64) -> (Turn, ring_contracts::SignedRequest) {
    let request = world.request(number, 5, FAR);
    let id = TurnId { ring: RING, epoch: 1, nonce, valid_until: world.chain.head().time + VALIDITY };
    let call = request.request.to_call(world.hosts[0].settings.charter.asset);
    (Turn::new(id, vec![call]).unwrap(), request)
}

#[test]
fn a_peer_that_signs_two_contents_for_one_nonce_halts_everybody_who_sees_both() {
    let mut world = World::new(Plan::calm(4, 3, 3));
    world.struck = true;
    for number in [1, 2] {
        let (turn, request) = turn(&world, number, 0);
        let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests: vec![request] };
        world.feed(1, Event::Received { from: 0, message });
    }
    let Some(Halt::Equivocation { seat: 0, nonce: 0, proof: Some(proof), .. }) = halt(&world, 1) else { panic!() };
    assert_eq!(proof.check(&domain()), Ok(world.hosts[0].settings.key));
    assert_eq!(world.hosts[1].halting, Some(Transaction::Prove { epoch: 1, key: world.hosts[0].settings.key }));
    // The others hear of it, check it, and halt themselves.
    world.talk();
    for seat in [2, 3] {
        assert!(matches!(halt(&world, seat), Some(Halt::Equivocation { seat: 0, nonce: 0, proof: Some(_), .. })));
    }
    world.mine(&world.hosts[1].halting.clone().into_iter().collect::<Vec<_>>(), 10);
    assert!(world.chain.ledger().halted);
    assert!(world.chain.ledger().charter.seats[0].is_zero(), "the key is revoked");
}

#[test]
fn a_peer_that_says_that_another_signed_two_contents_is_believed_only_if_it_proves_it() {
    let mut world = World::new(Plan::calm(4, 3, 3));
    let [(first, _), (second, _)] = [1, 2].map(|number| turn(&world, number, 0));
    let signed = |turn: &Turn, by: usize| turn.signed_by(World::vote(by, turn).signature);
    let claims = [
        None,
        Some(Equivocation { first: signed(&first, 0), second: signed(&first, 0) }),
        Some(Equivocation { first: signed(&first, 0), second: signed(&second, 2) }),
        // Of another seat than it says.
        Some(Equivocation { first: signed(&first, 3), second: signed(&second, 3) }),
    ];
    let digests = [&first, &second].map(|turn| turn.digest(&domain()));
    for proof in claims {
        let proof = proof.map(Box::new);
        let halt = Halt::Equivocation { seat: 0, nonce: 0, first: digests[0], second: digests[1], proof };
        world.feed(1, Event::Received { from: 2, message: Message::Halted { epoch: 1, halt } });
    }
    assert_eq!(halt(&world, 1), None);
    assert_eq!(world.alarms.iter().filter(|(seat, _)| *seat == 1).count(), 1, "people hear of it once");
}

#[test]
fn a_content_and_the_void_by_one_key_are_no_equivocation() {
    let mut world = World::new(Plan::calm(4, 3, 3));
    let (turn, request) = turn(&world, 1, 0);
    for (turn, requests) in [(turn, vec![request]), (Turn::void(RING, 1, 0), vec![])] {
        let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests };
        world.feed(1, Event::Received { from: 0, message });
    }
    assert_eq!(halt(&world, 1), None);
}

#[test]
fn a_refused_content_counts_for_equivocation_too() {
    let mut world = World::new(Plan::calm(4, 3, 3));
    world.struck = true;
    for number in [1, 2] {
        let (turn, _) = turn(&world, number, 0);
        let message = Message::Turn { votes: vec![World::vote(0, &turn)], turn, requests: vec![] };
        world.feed(1, Event::Received { from: 0, message });
    }
    assert!(matches!(halt(&world, 1), Some(Halt::Equivocation { seat: 0, .. })));
}

#[test]
fn an_ordered_halt_is_on_disk_in_the_same_step_that_sends_it_and_outlives_restarts() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    let effects = world.hosts[0].step(Event::HaltOrdered { reason: "a drill".to_owned() });
    assert!(matches!(&effects.records[..], [Record::Halted(Halt::Ordered { reason })] if reason == "a drill"));
    assert!(effects.actions.contains(&Action::HaltOnChain { epoch: 1, proof: None }));
    world.hosts[0].write(effects.records);
    for _ in 0..3 {
        world.crash(0);
        world.restart(0);
        world.look_at_head(0);
        assert!(matches!(halt(&world, 0), Some(Halt::Ordered { .. })));
        assert_eq!(world.hosts[0].halting, Some(Transaction::Halt { epoch: 1, by: world.hosts[0].settings.key }));
        assert!(world.hosts[0].signing.is_empty());
    }
}

#[test]
fn a_chain_that_is_disputed_for_long_halts_the_ring_with_both_answers() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let answers = vec!["rpc[0] says 1".to_owned(), "rpc[1] says 2".to_owned()];
    let dispute = Dispute { since: 1, what: "the state".to_owned(), block: 7, answers };
    world.feed(0, Event::ChainDisputed(dispute.clone()));
    assert_eq!(halt(&world, 0), Some(Halt::ChainDisputed(dispute)));
    assert!(halt(&world, 0).unwrap().to_string().contains("rpc[1] says 2"));
    assert!(matches!(world.hosts[0].halting, Some(Transaction::Halt { epoch: 1, .. })));
}

#[test]
fn a_master_or_a_higher_cap_that_was_not_announced_halts_this_seat_and_not_the_ring() {
    let world = || World::new(Plan::calm(3, 2, 2));
    let master = world().hosts[0].view.as_ref().unwrap().master;
    let cap = U256::from(CAP);
    let other = Address::repeat_byte(7);
    let announced = |masters: &[Address], cap: U256| Announced {
        masters: masters.iter().copied().collect(),
        caps: [(TOKEN, cap), (other, U256::ZERO)].into(),
    };
    for (announced, change) in [
        (Announced::default(), None),
        (announced(&[], cap), None),
        (announced(&[other, master], cap + U256::from(1)), None),
        (announced(&[other], cap), Some(TermsChanged::Master { master })),
        (
            announced(&[master], cap - U256::from(1)),
            Some(TermsChanged::Cap { asset: TOKEN, announced: cap - U256::from(1), cap }),
        ),
    ] {
        let mut world = world();
        world.hosts[0].settings.announced = announced;
        world.crash(0);
        world.restart(0);
        world.look_at_head(0);
        let found = halt(&world, 0);
        assert_eq!(found, change.map(Halt::TermsChanged));
        assert!(world.hosts[0].halting.is_none(), "only the master can have done that");
    }
}

#[test]
fn what_left_the_treasury_without_a_turn_halts_the_ring_with_the_transactions_that_took_it() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let shortfall = Shortfall {
        asset: Address::repeat_byte(7),
        from_block: 10,
        to_block: 42,
        before: U256::from(100),
        after: U256::from(60),
        explained: U256::from(5),
        transactions: vec![B256::repeat_byte(9)],
    };
    world.feed(0, Event::Shortfall(shortfall.clone()));
    let found = halt(&world, 0).unwrap();
    assert_eq!(found, Halt::Shortfall(shortfall));
    assert!(found.to_string().contains(&B256::repeat_byte(9).to_string()), "{found}");
    assert!(matches!(world.hosts[0].halting, Some(Transaction::Halt { epoch: 1, .. })));
    world.talk();
    assert!(
        world.alarms.iter().any(|(seat, reason)| *seat == 1 && reason.contains("left the treasury")),
        "peers are told"
    );
}

#[test]
fn a_seat_that_lost_its_memory_signs_nothing_in_its_epoch_and_halts_nobody_else() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.put_back(
        0,
        vec![Record::Joined { epoch: 1, nonce: 0 }, Record::Halted(Halt::MemoryLost { through: Some(1) })],
    );
    let request = world.request(1, 5, FAR);
    world.post(1, &request);
    world.rounds(20);
    assert!(world.hosts[0].journal.iter().all(|record| !matches!(record, Record::Reserved { .. })));
    assert_eq!((halt(&world, 1), halt(&world, 2)), (None, None));
    assert_eq!(world.hosts[0].halting, None, "the ring runs on as far as it can without this seat");
    assert!(!world.chain.ledger().halted);
}

#[test]
fn a_halted_seat_gives_away_no_signature_that_comes_after_the_halt() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    let (nonce, digest) = world.hosts[0].signing[0];
    world.feed(0, Event::HaltOrdered { reason: "a drill".to_owned() });
    let signature = crate::world::sign(&crate::world::signer(1), &digest);
    let effects = world.hosts[0].step(Event::Signed { nonce, digest, signature });
    assert_eq!((effects.records, effects.actions), (vec![], vec![]));
}

#[test]
fn a_seat_that_halts_asks_for_no_signature_in_the_same_step() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    let seat = &mut world.hosts[0];
    let is_sign = |action: &Action| matches!(action, Action::Sign { .. });
    assert!(seat.step(Event::Submitted(request)).actions.iter().any(is_sign));
    let state = seat.state.as_mut().unwrap();
    let late = || [Event::Tick, Event::Tick];
    let again = state.clone().step(late(), &Past::new()).actions;
    assert!(again.iter().any(is_sign), "the signer does not answer, so it is asked again: {again:?}");
    let ordered = Event::HaltOrdered { reason: "drill".to_owned() };
    let effects = state.step(late().into_iter().chain([ordered]), &Past::new());
    assert!(matches!(&effects.records[..], [Record::Halted(_)]));
    assert!(!effects.actions.iter().any(is_sign), "{effects:?}");
}

#[test]
fn a_halted_seat_asks_until_the_chain_says_halted_and_again_after_a_reorg() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.feed(0, Event::HaltOrdered { reason: "a drill".to_owned() });
    let asks = |world: &mut World| {
        world.hosts[0].halting = None;
        (0..3).for_each(|_| world.tick(0));
        world.hosts[0].halting.is_some()
    };
    assert!(asks(&mut world));
    let sent = world.pool.clone();
    world.mine(&sent, 60);
    world.look_at_head(0);
    assert!(!asks(&mut world));
    world.reorganise(1);
    world.mine(&[], 60);
    world.look_at_head(0);
    assert!(asks(&mut world), "the halt was reorganised away");
}

#[test]
fn all_halt_when_the_ring_is_halted_on_chain() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.struck = true;
    world.mine(&[Transaction::Halt { epoch: 1, by: world.hosts[2].settings.key }], 60);
    for seat in 0..3 {
        world.look_at_head(seat);
        assert_eq!(halt(&world, seat), Some(Halt::HaltedOnChain));
    }
}

#[test]
fn a_ring_that_was_not_announced_halts_and_is_not_halted_on_chain_by_us() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    world.struck = true;
    let mut charter = world.chain.ledger().charter.clone();
    charter.seats.swap(0, 1);
    for transaction in [Transaction::Form { epoch: 1, charter }, Transaction::Resume { epoch: 1 }] {
        let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
        world.struck = true;
        world.mine(&[transaction], 60);
        world.look_at_head(0);
        assert!(matches!(halt(&world, 0), Some(Halt::RingChanged { expected_epoch: 1, epoch: 2, .. })));
        assert_eq!(world.hosts[0].halting, None);
    }
}

#[test]
fn a_chain_that_takes_back_what_was_final_halts() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    let request = world.request(1, 5, FAR);
    world.post(0, &request);
    world.complete(20);
    world.struck = true;
    world.hosts[0].seen = 0;
    world.look(0);
    assert_eq!(halt(&world, 0), Some(Halt::FinalityBroken { expected_nonce: 1, nonce: 0 }));
}

#[test]
fn a_peers_word_that_it_halted_is_an_alarm_and_no_halt() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    for _ in 0..3 {
        let message = Message::Halted { epoch: 1, halt: Halt::Ordered { reason: "trust me".to_owned() } };
        world.feed(1, Event::Received { from: 0, message });
    }
    assert_eq!(halt(&world, 1), None);
    assert_eq!(world.alarms.len(), 1, "told once");
}

#[test]
fn the_first_cause_of_a_halt_stays_on_record() {
    let mut world = World::new(Plan::calm(3, 2, 2));
    world.feed(0, Event::HaltOrdered { reason: "first".to_owned() });
    world.feed(0, Event::HaltOrdered { reason: "second".to_owned() });
    assert_eq!(halt(&world, 0), Some(Halt::Ordered { reason: "first".to_owned() }));
}

#[test]
fn a_peer_that_explains_in_time_prevents_the_halt_and_later_does_not() {
    for (silent, halts) in [(15, false), (25, true)] {
        let mut world = World::new(Plan { grace: 20, ..Plan::calm(4, 2, 2) });
        let request = world.request(1, 5, FAR);
        // Seat 3 is cut off from its peers, not from the chain.
        world.crash(3);
        world.post(0, &request);
        world.talk();
        let sent = world.pool.clone();
        world.mine(&sent, 60);
        world.restart(3);
        world.struck = halts;
        world.look_at_head(3);
        (0..silent).for_each(|_| world.tick(3));
        world.talk();
        assert_eq!(halt(&world, 3).is_some(), halts, "after {silent} ticks without an answer");
    }
}

#[test]
fn only_a_person_ends_a_halt_and_only_in_the_epoch_that_it_joins() {
    let mut world = World::new(Plan { changes: 1, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    world.post(2, &request);
    (0..3).for_each(|seat| world.feed(seat, Event::HaltOrdered { reason: "a drill".to_owned() }));
    world.rounds(6);
    assert!(world.chain.final_ledger().halted);
    assert!(world.chain.final_ledger().turns.is_empty());
    world.struck = true;
    world.mine(&[Transaction::Resume { epoch: 1 }], 60);
    world.rounds(6);
    assert!((0..3).all(|seat| halt(&world, seat).is_some()));
    world.struck = false;
    world.complete(20);
    assert!((0..3).all(|seat| halt(&world, seat).is_none()));
    assert_eq!(world.chain.final_ledger().turns.len(), 1);
    assert_eq!(world.chain.final_ledger().turns[0].turn.id().epoch, 2);
    let digest = world.chain.final_ledger().turns[0].turn.digest(&domain());
    assert_eq!(digest, world.chain.final_ledger().turns[0].digest);
}

#[test]
fn a_client_that_signs_one_id_twice_halts_nobody() {
    let mut world = World::new(Plan { copies: 1, ..Plan::calm(3, 2, 2) });
    let request = world.request(1, 5, FAR);
    let mut other = request.request.clone();
    other.value += 1;
    let other = world.signed_request(other);
    // Seat 2 is outside the window of turn 0, and knows the id with other content before it hears of the first.
    world.divide(Some(&[0, 1]));
    world.post(0, &request);
    world.post(2, &other);
    world.rounds(4);
    world.divide(None);
    world.rounds(60);
    for seat in 0..3 {
        assert_eq!(halt(&world, seat), None, "seat {seat}");
    }
    let statuses: Vec<_> = [0, 1, 2].map(|seat| world.hosts[seat].status(request.request.id).unwrap().phase).into();
    assert!(matches!(statuses[0], ring_core::Phase::Final { .. }), "{statuses:?}");
    assert!(matches!(statuses[2], ring_core::Phase::Disputed { .. }), "its own content was never paid: {statuses:?}");
}
