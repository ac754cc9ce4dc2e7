//! The file as it is written, and what it means.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, FixedBytes};
use ring_contracts::{
    ActionError, BARE_TRANSFER, Charter, CharterError, Domain, LimitSetting, MAX_ADDRESS_WORDS, NO_AMOUNT, Permission,
};
use ring_keystore::files;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Description, RingDescription};
use crate::{
    action::in_smallest_unit,
    amount::Amount,
    chain::Chain,
    cli::{parse_address, parse_asset, parse_guardian, parse_salt, parse_selector},
    deploy::Plan,
    error::Error,
    function::{Function, FunctionError, Meter},
    rpc::Connection,
    time,
};

/// Why a file describes nothing.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// Its shape.
    #[error("{path} describes no contract: line {line}: {reason}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A permission of it.
    #[error("{path}: ring {ring}, call {call:?}: {reason}", path = path.display())]
    Permission {
        /// Which file.
        path: PathBuf,
        /// Which ring.
        ring: u32,
        /// The call as it is written.
        call: String,
        /// What is wrong.
        reason: String,
    },
    /// A ring of it.
    #[error("{path}: ring {ring}: {reason}", path = path.display())]
    Ring {
        /// Which file.
        path: PathBuf,
        /// Which ring.
        ring: u32,
        /// What is wrong.
        reason: String,
    },
    /// The file is about another chain.
    #[error(
        "the file describes a contract on chain {described}, and the RPC is of chain {actual}: give the RPC of that chain"
    )]
    OtherChain {
        /// The file's chain.
        described: u64,
        /// The RPC's chain.
        actual: u64,
    },
    /// The file is about another contract.
    #[error("the file describes the contract {described}, and --contract (or RING_CONTRACT) is {given}")]
    OtherContract {
        /// The file's contract.
        described: Address,
        /// The contract on the command line.
        given: Address,
    },
}

/// A file whose shape is right. Amounts of tokens have yet to be converted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptionFile {
    #[serde(skip)]
    path: PathBuf,
    chain_id: u64,
    #[serde(deserialize_with = "address")]
    contract: Address,
    #[serde(deserialize_with = "address")]
    master: Address,
    #[serde(deserialize_with = "address_or_none")]
    guardian: Address,
    #[serde(default, deserialize_with = "address_or_none")]
    pending_master: Address,
    deployment: Option<DeploymentSection>,
    #[serde(default)]
    ring: Vec<RingSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeploymentSection {
    #[serde(deserialize_with = "address")]
    master: Address,
    #[serde(deserialize_with = "address_or_none")]
    guardian: Address,
    #[serde(deserialize_with = "salt")]
    salt: B256,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingSection {
    id: u32,
    window: u8,
    quorum: u8,
    #[serde(deserialize_with = "asset")]
    asset: Address,
    #[serde(deserialize_with = "amount")]
    cap: Amount,
    #[serde(deserialize_with = "period")]
    period: u32,
    turns_per_period: u32,
    #[serde(deserialize_with = "interval")]
    interval: u32,
    #[serde(deserialize_with = "expiry")]
    expires_at: u64,
    #[serde(deserialize_with = "last_nonce")]
    last_nonce: u64,
    #[serde(deserialize_with = "seats")]
    seats: Vec<Address>,
    #[serde(default)]
    permission: Vec<PermissionSection>,
    #[serde(default)]
    limit: Vec<LimitSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionSection {
    #[serde(deserialize_with = "target")]
    target: Address,
    /// A signature, a selector, or `bare`.
    call: String,
    meter: Option<WordOrName>,
    #[serde(default, deserialize_with = "some_asset")]
    asset: Option<Address>,
    address_words: Option<Vec<u8>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitSection {
    #[serde(deserialize_with = "asset")]
    asset: Address,
    #[serde(deserialize_with = "amount")]
    cap: Amount,
    #[serde(deserialize_with = "period")]
    period: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum WordOrName {
    Word(usize),
    Name(String),
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, or has another shape.
pub fn read(path: &Path) -> Result<DescriptionFile, Error> {
    let content = files::read(path)?;
    let text = String::from_utf8_lossy(&content);
    let file: DescriptionFile = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        DescriptionError::Malformed { path: path.to_owned(), line, reason: error.message().to_owned() }
    })?;
    Ok(DescriptionFile { path: path.to_owned(), ..file })
}

impl DescriptionFile {
    /// The contract and its chain.
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, contract: self.contract }
    }

    /// Refuses an RPC of another chain.
    ///
    /// # Errors
    /// `OtherChain`.
    pub(crate) fn check_chain(&self, connection: &Connection) -> Result<(), DescriptionError> {
        match (self.chain_id, connection.chain_id()) {
            (described, actual) if described != actual => Err(DescriptionError::OtherChain { described, actual }),
            _ => Ok(()),
        }
    }

    /// What `permit` has for each permission of a ring, in the order of the file.
    ///
    /// # Errors
    /// `Permission`: a call without its name cannot be permitted.
    pub(crate) fn permit_options(&self, ring: u32) -> Result<Vec<Vec<String>>, DescriptionError> {
        let sections = self.ring.iter().filter(|section| section.id == ring).flat_map(|section| &section.permission);
        let options = |section: &PermissionSection| {
            section.permit_options().map_err(|reason| DescriptionError::Permission {
                path: self.path.clone(),
                ring,
                call: section.call.clone(),
                reason,
            })
        };
        sections.map(options).collect()
    }

    /// What the file means. Whole tokens are converted as the tokens themselves say.
    ///
    /// # Errors
    /// A value cannot be.
    pub async fn resolve(&self, chain: &Chain) -> Result<Description, Error> {
        let mut rings: Vec<RingDescription> = Vec::new();
        for section in &self.ring {
            let ring = section.resolve(chain, &self.path).await?;
            if rings.iter().any(|other| other.id == ring.id) {
                return Err(self.ring_error(ring.id, "it is described twice: keep one of them").into());
            }
            rings.push(ring);
        }
        let deployment = self.deployment.as_ref().map(|deployment| Plan {
            master: deployment.master,
            guardian: Some(deployment.guardian).filter(|guardian| !guardian.is_zero()),
            salt: deployment.salt,
        });
        Ok(Description {
            domain: self.domain(),
            master: self.master,
            guardian: self.guardian,
            pending_master: self.pending_master,
            deployment,
            rings,
        })
    }

    fn ring_error(&self, ring: u32, reason: impl Into<String>) -> DescriptionError {
        DescriptionError::Ring { path: self.path.clone(), ring, reason: reason.into() }
    }
}

impl RingSection {
    async fn resolve(&self, chain: &Chain, path: &Path) -> Result<RingDescription, Error> {
        let wrong = |reason: String| DescriptionError::Ring { path: path.to_owned(), ring: self.id, reason };
        let charter = Charter {
            window: self.window,
            quorum: self.quorum,
            asset: self.asset,
            cap: in_smallest_unit(chain, &self.cap, self.asset, None, 96).await?,
            period: self.period,
            turns_per_period: self.turns_per_period,
            interval: self.interval,
            expires_at: self.expires_at,
            last_nonce: self.last_nonce,
            seats: self.seats.clone(),
        };
        // A ring with a revoked key cannot be formed, and is there all the same.
        match charter.check() {
            Err(CharterError::EmptySeat(_)) | Ok(()) => {}
            Err(error) => return Err(wrong(error.to_string()).into()),
        }
        let mut permissions: Vec<Permission> = Vec::new();
        for section in &self.permission {
            let permission = section.resolve().map_err(|reason| DescriptionError::Permission {
                path: path.to_owned(),
                ring: self.id,
                call: section.call.clone(),
                reason,
            })?;
            let is_same =
                |other: &Permission| (other.target, other.selector) == (permission.target, permission.selector);
            if permissions.iter().any(is_same) {
                return Err(wrong(format!("{:?} of {} is permitted twice", section.call, permission.target)).into());
            }
            permissions.push(permission);
        }
        let mut limits: Vec<LimitSetting> = Vec::new();
        for LimitSection { asset, cap, period } in &self.limit {
            let limit = LimitSetting {
                asset: *asset,
                cap: in_smallest_unit(chain, cap, *asset, None, 104).await?,
                period: *period,
            };
            limit.check().map_err(|error| ActionError::Limit { index: limits.len(), error })?;
            if limits.iter().any(|other| other.asset == *asset) {
                return Err(wrong(format!("{asset} has two limits")).into());
            }
            limits.push(limit);
        }
        Ok(RingDescription { id: self.id, charter, permissions, limits })
    }
}

impl PermissionSection {
    fn permit_options(&self) -> Result<Vec<String>, String> {
        let mut options = match self.target.is_zero() {
            true => vec!["--anybody".to_owned()],
            false => vec!["--target".to_owned(), self.target.to_string()],
        };
        if self.call == "bare" {
            options.push("--bare".to_owned());
            return Ok(options);
        }
        if self.call.starts_with("0x") {
            return Err("name the function with its parameters: they say which words are addresses".to_owned());
        }
        options.extend(["--call".to_owned(), self.call.clone()]);
        let meter = self.meter.as_ref().map(|meter| match meter {
            WordOrName::Word(word) => word.to_string(),
            WordOrName::Name(name) => name.clone(),
        });
        match meter.zip(self.asset) {
            None => options.push("--unmetered".to_owned()),
            Some((meter, asset)) => {
                let asset = if asset.is_zero() { "native".to_owned() } else { asset.to_string() };
                options.extend(["--meter".to_owned(), meter, "--asset".to_owned(), asset]);
            }
        }
        Ok(options)
    }

    fn resolve(&self) -> Result<Permission, String> {
        let meter = self.meter.clone().map(|meter| match meter {
            WordOrName::Word(word) => Meter::Word(word),
            WordOrName::Name(name) => Meter::Name(name),
        });
        let metered = match (meter, self.asset) {
            (Some(meter), Some(asset)) => Some((meter, asset)),
            (None, None) => None,
            _ => return Err("give meter and asset, or neither of them".to_owned()),
        };
        let permission = if self.call == "bare" {
            if metered.is_some() || self.address_words.is_some() {
                return Err("a bare transfer has no arguments: leave meter, asset and address_words out".to_owned());
            }
            Permission::bare(self.target)
        } else if self.call.starts_with("0x") {
            self.by_selector(parse_selector(&self.call)?, metered)?
        } else {
            if self.address_words.is_some() {
                return Err("the function says which words are addresses: leave address_words out".to_owned());
            }
            let function: Function = self.call.parse().map_err(|error: FunctionError| error.to_string())?;
            let metered = metered.as_ref().map(|(meter, asset)| (meter, *asset));
            function.permission(self.target, metered).map_err(|error| error.to_string())?
        };
        permission.check().map_err(|error| error.to_string())?;
        Ok(permission)
    }

    /// Where nobody knows the function's parameters, the words are given by their numbers.
    fn by_selector(&self, selector: FixedBytes<4>, metered: Option<(Meter, Address)>) -> Result<Permission, String> {
        if selector == BARE_TRANSFER {
            return Err("the selector of zeros stands for bare transfers: write \"bare\"".to_owned());
        }
        let mut permission = Permission::function(self.target, selector);
        for word in self.address_words.iter().flatten() {
            if usize::from(*word) >= MAX_ADDRESS_WORDS {
                return Err(format!("word {word} cannot be checked: only the first {MAX_ADDRESS_WORDS} can"));
            }
            permission.address_words |= 1 << word;
        }
        match metered {
            None => {}
            Some((Meter::Word(word), asset)) => {
                let word = u8::try_from(word).ok().filter(|word| *word != NO_AMOUNT);
                let word = word.ok_or_else(|| "the number of the amount's word is at most 254".to_owned())?;
                (permission.amount_word, permission.asset) = (word, asset);
            }
            Some((Meter::Name(name), _)) => {
                return Err(format!("nobody knows the word {name:?} of a selector: give its number, or the function"));
            }
        }
        Ok(permission)
    }
}

type Read<T, E> = Result<T, E>;

fn parsed<'de, D: Deserializer<'de>, T>(deserializer: D, parse: fn(&str) -> Result<T, String>) -> Read<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Address, D::Error> {
    parsed(deserializer, parse_address)
}

fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Address, D::Error> {
    parsed(deserializer, parse_guardian)
}

fn asset<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Address, D::Error> {
    parsed(deserializer, parse_asset)
}

fn some_asset<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Option<Address>, D::Error> {
    asset(deserializer).map(Some)
}

fn salt<'de, D: Deserializer<'de>>(deserializer: D) -> Read<B256, D::Error> {
    parsed(deserializer, parse_salt)
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Amount, D::Error> {
    parsed(deserializer, |text| text.parse().map_err(|error: crate::amount::AmountError| error.to_string()))
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Address, D::Error> {
    parsed(deserializer, |text| match text {
        "anybody" => Ok(Address::ZERO),
        text => parse_address(text).map_err(|error| format!("{error}, or `anybody`")),
    })
}

fn seats<'de, D: Deserializer<'de>>(deserializer: D) -> Read<Vec<Address>, D::Error> {
    let seat = |text: &String| match text.as_str() {
        "revoked" => Ok(Address::ZERO),
        text => parse_address(text).map_err(|error| D::Error::custom(format!("{error}, or `revoked`"))),
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(seat).collect()
}

fn expiry<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u64, D::Error> {
    numeral(deserializer, |text| match text {
        "never" => Ok(Charter::NO_EXPIRY),
        text => time::parse_date(text)
            .ok_or_else(|| format!("{text:?} is no date: write 2027-06-30, 2027-06-30T12:00:00Z, or `never`")),
    })
}

fn numeral<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
    parse: fn(&str) -> Result<T, String>,
) -> Read<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(u64),
        Text(String),
    }
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => {
            T::try_from(number).map_err(|_| D::Error::custom(format!("{number} is too large")))
        }
        NumberOrText::Text(text) => parse(&text).map_err(D::Error::custom),
    }
}

fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u32, D::Error> {
    numeral(deserializer, time::parse_period)
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u32, D::Error> {
    numeral(deserializer, time::parse_interval)
}

fn last_nonce<'de, D: Deserializer<'de>>(deserializer: D) -> Read<u64, D::Error> {
    numeral(deserializer, |text| match text {
        "none" => Ok(Charter::NO_LAST_NONCE),
        text => Err(format!("{text:?} is no last nonce: write a number, or `none`")),
    })
}
