//! What is done by several people, on paper, or by a contract in the place of a key.

use serde_json::json;

use crate::{
    air_gap::strings,
    harness::{Bench, LEASE, address, by},
};

#[test]
fn a_safe_as_master_gets_a_batch_for_its_transaction_builder_and_signs_nothing_of_ours() {
    let bench = Bench::with_ring();
    let safe = "0x5AFE000000000000000000000000000000005aFE";
    let safe = safe.to_lowercase();
    // It has code that accepts nothing: no signature will help.
    bench.rpc("anvil_setCode", json!([safe, "0x60006000fd"]));
    bench.run(&format!("master transfer {safe} {}", by("master"))).ok();
    let send = |file: &str| {
        let batch = bench.place.read_json(file);
        assert_eq!((&batch["version"], &batch["chainId"]), (&json!("1.0"), &json!("31337")));
        let transaction = &batch["transactions"][0];
        assert_eq!(batch["transactions"].as_array().expect("it is a list").len(), 1);
        // As the Safe calls it once its owners have signed.
        bench.rpc("anvil_impersonateAccount", json!([safe]));
        bench.rpc("anvil_setBalance", json!([safe, "0xde0b6b3a7640000"]));
        let call = json!({ "from": safe, "to": transaction["to"], "value": "0x0", "data": transaction["data"] });
        assert_eq!(transaction["value"], "0");
        let hash = bench.rpc("eth_sendTransaction", json!([call]));
        let receipt = loop {
            match bench.rpc("eth_getTransactionReceipt", json!([hash])) {
                serde_json::Value::Null => std::thread::yield_now(),
                receipt => break receipt,
            }
        };
        assert_eq!(receipt["status"], "0x1");
        batch
    };
    for (file, action) in [("accept", "master accept"), ("resume", "resume --ring 1"), ("halt", "halt --ring 1")] {
        bench.run(&format!("prepare {action} --signer {safe} --out {file}")).ok();
        let out = bench.place.run(&format!("export-safe --in {file} --out {file}.safe")).ok().out;
        assert!(out.contains("Transaction Builder"), "{out}");
        let batch = send(&format!("{file}.safe"));
        let says = batch["meta"]["description"].as_str().expect("it is text").to_lowercase();
        assert!(says.contains(&file[..4]), "{says}");
    }
    assert_eq!(bench.run("status --json").json()["master"], safe);
    assert_eq!(bench.ring()["halted"], true);
    bench.place.run("export-safe --in halt --out halt.safe").refused(3, &["halt.safe exists already"]);
}

#[test]
fn a_signed_file_is_not_exported_for_a_safe() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    bench.place.run(&format!("sign --in a --out b --yes {}", by("master"))).ok();
    bench.place.run("export-safe --in b --out c").refused(4, &["b is signed already"]);
}

#[test]
fn an_emergency_kit_halts_each_ring_by_its_file_by_its_codes_and_by_its_bare_data() {
    let bench = Bench::with_ring();
    let seats = format!("{},{}", address("op0"), address("op1"));
    for ring in [2, 3] {
        let terms = format!("--window 1 --asset native --cap 5 --period day {LEASE} --seat {seats}");
        bench.run(&format!("ring set --ring {ring} {terms} {}", by("master"))).ok();
    }
    for ring in [1, 2, 3] {
        bench.run(&format!("prepare halt --ring {ring} --signer {} --out h{ring}", address("guardian"))).ok();
        bench.place.run(&format!("sign --in h{ring} --out halt-{ring} --yes {}", by("guardian"))).ok();
    }
    let line = "emergency-kit --in halt-1 --in halt-2 --in halt-3 --out kit.txt --json";
    let kit = bench.place.run(line).json();
    let sheet = std::fs::read_to_string(bench.place.path("kit.txt")).expect("it is there");
    let fingerprint = kit["halts"][0]["fingerprint"].as_str().expect("it is text");
    for words in ["HALT RING 1 in its epoch 1", "HALT RING 3", "submit --in halt-2", "frame 1 of", fingerprint] {
        assert!(sheet.contains(words), "{words} is not in:\n{sheet}");
    }
    assert!(sheet.lines().all(|line| line.chars().count() <= 130), "it fits on paper");

    bench.run(&format!("submit --in halt-1 {}", by("stranger"))).ok();
    let frames = bench.place.run("qr show --in halt-2 --json").json();
    let lines = strings(&frames["frames"]).join("\n");
    bench.place.run_offline("qr read --out again", &lines).ok();
    bench.run(&format!("submit --in again {}", by("stranger"))).ok();
    // As typed from the sheet into any wallet.
    let (_, data) =
        sheet.split("HALT RING 3").nth(1).expect("it is there").split_once("with this data:").expect("data");
    let data: String = data.lines().take_while(|line| !line.starts_with("3.")).map(str::trim).collect();
    let call = json!({ "from": address("stranger"), "to": bench.contract, "data": data });
    bench.rpc("eth_sendTransaction", json!([call]));
    for ring in [1, 2, 3] {
        let is_halted = || bench.run(&format!("ring show --ring {ring} --json")).json()["halted"] == json!(true);
        while !is_halted() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn on_a_kit_is_nothing_but_halts_that_are_signed_as_they_should_be() {
    let bench = Bench::with_ring();
    let kit = |files: &str, code: i32, words: &[&str]| {
        let files: Vec<String> = files.split(' ').map(|file| format!("--in {file}")).collect();
        bench.place.run(&format!("emergency-kit {} --out kit", files.join(" "))).refused(code, words);
        assert!(!bench.place.path("kit").exists());
    };
    bench.run(&format!("prepare halt --ring 1 --signer {} --out h", address("guardian"))).ok();
    kit("h", 4, &["h is not signed"]);
    bench.place.run(&format!("sign --in h --out halt --yes {}", by("guardian"))).ok();
    bench.edit("halt", "forged", |document| {
        let signature = document["signature"].as_str().expect("it is text").to_owned();
        document["signature"] = json!(format!("0x{}{}", "11".repeat(32), &signature[66..]));
    });
    kit("forged", 4, &["the signature in forged is not by", "nobody"]);
    // The same halt, signed by somebody who may, too, but is not who it says.
    bench.run(&format!("prepare halt --ring 1 --signer {} --out o", address("op0"))).ok();
    bench.place.run(&format!("sign --in o --out other --yes {}", by("op0"))).ok();
    let signature = bench.place.read_json("other")["signature"].clone();
    bench.edit("halt", "borrowed", |document| document["signature"] = signature);
    kit("borrowed", 4, &["is not by", &format!("it recovers to {}", address("op0"))]);
    kit("halt halt", 4, &["halts ring 1", "as another file does already"]);
    bench.run("prepare resume --ring 1 --out r").ok();
    bench.place.run(&format!("sign --in r --out resume --yes {}", by("master"))).ok();
    kit("halt resume", 4, &["resume is no halt"]);
    kit("halt master.json", 4, &[]);
}

#[test]
fn a_ceremony_has_its_record_of_what_was_signed_and_of_what_was_sent_or_not() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    let fingerprint = bench.run("qr show --in a --json").json()["fingerprint"].as_str().expect("text").to_owned();
    bench.place.write("names.toml", &format!("\"the master\" = \"{}\"\n", address("master")));
    let options = "--record record --address-book names.toml";
    bench.place.run(&format!("sign --in a --out b --yes {} {options}", by("master"))).ok();
    bench.run(&format!("submit --in b {} {options}", by("sender"))).ok();
    bench.run(&format!("submit --in b {} {options}", by("sender"))).refused(4, &["used already"]);
    let record = std::fs::read_to_string(bench.place.path("record")).expect("it is there");
    let entries: Vec<&str> = record.lines().filter(|line| line.starts_with('2')).collect();
    for (entry, words) in entries.iter().zip(["signed, as b", "sent, in transaction 0x", "not sent, or not known"]) {
        assert!(entry.contains(words), "{words} is not in: {record}");
    }
    assert_eq!((entries.len(), record.matches(&fingerprint).count()), (3, 3), "{record}");
    assert!(record.contains("RESUME ring 1") && record.contains("(the master)"), "{record}");
    // Where nothing can be recorded, nothing is done.
    bench.run("prepare resume --ring 1 --out c").ok();
    let line = format!("sign --in c --out d --yes {} --record /", by("master"));
    bench.refused(&line, 3, &["the record / cannot be written", "Nothing was done"]);
}
