//! Backups of a seat that runs: a real store, and what becomes of it in the folder.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use ring_core::{Halt, Record};
use tempfile::TempDir;

use super::*;
use crate::backups::{Archive, BackupError, Backups};

const TOKEN: &str = "ring_operator";

fn archive(folder: &Path, keep: usize) -> Archive {
    Archive { folder: folder.to_owned(), every: None, keep }
}

fn operator(scopes: &[Scope]) -> Vec<Token> {
    vec![Token { name: "staff".into(), hash: TokenHash::of(TOKEN), scopes: scopes.iter().copied().collect() }]
}

async fn serving(bench: &Bench, running: &Running, backups: Option<Arc<Backups>>, tokens: Vec<Token>) -> Server {
    let (handle, key) = (running.handle.clone(), bench.key());
    Server::start_with(limits(), |setup| Setup { handle, key, backups, tokens, ..setup }).await
}

async fn make(server: &Server) -> Answer {
    server.call(server.client.post(server.url(BACKUP)).header("authorization", format!("Bearer {TOKEN}"))).await
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_of_a_seat_that_works_has_all_up_to_then_and_halts_whoever_starts_from_it() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let backups = bench.backups(&running, archive(folder.path(), 1));
    let server = serving(&bench, &running, Some(backups), operator(&[Scope::Operate])).await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    bench.execute(&mut running, &[]).await;
    bench.finalize(&running).await;
    // Left over by a process that was killed, and by nobody that this seat knows.
    for other in ["ring-1-seat-0-5.sqlite.unfinished", "ring-1-seat-1-5.sqlite", "mine.sqlite"] {
        fs::write(folder.path().join(other), "").unwrap();
    }
    fs::write(folder.path().join("ring-1-seat-0-7.sqlite"), "an old one").unwrap();

    let answer = make(&server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = Path::new(answer.body["file"].as_str().unwrap()).to_owned();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_eq!(files(folder.path()), ["mine.sqlite", name, "ring-1-seat-1-5.sqlite"]);

    // The seat goes on, and what it does then is not in the backup.
    running.handle.submit(bench.request(2), Duration::from_secs(5)).await.unwrap();
    bench.execute(&mut running, &[]).await;
    running.stop();
    let original = bench.store();
    assert!(original.request(bench.request(2).request.id).unwrap().is_some());
    original.verify().unwrap();
    let (copy, mut records) = bench.opened(&file);
    assert_eq!(copy.verify().unwrap(), answer.body["records"].as_i64().unwrap() + 1);
    assert_eq!(records.pop(), Some(Record::Halted(Halt::MemoryLost { through: None })));
    let known = copy.settled([1, 2].map(|number| bench.request(number).request.id)).unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&bench.request(1).request.id]);
}

#[tokio::test]
async fn a_backup_that_fails_leaves_the_old_ones_and_the_seat_alone() {
    let bench = Bench::new();
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let old = folder.path().join("ring-1-seat-0-7.sqlite");
    fs::write(&old, "an old one").unwrap();
    let backups = bench.backups(&running, archive(&folder.path().join("gone"), 1));
    let server = serving(&bench, &running, Some(backups), operator(&[Scope::Operate])).await;
    let answer = make(&server).await;
    assert_eq!((answer.status, answer.code()), (500, "backup_failed"));
    assert!(answer.message().contains("gone"), "{}", answer.message());
    assert_eq!(fs::read(old).unwrap(), b"an old one");
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    running.stop();
}

#[tokio::test]
async fn old_backups_stay_until_every_record_of_the_new_one_was_read() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    bench.execute(&mut running, &[]).await;
    bench.finalize(&running).await;
    running.stop();
    // What is over no start reads.
    bench.alter("UPDATE journal SET checksum = (SELECT checksum FROM journal WHERE seq = 1) WHERE seq = 2");
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let old = "ring-1-seat-0-7.sqlite";
    fs::write(folder.path().join(old), "an old one").unwrap();
    let backups = bench.backups(&running, archive(folder.path(), 1));
    let server = serving(&bench, &running, Some(backups), operator(&[Scope::Operate])).await;
    let answer = make(&server).await;
    assert_eq!((answer.status, answer.code()), (500, "backup_failed"));
    assert!(answer.message().contains("damaged"), "{}", answer.message());
    assert_eq!(files(folder.path()), [old]);
    running.stop();
}

#[tokio::test]
async fn two_backups_are_not_made_at_once() {
    let bench = Bench::new();
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let backups = bench.backups(&running, archive(folder.path(), 5));
    let (first, second) = tokio::join!(backups.make(), backups.make());
    assert!(first.is_ok() && matches!(second, Err(BackupError::Busy)), "{first:?} {second:?}");
    running.stop();
}

#[tokio::test]
async fn people_hear_of_a_backup_that_fails() {
    let bench = Bench::new();
    let mut store = bench.store();
    store.follow_alarms("pager", true).unwrap();
    store.close();
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let regular = Archive { every: Some(Duration::from_secs(3_600)), ..archive(&folder.path().join("gone"), 1) };
    let mut alarms = running.handle.alarms();
    let making = tokio::spawn(bench.backups(&running, regular).run());
    tokio::time::timeout(Duration::from_secs(30), alarms.changed()).await.unwrap().unwrap();
    let told = running.handle.untold("pager".to_owned()).await.unwrap().alarms.pop().unwrap();
    assert!(told.reason.contains("no new backup") && told.reason.contains("gone"), "{}", told.reason);
    making.abort();
    running.stop();
}

#[tokio::test]
async fn backups_are_made_only_with_a_token_for_them_and_where_it_was_said_where_to() {
    let bench = Bench::new();
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let backups = bench.backups(&running, archive(folder.path(), 1));
    let others = [Scope::Submit, Scope::Read, Scope::Events];
    for (backups, tokens, expected) in [
        (Some(backups.clone()), Vec::new(), (401, "unauthorized")),
        (Some(backups), operator(&others), (403, "scope_missing")),
        (None, operator(&[Scope::Operate]), (404, "no_backups")),
    ] {
        let server = serving(&bench, &running, backups, tokens).await;
        let answer = make(&server).await;
        assert_eq!((answer.status, answer.code()), expected);
    }
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn a_seat_makes_its_first_backup_at_once_and_the_next_when_it_is_time() {
    let bench = Bench::new();
    let running = bench.start().await;
    let folder = TempDir::new().unwrap();
    let regular = Archive { every: Some(Duration::from_secs(3_600)), ..archive(folder.path(), 5) };
    let made = || files(folder.path()).iter().filter(|name| name.ends_with(".sqlite")).count();
    let until = async |count: usize| {
        while made() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let making = tokio::spawn(bench.backups(&running, regular.clone()).run());
    tokio::time::timeout(Duration::from_secs(30), until(1)).await.unwrap();
    making.abort();
    // The next process finds it, and after its time makes another.
    // The name that it had until then may still be there.
    let name = files(folder.path()).into_iter().find(|name| name.ends_with(".sqlite")).unwrap();
    let time: u64 = name["ring-1-seat-0-".len()..].strip_suffix(".sqlite").unwrap().parse().unwrap();
    let earlier = format!("ring-1-seat-0-{}.sqlite", time - 3_601);
    fs::rename(folder.path().join(name), folder.path().join(earlier)).unwrap();
    let making = tokio::spawn(bench.backups(&running, regular).run());
    tokio::time::timeout(Duration::from_secs(30), until(2)).await.unwrap();
    making.abort();
    running.stop();
}
