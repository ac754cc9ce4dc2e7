//! A description of a contract: written from the chain, compared with it.

use serde_json::{Value, json};

use crate::harness::{Bench, LEASE, Run, address, by};

const TOKEN: &str = "0x7777777777777777777777777777777777777777";

impl Bench {
    /// Two rings with all that there can be, and `contract.toml`, which describes them.
    fn described() -> Self {
        let bench = Self::with_ring();
        // Answers 6 to every call: its decimals, and everybody's balance.
        bench.rpc("anvil_setCode", json!([TOKEN, "0x600660005260206000f3"]));
        let (master, seats) = (by("master"), [address("op3"), address("spare")].map(|seat| seat.to_string()).join(","));
        for line in [
            format!(
                "ring set --ring 9 --window 1 --asset {TOKEN} --cap 5 --period 5000 {LEASE} --last-nonce 77 --seat {seats}"
            ),
            format!("allow --ring 1 --asset {TOKEN} --cap 2.5tokens --period week"),
            format!("permit --ring 1 --target {TOKEN} --call transfer(address,uint256) --meter 1 --asset {TOKEN}"),
            format!("permit --ring 1 --target {TOKEN} --call f(uint256,address) --unmetered"),
            "permit --ring 1 --anybody --bare".to_owned(),
        ] {
            bench.run(&format!("{line} {master}")).ok();
        }
        bench.run("describe --out contract.toml").ok();
        bench
    }

    fn verify(&self) -> Run {
        self.run("verify contract.toml --json")
    }

    fn differences(&self) -> Vec<String> {
        let run = self.verify();
        assert_eq!(run.code, 8, "{} {}", run.out, run.err);
        let found: Value = serde_json::from_str(&run.out).expect("it prints JSON");
        let differences = found["differences"].as_array().expect("a list");
        assert!(run.err.contains(&format!("differs from the file in {} ways", differences.len())), "{}", run.err);
        differences.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    }

    fn description(&self) -> String {
        std::fs::read_to_string(self.place.path("contract.toml")).expect("it was written")
    }

    /// Changes the description, and sees the differences.
    #[track_caller]
    fn differs(&self, from: &str, to: &str, words: &[&[&str]]) {
        let right = self.description();
        assert!(right.contains(from), "{from} is not in {right}");
        self.place.write("contract.toml", &right.replacen(from, to, 1));
        let found = self.differences();
        assert_eq!(found.len(), words.len(), "{found:?}");
        for (text, words) in found.iter().zip(words) {
            assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not in {text}");
        }
        self.place.write("contract.toml", &right);
    }
}

#[test]
fn what_is_written_from_the_chain_is_what_the_chain_has() {
    let bench = Bench::described();
    let found = bench.verify().json();
    assert_eq!((&found["differences"], &found["notes"]), (&json!([]), &json!([])));
    assert_eq!(found["rings"], json!([1, 9]));
    let words = bench.run("verify contract.toml").ok().out;
    assert!(words.contains("is what the file says") && words.contains("2 rings"), "{words}");
    // For people: no hexadecimal where there is a word for it.
    let text = bench.description();
    for word in [
        "[deployment]",
        "asset = \"native\"",
        "period = \"week\"",
        "period = 5000",
        "target = \"anybody\"",
        "call = \"transfer(address,uint256)\"",
        "call = \"bare\"",
        "last_nonce = 77",
        "last_nonce = \"none\"",
        "interval = 12",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert_eq!(bench.run("describe").ok().out.trim(), text.trim());
    bench.refused("describe --out contract.toml", 3, &["exists already"]);
}

#[test]
fn every_field_that_differs_is_told_with_both_values() {
    let bench = Bench::described();
    let (guardian, spare) = (address("guardian").to_string(), address("spare").to_string());
    let stranger = address("stranger").to_string();
    let ring = |fields: &[&'static str]| fields.iter().map(|field| vec!["ring 1", *field]).collect::<Vec<_>>();
    let guardian_line = format!("guardian = \"{guardian}\"\npending");
    bench.differs(&guardian_line, "guardian = \"none\"\npending", &[&["guardian", &guardian, "none in the file"]]);
    bench.differs(
        "pending_master = \"none\"",
        &format!("pending_master = \"{spare}\""),
        &[&["pending master", &spare]],
    );
    let salt = format!("salt = \"0x{}\"", "0".repeat(64));
    bench.differs(
        &salt,
        &salt.replace("00\"", "07\""),
        &[&["deployment", "salt in the file give the address", "and the contract is at"]],
    );
    for (from, to, words) in [
        ("window = 2", "window = 3", ring(&["window: 2 on the chain, 3 in the file"])),
        ("quorum = 2", "quorum = 1", ring(&["quorum: 2 on the chain"])),
        ("turns_per_period = 1000", "turns_per_period = 9", ring(&["turns per period: 1000"])),
        ("interval = 12", "interval = 0", ring(&["interval: 12 seconds on the chain, 0 seconds"])),
        ("period = \"day\"", "period = \"week\"", ring(&["period: 86400 seconds"])),
        ("last_nonce = \"none\"", "last_nonce = 5", ring(&["last nonce: none on the chain, 5 in the file"])),
        ("cap = \"1000000000000000000\"", "cap = \"2ether\"", ring(&["cap: 1 ether"])),
        // Both: an amount is told with its asset.
        ("asset = \"native\"", &format!("asset = \"{TOKEN}\""), ring(&["main asset: the native coin", "cap"])),
    ] {
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        bench.differs(from, to, &words);
    }
    let expiry =
        bench.description().lines().find(|line| line.starts_with("expires_at")).expect("it is there").to_owned();
    bench.differs(&expiry, "expires_at = \"never\"", &[&["ring 1: end of the lease", "never in the file"]]);
    let op1 = address("op1").to_string();
    bench.differs(&op1, &stranger, &[&["ring 1: seat 1", &op1, &stranger]]);
    bench.differs(&op1, "revoked", &[&["ring 1: seat 1", "a revoked key in the file"]]);
    bench.differs(&format!("  \"{op1}\",\n"), "", &[&["seat 1"], &["seat 2", "no seat in the file"]]);
}

#[test]
fn permissions_and_limits_that_differ_are_told() {
    let bench = Bench::described();
    let anybody = "target = \"anybody\"\ncall = \"bare\"";
    let one = format!("target = \"{TOKEN}\"\ncall = \"bare\"");
    bench.differs(
        anybody,
        &one,
        &[&["ring 1", "ANYBODY on the chain, and not in the file"], &[TOKEN, "in the file, and not on the chain"]],
    );
    bench.differs(
        "call = \"transfer(address,uint256)\"\nmeter = 1\nasset",
        "call = \"0xa9059cbb\"\nmeter = 0\nasset",
        &[&["ring 1", "Word 1", "Word 0"]],
    );
    bench.differs("cap = \"2500000\"", "cap = \"2.6tokens\"", &[&["ring 1: limit on token", "2500000", "2600000"]]);
    bench.differs("period = \"week\"", "period = \"day\"", &[&["limit on token", "week", "day"]]);
    bench.run(&format!("allow --ring 9 --asset native --cap 1 --period day {}", by("master"))).ok();
    let found = bench.differences();
    assert!(
        found.len() == 1
            && found[0].contains("ring 9: limit on the native coin")
            && found[0].contains("nothing in the file")
    );
    // A cap of zero permits as much as no limit.
    bench.run(&format!("allow --ring 9 --asset native --cap 0 --period day {}", by("master"))).ok();
    bench.verify().ok();
}

#[test]
fn what_happens_after_the_file_was_written_is_told() {
    let bench = Bench::described();
    let seat = address("op0");
    bench
        .run(&format!(
            "ring set --ring 4 --window 1 --asset native --cap 1 --period day {LEASE} --seat {seat} {}",
            by("master")
        ))
        .ok();
    bench.run(&format!("revoke --ring 1 --key {seat} {}", by("guardian"))).ok();
    bench.run(&format!("master transfer {} {}", address("successor"), by("master"))).ok();
    bench.run(&format!("halt --ring 1 {}", by("guardian"))).ok();
    let found = bench.differences();
    let words = [
        ["pending master", "none in the file"],
        ["ring 1: seat 0", "a revoked key on the chain"],
        ["ring 4", "on the chain, and not in the file"],
    ];
    assert_eq!(found.len(), words.len(), "{found:?}");
    for (text, words) in found.iter().zip(words) {
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not in {text}");
    }
    assert!(bench.verify().out.contains("ring 1 is halted"));
    bench.run(&format!("master accept {}", by("successor"))).ok();
    assert!(bench.differences()[0].starts_with("master: "));
    // The new state, written down, is right again: a revoked key included.
    std::fs::remove_file(bench.place.path("contract.toml")).expect("it was there");
    bench.run("describe --out contract.toml").ok();
    assert!(bench.description().contains("\"revoked\""));
    bench.verify().ok();
}

#[test]
fn a_ring_that_was_never_formed_is_told() {
    let bench = Bench::described();
    let text = bench.description().replacen("id = 9", "id = 8", 1);
    bench.place.write("contract.toml", &text);
    let found = bench.differences();
    assert!(found[0].contains("ring 8: in the file, and never formed"), "{found:?}");
    assert!(found[1].contains("ring 9: on the chain, and not in the file"), "{found:?}");
}

#[test]
fn a_file_that_cannot_be_right_is_refused_with_its_place() {
    let bench = Bench::described();
    let right = bench.description();
    for (from, to, words) in [
        ("window = 2", "windwo = 2", &["windwo"][..]),
        ("window = 2", "window = 4", &["ring 1", "window of 4"]),
        ("chain_id = 31337\n", "", &["chain_id"]),
        ("id = 9", "id = 1", &["ring 1", "described twice"]),
        ("call = \"bare\"", "call = \"transfer\"", &["ring 1", "\"transfer\"", "parentheses"]),
        ("call = \"bare\"", "call = \"bare\"\nmeter = 1", &["meter and asset"]),
        ("meter = 1", "meter = \"amount\"", &["no argument \"amount\""]),
        ("cap = \"5\"", "cap = \"5.5\"", &["no unit"]),
        ("cap = \"5\"", "cap = 5", &["string"]),
        ("expires_at = \"2", "expires_at = \"x2", &["no date"]),
        ("seats = [", "seats = [\"0x12\",", &["not an address"]),
        ("interval = 12", "interval = \"soon\"", &["span of time"]),
    ] {
        assert!(right.contains(from), "{from} is not in {right}");
        bench.place.write("contract.toml", &right.replacen(from, to, 1));
        bench.refused("verify contract.toml", 2, words);
    }
    bench.refused("verify none.toml", 3, &["none.toml"]);
}

#[test]
fn a_file_about_another_chain_or_contract_is_not_compared() {
    let bench = Bench::described();
    let other = Bench::bare(&["--chain-id", "5"]);
    let elsewhere = format!("verify contract.toml --rpc {}", other.url());
    bench.refused(&elsewhere, 4, &["on chain 31337", "of chain 5"]);
    let spare = address("spare");
    bench.refused(
        &format!("verify contract.toml --contract {spare}"),
        4,
        &["describes the contract", &spare.to_string()],
    );
    let code = bench.rpc("eth_getCode", json!([bench.contract, "latest"]));
    let mut changed = code.as_str().expect("hexadecimal").to_owned();
    changed.pop();
    changed.push('0');
    bench.rpc("anvil_setCode", json!([bench.contract, changed]));
    bench.refused("verify contract.toml", 4, &["not a RingMultisig of this version"]);
}

#[test]
fn the_documented_example_can_be_read() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contract.example.toml");
    ring_keys::description::read(std::path::Path::new(example)).expect("it describes a contract");
}
