use std::fs;

use alloy::{
    primitives::{B256, U256, keccak256},
    sol_types::SolValue,
};
use serde_json::json;

use crate::harness::{Bench, LEASE, address, by, lower};

#[test]
fn deploy_tells_the_contract_and_who_rules_it() {
    let bench = Bench::bare(&[]);
    let (master, guardian) = (address("successor"), address("guardian"));
    let line = format!("deploy --master {master} --guardian {guardian} {} --json", by("sender"));
    let deployed = bench.run(&line).json();
    assert_eq!(deployed["chainId"], 31337);
    assert_eq!(deployed["master"], lower(master));
    assert_eq!(deployed["guardian"], lower(guardian));
    let contract = deployed["contract"].as_str().expect("an address");
    let status = bench.run(&format!("status --contract {contract} --json")).json();
    assert_eq!(status["contract"], contract);
    assert_eq!(status["master"], lower(master));
    assert_eq!(status["guardian"], lower(guardian));
    assert_eq!(status["pendingMaster"], json!(null));
    assert_eq!(status["rings"], json!([]));
}

#[test]
fn a_formed_ring_is_shown_as_it_was_set() {
    let bench = Bench::with_ring();
    let seats = ["op0", "op1", "op2"].map(|name| lower(address(name)));
    let ring = bench.ring();
    let (expires_at, now) = (ring["charter"]["expiresAt"].as_u64().expect("a time"), bench.time());
    assert!(expires_at.abs_diff(now + 90 * 86_400) < 600, "{expires_at} is not 90 days after {now}");
    assert_eq!(
        ring,
        json!({
            "ring": 1, "nonce": 0, "epoch": 1, "halted": false,
            "charter": {
                "window": 2, "quorum": 2, "asset": lower(Default::default()), "cap": "1000000000000000000",
                "period": 86400, "turnsPerPeriod": 1000, "interval": 12, "expiresAt": expires_at,
                "lastNonce": (1u64 << 40) - 2, "seats": seats,
            },
            "spent": "0", "turns": 0, "periodIndex": 0, "lastTurnAt": 0, "lead": 0, "window": [0, 1],
        })
    );
    let shown = bench.run("ring show --ring 1").ok().out;
    let op2 = address("op2").to_string();
    for word in [op2.as_str(), "running", "window 2", "quorum 2", "1 ether", "leads"].into_iter().chain([
        "days left",
        "0 turns taken",
        "at most 1000 turns a day",
        "12 seconds apart",
    ]) {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
}

#[test]
fn what_show_prints_forms_the_ring_anew() {
    let bench = Bench::with_ring();
    let mut shown = bench.ring();
    shown["charter"]["quorum"] = json!(1);
    bench.place.write("ring.json", &shown.to_string());
    bench.place.write("charter.json", &shown["charter"].to_string());
    for (file, epoch) in [("ring.json", 2), ("charter.json", 3)] {
        bench.run(&format!("ring set --ring 1 --charter {file} {}", by("master"))).ok();
        let now = bench.ring();
        assert_eq!(now["charter"], shown["charter"]);
        assert_eq!(now["epoch"], epoch);
    }
}

#[test]
fn a_charter_is_found_where_the_chain_counts_other_blocks() {
    let bench = Bench::with_ring();
    let shown = bench.ring();
    // The third word of ring 1 in the mapping at slot 4 is the block of the last change.
    let ring = U256::from_be_bytes(keccak256((U256::from(1), U256::from(4)).abi_encode()).0);
    let slot = B256::from(ring + U256::from(2));
    let current = bench.rpc("eth_getStorageAt", json!([bench.contract, slot, "latest"]));
    assert_eq!(current, json!(B256::from(U256::from(2))), "the slot of `changedAt` moved");
    for elsewhere in [1u64, 1 << 40] {
        let params = json!([bench.contract, slot, B256::from(U256::from(elsewhere))]);
        bench.rpc("anvil_setStorageAt", params);
        assert_eq!(bench.ring(), shown);
    }
}

#[test]
fn status_lists_every_ring_limit_and_balance() {
    let bench = Bench::with_ring();
    let token = "0x7777777777777777777777777777777777777777";
    // Answers 6 to every call: its decimals, and everybody's balance.
    bench.rpc("anvil_setCode", json!([token, "0x600660005260206000f3"]));
    let seats = format!("{},{}", address("op3"), address("spare"));
    bench
        .run(&format!(
            "ring set --ring 9 --window 1 --asset {token} --cap 2.5tokens --period hour {LEASE} --seat {seats} {}",
            by("master")
        ))
        .ok();
    bench.run(&format!("allow --ring 1 --asset {token} --cap 12.5tokens --period week {}", by("master"))).ok();
    let permit = format!("permit --ring 1 --target {token} --bare {}", by("master"));
    bench.run(&permit).ok();
    let status = bench.run("status --json").json();
    let rings = status["rings"].as_array().expect("a list");
    assert_eq!(rings.iter().map(|ring| &ring["ring"]).collect::<Vec<_>>(), [1, 9]);
    assert_eq!(rings[0], bench.ring());
    assert_eq!(rings[1]["charter"]["cap"], "2500000");
    assert_eq!(
        status["limits"],
        json!([{ "ring": 1, "asset": token, "cap": "12500000", "period": 604800, "spent": "0", "periodIndex": 0 }])
    );
    assert_eq!(
        status["permissions"],
        json!([{ "ring": 1, "target": token, "selector": "0x00000000", "allowed": true, "amountWord": 255,
            "asset": lower(Default::default()), "addressWords": 0 }])
    );
    assert_eq!(
        status["balances"],
        json!([{ "asset": lower(Default::default()), "balance": "0" }, { "asset": token, "balance": "6" }])
    );
    let keys = status["keys"].as_array().expect("a list");
    assert_eq!(keys.iter().map(|key| &key["ring"]).collect::<Vec<_>>(), [1, 1, 1, 9, 9]);
    assert_eq!(keys[1]["key"], lower(address("op1")));
    assert!(keys.iter().all(|key| key["since"].as_u64().is_some_and(|since| since > 0) && key.get("keptIn").is_none()));
    let only = bench.run("status --ring 9 --json").json();
    assert_eq!(only["rings"].as_array().map(Vec::len), Some(1));
    assert_eq!((&only["limits"], &only["permissions"]), (&json!([]), &json!([])));
    let words = bench.run("status").ok().out;
    for word in ["12500000 (smallest unit) of token", "permitted: to send the native coin", "days left"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
}

#[test]
fn before_a_lease_ends_status_says_that_the_keys_are_to_be_rotated() {
    let bench = Bench::with_ring();
    let status = || bench.run("status --relayer http://127.0.0.1:1").ok();
    let now = status();
    assert!(
        !now.out.contains("ROTATE") && now.out.contains("(0 days)") && now.out.contains("not known"),
        "{}",
        now.out
    );
    // One that is away keeps nobody from seeing the rest.
    assert!(now.err.contains("where the key is: ") && now.err.contains("127.0.0.1:1"), "{}", now.err);
    // LEASE is 90 days.
    bench.rpc("evm_increaseTime", json!([80 * 86_400]));
    bench.rpc("evm_mine", json!([]));
    let later = status().out;
    assert!(later.contains("ROTATE THE KEYS of ring 1") && later.contains("(80 days)"), "{later}");
    bench.rpc("evm_increaseTime", json!([11 * 86_400]));
    bench.rpc("evm_mine", json!([]));
    assert!(!status().out.contains("ROTATE") && status().out.contains("LEASE OVER"));
}

#[test]
fn the_files_of_the_three_steps_are_for_their_owner_only() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    bench.run(&format!("sign --in a --out s --yes {}", by("master"))).ok();
    #[cfg(unix)]
    for file in ["a", "s"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(bench.place.path(file)).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
}
