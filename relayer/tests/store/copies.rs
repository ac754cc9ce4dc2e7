//! Copies of a store, which know that they are copies.

use std::{fs, os::unix::fs::PermissionsExt};

use ring_core::{Halt, Record};
use ring_relayer::store::{Location, Store, StoreError};

use crate::{
    bench::Bench,
    suite::{reserve, turn},
};

#[test]
fn a_copy_has_everything_and_halts_whoever_starts_from_it() {
    let bench = Bench::sqlite();
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    let copy = bench.path("copy");
    store.copy_to(&copy).unwrap();
    assert!(matches!(store.copy_to(&copy), Err(StoreError::Exists(_))));
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
fn a_store_at_a_server_says_how_it_is_copied_and_leaves_no_file() {
    let bench = Bench::postgres();
    let store = bench.create();
    let copy = bench.path("copy");
    let refused = store.copy_to(&copy).unwrap_err();
    assert!(matches!(refused, StoreError::NoCopies), "{refused}");
    assert!(!copy.exists() && !bench.path("copy.unfinished").exists());
}
