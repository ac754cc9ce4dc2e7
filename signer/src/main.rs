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
    Connection, Enclave, Listener, SigningKey, accepted, answer, bound_memory,
    config::{Config, ConfigError},
    enter_sandbox,
    guard::{Guard, GuardError},
    harden,
    message::{Answer, MessageError},
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
    harden()?;
    let config = Config::read(path)?;
    match mode {
        Mode::Listen => {
            let key = config.open_key()?;
            config.let_unlock(&key)?;
            let (enclave, is_here) = with_guard(&config, key, false)?;
            let listener = Listener::bind(&config.listen)?;
            shut_in(is_here)?;
            eprintln!("ring-signer: {} signs for ring {}", config.owner.address, config.owner.ring);
            listener.serve(move |connection| answer(connection, |question| enclave.answer(question)));
            Ok(())
        }
        Mode::OneShot => {
            config.check_one_shot()?;
            // What is wrong should be known before the first question.
            drop(open(&config, true)?);
            let listener = Listener::bind(&config.listen)?;
            let (program, path) = (env::current_exe().map_err(Failure::Itself)?, path.to_owned());
            eprintln!(
                "ring-signer: {} signs for ring {}, a process a question",
                config.owner.address, config.owner.ring
            );
            listener.serve(move |connection| start_for(connection, &program, &path));
            Ok(())
        }
        Mode::Answer => {
            config.check_one_shot()?;
            let connection = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::NoQuestion)?;
            // The key is here from the question to its answer.
            answer(accepted(connection, &config.listen)?, |question| {
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

fn open(config: &Config, waits: bool) -> Result<(Enclave, bool), Failure> {
    with_guard(config, config.open_key()?, waits)
}

/// Returns whether the key is in this process's memory, too.
fn with_guard(config: &Config, key: SigningKey, waits: bool) -> Result<(Enclave, bool), Failure> {
    let is_here = key.is_here();
    let guard = Guard::open(&config.guard, config.owner, waits)?;
    Ok((Enclave::new(config.owner, key, config.policy.clone(), guard), is_here))
}

fn shut_in(is_here: bool) -> Result<(), Failure> {
    bound_memory()?;
    // Whoever else has the key has to be reached: an HSM's library and a service's do what they have to, and nobody can say what.
    if is_here {
        enter_sandbox()?;
    }
    Ok(())
}

/// Has a process of its own answer, which has the key for as long as that takes.
fn start_for(connection: Connection, program: &Path, config: &Path) {
    let answered = match connection {
        Connection::Plain(stream) => answer_by_child(stream.into_inner(), program, config).map_err(MessageError::from),
        #[cfg(feature = "tls")]
        mut connection => pass_on(&mut connection, program, config),
    };
    // Of what went wrong in the child it has spoken itself.
    if let Err(error) = answered {
        eprintln!("a question was not answered: {error}");
    }
}

fn answer_by_child(connection: UnixStream, program: &Path, config: &Path) -> io::Result<()> {
    let connection = Stdio::from(OwnedFd::from(connection));
    let child = Command::new(program).arg("--answer").arg(config).stdin(connection).stdout(Stdio::null()).spawn();
    child?.wait().map(drop)
}

/// TLS stays with this process. What the child needs of it is the question, once there is one: strangers start no processes.
#[cfg(feature = "tls")]
fn pass_on(connection: &mut Connection, program: &Path, config: &Path) -> Result<(), MessageError> {
    use std::io::Write as _;

    use ring_signer::{PATIENCE, message};

    let question = message::read_json(connection.within(PATIENCE));
    let question = match question.and_then(|json| message::with_length(&json)) {
        Ok(question) => question,
        Err(MessageError::Connection(error)) => return Err(error.into()),
        Err(error) => return message::write(connection.within(PATIENCE), &Answer::Refused { why: error.to_string() }),
    };
    let (mut ours, theirs) = UnixStream::pair()?;
    let answered = std::thread::scope(|scope| {
        let child = scope.spawn(move || answer_by_child(theirs, program, config));
        ours.write_all(&question)?;
        let answered = message::read_json(&mut ours);
        child.join().unwrap_or_else(|_| Err(io::Error::other("the thread of its process ended")))?;
        answered
    })?;
    let connection = connection.within(PATIENCE);
    connection.write_all(&message::with_length(&answered)?)?;
    Ok(connection.flush()?)
}
