//! How a PostgreSQL is reached: the seat's own store, or a source of evidence.

mod tls;

use std::{fmt, future::Future, net::IpAddr, pin::Pin, str::FromStr as _, time::Duration};

use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
    error::ErrorPosition,
};

use tls::Tls;

/// Why a database cannot be reached as it is configured. Never with the URL: it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
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

/// Where a database is, who asks, and whether TLS is spoken. Shown without its password.
#[derive(Clone)]
pub struct Access {
    config: Config,
    tls: Option<Tls>,
}

/// What carries a connection: it has to be driven, and ends with the connection.
pub(crate) type Carrier = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

impl Access {
    /// Reads the URL, and decides once about TLS. `authorities` are certificates in PEM; `None`: those that this host
    /// believes. Nothing is connected.
    ///
    /// # Errors
    /// As [`UrlError`] says.
    pub fn new(url: &str, authorities: Option<&[u8]>, timeout: Duration) -> Result<Self, UrlError> {
        let mut config = Config::from_str(url.trim()).map_err(|error| UrlError::Url(describe(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlError::Url("it names no host".into()));
        }
        config.application_name("ring-relayer").connect_timeout(timeout);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            SslMode::Require => Some(Tls::new(authorities).map_err(UrlError::Authorities)?),
            _ if is_local(&config) => None,
            _ => return Err(UrlError::TlsUndecided),
        };
        // What the URL asks for is decided: never one for the other.
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// The same, but what was sent and is not acknowledged for so long breaks the connection.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        let probe = patience / 4;
        self.config.tcp_user_timeout(patience);
        self.config.keepalives(true).keepalives_idle(probe).keepalives_interval(probe).keepalives_retries(3);
        self
    }

    /// Connects. The second has to be driven for the first to work.
    pub(crate) async fn connect(&self) -> Result<(Client, Carrier), tokio_postgres::Error> {
        Ok(match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, Box::pin(connection))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, Box::pin(connection))
            }
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://")?;
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let addresses = self.config.get_hostaddrs().iter().map(IpAddr::to_string);
        let mut ports = self.config.get_ports().iter().cycle();
        for (index, host) in hosts.chain(addresses).enumerate() {
            write!(f, "{}{host}", if index == 0 { "" } else { "," })?;
            ports.next().map_or(Ok(()), |port| write!(f, ":{port}"))?;
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
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

/// What the database or the connection says, with all that helps.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
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
    use super::*;

    fn source(url: &str) -> Result<Access, UrlError> {
        Access::new(url, None, Duration::from_secs(1))
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
            assert_eq!(source(undecided).err(), Some(UrlError::TlsUndecided), "{undecided}");
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
