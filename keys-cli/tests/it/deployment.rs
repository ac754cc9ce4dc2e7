//! Deploying: where, how often, and with what.

use serde_json::json;

use crate::harness::{Bench, Place, address, by, cast, lower};

const PROXY: &str = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
const NO_PROXY: &[&str] = &["--disable-default-create2-deployer"];

fn deploy(rest: &str) -> String {
    format!("deploy --master {} --guardian {} {rest}", address("master"), address("guardian"))
}

#[test]
fn the_address_is_known_before_and_the_same_on_every_chain() {
    let place = Place::with_keys();
    let predicted = place.run(&deploy("--predict --json")).json();
    let contract = predicted["contract"].as_str().expect("an address").to_owned();
    assert_eq!(predicted["salt"], format!("0x{}", "0".repeat(64)));
    for options in [&[][..], &["--chain-id", "5"]] {
        let bench = Bench::bare(options);
        let run = bench.run(&deploy(&format!("{} --json", by("sender"))));
        // It is said before anything is sent.
        assert!(run.err.to_lowercase().contains(&contract), "{}", run.err);
        let deployed = run.json();
        assert_eq!(deployed["contract"], contract);
        assert_eq!(deployed["alreadyThere"], false);
        assert!(deployed["transaction"].is_string() && deployed["block"].is_u64());
        bench.run(&format!("status --contract {contract}")).ok();
    }
}

#[test]
fn another_salt_master_or_guardian_is_another_address() {
    let place = Place::with_keys();
    let predict = |line: &str| place.run(&format!("{line} --predict --json")).json()["contract"].to_string();
    let salt = format!("--salt 0x{:064x}", 7);
    let addresses: std::collections::BTreeSet<_> = [
        predict(&deploy("")),
        predict(&deploy(&salt)),
        predict(&format!("deploy --master {}", address("master"))),
        predict(&format!("deploy --master {} --guardian {}", address("guardian"), address("master"))),
    ]
    .into();
    assert_eq!(addresses.len(), 4);
    let text = place.run(&deploy("--predict")).ok().out;
    assert!(text.contains("guardian") && text.contains("salt"), "{text}");
}

#[test]
fn what_is_there_already_is_found_and_nothing_is_sent() {
    let bench = Bench::new();
    bench.run(&format!("guardian none {}", by("master"))).ok();
    let block = bench.block();
    let again = bench.run(&deploy(&format!("{} --json", by("sender")))).json();
    assert_eq!((&again["contract"], &again["alreadyThere"]), (&json!(bench.contract), &json!(true)));
    assert_eq!((&again["transaction"], &again["block"]), (&json!(null), &json!(null)));
    // Not even a key is needed to find that out.
    let words = bench.run(&deploy("")).ok().out;
    assert!(words.contains("it was there already"), "{words}");
    assert_eq!(bench.block(), block);
}

#[test]
fn foreign_code_at_the_address_is_refused() {
    let bench = Bench::bare(&[]);
    let predicted = bench.run(&deploy("--predict --json")).json();
    bench.rpc("anvil_setCode", json!([predicted["contract"], "0x600660005260206000f3"]));
    bench.refused(&deploy(&by("sender")), 4, &["not a RingMultisig of this version"]);
}

#[test]
fn a_chain_without_the_proxy_is_told_how_to_get_it_and_then_works() {
    let bench = Bench::bare(NO_PROXY);
    let run = bench.run(&deploy(&by("sender")));
    assert_eq!(run.code, 4, "{}", run.err);
    for word in ["no deployment proxy", PROXY, "0.01", "0x3fab184622dc19b6109349b94811493bf2a45362", "cast publish"] {
        assert!(run.err.to_lowercase().contains(&word.to_lowercase()), "{word} is not in {}", run.err);
    }
    // What it says does it: no more than that money, and that transaction.
    let transaction =
        run.err.split('`').nth(1).and_then(|command| command.split(' ').next_back()).expect("a transaction");
    bench.rpc("anvil_setBalance", json!(["0x3fab184622dc19b6109349b94811493bf2a45362", "0x2386f26fc10000"]));
    cast(&["publish", "--rpc-url", bench.url(), transaction]);
    bench.run(&deploy(&by("sender"))).ok();
}

#[test]
fn something_else_in_the_place_of_the_proxy_gets_no_transaction() {
    let bench = Bench::bare(NO_PROXY);
    bench.rpc("anvil_setCode", json!([PROXY, "0x600660005260206000f3"]));
    bench.refused(&deploy(&by("sender")), 4, &["not the deployment proxy", "10 bytes of other code"]);
}

#[test]
fn a_deployment_that_cannot_be_is_refused() {
    let bench = Bench::bare(&[]);
    bench.refused(&deploy(""), 2, &["--keystore"]);
    for (line, word) in [
        (deploy("--salt 0x07 --predict"), "64 hexadecimal digits"),
        (deploy(&format!("--predict {}", by("sender"))), "--predict"),
    ] {
        let run = bench.run(&line);
        assert!(run.code == 2 && run.err.contains(word), "{}", run.err);
    }
    assert_eq!(lower(address("master")).len(), 42);
}
