//! One seat of a ring: its host's folder, its configuration, its process.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use alloy::primitives::Address;
use eyre::{Result, WrapErr, bail, eyre};
use ring_contracts::{Charter, Domain};
use serde::Serialize;
use tokio::process::Command;

use crate::{
    client::Client,
    custody::{self, Custody, KeyPlace},
    keys::KeyFiles,
    process::Process,
    programs::Programs,
};

/// Here all clients come from one address.
const REQUESTS_PER_SECOND: u32 = 100_000;

/// What all seats of a ring are told.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// The contract and its chain.
    pub domain: Domain,
    /// The chain's RPC.
    pub rpc: String,
    /// The block that the contract was deployed in.
    pub from_block: u64,
    /// Which ring.
    pub ring: u32,
    /// Its charter.
    pub charter: Charter,
    /// Whose requests count.
    pub requesters: Vec<Address>,
    /// When a block is final.
    pub finality: Finality,
    /// The rules that all seats share.
    pub policy: Policy,
}

/// When a block is final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Finality {
    /// When the chain says so.
    #[default]
    Finalized,
    /// When so many blocks are on top of it.
    #[serde(untagged)]
    Depth(u64),
}

/// The rules that all seats share, as in the relayer's configuration; what is `None` stays as the relayer has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Policy {
    /// At how many seats a request has to be on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<usize>,
    /// The most calls in one turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<usize>,
    /// The most gas that the calls of one turn may have together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gas: Option<u64>,
    /// How long a turn may wait for its execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity_seconds: Option<u64>,
    /// The length of a tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick_ms: Option<u64>,
    /// After how many ticks what got no answer is sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_ticks: Option<u64>,
    /// How many ticks the next in line waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience_ticks: Option<u64>,
    /// How many ticks the peers have to explain an unknown turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ticks: Option<u64>,
}

/// A seat. Dropping it ends its process.
#[derive(Debug)]
pub struct Seat {
    index: usize,
    host: PathBuf,
    log: PathBuf,
    key: KeyFiles,
    relayer: PathBuf,
    api: SocketAddr,
    peers: SocketAddr,
    /// The URL of its store's database; without one it is a file.
    database: Option<String>,
    /// What it logs, as `RUST_LOG` says it.
    log_filter: Option<String>,
    /// Where the other seats reach it, if that is not where it listens.
    reached_at: Option<SocketAddr>,
    /// How its relayer gets to the key.
    key_place: KeyPlace,
    /// Where the HSM's library finds its token.
    hsm_configuration: Option<PathBuf>,
    enclave: Option<Process>,
    process: Option<Process>,
    standby: Option<Standby>,
}

/// The second process of a seat, and where it will listen.
#[derive(Debug)]
struct Standby {
    process: Process,
    api: SocketAddr,
    peers: SocketAddr,
}

impl Seat {
    /// A host for a seat: a new folder with the seat's key and a TLS certificate. Nothing runs yet.
    ///
    /// # Errors
    /// The folder exists, or something cannot be written.
    pub async fn settle(relayer: &Path, index: usize, host: &Path, log: &Path, key: &KeyFiles) -> Result<Self> {
        fs::create_dir(host).wrap_err_with(|| format!("{} cannot be made", host.display()))?;
        let key = key.copy_to(host)?;
        let seat = Self {
            index,
            host: host.to_owned(),
            log: log.to_owned(),
            key_place: KeyPlace::keystore(&key),
            key,
            hsm_configuration: None,
            enclave: None,
            relayer: relayer.to_owned(),
            api: free_address()?,
            peers: free_address()?,
            database: None,
            log_filter: None,
            reached_at: None,
            process: None,
            standby: None,
        };
        let mut command = Command::new(relayer);
        command.arg("certificate").arg("--out-cert").arg(seat.certificate()).arg("--out-key").arg(seat.private_key());
        command.args(["--name", &seat.peers.ip().to_string()]);
        seat.finish(command, "certificate").await?;
        Ok(seat)
    }

    /// Which seat.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its key, on its host.
    pub fn key(&self) -> &KeyFiles {
        &self.key
    }

    /// Its host's folder.
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// Where its process writes what it has to say.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its store.
    pub fn store(&self) -> PathBuf {
        self.host.join("store.sqlite")
    }

    /// Has it keep its store in a PostgreSQL from its next start on. Configure and `init` it afterwards.
    ///
    /// # Errors
    /// The file with the URL cannot be written.
    pub fn keep_in(&mut self, url: &str) -> Result<()> {
        let file = self.url_file();
        fs::write(&file, url).wrap_err_with(|| format!("{} cannot be written", file.display()))?;
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, owner_only).wrap_err_with(|| format!("{} is not ours", file.display()))?;
        self.database = Some(url.to_owned());
        Ok(())
    }

    /// Has its key elsewhere from its next start on. Configure it afterwards.
    ///
    /// # Errors
    /// What keeps the key there cannot be made or started.
    pub async fn keep_key(&mut self, custody: Custody, programs: &Programs, settings: &RingSettings) -> Result<()> {
        match custody {
            Custody::Keystore => self.key_place = KeyPlace::keystore(&self.key),
            Custody::Hsm => {
                let (place, configuration) =
                    custody::put_into_hsm(&self.host, &self.key, &programs.hsm_module()?).await?;
                (self.key_place, self.hsm_configuration) = (place, Some(configuration));
            }
            Custody::Enclave | Custody::OneShot => {
                let (log, one_shot) = (self.enclave_log(), custody == Custody::OneShot);
                let program = programs.signer()?;
                let started = custody::start_enclave(&program, &self.host, &log, &self.key, settings, one_shot).await?;
                (self.key_place, self.enclave) = (started.0, Some(started.1));
            }
        }
        Ok(())
    }

    /// The enclave's process, if it has one.
    pub fn enclave(&mut self) -> Option<&mut Process> {
        self.enclave.as_mut()
    }

    /// Where the enclave writes what it has to say.
    pub fn enclave_log(&self) -> PathBuf {
        self.log.with_extension("enclave.log")
    }

    /// The socket of its enclave.
    pub fn enclave_socket(&self) -> PathBuf {
        self.host.join("enclave/sock")
    }

    /// Says what its processes log from their next start on, as `RUST_LOG` does.
    pub fn log_what(&mut self, filter: &str) {
        self.log_filter = Some(filter.to_owned());
    }

    fn url_file(&self) -> PathBuf {
        self.host.join("store.url")
    }

    /// Where its standby writes what it has to say.
    pub fn standby_log(&self) -> PathBuf {
        self.log.with_extension("standby.log")
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.host.join("relayer.toml")
    }

    /// What clients talk to.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// What the other seats talk to.
    pub fn peers_address(&self) -> SocketAddr {
        self.peers
    }

    /// What clients talk to.
    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// The certificate that it shows the other seats, and the file of its private key.
    pub fn tls_files(&self) -> (PathBuf, PathBuf) {
        (self.certificate(), self.private_key())
    }

    /// A client of it.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn client(&self) -> Result<Client> {
        Client::new(self.url())
    }

    /// Its process, if one was started.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// How much memory its process has resident, in bytes.
    ///
    /// # Errors
    /// It does not run, or the operating system does not say.
    pub fn resident_bytes(&self) -> Result<u64> {
        let process = self.process.as_ref().ok_or_else(|| eyre!("seat {} does not run", self.index))?;
        process.resident_bytes()
    }

    /// How much processor time its process has used.
    ///
    /// # Errors
    /// It does not run, or the operating system does not say.
    pub fn processor_time(&self) -> Result<Duration> {
        let process = self.process.as_ref().ok_or_else(|| eyre!("seat {} does not run", self.index))?;
        process.processor_time()
    }

    /// Writes its configuration, given all seats of the ring.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&self, settings: &RingSettings, ring: &[Seat]) -> Result<()> {
        let file = ConfigFile {
            chain: ChainSection {
                rpc: &settings.rpc,
                chain_id: settings.domain.chain_id,
                contract: settings.domain.contract,
                from_block: settings.from_block,
                finality: settings.finality,
            },
            ring: RingSection {
                id: settings.ring,
                window: settings.charter.window,
                quorum: settings.charter.quorum,
                asset: settings.charter.asset,
                cap: settings.charter.cap.to_string(),
                period: settings.charter.period,
                turns_per_period: settings.charter.turns_per_period,
                interval: settings.charter.interval,
                expires_at: settings.charter.expires_at,
                last_nonce: settings.charter.last_nonce,
                seats: &settings.charter.seats,
            },
            signer: &self.key_place,
            store: match self.database {
                None => StoreSection::Path(self.store()),
                Some(_) => StoreSection::UrlFile(self.url_file()),
            },
            api: ApiSection {
                listen: self.api,
                requesters: &settings.requesters,
                requests_per_second: REQUESTS_PER_SECOND,
            },
            policy: &settings.policy,
            peers: (ring.len() > 1).then(|| PeersSection {
                listen: self.peers,
                certificate: self.certificate(),
                private_key: self.private_key(),
                seat: ring.iter().filter(|other| other.index != self.index).map(Self::as_peer).collect(),
            }),
        };
        let text = toml::to_string(&file).wrap_err("the configuration cannot be put down")?;
        fs::write(self.config(), text).wrap_err_with(|| format!("{} cannot be written", self.config().display()))
    }

    /// `init`: the first start ever, which makes the store.
    ///
    /// # Errors
    /// The relayer refuses.
    pub async fn init(&self) -> Result<()> {
        self.finish(self.command(&["init"]), "init").await
    }

    /// `resume`: a person lets a halted seat go on. Its process must not run.
    ///
    /// # Errors
    /// The relayer refuses.
    pub async fn resume(&self, epoch: u32) -> Result<()> {
        self.finish(self.command(&["resume", "--epoch", &epoch.to_string()]), "resume").await
    }

    /// `run`: starts its process.
    ///
    /// # Errors
    /// It runs already or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_under(&[])
    }

    /// The same, with this program and its arguments in front of the relayer's, such as a tracer.
    ///
    /// # Errors
    /// It runs already or cannot be started.
    pub fn start_under(&mut self, wrapper: &[&OsStr]) -> Result<()> {
        if self.process.as_mut().is_some_and(|process| process.exit_status().is_none()) {
            bail!("seat {} runs already", self.index);
        }
        let mut command = self.command(&["run"]);
        if let [program, arguments @ ..] = wrapper {
            let mut wrapped = Command::new(program);
            wrapped.args(arguments).arg(&self.relayer).args(command.as_std().get_args());
            for (variable, value) in command.as_std().get_envs() {
                match value {
                    Some(value) => wrapped.env(variable, value),
                    None => wrapped.env_remove(variable),
                };
            }
            command = wrapped;
        }
        self.process = Some(Process::spawn(format!("seat {}", self.index), command, &self.log)?);
        Ok(())
    }

    /// `run --standby`: starts a second process of it, which waits until the first has ended, and listens where that did.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn stand_by(&mut self) -> Result<()> {
        let (api, peers) = (self.api, self.peers);
        self.stand_by_at(api, peers)
    }

    /// The same, as on another host: it will listen elsewhere.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn stand_by_elsewhere(&mut self) -> Result<()> {
        let (api, peers) = (free_address()?, free_address()?);
        self.stand_by_at(api, peers)
    }

    fn stand_by_at(&mut self, api: SocketAddr, peers: SocketAddr) -> Result<()> {
        let mut command = self.command(&["run", "--standby"]);
        command.env("RING_RELAYER__API__LISTEN", api.to_string());
        command.env("RING_RELAYER__PEERS__LISTEN", peers.to_string());
        let process = Process::spawn(format!("standby of seat {}", self.index), command, &self.standby_log())?;
        self.standby = Some(Standby { process, api, peers });
        Ok(())
    }

    /// The standby is its process from now on. Returns the one that was.
    pub fn change_over(&mut self) -> Option<Process> {
        let Standby { process, api, peers } = self.standby.take()?;
        (self.api, self.peers) = (api, peers);
        self.process.replace(process)
    }

    /// Has the other seats reach it there, from their next configuration on.
    pub fn be_reached_at(&mut self, address: SocketAddr) {
        self.reached_at = Some(address);
    }

    /// Asks its process to end, and waits for it.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop().await;
        }
    }

    /// Ends its process as `kill -9` does.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    fn certificate(&self) -> PathBuf {
        self.host.join("tls.crt")
    }

    fn private_key(&self) -> PathBuf {
        self.host.join("tls.key")
    }

    fn as_peer(&self) -> PeerSection {
        let address = self.reached_at.unwrap_or(self.peers);
        PeerSection { seat: self.index, url: format!("https://{address}"), certificate: self.certificate() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.relayer);
        // Its log is a file: no colours.
        command.arg("--config").arg(self.config()).args(arguments).env("NO_COLOR", "1");
        if let Some(configuration) = &self.hsm_configuration {
            command.env("SOFTHSM2_CONF", configuration);
        }
        if let Some(filter) = &self.log_filter {
            command.env("RUST_LOG", filter);
        }
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RING_RELAYER"))
        {
            command.env_remove(variable);
        }
        command
    }

    async fn finish(&self, mut command: Command, what: &str) -> Result<()> {
        command.stdin(Stdio::null()).kill_on_drop(true).process_group(0);
        let output = command.output().await.wrap_err("ring-relayer cannot be run")?;
        match output.status.success() {
            true => Ok(()),
            false => Err(eyre!(
                "`ring-relayer {what}` failed for seat {} ({}): {}{}",
                self.index,
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end(),
                String::from_utf8_lossy(&output.stdout).trim_end()
            )),
        }
    }
}

/// An address that nobody listens at, and no other seat of this process is given. It is free now, not kept free: so it is
/// none of those that systems give to outgoing connections, which could take it while a seat is restarted.
fn free_address() -> Result<SocketAddr> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const PORTS: Range<u32> = 10_000..32_768;
    let count = PORTS.end - PORTS.start;
    // Others may be looking for ports just now, each from another one on.
    let start = std::process::id().wrapping_mul(997);
    for _ in 0..count {
        let place = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % count;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(PORTS.start + place)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(eyre!("no port of {PORTS:?} is free"))
}

#[derive(Serialize)]
struct ConfigFile<'a> {
    chain: ChainSection<'a>,
    ring: RingSection<'a>,
    signer: &'a KeyPlace,
    store: StoreSection,
    api: ApiSection<'a>,
    policy: &'a Policy,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<PeersSection>,
}

#[derive(Serialize)]
struct ChainSection<'a> {
    rpc: &'a str,
    chain_id: u64,
    contract: Address,
    from_block: u64,
    finality: Finality,
}

#[derive(Serialize)]
struct RingSection<'a> {
    id: u32,
    window: u8,
    quorum: u8,
    asset: Address,
    cap: String,
    period: u32,
    turns_per_period: u32,
    interval: u32,
    expires_at: u64,
    last_nonce: u64,
    seats: &'a [Address],
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum StoreSection {
    Path(PathBuf),
    UrlFile(PathBuf),
}

#[derive(Serialize)]
struct ApiSection<'a> {
    requests_per_second: u32,
    listen: SocketAddr,
    requesters: &'a [Address],
}

#[derive(Serialize)]
struct PeersSection {
    listen: SocketAddr,
    certificate: PathBuf,
    private_key: PathBuf,
    seat: Vec<PeerSection>,
}

#[derive(Serialize)]
struct PeerSection {
    seat: usize,
    url: String,
    certificate: PathBuf,
}
