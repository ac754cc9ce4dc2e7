//! Keys elsewhere than in a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ring_anvil::{Programs, Seat};
use serde_json::Value;
use tokio::process::Command;

use crate::world::{PATIENCE, World};

/// Has a seat wait for its key, from its next start on. Returns where it is unlocked.
fn put_into_memory(seat: &Seat) -> PathBuf {
    let socket = seat.config().with_file_name("unlock.sock");
    let text = fs::read_to_string(seat.config()).unwrap();
    let memory = format!(
        "[signer.memory]\naddress = \"{}\"\nsocket = \"{}\"\nlease_seconds = 7200",
        seat.key().address,
        socket.display()
    );
    let lines = text.lines().filter(|line| !line.starts_with("keystore = ") && !line.starts_with("password_file = "));
    let changed: Vec<&str> = lines.map(|line| if line == "[signer]" { &memory } else { line }).collect();
    fs::write(seat.config(), changed.join("\n")).unwrap();
    socket
}

/// What `ring-keys unlock` says.
async fn unlock(socket: &Path, more: &[&Path]) -> Value {
    let mut command = Command::new(Programs::find().unwrap().keys);
    command.args(["unlock", "--json", "--socket"]).arg(socket).args(more);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_whose_key_is_in_memory_signs_nothing_until_it_is_unlocked_and_keeps_the_key_over_a_reload() {
    let mut world = World::new(3, 2, 2, 12).await;
    let seat = world.stage.ring.seat(1);
    let (log, key) = (seat.log().to_owned(), seat.key().clone());
    seat.stop().await;
    let socket = put_into_memory(seat);
    seat.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    let said = |what: &str| fs::read_to_string(&log).unwrap().contains(what);
    world
        .until("people are told that the key is locked", async || Ok(said("ALARM") && said("the key is locked")))
        .await;

    let process = world.stage.ring.seat(1).process().unwrap().id().unwrap();
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "no core dumps: {core}");

    let paying = world.start_paying();
    let refused = "the signer did not sign; it is asked again";
    world.until("the seat is asked to sign in vain", async || Ok(said(refused))).await;
    assert!(world.stage.deployment.payments().await.unwrap().is_empty(), "turn 0 is the locked seat's, too");

    let given = [Path::new("--keystore"), &key.keystore, Path::new("--password-file"), &key.password_file];
    assert!(unlock(&socket, &given).await["secondsLeft"].as_u64().unwrap() > 7_000);
    paying.await.unwrap().unwrap();
    let payments = async || Ok(world.stage.deployment.payments().await?.len() == world.stage.orders.len());
    world.until("all is paid", payments).await;
    world.assert_each_paid_once(&world.stage.orders).await;

    world.reload(1, "the seat goes on with the configuration as it is now").await;
    assert!(unlock(&socket, &[]).await["secondsLeft"].is_u64(), "another configuration forgets no key");
    let seat = world.stage.ring.seat(1);
    seat.stop().await;
    assert!(!socket.exists(), "a seat that has ended is not unlocked");
    seat.start().unwrap();
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
    world.until("it can be unlocked", async || Ok(socket.exists())).await;
    assert_eq!(unlock(&socket, &[]).await["secondsLeft"], Value::Null, "another process is locked");
}
