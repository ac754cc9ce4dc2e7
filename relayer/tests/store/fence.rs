//! One process at a time: whoever has lost a database writes nothing more, and gets nothing to sign.

use std::{sync::Arc, time::Duration};

use ring_core::Record;
use ring_relayer::store::{Store, StoreError, Waiting};

use crate::{
    bench::{Bench, DOMAIN, wait},
    cutting::{Cut, Way},
    postgres::Postgres,
    suite::{reserve, turn},
};

/// Ends every session at the bench's database but the one that says so.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Waits until the store says by itself that it is lost.
fn hear_of_loss(store: &Store) {
    let lost = store.lost();
    wait(async { tokio::time::timeout(Duration::from_secs(60), lost.cancelled()).await }).unwrap();
}

fn assert_useless(mut store: Store) {
    let (digest, next) = (turn(0, 1).digest(&DOMAIN), turn(1, 1));
    assert!(store.reservation(0, digest).is_err(), "nothing to sign");
    assert!(store.commit(&reserve(&next)).is_err(), "nothing to write");
    assert!(store.probe().is_err());
    store.close();
}

#[test]
fn a_holder_whose_session_was_ended_is_useless_and_another_takes_over() {
    let bench = Bench::postgres();
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    let mut waiting = Waiting::new(&bench.location()).unwrap();
    assert!(waiting.try_take().unwrap().is_none(), "never two at once");
    let session = "SELECT pg_terminate_backend(pid, 20000) FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(bench.run(session), 1);
    let held = waiting.try_take().unwrap().expect("the lock is free");
    let (mut second, records) = held.open(bench.identity()).unwrap();
    assert_eq!(records.len(), 3);
    hear_of_loss(&store);
    assert_useless(store);
    second.set_own_seat(0);
    second.commit(&reserve(&turn(1, 2))).unwrap();
}

#[test]
fn a_holder_that_still_has_its_session_is_fenced_off_by_the_number_alone() {
    let bench = Bench::postgres();
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    bench.run("UPDATE fence SET holder = holder + 1");
    let committed = store.commit(&reserve(&turn(1, 1)));
    assert!(matches!(committed, Err(StoreError::TakenOver)), "{committed:?}");
    let reservation = store.reservation(0, turn(0, 1).digest(&DOMAIN));
    assert!(matches!(reservation, Err(StoreError::TakenOver)), "{reservation:?}");
    hear_of_loss(&store);
    assert_useless(store);
    assert_eq!(bench.open().unwrap().1.len(), 3, "what was refused is not there");
}

#[test]
fn a_holder_that_is_asked_nothing_hears_that_another_has_taken_over() {
    let bench = Bench::postgres();
    let store = bench.create();
    bench.run("UPDATE fence SET holder = holder + 1");
    hear_of_loss(&store);
}

#[test]
fn a_server_that_is_restarted_ends_its_holder_and_keeps_what_was_committed() {
    let mut bench = Bench::at(Arc::new(Postgres::start_durable()));
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    bench.server_mut().stop();
    bench.server_mut().go_on();
    hear_of_loss(&store);
    assert_useless(store);
    assert_eq!(bench.open().unwrap().1.len(), 3);
}

#[test]
fn a_commit_whose_way_is_cut_ends_the_holder_and_a_restart_finds_all_of_it_or_nothing() {
    for (cut, records) in [(Cut::Before, 1), (Cut::After, 3)] {
        let bench = Bench::postgres();
        bench.create().close();
        let way = Way::to(bench.server().port());
        let (mut store, _) = Store::open(&bench.location_at(way.port), bench.identity()).unwrap();
        way.cut(cut);
        let committed = store.commit(&reserve(&turn(0, 1)));
        assert!(matches!(committed, Err(StoreError::Database(_))), "{cut:?}: {committed:?}");
        hear_of_loss(&store);
        assert_useless(store);
        bench.run(TERMINATE);
        assert_eq!(bench.open().unwrap().1.len(), records, "{cut:?}");
    }
}

#[test]
fn what_was_refused_before_the_commit_leaves_nothing_behind() {
    let bench = Bench::postgres();
    let mut store = bench.create();
    bench.run(TERMINATE);
    assert!(store.commit(&reserve(&turn(0, 1))).is_err());
    drop(store);
    assert_eq!(bench.open().unwrap().1, [Record::Joined { epoch: 3, nonce: 0 }]);
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let server = wait(Postgres::start());
    let bench = Bench::at(Arc::new(server));
    let refused = Store::create(&bench.location(), bench.identity());
    let error = refused.unwrap_err();
    assert!(matches!(&error, StoreError::Unfit(why) if why.contains("fsync")), "{error}");
}

#[test]
fn a_session_syncs_its_commits_though_the_database_says_otherwise() {
    let bench = Bench::postgres();
    bench.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", bench.database_name()));
    // A table of the test's that notes how each transaction is committed.
    bench.create().close();
    bench.run("CREATE TABLE seen (value TEXT)");
    bench.run(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$",
    );
    bench.run("CREATE TRIGGER see BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION see()");
    bench.open().unwrap().0.commit(&reserve(&turn(0, 1))).unwrap();
    assert_eq!(bench.run("DELETE FROM seen WHERE value = 'on'"), 2);
}
