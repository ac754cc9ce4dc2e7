//! Telling one subscriber.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ring_contracts::{Address, hex};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Subject, Subscriber};
use crate::{
    driver::{Handle, PassingEvent, Stopped},
    http::EventId,
    store::{Alarm, Change, Place, Told},
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
struct Body<'a, E> {
    id: &'a str,
    ring: u32,
    seat: usize,
    event: &'a E,
}

/// Delivers to one subscriber.
#[derive(Debug)]
pub struct Deliverer {
    teller: Teller,
    handle: Handle,
    place: Place,
}

impl Deliverer {
    /// Begins after a place.
    pub fn new(subscriber: Subscriber, source: Source, handle: Handle, pace: Pace, place: Place) -> Self {
        Self { teller: Teller { subscriber, source, pace, warned: None }, handle, place }
    }

    /// Delivers until the driver stops.
    pub async fn run(mut self) {
        let (handle, teller) = (self.handle.clone(), self.teller.clone());
        // One that is not taken does not keep the other waiting. Either may wait for what comes no more.
        tokio::select! {
            () = handle.stopped() => {}
            _ = self.deliver_all() => {}
            _ = tell_alarms(handle.clone(), teller) => {}
        }
    }

    async fn deliver_all(&mut self) -> Result<(), Stopped> {
        let mut end = self.handle.end();
        loop {
            let history = self.handle.history(self.place, ROWS).await?;
            for Change { place, event } in &history.changes {
                if self.teller.subscriber.subjects.contains(&Subject::of(event)) {
                    let id = EventId::new(self.teller.source.key, *place).to_string();
                    self.teller.tell(&id, event).await;
                    self.note(*place).await?;
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
        self.handle.note_delivery(self.teller.subscriber.name.clone(), place).await
    }
}

/// Tells of alarms, from the store as well. One that is not wanted any more is not there.
async fn tell_alarms(handle: Handle, mut teller: Teller) -> Result<(), Stopped> {
    let (mut raised, name, key) = (handle.alarms(), teller.subscriber.name.clone(), teller.source.key);
    loop {
        raised.borrow_and_update();
        let untold = handle.untold(name.clone()).await?;
        if untold.missed > 0 {
            let reason = format!("up to {} earlier alarms were not delivered: look into the log", untold.missed);
            let first = untold.alarms.first().map_or(0, |alarm| alarm.number);
            let id = format!("{}.{}", alarm_id(key, first), untold.missed);
            teller.tell(&id, &PassingEvent::Alarm { reason }).await;
            let missed = i64::try_from(untold.missed).unwrap_or(i64::MAX);
            handle.note_told(name.clone(), Told { number: None, missed }).await?;
        }
        let is_all = untold.alarms.is_empty();
        for Alarm { number, reason } in untold.alarms {
            teller.tell(&alarm_id(key, number), &PassingEvent::Alarm { reason }).await;
            handle.note_told(name.clone(), Told { number: Some(number), missed: 0 }).await?;
        }
        if is_all {
            raised.changed().await.map_err(|_| Stopped)?;
        }
    }
}

/// The name of an alarm, the same however often it is told, which no event of the history has.
fn alarm_id(key: Address, number: i64) -> String {
    let [a, b, c, d, ..] = key.into_array();
    format!("{}-a{number}", hex::encode([a, b, c, d]))
}

/// Tells of one event after the other.
#[derive(Clone, Debug)]
struct Teller {
    subscriber: Subscriber,
    source: Source,
    pace: Pace,
    warned: Option<Instant>,
}

impl Teller {
    /// Tells of an event until it is taken, however long that takes.
    async fn tell<E: Serialize>(&mut self, id: &str, event: &E) {
        let Source { ring, seat, .. } = self.source;
        let body = Body { id, ring, seat, event };
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
            self.warn(id, &reason);
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
