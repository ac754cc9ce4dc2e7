//! What a seat remembers, on disk (SQLite).
//!
//! One transaction for what one step of the seat, or several at once, has to remember; synced before it counts. The file is
//! this process's alone while it runs: a second process of the seat is refused. Nothing here waits for anything but the
//! disk, and a start reads only what is still open, however long the history.

mod backup;
mod changes;
mod database;
mod error;
mod journal;
mod list;
mod reservation;

use std::collections::BTreeMap;

use ring_contracts::{Address, B256, Request, RequestId, SignedRequest, Turn};
use ring_core::{Message, Outcome, Past, Record, Settled, Vote};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use journal::Totals;

pub use changes::{Change, DurableEvent, History, Place};
pub use database::{Identity, Location};
pub use error::StoreError;
pub(crate) use list::{Arrival, Ending};
pub use reservation::DurableReservation;

/// The layout of the tables; raised when it changes.
const VERSION: i64 = 3;

type Votes = Vec<(B256, Vote)>;

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// What.
    pub request: Request,
    /// Who signed it. `None`: nobody that could be told from the signature.
    pub requester: Option<Address>,
}

/// The store of one seat.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
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
    /// `Exists`, `File`, `Database`.
    pub fn create(location: &Location, identity: Identity) -> Result<Self, StoreError> {
        let connection = database::create(location, &identity)?;
        let (epoch, last_final, totals) = (None, None, Totals::default());
        Ok(Self { connection, identity, own_seat: None, epoch, last_final, totals })
    }

    /// Opens the store of a seat that has run before, and reads what it needs to go on, in the order of its writing.
    ///
    /// # Errors
    /// `Missing`, `InUse`, `OtherIdentity`, `OtherVersion`, `Damaged`, `Database`.
    pub fn open(location: &Location, identity: Identity) -> Result<(Self, Vec<Record>), StoreError> {
        let connection = database::open(location, &identity)?;
        let totals = journal::read_totals(&connection)?;
        let rows = journal::read_live(&connection, &totals)?;
        let epoch = rows.iter().rev().find_map(|(_, record)| match record {
            Record::Joined { epoch, .. } => Some(*epoch),
            _ => None,
        });
        let last_final = rows.iter().rev().find(|(_, record)| record.closes().is_some()).map(|(seq, _)| *seq);
        let records = rows.into_iter().map(|(_, record)| record).collect();
        Ok((Self { connection, identity, own_seat: None, epoch, last_final, totals }, records))
    }

    /// Lets go of the file, so that another process can have it.
    pub fn close(self) {
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly; what was committed is safe");
        }
    }

    /// Says which seat is this one's, so that its own signatures are known among the votes.
    pub fn set_own_seat(&mut self, seat: usize) {
        self.own_seat = Some(seat);
    }

    /// Makes records durable, all or none.
    ///
    /// # Errors
    /// `Database`: it is not known whether they are. The process has to end.
    pub fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let (mut totals, mut epoch, mut last_final) = (self.totals, self.epoch, self.last_final);
        let transaction = self.connection.transaction()?;
        for record in records {
            if let Record::Joined { epoch: joined, .. } = record {
                epoch = Some(*joined);
            }
            let seq = journal::append(&transaction, &mut totals, record, epoch)?;
            constrain(&transaction, &self.identity, self.own_seat, record, epoch, seq)?;
            for (request, outcome) in record.ends() {
                if let Some(seq) = end(&transaction, request, outcome, seq)? {
                    journal::retire(&transaction, &mut totals, seq)?;
                }
            }
            match record.closes() {
                Some(nonce) => {
                    journal::retire_nonce(&transaction, &mut totals, nonce)?;
                    if let Some(before) = last_final.replace(seq) {
                        journal::retire(&transaction, &mut totals, before)?;
                    }
                }
                None if matches!(record, Record::Settled { .. }) => {
                    journal::retire(&transaction, &mut totals, seq)?;
                }
                None => {}
            }
        }
        journal::write_totals(&transaction, &totals)?;
        transaction.commit()?;
        (self.totals, self.epoch, self.last_final) = (totals, epoch, last_final);
        Ok(())
    }

    /// Those of the requests that have ended.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn settled(&self, ids: impl IntoIterator<Item = RequestId>) -> Result<Past, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT digest, outcome FROM requests WHERE id = ?")?;
        let mut past = Past::new();
        for id in ids {
            let row = select.query_row([id.as_slice()], |row| {
                Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<String>>(1)?))
            });
            let Some((digest, Some(outcome))) = row.optional()? else { continue };
            let damaged = |what: String| StoreError::damaged(0, format!("request {id}: {what}"));
            let digest = digest.map(|digest| B256::try_from(&digest[..])).transpose();
            let digest = digest.map_err(|error| damaged(error.to_string()))?;
            let outcome = serde_json::from_str(&outcome).map_err(|error| damaged(error.to_string()))?;
            past.insert(id, Settled { digest, outcome });
        }
        Ok(past)
    }

    /// Reads back what this seat reserved for a nonce of its epoch under a digest.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn reservation(&self, nonce: u64, digest: B256) -> Result<Option<DurableReservation>, StoreError> {
        let Some(epoch) = self.epoch else { return Ok(None) };
        let mut select = self
            .connection
            .prepare_cached("SELECT void FROM reservations WHERE epoch = ? AND nonce = ? AND digest = ?")?;
        let void = select.query_row(params![epoch, nonce as i64, digest.to_string()], |row| row.get(0)).optional()?;
        let domain = self.identity.domain;
        let turn = match void {
            None => None,
            Some(true) => Some(Turn::void(self.identity.ring, epoch, nonce)),
            Some(false) => {
                let turns = self.turns(epoch, nonce)?.0;
                turns.into_iter().find(|turn| turn.digest(&domain) == digest)
            }
        };
        Ok(turn.and_then(|turn| DurableReservation::new(turn, digest, &domain)))
    }

    /// Every content that this seat agreed to for a nonce of its epoch, with the requests in it and the votes for it: what a
    /// peer needs to judge it.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn contents(&self, nonce: u64) -> Result<Vec<Message>, StoreError> {
        let Some(epoch) = self.epoch else { return Ok(Vec::new()) };
        let (turns, votes) = self.turns(epoch, nonce)?;
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
        let mut select = self.connection.prepare_cached(
            "SELECT journal.seq, journal.record FROM requests JOIN journal ON journal.seq = requests.seq WHERE requests.id = ?",
        )?;
        let row = select.query_row([id.as_slice()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
        match row.map(|(seq, body)| journal::decode(seq, &body)).transpose()? {
            Some(Record::Request(signed)) => Ok(Some(signed)),
            _ => Ok(None),
        }
    }

    /// What a request asks for and who signed it, if it ever came here.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn posted(&self, id: RequestId) -> Result<Option<Posted>, StoreError> {
        let Some(SignedRequest { request, .. }) = self.request(id)? else { return Ok(None) };
        let mut select = self.connection.prepare_cached("SELECT requester FROM requests WHERE id = ?")?;
        let requester: Option<Vec<u8>> = select.query_row([id.as_slice()], |row| row.get(0))?;
        let requester = requester.map(|bytes| Address::try_from(&bytes[..])).transpose();
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
        list::read(&self.connection, requester, endings, before, limit)
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
        changes::read(&self.connection, after, rows, self.totals.last_seq)
    }

    /// What happened with records that were just committed.
    ///
    /// # Errors
    /// `Database`.
    pub fn changes(&self, committed: &[Record]) -> Result<Vec<Change>, StoreError> {
        let first = self.totals.last_seq + 1 - committed.len() as i64;
        let mut changes = Vec::new();
        for (seq, record) in (first..).zip(committed) {
            changes.extend(changes::of_record(&self.connection, seq, record)?);
        }
        Ok(changes)
    }

    /// Up to where a webhook has been delivered. One that was never heard of begins now, and is remembered.
    ///
    /// # Errors
    /// `Database`.
    pub fn webhook(&mut self, name: &str) -> Result<Place, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT seq, place FROM webhooks WHERE name = ?")?;
        let row = select.query_row([name], |row| Ok(Place { seq: row.get(0)?, index: row.get(1)? })).optional()?;
        drop(select);
        match row {
            Some(place) => Ok(place),
            None => {
                let place = self.end();
                self.note_webhooks(&BTreeMap::from([(name.to_owned(), place)]))?;
                Ok(place)
            }
        }
    }

    /// Remembers up to where webhooks have been delivered.
    ///
    /// # Errors
    /// `Database`.
    pub fn note_webhooks(&mut self, places: &BTreeMap<String, Place>) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (name, place) in places {
            let upsert =
                "INSERT INTO webhooks VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET seq = ?2, place = ?3";
            transaction.prepare_cached(upsert)?.execute(params![name, place.seq, place.index])?;
        }
        Ok(transaction.commit()?)
    }

    /// Writes something without meaning, to know that it can.
    ///
    /// # Errors
    /// `Database`.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("UPDATE identity SET version = version", ())?;
        Ok(transaction.commit()?)
    }

    /// Reads every record ever written, which takes its time, and returns how many there are.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn verify(&self) -> Result<i64, StoreError> {
        journal::verify(&self.connection, &self.totals)
    }

    /// The contents of a nonce of an epoch, and the votes for them by digest.
    fn turns(&self, epoch: u32, nonce: u64) -> Result<(Vec<Turn>, Votes), StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT seq, record FROM journal WHERE nonce = ? AND epoch = ? ORDER BY seq")?;
        let mut rows = select.query(params![nonce as i64, epoch])?;
        let (mut turns, mut votes) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            match journal::decode(row.get(0)?, &row.get::<_, String>(1)?)? {
                Record::Content(turn) => turns.push(turn),
                Record::Voted { digest, seat, signature, .. } => votes.push((digest, Vote { seat, signature })),
                _ => {}
            }
        }
        Ok((turns, votes))
    }
}

/// Gives a request its end, unless it has one. Returns its record, if a restart needed it until now.
fn end(transaction: &Transaction<'_>, id: RequestId, outcome: Outcome, seq: i64) -> Result<Option<i64>, StoreError> {
    let outcome = serde_json::to_string(&outcome).map_err(|error| StoreError::damaged(seq, error))?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO requests (id, outcome, ended) VALUES (?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, ended = excluded.ended WHERE outcome IS NULL
         RETURNING seq",
    )?;
    Ok(insert.query_row(params![id.as_slice(), outcome, seq], |row| row.get(0)).optional()?.flatten())
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
            let insert = "INSERT INTO requests (id, seq, digest, requester) VALUES (?, ?, ?, ?)";
            transaction.prepare_cached(insert)?.execute(params![
                signed.request.id.as_slice(),
                seq,
                digest.as_slice(),
                requester.as_ref().map(|requester| requester.as_slice())
            ])?;
        }
        Record::Reserved { nonce, digest, void } => {
            transaction.prepare_cached("INSERT INTO reservations VALUES (?, ?, ?, ?)")?.execute(params![
                epoch,
                *nonce as i64,
                void,
                digest.to_string()
            ])?;
        }
        Record::Voted { digest, seat, signature, .. } if Some(*seat) == own_seat => {
            transaction
                .prepare_cached("INSERT INTO own_signatures VALUES (?, ?)")?
                .execute(params![digest.to_string(), ring_contracts::hex::encode(signature.as_bytes())])?;
        }
        _ => {}
    }
    Ok(())
}
