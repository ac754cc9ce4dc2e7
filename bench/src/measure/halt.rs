//! From a turn that nobody asked for to the halt of the ring on chain.

use std::{collections::BTreeMap, time::Duration};

use alloy::{primitives::U256, signers::local::PrivateKeySigner};
use eyre::{Result, ensure};
use ring_anvil::{Finality, Mining, Policy, Thief, thief, token};

use crate::{
    bench::{Bench, Section},
    figure::Figure,
    miner::Miner,
    world::{RING, Setup, World, brisk},
};

/// The seats whose keys are stolen: two neighbours of three.
const STOLEN: [usize; 2] = [0, 1];
const PATIENCE: Duration = Duration::from_secs(60);
/// How often there are blocks while the thief looks for its moment and strikes.
const BLOCK: Duration = Duration::from_millis(20);
/// How long the peers have to explain an unknown turn, in ticks.
const GRACE_TICKS: u64 = 20;
const TICK_MS: u64 = 50;

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let (mut knowing, mut asking) = (Vec::new(), Vec::new());
    bench.show.begin("halt".to_owned(), 2 * bench.runs);
    for run in 0..bench.runs {
        knowing.push(halt(bench, &format!("halt-known-{run}"), false).await?);
        bench.show.step();
        asking.push(halt(bench, &format!("halt-asked-{run}"), true).await?);
        bench.show.step();
    }
    let grace = (GRACE_TICKS * TICK_MS) as f64;
    let without: Vec<f64> = asking.iter().map(|took| took - grace).collect();
    let figures = vec![
        Figure::shown("unknown turn → halt on chain, a robbed seat runs", "ms", knowing),
        Figure::shown("unknown turn → halt on chain, robbed seats are silent", "ms", asking),
        Figure::shown("the same, without the grace", "ms", without),
    ];
    let how = vec![format!(
        "Three seats, windows of two, which both have to sign; the keys of seats 0 and 1 are copied, and a thief executes one \
         turn with them. It is timed from the arrival of that turn's event at a WebSocket subscription until that of the \
         contract's `Halted`; there is a block every {} ms. A seat whose own key signed what it does not know halts at once. \
         Where the thief has the hosts as well and both robbed seats are silent, the third has only not heard of the turn: it \
         asks its peers at its next tick, gives them grace_ticks = {GRACE_TICKS} of tick_ms = {TICK_MS}, {grace} ms, to explain it, and halts then.",
        BLOCK.as_millis()
    )];
    Ok(vec![Section { title: "From an unknown turn to the halt", how, figures }])
}

/// How long it took in one world, in milliseconds.
async fn halt(bench: &Bench, name: &str, silent: bool) -> Result<f64> {
    let policy = Policy { tick_ms: Some(TICK_MS), grace_ticks: Some(GRACE_TICKS), ..brisk() };
    let setup = Setup {
        name: name.to_owned(),
        seats: 3,
        window: 2,
        mining: Mining::Never,
        finality: Finality::Finalized,
        policy,
    };
    let mut world = World::make(bench, setup).await?;
    let mut turns = world.watch.turns(world.deployment.domain.contract).await?;
    let mut halts = world.watch.halts(world.deployment.domain.contract).await?;
    let mut keys = BTreeMap::new();
    for seat in STOLEN {
        keys.insert(seat, world.ring.seats()[seat].key().open()?);
        if silent {
            world.ring.seat(seat).kill().await;
        }
    }
    let account = PrivateKeySigner::random();
    world.chain.give(account.address(), U256::from(1_000 * token::ONE).max(thief::gas_money())).await?;
    let charter = world.ring.settings().charter.clone();
    let thief = Thief::new(keys, account, &world.chain.http(), &world.deployment, RING, charter)?;
    let _miner = Miner::start(&world.chain, BLOCK);
    let strike = thief.strike(STOLEN[0], 1, PATIENCE).await?;
    ensure!(strike.turns == 1, "the thief executed {} turns, not one", strike.turns);
    let (executed, turn) = turns.next(PATIENCE).await?;
    ensure!(turn.nonce == strike.nonce, "turn {} was heard of, the thief's was {}", turn.nonce, strike.nonce);
    let (halted, ring) = halts.next(PATIENCE).await?;
    ensure!(ring == RING, "ring {ring} was halted");
    world.end().await;
    Ok(halted.saturating_duration_since(executed).as_secs_f64() * 1e3)
}
