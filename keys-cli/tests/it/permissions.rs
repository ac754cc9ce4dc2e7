//! What a ring may do beside paying: permissions, limits, single payments.

use serde_json::{Value, json};

use crate::harness::{Bench, address, by, lower};

const TOKEN: &str = "0x7777777777777777777777777777777777777777";
const REQUEST: &str = "0x11111111111111111111111111111111";

impl Bench {
    fn permissions(&self) -> Value {
        self.run("status --json").json()["permissions"].clone()
    }

    /// Permits something with a signature that has spaces in it.
    fn permit(&self, rest: &[&str]) -> crate::harness::Run {
        let key = by("master");
        let line = ["permit", "--ring", "1"].into_iter().chain(rest.iter().copied()).chain(key.split(' '));
        self.run_words(line)
    }
}

#[test]
fn a_function_is_permitted_by_its_signature_and_taken_away_again() {
    let bench = Bench::with_ring();
    let transfer = "transfer(address to,uint256 amount)";
    let run = bench.permit(&["--target", TOKEN, "--call", transfer, "--meter", "amount", "--asset", TOKEN]).ok();
    for word in ["PERMIT ring 1 to call 0xa9059cbb", "Word 1", TOKEN, "word 0 has to be an address"] {
        assert!(run.err.contains(word), "{word} is not in {}", run.err);
    }
    let expected = json!({ "ring": 1, "target": TOKEN, "selector": "0xa9059cbb", "allowed": true, "amountWord": 1,
        "asset": TOKEN, "addressWords": 1 });
    assert_eq!(bench.permissions(), json!([expected]));
    let run = bench.permit(&["--target", TOKEN, "--call", "store(bytes32 what)", "--unmetered"]).ok();
    assert!(run.err.contains("NOTHING of it is metered"), "{}", run.err);
    assert_eq!(bench.permissions().as_array().map(Vec::len), Some(2));
    let run = bench.permit(&["--target", TOKEN, "--call", transfer, "--remove"]).ok();
    assert!(run.err.contains("FORBID ring 1 to call 0xa9059cbb"), "{}", run.err);
    bench.permit(&["--target", TOKEN, "--selector", "0x11223344", "--remove"]).ok();
    assert_eq!(bench.permissions().as_array().map(Vec::len), Some(1), "there was none of that");
    let shown = bench.run("status").ok().out;
    assert!(shown.contains("permitted: to call the function 0x") && !shown.contains("transfer(address"), "{shown}");
    bench.permit(&["--target", TOKEN, "--selector", "0x654cf88c", "--remove"]).ok();
    assert_eq!(bench.permissions(), json!([]), "it is that of store(bytes32)");
}

#[test]
fn bare_transfers_are_permitted_to_one_or_to_anybody() {
    let bench = Bench::with_ring();
    let spare = address("spare").to_string();
    let run = bench.permit(&["--target", &spare, "--bare"]).ok();
    assert!(run.err.contains(&spare) && run.err.contains("limit on the native coin"), "{}", run.err);
    let run = bench.permit(&["--anybody", "--bare"]).ok();
    assert!(run.err.contains("to ANYBODY"), "{}", run.err);
    let targets: Vec<_> = bench.permissions().as_array().expect("a list").iter().map(|p| p["target"].clone()).collect();
    assert_eq!(targets, [json!(lower(address("spare"))), json!(lower(Default::default()))]);
    bench.permit(&["--anybody", "--bare", "--remove"]).ok();
    assert_eq!(bench.permissions().as_array().map(Vec::len), Some(1));
}

#[test]
fn a_permission_that_says_too_little_or_too_much_is_refused() {
    let bench = Bench::with_ring();
    let refused = |rest: &[&str], words: &[&str]| {
        let before = bench.block();
        let run = bench.permit(rest);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(words.iter().all(|word| run.err.contains(word)), "{words:?} are not in {}", run.err);
        assert_eq!(bench.block(), before);
    };
    let transfer = "transfer(address to,uint256 amount)";
    refused(&["--target", TOKEN, "--call", transfer], &["transfer(address,uint256)", "--meter", "--unmetered"]);
    refused(&["--target", TOKEN, "--call", transfer, "--meter", "amount"], &["--asset"]);
    refused(
        &["--target", TOKEN, "--call", transfer, "--meter", "sum", "--asset", TOKEN],
        &["no argument \"sum\"", "1 \"amount\" (an amount)"],
    );
    refused(&["--target", TOKEN, "--call", transfer, "--meter", "to", "--asset", TOKEN], &["word 0", "no amount"]);
    let batch = "batch(address[] to,uint256[] amounts)";
    refused(
        &["--target", TOKEN, "--call", batch, "--meter", "amounts", "--asset", TOKEN],
        &["\"amounts\"", "fixed place"],
    );
    refused(&["--target", TOKEN, "--call", "transfer(to,amount)", "--unmetered"], &["is no type"]);
    refused(&["--target", TOKEN], &["--call"]);
    refused(&["--call", transfer, "--unmetered"], &["--target"]);
    refused(&["--anybody", "--call", transfer, "--unmetered"], &["--anybody", "--call"]);
    refused(&["--target", TOKEN, "--bare", "--unmetered"], &["--bare"]);
    refused(&["--target", TOKEN, "--selector", "0xa9059cbb"], &["--remove"]);
    refused(&["--target", TOKEN, "--selector", "0xa9059c", "--remove"], &["not a selector"]);
}

#[test]
fn the_contract_and_its_master_are_permitted_to_nobody() {
    let bench = Bench::with_ring();
    for target in [bench.contract.clone(), address("master").to_string()] {
        let run = bench.permit(&["--target", &target, "--call", "f()", "--unmetered"]);
        run.refused(6, &["cannot be permitted", "0x26121ff0"]);
    }
}

#[test]
fn one_payment_over_the_cap_is_permitted_for_its_request_and_its_epoch() {
    let bench = Bench::with_ring();
    let spare = address("spare");
    let line = format!("permit-payment --ring 1 --request {REQUEST} --to {spare} --amount 5ether {}", by("master"));
    let words = bench.run(&line).ok().err;
    for word in ["PERMIT ring 1, in its epoch 1", "5 ether", &spare.to_string(), REQUEST] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
    let permitted = |amount: &str| {
        let question = "isPaymentPermitted(uint32,bytes16,address,address,uint96)(bool)";
        let (to, native) = (spare.to_string(), lower(Default::default()));
        crate::harness::cast(&[
            "call",
            &bench.contract,
            question,
            "1",
            REQUEST,
            &native,
            &to,
            amount,
            "--rpc-url",
            bench.url(),
        ])
    };
    assert_eq!(permitted("5000000000000000000"), "true");
    assert_eq!(permitted("5000000000000000001"), "false");
    bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
    assert_eq!(permitted("5000000000000000000"), "false");
    let malformed = format!("permit-payment --ring 1 --request 7 --to {spare} --amount 1 {}", by("master"));
    assert_eq!(bench.run(&malformed).code, 2);
    let unknown = format!("permit-payment --ring 7 --request {REQUEST} --to {spare} --amount 1 {}", by("master"));
    bench.refused(&unknown, 4, &["ring 7 was never formed"]);
}

#[test]
fn a_new_key_lets_a_halted_ring_go_on_only_if_that_is_said() {
    let bench = Bench::with_ring();
    bench.run(&format!("halt --ring 1 {}", by("op1"))).ok();
    let replace =
        |seat: u8, name: &str| format!("replace --ring 1 --seat {seat} --key {} {}", address(name), by("master"));
    let words = bench.run(&replace(1, "spare")).ok().err;
    assert!(words.contains("neither halted nor resumed"), "{words}");
    assert_eq!(bench.ring()["halted"], true);
    let words = bench.run(&format!("{} --resume", replace(0, "op3"))).ok().err;
    assert!(words.contains("IT RUNS AGAIN"), "{words}");
    assert_eq!((&bench.ring()["halted"], &bench.ring()["epoch"]), (&json!(false), &json!(3)));
}

#[test]
fn a_masters_call_gets_the_gas_that_was_signed_for_it_or_none() {
    let bench = Bench::new();
    bench.rpc("anvil_setBalance", json!([bench.contract, "0x1"]));
    let execute = |gas: u64| format!("execute --target {} --value 1 --gas {gas} {}", address("spare"), by("master"));
    // More than any block has.
    let run = bench.run(&execute(1_000_000_000));
    assert_eq!(run.code, 6, "{}", run.err);
    assert!(run.err.contains("at least 1000000000 gas") && run.err.contains("send it with more gas"), "{}", run.err);
    bench.run(&execute(30_000)).ok();
}

#[test]
fn a_lease_that_is_over_before_it_begins_is_refused() {
    let bench = Bench::new();
    let set = |lease: &str| {
        let seat = address("op0");
        format!(
            "ring set --ring 1 --window 1 --asset native --cap 1 --period day {lease} --seat {seat} {}",
            by("master")
        )
    };
    let run = |lease: &str| bench.run(&set(lease));
    run("--turns-per-period 5 --expires 2020-01-01").refused(2, &["2020-01-01 00:00:00 UTC is over"]);
    run("--turns-per-period 0 --expires 90d").refused(2, &["1 to 8388607 turns a period, not 0"]);
    run("--turns-per-period 5 --expires 90d --interval 16777216s").refused(2, &["not 16777216"]);
    for (lease, word) in [
        ("--turns-per-period 5", "--expires"),
        ("--expires 90d", "--turns-per-period"),
        ("--turns-per-period 5 --expires soon", "neither a date nor a span"),
        ("--turns-per-period 5 --expires 90d --interval 12", "0 for none"),
    ] {
        let run = run(lease);
        assert!(run.code == 2 && run.err.contains(word), "{lease}: {}", run.err);
    }
    bench.run(&set("--turns-per-period 5 --expires never --last-nonce 9")).ok();
    let mut ended = bench.ring()["charter"].clone();
    ended["expiresAt"] = json!(1_577_836_800);
    bench.place.write("charter", &ended.to_string());
    let renew = format!("ring set --ring 1 --charter charter {}", by("master"));
    bench.refused(&renew, 2, &["2020-01-01 00:00:00 UTC is over", "choose a later date"]);
    let charter = &bench.ring()["charter"];
    assert_eq!((&charter["expiresAt"], &charter["lastNonce"]), (&json!((1u64 << 40) - 1), &json!(9)));
    assert!(bench.run("ring show --ring 1").ok().out.contains("lease without end in time, up to turn 9"));
}

#[test]
fn a_ring_whose_lease_is_over_says_so() {
    let bench = Bench::with_ring();
    bench.rpc("evm_increaseTime", json!([91 * 86_400]));
    bench.rpc("evm_mine", json!([]));
    let shown = bench.run("ring show --ring 1").ok().out;
    assert!(shown.contains("LEASE OVER") && shown.contains(": OVER"), "{shown}");
}
