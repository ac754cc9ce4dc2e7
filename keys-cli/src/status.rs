//! A contract as it stands on the chain: who rules it, what it holds, its rings.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, U256},
    rpc::types::Filter,
    sol_types::SolEvent,
};
use ring_contracts::RingMultisig;
use serde::Serialize;

use crate::{
    amount,
    chain::{Authorities, Chain},
    custody::{self, KeyReport, SeatKey},
    error::Error,
    ring::{Ring, RingReport},
    rules::{LimitReport, PermissionReport, Rules},
};

/// A contract, as printed for machines. Amounts are strings of decimal digits in the smallest unit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    chain_id: u64,
    contract: Address,
    master: Address,
    guardian: Option<Address>,
    pending_master: Option<Address>,
    balances: Vec<Balance>,
    rings: Vec<RingReport>,
    keys: Vec<SeatKey>,
    permissions: Vec<PermissionReport>,
    limits: Vec<LimitReport>,
    #[serde(skip)]
    text: String,
}

#[derive(Clone, Debug, Serialize)]
struct Balance {
    asset: Address,
    balance: String,
}

impl Status {
    /// The contract in words.
    pub fn in_words(&self) -> &str {
        &self.text
    }
}

/// Reads the contract, and these rings; all there are in its events if none is named. Relayers have said where keys are.
///
/// # Errors
/// What an RPC can answer; a ring that was never formed.
pub async fn read(chain: &Chain, rings: &[u32], reports: &[KeyReport]) -> Result<Status, Error> {
    let Authorities { master, guardian, pending_master } = chain.authorities().await?;
    let named: BTreeSet<u32> = match rings {
        [] => rings_in_events(chain).await?,
        rings => rings.iter().copied().collect(),
    };
    let (mut found, mut rules, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for ring in named {
        let ring_found = Ring::read(chain, ring).await?;
        keys.push(custody::of_ring(chain, &ring_found, reports).await?);
        found.push(ring_found);
        rules.push(Rules::read(chain, ring).await?);
    }

    let assets: BTreeSet<Address> = [Address::ZERO]
        .into_iter()
        .chain(found.iter().map(|ring| ring.charter.asset))
        .chain(rules.iter().flat_map(|rules| &rules.limits).map(|limit| limit.asset))
        .collect();
    let mut balances = Vec::new();
    for asset in assets {
        // An asset need not be a token that answers: the master may have limited anything.
        if let Ok(balance) = chain.connection().balance(asset, chain.domain().contract).await {
            balances.push((asset, balance));
        }
    }

    let now = chain.connection().time().await?;
    let mut status = Status {
        chain_id: chain.domain().chain_id,
        contract: chain.domain().contract,
        master,
        guardian: Some(guardian).filter(|guardian| !guardian.is_zero()),
        pending_master: Some(pending_master).filter(|pending| !pending.is_zero()),
        balances: balances.iter().map(|(asset, b)| Balance { asset: *asset, balance: b.to_string() }).collect(),
        rings: found.iter().map(Ring::report).collect(),
        keys: keys.concat(),
        permissions: rules.iter().flat_map(Rules::permission_reports).collect(),
        limits: rules.iter().flat_map(Rules::limit_reports).collect(),
        text: String::new(),
    };
    status.text = words(&status, &balances, (&found, &keys, &rules), now);
    Ok(status)
}

/// All rings that were ever formed.
pub(crate) async fn rings_in_events(chain: &Chain) -> Result<BTreeSet<u32>, Error> {
    let filter = Filter::new().event_signature(RingMultisig::CharterChanged::SIGNATURE_HASH);
    let logs = chain.events(&filter).await?;
    Ok(logs
        .iter()
        .filter_map(|log| RingMultisig::CharterChanged::decode_log(&log.inner).ok())
        .map(|event| event.data.ring)
        .collect())
}

fn words(
    status: &Status,
    balances: &[(Address, U256)],
    (rings, keys, rules): (&[Ring], &[Vec<SeatKey>], &[Rules]),
    now: u64,
) -> String {
    let or_none = |address: Option<Address>| address.map_or_else(|| "none".to_owned(), |address| address.to_string());
    let mut lines = vec![
        format!("contract        {} on chain {}", status.contract, status.chain_id),
        format!("master          {}", status.master),
        format!("guardian        {}", or_none(status.guardian)),
        format!("pending master  {}", or_none(status.pending_master)),
    ];
    lines.extend(
        balances.iter().map(|(asset, balance)| format!("holds           {}", amount::in_words(*asset, *balance))),
    );
    for ((ring, keys), rules) in rings.iter().zip(keys).zip(rules) {
        lines.push(String::new());
        lines.push(ring.in_words(now));
        lines.extend(custody::in_words(ring, keys, now));
        lines.extend(rules.in_words(now));
    }
    if rings.is_empty() {
        lines.push("no ring was ever formed".to_owned());
    }
    lines.join("\n")
}
