//! `incidents`: replays thefts that happened against a plain wallet and against rings.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use ring_simulation::incidents::{Incident, all, document, table};

/// Replays thefts that happened, and says what the thief gets of a plain wallet and what of a ring.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Writes what came of it into this file
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Only says whether the file is what would be written
    #[arg(long, requires = "document")]
    check: bool,
}

fn main() -> ExitCode {
    let Arguments { document: file, check } = Arguments::parse();
    let replayed: Vec<_> = all().into_iter().map(Incident::replay).collect();
    print!("{}", table(&replayed));
    let Some(file) = file else { return ExitCode::SUCCESS };
    let written = document(&replayed);
    let done = match check {
        true => fs::read_to_string(&file).map(|found| found == written),
        false => fs::write(&file, written).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("{} is not what the replays say: run \"make incidents\"", file.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}
