//! Opening the file, and whose it is.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use ring_contracts::{Address, Domain};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::{StoreError, VERSION};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file. SQLite keeps another beside it, with `-wal` at its end of its name.
    pub path: PathBuf,
    /// SQLite's name of the file system; `None` is the real one.
    pub vfs: Option<&'static str>,
}

impl Location {
    /// A file of the real file system.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), vfs: None }
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

/// Makes an empty database with the schema.
pub(super) fn create(location: &Location, identity: &Identity) -> Result<Connection, StoreError> {
    if location.vfs.is_none() {
        create_file(&location.path)?;
    }
    let mut connection = connect(location, OpenFlags::SQLITE_OPEN_CREATE)?;
    let transaction = connection.transaction()?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 {
        return Err(StoreError::Exists(location.path.clone()));
    }
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.execute(
        "INSERT INTO identity VALUES (1, ?, ?, ?, ?, ?)",
        params![
            VERSION,
            identity.domain.chain_id.to_string(),
            identity.domain.contract.to_string(),
            identity.ring,
            identity.key.to_string()
        ],
    )?;
    transaction.execute("INSERT INTO totals VALUES (1, 0, ?1, 0, ?1)", [&[0; 32][..]])?;
    transaction.commit()?;
    Ok(connection)
}

/// Opens a database that is there, and makes sure whose it is.
pub(super) fn open(location: &Location, identity: &Identity) -> Result<Connection, StoreError> {
    let connection = connect(location, OpenFlags::empty())?;
    check_identity(&connection, &location.path, identity)?;
    if !ring_core::planted!(LogNotRewritten) {
        rewrite_log(&connection)?;
    }
    Ok(connection)
}

/// Puts on the medium what was read. The process before this one may have been killed between a write and its sync, or have
/// seen a sync fail: then the system shows what a power cut would take, and no later sync writes it again. Moved into the
/// database it is written anew; and the log begins anew with a commit, whose sync takes with it what is left of the old one.
fn rewrite_log(connection: &Connection) -> Result<(), StoreError> {
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
    if busy {
        return Err(StoreError::damaged(0, "its log cannot be moved into the database"));
    }
    // What counts is that it writes.
    let starts: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", starts.wrapping_add(1))?;
    Ok(())
}

/// Reserves the name with the right mode before SQLite opens it, and makes the name last.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
        _ => StoreError::File { path: path.to_owned(), error },
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|file| file.sync_all()).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Gives a file a second name that was free, and makes that last.
pub(super) fn give_name(file: &Path, name: &Path) -> Result<(), StoreError> {
    fs::hard_link(file, name).and_then(|()| sync_folder(name)).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists(name.to_owned()),
        _ => StoreError::File { path: name.to_owned(), error },
    })
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn connect(location: &Location, flags: OpenFlags) -> Result<Connection, StoreError> {
    let path = &location.path;
    let refused = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse(path.clone()),
        // A file that is there and cannot be opened is another matter.
        Some(ErrorCode::CannotOpen) if location.vfs.is_some() || !path.exists() => StoreError::Missing(path.clone()),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::damaged(0, error),
        _ => StoreError::Database(error),
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match location.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let connection = connection.map_err(refused)?;
    let prepare = || {
        connection.busy_timeout(Duration::ZERO)?;
        // An exclusive lock is taken at the first write, and kept.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // FULL in WAL mode, with the directory when the log is made: every commit is synced.
        let synchronous = if ring_core::planted!(NoSync) { "off" } else { "extra" };
        let synchronous = if ring_core::planted!(SyncAtCheckpoints) { "normal" } else { synchronous };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch("BEGIN IMMEDIATE; COMMIT;")
    };
    prepare().map_err(refused)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn check_identity(connection: &Connection, path: &Path, expected: &Identity) -> Result<(), StoreError> {
    let damaged = |what: &str| StoreError::damaged(0, what);
    let row = connection.query_row("SELECT version, chain_id, contract, ring, key FROM identity", (), |row| {
        let text = |index| row.get::<_, String>(index);
        Ok((row.get::<_, i64>(0)?, text(1)?, text(2)?, row.get::<_, u32>(3)?, text(4)?))
    });
    let (version, chain_id, contract, ring, key) = match row {
        Ok(row) => row,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(damaged("it does not say whose it is")),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            return Err(damaged("it is no store, or a first start was cut short"));
        }
        Err(error) => return Err(error.into()),
    };
    if version != VERSION {
        return Err(StoreError::OtherVersion { path: path.to_owned(), found: version });
    }
    let unreadable = "its identity cannot be read";
    let domain = Domain {
        chain_id: chain_id.parse().map_err(|_| damaged(unreadable))?,
        contract: contract.parse().map_err(|_| damaged(unreadable))?,
    };
    let found = Identity { domain, ring, key: key.parse().map_err(|_| damaged(unreadable))? };
    if found != *expected {
        let (found, expected) = (Box::new(found), Box::new(expected.clone()));
        return Err(StoreError::OtherIdentity { path: path.to_owned(), found, expected });
    }
    Ok(())
}
