//! A process of a seat that waits until the one that works has ended.

use eyre::WrapErr as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::{Held, Location, StoreError, Waiting};

/// What a standby keeps while it waits: where the store is, and nothing else; no key, no port, no record.
#[derive(Debug)]
pub struct Standby {
    seat: usize,
    location: Location,
}

impl Standby {
    pub(crate) fn new(seat: usize, location: Location) -> Self {
        Self { seat, location }
    }

    /// Waits for the store, and takes hold of it. `None`: cancelled.
    ///
    /// # Errors
    /// There is no store, or it cannot be asked for.
    pub async fn until_held(self, cancel: &CancellationToken) -> eyre::Result<Option<Held>> {
        let (seat, location, cancel) = (self.seat, self.location, cancel.clone());
        let held = tokio::task::spawn_blocking(move || {
            let mut waiting = Waiting::new(&location)?;
            if let Some(held) = waiting.try_take()? {
                return Ok::<_, StoreError>(Some(held));
            }
            info!(seat, store = %location, "another process of this seat is running: this one stands by");
            let held = waiting.wait(&cancel)?;
            if held.is_some() {
                warn!(seat, store = %location, "the other process of this seat has ended: this one takes over");
            }
            Ok(held)
        });
        held.await?.wrap_err("this standby cannot wait")
    }
}
