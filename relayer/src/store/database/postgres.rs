//! A session of PostgreSQL's, behind a fence.
//!
//! Two things keep a second process out. A lock of the session's, which the server frees when the session ends: it says who
//! may take over, and when. And a number in the database, which whoever takes over raises: every transaction begins with it,
//! so a process that has lost its session, or was suspended and wakes up, writes nothing any more, whatever it believes.
//!
//! A session is never opened again: what it lost with the old one it would not know.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use bytes::BytesMut;
use futures::{TryStreamExt as _, executor::block_on, poll};
use tokio_postgres::{
    Client, SimpleQueryMessage, Statement,
    types::{IsNull, ToSql, Type},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Frozen, Row, Session, StoreError, Value, Values, tables_since};
use crate::postgres::{Access, Carrier, describe};

/// After so long the server ends a session that says nothing, and a network that is silent counts as gone: that is how long
/// a standby waits for a host that is cut off, or a process that is suspended.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a session says something, if it is not used.
const BEAT: Duration = Duration::from_secs(2);

/// The oldest version with everything that is needed here (`idle_session_timeout`).
const OLDEST: i64 = 14;

/// The lock: "RING", and the oid of a table that nobody else has.
const LOCK: &str = "SELECT pg_try_advisory_lock((1380535879::bigint << 32) | 'fence'::regclass::oid::bigint)";
const UNLOCK: &str = "SELECT pg_advisory_unlock((1380535879::bigint << 32) | 'fence'::regclass::oid::bigint)";

/// A taker-over's row lock waits for it, and it for a taker-over's.
const FENCE: &str = "SELECT holder FROM fence WHERE holder = $1 FOR UPDATE";

/// What goes wrong with a server, or on the way to it.
#[derive(Debug, thiserror::Error)]
pub enum PostgresFault {
    /// It says so, or does not answer.
    #[error("{}", describe(.0))]
    Server(#[from] tokio_postgres::Error),
    /// There is no thread for the connection.
    #[error("no thread for the connection: {0}")]
    Thread(#[from] std::io::Error),
    /// An answer that nobody expects.
    #[error("the database answers with a column of type {0}: the tables are not this program's")]
    Type(String),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        PostgresFault::from(error).into()
    }
}

/// A session, and the number under which it may write.
pub(in crate::store) struct Postgres {
    client: Arc<Client>,
    /// 0: none, it may only make tables.
    holder: Arc<AtomicI64>,
    statements: RefCell<HashMap<&'static str, Statement>>,
    /// What was written and not sent yet.
    pending: RefCell<Vec<(&'static str, Values)>>,
    in_transaction: Cell<bool>,
    lost: CancellationToken,
}

impl Postgres {
    /// Connects, and makes sure that what is committed is durable.
    pub(in crate::store) fn connect(access: &Access) -> Result<Self, StoreError> {
        let (holder, lost) = (Arc::new(AtomicI64::new(0)), CancellationToken::new());
        let client = drive(access.clone().with_patience(PATIENCE), holder.clone(), lost.clone())?;
        let session = Self {
            client,
            holder,
            statements: RefCell::default(),
            pending: RefCell::default(),
            in_transaction: Cell::new(false),
            lost,
        };
        session.prepare()?;
        Ok(session)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        let setting = |name: &str| -> Result<String, StoreError> {
            let row = block_on(self.client.query_one("SELECT current_setting($1)", &[&name]))?;
            Ok(row.try_get(0)?)
        };
        let version = setting("server_version_num")?.parse::<i64>().unwrap_or_default() / 10_000;
        if version < OLDEST {
            return Err(StoreError::Unfit(format!(
                "it is PostgreSQL {version}, and {OLDEST} is the oldest that will do"
            )));
        }
        let patience = PATIENCE.as_millis();
        let statements = format!(
            "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
               WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false);
             SET default_transaction_isolation = 'read committed';
             SET idle_session_timeout = {patience};
             SET idle_in_transaction_session_timeout = {patience};
             SET lock_timeout = {patience};
             SET tcp_user_timeout = {patience};
             SET tcp_keepalives_idle = {idle};
             SET tcp_keepalives_interval = {idle};
             SET tcp_keepalives_count = 3;",
            idle = PATIENCE.as_secs() / 4,
        );
        block_on(self.client.batch_execute(&statements))?;
        if !matches!(setting("synchronous_commit")?.as_str(), "on" | "remote_apply") {
            return Err(StoreError::Unfit("it does not let synchronous_commit be turned on".into()));
        }
        if setting("fsync")? == "off" {
            return Err(StoreError::Unfit(
                "its setting fsync is off, so a power cut takes what it called committed: turn it on".into(),
            ));
        }
        Ok(())
    }

    /// A statement that the server has parsed.
    fn statement(&self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = block_on(self.client.prepare(sql))?;
        self.statements.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    /// Sends all that is pending and these, without waiting in between, and returns what these answer.
    fn send(&self, asked: impl IntoIterator<Item = (&'static str, Values)>) -> Result<Vec<Vec<Row>>, StoreError> {
        let written = self.pending.take();
        let before = written.len();
        let asked = written.into_iter().chain(asked);
        let asked: Vec<_> =
            asked.map(|(sql, values)| Ok((sql, self.statement(sql)?, values))).collect::<Result<_, StoreError>>()?;
        let mut answers = block_on(pipeline(&self.client, &asked))?;
        if asked.iter().zip(&answers).any(|((sql, ..), rows)| *sql == FENCE && rows.is_empty()) {
            self.lost.cancel();
            return Err(StoreError::TakenOver);
        }
        let answers = answers.split_off(before);
        answers.into_iter().map(|rows| rows.iter().map(row).collect()).collect()
    }
}

impl Session for Postgres {
    fn has_tables(&self) -> Result<bool, StoreError> {
        let row = block_on(self.client.query_one("SELECT to_regclass('identity') IS NOT NULL", &[]))?;
        Ok(row.try_get(0)?)
    }

    fn make_tables(&self, layout: i64) -> Result<(), StoreError> {
        self.send([])?;
        let missing = tables_since(layout, [(5, include_str!("postgres.sql")), (6, include_str!("postgres_6.sql"))]);
        Ok(block_on(self.client.batch_execute(&missing))?)
    }

    fn take(&self) -> Result<bool, StoreError> {
        block_on(async {
            self.client.batch_execute("BEGIN").await?;
            let locked: bool = self.client.query_one(LOCK, &[]).await?.try_get(0)?;
            if !locked {
                self.client.batch_execute("ROLLBACK").await?;
                return Ok(false);
            }
            let raised = self.client.query_one("UPDATE fence SET holder = holder + 1 RETURNING holder", &[]).await?;
            self.client.batch_execute("COMMIT").await?;
            self.holder.store(raised.try_get(0)?, Ordering::Relaxed);
            Ok(true)
        })
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.in_transaction.set(true);
        let mut pending = self.pending.borrow_mut();
        pending.push(("BEGIN", Vec::new()));
        match self.holder.load(Ordering::Relaxed) {
            0 => {}
            holder => pending.push((FENCE, vec![holder.into()])),
        }
        Ok(())
    }

    fn write(&self, sql: &'static str, values: Values) -> Result<(), StoreError> {
        self.pending.borrow_mut().push((sql, values));
        Ok(())
    }

    fn each(&self, sql: &'static str, all: Vec<Values>) -> Result<Vec<Vec<Row>>, StoreError> {
        self.send(all.into_iter().map(|values| (sql, values)))
    }

    fn commit(&self) -> Result<(), StoreError> {
        // Only what was taken without a word against it is committed.
        self.send([])?;
        block_on(self.client.batch_execute("COMMIT"))?;
        self.in_transaction.set(false);
        Ok(())
    }

    fn roll_back(&self) {
        self.pending.take();
        if self.in_transaction.replace(false) {
            // The server does it too when the session ends.
            let _ = block_on(self.client.batch_execute("ROLLBACK"));
        }
    }

    /// What can be read was committed, and what was committed is durable.
    fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn check_held(&self) -> Result<(), StoreError> {
        let holder = self.holder.load(Ordering::Relaxed);
        let rows = self.send([("SELECT holder FROM fence WHERE holder = $1", vec![holder.into()])])?;
        match rows.iter().any(|rows| rows.is_empty()) {
            true => Err(StoreError::TakenOver),
            false => Ok(()),
        }
    }

    fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    fn freeze(&self) -> Result<Frozen, StoreError> {
        Err(StoreError::NoCopies)
    }

    fn thaw(&self, _at_once: bool) -> Result<(), StoreError> {
        Ok(())
    }

    /// The server looks after its own files.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(self: Box<Self>) {
        drop(self);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.holder.swap(0, Ordering::Relaxed) != 0 {
            // The server does it too when it notices that the session has ended, which is a little later.
            let _ = block_on(self.client.execute(UNLOCK, &[]));
        }
    }
}

/// Sends all statements at once, in this order, and returns the rows of each.
async fn pipeline(
    client: &Client,
    asked: &[(&'static str, Statement, Values)],
) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
    let mut sent = Vec::with_capacity(asked.len());
    for (_, statement, values) in asked {
        let mut answer =
            Box::pin(async move { client.query_raw(statement, values).await?.try_collect::<Vec<_>>().await });
        // Sent by the first poll.
        let early = poll!(answer.as_mut());
        sent.push((answer, early));
    }
    let mut answers = Vec::with_capacity(sent.len());
    for (answer, early) in sent {
        answers.push(match early {
            Poll::Ready(rows) => rows?,
            Poll::Pending => answer.await?,
        });
    }
    Ok(answers)
}

/// Connects, on a thread of the connection's own, which ends with it.
fn drive(access: Access, holder: Arc<AtomicI64>, lost: CancellationToken) -> Result<Arc<Client>, PostgresFault> {
    let (answer, connected) = mpsc::sync_channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("postgres".into()).spawn(move || {
        let _lost = lost.drop_guard();
        runtime.block_on(async move {
            match access.connect().await {
                Ok((client, carrier)) => {
                    let client = Arc::new(client);
                    let session = Arc::downgrade(&client);
                    if answer.send(Ok(client)).is_ok() {
                        carry(carrier, beat(session, &holder), &holder).await;
                    }
                }
                // Whoever waited is gone only with the process.
                Err(error) => drop(answer.send(Err(error))),
            }
        });
    })?;
    match connected.recv() {
        Ok(client) => Ok(client?),
        Err(_) => Err(std::io::Error::other("it ended").into()),
    }
}

/// Until the connection ends, or the session is another's.
async fn carry(mut carrier: Carrier, beat: impl Future<Output = Beat>, holder: &AtomicI64) {
    let ended = tokio::select! {
        ended = &mut carrier => ended,
        last = beat => match last {
            Beat::Closed => carrier.await,
            Beat::TakenOver => {
                error!("another process of this seat has taken over its store: this one ends");
                return;
            }
        },
    };
    if let Err(error) = ended
        && holder.load(Ordering::Relaxed) != 0
    {
        error!("the session at the database of the store has ended: {}", describe(&error));
    }
}

/// Why a session says nothing more.
enum Beat {
    Closed,
    TakenOver,
}

/// Says something now and then, for as long as somebody has the session, and looks whether it is still the holder's.
async fn beat(session: Weak<Client>, holder: &AtomicI64) -> Beat {
    loop {
        tokio::time::sleep(BEAT).await;
        let Some(client) = session.upgrade() else { return Beat::Closed };
        let own = holder.load(Ordering::Relaxed);
        if own == 0 {
            continue;
        }
        // In a transaction that has failed nothing is answered: then whoever has it ends.
        let Ok(answer) = client.simple_query("SELECT holder FROM fence").await else { continue };
        let found = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        if found != Some(own) && holder.load(Ordering::Relaxed) == own {
            return Beat::TakenOver;
        }
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let values = row.columns().iter().enumerate().map(|(index, column)| {
        Ok(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
            Type::TEXT => row.try_get::<_, Option<String>>(index)?.into(),
            Type::BYTEA => row.try_get::<_, Option<&[u8]>>(index)?.into(),
            ref other => return Err(PostgresFault::Type(other.to_string()).into()),
        })
    });
    Ok(Row(values.collect::<Result<_, StoreError>>()?))
}

impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(of, out),
            Self::Text(text) => text.to_sql_checked(of, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}
