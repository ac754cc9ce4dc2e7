//! The enclave: the real `ring-signer`, and a seat's side of it. What it signs are turns, since it signs nothing else.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use alloy::{
    hex,
    primitives::{Address, B256, Signature},
    signers::local::PrivateKeySigner,
};
use eyre::{Result, WrapErr as _, ensure};
use futures::future::{BoxFuture, FutureExt as _};
use ring_contracts::{Call, Domain, Effect, RequestId, Turn, TurnId};
use ring_key::{Key, KeyError};
use ring_keystore::Cost;
use ring_relayer::{
    certificate, config,
    signer::{EnclaveSigner, SignerError},
};
use ring_signer::message::{PROTOCOL, Question};
use ring_tls::{Identity, read_certificate};
use secrecy::SecretString;
use socket2::{Domain as Family, SockAddr, Socket, Type};
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixStream},
    process::{Child, Command},
};

use super::{Fate, Keeper, Missing, SoftHsm, Vault, softhsm, vault};
use crate::proxy::{Losses, Proxy, UnixProxy};

const PASSWORD: &str = "a password that is only for trying";
const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(1) };
const RING: u32 = 1;
/// Turns that the suite may ask for.
const TURNS: u64 = 2_048;
const LOOK: Duration = Duration::from_millis(5);

/// What is particular about an enclave.
pub(crate) enum Form {
    /// A socket of this host, a keystore.
    Running,
    /// A process for each question, the key in a file.
    OneShot,
    /// TLS.
    Tls,
    /// vsock, from this machine itself.
    Vsock,
    /// The key in this token.
    Pkcs11(SoftHsm),
    /// The key in this vault.
    Vault(Box<Vault>),
}

/// How it is reached.
enum Way {
    Unix(UnixProxy),
    Tls { port: SocketAddr, proxy: Proxy },
    Vsock { port: u32 },
}

/// A folder with a key, a guard and a configuration, and the process.
pub(crate) struct Enclave {
    folder: TempDir,
    program: PathBuf,
    form: Form,
    way: Way,
    address: Address,
    /// Where it is in a file.
    key: PrivateKeySigner,
    process: Option<Child>,
}

/// What is written into a configuration.
struct Setting<'a> {
    key: Address,
    /// The files' names begin with it.
    files: &'a str,
    allows: bool,
}

/// This machine itself (`VMADDR_CID_LOCAL`).
const LOCAL: u32 = 1;
const ANY: u32 = u32::MAX;

/// A port of this machine that can be reached from it.
fn vsock_port() -> std::io::Result<u32> {
    let socket = || Socket::new(Family::VSOCK, Type::STREAM, None);
    let listening = socket()?;
    listening.bind(&SockAddr::vsock(ANY, ANY))?;
    listening.listen(1)?;
    let port = listening.local_addr()?.as_vsock_address().map_or(ANY, |(_, port)| port);
    socket()?.connect(&SockAddr::vsock(LOCAL, port))?;
    Ok(port)
}

impl Enclave {
    /// Starts it.
    pub(crate) async fn start(form: Form) -> Result<Self, Missing> {
        let folder = TempDir::new().map_err(eyre::Report::from)?;
        let way = match form {
            Form::Vsock => match vsock_port() {
                Ok(port) => Way::Vsock { port },
                Err(why) => {
                    return Err(Missing(format!(
                        "nobody on this machine can be reached over vsock (vsock_loopback): {why}"
                    )));
                }
            },
            Form::Tls => Self::tls().await?,
            _ => Self::unix(&folder)?,
        };
        Ok(Self::make(folder, form, way).await?)
    }

    fn unix(folder: &TempDir) -> Result<Way> {
        Ok(Way::Unix(UnixProxy::start(&folder.path().join("proxy"), &folder.path().join("sock"))?))
    }

    async fn tls() -> Result<Way> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        // Its side of the handshake.
        Ok(Way::Tls { port, proxy: Proxy::start(port, 1).await? })
    }

    async fn make(folder: TempDir, form: Form, way: Way) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("ring-signer");
        ensure!(program.exists(), "{} is not there: build it first", program.display());
        let key = ring_keystore::generate();
        let address = match &form {
            Form::Pkcs11(token) => token.address(),
            Form::Vault(vault) => vault.address(),
            _ => key.address(),
        };
        let mut enclave = Self { folder, program, form, way, address, key, process: None };
        for name in ["enclave", "client"] {
            certificate::create(
                &enclave.path(&format!("{name}.crt")),
                &enclave.path(&format!("{name}.tls")),
                &["127.0.0.1".to_owned()],
            )?;
        }
        enclave.write_key("own", &enclave.key, PASSWORD)?;
        enclave.configure("own", &Setting { key: address, files: "own", allows: true })?;
        enclave.make_guard("own").await?;
        enclave.run("own").await?;
        Ok(enclave)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// In a keystore; where it is opened for each signature, as it is.
    fn write_key(&self, name: &str, key: &PrivateKeySigner, password: &str) -> Result<()> {
        ring_keystore::seal(&self.path(&format!("{name}.json")), key, &SecretString::from(PASSWORD), Cost::Light)?;
        let kept = match (&self.form, password == PASSWORD) {
            (Form::Pkcs11(_), true) => softhsm::PIN,
            (Form::Pkcs11(_), false) => "a wrong pin",
            (Form::Vault(vault), true) => vault.secret_id(),
            (Form::Vault(_), false) => vault::WRONG_SECRET_ID,
            _ => "",
        };
        let key = hex::encode(key.to_bytes());
        for (file, text) in [("password", password), ("key", &key), ("kept", kept)] {
            let file = self.path(&format!("{name}.{file}"));
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    fn configure(&self, name: &str, setting: &Setting<'_>) -> Result<()> {
        let Setting { key, files, allows } = setting;
        let source = match &self.form {
            // Another key is in a file.
            _ if *key != self.address => format!("keystore = \"{files}.json\"\npassword_file = \"{files}.password\""),
            Form::OneShot => format!("key_file = \"{files}.key\""),
            Form::Pkcs11(token) => format!("[key.pkcs11]\n{}\npin_file = \"{files}.kept\"", token.table()),
            Form::Vault(vault) => format!("[key.vault]\n{}\nsecret_id_file = \"{files}.kept\"", vault.table()),
            _ => format!("keystore = \"{files}.json\"\npassword_file = \"{files}.password\""),
        };
        let listen = match &self.way {
            Way::Unix(_) => format!("socket = \"sock\"\nclient_uid = {}", rustix::process::getuid().as_raw()),
            Way::Tls { port, .. } => format!(
                "address = \"{port}\"\ncertificate = \"enclave.crt\"\nprivate_key = \"enclave.tls\"\n\
                 client_certificate = \"client.crt\""
            ),
            Way::Vsock { port } => format!("vsock_port = {port}\nclient_cid = {LOCAL}"),
        };
        let asset = if *allows { Address::ZERO } else { Address::repeat_byte(1) };
        let Domain { chain_id, contract } = DOMAIN;
        let text = format!(
            "guard = \"{files}.guard\"\nchain_id = {chain_id}\ncontract = \"{contract}\"\nring = {RING}\n\
             [listen]\n{listen}\n[key]\naddress = \"{key}\"\n{source}\n[policy]\n\
             main_asset = \"{}\"\nmax_fee = \"0\"\nspend = [{{ asset = \"{asset}\" }}]\n",
            Address::ZERO,
        );
        Ok(fs::write(self.path(&format!("{name}.toml")), text)?)
    }

    async fn make_guard(&self, name: &str) -> Result<()> {
        let made = Command::new(&self.program)
            .arg("--new-guard")
            .arg(self.path(&format!("{name}.toml")))
            .output()
            .await
            .wrap_err("ring-signer does not start")?;
        ensure!(made.status.success(), "no guard was made: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }

    async fn run(&mut self, name: &str) -> Result<()> {
        let mut command = Command::new(&self.program);
        if matches!(self.form, Form::OneShot) {
            command.arg("--one-shot");
        }
        command.arg(self.path(&format!("{name}.toml"))).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().wrap_err("ring-signer does not start")?;
        while !self.listens().await {
            ensure!(process.try_wait()?.is_none(), "ring-signer ended");
            tokio::time::sleep(LOOK).await;
        }
        self.process = Some(process);
        Ok(())
    }

    async fn listens(&self) -> bool {
        match &self.way {
            Way::Unix(_) => UnixStream::connect(self.path("sock")).await.is_ok(),
            Way::Tls { port, .. } => TcpStream::connect(port).await.is_ok(),
            Way::Vsock { port } => Socket::new(Family::VSOCK, Type::STREAM, None)
                .and_then(|socket| socket.connect(&SockAddr::vsock(LOCAL, *port)))
                .is_ok(),
        }
    }

    /// As a seat is told where it is.
    fn place(&self) -> Result<config::Enclave> {
        Ok(match &self.way {
            Way::Unix(proxy) => config::Enclave::Unix(proxy.path.clone()),
            Way::Vsock { port } => config::Enclave::Vsock { cid: LOCAL, port: *port },
            Way::Tls { proxy, .. } => {
                let file = |name: &str| fs::read(self.path(name));
                let identity = Identity::new(read_certificate(&file("client.crt")?)?, &file("client.tls")?)?;
                let enclave = read_certificate(&file("enclave.crt")?)?;
                let tls = Arc::new(ring_tls::client(&identity, &[enclave], PROTOCOL)?);
                config::Enclave::Tls { address: proxy.address.to_string(), tls }
            }
        })
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    async fn run_instead(&mut self, name: &str) -> Result<()> {
        self.end().await?;
        self.run(name).await
    }
}

fn turn(number: u64) -> Turn {
    let effect = Effect::Pay { to: Address::with_last_byte(9), amount: number.into() };
    let call = Call { request_id: RequestId::ZERO, gas: 50_000, effect };
    let id = TurnId { ring: RING, epoch: 1, nonce: number, valid_until: TurnId::NO_EXPIRY };
    Turn::new(id, vec![call]).unwrap_or_else(|error| unreachable!("small numbers: {error}"))
}

/// A seat that has turns signed, and the turns by their digests.
struct Seat {
    signer: EnclaveSigner,
    address: Address,
    turns: BTreeMap<B256, Turn>,
}

impl Key for Seat {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        async move {
            let keeper = || "the suite".to_owned();
            let turn = self.turns.get(&digest).cloned();
            let turn = turn.ok_or_else(|| KeyError::NotAKey { keeper: keeper(), why: "no turn of it".into() })?;
            let signed = self.signer.signature(Question::Turn { turn, requests: Vec::new() }, digest).await;
            signed.map_err(key_error)
        }
        .boxed()
    }
}

fn key_error(error: SignerError) -> KeyError {
    match error {
        SignerError::Key(error) => error,
        other => KeyError::NotAKey { keeper: "the enclave".into(), why: other.to_string() },
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signer.fmt(f)
    }
}

impl Keeper for Enclave {
    fn real(&self) -> String {
        match &self.form {
            Form::Running => "ring-signer, turns over its socket, a keystore".to_owned(),
            Form::OneShot => "ring-signer, a process for each turn, the key in a file".to_owned(),
            Form::Tls => "ring-signer, turns over TLS, a keystore".to_owned(),
            Form::Vsock => "ring-signer, turns over vsock from this machine, a keystore".to_owned(),
            Form::Pkcs11(token) => format!("ring-signer, turns over its socket; behind it {}", token.real()),
            Form::Vault(vault) => format!("ring-signer, turns over its socket; behind it {}", vault.real()),
        }
    }

    fn address(&self) -> Address {
        self.address
    }

    fn digest(&self, number: u64) -> B256 {
        turn(number).digest(&DOMAIN)
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        use ring_relayer::chain::TransactionSigner as _;
        let broken = |error: eyre::Report| KeyError::Refused { keeper: "the suite".into(), why: error.to_string() };
        let place = self.place().map_err(broken)?;
        let signer = EnclaveSigner::open(&place, DOMAIN, RING).await.map_err(key_error)?;
        let turns = (0..TURNS).map(turn).map(|turn| (turn.digest(&DOMAIN), turn)).collect();
        Ok(Box::new(Seat { address: signer.address(), signer, turns }))
    }

    /// The process says what is wrong, and does not start.
    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        let tried = async {
            let _ = fs::remove_file(self.path("wrong.json"));
            let key = match self.form {
                Form::OneShot => ring_keystore::generate(),
                _ => self.key.clone(),
            };
            self.write_key("wrong", &key, "another password")?;
            self.configure("wrong", &Setting { key: self.address, files: "wrong", allows: true })?;
            Ok::<_, eyre::Report>(
                Command::new(&self.program).arg("--check").arg(self.path("wrong.toml")).output().await?,
            )
        };
        let keeper = "ring-signer".to_owned();
        Some(match tried.await {
            Ok(output) if output.status.success() => self.open().await,
            Ok(output) => {
                Err(KeyError::Refused { keeper, why: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
            }
            Err(error) => Err(KeyError::Unavailable { keeper, why: error.to_string() }),
        })
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![PASSWORD.to_owned(), "another password".to_owned(), hex::encode(self.key.to_bytes())];
        match &self.form {
            Form::Pkcs11(token) => secrets.extend(token.secrets()),
            Form::Vault(vault) => secrets.extend(vault.secrets()),
            _ => {}
        }
        secrets
    }

    fn losses(&self) -> Option<&Losses> {
        match &self.way {
            Way::Unix(proxy) => Some(&proxy.losses),
            Way::Tls { proxy, .. } => Some(&proxy.losses),
            Way::Vsock { .. } => None,
        }
    }

    async fn leave(&mut self) -> Result<bool> {
        self.end().await?;
        Ok(true)
    }

    async fn come_back(&mut self) -> Result<()> {
        self.run("own").await
    }

    async fn change(&mut self, fate: Fate) -> Result<bool> {
        match fate {
            Fate::AsItWas => self.run_instead("own").await?,
            Fate::Exchanged => {
                let key = ring_keystore::generate();
                self.write_key("other", &key, PASSWORD)?;
                self.configure("other", &Setting { key: key.address(), files: "other", allows: true })?;
                self.make_guard("other").await?;
                self.run_instead("other").await?;
            }
            Fate::Forbidden => {
                self.configure("strict", &Setting { key: self.address, files: "own", allows: false })?;
                self.run_instead("strict").await?;
            }
            // Without its key it does not start: that is to be away.
            Fate::Deleted => return Ok(false),
        }
        Ok(true)
    }
}
