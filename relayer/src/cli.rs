//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use eyre::eyre;

use crate::http::Scope;

/// With which codes the process ends.
const CODES: &str = "Exit codes:
   0  done, or told to stop
   1  another failure
   2  wrong command line
  65  the store is damaged: stop this seat, keep the file, have the key revoked
  66  there is no store where it should be
  69  the chain does not answer, its nodes contradict each other, or they serve another
  74  the store could not be written or read
  75  another process of this seat has the store
  78  configuration, key, certificate or place of the store are wrong: trying again does not help";

/// Runs one seat of a ring.
#[derive(Debug, Parser)]
#[command(name = "ring-relayer", version, propagate_version = true, after_help = CODES)]
pub struct Cli {
    /// The configuration of a seat. `run` takes several, of different rings: it runs them all in one process.
    #[arg(
        long,
        value_name = "FILE",
        env = "RING_RELAYER_CONFIG",
        value_delimiter = ',',
        default_value = "ring-relayer.toml",
        global = true
    )]
    pub config: Vec<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The one configuration that this is about.
    ///
    /// # Errors
    /// There are several.
    pub fn only_config(&self) -> eyre::Result<&Path> {
        match &self.config[..] {
            [config] => Ok(config),
            several => Err(eyre!("{} configurations are given, and only `run` takes more than one", several.len())),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work, until told to stop.
    Run {
        /// While another process of this seat has the store: wait, and take over when it ends, instead of refusing.
        #[arg(long)]
        standby: bool,
    },
    /// Start for the first time ever: create the store of this seat.
    ///
    /// Only once in a seat's life. A seat whose store is lost has forgotten what it signed: `rebuild`, or revoke its key.
    Init,
    /// Make the store of a seat anew from the chain, after its store was lost.
    ///
    /// Reads every turn there ever was, so that nothing that was paid is paid again. The seat has forgotten what its key signed:
    /// it stays halted until the master raises the epoch, and you `resume` it there.
    Rebuild,
    /// Copy the store into a new file, as a backup. Its process must not run; of a PostgreSQL take a dump.
    ///
    /// The copy halts any seat that is started from it: see `restored`.
    Backup {
        /// The file to make.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say that the store was put back from a backup or a snapshot.
    ///
    /// The seat does not know what its key signed since: it stays halted until the master raises the epoch, and you `resume` it
    /// there.
    Restored,
    /// Let a halted seat go on, after the master has resumed the ring on chain and you have found out why it halted.
    Resume {
        /// The epoch to take part in, as the master announced it.
        #[arg(long)]
        epoch: u32,
    },
    /// Tell why this seat halted, what it knew then, and what to do. Its process must not run; while it runs, GET /v1/halt does
    /// the same.
    Explain {
        /// For programs.
        #[arg(long)]
        json: bool,
        /// Where to write the two signatures of a key that signed two contents, for `ring-keys prove`.
        #[arg(long, value_name = "FILE")]
        proof: Option<PathBuf>,
    },
    /// Read the whole store and find out whether any record of it is damaged. Its process must not run.
    CheckStore,
    /// Check the configuration, the key and the chain, print what is found, and change nothing.
    Check,
    /// Make a TLS certificate for this seat, to be pinned by the others.
    Certificate {
        /// Where to write the certificate; give this file to the other seats.
        #[arg(long, value_name = "FILE")]
        out_cert: PathBuf,
        /// Where to write its private key.
        #[arg(long, value_name = "FILE")]
        out_key: PathBuf,
        /// A host name or IP address at which the other seats reach this one; several may be given.
        #[arg(long = "name", value_name = "HOST", required = true, num_args = 1..)]
        names: Vec<String>,
    },
    /// Make a token for a client of the HTTP interface.
    ///
    /// The token goes to the standard output, once: nothing keeps it. What belongs into the configuration goes to the standard
    /// error, and holds only its hash.
    Token {
        /// Whose it is, for logs and messages.
        #[arg(long)]
        name: String,
        /// What it is for; several may be given.
        #[arg(long = "scope", value_name = "SCOPE", required = true, num_args = 1.., value_parser = scope)]
        scopes: Vec<Scope>,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    let names = || Scope::ALL.map(Scope::name).join(", ");
    Scope::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| format!("there are {}", names()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_is_named_before_or_after_the_command() {
        for line in ["ring-relayer --config a.toml run", "ring-relayer run --config a.toml"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.only_config().unwrap(), Path::new("a.toml"));
            assert!(matches!(cli.command, Command::Run { standby: false }));
        }
    }

    #[test]
    fn a_process_waits_only_if_it_is_told_to() {
        let cli = parse("ring-relayer run --standby").unwrap();
        assert!(matches!(cli.command, Command::Run { standby: true }));
    }

    #[test]
    fn only_run_takes_several_configurations() {
        let cli = parse("ring-relayer run --config a.toml --config b.toml").unwrap();
        assert_eq!(cli.config, ["a.toml", "b.toml"].map(PathBuf::from));
        assert!(cli.only_config().unwrap_err().to_string().contains("2 configurations"));
    }

    #[test]
    fn resuming_needs_the_epoch() {
        assert!(parse("ring-relayer resume").is_err());
        assert!(matches!(parse("ring-relayer resume --epoch 3").unwrap().command, Command::Resume { epoch: 3 }));
    }

    #[test]
    fn a_token_is_for_scopes_that_there_are() {
        let cli = parse("ring-relayer token --name shop --scope submit read").unwrap();
        let Command::Token { scopes, .. } = cli.command else { panic!("{cli:?}") };
        assert_eq!(scopes, [Scope::Submit, Scope::Read]);
        for line in ["ring-relayer token --name shop", "ring-relayer token --name shop --scope all"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_certificate_takes_several_names() {
        let cli = parse("ring-relayer certificate --out-cert a --out-key b --name one two --name three").unwrap();
        let Command::Certificate { names, .. } = cli.command else { panic!("{cli:?}") };
        assert_eq!(names, ["one", "two", "three"]);
        assert!(parse("ring-relayer certificate --out-cert a --out-key b").is_err());
    }
}
