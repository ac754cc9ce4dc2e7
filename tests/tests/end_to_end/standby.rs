//! Two processes of a seat: the second waits, takes over when the first ends, and never are there two.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use ring_anvil::{deadline, process::Process};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    postgres::Postgres,
    world::{LOOK, PATIENCE, World},
};

/// The seat with a standby.
const SEAT: usize = 0;
/// What ends the session that has the store of seat 0.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted";

async fn keep_in(world: &mut World, server: &Postgres) {
    world.stage.ring.stop().await;
    world.stage.ring.seat(SEAT).keep_in(&server.url()).unwrap();
    world.stage.ring.seat(SEAT).log_what("info,ring_relayer::driver=debug");
    world.stage.ring.configure().unwrap();
    world.stage.ring.seats()[SEAT].init().await.unwrap();
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
}

/// Waits until the standby waits.
async fn until_it_waits(world: &mut World) {
    let log = world.stage.ring.seats()[SEAT].standby_log();
    let waits = async || Ok(fs::read_to_string(&log).unwrap_or_default().contains("this one stands by"));
    world.until("the standby waits", waits).await;
    assert!(!said(&log).contains(": running seat="), "never two at once");
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// Lets the standby be the seat's process, and waits until it can pay. Returns the process that was.
async fn change_over(world: &mut World, from: Instant, how: &str, redirect: impl FnOnce(SocketAddr)) -> Process {
    let before = world.stage.ring.seat(SEAT).change_over().unwrap();
    redirect(world.stage.ring.seats()[SEAT].peers_address());
    let client = world.stage.ring.seats()[SEAT].client().unwrap();
    let log = world.stage.ring.seats()[SEAT].standby_log();
    let took_over = async || Ok(said(&log).contains("takes over"));
    deadline::until("the standby takes over", PATIENCE, LOOK / 10, took_over).await.unwrap();
    let held = from.elapsed();
    let is_ready = async || Ok(client.health().await.is_ok_and(|health| health.ready));
    deadline::until("the standby works", PATIENCE, LOOK / 10, is_ready).await.unwrap();
    println!("{how}: the store after {:.2} s, ready after {:.2} s", held.as_secs_f64(), from.elapsed().as_secs_f64());
    before
}

/// Kills the active process while orders are paid; the standby pays the rest.
async fn kill_and_pay_on(mut world: World, how: &str) {
    world.stage.ring.seat(SEAT).stand_by().unwrap();
    until_it_waits(&mut world).await;
    let paying = world.start_paying();
    world.until("some orders are executed", async || Ok(world.progress.figures().executed > 10)).await;
    let killed = Instant::now();
    world.stage.ring.seat(SEAT).process().unwrap().kill().await;
    change_over(&mut world, killed, how, |_| ()).await;
    // Its place is taken by another, and so on.
    let log = world.stage.ring.seats()[SEAT].standby_log();
    fs::rename(&log, log.with_extension("first.log")).unwrap();
    world.stage.ring.seat(SEAT).stand_by().unwrap();
    until_it_waits(&mut world).await;
    let killed = Instant::now();
    world.stage.ring.seat(SEAT).process().unwrap().kill().await;
    change_over(&mut world, killed, how, |_| ()).await;
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_pays_on_when_the_seat_is_killed() {
    let world = World::new(3, 2, 2, 60).await;
    kill_and_pay_on(world, "SQLite, kill -9").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_at_a_server_pays_on_when_the_seat_is_killed() {
    let server = Postgres::start_durable();
    let mut world = World::new(3, 2, 2, 60).await;
    keep_in(&mut world, &server).await;
    kill_and_pay_on(world, "PostgreSQL, kill -9").await;
}

/// What a name does that leads to another host when somebody changes it.
struct Name {
    address: SocketAddr,
    leads_to: Arc<Mutex<SocketAddr>>,
}

impl Name {
    async fn of(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, leads_to) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(host)));
        let target = leads_to.clone();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let target = *target.lock().unwrap();
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut from, &mut to).await
                });
            }
        });
        Self { address, leads_to }
    }

    fn lead_to(&self, host: SocketAddr) {
        *self.leads_to.lock().unwrap() = host;
    }
}

/// Freezes the active process; `free` has the server free its lock, if it does not by itself.
async fn freeze(server: &Postgres, how: &str, free: impl AsyncFnOnce()) {
    let mut world = World::new(3, 2, 2, 60).await;
    // What the seat slept through has to be explained to it by peers that first have to find the new host.
    world.stage.ring.reconfigure(|settings| settings.policy.grace_ticks = Some(300)).unwrap();
    let name = Name::of(world.stage.ring.seats()[SEAT].peers_address()).await;
    world.stage.ring.seat(SEAT).be_reached_at(name.address);
    keep_in(&mut world, server).await;
    // The frozen one keeps its ports.
    world.stage.ring.seat(SEAT).stand_by_elsewhere().unwrap();
    until_it_waits(&mut world).await;
    let paying = world.start_paying();
    world.until("some orders are executed", async || Ok(world.progress.figures().executed > 10)).await;
    let frozen = Instant::now();
    world.stage.ring.seat(SEAT).process().unwrap().freeze();
    let log = world.stage.ring.seats()[SEAT].log().to_owned();
    let signed = || said(&log).matches(" signing ").count();
    let signed_before = signed();
    assert!(signed_before > 0, "what is counted is logged");
    free().await;
    let mut first = change_over(&mut world, frozen, how, |seat| name.lead_to(seat)).await;
    let executed = world.progress.figures().executed;
    let more = async || Ok(world.progress.figures().executed > executed + 5 || paying.is_finished());
    world.until("the standby pays on", more).await;
    first.thaw();
    let status = first.wait().await.unwrap();
    assert!(!status.success(), "{status}");
    let last_words = first.last_words();
    assert!(
        last_words.contains("session at the store's database is lost") || last_words.contains("the store failed"),
        "{last_words}"
    );
    assert_eq!(signed(), signed_before, "it has signed nothing: {last_words}");
    paying.await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_whose_session_was_ended_wakes_up_and_signs_nothing() {
    let server = Postgres::start_durable();
    freeze(&server, "PostgreSQL, frozen, session ended by hand", async || server.execute(TERMINATE).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_loses_its_store_by_itself() {
    let server = Postgres::start_durable();
    freeze(&server, "PostgreSQL, frozen", async || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_with_a_file_keeps_its_store_and_goes_on_when_it_wakes_up() {
    let mut world = World::new(3, 2, 2, 60).await;
    world.stage.ring.seat(SEAT).stand_by().unwrap();
    until_it_waits(&mut world).await;
    world.stage.ring.seat(SEAT).process().unwrap().freeze();
    // Somebody asks for it as often as the standby has tried many times.
    let refused = world.stage.ring.seats()[SEAT].resume(1).await.unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");
    let log = world.stage.ring.seats()[SEAT].standby_log();
    assert!(!said(&log).contains("takes over"));
    world.stage.ring.seat(SEAT).process().unwrap().thaw();
    let paying = world.start_paying();
    paying.await.unwrap().unwrap();
    assert!(!said(&log).contains("takes over"));
    world.assert_each_paid_once(&world.stage.orders).await;
}
