//! Keys elsewhere than in a file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use alloy::primitives::Address;
use ring_anvil::{Custody, Programs, Seat, demo::RING};
use ring_contracts::{Call, Effect, Turn, TurnId};
use ring_signer::message::{self, Answer, Question};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Command,
};

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

/// What `check` says at a terminal where this is typed at its question, or without a terminal.
async fn check_with(relayer: &Path, seat: &Seat, typed: Option<&str>) -> (bool, String) {
    let check = format!("{} --config {} check", relayer.display(), seat.config().display());
    let mut command = match typed {
        // It gives a command a terminal of its own.
        Some(_) => Command::new("script"),
        None => Command::new("setsid"),
    };
    match typed {
        Some(_) => command.args(["--quiet", "--return", "--command", &check, "/dev/null"]),
        None => command.args(["--wait", "sh", "-c", &check]),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = Vec::new();
    if let Some(typed) = typed {
        // Before it asks, a terminal shows what is typed.
        while !String::from_utf8_lossy(&said).contains("Enter the password of") {
            assert!(stdout.read_buf(&mut said).await.unwrap() > 0, "{}", String::from_utf8_lossy(&said));
        }
        stdin.write_all(format!("{typed}\n").as_bytes()).await.unwrap();
    }
    stdout.read_to_end(&mut said).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    said.extend(output.stderr);
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_typed_opens_the_keystore_and_a_wrong_one_or_none_is_said_in_words() {
    let world = World::new(1, 1, 1, 1).await;
    let seat = &world.stage.ring.seats()[0];
    let password = fs::read_to_string(&seat.key().password_file).unwrap();
    let text = fs::read_to_string(seat.config()).unwrap();
    let line = text.lines().find(|line| line.starts_with("password_file = ")).unwrap();
    fs::write(seat.config(), text.replace(line, "password_prompt = true")).unwrap();
    let relayer = world.relayer();

    let (opened, said) = check_with(&relayer, seat, Some(password.trim_end())).await;
    assert!(opened && said.contains(&seat.key().address.to_string()), "{said}");
    assert!(!said.contains(password.trim_end()), "what is typed does not show");
    let (opened, said) = check_with(&relayer, seat, Some("wrong")).await;
    assert!(!opened && said.contains("the password that was typed does not open the keystore"), "{said}");
    let (opened, said) = check_with(&relayer, seat, None).await;
    assert!(!opened && said.contains("there is no terminal to ask at"), "{said}");
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

/// What a seat's enclave answers whoever has taken its relayer's host.
async fn ask_enclave(socket: &Path, question: &Question) -> Answer {
    let mut connection = UnixStream::connect(socket).await.unwrap();
    connection.write_all(&message::encode(question).unwrap()).await.unwrap();
    let mut head = [0; 4];
    connection.read_exact(&mut head).await.unwrap();
    let mut json = vec![0; message::length(head).unwrap()];
    connection.read_exact(&mut json).await.unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_with_enclaves_pays_each_order_once_and_they_sign_nothing_else_for_whoever_has_the_relayers_host() {
    let ways = vec![Custody::Keystore, Custody::Enclave, Custody::OneShot];
    let world = World::with_keys(3, 2, 2, 24, ways).await;
    world.start_paying().await.unwrap().unwrap();
    world.assert_each_paid_once(&world.stage.orders).await;
    let ring = world.stage.deployment.ring(RING).await.unwrap();
    assert!(!ring.halted);

    // The thief has the relayers' hosts, but not the keys. A turn that pays the thief, for which nobody asked:
    let thief = Address::with_last_byte(0x66);
    let effect = Effect::Pay { to: thief, amount: 1_000_000 };
    let call = Call { request_id: Default::default(), gas: 60_000, effect };
    let id = TurnId { ring: RING, epoch: ring.epoch, nonce: ring.nonce + 1, valid_until: TurnId::NO_EXPIRY };
    let theft = Turn::new(id, vec![call]).unwrap();
    let sockets: Vec<PathBuf> = world.stage.ring.seats()[1..].iter().map(|seat| seat.enclave_socket()).collect();
    for socket in &sockets {
        let asked = Question::Turn { turn: theft.clone(), requests: Vec::new() };
        let Answer::Refused { why } = ask_enclave(socket, &asked).await else { panic!("it signed") };
        assert!(why.contains("is not shown"), "{why}");
    }
    // A turn that has signatures already, with another content: the same as the last, but for its deadline.
    let turns = world.stage.deployment.turns(RING).await.unwrap();
    let last = turns.last().unwrap();
    let id = TurnId { nonce: last.nonce, valid_until: 1, ..theft.id() };
    for socket in &sockets {
        let asked = Question::Turn { turn: Turn::new(id, theft.calls().to_vec()).unwrap(), requests: Vec::new() };
        assert!(matches!(ask_enclave(socket, &asked).await, Answer::Refused { .. }));
    }
    assert!(!world.stage.deployment.ring(RING).await.unwrap().halted);

    // People who look after the ring see where each key is, and since when it has its seat.
    let mut status = Command::new(Programs::find().unwrap().keys);
    status.args(["status", "--json", "--rpc", &world.stage.chain.http()]);
    status.args(["--contract", &world.backend.domain.contract.to_string()]);
    for seat in world.stage.ring.seats() {
        status.args(["--relayer", &seat.url()]);
    }
    let output = status.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = status["keys"].as_array().unwrap();
    let places: Vec<&Value> = keys.iter().map(|key| &key["keptIn"]).collect();
    assert_eq!(places, ["keystore", "enclave", "enclave"]);
    assert!(keys.iter().all(|key| key["since"].as_u64().is_some_and(|since| since > 0)), "{status}");
}
