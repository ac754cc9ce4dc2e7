//! `ring-relayer`: runs one seat of a ring.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use eyre::WrapErr as _;
use futures::future::try_join_all;
use ring_relayer::{
    certificate,
    cli::{Cli, Command},
    exit::Exit,
    explain,
    metrics::Metrics,
    offline,
    seat::Seat,
    token,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Fails only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::of(&error).into()
        }
    }
}

async fn run(cli: Cli) -> eyre::Result<()> {
    match &cli.command {
        Command::Run { standby } => run_seats(&cli.config, *standby).await,
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

/// Runs all seats until told to stop. If one of them fails all stop: whoever watches the process starts it again.
async fn run_seats(configs: &[PathBuf], standby: bool) -> eyre::Result<()> {
    let (metrics, cancel) = (Metrics::default(), cancelled_by_signal()?);
    let seats = try_join_all(configs.iter().map(|config| load(config)));
    let mut running = JoinSet::new();
    for (config, seat) in configs.iter().zip(seats.await?) {
        let (metrics, cancel, config) = (metrics.clone(), cancel.clone(), config.clone());
        match standby {
            false => running.spawn(seat.run(metrics, cancel)),
            true => running.spawn(async move {
                // What was checked is checked again when it counts; the key is not kept meanwhile.
                let waiting = seat.stand_by();
                match waiting.until_held(&cancel).await.wrap_err_with(|| config.display().to_string())? {
                    Some(held) => load(&config).await?.run_with(held, metrics, cancel).await,
                    None => Ok(()),
                }
            }),
        };
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        cancel.cancel();
        outcome = outcome.and(ended?);
    }
    outcome
}

async fn load(config: &Path) -> eyre::Result<Seat> {
    Seat::load(config).await.wrap_err_with(|| config.display().to_string())
}

fn cancelled_by_signal() -> eyre::Result<CancellationToken> {
    let cancel = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(cancel)
}
