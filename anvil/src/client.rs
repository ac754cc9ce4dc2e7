//! A client of a relayer's HTTP interface, as a backend would write one.

use std::time::Duration;

use eyre::{Result, WrapErr, eyre};
use futures::{Stream, StreamExt};
use reqwest::StatusCode;
use ring_contracts::{Address, B256, RequestId, SignedCancellation, SignedRequest};
use serde::Deserialize;
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one relayer.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// On disk at the relayer, not yet at enough seats.
    Received,
    /// On disk at enough seats.
    Accepted,
    /// Bound to a turn.
    Signing,
    /// Cancelled, while a turn with it may still be executed.
    Cancelling,
    /// In a block.
    Executed,
    /// Done for ever.
    Final,
    /// Its call failed.
    Failed,
    /// Its time passed.
    Expired,
    /// Cancelled for good.
    Cancelled,
    /// A turn that the seat did not agree to carries its id.
    Disputed,
}

/// What a relayer says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// Its id.
    pub id: RequestId,
    /// How far it is.
    #[serde(rename = "status")]
    pub stage: Stage,
    /// Its turn.
    pub nonce: Option<u64>,
    /// The transaction of its turn.
    pub transaction: Option<B256>,
}

/// How a relayer is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Its seat.
    pub seat: usize,
    /// Its key.
    pub key: Address,
    /// The epoch it takes part in.
    pub epoch: Option<u32>,
    /// The newest block that it has seen.
    pub head: Option<Head>,
    /// The next turn, as it sees the chain.
    pub nonce: Option<u64>,
    /// The first turn that is not final for it.
    pub first_open_nonce: u64,
    /// Requests that wait for a turn.
    pub waiting: usize,
    /// Requests bound to a turn.
    pub bound: usize,
    /// Why it stands still, if it does.
    pub halted: Option<Value>,
    /// The same in words.
    pub halted_because: Option<String>,
    /// Whether it has seen the chain and works.
    #[serde(skip)]
    pub ready: bool,
}

/// A block that a relayer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its time, in Unix seconds.
    pub time: u64,
}

/// Why a relayer did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It will not, however often it is asked.
    #[error("{url} refuses ({status}): {message}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The relayer's words.
        message: String,
    },
    /// It cannot now. Whether a request was taken is not known: the same again is always right.
    #[error("{url} is not available ({code}): {message}")]
    Unavailable {
        /// What was asked.
        url: String,
        /// The relayer's code, `halted` for instance; `unreachable` if it said nothing.
        code: String,
        /// Its words.
        message: String,
    },
}

impl ClientError {
    /// Whether the relayer says that it is halted.
    pub fn is_halted(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code == "halted")
    }

    /// Whether asking again, here or elsewhere, can help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl Client {
    /// A client of the relayer at `http://HOST:PORT`. The program has to have installed a TLS provider before.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: impl Into<String>) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().wrap_err("the HTTP client cannot be made")?;
        Ok(Self { http, base: base.into() })
    }

    /// The relayer's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts a request. Posting the same again is harmless.
    ///
    /// # Errors
    /// It is not taken, or whether it is is not known.
    pub async fn submit(&self, request: &SignedRequest) -> Result<Status, ClientError> {
        let url = format!("{}/v1/requests", self.base);
        let (status, body) = self.ask(self.http.post(&url).json(request), &url).await?;
        match status.is_success() {
            true => read(&url, &body),
            false => Err(failure(url, status, &body)),
        }
    }

    /// Cancels a request. Doing so again is harmless.
    ///
    /// # Errors
    /// The cancellation is not taken, or whether it is is not known.
    pub async fn cancel(&self, signed: &SignedCancellation) -> Result<Status, ClientError> {
        let url = format!("{}/v1/requests/{}/cancel", self.base, signed.cancellation.id);
        let (status, body) = self.ask(self.http.post(&url).json(signed), &url).await?;
        match status.is_success() {
            true => read(&url, &body),
            false => Err(failure(url, status, &body)),
        }
    }

    /// Posts a body as it is: for those who want to see it refused.
    ///
    /// # Errors
    /// The relayer cannot be reached.
    pub async fn submit_raw(&self, body: impl Into<reqwest::Body>) -> Result<(u16, String), ClientError> {
        let url = format!("{}/v1/requests", self.base);
        let request = self.http.post(&url).header("content-type", "application/json").body(body);
        let (status, body) = self.ask(request, &url).await?;
        Ok((status.as_u16(), body))
    }

    /// What is known of a request; `None`: nothing.
    ///
    /// # Errors
    /// The relayer does not answer.
    pub async fn status(&self, id: RequestId) -> Result<Option<Status>, ClientError> {
        let url = format!("{}/v1/requests/{id}", self.base);
        let (status, body) = self.ask(self.http.get(&url), &url).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => read(&url, &body).map(Some),
            status => Err(failure(url, status, &body)),
        }
    }

    /// How the relayer is, also if it is halted.
    ///
    /// # Errors
    /// The relayer does not answer.
    pub async fn health(&self) -> Result<Health, ClientError> {
        let url = format!("{}/v1/health", self.base);
        let (status, body) = self.ask(self.http.get(&url), &url).await?;
        match serde_json::from_str::<Health>(&body) {
            Ok(health) => Ok(Health { ready: status.is_success(), ..health }),
            Err(_) => Err(failure(url, status, &body)),
        }
    }

    /// Everything that happens at the relayer from now on, until it stops.
    ///
    /// # Errors
    /// The relayer does not answer.
    pub async fn events(&self) -> Result<impl Stream<Item = Result<Value>> + use<>> {
        let url = format!("{}/v1/events", self.base);
        let response = self.http.get(&url).send().await.map_err(|error| eyre!("{url}: {error}"))?;
        let response = response.error_for_status().wrap_err("the relayer tells no events")?;
        let mut buffer = Vec::new();
        let chunks = response.bytes_stream().map(move |chunk| {
            buffer.extend_from_slice(&chunk.wrap_err("the events broke off")?);
            let mut events = Vec::new();
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    events.push(serde_json::from_slice(data).wrap_err("an event is no JSON")?);
                }
            }
            eyre::Ok(events)
        });
        Ok(chunks.flat_map(|events| {
            futures::stream::iter(match events {
                Ok(events) => events.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        }))
    }

    async fn ask(&self, request: reqwest::RequestBuilder, url: &str) -> Result<(StatusCode, String), ClientError> {
        let unreachable = |error: reqwest::Error| ClientError::Unavailable {
            url: url.to_owned(),
            code: "unreachable".to_owned(),
            message: error.without_url().to_string(),
        };
        let response = request.timeout(TIMEOUT).send().await.map_err(unreachable)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(unreachable)?))
    }
}

fn read<T: for<'de> Deserialize<'de>>(url: &str, body: &str) -> Result<T, ClientError> {
    serde_json::from_str(body).map_err(|error| ClientError::Refused {
        url: url.to_owned(),
        status: 200,
        message: format!("it answers {body:?}, which is not understood: {error}"),
    })
}

fn failure(url: String, status: StatusCode, body: &str) -> ClientError {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| answer[name].as_str().unwrap_or(body).to_owned();
    let (code, message) = (text("code"), text("detail"));
    let is_temporary = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    match status.is_server_error() || is_temporary {
        true => ClientError::Unavailable { url, code, message },
        false => ClientError::Refused { url, status: status.as_u16(), message },
    }
}
