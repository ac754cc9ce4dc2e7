use serde_json::json;

use crate::harness::{Bench, address, by, lower};

#[test]
fn every_operator_halts_and_only_the_master_resumes() {
    let bench = Bench::with_ring();
    for (name, epoch) in [("op2", 1), ("guardian", 2), ("master", 3)] {
        assert_eq!(bench.ring()["epoch"], epoch);
        bench.run(&format!("halt --ring 1 {}", by(name))).ok();
        assert_eq!(bench.ring()["halted"], true);
        for other in [name, "stranger"].into_iter().filter(|other| *other != "master") {
            bench.refused(
                &format!("resume --ring 1 {}", by(other)),
                4,
                &["is not the master", &address("master").to_string()],
            );
        }
        bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
        assert_eq!(bench.ring()["halted"], false);
    }
    bench.refused(&format!("halt --ring 1 {}", by("stranger")), 4, &["cannot halt ring 1"]);
}

#[test]
fn a_revoked_seat_is_empty_until_it_is_replaced() {
    let bench = Bench::with_ring();
    bench.run(&format!("revoke --ring 1 --key {} {}", address("op1"), by("guardian"))).ok();
    let ring = bench.ring();
    assert_eq!(ring["charter"]["seats"][1], lower(Default::default()));
    assert_eq!(ring["epoch"], 2);
    assert!(bench.run("ring show --ring 1").ok().out.contains("revoked"));
    bench.run(&format!("replace --ring 1 --seat 1 --key {} {}", address("spare"), by("master"))).ok();
    let ring = bench.ring();
    assert_eq!(ring["charter"]["seats"][1], lower(address("spare")));
    assert_eq!(ring["epoch"], 3);
}

#[test]
fn another_key_may_send_and_pay() {
    let bench = Bench::with_ring();
    let before = bench.balance(&lower(address("guardian")));
    let line = format!(
        "revoke --ring 1 --key {} {} --sender-keystore sender.json --sender-password-file password --json",
        address("op0"),
        by("guardian")
    );
    let sent = bench.run(&line).json();
    assert_eq!(bench.balance(&lower(address("guardian"))), before);
    let transaction = bench.rpc("eth_getTransactionByHash", json!([sent["transaction"]]));
    assert_eq!(transaction["from"], lower(address("sender")));
    assert_eq!(bench.ring()["charter"]["seats"][0], lower(Default::default()));
    let halt = format!("halt --ring 1 {} --sender-keystore stranger.json --sender-password-file password", by("op2"));
    bench.run(&halt).ok();
    assert_eq!(bench.ring()["halted"], true);
}

#[test]
fn the_masters_role_moves_only_when_the_successor_accepts() {
    let bench = Bench::new();
    bench.run(&format!("master transfer {} {}", address("successor"), by("master"))).ok();
    let status = bench.run("status --json").json();
    assert_eq!(status["master"], lower(address("master")));
    assert_eq!(status["pendingMaster"], lower(address("successor")));
    bench.refused(
        &format!("master accept {}", by("stranger")),
        4,
        &["cannot accept", &address("successor").to_string()],
    );
    bench.run(&format!("master transfer none {}", by("master"))).ok();
    bench.refused(&format!("master accept {}", by("successor")), 4, &["cannot accept", "nobody"]);
    bench.run(&format!("master transfer {} {}", address("successor"), by("master"))).ok();
    bench.run(&format!("master accept {}", by("successor"))).ok();
    let status = bench.run("status --json").json();
    assert_eq!(status["master"], lower(address("successor")));
    assert_eq!(status["pendingMaster"], json!(null));
}

#[test]
fn the_guardian_is_named_and_removed() {
    let bench = Bench::new();
    bench.run(&format!("guardian {} {}", address("spare"), by("master"))).ok();
    assert_eq!(bench.run("status --json").json()["guardian"], lower(address("spare")));
    bench.run(&format!("guardian none {}", by("master"))).ok();
    assert_eq!(bench.run("status --json").json()["guardian"], json!(null));
}

#[test]
fn execute_pays_what_was_written() {
    let bench = Bench::new();
    bench.rpc("anvil_setBalance", json!([bench.contract, "0xde0b6b3a7640000"]));
    let nobody = "0x00000000000000000000000000000000000abcde";
    let words = bench.run(&format!("execute --target {nobody} --value 0.25ether {}", by("master"))).ok().err;
    assert!(words.contains("0.25 ether (250000000000000000 wei)"), "{words}");
    assert_eq!(bench.balance(nobody), 250_000_000_000_000_000);
    assert_eq!(bench.balance(&bench.contract), 750_000_000_000_000_000);
    let too_much = format!("execute --target {nobody} --value 2ether {}", by("master"));
    bench.refused(&too_much, 6, &["the master's call failed"]);
    let to_itself = format!("execute --target {} {}", bench.contract, by("master"));
    bench.refused(&to_itself, 6, &["does not call itself"]);
}

#[test]
fn an_amount_of_tokens_is_counted_by_the_tokens_own_decimals() {
    let bench = Bench::with_ring();
    let token = "0x7777777777777777777777777777777777777777";
    let limit = |rest: &str| format!("allow --ring 1 --asset {token} --period day {rest} {}", by("master"));
    bench.refused(&limit("--cap 12.5tokens"), 2, &["decimals of token", "--decimals"]);
    bench.run(&limit("--cap 12.5tokens --decimals 2")).ok();
    assert_eq!(bench.run("status --json").json()["limits"][0]["cap"], "1250");
    bench.rpc("anvil_setCode", json!([token, "0x600660005260206000f3"]));
    bench.refused(&limit("--cap 12.5tokens --decimals 2"), 2, &["--decimals is 2", "says 6"]);
    bench.run(&limit("--cap 12.5tokens")).ok();
    assert_eq!(bench.run("status --json").json()["limits"][0]["cap"], "12500000");
}
