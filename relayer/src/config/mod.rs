//! What a seat is told before it starts: a TOML file, and the environment over it.
//!
//! The file is read [raw](raw), and becomes a [`Config`] once; everything that is wrong with its values is said at once.
//! `RING_RELAYER__CHAIN__RPC` in the environment takes the place of `rpc` in `[chain]`, and so on for every field outside
//! tables that there can be several of, such as `[[peers.seat]]`. Relative paths are relative to the file.

mod check;
mod files;
mod notify;
mod raw;
mod tokens;

use std::{collections::BTreeSet, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;
use ring_contracts::{Address, B256, Charter, Domain};
use ring_core::{Announced, Settings, SettingsError};
use ring_key::{
    aws_kms::AwsKmsSettings, azure_kv::AzureKvSettings, gcp_kms::GcpKmsSettings, memory::MemoryKey,
    pkcs11::Pkcs11Settings, vault::VaultSettings,
};
use rustls::ClientConfig;

pub use crate::chain::{Finality, L1Fee};
use crate::{
    backups::Archive,
    evidence::Sources,
    http::{Rate, Token},
    notify::Subscriber,
    peers::{Identity, Peer},
    refill::Refilling,
    store::Location,
    traces::Collector,
};

pub use files::{SecretFileError, read_secret};

/// What every variable of the environment that counts starts with.
pub const PREFIX: &str = "RING_RELAYER";
const SEPARATOR: &str = "__";

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain and how to read it.
    pub chain: Chain,
    /// The ring.
    pub ring: Ring,
    /// Where the key is.
    pub signer: Signer,
    /// What the ring is to be next, if that was announced.
    pub next: Option<Box<Next>>,
    /// Where things are remembered.
    pub store: Location,
    /// Where backups of it go, if anywhere.
    pub backups: Option<Archive>,
    /// What clients talk to.
    pub api: Api,
    /// What the other seats talk to, and where they are. `None` only in a ring of one.
    pub peers: Option<Peers>,
    /// What this seat asks whether requests are genuine.
    pub evidence: Sources,
    /// For how long what they confirm counts; `None`: for good.
    pub confirmed_for: Option<Duration>,
    /// When the accounts of the seats are refilled. `None`: never.
    pub refill: Option<Refilling>,
    /// The rules that all seats share.
    pub policy: Policy,
    /// Who is told what happens.
    pub subscribers: Vec<Subscriber>,
    /// Where traces go, if anywhere.
    pub traces: Option<Collector>,
    /// What is allowed and still worth a word to the operator.
    pub warnings: Vec<String>,
}

/// The ring as the master is to form it next.
#[derive(Clone, Debug)]
pub struct Next {
    /// All of the configuration as it is to be then.
    pub config: Config,
    /// Whether this seat has the same key then.
    pub keeps_key: bool,
}

/// The chain and how to read it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The nodes, the one to be asked first before the others.
    pub rpc: Vec<Rpc>,
    /// How many of them have to agree on what there is on the chain.
    pub agree: usize,
    /// The contract and its chain.
    pub domain: Domain,
    /// The block that the contract was deployed in.
    pub from_block: u64,
    /// What counts as final.
    pub finality: Finality,
    /// How often a node without subscriptions is asked.
    pub poll: Duration,
    /// For how long nodes may contradict each other.
    pub longest_disagreement: Duration,
    /// What the chain takes for a transaction beside its gas.
    pub l1_fee: L1Fee,
}

/// A node's address. It may hold an access token, so it is shown without its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Rpc(Url);

impl Rpc {
    /// All of it, the token included.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rpc({self})")
    }
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Its number in the contract.
    pub id: u32,
    /// Its charter, as the master announced it.
    pub charter: Charter,
    /// Assets beside the main one that have a limit.
    pub other_assets: BTreeSet<Address>,
    /// What else the master announced.
    pub announced: Announced,
}

/// Where the key is. Secrets are named by their files; read them with [`read_secret`].
#[derive(Clone, Debug)]
pub enum Signer {
    /// In an encrypted keystore (Web3 Secret Storage).
    Keystore {
        /// The keystore.
        keystore: PathBuf,
        /// Where its password comes from.
        password: PasswordSource,
    },
    /// In AWS KMS.
    AwsKms(AwsKmsSettings),
    /// In Azure Key Vault.
    AzureKv(Box<AzureKvSettings>),
    /// In the enclave, `ring-signer`.
    Enclave(Enclave),
    /// In Google Cloud KMS.
    GcpKms(GcpKmsSettings),
    /// In memory, for a time.
    Memory(Memory),
    /// In an HSM.
    Pkcs11(Pkcs11Settings),
    /// In a vault.
    Vault(Box<VaultSettings>),
}

/// Where the enclave is.
#[derive(Clone, Debug)]
pub enum Enclave {
    /// At a socket of this host.
    Unix(PathBuf),
    /// On a virtual machine, or on the host of this one.
    Vsock {
        /// The machine's number.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// On another machine.
    Tls {
        /// Its address, HOST:PORT.
        address: String,
        /// What this side shows, and which certificate it takes.
        tls: Arc<ClientConfig>,
    },
}

impl fmt::Display for Enclave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => write!(f, "{}", socket.display()),
            Self::Vsock { cid, port } => write!(f, "port {port} of machine {cid}"),
            Self::Tls { address, .. } => f.write_str(address),
        }
    }
}

/// Where the password of a keystore comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// A file, a descriptor (`/dev/fd/3`), or a credential of systemd.
    File(PathBuf),
    /// A person, at the terminal of the process.
    Prompt,
}

impl fmt::Display for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the password in {}", path.display()),
            Self::Prompt => f.write_str("the password that was typed"),
        }
    }
}

/// How a key comes to be in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Whose key.
    pub address: Address,
    /// Where it is unlocked.
    pub socket: PathBuf,
    /// For how long at most.
    pub lease: Duration,
    /// How long before its end people are told.
    pub warning: Duration,
    /// Of how many shares it is made. `None`: it is given whole.
    pub shares: Option<u8>,
}

impl Memory {
    /// The key, or the place for it.
    pub fn key(&self) -> MemoryKey {
        MemoryKey::of(self.address, &self.socket)
    }
}

/// What clients talk to.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whose requests count.
    pub requesters: BTreeSet<Address>,
    /// How long a client that posts waits for copies at the peers.
    pub accept_timeout: Duration,
    /// Who may do what. Without any, everybody may do everything.
    pub tokens: Vec<Token>,
    /// How often: each token, or each address where there are none.
    pub rate: Rate,
}

/// What the other seats talk to, and where they are.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What this seat shows.
    pub identity: Identity,
    /// The others.
    pub seats: Vec<Peer>,
}

/// The rules that all seats share.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether every seat's own sources have to confirm a request.
    pub evidence: bool,
    /// At how many seats a request has to be on disk to be called accepted.
    pub copies: usize,
    /// The most calls in one turn.
    pub max_calls: usize,
    /// The most gas that the calls of one turn may have together.
    pub max_gas: u64,
    /// How long a turn may wait for its execution, in seconds of chain time.
    pub validity_seconds: u64,
    /// The length of a tick.
    pub tick: Duration,
    /// After how many ticks what got no answer is sent again.
    pub resend_ticks: u64,
    /// How many ticks the next in line waits.
    pub patience_ticks: u64,
    /// How many ticks the peers have to explain an unknown turn.
    pub grace_ticks: u64,
    /// The ceiling for fee bumps, in wei for a unit of gas.
    pub max_fee: u128,
    /// The least tip that the chain's nodes take, in wei for a unit of gas.
    pub min_priority_fee: u128,
    /// Below how many transactions that the account can still pay for people are told.
    pub low_balance_turns: u64,
    /// Assets that may leave the treasury without a turn; zero is the native coin.
    pub unwatched_assets: BTreeSet<Address>,
}

/// Why a configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or its shape.
    #[error("{file}: {reason}", file = file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Values that make no sense.
    #[error("{file}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "), file = file.display())]
    Values {
        /// The file.
        file: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

/// One value that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Problem {
    /// The field, as a path in the file; and the variable, if the environment set it.
    pub field: String,
    /// The value, what is wrong with it and what to do.
    pub reason: String,
}

/// Why a key cannot work with a configuration that makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// The settings do not fit the key.
    #[error("signer: {0}")]
    Settings(#[from] SettingsError),
    /// Which seat this is cannot be told from the peers.
    #[error("peers.seat: every seat of the ring is listed: list every seat but this one")]
    NoneLeftOut,
    /// The peers are not those of this seat.
    #[error(
        "peers.seat: the signer's key is that of seat {key}, and the peers listed are those of seat {listed}: use the key \
         of seat {listed}, or list every seat but {key}"
    )]
    OtherSeat {
        /// The seat of the key.
        key: usize,
        /// The seat that is not among the peers.
        listed: usize,
    },
}

impl Config {
    /// The settings of the seat that has this key.
    ///
    /// # Errors
    /// The key has no seat in the ring, or the peers listed are those of another seat.
    pub fn settings(&self, key: Address) -> Result<Settings, SeatError> {
        let settings = self.settings_unchecked(key);
        let seat = settings.check()?;
        match self.seat_left_out() {
            Some(missing) if missing != seat => Err(SeatError::OtherSeat { key: seat, listed: missing }),
            _ => Ok(settings),
        }
    }

    /// The configuration under which a seat takes part that remembers to have succeeded to this charter: as it is written, or
    /// as it was announced to be next.
    pub fn remembered(self, succeeded_to: Option<B256>) -> Self {
        match self.next {
            Some(next) if Some(next.config.ring.charter.commitment()) == succeeded_to => next.config,
            _ => self,
        }
    }

    /// The settings of the seat that the peers listed leave out, whether its key can be reached or not.
    ///
    /// # Errors
    /// Every seat is listed, or what is left out makes no sense.
    pub fn settings_by_peers(&self) -> Result<Settings, SeatError> {
        let key =
            self.seat_left_out().and_then(|seat| self.ring.charter.seats.get(seat)).ok_or(SeatError::NoneLeftOut)?;
        self.settings(*key)
    }

    fn seat_left_out(&self) -> Option<usize> {
        let listed: BTreeSet<usize> = self.peers.iter().flat_map(|peers| &peers.seats).map(|peer| peer.seat).collect();
        (0..self.ring.charter.seats.len()).find(|seat| !listed.contains(seat))
    }

    fn settings_unchecked(&self, key: Address) -> Settings {
        Settings {
            domain: self.chain.domain,
            ring: self.ring.id,
            charter: self.ring.charter.clone(),
            next_charter: self.next.as_ref().map(|next| next.config.ring.charter.commitment()),
            key,
            announced: self.ring.announced.clone(),
            other_assets: self.ring.other_assets.clone(),
            requesters: self.api.requesters.clone(),
            refill: self.refill.map(|refilling| refilling.refill),
            evidence: self.policy.evidence,
            confirmed_ticks: self.confirmed_for.map(|time| ticks(time, self.policy.tick)),
            copies: self.policy.copies,
            max_calls: self.policy.max_calls,
            max_gas: self.policy.max_gas,
            validity: self.policy.validity_seconds,
            resend_ticks: self.policy.resend_ticks,
            patience_ticks: self.policy.patience_ticks,
            grace_ticks: self.policy.grace_ticks,
        }
    }
}

/// How many whole ticks there are in a time, at least one.
fn ticks(time: Duration, tick: Duration) -> u64 {
    let ticks = time.as_millis().checked_div(tick.as_millis()).unwrap_or(1).max(1);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
