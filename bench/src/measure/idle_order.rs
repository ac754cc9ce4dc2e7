//! One order on an idle ring, beside a lone sender.

use std::time::{Duration, Instant};

use eyre::Result;
use ring_anvil::{Finality, Mining};

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal, median, percentile},
    lone::Lone,
    post,
    world::{Setup, World, brisk},
};

/// How many orders each run posts.
const ORDERS: usize = 100;
/// How many are posted before the first run.
const WARM_UP: usize = 12;
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let setup = Setup {
        name: "idle-order".into(),
        seats: 3,
        window: 2,
        mining: Mining::AtOnce,
        finality: Finality::Finalized,
        policy: brisk(),
    };
    let mut world = World::make(bench, setup).await?;
    let mut lone = Lone::make(&world).await?;
    let mut turns = world.watch.turns(world.deployment.domain.contract).await?;
    let mut transfers = world.watch.transfers(lone.token).await?;
    let (mut ratios, mut order, mut whole, mut alone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..=bench.runs {
        // The first is not counted.
        let count = if run == 0 { WARM_UP } else { ORDERS };
        let orders = world.orders(count).await?;
        let transactions = lone.sign(count)?;
        bench.show.begin(format!("idle-order, run {run} of {}", bench.runs), count);
        let (mut after_answer, mut after_post, mut by_itself) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (signed, transaction)) in orders.iter().zip(&transactions).enumerate() {
            world.settle().await?;
            let posted = Instant::now();
            post::one(&world.clients[index % world.clients.len()], signed).await?;
            let answered = Instant::now();
            let mined = loop {
                let (at, turn) = turns.next(PATIENCE).await?;
                if turn.requests.contains(&signed.id) {
                    break at;
                }
            };
            after_answer.push(mined.saturating_duration_since(answered).as_secs_f64() * 1e3);
            after_post.push(mined.saturating_duration_since(posted).as_secs_f64() * 1e3);
            world.settle().await?;
            by_itself.push(lone.send_one(transaction, &mut transfers).await?);
            bench.show.step();
        }
        if run > 0 {
            ratios.push(median(&after_answer) / median(&by_itself));
            order.push(after_answer);
            whole.push(after_post);
            alone.push(by_itself);
        }
    }
    world.end().await;
    let of = |runs: &[Vec<f64>], percent| runs.iter().map(|run| percentile(run, percent)).collect::<Vec<_>>();
    let figures = vec![
        Figure::new("accepted → mined, p50 ÷ lone sender's", "×", ratios, Goal::at_most(20.0, 5.0)),
        Figure::shown("accepted → mined, p50", "ms", of(&order, 50)),
        Figure::shown("accepted → mined, p99", "ms", of(&order, 99)),
        Figure::shown("posted → mined, p50", "ms", of(&whole, 50)),
        Figure::shown("lone sender: send → mined, p50", "ms", of(&alone, 50)),
        Figure::shown("lone sender: send → mined, p99", "ms", of(&alone, 99)),
    ];
    let how = vec![format!(
        "Anvil makes a block at once for each transaction. {ORDERS} times a run, in turn: an order is posted to one seat \
             after the other and timed from the answer that it is accepted (HTTP 202) until the event of its turn arrives at \
             a WebSocket subscription; then a lone account sends one token transfer, signed before, and is timed from its \
             sending until the event arrives in the same way. Before each, all seats have seen the newest block and nothing \
             waits. What is divided is of the same run."
    )];
    Ok(vec![Section { title: "One order on an idle ring", how, figures }])
}
