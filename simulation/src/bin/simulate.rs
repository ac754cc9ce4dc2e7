//! `simulate`: whole rings under seeded faults, until a promise breaks or all seeds are done.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use comfy_table::{Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use ring_simulation::{
    run::{self, Job, Report},
    shrink::shrink,
    world::{Broken, Cuts, Fault, Plan},
};

/// How many lines of a failing story are shown, unless asked for.
const LINES: usize = 60;

/// Lives whole rings under faults from seeds, and checks the promises throughout.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many seeds; without it as many as the time allows, or 1000
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// For how many minutes at most
    #[arg(long)]
    minutes: Option<f64>,
    /// On how many threads; without it on all processors
    #[arg(long)]
    threads: Option<usize>,
    /// Faults that do not happen, comma-separated
    #[arg(long, value_delimiter = ',')]
    without: Vec<Fault>,
    /// At most so many requests a world
    #[arg(long)]
    requests: Option<usize>,
    /// Faults for at most so many seconds a world
    #[arg(long)]
    seconds: Option<u64>,
    /// Tells the story of the first seed, with its last so many lines
    #[arg(long)]
    story: Option<usize>,
    /// Plants mistakes, one after the other, and runs until each is found, or for so many minutes each
    #[cfg(feature = "planted-bugs")]
    #[arg(long)]
    bugs: bool,
    /// Plants only this mistake of them
    #[cfg(feature = "planted-bugs")]
    #[arg(long, requires = "bugs", value_name = "NAME")]
    only: Option<String>,
    /// Does not shrink what fails
    #[arg(long)]
    whole: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cuts = Cuts {
        without: arguments.without.iter().copied().collect(),
        requests: arguments.requests,
        seconds: arguments.seconds,
    };
    // A panic is caught, and told as a broken promise.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(lines) = arguments.story {
        return tell(arguments.from, &cuts, lines);
    }
    let time = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let seeds = arguments.seeds.unwrap_or(if time.is_some() { u64::MAX } else { 1_000 });
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let job = Job { from: arguments.from, seeds, time, cuts, threads: arguments.threads.unwrap_or(processors) };
    #[cfg(feature = "planted-bugs")]
    if arguments.bugs {
        return hunt_bugs(&job, arguments.only.as_deref());
    }
    let report = run::run(&job, &progress(seeds));
    println!("{}", table(&report));
    match report.failure {
        None => ExitCode::SUCCESS,
        Some((seed, broken)) => {
            explain(seed, &job.cuts, &broken, arguments.whole);
            ExitCode::FAILURE
        }
    }
}

fn progress(seeds: u64) -> ProgressBar {
    let (bar, template) = match seeds {
        u64::MAX => (ProgressBar::no_length(), "{spinner} {pos} schedules, {per_sec}, {elapsed}"),
        seeds => (ProgressBar::new(seeds), "{wide_bar} {pos}/{len} schedules, {per_sec}, {eta} left"),
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn table(report: &Report) -> Table {
    let seconds = report.time.as_secs_f64().max(0.001);
    let counts = &report.counts;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut row = |what: &str, count: u64| {
        table.add_row([what.to_owned(), count.to_string(), format!("{:.0} a second", count as f64 / seconds)]);
    };
    row("schedules", counts.worlds);
    row("lived twice, with the same story", report.twice);
    row("happenings", counts.happenings);
    row("steps of state machines", counts.steps);
    row("transactions of stores", counts.commits);
    row("blocks", counts.blocks);
    row("turns executed", counts.turns);
    row("refusals by seats", counts.refusals);
    for (fault, count) in &counts.faults {
        row(fault, *count);
    }
    table
}

fn tell(seed: u64, cuts: &Cuts, lines: usize) -> ExitCode {
    let plan = Plan::of(seed).cut(cuts);
    println!("{plan}");
    let ending = run::live(plan, true);
    show(&ending.story, lines);
    match ending.broken {
        None => ExitCode::SUCCESS,
        Some(broken) => {
            println!("BROKEN: {} — {}", broken.promise, broken.what);
            ExitCode::FAILURE
        }
    }
}

fn show(story: &[String], lines: usize) {
    for line in story.iter().skip(story.len().saturating_sub(lines)) {
        println!("  {line}");
    }
}

fn explain(seed: u64, cuts: &Cuts, broken: &Broken, whole: bool) {
    println!("\nseed {seed} breaks a promise: {} — {}", broken.promise, broken.what);
    let cuts = if whole { cuts.clone() } else { shrink(seed, cuts, broken.promise) };
    let plan = Plan::of(seed).cut(&cuts);
    println!("{plan}");
    let ending = run::live(plan, true);
    show(&ending.story, LINES);
    let mut command = format!("simulate --from {seed} --story {LINES}");
    if !cuts.without.is_empty() {
        let names: Vec<&str> = cuts.without.iter().map(|fault| fault.name()).collect();
        command.push_str(&format!(" --without {}", names.join(",")));
    }
    if let Some(requests) = cuts.requests {
        command.push_str(&format!(" --requests {requests}"));
    }
    if let Some(seconds) = cuts.seconds {
        command.push_str(&format!(" --seconds {seconds}"));
    }
    println!("\nAgain: {command}");
}

#[cfg(feature = "planted-bugs")]
fn hunt_bugs(job: &Job, only: Option<&str>) -> ExitCode {
    use ring_core::Bug;
    use ring_simulation::bugs::hunt;

    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "mistake",
        "what is wrong",
        "promise broken",
        "seed",
        "seeds tried",
        "seconds",
    ]);
    let mut all_found = true;
    for bug in Bug::ALL.iter().filter(|bug| only.is_none_or(|only| format!("{bug:?}") == only)) {
        let hunt = hunt(*bug, job);
        let (promise, seed) = match &hunt.found {
            Some((seed, broken)) => (broken.promise.to_string(), seed.to_string()),
            None => ("NOT FOUND".to_owned(), String::new()),
        };
        all_found &= hunt.found.is_some();
        eprintln!("{bug:?}: {promise} after {} seeds, {:.1} s", hunt.seeds, hunt.time.as_secs_f64());
        let seconds = format!("{:.1}", hunt.time.as_secs_f64());
        table.add_row([format!("{bug:?}"), bug.words().to_owned(), promise, seed, hunt.seeds.to_string(), seconds]);
    }
    println!("{table}");
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
