//! Unlocking a key in memory, and splitting one, at a real socket.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use ring_key::{
    memory::{Lease, MemoryKey},
    unlock,
};
use serde_json::{Value, json};

use crate::harness::{Place, Run};

/// A key of its own, and a place in memory for it, as a relayer has it.
async fn served(threshold: Option<u8>) -> (Place, MemoryKey) {
    let place = Place::new();
    let made = place.run("new --light --out key.json --password-file password --json").json();
    let address = made["address"].as_str().and_then(|address| address.parse().ok()).expect("an address");
    let key = MemoryKey::of(address, &place.path("unlock.sock"));
    unlock::serve(&key, threshold, Duration::from_secs(7_200)).await.expect("the socket is served");
    (place, key)
}

/// The command blocks, and the socket is served by this process.
async fn run(place: &Place, line: &str) -> Run {
    tokio::task::block_in_place(|| place.run(line))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_unlocks_a_relayer_and_locking_wipes_the_key() {
    let (place, key) = served(None).await;
    let locked = run(&place, "unlock --socket unlock.sock").await.ok();
    assert!(locked.out.contains("is locked"), "{}", locked.out);
    let unlocked =
        run(&place, "unlock --socket unlock.sock --keystore key.json --password-file password --for 90m").await;
    assert!(unlocked.ok().out.contains("is unlocked for 1 h "));
    assert!(matches!(key.look(), Lease::Unlocked { .. }));
    let told = run(&place, "unlock --socket unlock.sock --json").await.json();
    assert!(told["secondsLeft"].as_u64().unwrap() > 5_000, "{told}");
    let locked = run(&place, "unlock --socket unlock.sock --lock --json").await.json();
    assert_eq!(locked["secondsLeft"], Value::Null);
    assert_eq!(key.look(), Lease::Locked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_shares_unlock_a_relayer_and_each_mistake_is_named() {
    let (place, key) = served(Some(2)).await;
    let split =
        run(&place, "split --keystore key.json --password-file password --shares 3 --threshold 2 --out part --json");
    let files = ["part-1.share", "part-2.share", "part-3.share"];
    assert_eq!(split.await.json()["files"], json!(files));
    for file in files {
        assert_eq!(fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let share = async |file: &str| run(&place, &format!("unlock --socket unlock.sock --share {file}")).await;
    assert!(share("part-3.share").await.ok().out.contains("these are there: 3"));
    share("part-3.share").await.refused(6, &["share 3 is there already"]);
    let mut text = fs::read_to_string(place.path("part-1.share")).unwrap();
    // The first digit of the share itself.
    let digit = if &text[60..61] == "0" { "1" } else { "0" };
    text.replace_range(60..61, digit);
    place.write("mistyped", &text);
    share("mistyped").await.refused(3, &["damaged"]);
    share("key.json").await.refused(3, &["no share"]);
    run(&place, "unlock --socket unlock.sock --keystore key.json --password-file password")
        .await
        .refused(6, &["give a share"]);
    assert_eq!(key.look(), Lease::Locked);
    assert!(share("part-1.share").await.ok().out.contains("is unlocked for 1 h 59 min"));
    assert!(matches!(key.look(), Lease::Unlocked { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_sockets_and_counts_are_refused_with_what_to_do() {
    let (place, key) = served(None).await;
    run(&place, "new --light --out other.json --password-file password").await.ok();
    let other = "unlock --socket unlock.sock --keystore other.json --password-file password";
    run(&place, other).await.refused(6, &["is wanted"]);
    run(&place, "unlock --socket nowhere.sock").await.refused(5, &["nowhere.sock", "is the seat running"]);
    let split = |rest: &str| format!("split --keystore key.json --password-file password --out part {rest}");
    for counts in ["--shares 3 --threshold 1", "--shares 2 --threshold 3", "--shares 1 --threshold 1"] {
        run(&place, &split(counts)).await.refused(2, &["a key is split into"]);
    }
    place.write("part-2.share", "somebody's");
    let before = place.files();
    run(&place, &split("--shares 3 --threshold 2")).await.refused(3, &["part-2.share", "exists already"]);
    assert_eq!(place.files(), before);
    assert_eq!(key.look(), Lease::Locked);
}
