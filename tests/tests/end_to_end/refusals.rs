//! Wrong input: each is refused with the value and the remedy, and changes nothing.

use std::{fs, process::Output};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use ring_contracts::{Request, SignedRequest};
use tokio::process::Command;

use crate::world::World;

/// Runs a seat's relayer with a changed configuration.
async fn run(world: &World, seat: usize, command: &[&str], change: impl FnOnce(String) -> String) -> Output {
    let config = world.stage.ring.seats()[seat].config();
    let changed = config.with_file_name("changed.toml");
    fs::write(&changed, change(fs::read_to_string(config).unwrap())).unwrap();
    Command::new(world.relayer()).arg("--config").arg(changed).args(command).output().await.unwrap()
}

fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayer_with_a_wrong_configuration_does_not_start_and_says_why() {
    let mut world = World::new(3, 2, 2, 60).await;
    let contract = world.stage.deployment.domain.contract.to_string();
    let token = world.stage.deployment.token.to_string();
    let nobody = "0x00000000000000000000000000000000000000aa";
    let check = ["check"];
    // Addresses in the file may be written in any case.
    let swap = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |text: String| text.replace(&from, &to).replace(&from.to_lowercase(), &to)
    };

    let unknown = run(&world, 0, &check, |text| text.replace("[ring]", "[ring]\nwindwo = 2")).await;
    assert_refused(&unknown, 78, &["windwo"]);
    let chain = run(&world, 0, &check, |text| text.replace("chain_id = 31337", "chain_id = 1")).await;
    assert_refused(&chain, 69, &["31337", "1"]);
    let empty = run(&world, 0, &check, swap(&contract, nobody)).await;
    assert_refused(&empty, 69, &["no contract"]);
    let other = run(&world, 0, &check, |text| {
        let (head, tail) = text.split_once("[ring]").unwrap();
        format!("{}[ring]{tail}", swap(&contract, &token)(head.to_owned()))
    })
    .await;
    assert_refused(&other, 69, &["not a RingMultisig"]);
    let window = run(&world, 0, &check, |text| text.replace("window = 2", "window = 4")).await;
    assert_refused(&window, 78, &["window of 4", "3 seats"]);
    let quorum = run(&world, 0, &check, |text| text.replace("quorum = 2", "quorum = 3")).await;
    assert_refused(&quorum, 78, &["quorum of 3", "window of 2"]);
    let (first, second) = (world.stage.charter().seats[0], world.stage.charter().seats[1]);
    let doubled = run(&world, 0, &check, swap(&second.to_string(), &first.to_string())).await;
    assert_refused(&doubled, 78, &["same key"]);

    let running = run(&world, 0, &["run"], |text| text).await;
    assert_refused(&running, 75, &["in use"]);
    world.stage.ring.seat(0).stop().await;
    let again = run(&world, 0, &["init"], |text| text).await;
    assert_refused(&again, 78, &["already"]);
    let early = run(&world, 0, &["resume", "--epoch", "9"], |text| text).await;
    assert_refused(&early, 1, &["epoch 1", "9"]);
    let present = run(&world, 0, &["resume", "--epoch", "1"], |text| text).await;
    assert_refused(&present, 1, &["takes part in epoch 1 already"]);
    let store = world.stage.ring.seats()[0].store();
    let hidden = store.with_extension("hidden");
    fs::rename(&store, &hidden).unwrap();
    assert_refused(&run(&world, 0, &["run"], |text| text).await, 66, &["no store", "init"]);
    fs::rename(&hidden, &store).unwrap();
    let password = world.stage.ring.seats()[0].key().password_file.clone();
    let right = fs::read_to_string(&password).unwrap();
    fs::write(&password, "wrong").unwrap();
    let wrong = run(&world, 0, &check, |text| text).await;
    assert_refused(&wrong, 78, &["does not open"]);
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("wrong\""), "a password is never shown");
    fs::write(&password, right).unwrap();

    // None of it changed anything: the seat works.
    world.stage.ring.start().unwrap();
    world.stage.ring.wait_ready(crate::world::PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_is_refused_with_its_value_and_nothing_is_paid() {
    let world = World::new(3, 2, 2, 60).await;
    let client = &world.stage.ring.clients().unwrap()[0];
    let requester = world.backend.requester.clone();
    let right = world.backend.request(&world.stage.orders[0]).unwrap().request;
    let sign = |request: Request, key: &PrivateKeySigner| {
        let signature = key.sign_hash_sync(&request.digest(&world.backend.domain)).unwrap();
        SignedRequest { request, signature: signature.as_bytes().into() }
    };
    let post = async |signed: &SignedRequest| client.submit_raw(serde_json::to_vec(signed).unwrap()).await.unwrap();

    let now = world.stage.deployment.time().await.unwrap();
    let too_much = world.stage.charter().cap + 1;
    let data = |amount: u128| [&right.data[..36], &alloy::primitives::U256::from(amount).to_be_bytes::<32>()].concat();
    let cases = [
        ("expired", Request { expiry: now - 1, ..right.clone() }, 422, "expired"),
        ("another ring", Request { ring: 9, ..right.clone() }, 422, "ring 9"),
        (
            "approve",
            Request { data: [&[9, 94, 167, 179], &right.data[4..]].concat().into(), ..right.clone() },
            422,
            "transfer",
        ),
        ("over the cap", Request { data: data(too_much).into(), ..right.clone() }, 422, "cap"),
        ("another token", Request { target: requester.address(), ..right.clone() }, 422, "may not spend"),
        ("the treasury", Request { target: world.backend.domain.contract, ..right.clone() }, 422, "contract itself"),
        ("too much gas", Request { gas: 16_000_000, ..right.clone() }, 422, "16000000"),
    ];
    for (what, request, status, word) in cases {
        let (answer, body) = post(&sign(request, &requester)).await;
        assert_eq!(answer, status, "{what}: {body}");
        assert!(body.contains(word), "{what}: {body}");
    }
    let stranger = PrivateKeySigner::random();
    let (answer, body) = post(&sign(right.clone(), &stranger)).await;
    assert!(answer == 403 && body.contains(&stranger.address().to_string()), "{body}");
    for body in ["", "{", "[]", "{\"request\":1}"] {
        assert_eq!(client.submit_raw(body).await.unwrap().0, 400, "{body:?}");
    }
    let float =
        serde_json::to_string(&sign(right.clone(), &requester)).unwrap().replace("\"value\":\"0\"", "\"value\":0.0");
    assert_eq!(client.submit_raw(float).await.unwrap().0, 400);
    assert_eq!(client.submit_raw(vec![b' '; 1 << 20]).await.unwrap().0, 413);

    let (answer, body) = post(&sign(right.clone(), &requester)).await;
    assert_eq!(answer, 202, "{body}");
    let (answer, body) = post(&sign(Request { gas: 90_000, ..right.clone() }, &requester)).await;
    assert!(answer == 409 && body.contains(&right.id.to_string()), "{body}");
    let done =
        async || Ok(client.status(right.id).await?.is_some_and(|status| status.stage == ring_anvil::Stage::Final));
    world.until("the right one is paid", done).await;
    world.assert_each_paid_once(&world.stage.orders[..1]).await;
    assert_eq!(world.stage.deployment.payments().await.unwrap().len(), 1);
}
