//! The seam between the store and what it is kept in: statements, values and rows, one transaction at a time.
//!
//! Statements are written once, in what both dialects have: `$1`, `$2` … in the order of their first use.

mod filesystem;
mod frozen;
mod postgres;
mod sqlite;
mod value;

use tokio_util::sync::CancellationToken;

use super::StoreError;

pub(super) use frozen::Frozen;
pub(super) use postgres::Postgres;
pub use postgres::PostgresFault;
pub(super) use sqlite::{Sqlite, create_file, give_name};
pub(super) use value::{Row, Value, Values};

/// A database that this process alone may write to.
pub(super) trait Session: Send {
    /// Whether anything looks like a store's tables.
    fn has_tables(&self) -> Result<bool, StoreError>;

    /// Becomes the one that may write, if nobody else is.
    fn take(&self) -> Result<bool, StoreError>;

    /// Makes the tables that came after a layout, inside a transaction; after 0 all of them.
    fn make_tables(&self, layout: i64) -> Result<(), StoreError>;

    /// Begins a transaction that fails unless this process is still the one that may write.
    fn begin(&self) -> Result<(), StoreError>;

    /// Writes, sooner or later: what goes wrong is known when the transaction is committed, or before.
    fn write(&self, sql: &'static str, values: Values) -> Result<(), StoreError>;

    /// The rows of one statement for each of these values, in their order, after all that was written before.
    fn each(&self, sql: &'static str, all: Vec<Values>) -> Result<Vec<Vec<Row>>, StoreError>;

    /// Makes the transaction durable.
    fn commit(&self) -> Result<(), StoreError>;

    /// Undoes the transaction, if one is open. If that fails the database does it, when it notices that this process is gone.
    fn roll_back(&self);

    /// Moves on to the medium what was read, where only written may not be durable.
    fn settle(&self) -> Result<(), StoreError>;

    /// Fails unless this process is still the one that may write.
    fn check_held(&self) -> Result<(), StoreError>;

    /// Cancelled when this process has lost the database without a word to it.
    fn lost(&self) -> CancellationToken;

    /// All that is committed by now, to be copied while the session goes on; ends a copy that is being made.
    fn freeze(&self) -> Result<Frozen, StoreError>;

    /// Goes on as if nothing were copied, once a copy has been made; or at once, and then no copy comes of it.
    fn thaw(&self, at_once: bool) -> Result<(), StoreError>;

    /// Reads all of it and fails if it is not whole, as far as the database can tell.
    fn check(&self) -> Result<(), StoreError>;

    /// Lets go, so that another process can have it.
    fn close(self: Box<Self>);
}

/// The database of a store.
pub(super) struct Database(Box<dyn Session>);

impl Database {
    pub(super) fn new(session: impl Session + 'static) -> Self {
        Self(Box::new(session))
    }

    pub(super) fn has_tables(&self) -> Result<bool, StoreError> {
        self.0.has_tables()
    }

    pub(super) fn take(&self) -> Result<bool, StoreError> {
        self.0.take()
    }

    /// The rows of a statement.
    pub(super) fn query(&self, sql: &'static str, values: Values) -> Result<Vec<Row>, StoreError> {
        Ok(self.0.each(sql, vec![values])?.pop().unwrap_or_default())
    }

    /// The rows of a statement for each of these values, in their order.
    pub(super) fn each(&self, sql: &'static str, all: Vec<Values>) -> Result<Vec<Vec<Row>>, StoreError> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        self.0.each(sql, all)
    }

    /// What is written from now on is durable together, or not at all.
    pub(super) fn begin(&self) -> Result<Transaction<'_>, StoreError> {
        self.0.begin()?;
        Ok(Transaction { database: self, open: true })
    }

    pub(super) fn settle(&self) -> Result<(), StoreError> {
        self.0.settle()
    }

    pub(super) fn check_held(&self) -> Result<(), StoreError> {
        self.0.check_held()
    }

    pub(super) fn lost(&self) -> CancellationToken {
        self.0.lost()
    }

    pub(super) fn freeze(&self) -> Result<Frozen, StoreError> {
        self.0.freeze()
    }

    pub(super) fn thaw(&self, at_once: bool) -> Result<(), StoreError> {
        self.0.thaw(at_once)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.check()
    }

    pub(super) fn close(self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// The statements of the layouts that came after one.
fn tables_since<const N: usize>(layout: i64, all: [(i64, &'static str); N]) -> String {
    all.into_iter().filter(|(of, _)| *of > layout).map(|(_, statements)| statements).collect()
}

/// A transaction. Dropped, it never was.
pub(super) struct Transaction<'a> {
    database: &'a Database,
    open: bool,
}

impl Transaction<'_> {
    pub(super) fn make_tables(&self, layout: i64) -> Result<(), StoreError> {
        self.database.0.make_tables(layout)
    }

    pub(super) fn write(&self, sql: &'static str, values: Values) -> Result<(), StoreError> {
        self.database.0.write(sql, values)
    }

    pub(super) fn query(&self, sql: &'static str, values: Values) -> Result<Vec<Row>, StoreError> {
        self.database.query(sql, values)
    }

    pub(super) fn each(&self, sql: &'static str, all: Vec<Values>) -> Result<Vec<Vec<Row>>, StoreError> {
        self.database.each(sql, all)
    }

    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        self.database.0.commit()?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.database.0.roll_back();
        }
    }
}
