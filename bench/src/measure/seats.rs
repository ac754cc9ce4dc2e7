//! Turn time with many seats, and with many of them in the window.

use eyre::Result;

use crate::{
    bench::{Bench, Section},
    figure::{Figure, Goal, median},
    turns,
    world::World,
};

/// N and W of each ring. The first is what the second is compared with, that one what the others are.
const RINGS: [(usize, u8); 5] = [(3, 2), (9, 2), (9, 3), (9, 4), (9, 5)];
/// How many turns of each ring are timed in a run.
const TURNS: usize = 46;

/// Measures.
pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Section>> {
    let mut rings = Vec::new();
    for (seats, window) in RINGS {
        bench.show.begin(format!("seats, making a ring of {seats} with a window of {window}"), RINGS.len());
        bench.show.at(rings.len());
        let world = World::make(bench, turns::setup(format!("seats-{seats}-{window}"), seats, window)).await?;
        world.chain.mine_at_once(false).await?;
        let seen = world.watch.turns(world.deployment.domain.contract).await?;
        rings.push((world, seen));
    }
    let (mut times, mut processor_times) = (vec![Vec::new(); RINGS.len()], vec![Vec::new(); RINGS.len()]);
    for run in 0..=bench.runs {
        // One ring after the other in each run, so that whatever else happens on the machine happens to all.
        for (index, (world, seen)) in rings.iter_mut().enumerate() {
            let (seats, window) = RINGS[index];
            bench.show.begin(format!("seats, N = {seats}, W = {window}, run {run} of {}", bench.runs), TURNS);
            let orders = world.orders(TURNS).await?;
            turns::let_wait(world, &orders, &bench.show).await?;
            let before = world.processor_time()?;
            let run_times = turns::times(world, TURNS, seen).await?;
            let used = world.processor_time()? - before;
            world.settle().await?;
            world.chain.mine_at_once(false).await?;
            // The first run is not counted.
            if run > 0 {
                times[index].push(median(&run_times));
                processor_times[index].push(used.as_secs_f64() * 1e3 / TURNS as f64);
            }
        }
    }
    for (world, _) in rings {
        world.end().await;
    }
    let extra_seats = f64::from(RINGS[RINGS.len() - 1].1 - RINGS[1].1);
    let by_seats = times[1].iter().zip(&times[0]).map(|(nine, three)| nine / three).collect();
    let widest = times.last().into_iter().flatten();
    let by_window = widest.zip(&times[1]).map(|(widest, two)| (widest / two - 1.0) / extra_seats * 100.0).collect();
    let mut figures = vec![
        Figure::new("turn time, N = 9 ÷ N = 3, W = 2", "×", by_seats, Goal::at_most(1.5, 1.1)),
        Figure::new(
            "more turn time for each seat more in the window, N = 9, W = 2 to 5",
            "%",
            by_window,
            Goal::at_most(20.0, 8.0),
        ),
    ];
    for ((seats, window), times) in RINGS.into_iter().zip(times) {
        figures.push(Figure::shown(format!("turn time, N = {seats}, W = Q = {window}"), "ms", times));
    }
    for ((seats, window), times) in RINGS.into_iter().zip(processor_times) {
        let name = format!("processor time a turn, N = {seats}, W = Q = {window}");
        figures.push(Figure::shown(name, "ms", times));
    }
    let how = vec![format!(
        "Turns of one order each, timed as with the long queue: {TURNS} orders are posted while the chain stands still, and \
         then worked off. Each ring has a chain of its own; in each run one ring works after the other, while the others have \
         nothing to do. What a seat more in the window costs is (turn time at W = 5 ÷ turn time at W = 2 − 1) ÷ 3. All seats \
         share the machine's processors here, which they do not in real life. Processor time is what all relayers of the ring and \
         its Anvil used together, divided by the turns."
    )];
    Ok(vec![Section { title: "More seats", how, figures }])
}
