//! Memory and start of a relayer with a million orders behind it.

use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use eyre::Result;
use ring_anvil::{Finality, Mining, deadline};

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal},
    history::{self, CALLS, Past},
    measure::throughput,
    miner::Miner,
    pay,
    world::{Setup, World},
};

/// How many orders were paid before.
const HISTORY: u64 = 1_000_000;
/// The seat that remembers them. The others know only that their turns are final.
const SEAT: usize = 0;
/// How many orders are paid in each run while memory is looked at.
const ORDERS: usize = 10_000;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
const BLOCKS: Duration = Duration::from_millis(100);
/// How long a relayer may take to start here, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(600);
const ASK: Duration = Duration::from_millis(2);

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let setup = Setup {
        name: "history".into(),
        seats: 3,
        window: 2,
        mining: Mining::Never,
        finality: Finality::Finalized,
        policy: throughput::policy(),
    };
    let mut world = World::make(bench, setup).await?;
    let _miner = Miner::start(&world.chain, BLOCKS);
    remember(&mut world, bench).await?;
    let mut starts = Vec::new();
    for run in 0..=bench.runs {
        bench.show.begin(format!("history, start {run} of {}", bench.runs), 1);
        world.ring.seat(SEAT).stop().await;
        let start = Instant::now();
        world.ring.seat(SEAT).start()?;
        let client = world.clients[SEAT].clone();
        deadline::until("the relayer with a history is ready", PATIENCE, ASK, async || {
            Ok(client.health().await.is_ok_and(|health| health.ready))
        })
        .await?;
        // The first is not counted.
        if run > 0 {
            starts.push(start.elapsed().as_secs_f64());
        }
    }
    let at_rest = vec![world.most_memory()?];
    let mut under_load = Vec::new();
    for run in 1..=bench.runs {
        let orders = world.orders(ORDERS).await?;
        bench.show.begin(format!("history, memory, run {run} of {}", bench.runs), ORDERS);
        let mut most = 0.0_f64;
        let mut paying = std::pin::pin!(pay::all(&world, &orders, false, &bench.show));
        loop {
            tokio::select! {
                paid = &mut paying => break paid.map(drop)?,
                () = tokio::time::sleep(LOOK) => most = most.max(world.most_memory()?),
            }
        }
        under_load.push(most);
    }
    world.end().await;
    let figures = vec![
        Figure::new("process start → ready, a million orders of history", "s", starts, Goal::at_most(2.0, 0.5)),
        Figure::new(
            "resident memory under load, a million orders of history",
            "MB",
            under_load,
            Goal::at_most(60.0, 22.0),
        ),
        Figure::shown("resident memory at rest after a start", "MB", at_rest),
    ];
    let how = vec![format!(
        "The store of seat {SEAT} is filled by the store's own code with the records of {HISTORY} orders in {} turns, really \
         signed and in the order in which a ring writes them; the ring's nonce on chain is set to match, and the other two seats \
         remember only that those turns are final. Start: from the start of the process until `GET /v1/health` answers 200, asked every {} ms. Memory: the most \
         that any of the three relayers has resident (`VmRSS`), looked at every {} ms, while {ORDERS} orders are paid as above.",
        HISTORY / CALLS as u64,
        ASK.as_millis(),
        LOOK.as_millis()
    )];
    Ok(vec![Section { title: "After a million orders", how, figures }])
}

/// Gives one seat a past, and has all go on from there.
async fn remember(world: &mut World, bench: &Bench) -> Result<()> {
    let turns = HISTORY / CALLS as u64;
    world.ring.stop().await;
    history::chain::set_nonce(world, turns).await?;
    // Only what is in a block becomes final.
    world.chain.mine().await?;
    world.chain.finalize().await?;
    let past = Past {
        domain: world.deployment.domain,
        charter: world.ring.settings().charter.clone(),
        keys: world.ring.seats().iter().map(|seat| seat.key().open()).collect::<Result<_>>()?,
        seat: SEAT,
        backend: world.backend().clone(),
        block: world.chain.block(BlockNumberOrTag::Finalized).await?.0,
    };
    let first = world.take_numbers(HISTORY);
    bench.show.begin(format!("history, writing that of {HISTORY} orders"), history::parts(turns));
    history::write(&world.ring.seats()[SEAT].store(), &past, turns, first, &bench.show).await?;
    for seat in world.ring.seats().iter().filter(|seat| seat.index() != SEAT) {
        history::write_ends(&seat.store(), &past, seat.index(), turns).await?;
    }
    bench.show.say(format!("history: the store of seat {SEAT} has {HISTORY} orders"));
    world.ring.start()?;
    world.ring.wait_ready(PATIENCE).await
}
