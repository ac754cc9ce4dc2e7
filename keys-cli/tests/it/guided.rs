//! Ceremonies as people go through them: answers line by line, stopped in the middle and taken up again.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use alloy::primitives::Address;
use serde_json::json;

use crate::harness::{Bench, LEASE, Run, address, by, lower, ring_keys};

const PRESENT: &str = "--present Ann --present Bob";

/// What commands have here, so that nobody has to type a password.
fn keys() -> Vec<String> {
    let options = |name: &str| format!("--keystore {name}.json --password-file password");
    [("--sign-with", options("master")), ("--pay-with", options("sender")), ("--guard-with", options("guardian"))]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect()
}

impl Bench {
    /// Holds a ceremony with these answers.
    fn hold(&self, line: &str, answers: &[&str]) -> Run {
        let mut command = ring_keys();
        command.current_dir(self.place.directory.path()).env("RING_RPC", self.url());
        if !self.contract.is_empty() {
            command.env("RING_CONTRACT", &self.contract);
        }
        command.arg("ceremony").args(line.split_whitespace()).args(PRESENT.split_whitespace()).args(keys());
        answered(&mut command, answers)
    }

    fn record(&self) -> String {
        std::fs::read_to_string(self.place.path("record.txt")).expect("there is a record")
    }
}

fn answered(command: &mut Command, answers: &[&str]) -> Run {
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ring-keys runs");
    let text = answers.iter().map(|answer| format!("{answer}\n")).collect::<String>();
    // Who ends before the last answer does not read it.
    let _ = process.stdin.take().expect("it is piped").write_all(text.as_bytes());
    let output = process.wait_with_output().expect("it ends");
    Run {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

fn words_of(name: &str) -> String {
    ring_keys::check_words::of_address(address(name))
}

/// A description of a contract that is not there yet, with two rings, a permission and a limit.
fn description(bench: &Bench) -> String {
    description_for(bench, address("master"))
}

fn description_for(bench: &Bench, master: Address) -> String {
    let guardian = address("guardian");
    let predicted = bench.run(&format!("deploy --master {master} --guardian {guardian} --predict --json")).json();
    let seats = ["op0", "op1", "op2"].map(|name| format!("\"{}\"", address(name))).join(", ");
    let expires = bench.time() + 90 * 86_400;
    let ring = |id: u32| {
        format!(
            "\n[[ring]]\nid = {id}\nwindow = 2\nquorum = 2\nasset = \"native\"\ncap = \"1ether\"\nperiod = \"day\"\n\
             turns_per_period = 1000\ninterval = 12\nexpires_at = {expires}\nlast_nonce = \"none\"\nseats = [{seats}]\n"
        )
    };
    format!(
        "chain_id = 31337\ncontract = {}\nmaster = \"{master}\"\nguardian = \"{guardian}\"\n\n[deployment]\nmaster = \"{master}\"\n\
         guardian = \"{guardian}\"\nsalt = \"0x{}\"\n{}\n[[ring.permission]]\ntarget = \"{spare}\"\n\
         call = \"transfer(address to,uint256 amount)\"\nmeter = \"amount\"\nasset = \"{spare}\"\n\n[[ring.limit]]\nasset = \"{spare}\"\n\
         cap = \"500\"\nperiod = \"week\"\n{}",
        predicted["contract"],
        "0".repeat(64),
        ring(1),
        ring(2),
        spare = address("spare"),
    )
}

/// Where each test of the drill begins: ring 1, and a key that takes the stolen one's place.
fn drill(more: &str) -> String {
    format!(
        "compromise-drill --ring 1 --stolen {} --new {} --record record.txt {more}",
        address("op1"),
        address("spare")
    )
}

/// All answers of the drill, in a rehearsal.
fn drill_answers() -> Vec<String> {
    let steps: Vec<&str> = vec![
        "run", // halt
        "done logs of three seats are on the stick",
        "run", // revoke
    ];
    let mut answers: Vec<String> = steps.into_iter().map(str::to_owned).collect();
    answers.push(words_of("spare"));
    // The coin is there: nobody is asked. Prepare, sign, submit.
    answers.extend(["run", "run", "run", "done all say running", "skip no traffic on this chain"].map(str::to_owned));
    // Prepare and sign the halt, then the sheet.
    answers.extend(["run", "run", "run", "done the second pager was silent"].map(str::to_owned));
    answers
}

fn as_lines(answers: &[String]) -> Vec<&str> {
    answers.iter().map(String::as_str).collect()
}

#[test]
fn a_drill_goes_from_the_halt_to_a_new_kit_and_its_record_says_who_did_what() {
    let bench = Bench::with_ring();
    let run = bench.hold(&drill("--rehearsal --json"), &as_lines(&drill_answers()));
    let held = run.json();
    assert_eq!(held["ended"], true);
    let ring = bench.ring();
    assert_eq!(ring["charter"]["seats"][1], lower(address("spare")));
    assert_eq!((&ring["halted"], &ring["epoch"]), (&json!(false), &json!(3)));
    assert_eq!(ring["charter"]["turnsPerPeriod"], 1000, "the terms stay");
    let record = bench.record();
    for part in [
        "ceremony compromise-drill begun",
        "present         Ann, Bob",
        "rehearsal       yes",
        &format!("stolen          {}", address("op1")),
        "step halt done",
        "logs of three seats are on the stick",
        "ring-keys revoke --ring 1",
        "fingerprint: ",
        "transaction     0x",
        "because         no traffic on this chain",
        "halts 1 rings in their present epochs",
        "ceremony compromise-drill at its end",
    ] {
        assert!(record.contains(part), "{part:?} is not in:\n{record}");
    }
    let kit = std::fs::read_to_string(bench.place.path("kit.txt")).expect("there is a sheet");
    assert!(kit.contains("HALT RING 1 in its epoch 3"), "{kit}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(bench.place.path("record.txt")).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_drill_that_is_stopped_after_any_answer_is_taken_up_where_it_was() {
    let bench = Bench::with_ring();
    let answers = drill_answers();
    for (number, answer) in answers.iter().enumerate() {
        let run = bench.hold(&drill("--rehearsal"), &[answer]);
        let is_last = number + 1 == answers.len();
        assert_eq!(run.code, if is_last { 0 } else { 9 }, "after {answer}: {}", run.err);
        assert!(is_last || run.err.contains("the same command takes it up again"), "{}", run.err);
    }
    assert_eq!(bench.ring()["charter"]["seats"][1], lower(address("spare")));
    // Nothing was done twice: two epochs, by the revocation and the formation.
    assert_eq!(bench.ring()["epoch"], 3);
    let record = bench.record();
    assert_eq!(record.matches("ceremony compromise-drill begun").count(), 1);
    assert_eq!(record.matches("ceremony compromise-drill taken up again").count(), answers.len() - 1);
    assert_eq!(record.matches("step halt done").count(), 1);
    // Once it is at its end, there is nothing more to do.
    let block = bench.block();
    assert!(bench.hold(&drill("--rehearsal"), &[]).ok().out.contains("at its end"));
    assert_eq!(bench.block(), block);
}

#[test]
fn what_was_done_elsewhere_meanwhile_is_found_by_the_chain_and_not_done_again() {
    let bench = Bench::with_ring();
    assert_eq!(bench.hold(&drill(""), &["stop"]).code, 9);
    bench.run(&format!("halt --ring 1 {}", by("op0"))).ok();
    bench.run(&format!("revoke --ring 1 --key {} {}", address("op1"), by("master"))).ok();
    let words = words_of("spare");
    let run = bench.hold(&drill(""), &["done", &words]);
    assert_eq!(run.code, 9, "{}", run.err);
    // Both transactions are in the record, though they were sent while the ceremony was stopped.
    assert_eq!(bench.record().matches("transaction     0x").count(), 2, "{}", bench.record());
    for part in ["done already: halt ring 1", "done already: revoke"] {
        assert!(run.err.contains(part), "{part} is not in: {}", run.err);
    }
    assert!(run.err.contains("before \"prepare: form ring 1 anew"), "{}", run.err);
    // The key that was stolen is known from the record, though its seat is empty by now.
    assert!(run.err.contains(&format!("--seat {}", address("spare"))), "{}", run.err);
}

#[test]
fn a_ring_that_was_formed_otherwise_or_stands_still_is_not_taken_for_formed() {
    let bench = Bench::with_ring();
    let (line, words) = (drill("--rehearsal"), words_of("spare"));
    bench.hold(&line, &["run", "done", "run", &words, "stop"]);
    let form = |key: &str| {
        let mut charter = bench.ring()["charter"].clone();
        charter["seats"][1] = json!(address(key));
        bench.place.write("elsewhere.json", &charter.to_string());
        bench.run(&format!("ring set --ring 1 --charter elsewhere.json {}", by("master"))).ok();
    };
    let is_before = |step: &str| {
        let run = bench.hold(&line, &["stop"]);
        assert!(run.err.contains(&format!("before \"{step}")), "{}", run.err);
    };
    form("op3");
    is_before("prepare: form ring 1");
    form("spare");
    bench.run(&format!("halt --ring 1 {}", by("op0"))).ok();
    is_before("prepare: form ring 1");
    bench.run(&format!("resume --ring 1 {}", by("master"))).ok();
    is_before("the seats go on");
}

#[test]
fn nothing_counts_as_done_that_the_chain_does_not_show_and_wrong_answers_change_nothing() {
    let bench = Bench::with_ring();
    let block = bench.block();
    let run = bench.hold(&drill(""), &["done", "yes", "skip because", "run it", "", "note the pager rang at nine"]);
    assert_eq!(run.code, 9, "{}", run.err);
    assert!(run.err.contains("not done: ring 1 runs, in epoch 1"), "{}", run.err);
    assert!(run.err.contains("cannot be left out"), "{}", run.err);
    assert!(!bench.record().contains("step halt done") && bench.record().contains("the pager rang at nine"));
    assert_eq!(bench.block(), block);
    // What runs elsewhere is not run here, unless it is a rehearsal.
    let wrong = words_of("op0");
    let run = bench.hold(&drill(""), &["run", "done", "run", &wrong, &words_of("spare"), "run", "run", "stop"]);
    assert_eq!(run.code, 9, "{}", run.err);
    assert!(run.err.contains("are not the check words of"), "{}", run.err);
    assert!(run.err.contains("this is not done here, but where the master's key is"), "{}", run.err);
    assert!(bench.record().contains("is not there") || run.err.contains("before \"sign: form ring 1"), "{}", run.err);
    assert!(!bench.place.path("form-1.signed.json").exists());
}

#[test]
fn a_file_that_does_something_else_or_was_tampered_with_is_not_taken_for_the_step() {
    let bench = Bench::with_ring();
    let words = words_of("spare");
    let run = bench.hold(&drill(""), &["run", "done", "run", &words, "stop"]);
    assert!(run.err.contains("before \"prepare: form ring 1"), "{}", run.err);
    bench.run("prepare resume --ring 1 --out form-1.json").ok();
    let run = bench.hold(&drill(""), &["done", "run", "stop"]);
    assert!(run.err.contains("form-1.json does something else than this step"), "{}", run.err);
    assert!(run.err.contains("exists already"), "nothing is overwritten: {}", run.err);
    std::fs::remove_file(bench.place.path("form-1.json")).expect("it is there");
    bench.hold(&drill(""), &["run", "stop"]);
    bench.edit("form-1.json", "form-1.json", |document| document["signer"] = json!(address("stranger")));
    bench.place.run(&format!("sign --in form-1.json --out form-1.signed.json --yes {}", by("stranger"))).ok();
    let run = bench.hold(&drill(""), &["done", "stop"]);
    assert!(run.err.contains("not the turn of nonce 1") && run.err.contains("away, and make it anew"), "{}", run.err);
    assert_eq!(run.code, 9);
}

#[test]
fn a_file_that_grew_too_old_while_the_ceremony_was_stopped_is_made_once_more() {
    let bench = Bench::with_ring();
    let words = words_of("spare");
    let line = drill("--rehearsal");
    let run = bench.hold(&line, &["run", "done", "run", &words, "run", "run", "stop"]);
    assert!(run.err.contains("before \"submit: form ring 1"), "{}", run.err);
    bench.rpc("evm_increaseTime", json!([2 * 86_400]));
    bench.rpc("evm_mine", json!([]));
    let run = bench.hold(&line, &["run", "stop"]);
    assert!(run.err.contains("once more, since") && run.err.contains("was valid until"), "{}", run.err);
    assert!(run.err.contains("exists already") && run.err.contains("before \"prepare: form ring 1"), "{}", run.err);
    for file in ["form-1.json", "form-1.signed.json"] {
        std::fs::rename(bench.place.path(file), bench.place.path(&format!("old-{file}"))).expect("it is there");
    }
    let run = bench.hold(&line, &["run", "run", "run", "stop"]);
    assert!(run.err.contains("before \"the seats go on"), "{}", run.err);
    assert_eq!(bench.ring()["charter"]["seats"][1], lower(address("spare")));
}

#[test]
fn a_record_belongs_to_one_ceremony_and_one_process() {
    let bench = Bench::with_ring();
    bench.hold(&drill(""), &["stop"]);
    let before = bench.record();
    let other = drill("").replace(&address("spare").to_string(), &address("op3").to_string());
    bench.hold(&other, &[]).refused(4, &["record.txt is of a ceremony with new keys", "name another file"]);
    let lost = format!("master-lost --successor {} --record record.txt", address("successor"));
    bench.hold(&lost, &[]).refused(4, &["is the record of another ceremony"]);
    // A rehearsal's record is no real one's.
    bench.hold(&drill("--rehearsal"), &[]).refused(4, &["rehearsal"]);
    assert_eq!(bench.record(), before);
    let file = std::fs::File::open(bench.place.path("record.txt")).expect("it is there");
    file.lock().expect("nobody else has it");
    bench.hold(&drill(""), &[]).refused(3, &["is being written by another ceremony"]);
}

#[test]
fn what_cannot_be_a_drill_begins_no_record() {
    let bench = Bench::with_ring();
    let line = |stolen: &str, new: &str| {
        format!("compromise-drill --ring 1 --stolen {} --new {} --record record.txt", address(stolen), address(new))
    };
    bench.hold(&line("op3", "spare"), &[]).refused(4, &["has no seat in ring 1"]);
    bench.hold(&line("op1", "op2"), &[]).refused(4, &["has a seat in ring 1 already"]);
    bench.hold(&line("op1", "op1"), &[]).refused(2, &["all of them different"]);
    assert!(!bench.place.path("record.txt").exists());
}

#[test]
fn nobody_rehearses_on_another_chain_than_anvils_own() {
    let bench = Bench::bare(&["--chain-id", "5"]);
    let line = format!("master-lost --successor {} --record record.txt --rehearsal", address("successor"));
    let line = format!("{line} --contract {}", address("op0"));
    bench.hold(&line, &[]).refused(4, &["no place to rehearse", "chain 5"]);
    assert!(!bench.place.path("record.txt").exists());
}

#[test]
fn the_first_deployment_ends_when_the_chain_is_what_the_description_says() {
    let bench = Bench::bare(&[]);
    bench.place.write("contract.toml", &description(&bench));
    let line = "first-deployment --description contract.toml --record record.txt --rehearsal";
    let mut answers: Vec<String> = vec![words_of("master"), words_of("guardian")];
    // By address, as the steps go.
    let mut seats = ["op0", "op1", "op2"];
    seats.sort_by_key(|name| address(name));
    answers.extend(seats.map(words_of));
    answers.push("run".to_owned()); // deploy
    // Form, permit and allow of ring 1, form of ring 2: three steps each.
    answers.extend(vec!["run".to_owned(); 12]);
    // Two halts, prepared and signed, and the sheet; then the hosts, the alerts, and no money.
    answers.extend(vec!["run".to_owned(); 5]);
    answers.extend(["done", "done", "skip later", "skip later", "skip later"].map(str::to_owned));
    let agenda = bench.hold(&format!("{line} --agenda"), &[]).ok();
    assert!(agenda.err.contains("ring-keys prepare permit --ring 1 --target"), "{}", agenda.err);
    assert!(agenda.err.contains("ring-keys sign --in form-2.json"), "{}", agenda.err);
    let half = answers.len() / 2;
    assert_eq!(bench.hold(line, &as_lines(&answers[..half])).code, 9);
    bench.hold(line, &as_lines(&answers[half..])).ok();
    bench.run("verify contract.toml").ok();
    assert!(bench.record().contains("step verify done"), "{}", bench.record());
}

#[test]
fn a_description_that_cannot_be_deployed_is_refused_before_anything() {
    let bench = Bench::bare(&[]);
    let right = description(&bench);
    let line = "first-deployment --description contract.toml --record record.txt";
    for (from, to, words) in [
        ("salt = \"0x0", "salt = \"0x1", "makes the address"),
        (
            "call = \"transfer(address to,uint256 amount)\"\nmeter = \"amount\"",
            "call = \"0xa9059cbb\"\nmeter = 1",
            "name the function",
        ),
        ("chain_id = 31337", "chain_id = 5", "chain 5"),
    ] {
        bench.place.write("contract.toml", &right.replacen(from, to, 1));
        let run = bench.hold(line, &[]);
        assert!(run.code == 2 || run.code == 4, "{} {}", run.code, run.err);
        assert!(run.err.contains(words), "{words} is not in {}", run.err);
    }
    assert!(!bench.place.path("record.txt").exists());
}

#[test]
fn a_lost_master_hands_over_by_a_copy() {
    let bench = Bench::with_ring();
    let line = format!("master-lost --successor {} --record record.txt --rehearsal", address("successor"));
    let accept = "--keystore successor.json --password-file password";
    let answers: Vec<String> =
        ["done the paper of the second safe".to_owned(), words_of("master"), words_of("successor"), "done".to_owned()]
            .into_iter()
            .chain(vec!["run".to_owned(); 6])
            .chain(["done".to_owned()])
            .collect();
    let mut command = ring_keys();
    command
        .current_dir(bench.place.directory.path())
        .env("RING_RPC", bench.url())
        .env("RING_CONTRACT", &bench.contract);
    command.arg("ceremony").args(line.split_whitespace()).args(PRESENT.split_whitespace()).args(keys());
    command.args(["--accept-with", accept]);
    answered(&mut command, &as_lines(&answers)).ok();
    assert_eq!(bench.run("status --json").json()["master"], lower(address("successor")));
    assert!(bench.record().contains("the paper of the second safe"));
}

#[test]
fn without_a_copy_the_rings_pay_out_to_a_contract_of_another_master() {
    let bench = Bench::with_ring();
    let line = |to: &str| format!("master-lost --to {to} --record record.txt");
    let run = bench.hold(&line(&bench.contract), &["done", "done"]);
    assert_eq!(run.code, 9);
    assert!(run.err.contains("not done: the master of"), "the old contract is no refuge: {}", run.err);
    std::fs::remove_file(bench.place.path("record.txt")).expect("it is there");
    let other = format!("deploy --master {} {} --json", address("successor"), by("sender"));
    let other = bench.run(&other).json()["contract"].as_str().expect("an address").to_owned();
    bench.rpc("anvil_setBalance", json!([bench.contract, "0x1"]));
    let run = bench.hold(&line(&other), &["done", "done paid", "done"]);
    assert!(run.err.contains("not done:") && run.err.contains("(1 wei)"), "{}", run.err);
    assert!(run.err.contains("--pay native --to"), "{}", run.err);
    bench.hold(&line(&other), &["skip 1 wei is lost", "done"]).ok();
    assert!(bench.record().contains("because         1 wei is lost"));
}

#[test]
fn without_a_guardian_the_master_revokes_in_three_steps() {
    let mut bench = Bench::bare(&[]);
    let deployed = bench.run(&format!("deploy --master {} {} --json", address("master"), by("sender"))).json();
    bench.contract = deployed["contract"].as_str().expect("an address").to_owned();
    let seats = [address("op0"), address("op1")].map(|seat| format!("--seat {seat}")).join(" ");
    let form =
        format!("ring set --ring 1 --window 1 --asset native --cap 1 --period day {LEASE} {seats} {}", by("master"));
    bench.run(&form).ok();
    let agenda = bench.hold(&drill("--agenda"), &[]).ok().err;
    assert!(!bench.place.path("record.txt").exists(), "an agenda is no beginning");
    assert!(agenda.contains("prepare: revoke") && agenda.contains("sign: revoke"), "{agenda}");
    assert!(!agenda.contains("prepare: a halt"), "nobody can sign halts for a kit: {agenda}");
}

#[test]
fn a_safe_as_master_executes_a_file_and_nobody_is_asked_for_its_key() {
    let bench = Bench::bare(&[]);
    let safe = Address::repeat_byte(0x11);
    bench.rpc("anvil_setCode", json!([safe, "0x631626ba7e60e01b60005260206000f3"]));
    bench.place.write("contract.toml", &description_for(&bench, safe));
    let line = "first-deployment --description contract.toml --record record.txt --agenda";
    let agenda = bench.hold(line, &[]).ok().err;
    assert!(agenda.contains("ring-keys export-safe --in form-1.json --out form-1.safe.json"), "{agenda}");
    assert!(
        !agenda.contains("ring-keys sign --in form-1.json") && !agenda.contains("the key of the master"),
        "{agenda}"
    );
    // The guardian is a key all the same.
    assert!(
        agenda.contains("ring-keys sign --in halt-1.json --out halt-1.signed.json --keystore guardian.json"),
        "{agenda}"
    );
}

#[test]
fn a_chain_that_is_away_stops_a_ceremony_and_costs_nothing() {
    let bench = Bench::with_ring();
    assert_eq!(bench.hold(&drill("--rehearsal"), &["run", "stop"]).code, 9);
    let before = bench.record();
    let away = bench.hold(&format!("{} --rpc http://127.0.0.1:1", drill("--rehearsal")), &["done"]);
    assert_eq!(away.code, 5, "{}", away.err);
    assert_eq!(bench.record(), before);
    let answers = drill_answers();
    bench.hold(&drill("--rehearsal"), &as_lines(&answers[1..])).ok();
}
