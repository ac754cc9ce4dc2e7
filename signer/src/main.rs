//! `ring-signer`: the enclave of a seat.

use std::{
    env,
    ffi::OsString,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use ring_signer::{
    Enclave, Listener, SigningKey, answer, bound_memory, check_client,
    config::{Config, ConfigError},
    enter_sandbox,
    guard::{Guard, GuardError},
    keep_memory_private,
    message::Answer,
};

const USAGE: &str = "\
Holds the key of a seat, and signs what its configuration allows.

Usage: ring-signer [OPTION] CONFIG

  (no option)   listens, with the key in this process
  --one-shot    listens without a key; for each question a process of its own is started, which ends with its answer
  --answer      answers the one question that comes on standard input, a socket, and ends (inetd, systemd's Accept=yes)
  --new-guard   makes the guard of a key that has signed nothing yet
  --check       opens key and guard, says whose they are, and ends
";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Listen(#[from] ring_signer::ListenError),
    #[error(transparent)]
    Sandbox(#[from] ring_signer::SandboxError),
    #[error("standard input is not a socket with a question: {0}")]
    NoQuestion(io::Error),
    #[error("{0}")]
    Stranger(String),
    #[error("it cannot start itself: {0}")]
    Itself(io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Listen,
    OneShot,
    Answer,
    NewGuard,
    Check,
}

fn main() -> ExitCode {
    let Some((mode, path)) = parse(env::args_os().skip(1).collect()) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(mode, &path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ring-signer: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: Vec<OsString>) -> Option<(Mode, PathBuf)> {
    let (mode, path) = match &arguments[..] {
        [path] => (Mode::Listen, path),
        [option, path] => {
            let mode = match option.to_str()? {
                "--one-shot" => Mode::OneShot,
                "--answer" => Mode::Answer,
                "--new-guard" => Mode::NewGuard,
                "--check" => Mode::Check,
                _ => return None,
            };
            (mode, path)
        }
        _ => return None,
    };
    let is_option = path.to_str().is_some_and(|path| path.starts_with('-'));
    (!is_option).then(|| (mode, path.into()))
}

fn run(mode: Mode, path: &Path) -> Result<(), Failure> {
    keep_memory_private()?;
    let config = Config::read(path)?;
    match mode {
        Mode::Listen => {
            let (enclave, is_here) = open(&config, false)?;
            let listener = Listener::bind(&config.socket, config.client_uid)?;
            shut_in(is_here)?;
            eprintln!("ring-signer: {} signs for ring {}", config.owner.address, config.owner.ring);
            listener.serve(move |connection| answer(connection, |question| enclave.answer(question)));
            Ok(())
        }
        Mode::OneShot => {
            // What is wrong should be known before the first question.
            drop(open(&config, true)?);
            let listener = Listener::bind(&config.socket, config.client_uid)?;
            let (program, path) = (env::current_exe().map_err(Failure::Itself)?, path.to_owned());
            eprintln!(
                "ring-signer: {} signs for ring {}, a process a question",
                config.owner.address, config.owner.ring
            );
            listener.serve(move |connection| start_for(connection, &program, &path));
            Ok(())
        }
        Mode::Answer => {
            let connection = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::NoQuestion)?;
            check_client(&connection, config.client_uid).map_err(Failure::Stranger)?;
            // The key is here from the question to its answer.
            answer(UnixStream::from(connection), |question| {
                let opened = open(&config, true).and_then(|(enclave, is_here)| shut_in(is_here).map(|()| enclave));
                match opened {
                    Ok(enclave) => enclave.answer(question),
                    Err(failure) => Answer::Unavailable { why: failure.to_string() },
                }
            });
            Ok(())
        }
        Mode::NewGuard => {
            // Not for a key that cannot be opened, or another one.
            config.open_key()?;
            Guard::create(&config.guard, &config.owner)?;
            println!("{} is the guard of {}", config.guard.display(), config.owner.address);
            Ok(())
        }
        Mode::Check => {
            drop(open(&config, true)?);
            println!(
                "{} signs for ring {} of {}",
                config.owner.address, config.owner.ring, config.owner.domain.contract
            );
            Ok(())
        }
    }
}

/// Returns whether the key is in this process's memory, too.
fn open(config: &Config, waits: bool) -> Result<(Enclave, bool), Failure> {
    let key = config.open_key()?;
    let is_here = matches!(key, SigningKey::Here(_));
    let guard = Guard::open(&config.guard, config.owner, waits)?;
    Ok((Enclave::new(config.owner, key, config.policy.clone(), guard), is_here))
}

fn shut_in(is_here: bool) -> Result<(), Failure> {
    bound_memory()?;
    // An HSM's library does what it has to, for instance speak to the HSM over a network.
    if is_here {
        enter_sandbox()?;
    }
    Ok(())
}

/// Has a process of its own answer, which has the key for as long as that takes.
fn start_for(connection: UnixStream, program: &Path, config: &Path) {
    let connection = Stdio::from(OwnedFd::from(connection));
    let child = Command::new(program).arg("--answer").arg(config).stdin(connection).stdout(Stdio::null()).spawn();
    // It has said itself what was wrong.
    if let Err(error) = child.and_then(|mut child| child.wait()) {
        eprintln!("a question was not answered: {error}");
    }
}
