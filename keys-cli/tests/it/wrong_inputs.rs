use serde_json::json;

use crate::harness::{Bench, LEASE, address, by};

const NATIVE: &str = "--asset native --cap 1ether --period day";
const LEASED: &str = "--asset native --cap 1ether --period day --turns-per-period 1000 --expires 90d";

fn set(rest: &str) -> String {
    format!("ring set --ring 1 {rest} {}", by("master"))
}

#[test]
fn an_impossible_charter_is_refused_with_its_values() {
    let bench = Bench::new();
    let (op0, op1) = (address("op0"), address("op1"));
    let seats = format!("--seat {op0},{op1}");
    bench.refused(&set(&format!("--window 3 {LEASED} {seats}")), 2, &["window of 3", "2 seats"]);
    bench.refused(&set(&format!("--window 0 {LEASED} {seats}")), 2, &["window of 0"]);
    bench.refused(&set(&format!("--window 1 --quorum 2 {LEASED} {seats}")), 2, &["quorum of 2", "window of 1"]);
    bench.refused(&set(&format!("--window 1 {LEASED} {seats},{op0}")), 2, &["seats 0 and 2", &op0.to_string()]);
    bench.refused(&set(&format!("--window 1 --asset native --cap 1ether --period 60 {LEASE} {seats}")), 2, &["not 60"]);
    let many = (1..=33).map(|n| format!("0x{n:040x}")).collect::<Vec<_>>().join(",");
    bench.refused(&set(&format!("--window 1 {LEASED} --seat {many}")), 2, &["1 to 32 seats, not 33"]);
    let charter = json!({ "window": 1, "quorum": 1, "asset": format!("0x{:040}", 0), "cap": "1", "period": 86400,
        "turnsPerPeriod": 1, "interval": 0, "expiresAt": 1099511627775u64, "lastNonce": 5, "seats": [format!("0x{:040}", 0)] });
    bench.place.write("charter", &charter.to_string());
    bench.refused(&set("--charter charter"), 2, &["seat 0 has no key"]);
    bench.place.write("charter", &charter.to_string().replace("cap", "cop"));
    bench.refused(&set("--charter charter"), 2, &["charter is not a charter", "cop"]);
}

#[test]
fn keys_that_rule_the_contract_get_no_seat() {
    let bench = Bench::new();
    for name in ["master", "guardian"] {
        let key = address(name);
        bench.refused(&set(&format!("--window 1 {LEASED} --seat {key}")), 6, &[&key.to_string(), "cannot take seat 0"]);
    }
    let contract = &bench.contract;
    bench.refused(&set(&format!("--window 1 {LEASED} --seat {contract}")), 6, &["cannot take seat 0"]);
    let asset = format!("--window 1 --asset {contract} --cap 1 --period day {LEASE} --seat {}", address("op0"));
    bench.refused(&set(&asset), 6, &["cannot be an asset"]);
}

#[test]
fn arguments_that_are_no_addresses_or_amounts_are_refused() {
    let bench = Bench::new();
    let run = |line: String, words: &[&str]| {
        let before = (bench.block(), bench.place.files());
        let run = bench.run(&line);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
        for word in words {
            assert!(run.err.contains(word), "{word:?} is not in {}", run.err);
        }
        assert!(before == (bench.block(), bench.place.files()));
    };
    let op0 = address("op0");
    let mistyped = op0.to_string().replace("3C44", "3c44");
    run(set(&format!("--window 1 {LEASED} --seat {mistyped}")), &["checksum"]);
    run(set(&format!("--window 1 {LEASED} --seat 0x{:040}", 0)), &["zero address"]);
    run(set(&format!("--window 1 {LEASED} --seat operator.eth")), &["not an address"]);
    run(set(&format!("--window 1 --asset native --cap 1.5 --period day {LEASE} --seat {op0}")), &["no unit"]);
    run(set(&format!("--window 1 --asset native --cap 1e18 --period day {LEASE} --seat {op0}")), &["not an amount"]);
    run(set(&format!("--window 1 --asset native --cap 2tokens --period day {LEASE} --seat {op0}")), &["native coin"]);
    run(set(&format!("--window 1 --asset {op0} --cap 2ether --period day {LEASE} --seat {op0}")), &["is the token"]);
    run(set(&format!("--window 1 --asset native --cap 1ether --period month {LEASE} --seat {op0}")), &["not a period"]);
    run(set(&format!("--window 1 --seat {op0}")), &["--asset"]);
    run("prepare resume --ring 1 --out a --valid-for 24".to_owned(), &["span of time"]);
    run(format!("deploy --master 0x{:040} {}", 0, by("master")), &["zero address"]);
    // A password is no argument: there is no option that takes one.
    run("new --out k --password secret".to_owned(), &["--password-file"]);
}

#[test]
fn an_address_without_our_code_is_refused() {
    let bench = Bench::with_ring();
    let nobody = address("spare");
    for line in ["status", "ring show --ring 1", "prepare resume --ring 1 --out a"] {
        bench.refused(&format!("{line} --contract {nobody}"), 4, &["there is no contract at", "chain 31337"]);
    }
    bench.rpc("anvil_setCode", json!([nobody, "0x600660005260206000f3"]));
    bench.refused(
        &format!("halt --ring 1 --contract {nobody} {}", by("op0")),
        4,
        &["not a RingMultisig of this version"],
    );
    // Our code, with another contract's immutables.
    let code = bench.rpc("eth_getCode", json!([bench.contract, "latest"]));
    bench.rpc("anvil_setCode", json!([nobody, code]));
    bench.refused(&format!("status --contract {nobody}"), 4, &["not a RingMultisig of this version"]);
}

#[test]
fn a_contract_whose_code_changed_gets_no_signed_action() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    bench.place.run(&format!("sign --in a --out s --yes {}", by("master"))).ok();
    let code = bench.rpc("eth_getCode", json!([bench.contract, "latest"]));
    let mut changed = code.as_str().expect("hexadecimal").to_owned();
    changed.pop();
    changed.push('0');
    bench.rpc("anvil_setCode", json!([bench.contract, changed]));
    bench.refused(&format!("submit --in s {}", by("sender")), 4, &["not a RingMultisig of this version"]);
}

#[test]
fn only_those_who_may_act_get_as_far_as_signing() {
    let bench = Bench::with_ring();
    let master = address("master").to_string();
    let (op0, spare) = (address("op0"), address("spare"));
    let stranger = address("stranger");
    for action in [
        format!("ring set --ring 2 --window 1 {LEASED} --seat {spare}"),
        format!("replace --ring 1 --seat 0 --key {spare}"),
        "resume --ring 1".to_owned(),
        format!("allow --ring 1 {NATIVE}"),
        format!("permit --ring 1 --target {spare} --bare"),
        format!("permit-payment --ring 1 --request 0x{} --to {spare} --amount 1", "11".repeat(16)),
        "guardian none".to_owned(),
        format!("master transfer {spare}"),
        format!("execute --target {spare}"),
    ] {
        for name in ["stranger", "guardian", "op0"] {
            bench.refused(&format!("{action} {}", by(name)), 4, &["is not the master", &master]);
        }
        bench.refused(&format!("prepare {action} --signer {stranger} --out a"), 4, &["is not the master", &master]);
    }
    let revoke = format!("revoke --ring 1 --key {op0}");
    for name in ["stranger", "op0"] {
        bench.refused(&format!("{revoke} {}", by(name)), 4, &["neither the master", "nor the guardian", &master]);
    }
    bench.refused("prepare halt --ring 1 --out a", 4, &["--signer"]);
    bench.refused("prepare master accept --out a", 4, &["--signer"]);
}

#[test]
fn what_the_contract_refuses_is_said_in_sentences() {
    let bench = Bench::with_ring();
    let (op0, spare) = (address("op0"), address("spare"));
    let cases = [
        (format!("revoke --ring 1 --key {spare}"), 6, vec!["has no seat in ring 1".to_owned(), spare.to_string()]),
        (format!("replace --ring 1 --seat 3 --key {spare}"), 6, vec!["cannot take seat 3".to_owned()]),
        (format!("replace --ring 1 --seat 1 --key {op0}"), 6, vec!["cannot take seat 1".to_owned(), op0.to_string()]),
        ("resume --ring 7".to_owned(), 4, vec!["ring 7 was never formed".to_owned()]),
        (format!("allow --ring 7 --asset {spare} --cap 1 --period day"), 6, vec!["ring 7 was never formed".to_owned()]),
        (
            format!("allow --ring 1 --asset {} --cap 1 --period day", bench.contract),
            6,
            vec!["cannot be an asset".to_owned()],
        ),
        (
            format!("permit --ring 1 --target {} --bare", bench.contract),
            6,
            vec!["cannot be permitted".to_owned(), "0x00000000".to_owned()],
        ),
        (format!("allow --ring 1 --asset {spare} --cap 1 --period 60"), 2, vec!["not 60".to_owned()]),
        (format!("revoke --ring 7 --key {spare}"), 4, vec!["ring 7 was never formed".to_owned()]),
    ];
    for (action, code, words) in cases {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        bench.refused(&format!("{action} {}", by("master")), code, &words);
        bench.refused(&format!("prepare {action} --out a"), code, &words);
    }
    bench.refused("ring show --ring 7", 4, &["ring 7 was never formed"]);
    bench.refused(&format!("halt --ring 7 {}", by("master")), 4, &["ring 7 was never formed"]);
}

#[test]
fn a_sender_without_funds_is_named() {
    let bench = Bench::with_ring();
    bench.rpc("anvil_setBalance", json!([address("op0"), "0x0"]));
    bench.refused(&format!("halt --ring 1 {}", by("op0")), 4, &[&address("op0").to_string(), "no native coin"]);
}

#[test]
fn an_rpc_that_does_not_answer_is_named_without_its_secrets() {
    let bench = Bench::with_ring();
    let run = bench.run("status --rpc http://127.0.0.1:1/secret-token");
    assert!(!run.err.contains("secret-token"), "{}", run.err);
    run.refused(5, &["http://127.0.0.1:1", "cannot be used"]);
    let run = bench.run("status --rpc ftp://user:secret@host/secret-token");
    assert!(!run.err.contains("secret"), "{}", run.err);
    run.refused(2, &["not an RPC address"]);
    bench.place.run("status").refused(2, &["--contract", "RING_CONTRACT"]);
    bench.place.run(&format!("status --contract {}", bench.contract)).refused(2, &["--rpc", "RING_RPC"]);
}

#[test]
fn a_wrong_password_stops_every_step() {
    let bench = Bench::with_ring();
    bench.place.write("password2", "wrong");
    let wrong = "--keystore master.json --password-file password2";
    bench.run("prepare resume --ring 1 --out a").ok();
    bench.run(&format!("sign --in a --out s --yes {}", by("master"))).ok();
    for line in [
        format!("resume --ring 1 {wrong}"),
        format!("deploy --master {} {wrong}", address("master")),
        format!("sign --in a --out b --yes {wrong}"),
        format!("submit --in s {wrong}"),
    ] {
        bench.refused(&line, 3, &["wrong password for master.json"]);
    }
}
