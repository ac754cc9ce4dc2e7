//! When the API says what a block did.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use eyre::{Result, WrapErr, bail};
use futures::StreamExt;
use ring_anvil::{Client, Finality, Mining};
use ring_contracts::RequestId;
use tokio::{
    sync::mpsc::{self, UnboundedSender},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal, percentile},
    miner::Miner,
    orders::Signed,
    post,
    world::{Setup, World, brisk},
};

/// How many orders each run posts.
const ORDERS: usize = 100;
/// How many are posted before the first run.
const WARM_UP: usize = 10;
/// How long after one order the next is posted: a few for each block.
const PACE: Duration = Duration::from_millis(60);
const BLOCKS: Duration = Duration::from_millis(100);
/// How many blocks are on top of one that is final.
const DEPTH: u64 = 1;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a seat said of an order, and when.
#[derive(Clone, Copy, Debug)]
struct Said {
    seat: usize,
    at: Instant,
    id: RequestId,
    is_final: bool,
}

/// How late everything of one run was said, in milliseconds.
#[derive(Clone, Debug, Default)]
struct Lateness {
    mined: Vec<f64>,
    final_: Vec<f64>,
}

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let setup = Setup {
        name: "events".into(),
        seats: 3,
        window: 2,
        mining: Mining::Never,
        finality: Finality::Depth(DEPTH),
        policy: brisk(),
    };
    let mut world = World::make(bench, setup).await?;
    let _miner = Miner::start(&world.chain, BLOCKS);
    let mut runs = Vec::new();
    for number in 0..=bench.runs {
        // The first is not counted.
        let orders = world.orders(if number == 0 { WARM_UP } else { ORDERS }).await?;
        bench.show.begin(format!("events, run {number} of {}", bench.runs), orders.len());
        let lateness = run(&world, &orders, bench).await?;
        if number > 0 {
            runs.push(lateness);
        }
    }
    world.end().await;
    let of = |values: fn(&Lateness) -> &Vec<f64>, percent| {
        runs.iter().map(|run| percentile(values(run), percent)).collect::<Vec<_>>()
    };
    let figures = vec![
        Figure::new("block → the API says mined, p50", "ms", of(|run| &run.mined, 50), Goal::at_most(100.0, 20.0)),
        Figure::new("block → the API says final, p50", "ms", of(|run| &run.final_, 50), Goal::at_most(100.0, 20.0)),
        Figure::shown("block → the API says mined, p99", "ms", of(|run| &run.mined, 99)),
        Figure::shown("block → the API says final, p99", "ms", of(|run| &run.final_, 99)),
    ];
    let how = vec![format!(
        "A block every {} ms by `evm_mine`, final with {DEPTH} block on top (`finality = {DEPTH}`). {ORDERS} orders a run, one \
         every {} ms, to one seat after the other. For each order and each seat: from the moment at which a WebSocket \
         subscription of ours tells of the block that executes the order, or makes that final, until the seat's server-sent \
         events (`GET /v1/events`) say `executed`, or `final`.",
        BLOCKS.as_millis(),
        PACE.as_millis()
    )];
    Ok(vec![Section { title: "How soon the API says what a block did", how, figures }])
}

async fn run(world: &World, orders: &[Signed], bench: &Bench) -> Result<Lateness> {
    let (sender, mut said) = mpsc::unbounded_channel();
    let mut followers = Vec::new();
    for (seat, client) in world.clients.iter().enumerate() {
        followers.push(follow(seat, client, sender.clone()).await?);
    }
    drop(sender);
    let mut blocks = world.watch.blocks().await?;
    let mut turns = world.watch.turns(world.deployment.domain.contract).await?;
    for (index, order) in orders.iter().enumerate() {
        let next = Instant::now() + PACE;
        post::one(&world.clients[index % world.clients.len()], order).await?;
        bench.show.step();
        tokio::time::sleep_until(next.into()).await;
    }
    // Seat and order, and when it first said so.
    let (mut mined, mut final_) = (BTreeMap::new(), BTreeMap::new());
    let ours: std::collections::BTreeSet<RequestId> = orders.iter().map(|order| order.id).collect();
    while final_.len() < orders.len() * world.clients.len() {
        let Ok(next) = timeout(PATIENCE, said.recv()).await else {
            let all = orders.len() * world.clients.len();
            bail!("{} of {all} events say that an order is final, and no more come", final_.len());
        };
        let Some(Said { seat, at, id, is_final }) = next else { bail!("a seat's events broke off") };
        if ours.contains(&id) {
            // Whoever says final says mined.
            mined.entry((seat, id)).or_insert(at);
            if is_final {
                final_.entry((seat, id)).or_insert(at);
            }
        }
    }
    let seen: BTreeMap<u64, Instant> = blocks.drain().into_iter().map(|(at, block)| (block.number, at)).collect();
    let mut block_of = BTreeMap::new();
    for (_, turn) in turns.drain() {
        block_of.extend(turn.requests.iter().map(|id| (*id, turn.block)));
    }
    let late = |said: &BTreeMap<(usize, RequestId), Instant>, depth: u64| -> Result<Vec<f64>> {
        let late = said.iter().map(|((_, id), at)| {
            let block = block_of.get(id).and_then(|block| seen.get(&(block + depth)));
            let block = block.ok_or_else(|| eyre::eyre!("the block that executes order {id} was not seen"))?;
            // A seat may hear of a block before we do.
            Ok(at.saturating_duration_since(*block).as_secs_f64() * 1e3)
        });
        late.collect()
    };
    Ok(Lateness { mined: late(&mined, 0)?, final_: late(&final_, DEPTH)? })
}

/// Follows a seat's events until the handle is dropped.
async fn follow(seat: usize, client: &Client, said: UnboundedSender<Said>) -> Result<AbortOnDropHandle<()>> {
    let mut events = Box::pin(client.events().await.wrap_err("a seat tells no events")?);
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let at = Instant::now();
            let is_final = match event["status"].as_str() {
                Some("executed") => false,
                Some("final") => true,
                _ => continue,
            };
            let Some(id) = event["id"].as_str().and_then(|id| id.parse().ok()) else { continue };
            if said.send(Said { seat, at, id, is_final }).is_err() {
                return;
            }
        }
    })))
}
