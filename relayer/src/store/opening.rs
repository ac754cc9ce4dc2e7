//! Taking hold of a store, or waiting for it, and making sure whose it is.

use std::{thread, time::Duration};

use ring_contracts::{B256, Domain};
use ring_core::Record;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    Identity, Location, OLDEST, Store, StoreError, VERSION,
    database::{Database, Postgres, Sqlite},
    journal,
};

/// How often a standby tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A store that is this process's alone, and not read yet.
#[derive(Debug)]
pub struct Held {
    database: Database,
    name: String,
}

impl Held {
    /// Takes hold of a store.
    ///
    /// # Errors
    /// `Missing`, `InUse`, `Network`, `Unfit`, `Damaged`, `Database`.
    pub fn take(location: &Location) -> Result<Self, StoreError> {
        let mut waiting = Waiting::new(location)?;
        waiting.try_take()?.ok_or_else(|| StoreError::InUse(location.to_string()))
    }

    pub(super) fn of(database: Database, name: String) -> Self {
        Self { database, name }
    }

    /// Reads what the seat needs to go on, in the order of its writing.
    ///
    /// # Errors
    /// `OtherIdentity`, `OtherVersion`, `Damaged`, `Database`.
    pub fn open(self, identity: Identity) -> Result<(Store, Vec<Record>), StoreError> {
        let layout = check_identity(&self.database, &self.name, &identity)?;
        self.database.settle()?;
        if layout < VERSION {
            upgrade(&self.database, layout)?;
            info!(store = self.name, from = layout, to = VERSION, "the store has this version's layout now");
        }
        Store::read(self.database, self.name, identity)
    }

    /// The charter that the seat succeeded to last, as it was announced to it, if it ever did.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn succeeded_to(&self) -> Result<Option<B256>, StoreError> {
        match self.database.has_tables()? {
            true => journal::last_succession(&self.database),
            // What is wrong is said when it is opened.
            false => Ok(None),
        }
    }

    /// Lets go of it, so that another process can have it.
    pub fn close(self) {
        self.database.close();
    }

    /// Cancelled when the store is lost meanwhile.
    pub fn lost(&self) -> CancellationToken {
        self.database.lost()
    }
}

/// A process that wants a store that another one may have.
#[derive(Debug)]
pub struct Waiting {
    location: Location,
    /// The session at a server: it tries again and again.
    session: Option<Database>,
}

impl Waiting {
    /// Looks whether there is a store; of a file, whoever opens it says so.
    ///
    /// # Errors
    /// `Missing`, `Unfit`, `Database`.
    pub fn new(location: &Location) -> Result<Self, StoreError> {
        let session = match location {
            Location::File { .. } => None,
            Location::Server(access) => {
                let database = Database::new(Postgres::connect(access)?);
                if !database.has_tables()? {
                    return Err(StoreError::Missing(location.to_string()));
                }
                Some(database)
            }
        };
        Ok(Self { location: location.clone(), session })
    }

    /// Takes hold of the store, unless another process has it.
    ///
    /// # Errors
    /// As [`Held::take`], but for `InUse`.
    pub fn try_take(&mut self) -> Result<Option<Held>, StoreError> {
        let name = self.location.to_string();
        match (&self.location, self.session.take()) {
            (Location::File { path, vfs }, _) => match Sqlite::open(path, *vfs) {
                Ok(file) => Ok(Some(Held { database: Database::new(file), name })),
                Err(StoreError::InUse(_)) => Ok(None),
                Err(error) => Err(error),
            },
            (_, Some(database)) => match database.take()? {
                true => Ok(Some(Held { database, name })),
                false => {
                    self.session = Some(database);
                    Ok(None)
                }
            },
            // Taken before.
            (_, None) => Ok(None),
        }
    }

    /// Waits for the store, on this thread. `None`: cancelled.
    ///
    /// # Errors
    /// As [`Held::take`], but for `InUse`.
    pub fn wait(mut self, cancel: &CancellationToken) -> Result<Option<Held>, StoreError> {
        while !cancel.is_cancelled() {
            if let Some(held) = self.try_take()? {
                return Ok(Some(held));
            }
            thread::sleep(PAUSE);
        }
        Ok(None)
    }
}

/// Makes an empty store, and takes hold of it.
pub(super) fn create(location: &Location, identity: &Identity) -> Result<Database, StoreError> {
    let database = match location {
        Location::File { path, vfs } => Database::new(Sqlite::create(path, *vfs)?),
        Location::Server(access) => {
            let database = Database::new(Postgres::connect(access)?);
            if database.has_tables()? {
                return Err(StoreError::Exists(location.to_string()));
            }
            database
        }
    };
    let transaction = database.begin()?;
    transaction.make_tables(0)?;
    transaction.write(
        "INSERT INTO identity VALUES (1, $1, $2, $3, $4, $5)",
        vec![
            VERSION.into(),
            identity.domain.chain_id.to_string().into(),
            identity.domain.contract.to_string().into(),
            identity.ring.into(),
            identity.key.to_string().into(),
        ],
    )?;
    super::journal::begin_totals(&transaction)?;
    transaction.commit()?;
    match database.take()? {
        true => Ok(database),
        false => Err(StoreError::InUse(location.to_string())),
    }
}

/// Adds what came after a layout: all of it or nothing.
fn upgrade(database: &Database, layout: i64) -> Result<(), StoreError> {
    let transaction = database.begin()?;
    transaction.make_tables(layout)?;
    transaction.write("UPDATE identity SET version = $1", vec![VERSION.into()])?;
    transaction.commit()
}

/// Makes sure whose it is, and returns its layout.
fn check_identity(database: &Database, name: &str, expected: &Identity) -> Result<i64, StoreError> {
    let damaged = |what: &str| StoreError::damaged(0, what);
    if !database.has_tables()? {
        return Err(damaged("it is no store, or a first start was cut short"));
    }
    let rows = database.query("SELECT version, chain_id, contract, ring, key FROM identity", Vec::new())?;
    let row = rows.first().ok_or_else(|| damaged("it does not say whose it is"))?;
    let unreadable = || damaged("its identity cannot be read");
    let version = row.integer(0).ok_or_else(unreadable)?;
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(StoreError::OtherVersion { store: name.to_owned(), found: version });
    }
    let text = |column: usize| row.text(column).ok_or_else(unreadable);
    let domain = Domain {
        chain_id: text(1)?.parse().map_err(|_| unreadable())?,
        contract: text(2)?.parse().map_err(|_| unreadable())?,
    };
    let ring = row.integer(3).and_then(|ring| ring.try_into().ok()).ok_or_else(unreadable)?;
    let found = Identity { domain, ring, key: text(4)?.parse().map_err(|_| unreadable())? };
    if found != *expected {
        let (found, expected) = (Box::new(found), Box::new(expected.clone()));
        return Err(StoreError::OtherIdentity { store: name.to_owned(), found, expected });
    }
    Ok(version)
}
