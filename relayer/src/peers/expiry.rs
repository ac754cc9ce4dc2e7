//! Telling people before a certificate between seats runs out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use crate::{
    config,
    driver::{Handle, Stopped},
    metrics::SeatMetrics,
};

const DAY: u64 = 86_400;
/// How long before the end people are told.
const WARNING: u64 = 30 * DAY;
/// How often it is looked at the clock.
const LOOK: Duration = Duration::from_secs(3_600);

/// Watches the certificates of this seat and of its peers.
#[derive(Debug)]
pub struct ExpiryWatch {
    certificates: Vec<Watched>,
    handle: Handle,
    metrics: SeatMetrics,
}

#[derive(Debug)]
struct Watched {
    /// Whose.
    name: String,
    /// When it ends, in Unix seconds.
    end: u64,
    /// Whether people have heard of it.
    is_told: bool,
}

impl ExpiryWatch {
    /// Of several certificates of a peer the one counts that ends last.
    pub fn new(peers: &config::Peers, handle: Handle, metrics: SeatMetrics) -> Self {
        let own = ("this seat (peers.certificate)".to_owned(), ring_tls::end_of(peers.identity.certificate()));
        let others = peers.seats.iter().map(|peer| {
            let ends: Option<Vec<_>> = peer.certificates.iter().map(ring_tls::end_of).collect();
            (format!("seat {}", peer.seat), ends.and_then(|ends| ends.into_iter().max()))
        });
        let ending = std::iter::once(own)
            .chain(others)
            .filter_map(|(name, end)| Some(Watched { name, end: end?.as_secs(), is_told: false }));
        Self { certificates: ending.collect(), handle, metrics }
    }

    /// Watches until the driver stops.
    pub async fn run(mut self) {
        let first = self.certificates.iter().map(|certificate| certificate.end).min();
        self.metrics.note_certificates(first);
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            if self.look(now).await.is_err() {
                return;
            }
            sleep(LOOK).await;
        }
    }

    pub(super) async fn look(&mut self, now: u64) -> Result<(), Stopped> {
        for Watched { name, end, is_told } in &mut self.certificates {
            let left = end.saturating_sub(now);
            if left > WARNING || std::mem::replace(is_told, true) {
                continue;
            }
            let when = match left / DAY {
                _ if left == 0 => "has ended: the seats refuse it".to_owned(),
                0 => "ends within a day".to_owned(),
                days => format!("ends in {days} days"),
            };
            self.handle.raise(format!("the certificate of {name} {when}: give the seats a new one beside it")).await?;
        }
        Ok(())
    }
}
