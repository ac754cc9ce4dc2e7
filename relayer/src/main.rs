//! `ring-relayer`: runs one seat of a ring.

use std::process::ExitCode;

use clap::Parser;
use ring_relayer::{
    certificate,
    cli::{Cli, Command},
    explain,
    seat::Seat,
};
use tokio::signal::unix::{SignalKind, signal};
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
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> eyre::Result<()> {
    match cli.command {
        Command::Run => Seat::load(&cli.config).await?.run(cancelled_by_signal()?).await,
        Command::Init => Seat::load(&cli.config).await?.init().await,
        Command::Resume { epoch } => Seat::load(&cli.config).await?.resume(epoch).await,
        Command::Explain { json, proof } => explain::run(&cli.config, json, proof.as_deref()),
        Command::CheckStore => {
            println!("{} records, none of them damaged", explain::check_store(&cli.config)?);
            Ok(())
        }
        Command::Check => {
            println!("{}", Seat::load(&cli.config).await?.report());
            Ok(())
        }
        Command::Certificate { out_cert, out_key, names } => Ok(certificate::create(&out_cert, &out_key, &names)?),
    }
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
