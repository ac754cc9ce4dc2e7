//! What happened, in the order of the journal: for those who have to hear of everything, whenever they ask.

use std::fmt;

use ring_core::{BoundTurn, Halt, Phase, Record, RequestStatus};
use serde::Serialize;

use super::{StoreError, database::Database, journal};

/// A place in the history of a seat: a record of the journal, and which of the changes in it. Written `SEQ.INDEX`, and just
/// `SEQ` after the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the record, from 1 on.
    pub seq: i64,
    /// Which of its changes, from 0 on; `u32::MAX` after the last of them.
    pub index: u32,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self::after(0);

    /// After everything in a record.
    pub const fn after(seq: i64) -> Self {
        Self { seq, index: u32::MAX }
    }

    /// Reads what `Display` writes, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let place = match text.split_once('.') {
            Some((seq, index)) => Self { seq: seq.parse().ok()?, index: index.parse().ok()? },
            None => Self::after(text.parse().ok()?),
        };
        (place.seq >= 0 && place.to_string() == text).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            u32::MAX => write!(f, "{}", self.seq),
            index => write!(f, "{}.{index}", self.seq),
        }
    }
}

/// Something that happened and is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where in the history.
    pub place: Place,
    /// What.
    pub event: DurableEvent,
}

/// What can happen to a seat or a request, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DurableEvent {
    /// A request is further than it was: recorded here, bound to a turn, cancelled, or at its end.
    Request {
        /// How far.
        #[serde(flatten)]
        status: RequestStatus,
    },
    /// This seat stopped.
    Halted {
        /// Why, in words.
        reason: String,
        /// Why, for programs.
        halt: Halt,
    },
    /// This seat takes part: from its first start on, after a halt, or after an announced change of the ring.
    Joined {
        /// In which epoch.
        epoch: u32,
        /// From which turn on.
        nonce: u64,
    },
}

/// A piece of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What happened, in order.
    pub changes: Vec<Change>,
    /// Up to where it was read.
    pub reached: Place,
    /// Where it ends, for now.
    pub end: Place,
}

impl History {
    /// Whether there is more.
    pub fn is_all(&self) -> bool {
        self.reached.seq >= self.end.seq
    }
}

/// Reads what happened after a place, from at most `rows` records.
pub(super) fn read(database: &Database, after: Place, rows: usize, last_seq: i64) -> Result<History, StoreError> {
    let first = if after.index == u32::MAX { after.seq.saturating_add(1) } else { after.seq };
    let page = "SELECT seq, record FROM journal WHERE seq >= $1 ORDER BY seq LIMIT $2";
    let records = database.query(page, vec![first.into(), (rows as i64).into()])?;
    let mut history = History { changes: Vec::new(), reached: after, end: Place::after(last_seq) };
    for row in records {
        let (seq, record) = journal::read(&row)?;
        history.changes.extend(of_record(database, seq, &record)?.into_iter().filter(|change| change.place > after));
        history.reached = history.reached.max(Place::after(seq));
    }
    Ok(history)
}

/// What happened with a record that is in the journal.
pub(super) fn of_record(database: &Database, seq: i64, record: &Record) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut add = |event| changes.push(Change { place: Place { seq, index: changes.len() as u32 }, event });
    let request = |id, phase| DurableEvent::Request { status: RequestStatus { id, phase } };
    match record {
        Record::Joined { epoch, nonce } | Record::Succeeded { epoch, nonce, .. } => {
            add(DurableEvent::Joined { epoch: *epoch, nonce: *nonce })
        }
        Record::Halted(halt) => add(DurableEvent::Halted { reason: halt.to_string(), halt: halt.clone() }),
        Record::Request(signed) => add(request(signed.request.id, Phase::Received)),
        Record::Withheld { request: id, .. } => add(request(*id, Phase::Cancelling { turn: None })),
        Record::Content(turn) => {
            let (epoch, nonce) = (turn.id().epoch, turn.id().nonce);
            let withheld = "SELECT withheld FROM requests WHERE id = $1";
            let ids = turn.calls().iter().map(|call| vec![call.request_id.as_slice().into()]);
            let withheld = database.each(withheld, ids.collect())?;
            for (call, rows) in turn.calls().iter().zip(withheld) {
                // Others have signed a turn with what was cancelled here before.
                let is_cancelled = rows.first().and_then(|row| row.integer(0)).is_some_and(|at| at < seq);
                add(request(
                    call.request_id,
                    match is_cancelled {
                        true => Phase::Cancelling { turn: Some(BoundTurn { epoch, nonce }) },
                        false => Phase::Signing { epoch, nonce },
                    },
                ));
            }
        }
        _ => {
            let ends = record.ends();
            let ended = "SELECT ended FROM requests WHERE id = $1";
            let ended = database.each(ended, ends.iter().map(|(id, _)| vec![id.as_slice().into()]).collect())?;
            for ((id, outcome), rows) in ends.into_iter().zip(ended) {
                // A request ends once: what comes later is not its end.
                if rows.first().and_then(|row| row.integer(0)) == Some(seq) {
                    add(request(id, outcome.into()));
                }
            }
        }
    }
    Ok(changes)
}
