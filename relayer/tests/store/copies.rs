//! Copies of a store, which know that they are copies.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use ring_contracts::{Address, B256, Request, RequestId, SignedRequest};
use ring_core::{Halt, Record};
use ring_relayer::store::{Identity, Location, Store, StoreError};

use crate::{
    bench::Bench,
    suite::{finality, request, reserve, turn},
};

#[test]
fn a_copy_has_everything_and_halts_whoever_starts_from_it() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    let copy = bench.path("copy");
    let records = store.verify().unwrap();
    assert_eq!(store.snapshot().unwrap().copy_to(&copy).unwrap(), records);
    assert!(matches!(store.snapshot().unwrap().copy_to(&copy), Err(StoreError::Exists(_))));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    store.close();
    let (_, original) = bench.open().unwrap();
    let (store, mut copied) = Store::open(&Location::file(&copy), bench.identity()).unwrap();
    store.verify().unwrap();
    assert_eq!(copied.pop(), Some(Record::Halted(Halt::MemoryLost { through: None })));
    assert_eq!(copied, original);
    let names = fs::read_dir(copy.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("unfinished")));
}

#[test]
fn a_copy_of_a_seat_that_succeeded_is_of_its_next_key() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    let next = Identity { key: Address::repeat_byte(9), ..bench.identity() };
    store.succeed(next.key, &[Record::Succeeded { epoch: 2, nonce: 0, charter: B256::ZERO }]).unwrap();
    let copy = bench.path("copy");
    store.snapshot().unwrap().copy_to(&copy).unwrap();
    Store::open(&Location::file(&copy), next).unwrap();
}

#[test]
fn a_copy_in_which_a_record_is_damaged_is_none() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    store.commit(&[finality(1, vec![])]).unwrap();
    store.close();
    // Of a turn that is over, which a start does not read.
    bench.alter("UPDATE journal SET record = replace(record, '\"nonce\":1', '\"nonce\":7') WHERE seq = 2");
    let copy = bench.path("copy");
    let refused = bench.open().unwrap().0.snapshot().unwrap().copy_to(&copy).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(!copy.exists() && !bench.path("copy.unfinished").exists());
}

#[test]
fn a_seat_goes_on_while_its_store_is_copied() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    let before = store.verify().unwrap();
    let (given_up, snapshot) = (store.snapshot().unwrap(), bench.path("first"));
    let given_up = std::thread::spawn(move || given_up.copy_to(&snapshot));
    // An earlier one comes to nothing, or was made already.
    let snapshot = store.snapshot().unwrap();
    let _ = given_up.join().unwrap();
    // So much that SQLite would move its log into the database more than once.
    let log = bench.path("store-wal");
    let mut nonce = 1;
    while fs::metadata(&log).unwrap().len() < 3 * 4_096 * 1_000 {
        nonce += 1;
        store.commit(&reserve(&turn(nonce, 1))).unwrap();
        store.forget_snapshot().unwrap();
    }
    let copy = bench.path("copy");
    assert_eq!(snapshot.copy_to(&copy).unwrap(), before);
    // Once it is over the log is short again.
    store.forget_snapshot().unwrap();
    nonce += 1;
    store.commit(&reserve(&turn(nonce, 1))).unwrap();
    store.commit(&reserve(&turn(nonce + 1, 1))).unwrap();
    assert_eq!(store.verify().unwrap(), 1 + 2 * (nonce as i64 + 1));
    store.close();
    assert!(fs::metadata(&log).is_err(), "all of it is in the database");
    bench.open().unwrap().0.verify().unwrap();
}

#[test]
fn a_store_that_is_closed_does_not_wait_for_a_copy() {
    let bench = Bench::sqlite();
    let store = bench.create();
    let snapshot = store.snapshot().unwrap();
    let closing = std::thread::spawn(move || store.close());
    let refused = snapshot.copy_to(&bench.path("copy"));
    // It was given up, or quicker than that.
    assert_eq!(refused.is_ok(), bench.path("copy").exists());
    closing.join().unwrap();
    assert!(!bench.path("copy.unfinished").exists());
}

#[test]
fn a_store_at_a_server_says_how_it_is_copied_and_leaves_no_file() {
    let bench = Bench::postgres();
    let store = bench.create();
    let copy = bench.path("copy");
    let refused = store.snapshot().unwrap_err();
    assert!(matches!(refused, StoreError::NoCopies), "{refused}");
    assert!(!copy.exists() && !bench.path("copy.unfinished").exists());
}

/// Where the figures of docs/RUNBOOK.md come from: `cargo test --release -p ring-relayer --test store -- --ignored --nocapture
/// a_million`.
#[test]
#[ignore = "takes minutes, and measures"]
fn a_million_orders_are_copied_while_turns_are_reserved() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    for batch in 0..1_000u128 {
        let ids = (0..1_000).map(|number| RequestId::from((batch * 1_000 + number).to_be_bytes()));
        let orders = ids.map(|id| {
            let SignedRequest { request, signature } = request(0);
            Record::Request(SignedRequest { request: Request { id, ..request }, signature })
        });
        store.commit(&orders.collect::<Vec<_>>()).unwrap();
    }
    let started = Instant::now();
    let snapshot = store.snapshot().unwrap();
    println!("until the seat goes on: {:?}", started.elapsed());
    let copy = bench.path("copy");
    let path = copy.clone();
    let copying = std::thread::spawn(move || snapshot.copy_to(&path));
    let mut waits = Vec::new();
    let mut reserve_one = |store: &mut Store| {
        let began = Instant::now();
        store.commit(&reserve(&turn(waits.len() as u64 + 1, 1))).unwrap();
        waits.push(began.elapsed());
    };
    while !copying.is_finished() {
        reserve_one(&mut store);
        store.forget_snapshot().unwrap();
    }
    println!("the copy of {} bytes took {:?}", fs::metadata(&copy).unwrap().len(), started.elapsed());
    assert_eq!(copying.join().unwrap().unwrap(), 1_000_001);
    // Now the log is moved.
    for _ in 0..3 {
        reserve_one(&mut store);
        store.forget_snapshot().unwrap();
    }
    waits.sort();
    println!("{} turns meanwhile, half of them within {:?}", waits.len(), waits[waits.len() / 2]);
    println!("99 % within {:?}, the slowest {:?}", waits[waits.len() * 99 / 100], waits[waits.len() - 1]);
}
