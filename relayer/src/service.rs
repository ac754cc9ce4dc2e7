//! Seats as a service: they run until told to stop, and go on with a changed configuration when told to read it again.

use std::path::{Path, PathBuf};

use eyre::{WrapErr as _, ensure};
use futures::future::try_join_all;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    metrics::Metrics,
    seat::{Footing, Seat},
};

/// What a process is told from outside.
#[derive(Clone, Debug)]
pub struct Orders {
    /// To stop.
    pub stop: CancellationToken,
    /// Changes when the configurations are to be read again.
    pub reload: watch::Receiver<()>,
}

/// Runs the seats with these configurations until told to stop. If one of them fails all stop: whoever watches the process
/// starts it again. As a `standby`, each waits until no other process has its store.
///
/// # Errors
/// What ended a seat, or why it did not start.
pub async fn run(configs: &[PathBuf], standby: bool, orders: Orders) -> eyre::Result<()> {
    let metrics = Metrics::default();
    let seats = try_join_all(configs.iter().map(|config| load(config)));
    let mut running = JoinSet::new();
    for (config, seat) in configs.iter().zip(seats.await?) {
        let service = Service { config: config.clone(), metrics: metrics.clone(), orders: orders.clone() };
        running.spawn(service.run(seat, standby));
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        orders.stop.cancel();
        outcome = outcome.and(ended?);
    }
    outcome
}

/// One seat.
struct Service {
    config: PathBuf,
    metrics: Metrics,
    orders: Orders,
}

impl Service {
    async fn run(mut self, mut seat: Seat, standby: bool) -> eyre::Result<()> {
        let mut held = match standby {
            false => seat.take_store()?,
            true => {
                // What was checked is checked again when it counts; the key is not kept meanwhile.
                let waiting = seat.stand_by();
                let held = waiting.until_held(&self.orders.stop).await;
                let Some(held) = held.wrap_err_with(|| self.config.display().to_string())? else { return Ok(()) };
                self.orders.reload.mark_unchanged();
                seat = load(&self.config).await?;
                held
            }
        };
        loop {
            seat = seat.remembered(held.succeeded_to()?);
            let footing = seat.footing();
            let stop = self.orders.stop.child_token();
            let mut running = std::pin::pin!(seat.run(held, self.metrics.clone(), stop.clone()));
            let next = tokio::select! {
                ended = &mut running => {
                    let ended = ended?;
                    let Some(successor) = ended.successor else {
                        ended.held.close();
                        return Ok(());
                    };
                    (held, seat) = (ended.held, successor);
                    continue;
                }
                next = self.next(&footing) => next,
            };
            stop.cancel();
            (held, seat) = (running.await?.held, next);
            info!(config = %self.config.display(), "the seat goes on with the configuration as it is now");
        }
    }

    /// Waits until there is another configuration with which a running seat can go on.
    async fn next(&mut self, footing: &Footing) -> Seat {
        loop {
            if self.orders.reload.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let config = self.config.display();
            match successor(&self.config, footing).await {
                Ok(seat) => return seat,
                Err(error) => error!(%config, "the configuration is not taken, the seat goes on as it was: {error:#}"),
            }
        }
    }
}

async fn load(config: &Path) -> eyre::Result<Seat> {
    Seat::load(config).await.wrap_err_with(|| config.display().to_string())
}

/// The seat with the configuration as it is now. All that can be known to be wrong with it is known before anything is given up.
async fn successor(config: &Path, footing: &Footing) -> eyre::Result<Seat> {
    let file = config.to_owned();
    let runtime = tokio::runtime::Handle::current();
    // Opening a keystore takes a processor a second.
    let seat = tokio::task::spawn_blocking(move || runtime.block_on(load(&file))).await??;
    let seat = seat.remembered(Some(footing.charter));
    let next = seat.footing();
    ensure!(
        next.identity == footing.identity && next.store.to_string() == footing.store.to_string(),
        "it is of another seat or store: that takes a new process"
    );
    for address in next.listening.iter().filter(|address| !footing.listening.contains(address)) {
        TcpListener::bind(address).await.wrap_err_with(|| format!("cannot listen on {address}"))?;
    }
    Ok(seat)
}
