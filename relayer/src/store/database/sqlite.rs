//! A file of SQLite's, locked for as long as the process lives.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, params_from_iter,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use tokio_util::sync::CancellationToken;

use super::{Frozen, Row, Session, StoreError, Value, Values, filesystem::ensure_local, frozen::Reading, tables_since};

/// After how many pages in the log they are moved into the database, as SQLite has it.
const LOG_PAGES: u32 = 1_000;

/// A file that this process has locked: the kernel frees it when the process ends, however it ends.
pub(in crate::store) struct Sqlite {
    connection: Connection,
    /// For copies. After the connection, so that it is closed after it.
    reading: Reading,
}

impl Sqlite {
    /// Makes an empty database with the tables.
    pub(in crate::store) fn create(path: &Path, vfs: Option<&str>) -> Result<Self, StoreError> {
        if vfs.is_none() {
            ensure_local(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
            create_file(path)?;
        }
        let connection = connect(path, vfs, OpenFlags::SQLITE_OPEN_CREATE)?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        if tables > 0 {
            return Err(StoreError::Exists(path.display().to_string()));
        }
        Ok(Self { connection, reading: Reading::new(path) })
    }

    /// Opens and locks a database that is there.
    pub(in crate::store) fn open(path: &Path, vfs: Option<&str>) -> Result<Self, StoreError> {
        if vfs.is_none() {
            ensure_local(path)?;
        }
        Ok(Self { connection: connect(path, vfs, OpenFlags::empty())?, reading: Reading::new(path) })
    }
}

#[cfg(test)]
impl Sqlite {
    pub(in crate::store) fn of(connection: Connection) -> Self {
        Self { connection, reading: Reading::new(Path::new("")) }
    }
}

impl Session for Sqlite {
    fn has_tables(&self) -> Result<bool, StoreError> {
        let named = "SELECT count(*) FROM sqlite_schema WHERE name = 'identity'";
        let count: i64 = self.connection.query_row(named, (), |row| row.get(0))?;
        Ok(count > 0)
    }

    /// It was locked when it was opened.
    fn take(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn make_tables(&self, layout: i64) -> Result<(), StoreError> {
        let missing = tables_since(layout, [(5, include_str!("sqlite.sql")), (6, include_str!("sqlite_6.sql"))]);
        Ok(self.connection.execute_batch(&missing)?)
    }

    fn begin(&self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("BEGIN")?)
    }

    fn write(&self, sql: &'static str, values: Values) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute(params_from_iter(values))?;
        Ok(())
    }

    fn each(&self, sql: &'static str, all: Vec<Values>) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut answers = Vec::with_capacity(all.len());
        for values in all {
            let mut rows = statement.query(params_from_iter(values))?;
            let mut answer = Vec::new();
            while let Some(row) = rows.next()? {
                answer.push(Row((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?));
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    fn commit(&self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // What is not committed is undone by the next start too.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn settle(&self) -> Result<(), StoreError> {
        match ring_core::planted!(LogNotRewritten) {
            true => Ok(()),
            false => rewrite_log(&self.connection),
        }
    }

    /// Nobody takes a lock away from a process that lives.
    fn check_held(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn lost(&self) -> CancellationToken {
        CancellationToken::new()
    }

    /// All that is committed is in the file then, and what comes next stays in the log until the copy is made: so nobody waits
    /// for it.
    fn freeze(&self) -> Result<Frozen, StoreError> {
        self.thaw(true)?;
        move_log(&self.connection)?;
        self.connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        self.reading.begin()
    }

    fn thaw(&self, at_once: bool) -> Result<(), StoreError> {
        match self.reading.end(at_once) {
            true => Ok(self.connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?),
            false => Ok(()),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let found: String = self.connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
        match found.as_str() {
            "ok" => Ok(()),
            what => Err(StoreError::damaged(0, what)),
        }
    }

    fn close(self: Box<Self>) {
        let Self { connection, reading } = *self;
        reading.end(true);
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly; what was committed is safe");
        }
        drop(reading);
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl FromSql for Value {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(number) => Ok(Self::Integer(number)),
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.to_owned())),
            ValueRef::Blob(bytes) => Ok(Self::Bytes(bytes.to_vec())),
            ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}

/// Puts on the medium what was read. The process before this one may have been killed between a write and its sync, or have
/// seen a sync fail: then the system shows what a power cut would take, and no later sync writes it again. Moved into the
/// database it is written anew; and the log begins anew with a commit, whose sync takes with it what is left of the old one.
fn rewrite_log(connection: &Connection) -> Result<(), StoreError> {
    move_log(connection)?;
    // What counts is that it writes.
    let starts: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", starts.wrapping_add(1))?;
    Ok(())
}

/// Moves all of the log into the database.
fn move_log(connection: &Connection) -> Result<(), StoreError> {
    match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, bool>(0))? {
        false => Ok(()),
        true => Err(StoreError::damaged(0, "its log cannot be moved into the database")),
    }
}

/// Reserves the name with the right mode before SQLite opens it, and makes the name last.
pub(in crate::store) fn create_file(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists(path.display().to_string()),
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
pub(in crate::store) fn give_name(file: &Path, name: &Path) -> Result<(), StoreError> {
    fs::hard_link(file, name).and_then(|()| sync_folder(name)).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists(name.display().to_string()),
        _ => StoreError::File { path: name.to_owned(), error },
    })
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn connect(path: &Path, vfs: Option<&str>, flags: OpenFlags) -> Result<Connection, StoreError> {
    let named = || path.display().to_string();
    let refused = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse(named()),
        // A file that is there and cannot be opened is another matter.
        Some(ErrorCode::CannotOpen) if vfs.is_some() || !path.exists() => StoreError::Missing(named()),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::damaged(0, error),
        _ => error.into(),
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
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
