//! What the chain has, beside what the file says.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use ring_contracts::{Charter, Domain, LimitSetting, Permission};
use serde::Serialize;

use super::{
    Description, RingDescription,
    file::{DescriptionError, DescriptionFile},
};
use crate::{
    amount,
    chain::{Authorities, Chain},
    error::Error,
    ring::{Ring, RingError},
    rpc::Connection,
    rules::{self, Rules},
    status, time,
};

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    chain_id: u64,
    contract: Address,
    rings: Vec<u32>,
    differences: Vec<String>,
    notes: Vec<String>,
}

impl Verification {
    /// How the chain differs from the file, in words.
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    /// The whole in words.
    pub fn in_words(&self) -> String {
        let mut lines = self.differences.clone();
        if lines.is_empty() {
            lines.push(format!(
                "{} on chain {} is what the file says: code, first and present authorities, {} rings with their keys, terms, \
                 permissions and limits",
                self.contract,
                self.chain_id,
                self.rings.len()
            ));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.join("\n")
    }
}

/// Compares a file with the chain: the contract's code with that of this release first.
///
/// # Errors
/// The file is about another chain or contract, or cannot be right; the code is another; what an RPC can answer.
pub async fn verify(
    file: &DescriptionFile,
    connection: Connection,
    given: Option<Address>,
) -> Result<Verification, Error> {
    file.check_chain(&connection)?;
    let Domain { chain_id, contract } = file.domain();
    if let Some(given) = given.filter(|given| *given != contract) {
        return Err(DescriptionError::OtherContract { described: contract, given }.into());
    }
    let chain = Chain::at(connection, contract).await?;
    let described = file.resolve(&chain).await?;
    let mut found = Verification {
        chain_id,
        contract,
        rings: described.rings.iter().map(|ring| ring.id).collect(),
        differences: Vec::new(),
        notes: Vec::new(),
    };
    found.compare_authorities(&described, chain.authorities().await?);
    let now = chain.connection().time().await?;
    for ring in &described.rings {
        found.compare_ring(&chain, ring, now).await?;
    }
    let known: BTreeSet<u32> = found.rings.iter().copied().collect();
    for ring in status::rings_in_events(&chain).await?.difference(&known) {
        found.differences.push(format!("ring {ring}: on the chain, and not in the file"));
    }
    Ok(found)
}

fn or_none(address: Address) -> String {
    if address.is_zero() { "none".to_owned() } else { address.to_string() }
}

impl Verification {
    fn differ(&mut self, what: impl std::fmt::Display, chain: impl std::fmt::Display, file: impl std::fmt::Display) {
        self.differences.push(format!("{what}: {chain} on the chain, {file} in the file"));
    }

    fn compare_authorities(&mut self, described: &Description, actual: Authorities) {
        if let Some(plan) = &described.deployment {
            let made = plan.address();
            if made != self.contract {
                self.differences.push(format!(
                    "deployment: the first master, first guardian and salt in the file give the address {made}, and the \
                     contract is at {}",
                    self.contract
                ));
            }
        } else {
            self.notes.push("the file does not say what the contract was deployed with ([deployment])".to_owned());
        }
        let pairs = [
            ("master", actual.master, described.master),
            ("guardian", actual.guardian, described.guardian),
            ("pending master", actual.pending_master, described.pending_master),
        ];
        for (what, actual, described) in pairs {
            if actual != described {
                self.differ(what, or_none(actual), or_none(described));
            }
        }
    }

    async fn compare_ring(&mut self, chain: &Chain, described: &RingDescription, now: u64) -> Result<(), Error> {
        let id = described.id;
        let ring = match Ring::read(chain, id).await {
            Ok(ring) => ring,
            Err(RingError::Unknown { .. }) => {
                self.differences.push(format!("ring {id}: in the file, and never formed on the chain"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if ring.view.halted {
            self.notes.push(format!("ring {id} is halted"));
        }
        if ring.lease_is_over(now) {
            self.notes.push(format!("the lease of ring {id} is over"));
        }
        // The hash decides; the fields only say where it comes from.
        if ring.view.charter != described.charter.commitment() {
            self.compare_charters(id, &ring.charter, &described.charter);
        }
        let actual = Rules::read(chain, id).await?;
        self.compare_permissions(id, &actual.permissions, &described.permissions);
        self.compare_limits(id, &actual.settings().collect::<Vec<_>>(), &described.limits);
        Ok(())
    }

    fn compare_charters(&mut self, ring: u32, actual: &Charter, described: &Charter) {
        for ((name, actual), (_, described)) in terms(actual).into_iter().zip(terms(described)) {
            if actual != described {
                self.differ(format_args!("ring {ring}: {name}"), actual, described);
            }
        }
        let seat = |charter: &Charter, seat: usize| match charter.seats.get(seat) {
            None => "no seat".to_owned(),
            Some(key) if key.is_zero() => "a revoked key".to_owned(),
            Some(key) => key.to_string(),
        };
        for index in 0..actual.seats.len().max(described.seats.len()) {
            let (actual, described) = (seat(actual, index), seat(described, index));
            if actual != described {
                self.differ(format_args!("ring {ring}: seat {index}"), actual, described);
            }
        }
    }

    fn compare_permissions(&mut self, ring: u32, actual: &[Permission], described: &[Permission]) {
        let key = |permission: &Permission| (permission.target, permission.selector);
        for permission in actual {
            let call = rules::call_in_words(permission);
            match described.iter().find(|other| key(other) == key(permission)) {
                None => {
                    self.differences.push(format!("ring {ring}: permitted {call} on the chain, and not in the file"))
                }
                Some(other) if other != permission => self.differ(
                    format_args!("ring {ring}: permitted {call}"),
                    format_args!("\"{}\"", rules::metering_in_words(permission)),
                    format_args!("\"{}\"", rules::metering_in_words(other)),
                ),
                Some(_) => {}
            }
        }
        for permission in described.iter().filter(|other| !actual.iter().any(|found| key(found) == key(other))) {
            let call = rules::call_in_words(permission);
            self.differences.push(format!("ring {ring}: permitted {call} in the file, and not on the chain"));
        }
    }

    fn compare_limits(&mut self, ring: u32, actual: &[LimitSetting], described: &[LimitSetting]) {
        let words = |limit: Option<&LimitSetting>| match limit {
            // A cap of zero permits as much as none.
            None | Some(LimitSetting { cap: 0, .. }) => "nothing".to_owned(),
            Some(LimitSetting { asset, cap, period }) => {
                let period = time::period_in_words(*period);
                format!("{} a {period}", amount::in_words(*asset, U256::from(*cap)))
            }
        };
        let assets: BTreeSet<Address> = actual.iter().chain(described).map(|limit| limit.asset).collect();
        for asset in assets {
            let of = |limits: &[LimitSetting]| words(limits.iter().find(|limit| limit.asset == asset));
            let (actual, described) = (of(actual), of(described));
            if actual != described {
                self.differ(format_args!("ring {ring}: limit on {}", asset_in_words(asset)), actual, described);
            }
        }
    }
}

fn asset_in_words(asset: Address) -> String {
    if asset.is_zero() { "the native coin".to_owned() } else { format!("token {asset}") }
}

/// The terms of a charter, all but its seats, each with its name.
fn terms(charter: &Charter) -> [(&'static str, String); 9] {
    let Charter { window, quorum, asset, cap, period, turns_per_period, interval, .. } = charter;
    let expires_at = match charter.expires_at {
        Charter::NO_EXPIRY => "never".to_owned(),
        at => time::in_utc(at),
    };
    let last_nonce = match charter.last_nonce {
        Charter::NO_LAST_NONCE => "none".to_owned(),
        nonce => nonce.to_string(),
    };
    [
        ("window", window.to_string()),
        ("quorum", quorum.to_string()),
        ("main asset", asset_in_words(*asset)),
        ("cap", amount::in_words(*asset, U256::from(*cap))),
        ("period", format!("{period} seconds")),
        ("turns per period", turns_per_period.to_string()),
        ("interval", format!("{interval} seconds")),
        ("end of the lease", expires_at),
        ("last nonce", last_nonce),
    ]
}
