//! A ring as it stands on the chain.

use alloy::{
    primitives::{Address, B256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use ring_contracts::{Charter, IRingMultisig::RingView, RingMultisig};
use serde::Serialize;

use crate::{amount, chain::Chain, rpc::ChainError, terms, time};

/// Why a ring cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It was never formed.
    #[error(
        "ring {ring} was never formed at {contract}: the master forms it with `ring-keys ring set --ring {ring} …`"
    )]
    Unknown {
        /// Which ring.
        ring: u32,
        /// At which contract.
        contract: Address,
    },
    /// No event holds the charter that the chain committed to.
    #[error(
        "no CharterChanged event of ring {ring} has the hash {expected} that the contract holds: \
         the RPC does not serve old logs, use one that does"
    )]
    CharterLost {
        /// Which ring.
        ring: u32,
        /// The commitment on the chain.
        expected: B256,
    },
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A ring, with its whole charter.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Its number.
    pub id: u32,
    /// What the contract stores of it.
    pub view: RingView,
    /// What its hash stands for.
    pub charter: Charter,
}

/// A ring as printed for machines. Amounts are strings of decimal digits in the smallest unit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RingReport {
    ring: u32,
    nonce: u64,
    epoch: u32,
    halted: bool,
    charter: Charter,
    spent: String,
    turns: u32,
    period_index: u32,
    last_turn_at: u64,
    lead: usize,
    window: Vec<usize>,
}

impl Ring {
    /// Reads a ring, and its charter from the event that announced it.
    ///
    /// # Errors
    /// `Unknown`, `CharterLost`, and what an RPC can answer.
    pub async fn read(chain: &Chain, id: u32) -> Result<Self, RingError> {
        let view = read_view(chain, id).await?;
        let charters = Filter::new()
            .event_signature(RingMultisig::CharterChanged::SIGNATURE_HASH)
            .topic1(B256::left_padding_from(&id.to_be_bytes()));
        // Some chains count other blocks inside than outside (Arbitrum): then the event is not where the contract says, or
        // the RPC knows no such block, and all there are have to be looked through.
        let at_change = chain.events_in_block(&charters, view.changedAt).await.unwrap_or_default();
        let charter = match charter_in(&at_change, view.charter) {
            Some(charter) => charter,
            None => charter_in(&chain.events(&charters).await?, view.charter)
                .ok_or(RingError::CharterLost { ring: id, expected: view.charter })?,
        };
        Ok(Self { id, view, charter })
    }

    /// The turn that comes next.
    pub fn nonce(&self) -> u64 {
        self.view.nonce.to()
    }

    /// The ring as printed for machines.
    pub fn report(&self) -> RingReport {
        let window: Vec<_> = self.charter.window_of(self.nonce()).collect();
        RingReport {
            ring: self.id,
            nonce: self.nonce(),
            epoch: self.view.epoch,
            halted: self.view.halted,
            charter: self.charter.clone(),
            spent: self.view.spent.to_string(),
            turns: self.view.turns.to(),
            period_index: self.view.periodIndex.to(),
            last_turn_at: self.view.lastTurnAt.to(),
            lead: window.first().copied().unwrap_or_default(),
            window,
        }
    }

    /// Whether no turn executes any more at this time of the chain.
    pub fn lease_is_over(&self, now: u64) -> bool {
        now > self.charter.expires_at || self.nonce() > self.charter.last_nonce
    }

    /// The ring as printed for people, at this time of the chain.
    pub fn in_words(&self, now: u64) -> String {
        let Charter { window, quorum, asset, cap, period, seats, .. } = &self.charter;
        let current = now / u64::from((*period).max(1)) == self.view.periodIndex.to::<u64>();
        let (spent, turns) = if current { (self.view.spent.to(), self.view.turns.to()) } else { (0u128, 0u32) };
        let state = match (self.view.halted, self.lease_is_over(now)) {
            (true, _) => "HALTED: only the master can let it go on",
            (false, true) => "LEASE OVER: only the master can form it anew",
            (false, false) => "running",
        };
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["seat", "key", "next turn"]);
        let report = self.report();
        for (seat, key) in seats.iter().enumerate() {
            let key = if key.is_zero() { "(revoked: blocks its windows)".to_owned() } else { key.to_string() };
            let role = match report.window.iter().position(|other| *other == seat) {
                Some(0) => "leads",
                Some(_) => "in the window",
                None => "",
            };
            table.add_row([seat.to_string(), key, role.to_owned()]);
        }
        format!(
            "ring {}: {state}\n  epoch {}, next turn {}\n  {} seats, window {window}, quorum {quorum}\n  \
             lease {}\n  {turns} turns taken in this period, of {}\n  spent {} of {} a {}\n{table}",
            self.id,
            self.view.epoch,
            self.nonce(),
            seats.len(),
            terms::lease(&self.charter, now),
            terms::velocity(&self.charter),
            amount::in_words(*asset, alloy::primitives::U256::from(spent)),
            amount::in_words(*asset, alloy::primitives::U256::from(*cap)),
            time::period_in_words(*period),
        )
    }
}

/// What the contract stores of a ring that was formed.
///
/// # Errors
/// `Unknown`, and what an RPC can answer.
pub async fn read_view(chain: &Chain, ring: u32) -> Result<RingView, RingError> {
    let view = read_any_view(chain, ring).await?;
    if view.epoch == 0 {
        return Err(RingError::Unknown { ring, contract: chain.domain().contract });
    }
    Ok(view)
}

/// What the contract stores of a ring; all zero if it was never formed.
///
/// # Errors
/// What an RPC can answer.
pub async fn read_any_view(chain: &Chain, ring: u32) -> Result<RingView, ChainError> {
    chain.functions().getRing(ring).call().await.map_err(|error| chain.call_failure(error))
}

/// The charter with this hash, of the last event that has it.
fn charter_in(logs: &[Log], commitment: B256) -> Option<Charter> {
    logs.iter()
        .rev()
        .filter_map(|log| RingMultisig::CharterChanged::decode_log(&log.inner).ok())
        .map(|event| Charter::from(event.data.charter))
        .find(|charter| charter.commitment() == commitment)
}
