//! The keys of a ring's seats: since when each has its seat, and where it is, as its relayer reports.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256},
    rpc::types::Filter,
    sol_types::SolEvent as _,
};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use ring_contracts::{Charter, RingMultisig};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    output::tell,
    request::{Relayer, RequestFailure},
    ring::Ring,
    rpc::ChainError,
    time,
};

const DAY: u64 = 86_400;
/// How long before the end of a lease people should prepare new keys.
const PREPARATION: u64 = 14 * DAY;

/// The key of a seat. Times in Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatKey {
    ring: u32,
    seat: usize,
    key: Address,
    /// Since when it has a seat of the ring without a break.
    since: u64,
    /// Where it is; `None`: no relayer that was asked has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_in: Option<String>,
    /// How long a key in memory stays, in seconds; 0: it is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

/// What a relayer says of its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// Whose key.
    pub address: Address,
    /// Where it is.
    pub kept_in: String,
    /// How long it stays, in seconds; 0: it is locked. `None`: without end.
    pub seconds_left: Option<u64>,
    /// The key that its seat is to have next, if that was announced to it.
    pub next: Option<NextKeyReport>,
}

/// What a relayer says of the key that it is to have next.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextKeyReport {
    /// The commitment of the charter that the ring is to have then.
    pub charter: B256,
    /// Whose key.
    pub address: Address,
    /// How long it stays, in seconds; 0: it is locked. `None`: without end.
    pub seconds_left: Option<u64>,
}

/// Asks relayers where their keys are. One that does not say is told, and left out.
///
/// # Errors
/// `Url`: an address is none.
pub async fn ask(relayers: &[String], token: Option<&SecretString>) -> Result<Vec<KeyReport>, RequestFailure> {
    let relayers: Vec<Relayer> = relayers.iter().map(|url| Relayer::at(url)).collect::<Result<_, _>>()?;
    let mut reports = Vec::new();
    for relayer in relayers {
        match relayer.key(token).await {
            Ok(report) => reports.push(report),
            Err(failure) => tell(format_args!("where the key is: {failure}")),
        }
    }
    Ok(reports)
}

/// The keys of a ring.
///
/// # Errors
/// What an RPC can answer.
pub async fn of_ring(chain: &Chain, ring: &Ring, reports: &[KeyReport]) -> Result<Vec<SeatKey>, ChainError> {
    let changes = Filter::new()
        .event_signature(RingMultisig::CharterChanged::SIGNATURE_HASH)
        .topic1(B256::left_padding_from(&ring.id.to_be_bytes()));
    let changes: Vec<(u64, Charter)> = chain
        .events(&changes)
        .await?
        .iter()
        .filter_map(|log| {
            let event = RingMultisig::CharterChanged::decode_log(&log.inner).ok()?;
            Some((log.block_number?, Charter::from(event.data.charter)))
        })
        .collect();
    let (mut keys, mut times) = (Vec::new(), BTreeMap::new());
    for (seat, key) in ring.charter.seats.iter().enumerate().filter(|(_, key)| !key.is_zero()) {
        let Some(block) = seated_since(&changes, *key) else { continue };
        let since = match times.get(&block) {
            Some(since) => *since,
            None => chain.connection().time_of(block).await?,
        };
        times.insert(block, since);
        let report = reports.iter().find(|report| report.address == *key);
        keys.push(SeatKey {
            ring: ring.id,
            seat,
            key: *key,
            since,
            kept_in: report.map(|report| report.kept_in.clone()),
            seconds_left: report.and_then(|report| report.seconds_left),
        });
    }
    Ok(keys)
}

/// The block of the first of the last changes, all of which have this key in some seat.
fn seated_since(changes: &[(u64, Charter)], key: Address) -> Option<u64> {
    changes.iter().rev().take_while(|(_, charter)| charter.seats.contains(&key)).last().map(|(block, _)| *block)
}

/// The keys for people, and what is to be done about them, seen from this time of the chain.
pub fn in_words(ring: &Ring, keys: &[SeatKey], now: u64) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["seat", "key since", "kept in"]);
    for SeatKey { seat, since, kept_in, seconds_left, .. } in keys {
        let age = now.saturating_sub(*since) / DAY;
        let place = match (kept_in, seconds_left) {
            (None, _) => "not known".to_owned(),
            (Some(place), None) => place.clone(),
            (Some(place), Some(0)) => format!("{place}, LOCKED"),
            (Some(place), Some(seconds)) => format!("{place}, for {} minutes", seconds / 60),
        };
        table.add_row([seat.to_string(), format!("{} ({age} days)", time::in_utc(*since)), place]);
    }
    let mut lines = vec![table.to_string()];
    let expires_at = ring.charter.expires_at;
    if !ring.lease_is_over(now) && expires_at.saturating_sub(now) < PREPARATION {
        lines.push(format!(
            "  ROTATE THE KEYS of ring {}: its lease ends {} ({}), see `ring-keys rotate --help` and docs/RUNBOOK.md",
            ring.id,
            time::in_utc(expires_at),
            time::remaining(expires_at, now)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter(seats: &[u8]) -> Charter {
        Charter {
            window: 1,
            quorum: 1,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 1,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: seats.iter().copied().map(Address::repeat_byte).collect(),
        }
    }

    #[test]
    fn a_key_is_as_old_as_its_last_time_without_a_break_in_whatever_seat() {
        let changes: Vec<(u64, Charter)> = [(10, &[1, 2][..]), (20, &[1, 3]), (30, &[2, 1]), (40, &[2, 1])]
            .map(|(block, seats)| (block, charter(seats)))
            .into();
        let since = |key| seated_since(&changes, Address::repeat_byte(key));
        assert_eq!([since(1), since(2), since(3)], [Some(10), Some(30), None]);
    }
}
