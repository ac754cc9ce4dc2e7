//! A query on this seat's own PostgreSQL.
//!
//! The query runs in a read-only transaction with a time limit. The request's fields are its parameters `$1` … `$10`, so
//! nothing in a request can change it.

mod parameter;
mod session;
mod tls;

use std::{net::IpAddr, str::FromStr as _};

use futures::{FutureExt as _, future::BoxFuture};
use ring_core::Evidence;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
    error::{DbError, ErrorPosition},
};

use super::{Facts, Pace, Source, Trouble};

use session::{Failure, Pool, Rows};
use tls::Tls;

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

/// Why a database cannot be asked as it is configured. Never with the URL: it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The URL is none.
    #[error(
        "not the URL of a PostgreSQL database ({0}): write postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
    )]
    Url(String),
    /// The URL does not say what to do about TLS, and the database is on another host.
    #[error(
        "the database is on another host, and the URL does not say whether to speak TLS: add sslmode=require, or \
         sslmode=disable if the network between is a secret of its own"
    )]
    TlsUndecided,
    /// Certificates cannot be checked.
    #[error("{0}")]
    Authorities(String),
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
    /// As [`SqlError`] says.
    pub fn new(settings: SqlSettings) -> Result<Self, SqlError> {
        let SqlSettings { name, url, authorities, query, pace } = settings;
        let mut config = Config::from_str(url.trim()).map_err(|error| SqlError::Url(describe(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SqlError::Url("it names no host".into()));
        }
        config.application_name("ring-relayer").connect_timeout(pace.timeout);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            SslMode::Require => Some(Tls::new(authorities.as_deref()).map_err(SqlError::Authorities)?),
            _ if is_local(&config) => None,
            _ => return Err(SqlError::TlsUndecided),
        };
        Ok(Self { name, pace, pool: Pool::new(config, tls, query, pace.timeout) })
    }
}

/// Whether nothing leaves this host on the way to the database.
fn is_local(config: &Config) -> bool {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
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

/// What the database or the connection says, with all that helps.
fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let mut text = format!("{} ({})", refusal.message(), refusal.code().code());
        if let Some(ErrorPosition::Original(position)) = refusal.position() {
            text += &format!(", at character {position} of the query");
        }
        for more in [refusal.detail(), refusal.hint()].into_iter().flatten() {
            text += &format!("; {more}");
        }
        return text;
    }
    let mut texts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn source(url: &str) -> Result<Sql, SqlError> {
        let pace = Pace { parallel: 1, timeout: Duration::from_secs(1) };
        let url = url.to_owned().into();
        Sql::new(SqlSettings { name: "books".into(), url, authorities: None, query: "SELECT 1".into(), pace })
    }

    #[test]
    fn only_a_database_on_this_host_is_spoken_to_in_the_clear_without_being_told() {
        for url in [
            "postgres://u:p@127.0.0.1/d",
            "postgresql://u@localhost:5433/d",
            "postgres://u@%2Frun%2Fpg/d",
            "postgres://u@[::1]/d",
        ] {
            assert!(source(url).is_ok(), "{url}");
        }
        assert!(source("postgres://u:p@db.internal/d?sslmode=disable").is_ok());
        assert!(source("postgres://u:p@db.internal/d?sslmode=require").is_ok());
        for undecided in ["postgres://u:p@db.internal/d", "postgres://u:p@db.internal/d?sslmode=prefer"] {
            assert_eq!(source(undecided).err(), Some(SqlError::TlsUndecided), "{undecided}");
        }
    }

    #[test]
    fn an_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "",
            "mysql://u:geheim@127.0.0.1/d",
            "postgres://u:geheim@127.0.0.1:port/d",
            "postgres://u:geheim@/d?x=geheim",
            "geheim",
        ] {
            let error = source(url).err().unwrap_or_else(|| panic!("{url} is taken")).to_string();
            assert!(error.contains("postgres://USER:PASSWORD@HOST"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
