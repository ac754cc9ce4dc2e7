//! The way of each request through this seat, as spans.

use std::{collections::HashMap, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status as SpanStatus, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use ring_contracts::{RequestId, keccak256};
use ring_core::{Phase, RequestStatus};

use super::Source;
use crate::driver::Status;

/// How many requests are under way at most that are traced: each takes some memory. Those above it are not.
const MOST_OPEN: usize = 65_536;

/// The requests that are under way.
#[derive(Debug)]
pub(super) struct Journeys {
    source: Source,
    one_in: u64,
    open: HashMap<RequestId, Journey>,
    scope: InstrumentationScope,
}

/// How far a request is, and since when.
#[derive(Clone, Copy, Debug)]
struct Journey {
    began: SystemTime,
    status: Status,
    since: SystemTime,
    /// How many spans it has had here.
    spans: u32,
}

impl Journeys {
    pub(super) fn new(source: Source, one_in: u64) -> Self {
        let scope = InstrumentationScope::builder("ring-relayer").with_version(env!("CARGO_PKG_VERSION")).build();
        Self { source, one_in, open: HashMap::new(), scope }
    }

    /// Forgets all that are under way.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// A request is so far now. Returns the spans that are over with that.
    pub(super) fn note(&mut self, request: &RequestStatus, now: SystemTime) -> Vec<SpanData> {
        let (id, status) = (request.id, Status::of(request.phase));
        if !is_traced(id, self.one_in) {
            return Vec::new();
        }
        let Some(journey) = self.open.get(&id).copied() else {
            // The end of what was not seen before has no length.
            if !status.is_end() && self.open.len() < MOST_OPEN {
                self.open.insert(id, Journey { began: now, status, since: now, spans: 0 });
            }
            return Vec::new();
        };
        if journey.status == status {
            return Vec::new();
        }
        let seat_span = span_id(&[&self.source.seat.to_be_bytes()]);
        let step = span_id(&[&self.source.seat.to_be_bytes(), &journey.spans.to_be_bytes()]);
        let attributes = attributes(request);
        let mut spans =
            vec![self.span(id, (step, seat_span), journey.status.name().into(), (journey.since, now), Vec::new())];
        if !status.is_end() {
            self.open.insert(id, Journey { status, since: now, spans: journey.spans + 1, ..journey });
            return spans;
        }
        self.open.remove(&id);
        let outcome = match status {
            Status::Final | Status::Cancelled => SpanStatus::Unset,
            other => SpanStatus::error(other.name()),
        };
        let (root, whole) = (span_id(&[]), (journey.began, now));
        let name = format!("seat {}", self.source.seat);
        spans.push(SpanData {
            status: outcome.clone(),
            ..self.span(id, (seat_span, root), name, whole, attributes.clone())
        });
        if self.tells_of_the_whole(request.phase) {
            let name = "request".to_owned();
            spans.push(SpanData { status: outcome, ..self.span(id, (root, SpanId::INVALID), name, whole, attributes) });
        }
        spans
    }

    /// Whether it is this seat that sends the span over all: the lead of the turn; without a turn the first seat.
    fn tells_of_the_whole(&self, phase: Phase) -> bool {
        let nonce = match phase {
            Phase::Final { nonce, .. } | Phase::Failed { nonce, .. } | Phase::Disputed { nonce, .. } => nonce,
            _ => 0,
        };
        nonce % self.source.seats.max(1) as u64 == self.source.seat as u64
    }

    fn span(
        &self,
        request: RequestId,
        (id, parent): (SpanId, SpanId),
        name: String,
        (start_time, end_time): (SystemTime, SystemTime),
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let trace = TraceId::from_bytes(request.0);
        SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time,
            // The clock may have been set back.
            end_time: end_time.max(start_time),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: SpanStatus::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Whether a request is among those that are traced: every seat chooses the same ones. An id of zero is no trace's.
fn is_traced(id: RequestId, one_in: u64) -> bool {
    let number = u64::from_be_bytes(first_bytes(keccak256(id).0));
    !id.is_zero() && number.is_multiple_of(one_in.max(1))
}

/// The same at every seat for the same place in a trace.
fn span_id(place: &[&[u8]]) -> SpanId {
    let place = place.concat();
    SpanId::from_bytes(first_bytes(keccak256([b"ring span", place.as_slice()].concat()).0))
}

fn first_bytes([a, b, c, d, e, f, g, h, ..]: [u8; 32]) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}

/// How the request ended.
fn attributes(request: &RequestStatus) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("ring.request", request.id.to_string()),
        KeyValue::new("ring.status", Status::of(request.phase).name()),
    ];
    if let Phase::Final { nonce, transaction }
    | Phase::Failed { nonce, transaction }
    | Phase::Disputed { nonce, transaction } = request.phase
    {
        attributes.push(KeyValue::new("ring.nonce", nonce as i64));
        attributes.push(KeyValue::new("ring.transaction", transaction.to_string()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use ring_contracts::{Address, B256, Domain};

    use super::*;

    const REQUEST: RequestId = RequestId::repeat_byte(7);

    fn journeys(seat: usize, one_in: u64) -> Journeys {
        let domain = Domain { chain_id: 1, contract: Address::ZERO };
        Journeys::new(Source { domain, ring: 1, seat, seats: 3 }, one_in)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn is_final(nonce: u64) -> Phase {
        Phase::Final { nonce, transaction: B256::repeat_byte(9) }
    }

    /// Spans of a request that has these phases, a second after the other.
    fn spans(journeys: &mut Journeys, id: RequestId, phases: &[Phase]) -> Vec<SpanData> {
        let note =
            |(second, phase): (usize, &Phase)| journeys.note(&RequestStatus { id, phase: *phase }, at(second as u64));
        phases.iter().enumerate().flat_map(note).collect()
    }

    fn whole() -> [Phase; 5] {
        let transaction = B256::repeat_byte(9);
        [
            Phase::Received,
            Phase::Accepted,
            Phase::Signing { epoch: 1, nonce: 4 },
            Phase::Executed { nonce: 4, transaction },
            is_final(4),
        ]
    }

    #[test]
    fn each_status_is_a_span_below_the_seats_and_all_are_of_the_requests_trace() {
        let spans = spans(&mut journeys(0, 1), REQUEST, &whole());
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["received", "accepted", "signing", "executed", "seat 0"]);
        let seat = &spans[4];
        for (second, span) in spans[..4].iter().enumerate() {
            assert_eq!((span.start_time, span.end_time), (at(second as u64), at(second as u64 + 1)));
            assert_eq!(span.parent_span_id, seat.span_context.span_id());
        }
        assert_eq!((seat.start_time, seat.end_time), (at(0), at(4)));
        assert!(spans.iter().all(|span| span.span_context.trace_id().to_bytes() == REQUEST.0));
        let ids: std::collections::HashSet<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
        assert_eq!(ids.len(), spans.len());
        assert!(seat.attributes.contains(&KeyValue::new("ring.nonce", 4)));
    }

    #[test]
    fn one_seat_of_all_sends_the_span_over_all_and_the_others_name_it_as_their_parent() {
        let all: Vec<Vec<SpanData>> = (0..3).map(|seat| spans(&mut journeys(seat, 1), REQUEST, &whole())).collect();
        let roots: Vec<&SpanData> = all.iter().flatten().filter(|span| span.name == "request").collect();
        let [root] = roots[..] else { panic!("{roots:?}") };
        // Seat 1 leads turn 4 of a ring of three.
        assert!(all[1].contains(root));
        assert_eq!(root.parent_span_id, SpanId::INVALID);
        for (seat, spans) in all.iter().enumerate() {
            let name = format!("seat {seat}");
            let span = spans.iter().find(|span| span.name == name).unwrap();
            assert_eq!(span.parent_span_id, root.span_context.span_id());
        }
    }

    #[test]
    fn what_did_not_go_well_is_an_error() {
        let failed = Phase::Failed { nonce: 0, transaction: B256::ZERO };
        for (end, outcome) in [
            (is_final(0), SpanStatus::Unset),
            (Phase::Cancelled, SpanStatus::Unset),
            (failed, SpanStatus::error("failed")),
            (Phase::Expired, SpanStatus::error("expired")),
        ] {
            let spans = spans(&mut journeys(0, 1), REQUEST, &[Phase::Received, end]);
            let statuses: Vec<_> =
                spans.iter().filter(|span| span.name != "received").map(|span| &span.status).collect();
            assert_eq!(statuses, [&outcome, &outcome]);
        }
    }

    #[test]
    fn what_is_told_twice_is_one_span_and_what_has_ended_is_forgotten() {
        let mut journeys = journeys(0, 1);
        let spans = spans(&mut journeys, REQUEST, &[Phase::Received, Phase::Received, is_final(1), is_final(1)]);
        assert_eq!(spans.len(), 2);
        assert!(journeys.open.is_empty());
    }

    #[test]
    fn every_seat_traces_the_same_share_of_the_requests() {
        let ids: Vec<RequestId> = (1..=1_000u64).map(|n| RequestId::left_padding_from(&n.to_be_bytes())).collect();
        let traced = |seat| -> Vec<RequestId> {
            let mut journeys = journeys(seat, 10);
            ids.iter().copied().filter(|id| !spans(&mut journeys, *id, &whole()).is_empty()).collect()
        };
        assert_eq!(traced(0), traced(1));
        assert!((50..200).contains(&traced(0).len()), "{}", traced(0).len());
        assert!(spans(&mut journeys(0, 1), RequestId::ZERO, &whole()).is_empty());
    }
}
