//! `bench`: measures a ring of relayers beside a lone sender, on one machine, in one run.

mod bench;
mod figure;
mod history;
mod lone;
mod machine;
mod measure;
mod miner;
mod orders;
mod pay;
mod post;
mod report;
mod show;
mod turns;
mod watch;
mod world;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use eyre::{Result, WrapErr, ensure, eyre};
use ring_anvil::{Programs, folder, install_tls, programs};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    bench::{Bench, Measure},
    machine::Machine,
    report::Report,
    show::Show,
};

/// Measures a ring of relayers beside a lone sender. Figures that miss what they must be are said, and are no failure; a
/// measurement that does not work is.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// What to measure, with spaces between [default: everything]
    #[arg(long, value_enum, value_delimiter = ' ')]
    only: Vec<Measure>,
    /// How many runs make a figure
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Where the document is written, if everything is measured
    #[arg(long, value_name = "FILE", default_value = "docs/BENCH.md")]
    document: PathBuf,
    /// Where the figures are written [default: bench.json in the build folder]
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    install_tls();
    // Whichever comes first: what is dropped then takes its processes with it.
    let outcome = tokio::select! {
        biased;
        outcome = run(arguments) => outcome,
        signal = stopped() => signal.and_then(|name| Err(eyre!("stopped by {name}: every process that was started has ended"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    ensure!(arguments.runs > 0, "--runs 0: a figure needs at least one run");
    let built = programs::build_folder()?;
    let target = built.parent().ok_or_else(|| eyre!("there is no target folder"))?;
    let folder = folder::make_new(&target.join("bench"))?;
    let bench = Bench { programs: Programs::find()?, folder, runs: arguments.runs, show: Show::new() };
    let machine = Machine::look(&bench.programs.anvil, &bench.folder).await?;
    let chosen = |measure: &&Measure| arguments.only.is_empty() || arguments.only.contains(measure);
    let mut sections = Vec::new();
    for measure in Measure::all().iter().filter(chosen) {
        let name = measure.name();
        bench.show.say(format!("measuring {name}"));
        let measured = measure.measure(&bench).await;
        sections.extend(
            measured.wrap_err_with(|| {
                format!("{name} could not be measured (the logs are in {})", bench.folder.display())
            })?,
        );
    }
    bench.show.end();
    let seconds = bench.show.elapsed().as_secs();
    let report = Report { machine, runs: bench.runs, seconds, sections };
    println!("{}", report.in_words());
    let figures = arguments.figures.unwrap_or_else(|| target.join("bench.json"));
    report.write_json(&figures)?;
    println!("the figures are in {}", figures.display());
    match arguments.only.is_empty() {
        true => {
            report.write_document(&arguments.document)?;
            println!("and in {}", arguments.document.display());
        }
        false => println!("{} is as it was: it is written when everything is measured", arguments.document.display()),
    }
    for miss in report.misses() {
        println!("MISSED: {} is {} {}", miss.name, figure::number(miss.median()), miss.unit);
    }
    Ok(())
}

/// Waits for a signal to stop, and says which it was.
async fn stopped() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).wrap_err("signals cannot be received")?;
    let mut terminate = signal(SignalKind::terminate()).wrap_err("signals cannot be received")?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}
