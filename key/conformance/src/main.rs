//! `signers`: runs one suite against every way to hold a seat's key, each with the real thing behind it, prints what it found
//! and writes `signers.json`. What is not on this machine is reported as not run, never as passed; of two services that nobody can
//! have on a machine of one's own the suite has stand-ins, and says so.

mod keeper;
mod proxy;
mod report;
mod stand_in;
mod suite;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use eyre::{Result, WrapErr as _};

use crate::{
    keeper::{AzureKv, ENCLAVES, Enclave, Form, GcpKms, Keystore, Memory, Missing, Moto, SEATS, SoftHsm, Vault},
    report::{Entry, Report},
};

/// Runs the suite. Fails if a way to hold a key does, not if it cannot be run here.
#[derive(Debug, Parser)]
#[command(name = "signers", version)]
struct Arguments {
    /// Where the figures are written
    #[arg(long, value_name = "FILE", default_value = "target/signers.json")]
    figures: PathBuf,
    /// The server of OpenBao or Vault; without it those are not run
    #[arg(long, value_name = "PROGRAM")]
    bao: Option<PathBuf>,
    /// A Python that has moto; without it AWS KMS is not run
    #[arg(long, value_name = "PROGRAM")]
    moto: Option<PathBuf>,
    /// The library of SoftHSM 2; without it PKCS#11 is not run
    #[arg(long, value_name = "FILE")]
    softhsm: Option<PathBuf>,
    /// Which ways, by name; without it all
    only: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // Fails only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool> {
    let is_wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let mut report = Report::default();
    if is_wanted("keystore") {
        report.add("keystore", entry("keystore", Keystore::start()).await);
    }
    for (name, threshold) in [("memory", None), ("split", Some(3))] {
        if is_wanted(name) {
            report.add(name, entry(name, Memory::start(threshold).await).await);
        }
    }
    if is_wanted("pkcs11") {
        report.add("pkcs11", entry("pkcs11", SoftHsm::start(arguments.softhsm.as_deref(), SEATS)).await);
    }
    if is_wanted("aws_kms") {
        report.add("aws_kms", entry("aws_kms", Moto::start(arguments.moto.as_deref()).await).await);
    }
    if is_wanted("gcp_kms") {
        report.add("gcp_kms", entry("gcp_kms", GcpKms::start().await).await);
    }
    if is_wanted("azure_kv") {
        report.add("azure_kv", entry("azure_kv", AzureKv::start().await).await);
    }
    for (name, wrapped) in [("vault", false), ("vault_transit", true)] {
        if is_wanted(name) {
            report.add(name, entry(name, Vault::start(arguments.bao.as_deref(), wrapped).await).await);
        }
    }
    for (name, form) in [
        ("enclave", Form::Running),
        ("enclave_one_shot", Form::OneShot),
        ("enclave_tls", Form::Tls),
        ("enclave_vsock", Form::Vsock),
    ] {
        if is_wanted(name) {
            report.add(name, entry(name, Enclave::start(form).await).await);
        }
    }
    // Keys that others keep, behind it.
    if is_wanted("enclave_pkcs11") {
        let enclave = match SoftHsm::start(arguments.softhsm.as_deref(), ENCLAVES) {
            Ok(token) => Enclave::start(Form::Pkcs11(token)).await,
            Err(missing) => Err(missing),
        };
        report.add("enclave_pkcs11", entry("enclave_pkcs11", enclave).await);
    }
    if is_wanted("enclave_vault") {
        let enclave = match Vault::start(arguments.bao.as_deref(), false).await {
            Ok(vault) => Enclave::start(Form::Vault(Box::new(vault))).await,
            Err(missing) => Err(missing),
        };
        report.add("enclave_vault", entry("enclave_vault", enclave).await);
    }
    println!("{report}");
    report.write(&arguments.figures).wrap_err_with(|| format!("{} cannot be written", arguments.figures.display()))?;
    Ok(report.is_good())
}

async fn entry<K: keeper::Keeper>(name: &str, started: Result<K, Missing>) -> Entry {
    match started {
        Ok(keeper) => {
            eprintln!("{name}: {}", keeper.real());
            suite::run(keeper).await
        }
        Err(Missing(why)) => Entry::not_run(&why),
    }
}
