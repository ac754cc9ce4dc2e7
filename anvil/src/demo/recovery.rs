//! The master sets things right: the stolen keys are revoked, the ring is formed anew, and people let the seats go on.

use eyre::{Result, ensure};
use futures::future::try_join_all;
use ring_contracts::Charter;

use super::{
    stage::{RING, START, Stage, gas_money},
    theft::Theft,
    view::View,
};
use crate::{Books, Seat, orders::Order, token};

/// What was done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// The epoch that the ring goes on in.
    pub(super) epoch: u32,
    /// The new cap.
    pub(super) cap: u128,
}

/// Revokes what was stolen, forms the ring anew with a cap for what is still to be paid, and starts all seats again.
///
/// # Errors
/// A ceremony fails, or the relayers do not start.
pub(super) async fn recover(stage: &mut Stage, theft: &Theft, view: &View) -> Result<Recovery> {
    stage.chain.finalize().await?;
    let cap = cap_for_the_rest(stage, theft).await?;

    let kept = stage.plan.folder.join("keys");
    let mut fresh = Vec::new();
    for seat in &theft.stolen {
        let key = stage.keys.new_key(&kept, &format!("operator-{seat}-new")).await?;
        stage.chain.give(key.address, gas_money()).await?;
        fresh.push((*seat, key));
    }
    let old = stage.charter().clone();
    for seat in &theft.stolen {
        stage.master.revoke(&format!("revoke-seat-{seat}"), RING, old.seats[*seat]).await?;
        view.say(format!("the master revoked the key of seat {seat}, {}", old.seats[*seat]));
    }

    let mut charter = Charter { cap, ..old };
    for (seat, key) in &fresh {
        charter.seats[*seat] = key.address;
    }
    let ceremony = stage.master.form_ring("re-form-ring", RING, &charter).await?;
    view.say(format!("the master's offline machine showed, and signed:\n{}", indented(&ceremony.words)));
    stage.chain.finalize().await?;
    let now = stage.deployment.ring(RING).await?;
    ensure!(!now.halted && now.charter == charter.commitment(), "the ring is not what the master formed");

    stage.ring.stop().await;
    for (seat, key) in &fresh {
        stage.ring.rehost(*seat, key).await?;
    }
    stage.ring.reconfigure(|settings| settings.charter = charter)?;
    let is_new = |seat: &Seat| theft.stolen.contains(&seat.index());
    try_join_all(stage.ring.seats().iter().filter(|seat| is_new(seat)).map(Seat::init)).await?;
    try_join_all(stage.ring.seats().iter().filter(|seat| !is_new(seat)).map(|seat| seat.resume(now.epoch))).await?;
    stage.ring.start()?;
    stage.ring.wait_ready(START).await?;
    view.say(format!(
        "seats {:?} moved to new hosts with new keys, the others were resumed by their operators: epoch {}",
        theft.stolen, now.epoch
    ));
    Ok(Recovery { epoch: now.epoch, cap })
}

/// A quarter more than what the orders that are not paid yet come to.
async fn cap_for_the_rest(stage: &Stage, theft: &Theft) -> Result<u128> {
    let books = Books::compare(&stage.orders, &stage.deployment.payments().await?, theft.thief);
    let is_open = |order: &&Order| books.lost.binary_search(&order.number).is_ok();
    let rest: u128 = stage.orders.iter().filter(is_open).map(|order| order.amount).sum();
    Ok((rest + rest / 4).max(token::ONE))
}

fn indented(words: &str) -> String {
    words.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
