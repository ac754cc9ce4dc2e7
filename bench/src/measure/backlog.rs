//! Turn time with many orders waiting.

use eyre::Result;

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal, median, number},
    turns,
    world::World,
};

/// How many orders wait at the most, and at the least.
const MANY: usize = 100_000;
const FEW: usize = 10;
/// How often few orders are let wait in a run.
const TIMES: usize = 6;
/// How many turns of a run are timed while many wait: as many as while few wait.
const TURNS: usize = TIMES * (FEW - 1) + 1;

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let show = &bench.show;
    let mut world = World::make(bench, turns::setup("backlog", 3, 2)).await?;
    let mut seen = world.watch.turns(world.deployment.domain.contract).await?;
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for run in 0..=bench.runs {
        show.begin(format!("backlog, {FEW} waiting, run {run} of {}", bench.runs), FEW * TIMES);
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let orders = world.orders(FEW).await?;
            turns::let_wait(&world, &orders, show).await?;
            times.extend(turns::times(&world, FEW, &mut seen).await?);
            world.settle().await?;
        }
        // The first is not counted.
        if run > 0 {
            few.push(median(&times));
        }
    }
    show.begin(format!("backlog, posting {MANY}"), MANY);
    let orders = world.orders(MANY).await?;
    let posted = turns::let_wait(&world, &orders, show).await?;
    show.say(format!("backlog: {MANY} orders accepted, {} a second", number(posted.per_second())));
    for _ in 0..bench.runs {
        many.push(median(&turns::times(&world, TURNS, &mut seen).await?));
        world.chain.mine_at_once(false).await?;
    }
    let memory = world.most_memory()?;
    world.end().await;
    let ratios = many.iter().zip(&few).map(|(many, few)| many / few).collect();
    let figures = vec![
        Figure::new("turn time, 100,000 waiting ÷ 10 waiting", "×", ratios, Goal::at_most(1.3, 1.05)),
        Figure::shown("turn time, 10 waiting", "ms", few),
        Figure::shown("turn time, 100,000 waiting", "ms", many),
        Figure::shown("accepted while the chain stands still, up to 100,000", "orders/s", vec![posted.per_second()]),
        Figure::shown("the most resident memory of a relayer, 100,000 waiting", "MB", vec![memory]),
    ];
    let how = vec![format!(
        "Turns of one order each (`max_calls = 1`). Orders are posted while the chain stands still; then Anvil makes a block at \
         once for each transaction, and the time from the event of one turn to that of the next is taken. {TIMES} times a run \
         {FEW} orders are let wait, and paid. Then {MANY} are posted to all seats, and {TURNS} turns a run are timed. Each \
         value is the median of a run's turns."
    )];
    Ok(vec![Section { title: "A long queue", how, figures }])
}
