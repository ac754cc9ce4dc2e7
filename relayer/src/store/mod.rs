//! What a seat remembers, on disk (SQLite).
//!
//! One transaction a step, synced before it counts. The file is this process's alone while it runs: a second process of
//! the seat is refused.

mod reservation;

use std::path::{Path, PathBuf};

use ring_contracts::{Address, B256, Domain, RequestId, SignedRequest, Turn, keccak256};
use ring_core::{Message, Record, Vote};
use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};

pub use reservation::DurableReservation;

/// The layout of the tables; raised when it changes.
const VERSION: i64 = 1;

/// Whose store it is. A store is never used for another seat, ring or chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The contract and its chain.
    pub domain: Domain,
    /// The ring.
    pub ring: u32,
    /// The seat's key.
    pub key: Address,
}

/// The store of one seat.
#[derive(Debug)]
pub struct Store {
    connection: SqliteConnection,
    identity: Identity,
    own_seat: Option<usize>,
    epoch: Option<u32>,
    last_seq: i64,
    last_checksum: B256,
}

/// Why the store does not do what it should. None of these is retried: what is not known to be on disk was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error(
        "there is no store at {0}: at the very first start of this seat run `init`; if there was one, find it, for a seat \
         that has forgotten what it signed must not sign"
    )]
    Missing(PathBuf),
    /// There is one already.
    #[error("there is a store at {0} already: start with `run`")]
    Exists(PathBuf),
    /// Another process has it open.
    #[error("the store {0} is in use: another process of this seat is running, stop it first")]
    InUse(PathBuf),
    /// It belongs to another seat, ring or chain.
    #[error("the store {path} is of {found:?}, not of {expected:?}: correct the configuration or the path")]
    OtherIdentity {
        /// Where it is.
        path: PathBuf,
        /// Whose it is.
        found: Box<Identity>,
        /// Whose it should be.
        expected: Box<Identity>,
    },
    /// It was written by another version.
    #[error("the store {path} has layout {found}, this version reads {VERSION}: use the version that wrote it")]
    OtherVersion {
        /// Where it is.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// It is damaged.
    #[error(
        "the store is damaged at record {seq} ({what}): stop this seat, keep the file, and have the master revoke the key; a \
         seat that is not sure what it signed must not sign"
    )]
    Damaged {
        /// Which record.
        seq: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The database could not do it.
    #[error("the store failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Makes the store of a seat that starts for the first time.
    ///
    /// # Errors
    /// `Exists`, `Database`.
    pub async fn create(path: &Path, identity: Identity) -> Result<Self, StoreError> {
        // Reserves the name with the right mode before SQLite opens it.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
            _ => StoreError::Database(error.into()),
        })?;
        let mut connection = connect(path).await?;
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO identity VALUES (1, ?, ?, ?, ?, ?)")
            .bind(VERSION)
            .bind(identity.domain.chain_id.to_string())
            .bind(identity.domain.contract.to_string())
            .bind(identity.ring)
            .bind(identity.key.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Self { connection, identity, own_seat: None, epoch: None, last_seq: 0, last_checksum: B256::ZERO })
    }

    /// Opens the store of a seat that has run before, and reads all that it remembers.
    ///
    /// # Errors
    /// `Missing`, `InUse`, `OtherIdentity`, `OtherVersion`, `Damaged`, `Database`.
    pub async fn open(path: &Path, identity: Identity) -> Result<(Self, Vec<Record>), StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let mut connection = connect(path).await?;
        check_identity(&mut connection, path, &identity).await?;
        let mut store =
            Self { connection, identity, own_seat: None, epoch: None, last_seq: 0, last_checksum: B256::ZERO };
        let records = store.read_journal().await?;
        Ok((store, records))
    }

    /// Lets go of the file, so that another process can have it.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
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
    pub async fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let (mut seq, mut checksum, mut epoch) = (self.last_seq, self.last_checksum, self.epoch);
        let mut transaction = self.connection.begin().await?;
        for record in records {
            if let Record::Joined { epoch: joined, .. } = record {
                epoch = Some(*joined);
            }
            let body = encode(seq + 1, record)?;
            seq += 1;
            checksum = chain(checksum, &body);
            sqlx::query("INSERT INTO journal VALUES (?, ?, ?, ?)")
                .bind(seq)
                .bind(subject(record, epoch))
                .bind(body)
                .bind(checksum.to_vec())
                .execute(&mut *transaction)
                .await?;
            constrain(&mut transaction, record, epoch, self.own_seat).await?;
        }
        transaction.commit().await?;
        (self.last_seq, self.last_checksum, self.epoch) = (seq, checksum, epoch);
        Ok(())
    }

    /// Reads back what this seat reserved for a nonce of its epoch under a digest.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub async fn reservation(&mut self, nonce: u64, digest: B256) -> Result<Option<DurableReservation>, StoreError> {
        let Some(epoch) = self.epoch else { return Ok(None) };
        let row = sqlx::query("SELECT void FROM reservations WHERE epoch = ? AND nonce = ? AND digest = ?")
            .bind(epoch)
            .bind(nonce as i64)
            .bind(digest.to_string())
            .fetch_optional(&mut self.connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let domain = self.identity.domain;
        let turn = match row.get::<bool, _>("void") {
            true => Some(Turn::void(self.identity.ring, epoch, nonce)),
            false => self.contents_of(epoch, nonce).await?.into_iter().find(|turn| turn.digest(&domain) == digest),
        };
        Ok(turn.and_then(|turn| DurableReservation::new(turn, digest, &domain)))
    }

    /// Every content that this seat agreed to for a nonce of its epoch, with the requests in it and the votes for it: what a
    /// peer needs to judge it.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub async fn contents(&mut self, nonce: u64) -> Result<Vec<Message>, StoreError> {
        let Some(epoch) = self.epoch else { return Ok(Vec::new()) };
        let about = self.records_about(&turn_subject(epoch, nonce)).await?;
        let mut contents = Vec::new();
        for turn in self.contents_of(epoch, nonce).await? {
            let mut requests = Vec::with_capacity(turn.calls().len());
            for call in turn.calls() {
                requests.extend(self.request(call.request_id).await?);
            }
            let of_turn = turn.digest(&self.identity.domain);
            let votes = about.iter().filter_map(|record| match record {
                Record::Voted { digest, seat, signature, .. } if *digest == of_turn => {
                    Some(Vote { seat: *seat, signature: *signature })
                }
                _ => None,
            });
            contents.push(Message::Turn { votes: votes.collect(), turn, requests });
        }
        Ok(contents)
    }

    async fn contents_of(&mut self, epoch: u32, nonce: u64) -> Result<Vec<Turn>, StoreError> {
        let records = self.records_about(&turn_subject(epoch, nonce)).await?;
        let turns = records.into_iter().filter_map(|record| match record {
            Record::Content(turn) => Some(turn),
            _ => None,
        });
        Ok(turns.collect())
    }

    async fn request(&mut self, id: RequestId) -> Result<Option<SignedRequest>, StoreError> {
        let records = self.records_about(&request_subject(id)).await?;
        Ok(records.into_iter().find_map(|record| match record {
            Record::Request(signed) => Some(signed),
            _ => None,
        }))
    }

    async fn records_about(&mut self, subject: &str) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query("SELECT seq, record FROM journal WHERE subject = ? ORDER BY seq")
            .bind(subject)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(|row| decode(row.get("seq"), row.get("record"))).collect()
    }

    async fn read_journal(&mut self) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query("SELECT seq, record, checksum FROM journal ORDER BY seq")
            .fetch_all(&mut self.connection)
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let (seq, body): (i64, String) = (row.get("seq"), row.get("record"));
            let damaged = |what: &str| StoreError::Damaged { seq, what: what.to_owned() };
            if seq != self.last_seq + 1 {
                return Err(damaged("records before it are missing"));
            }
            self.last_checksum = chain(self.last_checksum, &body);
            if row.get::<Vec<u8>, _>("checksum") != self.last_checksum.as_slice() {
                return Err(damaged("its checksum is wrong"));
            }
            let record = decode(seq, &body)?;
            if let Record::Joined { epoch, .. } = record {
                self.epoch = Some(epoch);
            }
            self.last_seq = seq;
            records.push(record);
        }
        Ok(records)
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // EXTRA is FULL in WAL mode: every commit is synced, and the directory when the log is made.
        .synchronous(SqliteSynchronous::Extra)
        .locking_mode(SqliteLockingMode::Exclusive)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::ZERO);
    let in_use = |error: sqlx::Error| match &error {
        sqlx::Error::Database(database) if matches!(database.code().as_deref(), Some("5" | "261" | "517")) => {
            StoreError::InUse(path.to_owned())
        }
        _ => StoreError::Database(error),
    };
    let mut connection = options.connect().await.map_err(in_use)?;
    // An exclusive lock is taken at the first write, and kept.
    sqlx::raw_sql("BEGIN IMMEDIATE; COMMIT;").execute(&mut connection).await.map_err(in_use)?;
    Ok(connection)
}

async fn check_identity(connection: &mut SqliteConnection, path: &Path, expected: &Identity) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT version, chain_id, contract, ring, key FROM identity").fetch_one(connection).await?;
    let version: i64 = row.get("version");
    if version != VERSION {
        return Err(StoreError::OtherVersion { path: path.to_owned(), found: version });
    }
    let damaged = |_| StoreError::Damaged { seq: 0, what: "its identity cannot be read".to_owned() };
    let found = Identity {
        domain: Domain {
            chain_id: row.get::<String, _>("chain_id").parse().map_err(|_| damaged(()))?,
            contract: row.get::<String, _>("contract").parse().map_err(|_| damaged(()))?,
        },
        ring: row.get("ring"),
        key: row.get::<String, _>("key").parse().map_err(|_| damaged(()))?,
    };
    if found != *expected {
        let (found, expected) = (Box::new(found), Box::new(expected.clone()));
        return Err(StoreError::OtherIdentity { path: path.to_owned(), found, expected });
    }
    Ok(())
}

/// Writes a record a second time where the schema forbids what must not be.
async fn constrain(
    connection: &mut SqliteConnection,
    record: &Record,
    epoch: Option<u32>,
    own_seat: Option<usize>,
) -> Result<(), StoreError> {
    match record {
        Record::Request(signed) => {
            sqlx::query("INSERT INTO requests VALUES (?)")
                .bind(signed.request.id.to_string())
                .execute(connection)
                .await?;
        }
        Record::Reserved { nonce, digest, void } => {
            sqlx::query("INSERT INTO reservations VALUES (?, ?, ?, ?)")
                .bind(epoch)
                .bind(*nonce as i64)
                .bind(void)
                .bind(digest.to_string())
                .execute(connection)
                .await?;
        }
        Record::Voted { digest, seat, signature, .. } if Some(*seat) == own_seat => {
            sqlx::query("INSERT INTO own_signatures VALUES (?, ?)")
                .bind(digest.to_string())
                .bind(ring_contracts::hex::encode(signature.as_bytes()))
                .execute(connection)
                .await?;
        }
        _ => {}
    }
    Ok(())
}

fn subject(record: &Record, epoch: Option<u32>) -> Option<String> {
    match record {
        Record::Request(signed) => Some(request_subject(signed.request.id)),
        Record::Content(turn) => Some(turn_subject(turn.id().epoch, turn.id().nonce)),
        Record::Voted { nonce, .. } => epoch.map(|epoch| turn_subject(epoch, *nonce)),
        _ => None,
    }
}

fn request_subject(id: RequestId) -> String {
    format!("request {id}")
}

fn turn_subject(epoch: u32, nonce: u64) -> String {
    format!("turn {epoch}/{nonce}")
}

fn encode(seq: i64, record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Damaged { seq, what: error.to_string() })
}

fn decode(seq: i64, body: &str) -> Result<Record, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Damaged { seq, what: error.to_string() })
}

fn chain(before: B256, body: &str) -> B256 {
    keccak256([before.as_slice(), body.as_bytes()].concat())
}
