//! A relayer that is killed, or told of a broken disk, at one system call after the other: `make kill-sweep`.
//!
//! strace does it: the process gets SIGKILL at the entrance of its N-th call of one kind (counted by thread), or the call fails.
//! Which calls matter is what a relayer does around reserving, signing and sending: SQLite, as it is compiled here, writes with
//! `pwrite64` and syncs with `fsync`; what a relayer says goes out by `sendto` and `writev`, and `write` wakes its threads.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use ring_anvil::{Order, deadline};

use crate::{
    endurance::Miner,
    world::{LOOK, PATIENCE, World},
};

/// The seat that is hit.
const VICTIM: usize = 0;
/// How many turns there are for each point: of three, two need the victim.
const ORDERS: usize = 3;
/// The signal of a process that was killed.
const KILL: i32 = 9;

/// What is done to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    Error(&'static str),
}

/// What came of all points of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    points: usize,
    ended: usize,
    paid: usize,
}

fn has_strace() -> bool {
    std::process::Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success())
}

/// `count` points: each of the first ones, then ever further apart; 24 of them reach to the 160th call.
fn spread(count: usize) -> impl Iterator<Item = usize> {
    (0..count).scan(0usize, |at, _| {
        *at += 1 + *at / 6;
        Some(*at)
    })
}

/// Kills or breaks the victim at one call after the other, and pays orders meanwhile; each has to be paid all the same.
async fn sweep(world: &mut World, points: &[(&'static str, Fault, usize)], patience: Duration) {
    let all = world.stage.orders.clone();
    let _miner = Miner::start(world).await;
    let begin = Instant::now();
    let mut rows: BTreeMap<(&str, Fault), Row> = BTreeMap::new();
    let mut paid = 0;
    for (index, (call, fault, when)) in points.iter().enumerate() {
        let orders = &all[paid..paid + ORDERS];
        let ended = hit(world, orders, call, *fault, *when, patience).await;
        world.until_executed(orders).await;
        paid += ORDERS;
        let row = rows.entry((*call, *fault)).or_default();
        row.points += 1;
        row.ended += usize::from(ended);
        row.paid += ORDERS;
        println!(
            "{}/{} {call} {fault:?} {when}: {}, {} s",
            index + 1,
            points.len(),
            if ended { "it ended" } else { "it was not reached" },
            begin.elapsed().as_secs()
        );
    }
    world.until_final(&all[..paid]).await;
    world.assert_all_is_well(&all[..paid]).await;
    println!("{:<12} {:<8} {:>7} {:>7} {:>12}", "system call", "fault", "points", "ended", "orders paid");
    for ((call, fault), row) in &rows {
        let fault = match fault {
            Fault::Kill => "KILL",
            Fault::Error(name) => name,
        };
        println!("{call:<12} {fault:<8} {:>7} {:>7} {:>12}", row.points, row.ended, row.paid);
        assert!(row.ended > 0, "{call} was never reached: the sweep shows nothing about it");
    }
    println!("{paid} orders, each paid exactly once; nobody halted");
}

/// Runs the victim under strace with one fault while these orders are posted, and without it afterwards. Whether it ended.
async fn hit(world: &mut World, orders: &[Order], call: &str, fault: Fault, when: usize, patience: Duration) -> bool {
    let deed = match fault {
        Fault::Kill => format!("inject={call}:signal=KILL:when={when}"),
        // Once and for ever after, as a disk that is broken or full.
        Fault::Error(error) => format!("inject={call}:error={error}:when={when}+"),
    };
    let trace = format!("trace={call}");
    let arguments = ["strace", "-f", "--quiet=all", "-o", "/dev/null", "-e", &trace, "-e", &deed].map(OsStr::new);
    let clients = world.stage.ring.clients().unwrap();
    let seat = world.stage.ring.seat(VICTIM);
    seat.kill().await;
    seat.start_under(&arguments).unwrap();
    for order in orders {
        let request = world.backend.request(order).unwrap();
        let taken = deadline::until("a request is taken", PATIENCE, LOOK, async || {
            for client in &clients[1..] {
                match client.submit(&request).await {
                    Ok(_) => return Ok(true),
                    Err(error) if error.is_temporary() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(false)
        });
        taken.await.unwrap();
    }
    // Until it ends, or has done its part in everything without.
    let mut ended = None;
    let witness = &clients[1];
    let over = deadline::until("the fault strikes", patience, LOOK, async || {
        ended = world.stage.ring.seat(VICTIM).process().and_then(|process| process.exit_status());
        let mut executed = true;
        for order in orders {
            let status = witness.status(order.request_id()).await.ok().flatten();
            executed &= status.is_some_and(|status| status.stage >= ring_anvil::Stage::Executed);
        }
        Ok(ended.is_some() || executed)
    });
    let _ = over.await;
    if let Some(status) = ended {
        assert!(fault != Fault::Kill || status.signal() == Some(KILL) || status.code() == Some(128 + KILL), "{status}");
        assert!(!status.success(), "a relayer whose disk is broken ended as if nothing was wrong");
    }
    let seat = world.stage.ring.seat(VICTIM);
    seat.kill().await;
    seat.start().unwrap();
    ended.is_some()
}

fn points(kills: usize, errors: usize) -> Vec<(&'static str, Fault, usize)> {
    let calls = ["pwrite64", "fsync", "write", "sendto", "writev"];
    let killed = calls.iter().flat_map(|call| spread(kills).map(|when| (*call, Fault::Kill, when)));
    let broken = ["pwrite64", "fsync"].into_iter().flat_map(|call| ["EIO", "ENOSPC"].map(|error| (call, error)));
    let broken = broken.flat_map(|(call, error)| spread(errors).map(move |when| (call, Fault::Error(error), when)));
    killed.chain(broken).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayer_killed_at_a_few_system_calls_pays_each_order_once() {
    if !has_strace() {
        println!("NOT RUN: strace is not there, or may not trace here: `apt-get install strace`");
        return;
    }
    let points: Vec<_> = ["pwrite64", "fsync"]
        .into_iter()
        .flat_map(|call| [3, 9].map(|when| (call, Fault::Kill, when)))
        .chain([("pwrite64", Fault::Error("ENOSPC"), 4), ("fsync", Fault::Error("EIO"), 2)])
        .collect();
    let mut world = World::enduring((points.len() * ORDERS) as u64, 1).await;
    sweep(&mut world, &points, Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long: `make kill-sweep`"]
async fn a_relayer_killed_at_every_system_call_pays_each_order_once() {
    assert!(has_strace(), "strace is not there, or may not trace here: `apt-get install strace`");
    let count =
        |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let points = points(count("RING_SWEEP_POINTS", 24), count("RING_SWEEP_ERRORS", 6));
    let mut world = World::enduring((points.len() * ORDERS) as u64, 1).await;
    sweep(&mut world, &points, Duration::from_secs(12)).await;
}
