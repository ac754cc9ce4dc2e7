use serde_json::{Value, json};

use crate::harness::{Bench, LEASE, address, by, lower};

fn sign(file: &str, name: &str) -> String {
    format!("sign --in {file} --out {file}.signed --yes {}", by(name))
}

fn submit(file: &str) -> String {
    format!("submit --in {file}.signed {}", by("sender"))
}

impl Bench {
    /// Prepares and signs, so that `submit(file)` can follow.
    fn signed(&self, action: &str, file: &str, name: &str) {
        self.run(&format!("prepare {action} --out {file}")).ok();
        self.place.run(&sign(file, name)).ok();
    }
}

/// The paths of everything in a document that is not itself made of parts.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| leaves(value, &format!("{path}/{index}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Another value of the same form.
fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_u64().expect("all are natural") + 1),
        Value::String(text) => {
            let (start, end) = text.split_at(text.len() - 1);
            json!(format!("{start}{}", if end == "1" { '2' } else { '1' }))
        }
        other => panic!("{other} is no leaf"),
    }
}

#[test]
fn a_key_is_revoked_and_the_ring_formed_anew_by_files_alone() {
    let bench = Bench::with_ring();
    bench.run(&format!("prepare revoke --ring 1 --key {} --signer {} --out a", address("op0"), address("master"))).ok();
    // No RPC and no contract in the environment: this is the offline machine.
    let words = bench.place.run(&sign("a", "master")).ok().err;
    for word in
        ["REVOKE", &address("op0").to_string(), "ring 1", "new epoch", &bench.contract[2..6], "nonce 1", "digest"]
    {
        assert!(words.to_lowercase().contains(&word.to_lowercase()), "{word} is not in: {words}");
    }
    let sent = bench.run(&format!("{} --json", submit("a"))).json();
    assert!(sent["block"].is_u64() && sent["gasUsed"].is_u64() && sent["transaction"].is_string());
    assert_eq!(bench.ring()["charter"]["seats"][0], lower(Default::default()));

    let seats = [address("spare"), address("op1"), address("op2")].map(|seat| seat.to_string()).join(",");
    bench.signed(
        &format!(
            "ring set --ring 1 --window 3 --quorum 2 --asset native --cap 20gwei --period hour {LEASE} --seat {seats}"
        ),
        "b",
        "master",
    );
    bench.run(&submit("b")).ok();
    let ring = bench.ring();
    assert_eq!(ring["charter"]["seats"][0], lower(address("spare")));
    assert_eq!(ring["charter"]["cap"], "20000000000");
    assert_eq!(ring["epoch"], 3);
}

#[test]
fn every_action_can_be_prepared_and_none_survives_a_change_of_any_field() {
    let bench = Bench::with_ring();
    bench.run(&format!("master transfer {} {}", address("successor"), by("master"))).ok();
    bench.rpc("anvil_setBalance", json!([bench.contract, "0x1"]));
    let (op0, spare) = (address("op0"), address("spare"));
    let seats = format!("{op0},{spare}");
    let actions = [
        (format!("ring set --ring 2 --window 1 --asset native --cap 5 --period day {LEASE} --seat {seats}"), "master"),
        (format!("revoke --ring 1 --key {op0} --signer {}", address("guardian")), "guardian"),
        (format!("replace --ring 1 --seat 0 --key {spare} --resume"), "master"),
        (format!("halt --ring 1 --signer {}", address("op1")), "op1"),
        ("resume --ring 1".to_owned(), "master"),
        (format!("allow --ring 1 --asset {spare} --cap 7 --period 5000"), "master"),
        (format!("permit --ring 1 --target {spare} --call f(address,uint256) --meter 1 --asset {spare}"), "master"),
        (format!("permit-payment --ring 1 --request 0x{} --to {spare} --amount 7", "11".repeat(16)), "master"),
        ("guardian none".to_owned(), "master"),
        (format!("master transfer {spare}"), "master"),
        ("master accept".to_owned(), "successor"),
        (format!("execute --target {spare} --value 1 --data 0x01 --gas 50000"), "master"),
    ];
    for (index, (action, name)) in actions.iter().enumerate() {
        let file = format!("a{index}");
        bench.run(&format!("prepare {action} --out {file}")).ok();
        let document = bench.place.read_json(&file);
        let mut paths = Vec::new();
        leaves(&document, "", &mut paths);
        for path in &paths {
            // The charter beside an action is not signed: `submit` compares it with the chain.
            if path.starts_with("/charter") {
                continue;
            }
            bench.edit(&file, "changed", |document| {
                let leaf = document.pointer_mut(path).expect("it was found there");
                *leaf = changed(leaf);
            });
            let run = bench.place.run(&sign("changed", name));
            assert_eq!(run.code, 4, "{action} with another {path}: {}", run.err);
            assert!(!bench.place.path("changed.signed").exists());
        }
        let action = "/statement/action/action";
        let nested = ["charter", "limits/0", "permissions/0"].map(|part| format!("{action}/{part}"));
        let parts = ["", "/domain", "/statement", "/statement/action", action, "/statement/halt"];
        for path in parts.into_iter().chain(nested.iter().map(String::as_str)) {
            if !document.pointer(path).is_some_and(Value::is_object) {
                continue;
            }
            bench
                .edit(&file, "changed", |document| document.pointer_mut(path).expect("it is there")["more"] = json!(1));
            bench.place.run(&sign("changed", name)).refused(4, &["changed is not a file of `ring-keys prepare`"]);
        }
        bench.place.run(&sign(&file, name)).ok();
    }
}

#[test]
fn a_signed_file_with_any_field_changed_is_not_sent() {
    let bench = Bench::with_ring();
    bench.signed(&format!("revoke --ring 1 --key {}", address("op0")), "a", "master");
    bench.signed(&format!("halt --ring 1 --signer {}", address("op1")), "b", "op1");
    // The halt first: it leaves epoch and charter as they are.
    for file in ["b", "a"] {
        let mut paths = Vec::new();
        leaves(&bench.place.read_json(&format!("{file}.signed")), "", &mut paths);
        assert!(paths.iter().any(|path| path == "/charter/seats/2") && paths.iter().any(|path| path == "/signature"));
        for path in paths {
            bench.edit(&format!("{file}.signed"), "changed.signed", |document| {
                let leaf = document.pointer_mut(&path).expect("it was found there");
                *leaf = changed(leaf);
            });
            bench.refused(&submit("changed"), 4, &[]);
        }
        bench.run(&submit(file)).ok();
    }
}

#[test]
fn a_forger_who_fits_the_digest_still_lacks_the_signature() {
    let bench = Bench::with_ring();
    bench.signed(&format!("revoke --ring 1 --key {}", address("op0")), "a", "master");
    bench.run(&format!("prepare revoke --ring 1 --key {} --out b", address("op1"))).ok();
    let signature = bench.place.read_json("a.signed")["signature"].clone();
    bench.edit("b", "b.signed", |document| document["signature"] = signature);
    bench.refused(&submit("b"), 4, &["the signature is not by", "recovers to"]);
}

#[test]
fn an_action_is_sent_once_and_in_order() {
    let bench = Bench::with_ring();
    bench.signed("guardian none", "first", "master");
    bench.signed("resume --ring 1 --nonce 2", "second", "master");
    bench.refused(&submit("second"), 4, &["not the turn of nonce 2", "nonce 1 has to be sent first"]);
    bench.run(&submit("first")).ok();
    bench.refused(&submit("first"), 4, &["nonce 1 of", "used already"]);
    bench.run(&submit("second")).ok();
    bench.refused(&submit("second"), 4, &["used already"]);
}

#[test]
fn an_expired_action_is_not_sent() {
    let bench = Bench::with_ring();
    bench.signed("guardian none --valid-for 10m", "a", "master");
    bench.rpc("evm_increaseTime", json!([601]));
    bench.rpc("evm_mine", json!([]));
    bench.refused(&submit("a"), 4, &["was valid until", "prepare and sign again"]);
}

#[test]
fn a_halt_signed_ahead_is_valid_for_its_epoch_only() {
    let bench = Bench::with_ring();
    bench.signed(&format!("halt --ring 1 --signer {}", address("op1")), "halt", "op1");
    bench.signed(&format!("halt --ring 1 --signer {}", address("guardian")), "guarded", "guardian");
    bench.run(&submit("halt")).ok();
    assert_eq!(bench.ring()["halted"], true);
    bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
    for file in ["halt", "guarded"] {
        bench.refused(&submit(file), 4, &["for epoch 1 of ring 1, which is in epoch 2"]);
    }
}

#[test]
fn an_action_for_an_epoch_that_is_over_is_not_sent() {
    let bench = Bench::with_ring();
    let seats = format!("{},{}", address("op0"), address("spare"));
    for (file, action) in [
        ("resume", "resume --ring 1".to_owned()),
        ("form", format!("ring set --ring 1 --window 1 --asset native --cap 5 --period day {LEASE} --seat {seats}")),
        ("replace", format!("replace --ring 1 --seat 0 --key {}", address("op3"))),
        ("pay", format!("permit-payment --ring 1 --request 0x{} --to {} --amount 1", "22".repeat(16), address("op3"))),
    ] {
        // All of the nonce that is theirs when they are sent.
        bench.signed(&format!("{action} --nonce 2"), file, "master");
    }
    bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
    for file in ["resume", "form", "replace", "pay"] {
        bench.refused(&submit(file), 4, &["for epoch 1 of ring 1, which is in epoch 2", "prepare and sign again"]);
    }
}

#[test]
fn an_action_with_an_old_charter_is_not_sent() {
    let bench = Bench::with_ring();
    // A revocation names no epoch: it is wanted whatever happened meanwhile. But the charter beside it has to be current.
    bench.signed(&format!("revoke --ring 1 --key {}", address("op0")), "b", "master");
    bench.signed(&format!("replace --ring 1 --seat 0 --key {}", address("op3")), "a", "master");
    bench.run(&format!("revoke --ring 1 --key {} {}", address("op1"), by("guardian"))).ok();
    bench.refused(&submit("a"), 4, &["for epoch 1 of ring 1, which is in epoch 2"]);
    bench.refused(&submit("b"), 4, &["ring 1 was changed since"]);
}

#[test]
fn nothing_is_signed_without_a_yes() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    bench.refused(&format!("sign --in a --out s {}", by("master")), 4, &["RESUME ring 1", "--yes"]);
}

#[test]
fn a_file_is_signed_once_and_submitted_only_signed() {
    let bench = Bench::with_ring();
    bench.signed("resume --ring 1", "a", "master");
    bench.refused(&format!("sign --in a.signed --out b --yes {}", by("master")), 4, &["signed already", "submit"]);
    bench.refused(&format!("submit --in a {}", by("sender")), 4, &["is not signed", "ring-keys sign"]);
    bench.refused(&sign("a", "master"), 3, &["a.signed exists already"]);
    bench.refused("prepare resume --ring 1 --out a", 3, &["a exists already"]);
    bench.refused(
        &format!("sign --in a --out b --yes {}", by("stranger")),
        4,
        &["stranger.json holds the key", &address("master").to_string()],
    );
}

#[test]
fn numbers_that_would_be_signed_cut_are_refused_whatever_the_digest() {
    let bench = Bench::with_ring();
    bench.run(&format!("prepare allow --ring 1 --asset {} --cap 7 --period 5000 --out a", address("spare"))).ok();
    // 2^104 + 7 is cut to 7 in the struct that is hashed: the digest stays right.
    bench.edit("a", "b", |document| {
        document["statement"]["action"]["action"]["limits"][0]["cap"] = json!(((1u128 << 104) + 7).to_string());
    });
    bench.refused(&sign("b", "master"), 4, &["too large", "2^104"]);
}

#[test]
fn a_contract_that_is_the_master_signs_by_its_own_code() {
    let bench = Bench::with_ring();
    let wallet = "0x1111111111111111111111111111111111111111";
    // Returns ERC-1271's answer to every call.
    bench.rpc("anvil_setCode", json!([wallet, "0x631626ba7e60e01b60005260206000f3"]));
    bench.run(&format!("master transfer {wallet} {}", by("master"))).ok();
    bench.run("prepare master accept --out a").ok();
    bench.edit("a", "a.signed", |document| document["signature"] = json!("0x1234"));
    bench.run(&submit("a")).ok();
    assert_eq!(bench.run("status --json").json()["master"], wallet);
    bench.rpc("anvil_setCode", json!([wallet, "0x60006000fd"]));
    bench.run("prepare guardian none --out b").ok();
    bench.edit("b", "b.signed", |document| document["signature"] = json!("0x1234"));
    bench.refused(&submit("b"), 4, &["does not accept it (ERC-1271)"]);
}

#[test]
fn a_file_for_another_chain_or_contract_is_not_sent() {
    let bench = Bench::with_ring();
    bench.signed("resume --ring 1", "a", "master");
    let other = Bench::bare(&["--chain-id", "5"]);
    let elsewhere = format!("{} --rpc {}", submit("a"), other.url());
    bench.refused(&elsewhere, 4, &["prepared for chain 31337", "is of chain 5"]);
    let contract = format!("{} --contract {}", submit("a"), address("spare"));
    bench.refused(&contract, 4, &["prepared for the contract", &address("spare").to_string()]);
}
