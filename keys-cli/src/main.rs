//! `ring-keys`: the command of the master and the operators.

use std::process::ExitCode;

use clap::Parser;
use ring_keys::{cli::Cli, error::Error, output::tell, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The HTTP client comes without a TLS provider of its own. Only who was first matters, so a second is no failure.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Output)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
