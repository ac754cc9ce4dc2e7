//! Traces for OpenTelemetry: one request is one trace, over all seats.
//!
//! ```text
//!   request ─┬─ seat 0 ─┬─ received      until it is on the disks of enough seats
//!            ├─ seat 1  ├─ accepted      until a turn carries it
//!            └─ seat 2  ├─ signing       until the turn is in a block
//!                       └─ executed      until that block is final
//! ```
//!
//! The id of a trace is the request's, so nothing has to be told from seat to seat for their spans to come together. A span
//! is sent once it is over. What a seat sees of a request begins with its start: a restart begins the seat's spans anew.

mod collector;
mod journey;

use std::time::{Duration, SystemTime};

use opentelemetry_sdk::trace::SpanData;
use ring_contracts::Domain;
use ring_core::RequestStatus;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    driver::{Notice, PassingEvent},
    store::{Change, DurableEvent},
};

use collector::Exporter;
pub use collector::{Collector, CollectorSettings};
use journey::Journeys;

/// How long spans wait for more to be sent with.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last spans may take when the process ends.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// How many spans wait at most while the collector takes its time. More are dropped.
const MOST_WAITING: usize = 16_384;

/// Whose spans they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The contract and its chain.
    pub domain: Domain,
    /// The ring.
    pub ring: u32,
    /// This seat.
    pub seat: usize,
    /// How many seats there are.
    pub seats: usize,
}

/// Makes spans of what is noticed, and sends them.
#[derive(Debug)]
pub struct Tracer {
    journeys: Journeys,
    exporter: Exporter,
    notices: broadcast::Receiver<Notice>,
    waiting: Vec<SpanData>,
    /// Spans that the collector did not take, since it last took some.
    lost: usize,
}

impl Tracer {
    /// A tracer that sends to this collector what it is noticed from now on.
    ///
    /// # Errors
    /// The address of the collector is none.
    pub fn new(collector: &Collector, source: Source, notices: broadcast::Receiver<Notice>) -> Result<Self, String> {
        let exporter = collector.exporter(source)?;
        let journeys = Journeys::new(source, collector.one_in());
        Ok(Self { journeys, exporter, notices, waiting: Vec::new(), lost: 0 })
    }

    /// Works until cancelled, and sends what is there then.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut sending: Option<JoinHandle<Result<(), (usize, String)>>> = None;
        let mut periods = interval(PERIOD);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Ok(notice) => self.take(&notice),
                    Err(RecvError::Lagged(missed)) => {
                        // Ends may be among them: what is open would stay so.
                        warn!(missed, "more happens than can be traced, spans are missing");
                        self.journeys.forget();
                    }
                    Err(RecvError::Closed) => break,
                },
                Some(sent) = async { Some(sending.as_mut()?.await) } => {
                    sending = None;
                    self.note(sent.unwrap_or_else(|error| Err((0, error.to_string()))));
                }
                _ = periods.tick(), if sending.is_none() && !self.waiting.is_empty() => {
                    sending = Some(tokio::spawn(send(self.exporter.clone(), std::mem::take(&mut self.waiting))));
                }
                () = cancel.cancelled() => break,
            }
        }
        let rest = send(self.exporter.clone(), std::mem::take(&mut self.waiting));
        let last = async {
            if let Some(sending) = sending {
                let _ = sending.await;
            }
            rest.await
        };
        // Whoever ends does not wait long for what is only looked at.
        let _ = timeout(LAST_PATIENCE, last).await;
    }

    fn take(&mut self, notice: &Notice) {
        let Some(status) = status(notice) else { return };
        let spans = self.journeys.note(status, SystemTime::now());
        let free = MOST_WAITING.saturating_sub(self.waiting.len());
        self.lost += spans.len().saturating_sub(free);
        self.waiting.extend(spans.into_iter().take(free));
    }

    fn note(&mut self, sent: Result<(), (usize, String)>) {
        match sent {
            Ok(()) if self.lost > 0 => {
                info!(lost = self.lost, "the collector takes spans again");
                self.lost = 0;
            }
            Ok(()) => {}
            Err((spans, reason)) => {
                if self.lost == 0 {
                    warn!(
                        reason,
                        "the collector does not take spans, they are lost: check traces.endpoint and the collector"
                    );
                }
                self.lost += spans;
            }
        }
    }
}

/// What a notice says of a request.
fn status(notice: &Notice) -> Option<&RequestStatus> {
    match notice {
        Notice::Change(Change { event: DurableEvent::Request { status }, .. })
        | Notice::Passing(PassingEvent::Request { status }) => Some(status),
        Notice::Change(_) | Notice::Passing(_) => None,
    }
}

/// Sends spans; how many did not get there, and why.
async fn send(exporter: Exporter, spans: Vec<SpanData>) -> Result<(), (usize, String)> {
    let count = spans.len();
    if count == 0 {
        return Ok(());
    }
    match timeout(PATIENCE, exporter.export(spans)).await {
        Ok(sent) => sent.map_err(|reason| (count, reason)),
        Err(_) => Err((count, format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

#[cfg(test)]
mod tests;
