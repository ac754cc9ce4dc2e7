//! How long one turn takes after the other, while orders wait.

use std::{sync::Arc, time::Duration};

use eyre::{Result, ensure};
use ring_anvil::{Finality, Mining, Policy};

use crate::{
    orders::Signed,
    post::{self, Posted},
    show::Show,
    watch::{Feed, TurnSeen},
    world::{Setup, World, brisk},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A ring of which every turn carries one order, on a chain that makes a block for each turn at once.
pub(crate) fn setup(name: impl Into<String>, seats: usize, window: u8) -> Setup {
    let policy = Policy { max_calls: Some(1), ..brisk() };
    Setup { name: name.into(), seats, window, mining: Mining::AtOnce, finality: Finality::Finalized, policy }
}

/// Posts orders while the chain stands still.
///
/// # Errors
/// An order is refused.
pub(crate) async fn let_wait(world: &World, orders: &Arc<Vec<Signed>>, show: &Show) -> Result<Posted> {
    world.chain.mine_at_once(false).await?;
    post::all(&world.clients, orders, show).await
}

/// Lets the chain go on for so many turns, and says how long after one another they came, in milliseconds.
///
/// # Errors
/// The ring stands still, or a turn is not of one order.
pub(crate) async fn times(world: &World, count: usize, turns: &mut Feed<TurnSeen>) -> Result<Vec<f64>> {
    turns.drain();
    world.chain.mine_at_once(true).await?;
    // What is in the pool already is mined with the next transaction only.
    world.chain.mine().await?;
    let mut times = Vec::with_capacity(count);
    let mut last = None;
    for _ in 0..count {
        let (at, turn) = turns.next(PATIENCE).await?;
        ensure!(turn.requests.len() == 1, "turn {} is of {} orders, not of one", turn.nonce, turn.requests.len());
        if let Some((before, nonce)) = last.replace((at, turn.nonce)) {
            ensure!(turn.nonce == nonce + 1, "turn {} was seen after turn {nonce}", turn.nonce);
            times.push(at.duration_since(before).as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}
