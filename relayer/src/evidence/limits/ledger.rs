//! What was confirmed, on disk (SQLite), so that a restart does not forget what limits were used for.
//!
//! One thread decides and writes; what waits is decided in order and shares a transaction, and is answered when that is on disk.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
};

use ring_contracts::{Address, RequestId, U256};
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::{Budget, Holder};
use crate::evidence::{Facts, Transfer};

/// How many questions wait at most before those who ask wait too.
const QUEUE: usize = 1_024;
/// After so many bookings what is old is forgotten.
const MOST_ADDED: usize = 10_000;

/// Why nothing can be remembered.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file.
    #[error("the file of what limits were used for, {file}, cannot be used: {error}", file = file.display())]
    Database {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// No thread could be started.
    #[error("no thread for the limits: {0}")]
    Thread(std::io::Error),
}

/// What was confirmed.
#[derive(Debug)]
pub(super) struct Ledger {
    questions: mpsc::Sender<(Question, Reply)>,
}

/// Is there room for a request?
#[derive(Debug)]
struct Question {
    booking: Booking,
    caps: Vec<(Budget, U256)>,
    /// Whether it takes the room.
    is_booked: bool,
}

type Reply = oneshot::Sender<bool>;

/// A request that was confirmed.
#[derive(Clone, Copy, Debug)]
struct Booking {
    request: RequestId,
    requester: Address,
    transfer: Transfer,
    /// When, in Unix seconds of the chain's time.
    at: u64,
    /// When the request expires.
    expiry: u64,
}

impl Ledger {
    /// Opens the file, or makes it. No period is longer than `longest` seconds.
    pub(super) fn open(file: &Path, longest: u64) -> Result<Self, LedgerError> {
        let unusable = |error| LedgerError::Database { file: file.to_owned(), error };
        let connection = open(file).map_err(unusable)?;
        let mut book = Book { connection, longest, used: None, added: 0 };
        book.used = Some(book.read().map_err(unusable)?);
        let (questions, waiting) = mpsc::channel(QUEUE);
        thread::Builder::new().name("limits".into()).spawn(move || book.work(waiting)).map_err(LedgerError::Thread)?;
        Ok(Self { questions })
    }

    /// Whether there is room for a request in all these budgets, and takes it if `is_booked`.
    pub(super) async fn ask(
        &self,
        facts: &Facts,
        transfer: Transfer,
        caps: Vec<(Budget, U256)>,
        now: u64,
        is_booked: bool,
    ) -> bool {
        let booking =
            Booking { request: facts.id, requester: facts.requester, transfer, at: now, expiry: facts.expiry };
        let (reply, answer) = oneshot::channel();
        // Without an answer there is no room.
        self.questions.send((Question { booking, caps, is_booked }, reply)).await.is_ok()
            && answer.await.unwrap_or(false)
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    // SQLite would make it readable for others.
    #[cfg(unix)]
    {
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.append(true).create(true), 0o600);
        // What goes wrong is said by SQLite.
        drop(options.open(file));
    }
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS bookings (
           request BLOB PRIMARY KEY, requester BLOB NOT NULL, asset BLOB NOT NULL, recipient BLOB NOT NULL,
           amount BLOB NOT NULL, at INTEGER NOT NULL, expiry INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID",
    )?;
    Ok(connection)
}

/// The file, and what is in it.
struct Book {
    connection: Connection,
    /// The longest period that is asked about, in seconds.
    longest: u64,
    /// `None`: it has to be read again, because the file failed or much of it is old.
    used: Option<Used>,
    /// How many bookings were added since it was read.
    added: usize,
}

/// What limits were used for.
#[derive(Default)]
struct Used {
    requests: BTreeMap<RequestId, Transfer>,
    /// When how much.
    spent: BTreeMap<(Holder, Address), Vec<(u64, U256)>>,
    /// The number of the last period that was asked about, and what was spent in it.
    sums: BTreeMap<Budget, (u64, U256)>,
}

impl Book {
    fn work(mut self, mut waiting: mpsc::Receiver<(Question, Reply)>) {
        while let Some(question) = waiting.blocking_recv() {
            let mut batch = vec![question];
            while let Ok(question) = waiting.try_recv() {
                batch.push(question);
            }
            self.answer(batch);
        }
    }

    fn answer(&mut self, batch: Vec<(Question, Reply)>) {
        let (questions, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let answers = self.decide(&questions).unwrap_or_else(|error| {
            tracing::error!(%error, "what limits were used for cannot be written: nothing that counts is confirmed");
            self.used = None;
            vec![false; questions.len()]
        });
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Whoever does not wait any more asks again.
            let _ = reply.send(answer);
        }
    }

    /// Decides in order, and writes what took room.
    fn decide(&mut self, questions: &[Question]) -> rusqlite::Result<Vec<bool>> {
        if self.used.is_none() {
            self.used = Some(self.read()?);
            self.added = 0;
        }
        let Some(used) = &mut self.used else { return Ok(vec![false; questions.len()]) };
        let (mut answers, mut new) = (Vec::new(), Vec::new());
        for Question { booking, caps, is_booked } in questions {
            answers.push(match used.requests.get(&booking.request).copied() {
                // An id has one content for ever.
                Some(known) => known == booking.transfer,
                None if !used.has_room(booking, caps) => false,
                None => {
                    if *is_booked {
                        used.add(*booking);
                        new.push(*booking);
                    }
                    true
                }
            });
        }
        if !new.is_empty() {
            self.write(&new)?;
            self.added += new.len();
            if self.added >= MOST_ADDED {
                self.used = None;
            }
        }
        Ok(answers)
    }

    fn write(&mut self, bookings: &[Booking]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        for Booking { request, requester, transfer, at, expiry } in bookings {
            insert.execute(params![
                request.as_slice(),
                requester.as_slice(),
                transfer.asset.as_slice(),
                transfer.recipient.as_slice(),
                transfer.amount.to_be_bytes::<32>().as_slice(),
                *at as i64,
                *expiry as i64,
            ])?;
        }
        drop(insert);
        transaction.commit()
    }

    /// Reads what still counts, and forgets the rest: what is in no period any more, of requests that nobody asks about.
    fn read(&self) -> rusqlite::Result<Used> {
        let newest: Option<i64> = self.connection.query_row("SELECT max(at) FROM bookings", (), |row| row.get(0))?;
        let newest = newest.unwrap_or(0);
        // The chain's time goes back a little when blocks are replaced.
        let old = newest.saturating_sub(2 * self.longest as i64);
        self.connection.execute("DELETE FROM bookings WHERE at < ? AND expiry < ?", [old, newest])?;
        let mut select = self.connection.prepare("SELECT * FROM bookings")?;
        let mut rows = select.query(())?;
        let mut used = Used::default();
        while let Some(row) = rows.next()? {
            let transfer = Transfer {
                asset: row.get::<_, [u8; 20]>(2)?.into(),
                recipient: row.get::<_, [u8; 20]>(3)?.into(),
                amount: U256::from_be_bytes(row.get::<_, [u8; 32]>(4)?),
            };
            used.add(Booking {
                request: row.get::<_, [u8; 16]>(0)?.into(),
                requester: row.get::<_, [u8; 20]>(1)?.into(),
                transfer,
                at: row.get::<_, i64>(5)? as u64,
                expiry: row.get::<_, i64>(6)? as u64,
            });
        }
        Ok(used)
    }
}

impl Used {
    fn add(&mut self, booking: Booking) {
        let Booking { request, requester, transfer: Transfer { asset, recipient, amount }, at, .. } = booking;
        self.requests.insert(request, booking.transfer);
        for holder in [Holder::Requester(requester), Holder::Recipient(recipient)] {
            self.spent.entry((holder, asset)).or_default().push((at, amount));
            let of = |period| Budget { holder, asset, period };
            for (budget, (number, sum)) in self.sums.range_mut(of(0)..=of(u64::MAX)) {
                if at / budget.period == *number {
                    *sum = sum.saturating_add(amount);
                }
            }
        }
    }

    fn has_room(&mut self, booking: &Booking, caps: &[(Budget, U256)]) -> bool {
        caps.iter().all(|(budget, cap)| {
            let used = self.used(budget, booking.at / budget.period);
            cap.checked_sub(used).is_some_and(|left| booking.transfer.amount <= left)
        })
    }

    /// What of a budget was used in the period of this number.
    fn used(&mut self, budget: &Budget, number: u64) -> U256 {
        if let Some((_, sum)) = self.sums.get(budget).filter(|(known, _)| *known == number) {
            return *sum;
        }
        let spent = self.spent.get(&(budget.holder, budget.asset)).into_iter().flatten();
        let amounts = spent.filter(|(at, _)| at / budget.period == number).map(|(_, amount)| *amount);
        let sum = amounts.fold(U256::ZERO, U256::saturating_add);
        self.sums.insert(budget.clone(), (number, sum));
        sum
    }
}
