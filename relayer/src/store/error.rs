//! Why a store does not do what it should.

use std::path::PathBuf;

use super::{Identity, VERSION};

/// Why the store does not do what it should. None of these is retried: what is not known to be on disk was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error(
        "there is no store at {0}: at the very first start of this seat run `init`; if there was one, find it, or `rebuild` it \
         from the chain: a seat that has forgotten what it signed must not sign"
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
        /// Which record; 0: not one alone.
        seq: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The database could not do it.
    #[error("the store failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// Its file could not be made.
    #[error("the store {path} cannot be made: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

impl StoreError {
    pub(super) fn damaged(seq: i64, what: impl ToString) -> Self {
        Self::Damaged { seq, what: what.to_string() }
    }
}
