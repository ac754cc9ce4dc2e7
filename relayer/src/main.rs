//! `ring-relayer`: runs one seat of a ring.

use std::{num::NonZero, process::ExitCode};

use clap::Parser;
use eyre::WrapErr as _;
use ring_relayer::{
    certificate,
    cli::{Cli, Command},
    exit::Exit,
    explain, offline,
    seat::Seat,
    service::{self, Orders},
    token,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Fails only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match runtime(cli.config.len()).and_then(|runtime| runtime.block_on(run(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::of(&error).into()
        }
    }
}

/// A thread for each seat, up to the number of processors, beside those of the drivers: with more the parts of a seat wake one
/// another across threads, which costs more than it brings. `TOKIO_WORKER_THREADS` is another number.
fn runtime(seats: usize) -> eyre::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        builder.worker_threads(seats.clamp(1, processors));
    }
    builder.enable_all().build().wrap_err("the threads of this process cannot be started")
}

async fn run(cli: Cli) -> eyre::Result<()> {
    match &cli.command {
        Command::Run { standby } => service::run(&cli.config, *standby, orders()?).await,
        Command::Init => Seat::load(cli.only_config()?).await?.init().await,
        Command::Rebuild => Seat::load(cli.only_config()?).await?.rebuild().await,
        Command::Restored => Seat::load(cli.only_config()?).await?.restored(),
        Command::Backup { out } => {
            println!("{} records are in {}", offline::backup(cli.only_config()?, out)?, out.display());
            Ok(())
        }
        Command::Resume { epoch } => Seat::load(cli.only_config()?).await?.resume(*epoch).await,
        Command::Explain { json, proof } => explain::run(cli.only_config()?, *json, proof.as_deref()),
        Command::CheckStore => {
            println!("{} records, none of them damaged", offline::check_store(cli.only_config()?)?);
            Ok(())
        }
        Command::Check => {
            println!("{}", Seat::load(cli.only_config()?).await?.report());
            Ok(())
        }
        Command::Token { name, scopes } => {
            let made = token::make(name, scopes);
            eprintln!("{}", made.entry);
            println!("{}", made.token.as_str());
            Ok(())
        }
        Command::Certificate { out_cert, out_key, names } => Ok(certificate::create(out_cert, out_key, names)?),
    }
}

/// What this process is told by signals: SIGTERM and SIGINT to stop, SIGHUP to read the configurations again.
fn orders() -> eyre::Result<Orders> {
    let stop = CancellationToken::new();
    let (reloading, reload) = watch::channel(());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let token = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => drop(reloading.send(())),
            }
        }
        token.cancel();
    });
    Ok(Orders { stop, reload })
}
