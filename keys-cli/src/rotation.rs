//! New keys for all seats of a ring that goes on working: its relayers are told before, and go on with the new keys by themselves
//! once the master has formed the ring with them.

use std::{path::Path, time::Duration};

use alloy::primitives::Address;
use ring_contracts::{Charter, CharterError};
use ring_keystore::files::{self, FileError};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::{
    chain::Chain,
    custody::{self, KeyReport},
    error::Error,
    output::tell,
    request::{Relayer, RequestFailure},
    ring::Ring,
    time::{self, Expiry},
};

/// How often relayers are asked whether they have gone on.
const PAUSE: Duration = Duration::from_secs(1);

/// Why keys are not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Another number of keys.
    #[error(
        "the ring has {seats} seats, and these are {given} keys: give one for each seat, in the order of the seats, the old one \
         where it stays"
    )]
    Count {
        /// N.
        seats: usize,
        /// As given.
        given: usize,
    },
    /// A key is to change its seat.
    #[error(
        "{key} has seat {from} now and would have seat {to}: keep the order of the seats, relayers stay where they are"
    )]
    Moved {
        /// Which key.
        key: Address,
        /// Its seat.
        from: usize,
        /// The other.
        to: usize,
    },
    /// Nothing changes.
    #[error("ring {0} has this charter already: there is nothing to rotate")]
    NothingNew(u32),
    /// A halted ring is nobody's routine.
    #[error(
        "ring {0} is halted: find out why first (docs/RUNBOOK.md), and form it anew with `ring-keys prepare ring set`; its relayers \
         do not go on by themselves"
    )]
    Halted(u32),
    /// The charter is impossible.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// Not everything is there yet.
    #[error("not everybody is ready, and nothing was written:\n{}", .0.join("\n"))]
    NotReady(Vec<String>),
    /// The master has not formed the ring.
    #[error(
        "ring {ring} has not this charter yet: send what the master signed with `ring-keys submit`, then repeat this"
    )]
    NotFormed {
        /// Which ring.
        ring: u32,
    },
    /// Some relayers have not gone on.
    #[error("after {} s these have not gone on: {}; look at their logs and at GET /v1/health", patience.as_secs(), seats.join(", "))]
    NotYet {
        /// How long it was waited for.
        patience: Duration,
        /// Which seats.
        seats: Vec<String>,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What relayers are to be told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    ring: u32,
    charter: Charter,
    /// What belongs into the configuration of every seat.
    announcement: String,
}

/// Makes the charter that the ring is to have next: new keys, and perhaps another end of the lease.
///
/// # Errors
/// `Count`, `Moved`, `NothingNew`, `Charter`; the lease would end before now.
pub fn plan(ring: &Ring, seats: Vec<Address>, expires: Option<Expiry>, now: u64) -> Result<Plan, Error> {
    let old = &ring.charter;
    if seats.len() != old.seats.len() {
        return Err(RotationError::Count { seats: old.seats.len(), given: seats.len() }.into());
    }
    for (to, key) in seats.iter().enumerate() {
        if let Some(from) = old.seat_of(*key).filter(|from| *from != to) {
            return Err(RotationError::Moved { key: *key, from, to }.into());
        }
    }
    let expires_at = expires.map_or(Ok(old.expires_at), |expires| expires.from(now)).map_err(Error::Expiry)?;
    let charter = Charter { seats, expires_at, ..old.clone() };
    charter.check().map_err(RotationError::from)?;
    if charter == *old {
        return Err(RotationError::NothingNew(ring.id).into());
    }
    Ok(Plan { ring: ring.id, announcement: announcement(&charter), charter })
}

fn announcement(charter: &Charter) -> String {
    let expires_at = match charter.expires_at {
        Charter::NO_EXPIRY => "\"never\"".to_owned(),
        unix => format!("{unix} # {}", time::in_utc(unix)),
    };
    let seats: String = charter.seats.iter().map(|key| format!("  \"{key}\",\n")).collect();
    format!(
        "[next.ring]\nexpires_at = {expires_at}\nseats = [\n{seats}]\n\n[next.signer]\n# This seat's new key, as in [signer]; without \
         this table it keeps the one that it has."
    )
}

impl Plan {
    /// Writes the charter, for `rotate prepare` and `rotate wait`.
    ///
    /// # Errors
    /// `File`.
    pub fn write_new(&self, path: &Path) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(&self.charter).map_err(std::io::Error::from)?;
        Ok(files::write_new(path, &json)?)
    }

    /// What is to be done with it.
    pub fn in_words(&self, path: &Path) -> String {
        format!(
            "{}: the charter as it is to be. Put this into the configuration of every seat of ring {}, have each read it \
             (systemctl reload), and go on with `ring-keys rotate prepare`:\n\n{}",
            path.display(),
            self.ring,
            self.announcement
        )
    }
}

/// Sees to it that every seat's relayer was told of this charter and can go on with it: it has its new key, and the key's account
/// has coin for gas.
///
/// # Errors
/// `Halted`, `NothingNew`, `NotReady` with all that is missing; what the chain and relayers can answer.
pub async fn check_announced(
    chain: &Chain,
    ring: &Ring,
    charter: &Charter,
    relayers: &[String],
    token: Option<&SecretString>,
) -> Result<(), Error> {
    if ring.view.halted {
        return Err(RotationError::Halted(ring.id).into());
    }
    if ring.charter == *charter {
        return Err(RotationError::NothingNew(ring.id).into());
    }
    if ring.charter.seats.len() != charter.seats.len() {
        return Err(RotationError::Count { seats: ring.charter.seats.len(), given: charter.seats.len() }.into());
    }
    charter.check().map_err(RotationError::from)?;
    let reports = custody::ask(relayers, token).await?;
    let mut missing = Vec::new();
    for (seat, (old, new)) in ring.charter.seats.iter().zip(&charter.seats).enumerate() {
        let report = reports.iter().find(|report| report.address == *old);
        if let Err(why) = is_ready(report, charter, *new) {
            missing.push(format!("  seat {seat} ({old}): {why}"));
        }
        if chain.connection().balance(Address::ZERO, *new).await?.is_zero() {
            missing.push(format!("  seat {seat}: its next account {new} has no coin to pay for turns: send it some"));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(RotationError::NotReady(missing).into()),
    }
}

fn is_ready(report: Option<&KeyReport>, charter: &Charter, key: Address) -> Result<(), String> {
    let report = report.ok_or("no relayer that was asked has its key: give its address by --relayer")?;
    let announce = "put [next] into its configuration as `rotate plan` prints it, and reload it";
    let next = report.next.as_ref().ok_or_else(|| format!("it was told of no change: {announce}"))?;
    if next.charter != charter.commitment() {
        return Err(format!("it was told of another charter, {}: {announce}", next.charter));
    }
    if next.address != key {
        return Err(format!(
            "its next key would be {}, and {key} is to have the seat: correct [next.signer]",
            next.address
        ));
    }
    match next.seconds_left {
        Some(0) => Err("its next key is locked: unlock it with `ring-keys unlock`".to_owned()),
        _ => Ok(()),
    }
}

/// How a rotation ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    ring: u32,
    epoch: u32,
    keys: Vec<Address>,
}

impl Done {
    /// What happened, and what is left to do.
    pub fn in_words(&self) -> String {
        format!(
            "every seat of ring {} works in epoch {} with its new key. On each host write [next] into [ring] and [signer], delete \
             it, and reload; then make a new emergency kit, send what is left on the old accounts away, and destroy the old keys",
            self.ring, self.epoch
        )
    }
}

/// Waits until every seat works with its new key.
///
/// # Errors
/// `NotFormed`, `NotYet`; what the chain can answer.
pub async fn wait(ring: &Ring, charter: &Charter, relayers: &[String], patience: Duration) -> Result<Done, Error> {
    if ring.charter != *charter {
        return Err(RotationError::NotFormed { ring: ring.id }.into());
    }
    let relayers: Vec<Relayer> = relayers.iter().map(|url| Relayer::at(url)).collect::<Result<_, RequestFailure>>()?;
    let (start, epoch) = (Instant::now(), ring.view.epoch);
    let mut told = None;
    loop {
        let mut working = Vec::new();
        for relayer in &relayers {
            // One that does not answer has not gone on.
            if let Ok(health) = relayer.health().await
                && health.epoch == Some(epoch)
                && health.halted_because.is_none()
            {
                working.push(health.key);
            }
        }
        let missing = |(_, key): &(usize, &Address)| !working.contains(key);
        let missing: Vec<String> = charter
            .seats
            .iter()
            .enumerate()
            .filter(missing)
            .map(|(seat, key)| format!("seat {seat} ({key})"))
            .collect();
        if missing.is_empty() {
            return Ok(Done { ring: ring.id, epoch, keys: charter.seats.clone() });
        }
        if start.elapsed() > patience {
            return Err(RotationError::NotYet { patience, seats: missing }.into());
        }
        if told.as_ref() != Some(&missing) {
            tell(format_args!("epoch {epoch} is waited for by {}", missing.join(", ")));
            told = Some(missing);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use ring_contracts::IRingMultisig::RingView;

    use super::*;
    use crate::custody::NextKeyReport;

    const NOW: u64 = 1_790_000_000;

    fn ring() -> Ring {
        let charter = Charter {
            window: 2,
            quorum: 2,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 10,
            interval: 0,
            expires_at: NOW + 1_000,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: keys([1, 2, 3]),
        };
        let view = RingView {
            nonce: Default::default(),
            epoch: 1,
            halted: false,
            charter: charter.commitment(),
            turns: Default::default(),
            periodIndex: Default::default(),
            lastTurnAt: Default::default(),
            spent: Default::default(),
            changedAt: 1,
        };
        Ring { id: 7, view, charter }
    }

    fn keys(bytes: [u8; 3]) -> Vec<Address> {
        bytes.map(Address::repeat_byte).to_vec()
    }

    fn planned(seats: Vec<Address>, expires: Option<&str>) -> Result<Charter, String> {
        let expires = expires.map(|text| text.parse().unwrap());
        plan(&ring(), seats, expires, NOW).map(|plan| plan.charter).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_is_the_ring_with_other_keys_and_another_end() {
        let next = planned(keys([4, 2, 6]), Some("90d")).unwrap();
        assert_eq!(next, Charter { seats: keys([4, 2, 6]), expires_at: NOW + 90 * 86_400, ..ring().charter });
        let renewed = planned(keys([1, 2, 3]), Some("never")).unwrap();
        assert_eq!(renewed.expires_at, Charter::NO_EXPIRY);
    }

    #[test]
    fn what_is_no_rotation_is_refused() {
        for (seats, expires, expected) in [
            (keys([1, 2, 3]), None, "has this charter already"),
            (keys([4, 5, 6])[..2].to_vec(), None, "the ring has 3 seats, and these are 2 keys"),
            (keys([2, 4, 5]), None, "has seat 1 now and would have seat 0"),
            (keys([4, 4, 5]), None, "seat"),
            (keys([4, 5, 6]), Some("2020-01-01"), "is over"),
        ] {
            let error = planned(seats, expires).unwrap_err();
            assert!(error.contains(expected), "{expected} in {error}");
        }
    }

    #[test]
    fn a_seat_is_ready_that_was_told_of_this_charter_and_has_this_key() {
        let charter = planned(keys([4, 5, 6]), None).unwrap();
        let key = charter.seats[0];
        let next = NextKeyReport { charter: charter.commitment(), address: key, seconds_left: None };
        let report = |next| KeyReport {
            address: Address::repeat_byte(1),
            kept_in: "keystore".to_owned(),
            seconds_left: None,
            next,
        };
        assert_eq!(is_ready(Some(&report(Some(next.clone()))), &charter, key), Ok(()));
        for (report, expected) in [
            (None, "no relayer that was asked"),
            (Some(report(None)), "told of no change"),
            (Some(report(Some(NextKeyReport { charter: B256::ZERO, ..next.clone() }))), "told of another charter"),
            (Some(report(Some(NextKeyReport { address: Address::ZERO, ..next.clone() }))), "its next key would be"),
            (Some(report(Some(NextKeyReport { seconds_left: Some(0), ..next }))), "locked"),
        ] {
            let why = is_ready(report.as_ref(), &charter, key).unwrap_err();
            assert!(why.contains(expected), "{expected} in {why}");
        }
    }
}
