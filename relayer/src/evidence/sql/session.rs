//! Connections to a database, with the query prepared, and those that nobody uses just now.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::TryStreamExt as _;
use tokio_postgres::{Client, Column, Row, Statement, types::Type};

use super::parameter::{TYPES, Value};
use crate::postgres::Access;

/// A connection with the query prepared.
pub(super) struct Session {
    client: Client,
    statement: Statement,
}

/// What a session answers: at most two rows, for a second one is too many already.
pub(super) type Rows = Vec<Row>;

/// Why there is no answer.
pub(super) enum Failure {
    /// The database, or the way to it.
    Database(tokio_postgres::Error),
    /// The query is not of the form that is needed.
    Form(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl Session {
    async fn open(access: &Access, query: &str) -> Result<Self, Failure> {
        let (client, carrier) = access.connect().await?;
        // Whoever asks hears of what goes wrong with it.
        tokio::spawn(async move { drop(carrier.await) });
        let statement = client.prepare_typed(query, &TYPES).await?;
        check_form(&statement).map_err(Failure::Form)?;
        Ok(Self { client, statement })
    }

    async fn ask(&self, values: &[Value], timeout: Duration) -> Result<Rows, tokio_postgres::Error> {
        let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {}", timeout.as_millis());
        self.client.batch_execute(&begin).await?;
        let mut rows = Vec::new();
        {
            let answer = self.client.query_raw(&self.statement, values).await?;
            futures::pin_mut!(answer);
            while rows.len() < 2
                && let Some(row) = answer.try_next().await?
            {
                rows.push(row);
            }
        }
        self.client.batch_execute("ROLLBACK").await?;
        Ok(rows)
    }
}

/// The sessions of one source. There are as many as questions at a time.
pub(super) struct Pool {
    access: Access,
    query: String,
    timeout: Duration,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    pub(super) fn new(access: Access, query: String, timeout: Duration) -> Self {
        Self { access, query, timeout, idle: Mutex::default() }
    }

    /// Prepares the query, and keeps the session.
    pub(super) async fn prepare(&self) -> Result<(), Failure> {
        let session = self.open().await?;
        self.put_back(session);
        Ok(())
    }

    /// Asks with an idle session, or a new one. A session whose question goes wrong, or is dropped, is not used again.
    pub(super) async fn ask(&self, values: &[Value]) -> Result<Rows, Failure> {
        while let Some(session) = self.take_idle() {
            match session.ask(values, self.timeout).await {
                Ok(rows) => {
                    self.put_back(session);
                    return Ok(rows);
                }
                // The server was restarted meanwhile: that is not known before one asks.
                Err(error) if error.is_closed() || session.client.is_closed() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let session = self.open().await?;
        let rows = session.ask(values, self.timeout).await?;
        self.put_back(session);
        Ok(rows)
    }

    async fn open(&self) -> Result<Session, Failure> {
        Session::open(&self.access, &self.query).await
    }

    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| !session.client.is_closed());
        idle.pop()
    }

    fn put_back(&self, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

/// What the query takes and returns.
fn check_form(statement: &Statement) -> Result<(), String> {
    if statement.params().len() > TYPES.len() {
        return Err(format!("the query uses ${}: there are $1 to ${}", statement.params().len(), TYPES.len()));
    }
    let columns = statement.columns();
    let texts = [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME];
    let wanted = "it has to return one row with a column verdict, and perhaps one more, reason, both text";
    match columns {
        [first, rest @ ..] if first.name() == "verdict" && rest.len() <= 1 => {
            if rest.first().is_some_and(|second| second.name() != "reason") {
                return Err(format!("the second column of the query is {:?}: {wanted}", rest[0].name()));
            }
            match columns.iter().find(|column| !texts.contains(column.type_())) {
                Some(column) => {
                    Err(format!("the column {} of the query is {}: write {0}::text", column.name(), column.type_()))
                }
                None => Ok(()),
            }
        }
        _ => {
            let names: Vec<&str> = columns.iter().map(Column::name).collect();
            Err(format!("the query returns ({}): {wanted}", names.join(", ")))
        }
    }
}
