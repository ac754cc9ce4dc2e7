//! The theft: the keys of neighbouring seats are copied, and used at once.

use std::{collections::BTreeMap, time::Duration};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use eyre::{Result, ensure, eyre};

use super::{
    stage::{RING, Stage},
    view::View,
};
use crate::{
    Custody, Health, Thief,
    bound::Bound,
    deadline, thief,
    thief::{Attempt, Strike},
    token,
};

/// How long the thief waits for its moment: many rounds of the ring.
const MOMENT: Duration = Duration::from_secs(180);
const HALT: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Clone, Debug)]
pub struct Theft {
    /// Whose keys were copied.
    pub stolen: Vec<usize>,
    /// How many turns they are worth.
    pub bound: usize,
    /// What the thief got.
    pub strike: Strike,
    /// What the thief tried in vain, before and after.
    pub attempts: Vec<Attempt>,
    /// The thief's account.
    pub thief: Address,
    /// Why each seat halted.
    pub halts: Vec<Health>,
    /// With whose help it went.
    pub accomplice: Thief,
}

/// Steals the keys of W neighbours and drains what they are worth; then waits until the relayers have stopped everything.
///
/// # Errors
/// The thief gets nothing, or the relayers do not halt.
pub(super) async fn commit(stage: &mut Stage, view: &View) -> Result<Theft> {
    let seats = stage.plan.seats as u64;
    let now = stage.deployment.ring(RING).await?;
    // Three turns ahead, so that the thief does not wait long.
    let lead = usize::try_from((now.nonce + 3) % seats)?;
    let (stolen, bound) = stage.plan.theft(lead);
    let Bound::Turns { start, turns } = bound else { return Err(eyre!("this ring has no bound")) };

    let loot = stage.plan.folder.join("thief");
    let mut keys = BTreeMap::new();
    for seat in &stolen {
        let copied = stage.ring.seats()[*seat].key().copy_to(&loot)?;
        keys.insert(*seat, copied.open()?);
    }
    let account = PrivateKeySigner::random();
    stage.chain.give(account.address(), thief::gas_money()).await?;
    let charter = stage.charter().clone();
    let thief = Thief::new(keys, account, &stage.chain.http(), &stage.deployment, RING, charter)?;
    let how = match stage.plan.custody.iter().all(|custody| *custody == Custody::Keystore) {
        true => "keystores and passwords are copied",
        // Neither an HSM nor the enclave gives a key away: whoever made it there should have kept nothing.
        false => "the files that the keys were made in had been kept, and are copied",
    };
    view.alarm(format!("THEFT of the keys of seats {stolen:?}: {how}; they are worth {turns} turn(s)"));

    let mut attempts = vec![thief.try_one_signature_less(start).await?];
    let strike = thief.strike(start, turns, MOMENT).await?;
    view.alarm(format!(
        "the thief signed turn {} and took {} DEMO, all that was left of the cap ({} race(s) lost before)",
        strike.nonce,
        token::in_words(strike.left_of_cap),
        strike.races_lost
    ));
    attempts.extend(thief.try_everything(&strike).await?);

    let halts = stage.ring.wait_halted(HALT).await?;
    deadline::until("the ring is halted on chain", HALT, Duration::from_millis(200), async || {
        Ok(stage.deployment.ring(RING).await?.halted)
    })
    .await?;
    let mut seats_by_reason: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for health in &halts {
        seats_by_reason.entry(health.halted_because.as_deref().unwrap_or("?")).or_default().push(health.seat);
    }
    for (reason, seats) in seats_by_reason {
        view.say(format!("seats {seats:?} halted: {reason}"));
    }
    view.alarm("every relayer has halted by itself, and the ring is halted on chain");
    // Once more, now that it is.
    attempts.extend(thief.try_everything(&strike).await?);
    let refused = attempts.iter().filter(|attempt| !attempt.succeeded).count();
    view.say(format!("the thief's {refused} other attempts were refused: {}", reasons(&attempts)));
    ensure!(strike.turns <= turns, "the thief executed {} turns, the bound is {turns}", strike.turns);
    Ok(Theft { stolen, bound: turns, strike, attempts, thief: thief.address(), halts, accomplice: thief })
}

fn reasons(attempts: &[Attempt]) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for attempt in attempts {
        *counted.entry(&attempt.refused_with).or_default() += 1;
    }
    counted.iter().map(|(reason, count)| format!("{reason} {count}×")).collect::<Vec<_>>().join(", ")
}
