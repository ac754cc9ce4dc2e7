//! What a relayer counts and measures, for Prometheus. What each metric means and when to worry is in docs/RUNBOOK.md.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, text},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use ring_core::{Action, Effects, Outcome, Overview, Record, Settings};

use crate::{
    chain::Sending,
    peers::{Connection, Peers},
};

type Number = Gauge<u64, AtomicU64>;

/// Whose figure it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeatLabel {
    chain: u64,
    contract: String,
    ring: u32,
    seat: usize,
}

/// How many requests of a seat ended in this way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    #[prometheus(flatten)]
    seat: SeatLabel,
    outcome: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Ending {
    Executed,
    Failed,
    Expired,
    Cancelled,
    Disputed,
}

/// The connection of a seat to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabel {
    #[prometheus(flatten)]
    seat: SeatLabel,
    peer: usize,
}

/// Tenths of a millisecond to three seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 16))
}

/// 1 to 1,024.
fn events() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

/// One line a metric: its field, type, name, how it is made, and what it is.
macro_rules! seat_metrics {
    ($($field:ident: $kind:ty = $make:expr, $name:literal, $help:literal;)*) => {
        #[derive(Debug)]
        struct Families {
            ended: Family<EndLabel, Counter>,
            $($field: Family<SeatLabel, $kind>,)*
        }

        /// What one seat counts.
        #[derive(Clone, Debug)]
        pub struct SeatMetrics {
            label: SeatLabel,
            ended: Family<EndLabel, Counter>,
            $($field: $kind,)*
        }

        impl Families {
            fn register(registry: &mut Registry) -> Self {
                let ended = Family::default();
                registry.register("requests_ended", "Requests that ended, by how", ended.clone());
                $(
                    let $field = Family::<SeatLabel, $kind>::new_with_constructor($make);
                    registry.register($name, $help, $field.clone());
                )*
                Self { ended, $($field,)* }
            }

            fn seat(&self, label: SeatLabel) -> SeatMetrics {
                $(let $field = self.$field.get_or_create(&label).clone();)*
                SeatMetrics { label, ended: self.ended.clone(), $($field,)* }
            }
        }
    };
}

seat_metrics! {
    recorded: Counter = Counter::default, "requests", "Requests that were recorded";
    turns: Counter = Counter::default, "turns_final", "Turns that are final";
    alarms: Counter = Counter::default, "alarms", "Alarms";
    objections: Counter = Counter::default, "objections", "Turns of peers that this seat did not agree to";
    refuted: Counter = Counter::default, "requests_refuted", "Requests that this seat's own sources contradict";
    waiting: Number = Number::default, "requests_waiting", "Requests that wait for a turn";
    bound: Number = Number::default, "requests_bound", "Requests bound to a turn that is not final";
    cancelling: Number = Number::default, "requests_cancelling", "Requests cancelled while a turn with them may still be executed";
    nonce: Number = Number::default, "nonce", "The ring's next turn";
    first_open: Number = Number::default, "first_open_nonce", "The first turn that is not final";
    epoch: Number = Number::default, "epoch", "The epoch that this seat takes part in";
    halted: Number = Number::default, "halted", "1 while this seat stands still";
    unexplained: Number = Number::default, "turns_unexplained", "Executed turns that nobody has explained yet";
    head: Number = Number::default, "head_block", "The newest block seen";
    head_time: Number = Number::default, "head_time_seconds", "The Unix time of the newest block seen";
    lease_ends: Number = Number::default, "lease_ends_seconds", "The Unix time at which the ring's lease ends";
    last_nonce: Number = Number::default, "lease_last_nonce", "The last turn that the ring's lease allows";
    key_locked: Number = Number::default, "key_locked", "1 while people have to unlock this seat's key";
    key_lease_ends: Number = Number::default, "key_lease_ends_seconds", "The Unix time at which the key is wiped, where it is unlocked for a time; else 0";
    certificate_ends: Number = Number::default, "certificate_ends_seconds", "The Unix time at which the first of the certificates between the seats ends; 0 if none does";
    last_backup: Number = Number::default, "last_backup_seconds", "The Unix time at which the store was last backed up; 0 if it never was";
    backup_every: Number = Number::default, "backup_every_seconds", "How often the store is backed up; 0 if only when somebody asks";
    sending_alarm: Number = Number::default, "sending_alarm", "1 while a transaction does not get on";
    events: Histogram = events, "step_events", "Events that were worked on together";
    commits: Histogram = seconds, "commit_seconds", "How long the store took to make a step durable";
}

/// All metrics of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<All>>);

#[derive(Debug)]
struct All {
    registry: Registry,
    families: Families,
    peers: PeerCollector,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ring");
        let families = Families::register(&mut registry);
        let peers = PeerCollector::default();
        registry.register_collector(Box::new(peers.clone()));
        Self(Arc::new(Mutex::new(All { registry, families, peers })))
    }
}

impl Metrics {
    /// The metrics of a seat, whose connections to its peers are shown too.
    pub fn seat(&self, settings: &Settings, seat: usize, peers: Peers) -> SeatMetrics {
        let (chain, contract) = (settings.domain.chain_id, settings.domain.contract.to_string());
        let label = SeatLabel { chain, contract, ring: settings.ring, seat };
        let all = self.lock();
        all.peers.add(label.clone(), peers);
        let metrics = all.families.seat(label);
        metrics.lease_ends.set(settings.charter.expires_at);
        metrics.last_nonce.set(settings.charter.last_nonce);
        metrics
    }

    /// All of it, in the text format of OpenMetrics 1.0, which Prometheus reads.
    ///
    /// # Errors
    /// It cannot be written, which does not happen.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.lock().registry)?;
        Ok(text)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Nothing in here panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeatMetrics {
    /// A step was made of so many events, and made durable in this time.
    pub fn note_step(&self, events: usize, effects: &Effects, commit: Duration) {
        self.events.observe(events as f64);
        if !effects.records.is_empty() {
            self.commits.observe(commit.as_secs_f64());
        }
        for record in &effects.records {
            match record {
                Record::Request(_) => drop(self.recorded.inc()),
                Record::Final { .. } => drop(self.turns.inc()),
                _ => {}
            }
            for (_, outcome) in record.ends() {
                let outcome = match outcome {
                    Outcome::Executed { .. } => Ending::Executed,
                    Outcome::Failed { .. } => Ending::Failed,
                    Outcome::Expired => Ending::Expired,
                    Outcome::Cancelled { .. } => Ending::Cancelled,
                    Outcome::Disputed { .. } => Ending::Disputed,
                };
                self.ended.get_or_create(&EndLabel { seat: self.label.clone(), outcome }).inc();
            }
        }
        for action in &effects.actions {
            match action {
                Action::Objected { .. } => drop(self.objections.inc()),
                Action::Refuted { .. } => drop(self.refuted.inc()),
                _ => {}
            }
        }
    }

    /// How the seat is now.
    pub fn note_overview(&self, overview: &Overview) {
        self.waiting.set(overview.waiting as u64);
        self.bound.set(overview.bound as u64);
        self.cancelling.set(overview.cancelling as u64);
        self.first_open.set(overview.first_open_nonce);
        self.unexplained.set(overview.unexplained.len() as u64);
        self.halted.set(overview.halted.is_some().into());
        self.nonce.set(overview.nonce.unwrap_or_default());
        self.epoch.set(overview.epoch.unwrap_or_default().into());
        if let Some(head) = overview.head {
            self.head.set(head.number);
            self.head_time.set(head.time);
        }
    }

    /// People are told something, loudly.
    pub fn note_alarm(&self) {
        self.alarms.inc();
    }

    /// When the key that people unlock is wiped, in Unix seconds. `None`: it is locked.
    pub fn note_key_lease(&self, ends: Option<u64>) {
        self.key_locked.set(ends.is_none().into());
        self.key_lease_ends.set(ends.unwrap_or_default());
    }

    /// When the first of the certificates between the seats ends, in Unix seconds.
    pub fn note_certificates(&self, first: Option<u64>) {
        self.certificate_ends.set(first.unwrap_or_default());
    }

    /// When the newest backup was made, in the time since 1970, and how often one should be.
    pub fn note_backups(&self, newest: Option<Duration>, every: Option<Duration>) {
        self.last_backup.set(newest.unwrap_or_default().as_secs());
        self.backup_every.set(every.unwrap_or_default().as_secs());
    }

    /// How sending is going.
    pub fn note_sending(&self, sending: &Sending) {
        self.sending_alarm.set(sending.alarm.is_some().into());
    }
}

/// Looks at the connections to peers when somebody asks.
#[derive(Clone, Debug, Default)]
struct PeerCollector(Arc<Mutex<Vec<(SeatLabel, Peers)>>>);

impl PeerCollector {
    fn add(&self, label: SeatLabel, peers: Peers) {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A seat that goes on with another configuration has other connections.
        seats.retain(|(known, _)| *known != label);
        seats.push((label, peers));
    }
}

impl Collector for PeerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<(PeerLabel, Connection)> = seats
            .iter()
            .flat_map(|(seat, peers)| peers.connections().into_iter().map(move |connection| (seat, connection)))
            .map(|(seat, connection)| (PeerLabel { seat: seat.clone(), peer: connection.seat }, connection))
            .collect();
        let mut write = |name, help, value: fn(&Connection) -> u64| {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            all.iter().try_for_each(|(label, connection)| {
                ConstGauge::new(value(connection)).encode(metric.encode_family(label)?)
            })
        };
        write("peer_connected", "1 while the peer answers", |peer| peer.connected.into())?;
        write(
            "peer_version",
            "The version of what seats say to one another that is used with the peer; 0 while none is",
            |peer| peer.version.unwrap_or_default().into(),
        )?;
        write("peer_incompatible", "1 while the peer shares no version of what seats say to one another", |peer| {
            peer.incompatible.into()
        })?;
        write("peer_queued", "Messages that wait for the peer", |peer| peer.queued as u64)?;
        write("peer_dropped", "Messages to the peer that were dropped since the start", |peer| peer.dropped)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ring_contracts::{Address, Charter, Domain, RequestId};

    use super::*;

    /// Those of a ring of one.
    pub(crate) fn settings(ring: u32) -> Settings {
        let charter = Charter {
            window: 1,
            quorum: 1,
            asset: Address::ZERO,
            cap: 1,
            period: 3_600,
            turns_per_period: 1,
            interval: 0,
            expires_at: 1_798_761_600,
            last_nonce: 9,
            seats: vec![Address::repeat_byte(1)],
        };
        Settings {
            domain: Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) },
            ring,
            charter,
            key: Address::repeat_byte(1),
            next_charter: None,
            announced: Default::default(),
            other_assets: [].into(),
            requesters: [].into(),
            refill: None,
            evidence: false,
            confirmed_ticks: None,
            copies: 1,
            max_calls: 1,
            max_gas: 1,
            validity: 1,
            resend_ticks: 1,
            patience_ticks: 1,
            grace_ticks: 1,
        }
    }

    #[test]
    fn each_seat_has_its_own_figures_under_names_that_are_described_once() {
        let metrics = Metrics::default();
        let [first, second] = [1, 2].map(|ring| metrics.seat(&settings(ring), 0, Peers::none()));
        let outcome = Outcome::Expired;
        let settled = Record::Settled { request: RequestId::ZERO, outcome };
        let effects = Effects { records: vec![settled], actions: Vec::new() };
        first.note_alarm();
        first.note_step(3, &effects, Duration::from_millis(1));
        second.note_step(1, &Effects::default(), Duration::ZERO);
        let text = metrics.text().unwrap();
        let line = |name: &str, ring: u32, rest: &str, value: u64| {
            let contract = Address::repeat_byte(0xcc);
            format!("{name}{{chain=\"31337\",contract=\"{contract}\",ring=\"{ring}\",seat=\"0\"{rest}}} {value}\n")
        };
        for expected in [
            line("ring_alarms_total", 1, "", 1),
            line("ring_alarms_total", 2, "", 0),
            line("ring_requests_ended_total", 1, ",outcome=\"Expired\"", 1),
            line("ring_lease_last_nonce", 2, "", 9),
            line("ring_commit_seconds_count", 1, "", 1),
            line("ring_commit_seconds_count", 2, "", 0),
        ] {
            assert!(text.contains(&expected), "{expected} is not in\n{text}");
        }
        assert_eq!(text.matches("# HELP ring_alarms ").count(), 1);
    }
}
