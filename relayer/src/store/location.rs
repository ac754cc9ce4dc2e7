//! Where a store is, and whose it is.

use std::{fmt, path::PathBuf};

use ring_contracts::{Address, Domain};

use crate::postgres::Access;

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file of SQLite's, which keeps another beside it, with `-wal` at the end of its name.
    File {
        /// The file.
        path: PathBuf,
        /// SQLite's name of the file system; `None` is the real one.
        vfs: Option<&'static str>,
    },
    /// A database of PostgreSQL's, with the tables in the schema that comes first in the search path.
    Server(Box<Access>),
}

impl Location {
    /// A file of the real file system.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), vfs: None }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Server(access) => access.fmt(f),
        }
    }
}

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
