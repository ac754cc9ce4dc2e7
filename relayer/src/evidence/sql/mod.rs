//! A query on this seat's own PostgreSQL.
//!
//! The query runs in a read-only transaction with a time limit. The request's fields are its parameters `$1` … `$10`, so
//! nothing in a request can change it.

mod parameter;
mod session;

use futures::{FutureExt as _, future::BoxFuture};
use ring_core::Evidence;
use tokio_postgres::error::DbError;

use super::{Facts, Pace, Source, Trouble};
use crate::postgres::{Access, UrlError, describe};

use session::{Failure, Pool, Rows};

/// What is asked of a database.
#[derive(Clone)]
pub struct SqlSettings {
    /// What people call the source.
    pub name: String,
    /// Where the database is, and who asks. A secret.
    pub url: zeroize::Zeroizing<String>,
    /// The certificates in PEM of the authorities to believe; `None`: those that this host believes.
    pub authorities: Option<Vec<u8>>,
    /// The query.
    pub query: String,
    /// How it may be asked.
    pub pace: Pace,
}

/// A database that knows which requests are genuine.
pub struct Sql {
    name: String,
    pace: Pace,
    pool: Pool,
}

impl Sql {
    /// A source that nothing is connected for yet.
    ///
    /// # Errors
    /// As [`UrlError`] says.
    pub fn new(settings: SqlSettings) -> Result<Self, UrlError> {
        let SqlSettings { name, url, authorities, query, pace } = settings;
        let access = Access::new(&url, authorities.as_deref(), pace.timeout)?;
        Ok(Self { name, pace, pool: Pool::new(access, query, pace.timeout) })
    }
}

impl Source for Sql {
    fn name(&self) -> &str {
        &self.name
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        async {
            self.pool.prepare().await.map_err(|failure| match failure {
                Failure::Database(error) if error.as_db_error().is_some_and(is_for_good) => {
                    Trouble::Useless(format!("the database refuses: {}", describe(&error)))
                }
                Failure::Database(error) => Trouble::down(describe(&error)),
                Failure::Form(reason) => Trouble::Useless(reason),
            })
        }
        .boxed()
    }

    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        async {
            let rows = self.pool.ask(&parameter::values(facts)).await;
            let rows = rows.map_err(|failure| match failure {
                Failure::Database(error) => Trouble::down(describe(&error)),
                // No other request would fare better.
                Failure::Form(reason) => Trouble::down(reason),
            })?;
            verdict(&rows).map_err(Trouble::Useless)
        }
        .boxed()
    }
}

/// Whether only another query or URL would do: syntax, names, types, permissions, password, not the server's condition.
fn is_for_good(refusal: &DbError) -> bool {
    ["0A", "22", "28", "3D", "3F", "42"].iter().any(|class| refusal.code().code().starts_with(class))
}

fn verdict(rows: &Rows) -> Result<Evidence, String> {
    let row = match &rows[..] {
        [] => return Ok(Evidence::NotYet),
        [row] => row,
        _ => return Err("the query returned more than one row: which one counts?".into()),
    };
    let text = |index| row.try_get::<_, Option<&str>>(index).map_err(|error| describe(&error));
    match text(0)? {
        Some("genuine") => Ok(Evidence::Genuine),
        Some("not yet") => Ok(Evidence::NotYet),
        Some("refuted") => {
            let reason = if row.len() > 1 { text(1)? } else { None };
            Ok(Evidence::Refuted { reason: reason.unwrap_or("refuted").chars().take(MOST_REASON).collect() })
        }
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(format!("the query returned the verdict {other:?}: it has to be 'genuine', 'not yet' or 'refuted'"))
        }
        None => Err("the query returned NULL for a verdict".into()),
    }
}

/// A reason is not longer.
const MOST_REASON: usize = 300;
