//! The arguments of ceremonies.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

use alloy::primitives::Address;
use clap::{ArgGroup, Args, Subcommand};

use crate::cli::parse_address;

/// What can be gone through.
#[derive(Debug, Subcommand)]
pub enum CeremonyCommand {
    /// Keys, contract, rings and rules, until the chain is what a description says
    FirstDeployment(FirstDeploymentArgs),
    /// Keys of a ring are stolen, or for a drill said to be: halt, revoke, form the ring anew, let the seats go on
    CompromiseDrill(CompromiseDrillArgs),
    /// The master's key is gone: hand over with a copy of it, or without one pay out what the rings still can
    MasterLost(MasterLostArgs),
}

/// How a ceremony is held.
#[derive(Clone, Debug, Args)]
pub struct ProceedingArgs {
    /// The record: a file that only grows, made if it is not there. With the same one the ceremony is taken up where it
    /// was left
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
    /// Who is there, for the record; again for each
    #[arg(long, value_name = "NAME", required = true)]
    pub present: Vec<String>,
    /// Where the files between the machines are
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
    /// What the master's `sign` has: "--keystore FILE", "--ledger", "--trezor" …
    #[arg(long, value_name = "OPTIONS", default_value = "--keystore master.json", allow_hyphen_values = true)]
    pub sign_with: Options,
    /// What those commands have that send a transaction and pay for it
    #[arg(long, value_name = "OPTIONS", default_value = "--keystore deployer.json", allow_hyphen_values = true)]
    pub pay_with: Options,
    /// What those commands have that the guardian gives
    #[arg(long, value_name = "OPTIONS", default_value = "--keystore guardian.json", allow_hyphen_values = true)]
    pub guard_with: Options,
    /// Only Anvil with its own chain id is taken, on which nothing that is signed is good anywhere else; `run` runs all
    /// steps here
    #[arg(long)]
    pub rehearsal: bool,
    /// Only print the steps that are left
    #[arg(long)]
    pub agenda: bool,
}

/// Options of a command, with spaces between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options(Vec<String>);

impl FromStr for Options {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split_whitespace().map(str::to_owned).collect()))
    }
}

impl Options {
    /// One by one.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What is to be deployed.
#[derive(Debug, Args)]
pub struct FirstDeploymentArgs {
    /// What the contract is to be, with [deployment]; docs/contract.example.toml explains it
    #[arg(long, value_name = "FILE")]
    pub description: PathBuf,
    /// How.
    #[command(flatten)]
    pub how: ProceedingArgs,
}

/// Which keys are stolen, and what takes their place.
#[derive(Debug, Args)]
pub struct CompromiseDrillArgs {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// A key that is stolen; again for each
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = parse_address)]
    pub stolen: Vec<Address>,
    /// The key that takes its seat; again for each, in the same order
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = parse_address)]
    pub new: Vec<Address>,
    /// How.
    #[command(flatten)]
    pub how: ProceedingArgs,
}

/// What is left without the master's key.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["successor", "to"]))]
pub struct MasterLostArgs {
    /// There is a copy of the key: who is to be master
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub successor: Option<Address>,
    /// What the successor's `sign` has
    #[arg(long, value_name = "OPTIONS", default_value = "--keystore successor.json", allow_hyphen_values = true)]
    pub accept_with: Options,
    /// There is no copy: the contract of another master to which the rings pay out what they can
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub to: Option<Address>,
    /// How.
    #[command(flatten)]
    pub how: ProceedingArgs,
}
