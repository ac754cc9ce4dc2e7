//! The enclave: the real `ring-signer`, and a seat's side of it. What it signs are turns, since it signs nothing else.

use std::{
    collections::BTreeMap, fmt, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio, time::Duration,
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
use ring_relayer::signer::{EnclaveSigner, SignerError};
use ring_signer::message::Question;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
};

use super::{Fate, Keeper, Missing};
use crate::proxy::{Losses, UnixProxy};

const PASSWORD: &str = "a password that is only for trying";
const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(1) };
const RING: u32 = 1;
/// Turns that the suite may ask for.
const TURNS: u64 = 2_048;
const LOOK: Duration = Duration::from_millis(5);

/// A folder with a key, a guard and a configuration, and the process.
pub(crate) struct Enclave {
    folder: TempDir,
    program: PathBuf,
    one_shot: bool,
    key: PrivateKeySigner,
    process: Option<Child>,
    proxy: UnixProxy,
}

/// What is written into a configuration.
struct Setting<'a> {
    key: Address,
    /// The files' names begin with it.
    files: &'a str,
    allows: bool,
}

impl Enclave {
    /// Starts it: with the key in its memory, or one-shot with a process for each signature.
    pub(crate) async fn start(one_shot: bool) -> Result<Self, Missing> {
        Ok(Self::make(one_shot).await?)
    }

    async fn make(one_shot: bool) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("ring-signer");
        ensure!(program.exists(), "{} is not there: build it first", program.display());
        let (folder, key) = (TempDir::new()?, ring_keystore::generate());
        let proxy = UnixProxy::start(&folder.path().join("proxy"), &folder.path().join("sock"))?;
        let mut enclave = Self { folder, program, one_shot, key, process: None, proxy };
        enclave.write_key("own", &enclave.key, PASSWORD)?;
        enclave.configure("own", &Setting { key: enclave.key.address(), files: "own", allows: true })?;
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
        for (file, text) in [("password", password.to_owned()), ("key", hex::encode(key.to_bytes()))] {
            let file = self.path(&format!("{name}.{file}"));
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    fn configure(&self, name: &str, setting: &Setting<'_>) -> Result<()> {
        let Setting { key, files, allows } = setting;
        let source = match self.one_shot {
            true => format!("key_file = \"{files}.key\""),
            false => format!("keystore = \"{files}.json\"\npassword_file = \"{files}.password\""),
        };
        let asset = if *allows { Address::ZERO } else { Address::repeat_byte(1) };
        let (uid, Domain { chain_id, contract }) = (rustix::process::getuid().as_raw(), DOMAIN);
        let text = format!(
            "socket = \"sock\"\nclient_uid = {uid}\nguard = \"{files}.guard\"\nchain_id = {chain_id}\n\
             contract = \"{contract}\"\nring = {RING}\n[key]\naddress = \"{key}\"\n{source}\n[policy]\n\
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
        if self.one_shot {
            command.arg("--one-shot");
        }
        command.arg(self.path(&format!("{name}.toml"))).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().wrap_err("ring-signer does not start")?;
        while UnixStream::connect(self.path("sock")).await.is_err() {
            ensure!(process.try_wait()?.is_none(), "ring-signer ended");
            tokio::time::sleep(LOOK).await;
        }
        self.process = Some(process);
        Ok(())
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
        match self.one_shot {
            true => "ring-signer, a process for each turn, the key in a file".to_owned(),
            false => "ring-signer, turns over its socket, a keystore".to_owned(),
        }
    }

    fn address(&self) -> Address {
        self.key.address()
    }

    fn digest(&self, number: u64) -> B256 {
        turn(number).digest(&DOMAIN)
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        use ring_relayer::chain::TransactionSigner as _;
        let signer = EnclaveSigner::open(&self.proxy.path, DOMAIN, RING).await.map_err(key_error)?;
        let turns = (0..TURNS).map(turn).map(|turn| (turn.digest(&DOMAIN), turn)).collect();
        Ok(Box::new(Seat { address: signer.address(), signer, turns }))
    }

    /// The process says what is wrong, and does not start.
    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        let tried = async {
            let _ = fs::remove_file(self.path("wrong.json"));
            let key = match self.one_shot {
                true => ring_keystore::generate(),
                false => self.key.clone(),
            };
            self.write_key("wrong", &key, "another password")?;
            self.configure("wrong", &Setting { key: self.key.address(), files: "wrong", allows: true })?;
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
        vec![PASSWORD.to_owned(), "another password".to_owned(), hex::encode(self.key.to_bytes())]
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.proxy.losses)
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
                self.configure("strict", &Setting { key: self.key.address(), files: "own", allows: false })?;
                self.run_instead("strict").await?;
            }
            // Without its key it does not start: that is to be away.
            Fate::Deleted => return Ok(false),
        }
        Ok(true)
    }
}
