//! Programs that are run for events: real scripts.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

use super::*;
use crate::notify::Program;

/// A script, run with the folder that it writes to as its argument.
fn script(folder: &TempDir, text: &str) -> Subscriber {
    let path = folder.path().join("told");
    fs::write(&path, format!("#!/bin/sh\ncd \"$1\" || exit 9\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let program = Program { path, arguments: vec![folder.path().to_str().unwrap().to_owned()] };
    let subjects = [Subject::Request(Status::Received), Subject::Halted].into();
    Subscriber { name: NAME.into(), means: Means::Program(program), subjects }
}

async fn until(path: &Path, holds: impl Fn(&str) -> bool) -> String {
    let waiting = async {
        loop {
            match fs::read_to_string(path) {
                Ok(text) if holds(&text) => break text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the program was not run")
}

fn is_whole(text: &str) -> bool {
    text.ends_with('\n')
}

#[tokio::test]
async fn a_program_is_told_of_a_halt_on_its_input_and_sees_nothing_of_the_environment() {
    let mut bench = Bench::new();
    let folder = TempDir::new().unwrap();
    // Cargo's variables stand for whatever a relayer's environment holds.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    let subscriber = script(&folder, "cat > event; env > seen; echo $# > arguments; echo >> event; echo done > end");
    let (running, _delivering) = start_telling(&bench, subscriber, QUICK).await;
    bench.halt(&running).await;
    until(&folder.path().join("end"), is_whole).await;
    let event: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("event")).unwrap()).unwrap();
    assert_eq!((&event["event"]["type"], &event["seat"]), (&json!("halted"), &json!(0)));
    assert!(EventId::parse(event["id"].as_str().unwrap(), bench.key()).is_some());
    assert_eq!(fs::read_to_string(folder.path().join("arguments")).unwrap(), "1\n", "an event is no argument");
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("CARGO"), "{seen}");
}

#[tokio::test]
async fn a_program_that_fails_or_hangs_is_run_again_with_the_same_event() {
    let bench = Bench::new();
    let folder = TempDir::new().unwrap();
    let text = "cat >> events; echo >> events; echo run >> runs\n\
                case $(wc -l < runs) in 1) exit 3;; 2) sleep 1000 & echo $! > child; wait;; esac\necho done > end";
    let pace = Pace { answer: Duration::from_secs(2), ..QUICK };
    let (running, _delivering) = start_telling(&bench, script(&folder, text), pace).await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    until(&folder.path().join("end"), is_whole).await;
    let events = fs::read_to_string(folder.path().join("events")).unwrap();
    let events: Vec<&str> = events.lines().collect();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event == &events[0]), "{events:?}");
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "what a program that hangs has started goes on: {stat}");
}

#[tokio::test]
async fn a_program_is_told_after_a_restart_what_it_did_not_take_before() {
    let bench = Bench::new();
    let folder = TempDir::new().unwrap();
    let text = "echo try >> tries; [ -e open ] || exit 1; cat > taken; echo >> taken";
    let (running, delivering) = start_telling(&bench, script(&folder, text), QUICK).await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    until(&folder.path().join("tries"), is_whole).await;
    delivering.abort();
    running.kill();
    fs::write(folder.path().join("open"), "").unwrap();
    let (_running, _delivering) = start_telling(&bench, script(&folder, text), QUICK).await;
    let taken = until(&folder.path().join("taken"), is_whole).await;
    assert_eq!(serde_json::from_str::<Value>(&taken).unwrap()["event"]["status"], "received");
}

#[tokio::test]
async fn a_program_need_not_read_what_it_is_told() {
    let bench = Bench::new();
    let folder = TempDir::new().unwrap();
    let (running, _delivering) = start_telling(&bench, script(&folder, "echo run >> runs"), QUICK).await;
    for number in 1..4 {
        running.handle.submit(bench.request(number), Duration::from_secs(5)).await.unwrap();
    }
    let runs = until(&folder.path().join("runs"), |text| text.lines().count() == 3).await;
    assert_eq!(runs, "run\n".repeat(3));
}
