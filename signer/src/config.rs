//! The configuration: one TOML file. Paths in it start at the file's own folder.

mod key;
mod policy;

use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use ring_contracts::Domain;
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use self::{
    key::{KeySource, RawKey},
    policy::RawPolicy,
};
use crate::{
    guard::Owner,
    key::{KeyError, SigningKey},
    listen::Listen,
    policy::Policy,
};

/// No configuration, password or key file is longer, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// What the enclave is told.
#[derive(Debug)]
pub struct Config {
    /// Where it listens, and who may ask.
    pub listen: Listen,
    /// Where the guard is.
    pub guard: PathBuf,
    /// Whose signatures are guarded.
    pub owner: Owner,
    /// Its rules.
    pub policy: Policy,
    key: KeySource,
}

/// Why it cannot start as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {why}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Everybody can read a secret.
    #[error("{path} has mode {mode:03o}, so anybody on this host can read it: chmod 600 it, and treat the secret as known", path = path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no configuration.
    #[error("{path}: {why}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A process for each question with a key that is unlocked for a time.
    #[error(
        "key.memory: a key that people unlock is in the process that they unlocked, and --one-shot and --answer start another for \
         each question: start it without"
    )]
    Leased,
    /// Another key than the one that is named.
    #[error("key.address is {expected}, and the key is that of {found}: one of them is wrong")]
    OtherKey {
        /// Whose it should be.
        expected: Address,
        /// Whose it is.
        found: Address,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    guard: PathBuf,
    chain_id: u64,
    contract: Address,
    ring: u32,
    listen: RawListen,
    key: RawKey,
    policy: RawPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawListen {
    socket: Option<PathBuf>,
    client_uid: Option<u32>,
    vsock_port: Option<u32>,
    client_cid: Option<u32>,
    address: Option<SocketAddr>,
    certificate: Option<PathBuf>,
    private_key: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// `Unreadable`, `Malformed`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let malformed = |why: String| ConfigError::Malformed { path: path.to_owned(), why };
        let text = read_text(path, false)?;
        let raw: Raw = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let listen = raw.listen.check(folder).map_err(malformed)?;
        let address = raw.key.address;
        let key = raw.key.check(folder).map_err(malformed)?;
        let policy = raw.policy.check().map_err(malformed)?;
        let domain = Domain { chain_id: raw.chain_id, contract: raw.contract };
        Ok(Self {
            listen,
            guard: folder.join(raw.guard),
            owner: Owner { domain, ring: raw.ring, address },
            policy,
            key,
        })
    }

    /// Gets to the key.
    ///
    /// # Errors
    /// `Unreadable`, `Exposed`, `Key`, `OtherKey`.
    pub fn open_key(&self) -> Result<SigningKey, ConfigError> {
        let key = self.key.open()?;
        match (self.owner.address, key.address()) {
            (expected, found) if expected != found => Err(ConfigError::OtherKey { expected, found }),
            _ => Ok(key),
        }
    }

    /// A key that people unlock for a time is in the process that they unlocked, and in no other.
    ///
    /// # Errors
    /// `Leased`: the key is one.
    pub fn check_one_shot(&self) -> Result<(), ConfigError> {
        match self.key.is_unlocked_by_people() {
            true => Err(ConfigError::Leased),
            false => Ok(()),
        }
    }

    /// Has the key unlocked by people, if that is how it comes here.
    ///
    /// # Errors
    /// `Key`: nobody can be let in where they should be.
    pub fn let_unlock(&self, key: &SigningKey) -> Result<(), ConfigError> {
        Ok(self.key.let_unlock(key)?)
    }
}

impl RawListen {
    fn check(self, folder: &Path) -> Result<Listen, String> {
        let unix = (self.socket, self.client_uid);
        let vsock = (self.vsock_port, self.client_cid);
        let tls = (self.address, self.certificate, self.private_key, self.client_certificate);
        match (unix, vsock, tls) {
            ((Some(socket), Some(client_uid)), (None, None), (None, None, None, None)) => {
                Ok(Listen::Unix { socket: folder.join(socket), client_uid })
            }
            #[cfg(feature = "vsock")]
            ((None, None), (Some(port), Some(client_cid)), (None, None, None, None)) => {
                Ok(Listen::Vsock { port, client_cid })
            }
            #[cfg(not(feature = "vsock"))]
            ((None, None), (Some(_), Some(_)), (None, None, None, None)) => Err(format!("listen.vsock_port: {}", not_built("vsock"))),
            #[cfg(feature = "tls")]
            ((None, None), (None, None), (Some(address), Some(certificate), Some(key), Some(client_certificate))) => {
                let [certificate, private_key, client_certificate] =
                    [certificate, key, client_certificate].map(|file| folder.join(file));
                Ok(Listen::Tls(crate::listen::Tls { address, certificate, private_key, client_certificate }))
            }
            #[cfg(not(feature = "tls"))]
            ((None, None), (None, None), (Some(_), Some(_), Some(_), Some(_))) => Err(format!("listen.address: {}", not_built("tls"))),
            _ => Err("listen: give `socket` and `client_uid`, or `vsock_port` and `client_cid`, or `address`, `certificate`, \
                      `private_key` and `client_certificate`, and nothing else"
                .into()),
        }
    }
}

/// What is said of a way that is not there.
fn not_built(feature: &str) -> String {
    format!("this ring-signer was built without it; build it with `--features {feature}`")
}

fn secret(path: &Path) -> Result<SecretString, ConfigError> {
    let text = read_text(path, true)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// A text; a secret only if not everybody can read it.
pub(crate) fn read_text(path: &Path, is_secret: bool) -> Result<Zeroizing<String>, ConfigError> {
    let unreadable = |why| ConfigError::Unreadable { path: path.to_owned(), why };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if is_secret && mode & 0o004 != 0 {
        return Err(ConfigError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_LENGTH).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
