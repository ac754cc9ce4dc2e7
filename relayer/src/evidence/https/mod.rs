//! A question to a service over HTTPS, for instance a payment provider, and what its JSON answer has to say.

mod address;
mod body;
mod expectation;
mod pointer;

use std::time::{Duration, SystemTime};

use futures::{FutureExt as _, future::BoxFuture};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, HeaderMap, RETRY_AFTER},
    redirect,
};
use ring_core::Evidence;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use self::{address::Address, body::Body, expectation::Condition};
use super::{Facts, Field, Pace, Source, Trouble};
use crate::{
    headers::{self, HeaderError},
    tls,
};

pub use address::AddressError;
pub use body::BodyError;
pub use expectation::{ConditionError, ConditionSettings, Literal, Otherwise};
pub use pointer::PointerError;

/// No answer is longer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST. It is asked again and again: it must change nothing there.
    Post,
}

/// What is asked of a service.
#[derive(Clone)]
pub struct HttpsSettings {
    /// What people call the source.
    pub name: String,
    /// Where, with fields in path and query.
    pub url: String,
    /// How.
    pub method: Method,
    /// What is sent: JSON with fields in its strings.
    pub body: Option<String>,
    /// Headers, one `Name: value` a line; lines that are empty or begin with # are none. A secret.
    pub headers: Option<Zeroizing<String>>,
    /// The certificates in PEM of the authorities to believe; `None`: those that this host believes.
    pub authorities: Option<Vec<u8>>,
    /// What the answer has to say, all of it.
    pub expect: Vec<ConditionSettings>,
    /// What of its answers refutes a request.
    pub refute: Vec<ConditionSettings>,
    /// Statuses that mean that the service does not know the request yet.
    pub not_yet_status: Vec<u16>,
    /// How it may be asked.
    pub pace: Pace,
}

/// Why a service cannot be asked as it is configured, by field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// `url`.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `body`.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// `body` with GET.
    #[error("a GET has no body: write method = \"POST\", or leave it out")]
    BodyOfGet,
    /// `headers_file`.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// `authorities_file`.
    #[error("{0}")]
    Authorities(String),
    /// `expect`, or `refute`: which of them, and what is wrong.
    #[error("number {0}: {1}")]
    Condition(usize, ConditionError, Which),
    /// Nothing says which request is meant.
    #[error("neither url, body nor expect has {{id}} or {{id_hex}}: the answer would be the same for every request")]
    NoId,
    /// Nothing compares the amount.
    #[error("no condition has {{amount}}: whoever may ask could ask for any amount")]
    NoAmount,
    /// `not_yet_status`.
    #[error("{0} is no status of an error that means \"not yet\": write for instance 404")]
    Status(u16),
}

/// Which list a condition is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `expect`.
    Expect,
    /// `refute`.
    Refute,
}

impl HttpsError {
    /// The field of the configuration that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Address(_) => "url",
            Self::Body(_) | Self::BodyOfGet => "body",
            Self::Header(_) => "headers_file",
            Self::Authorities(_) => "authorities_file",
            Self::Condition(_, _, Which::Refute) => "refute",
            Self::Condition(_, _, Which::Expect) | Self::NoId | Self::NoAmount => "expect",
            Self::Status(_) => "not_yet_status",
        }
    }
}

/// A service that knows which requests are genuine.
pub struct Https {
    name: String,
    pace: Pace,
    client: Client,
    method: Method,
    address: Address,
    body: Option<Body>,
    headers: HeaderMap,
    expect: Vec<Condition>,
    refute: Vec<Condition>,
    not_yet: Vec<StatusCode>,
}

impl Https {
    /// A source that has not been asked yet.
    ///
    /// # Errors
    /// As [`HttpsError`] says.
    pub fn new(settings: HttpsSettings) -> Result<Self, HttpsError> {
        let HttpsSettings { name, method, pace, .. } = settings;
        let address = Address::parse(&settings.url)?;
        let body = settings.body.as_deref().map(Body::parse).transpose()?;
        if body.is_some() && method == Method::Get {
            return Err(HttpsError::BodyOfGet);
        }
        let headers = headers::parse(settings.headers.as_ref().map_or("", |headers| headers.as_str()))?;
        let expect = conditions(&settings.expect, Which::Expect)?;
        let refute = conditions(&settings.refute, Which::Refute)?;
        let compared: Vec<Field> =
            expect.iter().filter_map(Condition::template).flat_map(|template| template.fields()).collect();
        let named = address.fields().chain(body.iter().flat_map(Body::fields)).chain(compared.iter().copied());
        if !named.into_iter().any(Field::is_id) {
            return Err(HttpsError::NoId);
        }
        if !compared.contains(&Field::Amount) {
            return Err(HttpsError::NoAmount);
        }
        let status = |status: &u16| StatusCode::from_u16(*status).ok().filter(StatusCode::is_client_error);
        let not_yet = settings.not_yet_status.iter().map(|code| status(code).ok_or(HttpsError::Status(*code)));
        let not_yet = not_yet.collect::<Result<_, _>>()?;
        let client =
            client(&address, settings.authorities.as_deref(), pace.timeout).map_err(HttpsError::Authorities)?;
        Ok(Self { name, pace, client, method, address, body, headers, expect, refute, not_yet })
    }

    /// The fields that decide whether a request is genuine.
    pub fn compared_fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.expect.iter().filter_map(Condition::template).flat_map(|template| template.fields())
    }

    async fn send(&self, facts: &Facts) -> Result<Response, Trouble> {
        let url = self.address.fill(facts)?;
        let request = match self.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
        };
        let request = match &self.body {
            Some(body) => request.json(&body.fill(facts)?),
            None => request,
        };
        let sent = request.header(ACCEPT, "application/json").headers(self.headers.clone()).send().await;
        sent.map_err(|error| Trouble::down(describe(error)))
    }

    async fn judge(&self, facts: &Facts, response: Response) -> Result<Evidence, Trouble> {
        let status = response.status();
        if self.not_yet.contains(&status) {
            return Ok(Evidence::NotYet);
        }
        if status != StatusCode::OK {
            return Err(refusal(status, response.headers()));
        }
        let text = read(response).await?;
        let document: &RawValue =
            serde_json::from_slice(&text).map_err(|_| Trouble::Useless("the answer is no JSON".into()))?;
        expectation::judge(&self.expect, &self.refute, facts, document)
    }
}

impl Source for Https {
    fn name(&self) -> &str {
        &self.name
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    /// Nothing can be asked without a request.
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        std::future::ready(Ok(())).boxed()
    }

    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        async {
            let response = self.send(facts).await?;
            self.judge(facts, response).await
        }
        .boxed()
    }
}

fn client(address: &Address, authorities: Option<&[u8]>, timeout: Duration) -> Result<Client, String> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls::client_config(authorities)?)
        .redirect(redirect::Policy::none())
        .https_only(!address.is_local)
        .connect_timeout(timeout)
        .user_agent(concat!("ring-relayer/", env!("CARGO_PKG_VERSION")));
    // What stays on this host has no way around.
    let builder = if address.is_local { builder.no_proxy() } else { builder };
    builder.build().map_err(describe)
}

fn conditions(settings: &[ConditionSettings], which: Which) -> Result<Vec<Condition>, HttpsError> {
    let conditions = settings.iter().enumerate().map(|(index, condition)| {
        Condition::new(condition).map_err(|error| HttpsError::Condition(index + 1, error, which))
    });
    conditions.collect()
}

/// What a status means that is neither an answer nor "not yet".
fn refusal(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let reason = format!("HTTP status {status}");
    match status {
        // Credentials, throttling, and the service itself: the same for whatever is asked.
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS => Trouble::Down { reason, retry_after: retry_after(headers) },
        _ if status.is_server_error() => Trouble::Down { reason, retry_after: retry_after(headers) },
        _ if status.is_redirection() => Trouble::Useless(format!("{reason}: redirects are not followed")),
        _ => Trouble::Useless(reason),
    }
}

/// In seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

/// The whole body, if it is no longer than an answer may be.
async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::down(describe(error)))? {
        if text.len() + chunk.len() > MAX_ANSWER {
            return Err(Trouble::Useless(format!("the answer is longer than {MAX_ANSWER} bytes")));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// What happened, without the address: that names a payment.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut texts = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, expect: &[(&str, &str)]) -> HttpsSettings {
        let expect = expect.iter().map(|(pointer, equals)| ConditionSettings {
            pointer: (*pointer).into(),
            equals: Literal::Text((*equals).into()),
            otherwise: None,
        });
        HttpsSettings {
            name: "provider".into(),
            url: url.into(),
            method: Method::Get,
            body: None,
            headers: None,
            authorities: None,
            expect: expect.collect(),
            refute: Vec::new(),
            not_yet_status: vec![404],
            pace: Pace { parallel: 1, timeout: Duration::from_secs(1) },
        }
    }

    fn refused(settings: HttpsSettings) -> (&'static str, String) {
        let error = Https::new(settings).err().expect("it is refused");
        (error.field(), error.to_string())
    }

    #[test]
    fn an_answer_that_anybody_could_use_is_refused() {
        let (amount, id) = (("/amount", "{amount}"), ("/order", "{id}"));
        assert!(Https::new(settings("https://pay.example/{id}", &[amount])).is_ok());
        assert!(Https::new(settings("https://pay.example/", &[amount, id])).is_ok());
        let (field, reason) = refused(settings("https://pay.example/", &[amount]));
        assert!(field == "expect" && reason.contains("{id}"), "{reason}");
        let (field, reason) = refused(settings("https://pay.example/{id}?amount={amount}", &[("/status", "paid")]));
        assert!(field == "expect" && reason.contains("{amount}"), "{reason}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        let right = || settings("https://pay.example/{id}", &[("/amount", "{amount}")]);
        assert_eq!(refused(HttpsSettings { url: "http://pay.example/{id}".into(), ..right() }).0, "url");
        assert_eq!(refused(HttpsSettings { body: Some("{}".into()), ..right() }).0, "body");
        assert_eq!(refused(HttpsSettings { not_yet_status: vec![200], ..right() }).0, "not_yet_status");
        assert_eq!(refused(HttpsSettings { not_yet_status: vec![500], ..right() }).0, "not_yet_status");
        assert_eq!(refused(settings("https://pay.example/{id}", &[("amount", "{amount}")])).0, "expect");
        let headers = Some("# ours\n\nAuthorization Bearer geheim".to_owned().into());
        let (field, reason) = refused(HttpsSettings { headers, ..right() });
        assert_eq!((field, reason.contains("line 3"), reason.contains("geheim")), ("headers_file", true, false));
    }

    #[test]
    fn a_service_says_how_long_to_leave_it_alone() {
        let after = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
        assert!(after(&soon).is_some_and(|rest| rest > Duration::from_secs(3_000)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(after("soon"), None);
    }
}
