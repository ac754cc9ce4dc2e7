//! Posting orders, as a backend with many connections does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use eyre::{Result, bail};
use futures::future::try_join_all;
use ring_anvil::Client;

use crate::{orders::Signed, show::Show};

/// How many connections there are to each seat, each kept alive and with one order under way at a time.
pub(crate) const CONNECTIONS: usize = 32;
/// How long after a 503 the same order is posted again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long one order may take to be taken.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it went.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// From the first POST to the last answer.
    pub(crate) took: Duration,
    /// How long each order took, in milliseconds: from its first POST to the answer that it is accepted.
    pub(crate) latencies: Vec<f64>,
    /// How many POSTs were answered 503.
    pub(crate) refused: usize,
}

impl Posted {
    /// Orders accepted per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

/// Posts one order, and again as long as the seat says 503. Returns how often it did.
///
/// # Errors
/// The seat refuses it, or does not take it in time.
pub(crate) async fn one(client: &Client, order: &Signed) -> Result<usize> {
    let start = Instant::now();
    let mut refused = 0;
    loop {
        match client.submit_raw(order.body.0.clone()).await? {
            (200 | 202, _) => return Ok(refused),
            (503, _) if start.elapsed() < PATIENCE => refused += 1,
            (status, answer) => bail!("{} answers {status} to order {}: {answer}", client.base(), order.id),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Posts all orders as fast as the seats take them.
///
/// # Errors
/// A seat refuses one.
pub(crate) async fn all(clients: &[Client], orders: &Arc<Vec<Signed>>, show: &Show) -> Result<Posted> {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let work = |client: Client| {
        let next = &next;
        async move {
            let (mut latencies, mut refused) = (Vec::new(), 0);
            while let Some(order) = orders.get(next.fetch_add(1, Ordering::Relaxed)) {
                let posted = Instant::now();
                refused += one(&client, order).await?;
                latencies.push(posted.elapsed().as_secs_f64() * 1e3);
                show.step();
            }
            eyre::Ok((latencies, refused))
        }
    };
    let connections = (0..CONNECTIONS).flat_map(|_| clients.iter().cloned()).map(work);
    let done = try_join_all(connections).await?;
    let took = start.elapsed();
    let refused = done.iter().map(|(_, refused)| refused).sum();
    Ok(Posted { took, latencies: done.into_iter().flat_map(|(latencies, _)| latencies).collect(), refused })
}
