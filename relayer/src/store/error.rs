//! Why a store does not do what it should.

use std::path::PathBuf;

use super::{Identity, OLDEST, VERSION, database::PostgresFault};

/// Why the store does not do what it should. None of these is retried: what is not known to be on disk was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error(
        "there is no store at {0}: at the very first start of this seat run `init`; if there was one, find it, or `rebuild` it \
         from the chain: a seat that has forgotten what it signed must not sign"
    )]
    Missing(String),
    /// There is one already.
    #[error("there is a store at {0} already: start with `run`")]
    Exists(String),
    /// Another process has it open.
    #[error(
        "the store {0} is in use: another process of this seat is running, stop it first, or wait for it with `run --standby`"
    )]
    InUse(String),
    /// Another process has taken over.
    #[error(
        "another process of this seat has taken over its store: this one has done nothing since, and ends; start it again \
         with `run --standby`"
    )]
    TakenOver,
    /// It is where a lock does not keep other hosts out.
    #[error(
        "the store {path} is on a network file system ({kind}), whose locks do not keep a second process out: put it on a \
         local disk, or keep it in PostgreSQL ([store] url_file) for standbys on other hosts",
        path = path.display()
    )]
    Network {
        /// Where it is.
        path: PathBuf,
        /// What kind of file system.
        kind: &'static str,
    },
    /// The database does not promise what the store needs.
    #[error("the database of the store does not do: {0}")]
    Unfit(String),
    /// Copying it is the database's own business.
    #[error(
        "a store in PostgreSQL is copied with its own tools, for instance pg_dump: after putting such a copy back, run \
         `ring-relayer restored` before anything else"
    )]
    NoCopies,
    /// It belongs to another seat, ring or chain.
    #[error("the store {store} is of {found:?}, not of {expected:?}: correct the configuration or the path")]
    OtherIdentity {
        /// Where it is.
        store: String,
        /// Whose it is.
        found: Box<Identity>,
        /// Whose it should be.
        expected: Box<Identity>,
    },
    /// It was written by another version.
    #[error(
        "the store {store} has layout {found}, this version reads {OLDEST} to {VERSION}: use the version that wrote it"
    )]
    OtherVersion {
        /// Where it is.
        store: String,
        /// Its layout.
        found: i64,
    },
    /// It is damaged.
    #[error(
        "the store is damaged at record {seq} ({what}): stop this seat, keep the file, and have the master revoke the key; a \
         seat that is not sure what it signed must not sign"
    )]
    Damaged {
        /// Which record; 0: not one alone.
        seq: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The database could not do it.
    #[error("the store failed: {0}")]
    Database(#[from] DatabaseError),
    /// Its file could not be made.
    #[error("the store {path} cannot be made: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

/// What a database says.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL, or the way to it.
    #[error(transparent)]
    Postgres(#[from] PostgresFault),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<PostgresFault> for StoreError {
    fn from(error: PostgresFault) -> Self {
        Self::Database(error.into())
    }
}

impl StoreError {
    pub(super) fn damaged(seq: i64, what: impl ToString) -> Self {
        Self::Damaged { seq, what: what.to_string() }
    }
}
