//! Thefts that happened, replayed: which rule stops what, and where none does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{path::Path, process::Command, sync::LazyLock};

use ring_simulation::{
    incidents::{Attack, Incident, Outcome, REACTION_SECONDS, Replay, Replayed, Share, all, document},
    world::{Stage, Staged},
};

/// All of them, once for all tests.
static REPLAYED: LazyLock<Vec<Replayed>> = LazyLock::new(|| all().into_iter().map(Incident::replay).collect());

/// The replays of which this holds; there is one at least.
fn replays(of: impl Fn(&Replay) -> bool) -> Vec<(String, Stage, Outcome)> {
    let named = |replayed: &'static Replayed| replayed.rings().map(|found| (replayed.incident.name, found));
    let all = REPLAYED.iter().flat_map(named).filter(|(_, (replay, _))| of(replay));
    let found: Vec<_> = all
        .map(|(name, (replay, outcome))| (format!("{name}: {}", replay.thief), replay.stage.clone(), outcome))
        .collect();
    assert!(!found.is_empty());
    found
}

/// Whether the thief has all keys of some window.
fn has_a_window(stage: &Stage) -> bool {
    let window = |first: usize| (first..first + usize::from(stage.window)).map(|seat| seat % stage.seats);
    (0..stage.seats).any(|first| window(first).all(|seat| stage.stolen.contains(&seat)))
}

fn has_all(stage: &Stage) -> bool {
    stage.stolen.len() == stage.seats
}

/// The periods that a thief sees the beginning or the end of until people act: a cap of each.
fn most_in(seconds: u64) -> u64 {
    (seconds.div_ceil(u64::from(Staged::PERIOD_SECONDS)) + 1) * Staged::CAP
}

#[test]
fn a_plain_wallet_pays_all_to_whoever_has_m_signatures() {
    for replayed in REPLAYED.iter() {
        assert_eq!(replayed.plain, Share::ALL, "{}", replayed.incident.name);
    }
}

#[test]
fn as_many_stolen_keys_with_a_gap_among_them_execute_nothing() {
    for (name, _, outcome) in replays(|replay| replay.attack == Attack::Keys && !has_a_window(&replay.stage)) {
        assert_eq!((outcome.stolen, outcome.stolen_turns), (Share::NOTHING, 0), "{name}");
    }
}

#[test]
fn where_the_keys_are_only_stolen_the_ring_goes_on_until_the_thief_uses_them() {
    let idle = |replay: &Replay| !replay.stage.taken && !has_a_window(&replay.stage) && replay.attack == Attack::Keys;
    for (name, stage, outcome) in replays(idle) {
        assert!(outcome.turns > 2 * stage.seats as u64, "{name}: {outcome:?}");
    }
}

#[test]
fn the_keys_of_one_window_execute_one_turn_within_the_cap_and_the_seats_halt_the_ring() {
    let one = |replay: &Replay| replay.attack == Attack::Keys && has_a_window(&replay.stage) && !has_all(&replay.stage);
    for (name, stage, outcome) in replays(one) {
        assert_eq!((stage.stolen.len(), outcome.stolen_turns), (usize::from(stage.window), 1), "{name}");
        assert!(outcome.stolen > Share::NOTHING && outcome.stolen <= Share::of(Staged::CAP), "{name}: {outcome:?}");
        assert!(outcome.halted_after.is_some_and(|seconds| seconds <= 60), "{name}: {outcome:?}");
    }
}

#[test]
fn a_payload_that_was_exchanged_on_one_machine_is_refused_on_the_next() {
    for (name, _, outcome) in replays(|replay| replay.attack == Attack::SwappedPayload) {
        assert_eq!(outcome.stolen, Share::NOTHING, "{name}");
        assert!(outcome.refusals > 0 && outcome.stolen_turns == 0, "{name}: {outcome:?}");
    }
}

#[test]
fn foreign_code_is_run_for_no_window_however_it_signs() {
    for (name, stage, outcome) in replays(|replay| replay.attack == Attack::ForeignCode) {
        assert!(has_a_window(&stage), "{name}");
        assert_eq!((outcome.stolen, outcome.stolen_turns), (Share::NOTHING, 0), "{name}");
    }
}

#[test]
fn what_a_seats_own_sources_contradict_it_does_not_sign() {
    let held = |replay: &Replay| replay.attack == Attack::ForgedRequests && !replay.is_beyond && !replay.stage.limited;
    for (name, stage, outcome) in replays(held) {
        assert!(stage.evidence, "{name}");
        assert_eq!(outcome.stolen, Share::NOTHING, "{name}");
        assert!(outcome.refusals > 0 && outcome.turns > 2 * stage.seats as u64, "{name}: {outcome:?}");
    }
}

#[test]
fn what_a_requester_may_ask_for_bounds_what_its_thief_gets() {
    for (name, _, outcome) in replays(|replay| replay.stage.limited) {
        let most = most_in(REACTION_SECONDS) / Staged::CAP * Staged::REQUESTER_LIMIT;
        assert!(outcome.stolen > Share::NOTHING && outcome.stolen <= Share::of(most), "{name}: {outcome:?}");
    }
}

#[test]
fn where_every_seat_believes_one_input_the_caps_are_lost_until_a_person_halts() {
    let believing = |replay: &Replay| {
        let deceived = !replay.stage.evidence || replay.stage.deceived.len() == replay.stage.seats;
        replay.attack == Attack::ForgedRequests && deceived && !replay.stage.limited
    };
    for (name, _, outcome) in replays(believing) {
        assert!(outcome.stolen > Share::of(2 * Staged::CAP), "{name}: {outcome:?}");
        assert!(outcome.stolen <= Share::of(most_in(REACTION_SECONDS)), "{name}: {outcome:?}");
        assert_eq!((outcome.halted_after, outcome.refusals), (None, 0), "{name}");
    }
}

#[test]
fn where_a_whole_window_believes_one_input_the_others_refuse_and_do_not_halt() {
    let window = |replay: &Replay| replay.is_beyond && replay.stage.evidence && replay.stage.deceived.len() == 3;
    for (name, _, outcome) in replays(window) {
        assert!(outcome.stolen > Share::NOTHING && outcome.refusals > 0, "{name}: {outcome:?}");
        assert_eq!(outcome.halted_after, None, "{name}");
    }
}

#[test]
fn with_every_key_a_thief_takes_the_cap_of_each_period_until_the_master_comes() {
    for (name, _, outcome) in replays(|replay| replay.attack == Attack::Keys && has_all(&replay.stage)) {
        assert!(outcome.stolen >= Share::of(3 * Staged::CAP), "{name}: {outcome:?}");
        assert!(outcome.stolen <= Share::of(most_in(REACTION_SECONDS)), "{name}: {outcome:?}");
        assert_eq!(outcome.halted_after, None, "{name}");
    }
}

#[test]
fn a_master_that_signs_unread_pays_everything() {
    for (name, _, outcome) in replays(|replay| replay.attack == Attack::DeceivedMaster) {
        assert_eq!(outcome.stolen, Share::ALL, "{name}");
    }
}

#[test]
fn what_the_ring_does_not_help_against_is_marked() {
    for (name, _, outcome) in replays(|replay| !replay.is_beyond) {
        assert!(outcome.stolen <= Share::of(Staged::CAP), "{name}: {outcome:?}");
    }
    for (name, _, outcome) in replays(|replay| replay.is_beyond) {
        assert!(outcome.stolen > Share::of(Staged::CAP), "{name}: {outcome:?}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_document_says_what_the_replays_say() {
    let committed = std::fs::read_to_string(root().join("docs/INCIDENTS.md")).unwrap();
    assert!(committed == document(&REPLAYED), "docs/INCIDENTS.md is not what the replays say: run `make incidents`");
}

#[test]
fn the_committed_artifact_is_current() {
    let Some(forge) = std::env::var_os("FORGE_BIN") else {
        eprintln!("NOT RUN: FORGE_BIN is not set; `make test` sets it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(forge)
        .current_dir(root())
        .args(["build", "contracts/test/doubles/PlainMultisig.sol", "--out"])
        .arg(folder.path().join("out"))
        .arg("--cache-path")
        .arg(folder.path().join("cache"))
        .status()
        .unwrap();
    assert!(status.success());
    let read =
        |path: &Path| -> serde_json::Value { serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
    let compiled = read(&folder.path().join("out/PlainMultisig.sol/PlainMultisig.json"));
    let committed = read(&root().join("simulation/artifacts/PlainMultisig.json"));
    for (committed, compiled) in
        [(&committed["abi"], &compiled["abi"]), (&committed["bytecode"]["object"], &compiled["bytecode"]["object"])]
    {
        assert_eq!(committed, compiled, "write simulation/artifacts/PlainMultisig.json anew");
    }
}
