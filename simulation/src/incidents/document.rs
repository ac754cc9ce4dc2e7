//! `docs/INCIDENTS.md`: what is said of each incident, and what came of its replays.

use super::{
    Incident, Outcome, PlainAttack, Replay, Replayed, Share,
    attack::{AFTERMATH_SECONDS, REACTION_SECONDS},
};
use crate::world::Staged;

/// The document that these replays make.
pub fn document(replayed: &[Replayed]) -> String {
    let mut text = introduction();
    text.push_str(&table(replayed));
    for incident in replayed {
        text.push_str(&chapter(incident));
    }
    text
}

/// The table: a line for each replay.
pub fn table(replayed: &[Replayed]) -> String {
    let mut text = String::from(
        "| Incident | The thief has | A plain wallet loses | A ring loses | Its seats halt it |\n|---|---|---|---|---|\n",
    );
    for incident in replayed {
        let (threshold, owners, _) = incident.incident.plain;
        for (number, (replay, outcome)) in incident.rings().enumerate() {
            let (name, plain) = match number {
                0 => (heading(&incident.incident), format!("{threshold} of {owners}: {}", incident.plain)),
                _ => (String::new(), String::new()),
            };
            let emphasis = if replay.is_beyond { "**" } else { "" };
            text.push_str(&format!(
                "| {name} | {emphasis}{}{emphasis} | {plain} | {}: {emphasis}{}{emphasis} | {} |\n",
                replay.thief,
                shape(replay),
                outcome.stolen,
                halting(outcome),
            ));
        }
    }
    text
}

fn heading(incident: &Incident) -> String {
    format!("{}, {}", incident.name, incident.when)
}

fn introduction() -> String {
    let paragraphs = [
        "Thefts that happened, replayed in the [simulation](SIMULATION.md): what the thief gets of a plain m-of-n wallet, and \
         what of a ring in its place. `make incidents` replays them and writes this file; a test compares the two. What is told \
         of each incident is what is commonly reported, and by whom; what wallets and rings lose comes out of the replays."
            .to_owned(),
        "The plain wallet executes whatever m of its n owners signed, by a call or a delegatecall \
         (`contracts/test/doubles/PlainMultisig.sol`). The ring is the real contract, with the real state machine and store at \
         each seat that the thief does not have; of its N seats all W of a window have to sign. Both hold the same treasury."
            .to_owned(),
        format!(
            "The ring may spend {} of it in {}, a turn comes {} seconds after the last at the earliest, a block every {} seconds. \
             Clients ask for something small now and then. Where no seat halts by itself, people act {} after the beginning: the \
             master forms the ring anew, or somebody halts a seat. Periods are aligned to the clock, so that time touches one \
             more than it has. Where a seat limits what the clients' key may ask for, it is to {} in an hour. After a theft the thief goes on for {}, and has to get nothing more.",
            Share::of(Staged::CAP),
            hours(Staged::PERIOD_SECONDS.into()),
            Staged::INTERVAL_SECONDS,
            Staged::BLOCK_SECONDS,
            hours(REACTION_SECONDS),
            Share::of(Staged::REQUESTER_LIMIT),
            hours(AFTERMATH_SECONDS),
        ),
        "**Bold: where the ring does not help.**".to_owned(),
    ];
    let paragraphs = paragraphs.map(|paragraph| wrapped(&paragraph, "", "") + "\n");
    format!("# Incidents\n\n{}", paragraphs.concat())
}

fn chapter(replayed: &Replayed) -> String {
    let incident = &replayed.incident;
    let (threshold, owners, attack) = incident.plain;
    let by = match attack {
        PlainAttack::Payment => "by one payment",
        PlainAttack::DelegateCall => "by one delegatecall",
    };
    let heading = format!("\n## {}\n\n", heading(incident));
    let what = format!("Reported: {} ({}). {}", incident.loss, incident.source, incident.story);
    let mut lines = vec![format!("A plain wallet, {threshold} of {owners}, loses {}, {by}.", replayed.plain)];
    lines.extend(replayed.rings().map(|(replay, outcome)| {
        format!("Against {}, a ring of {} loses {}{}.", replay.thief, shape(replay), outcome.stolen, course(outcome))
    }));
    let lines: String = lines.iter().map(|line| wrapped(line, "- ", "  ")).collect();
    let rule = wrapped(incident.rule, "", "");
    let limit = wrapped(&format!("**Where it does not help.** {}", incident.limit), "", "");
    format!("{heading}{}\n{lines}\n{rule}\n{limit}", wrapped(&what, "", ""))
}

fn shape(replay: &Replay) -> String {
    format!("N={} W={}", replay.stage.seats, replay.stage.window)
}

fn halting(outcome: Outcome) -> String {
    match outcome.halted_after {
        Some(seconds) => format!("after {seconds} s"),
        None if outcome.stolen == Share::NOTHING => "–".to_owned(),
        None => "never".to_owned(),
    }
}

fn course(outcome: Outcome) -> String {
    let refused = match outcome.refusals {
        0 => "",
        _ if outcome.stolen == Share::NOTHING => ": its seats refuse",
        _ => ", though some of its seats refuse",
    };
    let halted = match outcome.halted_after {
        Some(seconds) => format!("; {seconds} seconds later it is halted on chain"),
        None => String::new(),
    };
    format!("{refused}{halted}")
}

fn hours(seconds: u64) -> String {
    match seconds / 3_600 {
        1 => "an hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}

/// Lines of at most so many characters, as the other documents have.
const WIDTH: usize = 125;

fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let mut lines = vec![first.to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                if !line.ends_with(' ') && !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(format!("{rest}{word}")),
        }
    }
    lines.join("\n") + "\n"
}
