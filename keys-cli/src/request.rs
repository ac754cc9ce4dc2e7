//! Asking a relayer for something, as a client does.

use std::time::Duration;

use alloy::{
    primitives::{Address, Bytes, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use reqwest::{StatusCode, Url};
use ring_contracts::{Cancellation, Domain, IERC20, Request, RequestId, SignedCancellation, SignedRequest};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{custody::KeyReport, error::Error, output::tell, rpc::without_path};

const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// A request may be posted again and again: its id makes it one.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The most that is read of an answer.
const MAX_ANSWER: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its name.
    pub id: RequestId,
    /// The ring.
    pub ring: u32,
    /// The token, or zero for the native coin.
    pub asset: Address,
    /// The recipient.
    pub to: Address,
    /// How much, in the smallest unit; below 2^96.
    pub amount: u128,
    /// The call's gas.
    pub gas: u32,
    /// The last second at which it may be made.
    pub expiry: u64,
}

/// Why a request is not made or does not end well.
#[derive(Debug, thiserror::Error)]
pub enum RequestFailure {
    /// Not an address of a relayer.
    #[error("{0:?} is not a relayer's address: it has to start with http:// or https://")]
    Url(String),
    /// The request itself is impossible.
    #[error("the request is impossible: {0}")]
    Invalid(String),
    /// Two statements about the chain.
    #[error("--chain-id is {given}, and the RPC is of chain {actual}")]
    OtherChain {
        /// What the person says.
        given: u64,
        /// What the RPC says.
        actual: u64,
    },
    /// The relayer was never reached.
    #[error("the relayer {relayer} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme and host.
        relayer: String,
        /// What happened.
        reason: String,
    },
    /// The relayer's answer is lost: it may have taken the request.
    #[error(
        "whether the relayer {relayer} took the request is not known ({reason}): repeat the same command with \
         --id {id} --expires-at {expiry}, which asks for the same thing and not for another"
    )]
    NoAnswer {
        /// Scheme and host.
        relayer: String,
        /// What happened.
        reason: String,
        /// The request's id.
        id: RequestId,
        /// The request's expiry.
        expiry: u64,
    },
    /// The relayer's answer to a cancellation is lost: it may have taken it.
    #[error(
        "whether the relayer {relayer} took the cancellation is not known ({reason}): repeat the same command, which cancels \
         the same request"
    )]
    CancellationUnanswered {
        /// Scheme and host.
        relayer: String,
        /// What happened.
        reason: String,
    },
    /// The relayer does not say what the request asks for.
    #[error(
        "the relayer {relayer} does not know what request {id} asked for: it was executed or disputed before the relayer \
         had heard of it, and cannot be cancelled"
    )]
    ContentUnknown {
        /// Scheme and host.
        relayer: String,
        /// The request's id.
        id: RequestId,
    },
    /// The relayer says no.
    #[error("the relayer {relayer} refused ({status}{}): {message}", code.as_ref().map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// Scheme and host.
        relayer: String,
        /// The HTTP status.
        status: u16,
        /// Its code for the reason.
        code: Option<String>,
        /// Its words.
        message: String,
    },
    /// It ended, and not as it was wanted to.
    #[error("request {id} ended as {status:?}: {answer}")]
    EndedBadly {
        /// The request's id.
        id: RequestId,
        /// How.
        status: String,
        /// The whole answer.
        answer: Value,
    },
    /// It goes on, but nobody waits any more.
    #[error(
        "request {id} is {status:?} and may still be executed: it was waited for long enough. Ask again with GET {url}"
    )]
    NotYet {
        /// The request's id.
        id: RequestId,
        /// How far it is.
        status: String,
        /// Where to ask.
        url: String,
    },
}

impl Payment {
    /// The request, signed.
    ///
    /// # Errors
    /// A number is out of range.
    pub fn sign(&self, domain: &Domain, key: &PrivateKeySigner) -> Result<SignedRequest, Error> {
        let Self { id, ring, asset, to, amount, gas, expiry } = *self;
        let (target, value, data) = match asset.is_zero() {
            true => (to, amount, Bytes::new()),
            false => (asset, 0, IERC20::transferCall { to, value: U256::from(amount) }.abi_encode().into()),
        };
        let request = Request { id, ring, target, value, data, gas, expiry };
        request.check().map_err(|error| RequestFailure::Invalid(error.to_string()))?;
        let signature =
            key.sign_hash_sync(&request.digest(domain)).map_err(|_| Error::SigningFailed { signer: key.address() })?;
        Ok(SignedRequest { request, signature: signature.as_bytes().into() })
    }
}

/// The cancellation of a request, signed.
///
/// # Errors
/// The key does not sign.
pub fn sign_cancellation(
    request: &Request,
    domain: &Domain,
    key: &PrivateKeySigner,
) -> Result<SignedCancellation, Error> {
    let cancellation = Cancellation::of(request, domain);
    let signature =
        key.sign_hash_sync(&cancellation.digest(domain)).map_err(|_| Error::SigningFailed { signer: key.address() })?;
    Ok(SignedCancellation { cancellation, signature: signature.as_bytes().into() })
}

/// A relayer's HTTP interface.
#[derive(Clone, Debug)]
pub struct Relayer {
    client: reqwest::Client,
    requests: Url,
    name: String,
}

/// A seat, as its relayer shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Its key.
    pub key: Address,
    /// The epoch in which it takes part.
    pub epoch: Option<u32>,
    /// Why it stands still, if it does.
    pub halted_because: Option<String>,
}

/// What a relayer said about a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How far it is.
    pub status: String,
    /// All it said.
    pub whole: Value,
}

/// How somebody who waits for a request wants it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Paid.
    Paid,
    /// Not paid, ever.
    NotPaid,
}

impl Wanted {
    /// Whether a status is such an end; `None`: it is no end.
    fn is_met_by(self, status: &str) -> Option<bool> {
        match status {
            "final" => Some(self == Self::Paid),
            "cancelled" | "expired" => Some(self == Self::NotPaid),
            "failed" | "disputed" => Some(false),
            _ => None,
        }
    }
}

/// What a relayer says when it refuses (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: String,
}

enum Attempt {
    Answered(Answer),
    Refused(RequestFailure),
    /// The relayer was not reached, or failed itself. The reason, and whether the request may have arrived.
    Failed {
        reason: String,
        arrived: bool,
    },
}

impl Relayer {
    /// The relayer at an address.
    ///
    /// # Errors
    /// `Url`.
    pub fn at(url: &str) -> Result<Self, RequestFailure> {
        let not_a_url = || RequestFailure::Url(url.to_owned());
        let requests = Url::parse(&format!("{}/v1/requests", url.trim_end_matches('/'))).map_err(|_| not_a_url())?;
        if !matches!(requests.scheme(), "http" | "https") || !requests.has_host() {
            return Err(not_a_url());
        }
        let name = without_path(url);
        let client = reqwest::Client::builder().timeout(HTTP_TIMEOUT).build();
        let client =
            client.map_err(|error| RequestFailure::Unreachable { relayer: name.clone(), reason: error.to_string() })?;
        Ok(Self { client, requests, name })
    }

    /// Posts a request. Asks again when the answer is lost, since the same request is the same request for ever.
    ///
    /// # Errors
    /// `Refused`; `Unreachable` if it never arrived; `NoAnswer` if it may have.
    pub async fn post(&self, signed: &SignedRequest) -> Result<Answer, RequestFailure> {
        let Request { id, expiry, .. } = signed.request;
        let relayer = self.name.clone();
        let no_answer = |reason| RequestFailure::NoAnswer { relayer, reason, id, expiry };
        self.insist(|| self.client.post(self.requests.clone()).json(signed), no_answer).await
    }

    /// Posts a cancellation. Asks again when the answer is lost.
    ///
    /// # Errors
    /// `Refused`; `Unreachable` if it never arrived; `CancellationUnanswered` if it may have.
    pub async fn cancel(&self, signed: &SignedCancellation) -> Result<Answer, RequestFailure> {
        let url = format!("{}/{}/cancel", self.requests, signed.cancellation.id);
        let relayer = self.name.clone();
        let no_answer = |reason| RequestFailure::CancellationUnanswered { relayer, reason };
        self.insist(|| self.client.post(&url).json(signed), no_answer).await
    }

    /// What a request asks for.
    ///
    /// # Errors
    /// `Refused`; `Unreachable`; `ContentUnknown`.
    pub async fn content(&self, id: RequestId) -> Result<Request, RequestFailure> {
        let url = format!("{}/{id}", self.requests);
        let relayer = self.name.clone();
        let no_answer = |reason| RequestFailure::Unreachable { relayer, reason };
        let answer = self.insist(|| self.client.get(&url), no_answer).await?;
        let content = answer.whole.get("request").cloned().and_then(|content| serde_json::from_value(content).ok());
        content.ok_or_else(|| RequestFailure::ContentUnknown { relayer: self.name.clone(), id })
    }

    /// How its seat is.
    ///
    /// # Errors
    /// `Unreachable`.
    pub async fn health(&self) -> Result<Health, RequestFailure> {
        let unreachable = |reason| RequestFailure::Unreachable { relayer: self.name.clone(), reason };
        let url = self.requests.join("health").map_err(|error| unreachable(error.to_string()))?;
        let (_, body) = read(self.client.get(url)).await.map_err(|(reason, _)| unreachable(reason))?;
        serde_json::from_slice(&body).map_err(|_| unreachable("it does not say how its seat is".to_owned()))
    }

    /// Where its key is.
    ///
    /// # Errors
    /// `Refused`; `Unreachable`.
    pub async fn key(&self, token: Option<&SecretString>) -> Result<KeyReport, RequestFailure> {
        let unreachable = |reason| RequestFailure::Unreachable { relayer: self.name.clone(), reason };
        let url = self.requests.join("key").map_err(|error| unreachable(error.to_string()))?;
        let mut request = self.client.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let (status, body) = read(request).await.map_err(|(reason, _)| unreachable(reason))?;
        match status.is_success() {
            true => {
                serde_json::from_slice(&body).map_err(|_| unreachable("it does not say where its key is".to_owned()))
            }
            false => {
                let (code, message) = problem(&body);
                let relayer = self.name.clone();
                Err(RequestFailure::Refused { relayer, status: status.as_u16(), code, message })
            }
        }
    }

    /// Asks until there is an answer, some times.
    async fn insist(
        &self,
        ask: impl Fn() -> reqwest::RequestBuilder,
        no_answer: impl FnOnce(String) -> RequestFailure,
    ) -> Result<Answer, RequestFailure> {
        let mut last = String::new();
        let mut may_have_arrived = false;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tell(format_args!("{last}; asking again"));
                tokio::time::sleep(PAUSE).await;
            }
            match self.attempt(ask()).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Refused(refusal) => return Err(refusal),
                Attempt::Failed { reason, arrived } => {
                    last = reason;
                    may_have_arrived |= arrived;
                }
            }
        }
        Err(match may_have_arrived {
            true => no_answer(last),
            false => RequestFailure::Unreachable { relayer: self.name.clone(), reason: last },
        })
    }

    /// Asks about a request until it has ended.
    ///
    /// # Errors
    /// `Refused`; `EndedBadly`; `NotYet` after `patience`.
    pub async fn wait(&self, id: RequestId, wanted: Wanted, patience: Duration) -> Result<Answer, RequestFailure> {
        let start = Instant::now();
        let url = format!("{}/{id}", self.requests);
        let mut shown = String::new();
        loop {
            let status = match self.attempt(self.client.get(&url)).await {
                Attempt::Answered(answer) => match wanted.is_met_by(&answer.status) {
                    Some(true) => return Ok(answer),
                    Some(false) => {
                        return Err(RequestFailure::EndedBadly { id, status: answer.status, answer: answer.whole });
                    }
                    None => answer.status,
                },
                Attempt::Refused(refusal) => return Err(refusal),
                Attempt::Failed { reason, .. } => format!("unknown: {reason}"),
            };
            if status != shown {
                tell(format_args!("request {id} is {status}"));
                shown = status;
            }
            if start.elapsed() > patience {
                return Err(RequestFailure::NotYet { id, status: shown, url });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn attempt(&self, request: reqwest::RequestBuilder) -> Attempt {
        let (status, body) = match read(request).await {
            Ok(answer) => answer,
            Err((reason, arrived)) => return Attempt::Failed { reason, arrived },
        };
        if status.is_success() {
            return understand(&body);
        }
        let (code, message) = problem(&body);
        if status.is_server_error() || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) {
            return Attempt::Failed { reason: format!("HTTP status {status}: {message}"), arrived: true };
        }
        Attempt::Refused(RequestFailure::Refused { relayer: self.name.clone(), status: status.as_u16(), code, message })
    }
}

/// Asks, and reads an answer that is not too long. Or why there is none, and whether the question may have arrived.
async fn read(request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), (String, bool)> {
    let mut response = request.send().await.map_err(|error| (innermost(&error), !error.is_connect()))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| (innermost(&error), true))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err((format!("the answer is longer than {MAX_ANSWER} bytes"), true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

/// Why a relayer refused: the code, and the words.
fn problem(body: &[u8]) -> (Option<String>, String) {
    match serde_json::from_slice(body) {
        Ok(Problem { code, detail }) => (code, detail),
        Err(_) => (None, "it gave no reason".to_owned()),
    }
}

fn understand(body: &[u8]) -> Attempt {
    let whole: Value = serde_json::from_slice(body).unwrap_or_default();
    match whole.get("status").and_then(Value::as_str) {
        Some(status) => Attempt::Answered(Answer { status: status.to_owned(), whole }),
        None => Attempt::Failed { reason: "the answer has no status: is it a relayer?".to_owned(), arrived: true },
    }
}

/// The innermost cause: the outer ones repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
