//! The real process, and connections to it.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use alloy::primitives::{B256, Signature};
use ring_contracts::{SignedRequest, Turn};
use ring_signer::message::{self, Answer, Question};
use tempfile::TempDir;

use crate::{DOMAIN, GWEI, RING, TOKEN, key};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ring-signer");
/// Longer than anything here takes: whoever waits so long waits for ever.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

/// How it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Unix,
    #[cfg(feature = "tls")]
    Tls,
}

impl Way {
    pub(crate) const ALL: &[Self] = &[
        Self::Unix,
        #[cfg(feature = "tls")]
        Self::Tls,
    ];
}

pub(crate) trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

/// A process that ends with this.
pub(crate) struct Enclave {
    folder: TempDir,
    one_shot: bool,
    process: Option<Child>,
    way: Way,
    #[cfg(feature = "tls")]
    pub(crate) port: std::net::SocketAddr,
}

impl Enclave {
    pub(crate) fn new(way: Way, one_shot: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Self {
            folder,
            one_shot,
            process: None,
            way,
            #[cfg(feature = "tls")]
            port: crate::tls::free_port(),
        };
        enclave.write_secret("key", &format!("{}\n", "11".repeat(32)));
        let listen = match way {
            Way::Unix => format!("socket = \"sock\"\nclient_uid = {}", rustix::process::getuid().as_raw()),
            #[cfg(feature = "tls")]
            Way::Tls => crate::tls::listen(&enclave),
        };
        enclave.configure(&listen, "key_file = \"key\"");
        assert!(enclave.run("--new-guard").status.success());
        enclave
    }

    pub(crate) fn configure(&self, listen: &str, source: &str) {
        let text = format!(
            r#"
            guard = "guard"
            chain_id = {}
            contract = "{}"
            ring = {RING}
            [listen]
            {listen}
            [policy]
            main_asset = "{TOKEN}"
            requesters = ["{}"]
            max_fee = "{}"
            spend = [{{ asset = "{TOKEN}", max_amount = "100", per_day = "250" }}]
            [key]
            address = "{}"
            {source}
            "#,
            DOMAIN.chain_id,
            DOMAIN.contract,
            key(2).address(),
            200_000 * GWEI,
            key(0x11).address(),
        );
        fs::write(self.path("signer.toml"), text).unwrap();
    }

    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn started(way: Way, one_shot: bool) -> Self {
        let mut enclave = Self::new(way, one_shot);
        enclave.start();
        enclave
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, option: &str) -> Output {
        Command::new(PROGRAM).arg(option).arg(self.path("signer.toml")).output().unwrap()
    }

    /// What a process says that is to answer a question that comes over this.
    pub(crate) fn answers(&self, connection: impl Into<Stdio>) -> Result<String, String> {
        let mut command = Command::new(PROGRAM);
        let output = command.arg("--answer").arg(self.path("signer.toml")).stdin(connection).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new(PROGRAM);
        if self.one_shot {
            command.arg("--one-shot");
        }
        self.process = Some(command.arg(self.path("signer.toml")).stderr(Stdio::null()).spawn().unwrap());
        while !self.listens() {
            assert!(self.process.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended");
            thread::yield_now();
        }
    }

    fn listens(&self) -> bool {
        match self.way {
            Way::Unix => UnixStream::connect(self.path("sock")).is_ok(),
            #[cfg(feature = "tls")]
            Way::Tls => std::net::TcpStream::connect(self.port).is_ok(),
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// All its threads have the filter, and can gain no privileges.
    pub(crate) fn is_shut_in(&self) {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        // One that has answered may end meanwhile.
        let statuses = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok());
        for status in statuses {
            assert!(has(&status, "Seccomp: 2") && has(&status, "NoNewPrivs: 1"), "{status}");
        }
    }

    /// As the relayer does it.
    pub(crate) fn connect(&self) -> Box<dyn Connection> {
        match self.way {
            Way::Unix => {
                let connection = UnixStream::connect(self.path("sock")).unwrap();
                connection.set_read_timeout(Some(FOR_EVER)).unwrap();
                Box::new(connection)
            }
            #[cfg(feature = "tls")]
            Way::Tls => Box::new(crate::tls::connect(self, "client")),
        }
    }

    pub(crate) fn ask(&self, question: &Question) -> Answer {
        let mut connection = self.connect();
        message::write(&mut connection, question).unwrap();
        message::read(&mut connection).unwrap()
    }

    /// Whether it signs, and that what it signs is this.
    pub(crate) fn signs(&self, question: &Question, digest: B256) -> bool {
        match self.ask(question) {
            Answer::Signature { signature } => {
                let signature = Signature::from_raw_array(&signature.0).unwrap();
                assert!(signature.normalize_s().is_none());
                assert_eq!(signature.recover_address_from_prehash(&digest).unwrap(), key(0x11).address());
                true
            }
            Answer::Refused { .. } | Answer::Unavailable { .. } => false,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn signs_turn(&self, turn: &Turn, requests: &[SignedRequest]) -> bool {
        self.signs(&Question::Turn { turn: turn.clone(), requests: requests.to_vec() }, turn.digest(&DOMAIN))
    }

    pub(crate) fn why(&self, question: &Question) -> String {
        match self.ask(question) {
            Answer::Refused { why } | Answer::Unavailable { why } => why,
            other => panic!("{other:?}"),
        }
    }
}

fn has(status: &str, line: &str) -> bool {
    status.lines().any(|found| found.split_whitespace().collect::<Vec<_>>().join(" ") == line)
}

impl Drop for Enclave {
    fn drop(&mut self) {
        self.kill();
    }
}
