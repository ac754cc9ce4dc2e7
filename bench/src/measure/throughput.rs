//! Many orders at once, beside a lone sender.

use std::time::Duration;

use eyre::Result;
use ring_anvil::{Finality, Mining, Policy};

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal, median, number, percentile},
    lone::{IN_FLIGHT, Lone},
    miner::Miner,
    pay::{self, Paid},
    post::CONNECTIONS,
    world::{Setup, World, brisk},
};

/// How many orders each run pays.
const ORDERS: usize = 10_000;
/// How many orders are paid before the first run.
const WARM_UP: usize = 500;
/// How many blocks of transfers the lone sender fills with blocks each second: its pace hardly varies.
const SLOW_BLOCKS: usize = 8;
/// The most calls that a relayer lets into a turn.
const CALLS: usize = 250;
/// The gas that each order asks for its call.
const GAS: u64 = 100_000;
const FAST: Duration = Duration::from_millis(100);
const MAKING: Duration = Duration::from_millis(20);

/// What came out with one pace of blocks.
#[derive(Debug, Default)]
struct Outcome {
    alone: Vec<f64>,
    paid: Vec<Paid>,
    /// With a transaction dropped.
    dropped: Vec<Paid>,
    memory: Vec<f64>,
}

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let fast = runs(bench, "throughput", Mining::Never).await?;
    let slow = runs(bench, "throughput-slow-blocks", Mining::Every(1.0)).await?;
    Ok(vec![paid(&fast, &slow), dropped(&fast), accepted(&fast)])
}

/// What the relayers are told so that many orders are paid fast.
pub(crate) fn policy() -> Policy {
    Policy { max_calls: Some(CALLS), max_gas: Some(CALLS as u64 * GAS), ..brisk() }
}

async fn runs(bench: &Bench, name: &str, mining: Mining) -> Result<Outcome> {
    let setup =
        Setup { name: name.into(), seats: 3, window: 2, mining, finality: Finality::Finalized, policy: policy() };
    let fast = mining == Mining::Never;
    let mut world = World::make(bench, setup).await?;
    let miner = Miner::start(&world.chain, MAKING);
    let mut lone = Lone::make(&world).await?;
    drop(miner);
    let _miner = fast.then(|| Miner::start(&world.chain, FAST));
    let warm_up = world.orders(WARM_UP).await?;
    pay::all(&world, &warm_up, false, &bench.show).await?;
    let mut outcome = Outcome::default();
    for run in 1..=bench.runs {
        let of = format!("run {run} of {}", bench.runs);
        let transfers = lone.sign(if fast { ORDERS } else { SLOW_BLOCKS * IN_FLIGHT })?;
        bench.show.begin(format!("{name}, lone sender, {of}"), transfers.len());
        outcome.alone.push(lone.send_all(&transfers, &world, &bench.show).await?);
        // In another order each time: what comes later has more history behind it.
        for drop_one in [run % 2 == 0, run % 2 == 1] {
            if drop_one && !fast {
                continue;
            }
            let orders = world.orders(ORDERS).await?;
            bench.show.begin(format!("{name}{}, {of}", if drop_one { ", one dropped" } else { "" }), ORDERS);
            let paid = pay::all(&world, &orders, drop_one, &bench.show).await?;
            bench.show.say(format!(
                "{name}{}: {} accepted and {} paid a second, a lone sender {}",
                if drop_one { ", one dropped" } else { "" },
                number(paid.posted.per_second()),
                number(paid.per_second),
                number(outcome.alone.last().copied().unwrap_or(f64::NAN))
            ));
            if drop_one { &mut outcome.dropped } else { &mut outcome.paid }.push(paid);
        }
        outcome.memory.push(world.most_memory()?);
    }
    world.end().await;
    Ok(outcome)
}

fn paid(fast: &Outcome, slow: &Outcome) -> Section {
    let goal = || Goal::at_least(0.15, 0.5);
    let rates = |outcome: &Outcome| outcome.paid.iter().map(|paid| paid.per_second).collect::<Vec<_>>();
    let ratios = |outcome: &Outcome| divided(&rates(outcome), &outcome.alone);
    let figures = vec![
        Figure::new("paid ÷ lone sender's, a block every 100 ms", "×", ratios(fast), goal()),
        Figure::new("paid ÷ lone sender's, a block every second", "×", ratios(slow), goal()),
        Figure::shown("paid, a block every 100 ms", "orders/s", rates(fast)),
        Figure::shown("lone sender, a block every 100 ms", "transfers/s", fast.alone.clone()),
        Figure::shown("paid, a block every second", "orders/s", rates(slow)),
        Figure::shown("lone sender, a block every second", "transfers/s", slow.alone.clone()),
        Figure::shown("the most resident memory of a relayer after each run", "MB", fast.memory.clone()),
    ];
    let policy = policy();
    let how = vec![
        format!(
            "{ORDERS} orders of a token transfer, each to a new holder and signed before the clock starts, are posted over \
             {CONNECTIONS} kept-alive connections to each of the three seats, as fast as they are answered. Paid per second \
             is from the first POST until the block with the last payment is seen, and in the end every receiver is asked on \
             chain: each has been paid exactly once. The lone sender is one account that fires plain token transfers to new \
             holders, signed before, at most {IN_FLIGHT} of them not yet in a block."
        ),
        format!(
            "Anvil makes blocks of up to 60 million gas: with `--no-mining` and an `evm_mine` every 100 ms, and once more \
             with `--block-time 1` (there the lone sender fills {SLOW_BLOCKS} blocks a run). The relayers are told \
             `max_calls = {CALLS}`, `max_gas = {}`, `tick_ms = {}`, and `copies = 2`.",
            CALLS as u64 * GAS,
            policy.tick_ms.unwrap_or_default()
        ),
    ];
    Section { title: "Many orders at once", how, figures }
}

fn dropped(fast: &Outcome) -> Section {
    let with: Vec<f64> = fast.dropped.iter().map(|paid| paid.per_second).collect();
    let without: Vec<f64> = fast.paid.iter().map(|paid| paid.per_second).collect();
    let figures = vec![
        Figure::new(
            "paid with one transaction dropped ÷ without",
            "×",
            divided(&with, &without),
            Goal::at_least(0.8, 0.95),
        ),
        Figure::shown("paid with one transaction dropped", "orders/s", with),
    ];
    let how = vec![
        "The same with a block every 100 ms, right after the run without, or right before; when half of the orders are paid, the node is told \
         to forget the next transaction of a turn that is in its pool (`anvil_dropTransaction`)."
            .to_owned(),
    ];
    Section { title: "A transaction that the node loses", how, figures }
}

fn accepted(fast: &Outcome) -> Section {
    let of = |figure: fn(&Paid) -> f64| fast.paid.iter().map(figure).collect::<Vec<_>>();
    let figures = vec![
        Figure::new("accepted", "orders/s", of(|paid| paid.posted.per_second()), Goal::at_least(1_000.0, 3_000.0)),
        Figure::new(
            "POST → answer, p99",
            "ms",
            of(|paid| percentile(&paid.posted.latencies, 99)),
            Goal::at_most(250.0, 100.0),
        ),
        Figure::shown("POST → answer, p50", "ms", of(|paid| median(&paid.posted.latencies))),
        Figure::shown("POSTs answered 503 and repeated", "", of(|paid| paid.posted.refused as f64)),
    ];
    let how = vec![format!(
        "In the runs with a block every 100 ms, so while the ring pays: from the first POST to the last answer, with \
         {} orders under way at a time. Accepted (HTTP 202) means that the order is synced to the disks of two seats.",
        3 * CONNECTIONS
    )];
    Section { title: "Orders accepted", how, figures }
}

fn divided(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over / under).collect()
}
