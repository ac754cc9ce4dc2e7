//! The offline machine: no network, pictures and lines of text instead of files, words instead of digits.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{Bench, Place, Run, address, by, ring_keys};

impl Place {
    /// Runs in this directory with something on standard input, and without any network where the system lets one do that.
    pub(crate) fn run_offline(&self, line: &str, input: &str) -> Run {
        let is_cut_off = Command::new("unshare").args(["-rn", "true"]).output().is_ok_and(|run| run.status.success());
        let own = ring_keys();
        let mut command = match is_cut_off {
            true => {
                let mut command = Command::new("unshare");
                command.args(["-rn"]).arg(own.get_program()).env_remove("RING_RPC").env_remove("RING_CONTRACT");
                command
            }
            false => {
                eprintln!("not run in an empty network namespace: unshare may not make one here");
                own
            }
        };
        command.current_dir(self.directory.path()).args(line.split_whitespace());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ring-keys runs");
        // It may have read enough, and be gone.
        let _ = process.stdin.take().expect("it is piped").write_all(input.as_bytes());
        let output = process.wait_with_output().expect("it ends");
        Run {
            code: output.status.code().expect("it ends by itself"),
            out: String::from_utf8(output.stdout).expect("it prints text"),
            err: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    list.as_array().expect("it is a list").iter().map(|item| item.as_str().expect("it is text")).collect()
}

#[test]
fn a_key_is_revoked_by_qr_codes_and_both_sides_show_the_same_fingerprint() {
    let bench = Bench::with_ring();
    let online = &bench.place;
    let offline = Place::with_keys();
    let prepared = bench.run(&format!("prepare revoke --ring 1 --key {} --out a --json", address("op0"))).json();
    let fingerprint = prepared["fingerprint"].as_str().expect("it is text").to_owned();
    assert_eq!(fingerprint.split(' ').count(), 6);

    let shown = online.run("qr show --in a --png code --json").json();
    let pictures = strings(&shown["pictures"]);
    assert!(pictures.len() > 1, "a revocation with its charter is longer than one code");
    for picture in &pictures {
        std::fs::copy(online.path(picture), offline.path(picture)).expect("there is room");
    }
    let read = offline.run_offline(&format!("qr read --out b {}", pictures.join(" ")), "").ok();
    assert!(read.out.contains(&fingerprint), "{}", read.out);
    assert_eq!(offline.read_json("b"), online.read_json("a"));

    let signed = offline.run_offline(&format!("sign --in b --out c --yes {}", by("master")), "").ok();
    assert!(signed.err.contains(&fingerprint) && signed.err.contains("REVOKE the key"), "{}", signed.err);
    let frames = offline.run_offline("qr show --in c --json", "").json();
    let lines = strings(&frames["frames"]).join("\n");
    online.run_offline("qr read --out d", &lines).ok();

    let sent = bench.run(&format!("submit --in d {}", by("sender"))).ok();
    assert!(sent.err.contains(&fingerprint), "{}", sent.err);
    assert!(bench.ring()["charter"]["seats"][0].as_str().expect("it is text").ends_with("000000"));
}

#[test]
fn codes_that_were_not_all_read_or_are_something_else_write_nothing() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    let place = &bench.place;
    let frames = place.run("qr show --in a --json").json();
    let lines = strings(&frames["frames"]);
    assert!(lines.len() > 1);
    let files = place.files();
    place.run_offline("qr read --out b", lines[0]).refused(3, &["1 of", "show the others"]);
    place.run_offline("qr read --out b", "https://example.org\n").refused(3, &["no frame", "there is no frame"]);
    place.run_offline("qr read --out b a", "").refused(3, &["a cannot be read as a picture"]);
    place.run_offline("qr read --out a", lines[0]).refused(3, &["a exists already"]);
    place.run("qr show --in password").refused(4, &["is not a file of `ring-keys prepare`"]);
    assert!(files == place.files());
}

#[test]
fn a_document_that_was_changed_on_its_way_through_codes_is_not_taken() {
    let bench = Bench::with_ring();
    bench.run("prepare resume --ring 1 --out a").ok();
    // Somebody who shows codes of his own can only show what has a right digest.
    bench.edit("a", "b", |document| document["statement"]["action"]["nonce"] = json!(7));
    bench.place.run("qr show --in b").refused(4, &["b was changed after it was prepared"]);
}

#[test]
fn addresses_have_their_names_behind_them_and_strange_ones_are_told() {
    let bench = Bench::with_ring();
    let (op0, spare, master) = (address("op0"), address("spare"), address("master"));
    bench.run(&format!("prepare replace --ring 1 --seat 0 --key {spare} --out a")).ok();
    bench.place.write("names.toml", &format!("\"operator 0\" = \"{op0}\"\nmaster = \"{master}\"\n"));
    let line = format!("sign --in a --out b --yes {} --address-book names.toml", by("master"));
    let words = bench.place.run(&line).ok().err;
    assert!(words.contains(&format!("{master} (master)")), "{words}");
    assert!(words.contains(&format!("{spare} (NOT IN THE ADDRESS BOOK)")), "{words}");
    bench.place.write("names.toml", &format!("master = \"{}\"\n", &master.to_string()[..41]));
    bench.place.run(&line.replace("--out b", "--out c")).refused(3, &["names.toml: \"master\"", "not an address"]);
}

#[test]
fn a_key_comes_back_from_as_many_shares_as_it_needs() {
    let place = Place::with_keys();
    place.run(&format!("split {} --shares 4 --threshold 3 --out s", by("op0"))).ok();
    let import = |shares: &str, out: &str| {
        let shares: Vec<String> = shares.split(' ').map(|share| format!("--share {share}.share")).collect();
        place.run_offline(&format!("import {} --out {out} --password-file password --light", shares.join(" ")), "")
    };
    assert!(import("s-4 s-1 s-3", "back.json").ok().out.contains(&address("op0").to_string()));
    import("s-1 s-2", "no.json").refused(3, &["2 shares", "3 make the key"]);
    import("s-1 s-2 s-1", "no.json").refused(3, &["s-1.share", "there already"]);
    let right = std::fs::read_to_string(place.path("s-2.share")).expect("it is there");
    let (start, digit) = right.trim_end().split_at(right.trim_end().len() - 1);
    place.write("s-2.share", &format!("{start}{}", if digit == "0" { "1" } else { "0" }));
    import("s-1 s-2 s-3", "no.json").refused(3, &["s-2.share", "damaged"]);
    place.run(&format!("split {} --shares 4 --threshold 3 --out t", by("op1"))).ok();
    import("s-1 t-2 s-3", "no.json").refused(3, &["t-2.share"]);
    assert!(!place.path("no.json").exists());
}

#[test]
fn the_shares_of_a_mnemonic_make_its_key() {
    let place = Place::with_keys();
    let address = address("op0");
    place.write("words", crate::harness::MNEMONIC);
    let split = |more: &str| {
        place.run_offline(&format!("split --mnemonic-file words --shares 3 --threshold 2 --out m {more}"), "")
    };
    assert!(split("").err.contains("--address"), "the address is asked for");
    split(&format!("--address {address}")).refused(4, &["that of", "--index"]);
    place.write("words", "test test test");
    split(&format!("--address {address} --index 2")).refused(3, &["3 words"]);
    assert!(!place.path("m-1.share").exists());
    place.write("words", crate::harness::MNEMONIC);
    split(&format!("--address {address} --index 2")).ok();
    let import = "import --share m-3.share --share m-1.share --out back.json --password-file password --light";
    assert!(place.run_offline(import, "").ok().out.contains(&address.to_string()));
}
