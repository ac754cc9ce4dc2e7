//! A Trezor as master and as whoever pays: the real command, over an emulator's socket, with the device's side in
//! `trezor_device`.

use ring_keystore as keystore;
use secrecy::SecretString;

use crate::{
    harness::{Bench, LEASE, MNEMONIC, address, by, lower},
    trezor_device::{Device, Manner},
};

/// A device with the master's key.
fn device(manner: Manner) -> Device {
    let key = keystore::from_mnemonic(&SecretString::from(MNEMONIC), 0).expect("it is a mnemonic");
    assert_eq!(key.address(), address("master"));
    Device::start(key, manner)
}

/// Every action that there is, and a halt.
fn actions() -> Vec<(String, &'static str)> {
    let seats = [address("op0"), address("op3")].map(|seat| format!("--seat {seat}")).join(" ");
    let token = address("spare");
    vec![
        (format!("ring set --ring 2 --window 1 --asset native --cap 5 --period day {LEASE} {seats}"), "FormRing"),
        ("resume --ring 1".to_owned(), "Resume"),
        (format!("revoke --ring 1 --key {} --signer {}", address("op0"), address("master")), "Revoke"),
        (format!("replace --ring 1 --seat 1 --key {token} --resume"), "Replace"),
        (
            format!("permit --ring 1 --target {token} --call transfer(address,uint256) --meter 1 --asset {token}"),
            "SetPermissions",
        ),
        (format!("allow --ring 1 --asset {token} --cap 7 --period week"), "SetLimits"),
        (format!("permit-payment --ring 1 --request 0x{} --to {token} --amount 1", "22".repeat(16)), "PermitPayment"),
        (format!("guardian {token}"), "SetGuardian"),
        (format!("master transfer {token}"), "TransferMaster"),
        (format!("execute --target {token} --value 0 --data 0x{}", "ab".repeat(1_500)), "MasterExecute"),
        (format!("halt --ring 1 --signer {}", address("master")), "Halt"),
    ]
}

#[test]
fn every_action_is_signed_as_the_device_computes_it_from_what_it_asked_for() {
    let bench = Bench::with_ring();
    for (number, (action, name)) in actions().iter().enumerate() {
        for manner in [Manner::Honest, Manner::Roundabout, Manner::FirstModel] {
            let device = device(manner);
            let file = format!("{number}-{manner:?}");
            bench.run(&format!("prepare {action} --out {file}")).ok();
            let sign = format!("sign --in {file} --out {file}.signed --yes --trezor={}", device.place());
            let run = bench.place.run(&sign).ok();
            let shown = device.shown();
            if manner == Manner::FirstModel {
                let hash = shown[1].split(' ').next_back().expect("there is a hash").to_lowercase();
                assert!(run.err.to_lowercase().contains(&hash), "{hash} is not in: {}", run.err);
                continue;
            }
            assert!(
                shown.contains(&format!("EIP712Domain.verifyingContract = {}", &bench.contract.to_lowercase()[2..])),
                "{shown:?}"
            );
            assert!(shown.iter().any(|line| line.starts_with(&format!("{name}."))), "{name} is not in {shown:?}");
        }
    }
    // What it signed is good.
    bench.run(&format!("submit --in 4-Honest.signed {}", by("sender"))).ok();
    assert_eq!(bench.run("status --json").json()["permissions"][0]["target"], lower(address("spare")));
}

#[test]
fn the_device_shows_each_field_of_what_it_signs() {
    let bench = Bench::with_ring();
    let device = device(Manner::Honest);
    bench.run(&format!("prepare allow --ring 1 --asset {} --cap 1000000 --period week --out a", address("spare"))).ok();
    bench.place.run(&format!("sign --in a --out b --yes --trezor={}", device.place())).ok();
    let shown = device.shown();
    let asset = format!("Limit.asset = {}", &lower(address("spare"))[2..]);
    for line in ["SetLimits.ring = 00000001", &asset, "Limit.cap = 000000000000000000000f4240", "Limit.period = 093a80"]
    {
        assert!(shown.iter().any(|shown| shown == line), "{line} is not in {shown:?}");
    }
}

#[test]
fn whatever_a_device_does_instead_nothing_is_signed() {
    let bench = Bench::with_ring();
    bench.run(&format!("prepare allow --ring 1 --asset {} --cap 7 --period week --out a", address("spare"))).ok();
    for (manner, words) in [
        (Manner::WrongMessage, "did not sign this"),
        (Manner::OtherKey, "did not sign this"),
        (Manner::ShortSignature, "a signature of 64 bytes"),
        (Manner::Declines, "it was declined on the Trezor"),
        (Manner::NoSuchValue, "asked for the value at [1, 99]"),
        (Manner::NoSuchRoot, "asked for the value at [2, 0]"),
        (Manner::NoSuchStruct, "asked for the struct \"Permit\""),
        (Manner::OffTheTopic, "which was not asked for"),
        (Manner::Endless, "questions without end"),
        (Manner::Empty, "has no seed yet"),
    ] {
        let device = device(manner);
        let run = bench.place.run(&format!("sign --in a --out b --yes --trezor={}", device.place()));
        assert_eq!(run.code, 3, "{manner:?}: {}", run.err);
        assert!(run.err.contains(words), "{words} is not in: {}", run.err);
        assert!(!bench.place.path("b").exists(), "{manner:?}");
    }
    // The key of another device is refused before it is asked for anything.
    let other = keystore::from_mnemonic(&SecretString::from(MNEMONIC), 3).expect("it is a mnemonic");
    let device = Device::start(other, Manner::Honest);
    let run = bench.place.run(&format!("sign --in a --out b --yes --trezor={}", device.place()));
    assert!(run.code == 4 && run.err.contains("the Trezor, at m/44'/60'/0'/0/0, holds the key"), "{}", run.err);
    assert!(device.shown().is_empty());
}

#[test]
fn the_address_is_shown_and_agreed_to() {
    let bench = Bench::bare(&[]);
    let honest = device(Manner::Honest);
    let run = bench.place.run(&format!("address --trezor={}", honest.place())).ok();
    assert_eq!(run.out.trim(), address("master").to_string());
    assert_eq!(honest.shown(), [format!("address {}", address("master"))]);
    let unwilling = device(Manner::Declines);
    bench.place.run(&format!("address --trezor={}", unwilling.place())).refused(3, &["it was declined on the Trezor"]);
}

#[test]
fn a_device_sends_the_masters_actions_itself_and_pays_for_what_others_signed() {
    let bench = Bench::bare(&[]);
    let honest = device(Manner::Honest);
    let trezor = format!("--trezor={}", honest.place());
    let deploy = format!("deploy --master {} --guardian {} {trezor} --json", address("master"), address("guardian"));
    // The whole bytecode is its call data: more than one piece.
    let contract = bench.run(&deploy).json()["contract"].as_str().expect("an address").to_owned();
    let run = bench.run(&format!("guardian {} --contract {contract} {trezor}", address("spare"))).ok();
    assert!(run.err.contains("The Trezor shows a transaction") && run.err.contains("chain     31337"), "{}", run.err);
    let status = bench.run(&format!("status --contract {contract} --json")).json();
    assert_eq!(status["guardian"], lower(address("spare")));
    bench.run(&format!("prepare guardian none --contract {contract} --out a")).ok();
    bench.place.run(&format!("sign --in a --out b --yes {}", by("master"))).ok();
    bench.run(&format!("submit --in b {trezor}")).ok();
    assert!(bench.run(&format!("status --contract {contract} --json")).json()["guardian"].is_null());
    assert_eq!(honest.shown().iter().filter(|line| *line == "sign the transaction").count(), 3);
}

#[test]
fn a_transaction_that_a_device_signed_otherwise_is_not_sent() {
    let bench = Bench::new();
    for (manner, words) in [
        (Manner::WrongMessage, "did not sign this"),
        (Manner::OtherKey, "did not sign this"),
        (Manner::Declines, "it was declined on the Trezor"),
        (Manner::MoreData, "asked for 100000 bytes more of the call data"),
    ] {
        let device = device(manner);
        bench.refused(&format!("guardian none --trezor={}", device.place()), 3, &[words]);
    }
}

#[test]
fn a_place_without_a_device_is_told() {
    let bench = Bench::bare(&[]);
    let run = bench.place.run("address --trezor=udp:nowhere");
    assert!(run.code == 2 && run.err.contains("is no place of a Trezor"), "{}", run.err);
    let run = bench.place.run("address --trezor");
    assert!(run.code == 3 && run.err.contains("Trezor"), "{}", run.err);
}
