//! A seat's key and store, for one test.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::signers::local::PrivateKeySigner;
use ring_contracts::{Address, Domain};
use ring_core::Record;
use ring_key::LocalKey;
use ring_relayer::{
    postgres::Access,
    signer::KeySigner,
    store::{Identity, Location, Store, StoreError},
};
use tempfile::TempDir;

use crate::postgres::Postgres;

pub(crate) const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
pub(crate) const PASSWORD: &str = "only for this test";

pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) key: PrivateKeySigner,
    database: Option<Database>,
}

/// A database of a bench's own at a server of several benches.
struct Database {
    server: Arc<Postgres>,
    name: String,
}

impl Bench {
    pub(crate) fn sqlite() -> Self {
        Self::with(None)
    }

    pub(crate) fn postgres() -> Self {
        Self::at(shared())
    }

    /// A bench with a database of its own at this server.
    pub(crate) fn at(server: Arc<Postgres>) -> Self {
        static NAMES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("seat_{}", NAMES.fetch_add(1, Ordering::Relaxed));
        wait(server.execute(&format!("CREATE DATABASE {name}")));
        Self::with(Some(Database { server, name }))
    }

    /// Another one, with the same kind of database.
    pub(crate) fn another(&self) -> Self {
        self.database.as_ref().map_or_else(Self::sqlite, |database| Self::at(database.server.clone()))
    }

    fn with(database: Option<Database>) -> Self {
        let folder = TempDir::new().unwrap();
        let key = PrivateKeySigner::random();
        let (mut random, secret) = (rand::thread_rng(), key.to_bytes());
        PrivateKeySigner::encrypt_keystore(folder.path(), &mut random, secret, PASSWORD, Some("key.json")).unwrap();
        let bench = Self { folder, key, database };
        bench.write_secret("password", PASSWORD);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn location(&self) -> Location {
        match &self.database {
            None => Location::file(self.path("store")),
            Some(database) => self.location_at(database.server.port()),
        }
    }

    /// Its database, reached by another port.
    pub(crate) fn location_at(&self, port: u16) -> Location {
        Location::Server(Box::new(Access::new(&self.url_at(port), None, Duration::from_secs(20)).unwrap()))
    }

    fn url_at(&self, port: u16) -> String {
        let name = &self.database.as_ref().unwrap().name;
        format!("postgres://postgres:{}@127.0.0.1:{port}/{name}", crate::postgres::PASSWORD)
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { domain: DOMAIN, ring: 1, key: self.key.address() }
    }

    pub(crate) fn signer(&self) -> KeySigner {
        KeySigner::new(Box::new(LocalKey::new(self.key.clone())), DOMAIN)
    }

    pub(crate) fn create(&self) -> Store {
        let mut store = Store::create(&self.location(), self.identity()).unwrap();
        store.set_own_seat(0);
        store.commit(&[Record::Joined { epoch: 3, nonce: 0 }]).unwrap();
        store
    }

    /// Damages the store.
    pub(crate) fn alter(&self, sql: &str) {
        assert_eq!(self.execute(sql), 1, "{sql}");
    }

    /// Changes the store behind its back, and returns how many rows that was.
    pub(crate) fn execute(&self, sql: &str) -> u64 {
        match &self.database {
            None => rusqlite::Connection::open(self.path("store")).unwrap().execute(sql, ()).unwrap() as u64,
            Some(_) => self.run(sql),
        }
    }

    /// Has the server do something in the bench's database, and returns how many rows that was.
    pub(crate) fn run(&self, sql: &str) -> u64 {
        wait(async {
            let url = self.url_at(self.server().port());
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(async move { drop(connection.await) });
            client.execute(sql, &[]).await.unwrap()
        })
    }

    pub(crate) fn database_name(&self) -> &str {
        &self.database.as_ref().unwrap().name
    }

    pub(crate) fn server(&self) -> &Postgres {
        &self.database.as_ref().unwrap().server
    }

    /// The server, if this bench is its only one.
    pub(crate) fn server_mut(&mut self) -> &mut Postgres {
        Arc::get_mut(&mut self.database.as_mut().unwrap().server).unwrap()
    }

    pub(crate) fn open(&self) -> Result<(Store, Vec<Record>), StoreError> {
        Store::open(&self.location(), self.identity())
    }
}

/// A server that lasts as long as some test needs it.
fn shared() -> Arc<Postgres> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Postgres::start_durable());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// Waits for what a server does.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
