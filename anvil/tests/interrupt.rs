//! However the demonstration is stopped, nothing that it started goes on.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ring_anvil::Programs;
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(120);

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // Only where a test has failed. Asked politely, or its processes would stay.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, orders: u32) -> Demo {
    let output = fs::File::create(folder.join("output")).unwrap();
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--orders")
        .arg(orders.to_string())
        .arg("--folder")
        .arg(folder.join("demo"))
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    Demo(demo)
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The state and the parent of a process, as Linux tells them.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state(*pid).is_some_and(|(_, found)| found == parent)).collect()
}

fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Stops the demonstration when `said` is in its output and so many processes run.
fn stop_when(said: &str, processes: usize, signal: Signal) {
    if let Err(missing) = Programs::find() {
        eprintln!("NOT RUN: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path(), 60);
    let output = || fs::read_to_string(folder.path().join("output")).unwrap();
    wait_for(said, || {
        assert!(demo.0.try_wait().unwrap().is_none(), "it ended by itself:\n{}", output());
        output().contains(said)
    });
    let started = children(demo.0.id());
    assert!(started.len() >= processes, "{started:?}\n{}", output());
    kill_process(Pid::from_child(&demo.0), signal).unwrap();
    wait_for("the demonstration ends", || demo.0.try_wait().unwrap().is_some());
    assert!(!demo.0.wait().unwrap().success());
    assert!(output().contains("every process that was started has ended"), "{}", output());
    wait_for("all of its processes end", || !started.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn an_interrupt_while_the_ring_works_ends_every_process() {
    // Anvil and three relayers.
    stop_when("epoch 1", 4, Signal::INT);
}

#[test]
fn a_termination_while_it_is_set_up_ends_every_process() {
    stop_when("Anvil makes", 1, Signal::TERM);
}

#[test]
fn a_failure_ends_every_process() {
    if let Err(missing) = Programs::find() {
        eprintln!("NOT RUN: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // So many that they are not paid before the chain breaks off.
    let mut demo = start(folder.path(), 2_000);
    let output = || fs::read_to_string(folder.path().join("output")).unwrap();
    wait_for("the relayers run", || output().contains("epoch 1"));
    let started = children(demo.0.id());
    assert!(started.len() >= 4, "{started:?}");
    // The chain breaks off.
    let is_anvil =
        |pid: &&u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "anvil");
    let anvil = started.iter().find(is_anvil).unwrap();
    kill_process(Pid::from_raw(i32::try_from(*anvil).unwrap()).unwrap(), Signal::KILL).unwrap();
    wait_for("the demonstration ends", || demo.0.try_wait().unwrap().is_some());
    assert!(!demo.0.wait().unwrap().success());
    assert!(output().contains("error: "), "{}", output());
    wait_for("all of its processes end", || !started.iter().any(|pid| is_alive(*pid)));
}
