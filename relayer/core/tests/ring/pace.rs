//! How fast a ring goes and for how long, and which calls it may make: what the master set beside the cap.

use ring_contracts::{Address, Permission, Permissions, RequestId};
use ring_core::{Phase, Refusal, Submission};

use crate::world::{FAR, GENESIS, Plan, TOKEN, World};

fn plan() -> Plan {
    Plan { copies: 1, ..Plan::calm(3, 2, 2) }
}

/// A ring in which each turn has room for one request only. The first is posted already.
fn requests(world: &mut World, count: u8) {
    for number in 1..=count {
        // Not 3, 6 …: all of the native coin, and together over no cap.
        let request = world.request(if number % 3 == 0 { number + 100 } else { number }, 1, FAR);
        world.post(0, &request);
        world.round();
    }
}

fn times(world: &World) -> Vec<u64> {
    world.chain.ledger().turns.iter().map(|turn| turn.block.time).collect()
}

fn voids(world: &World) -> usize {
    world.chain.ledger().turns.iter().filter(|turn| turn.turn.is_void()).count()
}

#[test]
fn turns_keep_their_interval_and_none_is_voided_for_waiting() {
    // Longer than a turn is valid: without regard for it each turn would be void before its time.
    let mut world = World::new(Plan { interval: 900, ..plan() });
    requests(&mut world, 4);
    world.complete(100);
    let times = times(&world);
    assert!(times.len() >= 2 && times.windows(2).all(|pair| pair[1] - pair[0] >= 900), "{times:?}");
    assert_eq!(voids(&world), 0);
}

#[test]
fn when_the_turns_of_a_period_are_taken_the_next_waits_for_the_next_period() {
    let mut world = World::new(Plan { turns_per_period: 1, ..plan() });
    requests(&mut world, 3);
    world.complete(300);
    let periods: Vec<u64> = times(&world).iter().map(|time| time / 3_600).collect();
    assert!(periods.len() >= 2 && periods.windows(2).all(|pair| pair[1] > pair[0]), "{periods:?}");
    assert_eq!(voids(&world), 0);
}

#[test]
fn a_request_that_ends_before_the_ring_may_go_on_is_not_put_into_a_turn() {
    let mut world = World::new(Plan { turns_per_period: 1, ..plan() });
    requests(&mut world, 1);
    let soon = world.chain.head().time + 600;
    let request = world.request(2, 1, soon);
    world.post(0, &request);
    let later = world.request(4, 1, FAR);
    world.post(0, &later);
    world.complete(300);
    let carried = |id: RequestId| {
        world.chain.ledger().turns.iter().any(|turn| turn.turn.calls().iter().any(|call| call.request_id == id))
    };
    assert!(carried(later.request.id) && !carried(request.request.id));
    assert_eq!(voids(&world), 0);
}

#[test]
fn people_are_told_before_the_lease_ends_and_nothing_is_taken_after() {
    let mut world = World::new(Plan { expires_at: GENESIS + 8 * 86_400, ..plan() });
    requests(&mut world, 1);
    world.rounds(2);
    assert_eq!(world.alarms, []);
    world.mine(&[], 2 * 86_400);
    world.rounds(3);
    let ends = world.alarms.iter().filter(|(_, text)| text.contains("lease ends in 5 days")).count();
    assert_eq!((ends, world.alarms.len()), (3, 3), "each seat says it, once: {:?}", world.alarms);
    world.mine(&[], 6 * 86_400);
    world.rounds(3);
    let over = world.alarms.iter().filter(|(_, text)| text.contains("lease is over")).count();
    assert_eq!((over, world.alarms.len()), (3, 6), "{:?}", world.alarms);
    let late = world.request(2, 1, FAR);
    assert_eq!(world.post(0, &late), Some(Submission::Refused(Refusal::LeaseOver)));
    assert!(world.hosts.iter().all(|host| !host.disk.halted));
}

#[test]
fn what_was_taken_before_the_lease_ended_is_put_into_no_turn_after() {
    let mut world = World::new(Plan { expires_at: GENESIS + 600, ..plan() });
    // Where nobody leads: those who do hear of it too late.
    let request = world.request(1, 1, FAR);
    assert_eq!(world.post(2, &request), Some(Submission::New));
    world.mine(&[], 601);
    world.rounds(20);
    assert_eq!(world.chain.ledger().nonce, 0);
    assert!(world.hosts.iter().all(|host| host.disk.reserved.is_empty()), "nobody signs what cannot be executed");
}

#[test]
fn a_call_that_is_not_permitted_is_refused_at_once() {
    let mut world = World::new(plan());
    let transfer = world.request(3, 1, FAR);
    world.chain.set_permissions(Permissions::default());
    world.look_at_head(0);
    let refusal = Refusal::CallNotPermitted { target: TOKEN, selector: [0xa9, 0x05, 0x9c, 0xbb].into() };
    assert!(refusal.to_string().contains("ring-keys permit"));
    assert_eq!(world.post(0, &transfer), Some(Submission::Refused(refusal)));
    // The main asset needs no permission.
    let pay = world.request(1, 1, FAR);
    assert_eq!(world.post(0, &pay), Some(Submission::New));
    // One that meters an asset which no relayer was told of spends what may not be spent.
    let metered = Permission { asset: Address::repeat_byte(9), ..Permission::erc20_transfer(TOKEN) };
    world.chain.set_permissions(Permissions::new([metered]));
    world.look_at_head(0);
    let other = Refusal::AssetNotPermitted(Address::repeat_byte(9));
    assert_eq!(world.post(0, &transfer), Some(Submission::Refused(other)));
}

#[test]
fn a_call_that_is_no_longer_permitted_waits_and_holds_nothing_up() {
    let mut world = World::new(plan());
    let (transfer, pay) = (world.request(3, 1, FAR), world.request(1, 1, FAR));
    // Taken where nobody leads, so that no turn carries it yet.
    world.post(2, &transfer);
    world.chain.set_permissions(Permissions::default());
    for seat in 0..3 {
        world.look_at_head(seat);
    }
    world.talk();
    world.post(0, &pay);
    world.rounds(10);
    let phase = |world: &World, id| world.hosts[0].status(id).unwrap().phase;
    assert!(matches!(phase(&world, pay.request.id), Phase::Final { .. }));
    assert!(matches!(phase(&world, transfer.request.id), Phase::Accepted));
    world.chain.set_permissions(Permissions::new([Permission::erc20_transfer(TOKEN)]));
    world.complete(30);
    assert!(matches!(phase(&world, transfer.request.id), Phase::Final { .. }));
}
