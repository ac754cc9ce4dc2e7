//! The disk forgets what was not synced, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ring_simulation::{
    disk::{self, Disk, Honesty, Trouble},
    random::Random,
};
use rusqlite::{Connection, OpenFlags};

/// How many times the power is cut.
const CUTS: u64 = 3_000;
const DISK: usize = 0;

fn open(synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags_and_vfs(disk::path(DISK), OpenFlags::default(), disk::VFS)?;
    connection.execute_batch(&format!(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
         PRAGMA wal_autocheckpoint = 5;
         CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, filling BLOB NOT NULL);"
    ))?;
    Ok(connection)
}

fn read(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT number FROM row ORDER BY number")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn rows(connection: &Connection) -> Vec<i64> {
    read(connection).unwrap()
}

/// Writes rows until the power is cut, again and again. Returns how often a committed row was missing afterwards, and how
/// many writes were torn.
fn lost(synchronous: &str, honesty: Honesty) -> (u64, u64) {
    disk::register();
    let (mut losses, mut torn) = (0, 0);
    let mut random = Random::new(1);
    for seed in 0..CUTS / 20 {
        disk::insert(DISK, Disk::new(Random::new(seed)).with_honesty(honesty));
        let mut committed = 0i64;
        for _ in 0..20 {
            let until = random.below(60);
            disk::with(DISK, |disk| disk.upset(until, Trouble::Stopped));
            let mut work = || -> rusqlite::Result<()> {
                let connection = open(synchronous)?;
                loop {
                    connection.execute("INSERT INTO row VALUES (?, ?)", (committed + 1, vec![7u8; 1_500]))?;
                    committed += 1;
                }
            };
            assert!(work().is_err());
            torn += u64::from(disk::with(DISK, Disk::lose_power).unwrap());
            match open(synchronous).and_then(|connection| read(&connection)) {
                Ok(there) => {
                    let whole = there.iter().copied().eq(1..=there.len() as i64);
                    losses += u64::from(!whole || (there.len() as i64) < committed);
                    // A row whose commit was not answered may be there.
                    committed = there.len() as i64;
                }
                Err(_) => {
                    losses += 1;
                    break;
                }
            }
        }
    }
    (losses, torn)
}

#[test]
fn a_database_that_syncs_survives_thousands_of_power_cuts_with_every_committed_row() {
    let (losses, torn) = lost("EXTRA", Honesty::Honest);
    assert_eq!(losses, 0);
    assert!(torn > 100, "{torn} writes were torn: too few to prove anything");
}

#[test]
fn a_database_that_does_not_sync_loses_rows() {
    let (losses, _) = lost("OFF", Honesty::Honest);
    assert!(losses > 100, "{losses}: the disk does not forget");
}

#[test]
fn a_database_whose_directory_is_not_synced_is_lost() {
    let (losses, _) = lost("EXTRA", Honesty::NoDirectories);
    assert!(losses > 10, "{losses}: the disk does not forget names");
}

#[test]
fn what_a_process_wrote_outlives_it_but_not_the_power() {
    disk::register();
    disk::insert(DISK, Disk::new(Random::new(2)));
    let connection = open("OFF").unwrap();
    connection.execute("INSERT INTO row VALUES (1, x'00')", []).unwrap();
    disk::with(DISK, |disk| disk.upset(0, Trouble::Stopped));
    drop(connection);
    disk::with(DISK, Disk::end_process);
    assert_eq!(rows(&open("OFF").unwrap()), [1]);
    let worst = disk::with(DISK, |disk| disk.worst()).unwrap();
    disk::insert(DISK, worst);
    assert!(rows(&open("OFF").unwrap()).is_empty());
}

#[test]
fn a_second_process_is_refused() {
    disk::register();
    disk::insert(DISK, Disk::new(Random::new(3)));
    let first = open("EXTRA").unwrap();
    assert!(open("EXTRA").is_err());
    drop(first);
    open("EXTRA").unwrap();
}

#[test]
fn a_disk_that_is_full_broken_or_read_only_says_so_and_keeps_what_it_had() {
    disk::register();
    for (trouble, code) in [
        (Trouble::Full, rusqlite::ErrorCode::DiskFull),
        (Trouble::WriteFails, rusqlite::ErrorCode::SystemIoFailure),
        (Trouble::SyncFails, rusqlite::ErrorCode::SystemIoFailure),
        (Trouble::ReadOnly, rusqlite::ErrorCode::ReadOnly),
    ] {
        disk::insert(DISK, Disk::new(Random::new(4)));
        let connection = open("EXTRA").unwrap();
        connection.execute("INSERT INTO row VALUES (1, x'00')", []).unwrap();
        disk::with(DISK, |disk| disk.upset(0, trouble));
        let error = connection.execute("INSERT INTO row VALUES (2, x'00')", []).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(code), "{trouble:?}");
        drop(connection);
        disk::with(DISK, Disk::lose_power);
        assert_eq!(rows(&open("EXTRA").unwrap())[0], 1, "{trouble:?}");
    }
}
