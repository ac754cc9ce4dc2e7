//! Telling one subscriber.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ring_contracts::Address;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Subject, Subscriber};
use crate::{
    driver::{Handle, Stopped},
    http::EventId,
    store::{Change, DurableEvent, Place},
};

/// How many records are read of the history at a time: so few that nobody else waits for it.
const ROWS: usize = 200;
/// How often at most one subscriber's trouble is worth a line.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Whose events they are.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The ring.
    pub ring: u32,
    /// The seat.
    pub seat: usize,
    /// Its key.
    pub key: Address,
}

/// How patient a delivery is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a subscriber may take to take an event.
    pub answer: Duration,
    /// How long to wait after the first failure, at least. Twice as long after each.
    pub first_pause: Duration,
    /// How long at most, but for up to as much again by chance.
    pub longest_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { answer: seconds(15), first_pause: seconds(1), longest_pause: seconds(150) }
    }
}

/// What is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: String,
    ring: u32,
    seat: usize,
    event: &'a DurableEvent,
}

/// Delivers to one subscriber.
#[derive(Debug)]
pub struct Deliverer {
    subscriber: Subscriber,
    source: Source,
    handle: Handle,
    pace: Pace,
    place: Place,
    warned: Option<Instant>,
}

impl Deliverer {
    /// Begins after a place.
    pub fn new(subscriber: Subscriber, source: Source, handle: Handle, pace: Pace, place: Place) -> Self {
        Self { subscriber, source, handle, pace, place, warned: None }
    }

    /// Delivers until the driver stops.
    pub async fn run(mut self) {
        // The driver says so itself.
        let _: Result<(), Stopped> = self.deliver_all().await;
    }

    async fn deliver_all(&mut self) -> Result<(), Stopped> {
        let mut end = self.handle.end();
        loop {
            let history = self.handle.history(self.place, ROWS).await?;
            for change in &history.changes {
                if self.subscriber.subjects.contains(&Subject::of(&change.event)) {
                    self.deliver(change).await;
                    self.note(change.place).await?;
                }
            }
            if history.reached > self.place {
                self.note(history.reached).await?;
            }
            if history.is_all() {
                let place = self.place;
                end.wait_for(|end| *end > place).await.map_err(|_| Stopped)?;
            }
        }
    }

    async fn note(&mut self, place: Place) -> Result<(), Stopped> {
        self.place = place;
        self.handle.note_delivery(self.subscriber.name.clone(), place).await
    }

    /// Tells of an event until it is taken, however long that takes.
    async fn deliver(&mut self, change: &Change) {
        let Source { ring, seat, key } = self.source;
        let id = EventId::new(key, change.place).to_string();
        let body = Body { id: id.clone(), ring, seat, event: &change.event };
        // A struct of strings and numbers: it always can be written.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.pace.first_pause)
            .with_max_delay(self.pace.longest_pause)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build();
        while let Err(reason) = self.subscriber.means.tell(&body, self.pace.answer).await {
            self.warn(&id, &reason);
            sleep(pauses.next().unwrap_or(self.pace.longest_pause)).await;
        }
        tracing::debug!(subscriber = self.subscriber.name, id, "delivered");
    }

    fn warn(&mut self, id: &str, reason: &str) {
        let name = &self.subscriber.name;
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                subscriber = name,
                id,
                reason,
                "an event cannot be delivered, trying again: look at whoever is to take it"
            );
        } else {
            tracing::debug!(subscriber = name, id, reason, "an event cannot be delivered, trying again");
        }
    }
}
