//! The configuration: one TOML file. Paths in it start at the file's own folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, FixedBytes, U256};
use ring_contracts::{Domain, Refill};
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    guard::Owner,
    key::{KeyError, SigningKey},
    policy::{Policy, Spend},
};

/// No configuration, password or key file is longer, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// What the enclave is told.
#[derive(Debug)]
pub struct Config {
    /// The socket that it listens on.
    pub socket: PathBuf,
    /// The user (uid) whose processes may ask.
    pub client_uid: u32,
    /// Where the guard is.
    pub guard: PathBuf,
    /// Whose signatures are guarded.
    pub owner: Owner,
    /// Its rules.
    pub policy: Policy,
    key: KeySource,
}

#[derive(Debug)]
enum KeySource {
    Keystore {
        keystore: PathBuf,
        password_file: PathBuf,
    },
    File(PathBuf),
    #[cfg(feature = "pkcs11")]
    Pkcs11 {
        module: PathBuf,
        token: ring_key::pkcs11::Token,
        label: String,
        pin_file: PathBuf,
    },
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
    socket: PathBuf,
    client_uid: u32,
    guard: PathBuf,
    chain_id: u64,
    contract: Address,
    ring: u32,
    key: RawKey,
    policy: RawPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    address: Address,
    keystore: Option<PathBuf>,
    password_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    pkcs11: Option<RawPkcs11>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "so that all builds know the same configuration"))]
struct RawPkcs11 {
    module: PathBuf,
    token: Option<String>,
    serial: Option<String>,
    key: String,
    pin_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    main_asset: Address,
    #[serde(default)]
    requesters: BTreeSet<Address>,
    max_fee: Amount,
    #[serde(default)]
    spend: Vec<RawSpend>,
    #[serde(default)]
    call: Vec<RawCall>,
    refill: Option<RawRefill>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpend {
    asset: Address,
    max_amount: Option<Amount>,
    per_day: Option<Amount>,
    #[serde(default)]
    recipients: BTreeSet<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    target: Address,
    selector: FixedBytes<4>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefill {
    amount: Amount,
    period_seconds: u64,
    seats: BTreeSet<Address>,
}

/// A number in decimal, as text: TOML's own numbers are too short.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Amount(U256);

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_decimal.then(|| U256::from_str_radix(&text, 10).ok()).flatten();
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no amount: write it in the smallest unit, as digits in quotes"))
    }
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
        let key = raw.key.source(folder).map_err(malformed)?;
        let policy = raw.policy.check().map_err(malformed)?;
        let domain = Domain { chain_id: raw.chain_id, contract: raw.contract };
        Ok(Self {
            socket: folder.join(raw.socket),
            client_uid: raw.client_uid,
            guard: folder.join(raw.guard),
            owner: Owner { domain, ring: raw.ring, address: raw.key.address },
            policy,
            key,
        })
    }

    /// Gets to the key.
    ///
    /// # Errors
    /// `Unreadable`, `Exposed`, `Key`, `OtherKey`.
    pub fn open_key(&self) -> Result<SigningKey, ConfigError> {
        let key = match &self.key {
            KeySource::Keystore { keystore, password_file } => {
                SigningKey::of_keystore(keystore, &secret(password_file)?)?
            }
            KeySource::File(file) => SigningKey::of_hexadecimal(&secret(file)?)?,
            #[cfg(feature = "pkcs11")]
            KeySource::Pkcs11 { module, token, label, pin_file } => {
                let (module, token, label) = (module.clone(), token.clone(), label.clone());
                let pin = secret(pin_file)?;
                SigningKey::of_hsm(ring_key::pkcs11::Pkcs11Settings { module, token, label, pin })?
            }
        };
        match (self.owner.address, key.address()) {
            (expected, found) if expected != found => Err(ConfigError::OtherKey { expected, found }),
            _ => Ok(key),
        }
    }
}

impl RawKey {
    fn source(&self, folder: &Path) -> Result<KeySource, String> {
        match (&self.keystore, &self.password_file, &self.key_file, &self.pkcs11) {
            (Some(keystore), Some(password_file), None, None) => {
                Ok(KeySource::Keystore { keystore: folder.join(keystore), password_file: folder.join(password_file) })
            }
            (None, None, Some(file), None) => Ok(KeySource::File(folder.join(file))),
            #[cfg(feature = "pkcs11")]
            (None, None, None, Some(raw)) => {
                use ring_key::pkcs11::Token;
                let token = match (&raw.token, &raw.serial) {
                    (Some(label), None) => Token::Label(label.clone()),
                    (None, Some(serial)) => Token::Serial(serial.clone()),
                    _ => {
                        return Err(
                            "key.pkcs11: name the token by its label, `token`, or by its `serial` number".into()
                        );
                    }
                };
                let (module, pin_file) = (folder.join(&raw.module), folder.join(&raw.pin_file));
                Ok(KeySource::Pkcs11 { module, token, label: raw.key.clone(), pin_file })
            }
            #[cfg(not(feature = "pkcs11"))]
            (None, None, None, Some(_)) => {
                Err("key.pkcs11: this ring-signer was built without it; build it with `--features pkcs11`".into())
            }
            _ => {
                Err("key: give `keystore` and `password_file`, or `key_file`, or [key.pkcs11], and nothing else".into())
            }
        }
    }
}

impl RawPolicy {
    fn check(self) -> Result<Policy, String> {
        let mut spend = BTreeMap::new();
        for RawSpend { asset, max_amount, per_day, recipients } in self.spend {
            let [max_amount, per_day] = [max_amount, per_day].map(|amount| amount.map(|Amount(amount)| amount));
            if spend.insert(asset, Spend { max_amount, per_day, recipients }).is_some() {
                return Err(format!("policy.spend: {asset} is there twice"));
            }
        }
        let refill =
            self.refill.map(
                |RawRefill { amount: Amount(amount), period_seconds: period, seats }| match u128::try_from(amount) {
                    Ok(amount) if amount >> 96 == 0 && period > 0 => Ok((Refill { amount, period }, seats)),
                    _ => {
                        Err("policy.refill: amount has to be below 2^96 wei, and period_seconds at least 1".to_owned())
                    }
                },
            );
        Ok(Policy {
            main_asset: self.main_asset,
            requesters: self.requesters,
            spend,
            calls: self.call.into_iter().map(|RawCall { target, selector }| (target, selector)).collect(),
            refill: refill.transpose()?,
            max_fee: self.max_fee.0,
        })
    }
}

fn secret(path: &Path) -> Result<SecretString, ConfigError> {
    let text = read_text(path, true)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

fn read_text(path: &Path, is_secret: bool) -> Result<Zeroizing<String>, ConfigError> {
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
