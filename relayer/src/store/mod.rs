//! What a seat remembers, on disk: in a file (SQLite), or at a server (PostgreSQL).
//!
//! One transaction for what one step of the seat, or several at once, has to remember; synced before it counts. The store is
//! this process's alone while it runs: a second process of the seat is refused, or waits. Nothing here waits for anything but
//! the disk, and a start reads only what is still open, however long the history.

mod alarms;
mod backup;
mod bookings;
mod changes;
mod database;
mod error;
mod journal;
mod list;
mod location;
mod opening;
mod reservation;

use std::collections::BTreeMap;

use ring_contracts::{Address, B256, Request, RequestId, SignedRequest, Turn};
use ring_core::{Message, Outcome, Past, Record, Settled, Vote};
use tokio_util::sync::CancellationToken;

use database::{Database, Transaction};
use journal::Totals;

pub use alarms::{Alarm, KEPT, Raised, Untold};
pub use backup::Snapshot;
pub(crate) use backup::UNFINISHED;
pub use bookings::Booking;
pub use changes::{Change, DurableEvent, History, Place};
pub use database::PostgresFault;
pub use error::{DatabaseError, StoreError};
pub(crate) use list::{Arrival, Ending};
pub use location::{Identity, Location};
pub use opening::{Held, Waiting};
pub use reservation::DurableReservation;

/// The layout of the tables; raised when it changes.
const VERSION: i64 = 6;
/// The oldest layout that is brought to this one when a store is opened.
const OLDEST: i64 = 5;

type Votes = Vec<(B256, Vote)>;

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// What.
    pub request: Request,
    /// Who signed it. `None`: nobody that could be told from the signature.
    pub requester: Option<Address>,
}

/// Up to where subscribers have been told, as far as that is news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// In the history.
    pub places: BTreeMap<String, Place>,
    /// Of alarms.
    pub alarms: BTreeMap<String, Told>,
}

/// What a subscriber has been told of alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The number of the last one.
    pub number: Option<i64>,
    /// Of how many that it missed them.
    pub missed: i64,
}

impl Deliveries {
    /// Whether there is no news.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.alarms.is_empty()
    }
}

/// The store of one seat.
#[derive(Debug)]
pub struct Store {
    database: Database,
    /// What people call it.
    name: String,
    identity: Identity,
    own_seat: Option<usize>,
    epoch: Option<u32>,
    /// The record of the last final turn.
    last_final: Option<i64>,
    totals: Totals,
}

impl Store {
    /// Makes the store of a seat that starts for the first time.
    ///
    /// # Errors
    /// `Exists`, `File`, `Network`, `Unfit`, `Database`.
    pub fn create(location: &Location, identity: Identity) -> Result<Self, StoreError> {
        let database = opening::create(location, &identity)?;
        let (epoch, last_final, totals) = (None, None, Totals::default());
        let name = location.to_string();
        Ok(Self { database, name, identity, own_seat: None, epoch, last_final, totals })
    }

    /// Opens the store of a seat that has run before, and reads what it needs to go on, in the order of its writing.
    ///
    /// # Errors
    /// As [`Held::take`] and [`Held::open`].
    pub fn open(location: &Location, identity: Identity) -> Result<(Self, Vec<Record>), StoreError> {
        Held::take(location)?.open(identity)
    }

    fn read(database: Database, name: String, identity: Identity) -> Result<(Self, Vec<Record>), StoreError> {
        let totals = journal::read_totals(&database)?;
        let rows = journal::read_live(&database, &totals)?;
        let epoch = rows.iter().rev().find_map(|(_, record)| match record {
            Record::Joined { epoch, .. } | Record::Succeeded { epoch, .. } => Some(*epoch),
            _ => None,
        });
        let last_final = rows.iter().rev().find(|(_, record)| record.closes().is_some()).map(|(seq, _)| *seq);
        let records = rows.into_iter().map(|(_, record)| record).collect();
        Ok((Self { database, name, identity, own_seat: None, epoch, last_final, totals }, records))
    }

    /// Lets go of it, so that another process can have it.
    pub fn close(self) {
        self.database.close();
    }

    /// Lets go of what was read of it, but keeps it: it can be opened again. A copy that is being made comes to nothing.
    ///
    /// # Errors
    /// `Database`.
    pub fn into_held(self) -> Result<Held, StoreError> {
        self.database.thaw(true)?;
        Ok(Held::of(self.database, self.name))
    }

    /// Cancelled when this process has lost the store, though nothing was asked of it: then it has to end. (A file is never
    /// lost.)
    pub fn lost(&self) -> CancellationToken {
        self.database.lost()
    }

    /// Says which seat is this one's, so that its own signatures are known among the votes.
    pub fn set_own_seat(&mut self, seat: usize) {
        self.own_seat = Some(seat);
    }

    /// Makes records durable, all or none.
    ///
    /// # Errors
    /// `Database`: it is not known whether they are. `TakenOver`: they are not. The process has to end.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.commit_with(records, &Raised::default())
    }

    /// Goes on with another key of the seat, in the next epoch: both or neither.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn succeed(&mut self, key: Address, records: &[Record]) -> Result<(), StoreError> {
        self.write(records, &Raised::default(), Some(key))?;
        self.identity.key = key;
        Ok(())
    }

    /// Makes records durable, and alarms with them, all or none.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_with(&mut self, records: &[Record], raised: &Raised) -> Result<(), StoreError> {
        self.write(records, raised, None)
    }

    fn write(&mut self, records: &[Record], raised: &Raised, key: Option<Address>) -> Result<(), StoreError> {
        if records.is_empty() && raised.is_empty() {
            return Ok(());
        }
        let (mut totals, mut epoch, mut last_final) = (self.totals, self.epoch, self.last_final);
        let transaction = self.database.begin()?;
        if let Some(key) = key {
            transaction.write("UPDATE identity SET key = $1", vec![key.to_string().into()])?;
        }
        for record in records {
            if let Record::Joined { epoch: joined, .. } | Record::Succeeded { epoch: joined, .. } = record {
                epoch = Some(*joined);
            }
            let seq = journal::append(&transaction, &mut totals, record, epoch)?;
            constrain(&transaction, &self.identity, self.own_seat, record, epoch, seq)?;
            let ended = end(&transaction, record.ends(), seq)?;
            journal::retire(&transaction, &mut totals, ended)?;
            match record.closes() {
                Some(nonce) => {
                    journal::retire_nonce(&transaction, &mut totals, nonce)?;
                    journal::retire(&transaction, &mut totals, last_final.replace(seq))?;
                }
                None if matches!(record, Record::Settled { .. }) => {
                    journal::retire(&transaction, &mut totals, [seq])?;
                }
                None => {}
            }
        }
        if !records.is_empty() {
            journal::write_totals(&transaction, &totals)?;
        }
        if !raised.is_empty() {
            alarms::raise(&transaction, raised)?;
        }
        transaction.commit()?;
        (self.totals, self.epoch, self.last_final) = (totals, epoch, last_final);
        Ok(())
    }

    /// Those of the requests that have ended.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn settled(&self, ids: impl IntoIterator<Item = RequestId>) -> Result<Past, StoreError> {
        let ids: Vec<RequestId> = ids.into_iter().collect();
        let select = "SELECT digest, outcome FROM requests WHERE id = $1";
        let found = self.database.each(select, ids.iter().map(|id| vec![id.as_slice().into()]).collect())?;
        let mut past = Past::new();
        for (id, rows) in ids.into_iter().zip(found) {
            let Some((row, outcome)) = rows.first().and_then(|row| Some((row, row.text(1)?))) else { continue };
            let damaged = |what: String| StoreError::damaged(0, format!("request {id}: {what}"));
            let digest = row.bytes(0).map(B256::try_from).transpose();
            let digest = digest.map_err(|error| damaged(error.to_string()))?;
            let outcome = serde_json::from_str(outcome).map_err(|error| damaged(error.to_string()))?;
            past.insert(id, Settled { digest, outcome });
        }
        Ok(past)
    }

    /// Reads back what this seat reserved for a nonce of its epoch under a digest.
    ///
    /// # Errors
    /// `TakenOver`: another process may sign, this one may not. `Damaged`, `Database`.
    pub fn reservation(&self, nonce: u64, digest: B256) -> Result<Option<DurableReservation>, StoreError> {
        let Some(epoch) = self.epoch else { return Ok(None) };
        let select = "SELECT void FROM reservations WHERE epoch = $1 AND nonce = $2 AND digest = $3";
        let rows = self.database.query(select, vec![epoch.into(), (nonce as i64).into(), digest.to_string().into()])?;
        let domain = self.identity.domain;
        let turn = match rows.first().and_then(|row| row.integer(0)) {
            None => None,
            Some(0) => {
                let turns = self.turns(nonce)?.0;
                turns.into_iter().find(|turn| turn.id().epoch == epoch && turn.digest(&domain) == digest)
            }
            Some(_) => Some(Turn::void(self.identity.ring, epoch, nonce)),
        };
        self.database.check_held()?;
        Ok(turn.and_then(|turn| DurableReservation::new(turn, digest, &domain)))
    }

    /// Every content that this seat agreed to for a nonce, with the requests in it and the votes for it: what a peer needs to
    /// judge it. In whatever epoch: a peer that is behind may still have to settle the one before.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn contents(&self, nonce: u64) -> Result<Vec<Message>, StoreError> {
        let (turns, votes) = self.turns(nonce)?;
        let mut contents = Vec::new();
        for turn in turns {
            let mut requests = Vec::with_capacity(turn.calls().len());
            for call in turn.calls() {
                requests.extend(self.request(call.request_id)?);
            }
            let of_turn = turn.digest(&self.identity.domain);
            let votes = votes.iter().filter(|(digest, _)| *digest == of_turn).map(|(_, vote)| *vote).collect();
            contents.push(Message::Turn { votes, turn, requests });
        }
        Ok(contents)
    }

    /// A request as its client signed it, if it ever came here.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn request(&self, id: RequestId) -> Result<Option<SignedRequest>, StoreError> {
        let select = "SELECT journal.seq, journal.record FROM requests JOIN journal ON journal.seq = requests.seq WHERE requests.id = $1";
        let rows = self.database.query(select, vec![id.as_slice().into()])?;
        match rows.first().map(journal::read).transpose()? {
            Some((_, Record::Request(signed))) => Ok(Some(signed)),
            _ => Ok(None),
        }
    }

    /// What a request asks for and who signed it, if it ever came here.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn posted(&self, id: RequestId) -> Result<Option<Posted>, StoreError> {
        let Some(SignedRequest { request, .. }) = self.request(id)? else { return Ok(None) };
        let rows = self.database.query("SELECT requester FROM requests WHERE id = $1", vec![id.as_slice().into()])?;
        let requester = rows.first().and_then(|row| row.bytes(0)).map(Address::try_from).transpose();
        let requester = requester.map_err(|error| StoreError::damaged(0, format!("request {id}: {error}")))?;
        Ok(Some(Posted { request, requester }))
    }

    /// At most `limit` of the requests that came here before that record, the newest first.
    pub(crate) fn arrivals(
        &self,
        requester: Option<Address>,
        endings: Option<&[Ending]>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        list::read(&self.database, requester, endings, before, limit)
    }

    /// The end of the history, for now.
    pub fn end(&self) -> Place {
        Place::after(self.totals.last_seq)
    }

    /// What happened after a place, from at most `rows` records.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn history(&self, after: Place, rows: usize) -> Result<History, StoreError> {
        changes::read(&self.database, after, rows, self.totals.last_seq)
    }

    /// What happened with records that were just committed.
    ///
    /// # Errors
    /// `Database`.
    pub fn changes(&self, committed: &[Record]) -> Result<Vec<Change>, StoreError> {
        let first = self.totals.last_seq + 1 - committed.len() as i64;
        let mut changes = Vec::new();
        for (seq, record) in (first..).zip(committed) {
            changes.extend(changes::of_record(&self.database, seq, record)?);
        }
        Ok(changes)
    }

    /// Up to where a subscriber has been told. One that was never heard of begins now, and is remembered.
    ///
    /// # Errors
    /// `Database`.
    pub fn delivered(&mut self, name: &str) -> Result<Place, StoreError> {
        let rows = self.database.query("SELECT seq, place FROM webhooks WHERE name = $1", vec![name.into()])?;
        let known =
            rows.first().and_then(|row| Some(Place { seq: row.integer(0)?, index: row.integer(1)?.try_into().ok()? }));
        match known {
            Some(place) => Ok(place),
            None => {
                let place = self.end();
                let places = BTreeMap::from([(name.to_owned(), place)]);
                self.note_deliveries(&Deliveries { places, ..Deliveries::default() })?;
                Ok(place)
            }
        }
    }

    /// Remembers up to where subscribers have been told, in the history and of alarms.
    ///
    /// # Errors
    /// `Database`.
    pub fn note_deliveries(&mut self, deliveries: &Deliveries) -> Result<(), StoreError> {
        let transaction = self.database.begin()?;
        for (name, place) in &deliveries.places {
            let upsert = "INSERT INTO webhooks VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, place = excluded.place";
            transaction.write(upsert, vec![name.as_str().into(), place.seq.into(), place.index.into()])?;
        }
        for (name, told) in &deliveries.alarms {
            alarms::note_told(&transaction, name, told.number, told.missed)?;
        }
        transaction.commit()
    }

    /// Writes something without meaning, to know that it can.
    ///
    /// # Errors
    /// `Database`.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        let transaction = self.database.begin()?;
        transaction.write("UPDATE identity SET version = version", Vec::new())?;
        transaction.commit()
    }

    /// Reads every record ever written, which takes its time, and returns how many there are.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn verify(&self) -> Result<i64, StoreError> {
        self.database.check()?;
        journal::verify(&self.database, &self.totals)
    }

    /// The contents of a nonce, and the votes for them by digest.
    fn turns(&self, nonce: u64) -> Result<(Vec<Turn>, Votes), StoreError> {
        let select = "SELECT seq, record FROM journal WHERE nonce = $1 ORDER BY seq";
        let (mut turns, mut votes) = (Vec::new(), Vec::new());
        for row in self.database.query(select, vec![(nonce as i64).into()])? {
            match journal::read(&row)?.1 {
                Record::Content(turn) => turns.push(turn),
                Record::Voted { digest, seat, signature, .. } => votes.push((digest, Vote { seat, signature })),
                _ => {}
            }
        }
        Ok((turns, votes))
    }
}

/// Gives requests their end, unless they have one. Returns their records and those of their cancellations, as far as a restart
/// needed them until now.
fn end(transaction: &Transaction<'_>, ends: Vec<(RequestId, Outcome)>, seq: i64) -> Result<Vec<i64>, StoreError> {
    let values = ends.into_iter().map(|(id, outcome)| {
        let outcome = serde_json::to_string(&outcome).map_err(|error| StoreError::damaged(seq, error))?;
        Ok(vec![id.as_slice().into(), outcome.into(), seq.into()])
    });
    let insert = "INSERT INTO requests (id, outcome, ended) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, ended = excluded.ended WHERE requests.outcome IS NULL
         RETURNING seq, withheld";
    let ended = transaction.each(insert, values.collect::<Result<_, StoreError>>()?)?;
    Ok(ended.iter().flatten().flat_map(|row| [row.integer(0), row.integer(1)]).flatten().collect())
}

/// Writes a record a second time where the schema forbids what must not be.
fn constrain(
    transaction: &Transaction<'_>,
    identity: &Identity,
    own_seat: Option<usize>,
    record: &Record,
    epoch: Option<u32>,
    seq: i64,
) -> Result<(), StoreError> {
    match record {
        Record::Request(signed) => {
            let digest = signed.request.digest(&identity.domain);
            // The state machine records only what a requester signed.
            let requester = signed.requester(&identity.domain).ok();
            transaction.write(
                "INSERT INTO requests (id, seq, digest, requester) VALUES ($1, $2, $3, $4)",
                vec![
                    signed.request.id.as_slice().into(),
                    seq.into(),
                    digest.as_slice().into(),
                    requester.as_ref().map(|requester| requester.as_slice()).into(),
                ],
            )?;
        }
        Record::Withheld { request, .. } => {
            let update = "UPDATE requests SET withheld = $1 WHERE id = $2";
            transaction.write(update, vec![seq.into(), request.as_slice().into()])?;
        }
        Record::Reserved { nonce, digest, void } => {
            transaction.write(
                "INSERT INTO reservations VALUES ($1, $2, $3, $4)",
                vec![epoch.into(), (*nonce as i64).into(), (*void).into(), digest.to_string().into()],
            )?;
        }
        Record::Voted { digest, seat, signature, .. } if Some(*seat) == own_seat => {
            let signature = ring_contracts::hex::encode(signature.as_bytes());
            transaction.write(
                "INSERT INTO own_signatures VALUES ($1, $2)",
                vec![digest.to_string().into(), signature.into()],
            )?;
        }
        _ => {}
    }
    Ok(())
}
