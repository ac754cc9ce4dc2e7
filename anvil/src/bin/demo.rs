//! `demo`: a chain, a contract, a ring of relayers, many orders, a theft and its end, in one command.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use eyre::{Result, WrapErr, eyre};
use ring_anvil::{
    Custody, Programs,
    demo::{self, Plan, Report, Stage, View},
    install_tls, programs,
};
use tokio::signal::unix::{SignalKind, signal};

/// Pays orders through a ring on a development chain, has keys stolen meanwhile, and shows that every order is paid
/// exactly once and what the thief gets.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// N: how many seats the ring has
    #[arg(long, default_value_t = 3)]
    n: usize,
    /// W: how many of them may sign a turn; so many keys are stolen
    #[arg(long, default_value_t = 2)]
    w: usize,
    /// Q: how many of the window must sign [default: W]
    #[arg(long)]
    q: Option<usize>,
    /// How many orders are paid
    #[arg(long, default_value_t = 240)]
    orders: u64,
    /// How the seats hold their keys, around the ring: keystore, hsm (SoftHSM 2), enclave, one-shot
    #[arg(long, value_delimiter = ',')]
    keys: Vec<Custody>,
    /// Leave everything running at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Where everything is written; made anew at each start [default: target/demo]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    install_tls();
    // Whichever comes first: what is dropped then takes its processes with it.
    let outcome = tokio::select! {
        biased;
        outcome = show(arguments) => outcome,
        signal = stopped() => signal.and_then(|name| Err(eyre!("stopped by {name}: every process that was started has ended"))),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show(arguments: Arguments) -> Result<ExitCode> {
    let programs = Programs::find()?;
    let folder = match arguments.folder {
        Some(folder) => folder,
        None => programs::build_folder()?.parent().ok_or_else(|| eyre!("there is no target folder"))?.join("demo"),
    };
    let plan = Plan {
        seats: arguments.n,
        window: arguments.w,
        quorum: arguments.q.unwrap_or(arguments.w),
        orders: arguments.orders,
        custody: arguments.keys,
        folder: folder.clone(),
    };
    plan.check()?;
    let view = View::new();
    let stage = Stage::set(plan, &programs, &view).await;
    let stage = stage.wrap_err_with(|| format!("the ring could not be set up in {}", folder.display()))?;
    let (report, stage) = demo::run(stage, &view)
        .await
        .wrap_err_with(|| format!("the demonstration failed (the logs are in {})", folder.display()))?;
    println!("\n{}", report.in_words());
    println!("the figures are in {}", stage.plan.folder.join("report.json").display());
    let code = verdict(&report);
    if arguments.keep {
        println!("\n{}", what_to_play_with(&stage));
        stopped().await?;
    }
    Ok(code)
}

fn verdict(report: &Report) -> ExitCode {
    let broken: Vec<_> = report.checks().into_iter().filter(|check| !check.kept).collect();
    for check in &broken {
        eprintln!("BROKEN: {}", check.promise);
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn what_to_play_with(stage: &Stage) -> String {
    let Stage { chain, keys, deployment, ring, requester, plan, .. } = stage;
    let command = keys.program().display();
    let contract = deployment.domain.contract;
    let mut lines = vec![
        "Everything is still running, until Ctrl-C:".to_owned(),
        format!("  chain     {}  (chain id {})", chain.http(), deployment.domain.chain_id),
        format!("  contract  {contract}"),
        format!("  token     {}", deployment.token),
        format!("  files     {}", plan.folder.display()),
    ];
    for seat in ring.seats() {
        lines.push(format!("  seat {}    {}  log {}", seat.index(), seat.url(), seat.log().display()));
    }
    let first = ring.seats().first().map(|seat| seat.url()).unwrap_or_default();
    lines.push("\nTo play with:".to_owned());
    lines.push(format!("  export RING_RPC={} RING_CONTRACT={contract}", chain.http()));
    lines.push(format!("  {command} status"));
    lines.push(format!("  {command} ring show --ring {}", demo::RING));
    lines.push(format!("  curl -s {first}/v1/health"));
    lines.push(format!("  curl -sN {first}/v1/events"));
    lines.push(format!(
        "  {command} request --relayer {first} --ring {} --pay {} --to 0x00000000000000000000000000000000000000aa \\\n    \
         --amount 1tokens --keystore {} --password-file {} --wait",
        demo::RING,
        deployment.token,
        requester.keystore.display(),
        requester.password_file.display()
    ));
    lines.join("\n")
}

/// Waits for a signal to stop, and says which it was.
async fn stopped() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).wrap_err("signals cannot be received")?;
    let mut terminate = signal(SignalKind::terminate()).wrap_err("signals cannot be received")?;
    let mut hang_up = signal(SignalKind::hangup()).wrap_err("signals cannot be received")?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
        _ = hang_up.recv() => "SIGHUP",
    })
}
