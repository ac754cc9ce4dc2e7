//! What clients are told when something is refused: the one place where refusals become status codes. Every answer that is
//! none has the form of RFC 9457, problem details.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ring_contracts::{RequestError, RequestId};
use ring_core::{CancelRefusal, Refusal};
use serde::Serialize;

use super::gate::Scope;
use crate::driver::Stopped;

/// The content type of a problem.
const PROBLEM_JSON: &str = "application/problem+json";
/// Where the kinds of problems are described: a place in the description that every relayer serves.
const KINDS: &str = "/v1/openapi.yaml#/components/x-problems/";

/// What can be wrong. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Malformed,
    BrokenBody,
    InvalidId,
    InvalidQuery,
    InvalidEventId,
    InvalidSignature,
    Unauthorized,
    ScopeMissing,
    UnknownRequester,
    WrongSigner,
    UnknownRoute,
    UnknownRequest,
    NotHalted,
    NoBackups,
    MethodNotAllowed,
    SlowBody,
    Conflict,
    TooLate,
    TooLarge,
    NotJson,
    WrongRing,
    NotATransfer,
    Expired,
    AssetNotPermitted,
    CallNotPermitted,
    OverCap,
    TooMuchGas,
    TooManyRequests,
    Internal,
    BackupFailed,
    UnsupportedVersion,
    LeaseOver,
    Halted,
    NotReady,
    NotEnoughCopies,
    Busy,
    NoAnswer,
    Stopping,
}

impl Code {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 38] = [
        Self::Malformed,
        Self::BrokenBody,
        Self::InvalidId,
        Self::InvalidQuery,
        Self::InvalidEventId,
        Self::InvalidSignature,
        Self::Unauthorized,
        Self::ScopeMissing,
        Self::UnknownRequester,
        Self::WrongSigner,
        Self::UnknownRoute,
        Self::UnknownRequest,
        Self::NotHalted,
        Self::NoBackups,
        Self::MethodNotAllowed,
        Self::SlowBody,
        Self::Conflict,
        Self::TooLate,
        Self::TooLarge,
        Self::NotJson,
        Self::WrongRing,
        Self::NotATransfer,
        Self::Expired,
        Self::AssetNotPermitted,
        Self::CallNotPermitted,
        Self::OverCap,
        Self::TooMuchGas,
        Self::TooManyRequests,
        Self::Internal,
        Self::BackupFailed,
        Self::UnsupportedVersion,
        Self::LeaseOver,
        Self::Halted,
        Self::NotReady,
        Self::NotEnoughCopies,
        Self::Busy,
        Self::NoAnswer,
        Self::Stopping,
    ];

    pub(crate) fn name(self) -> &'static str {
        self.describe().1
    }

    pub(crate) fn status(self) -> StatusCode {
        self.describe().0
    }

    /// What it is in general: the same words for every problem of this kind.
    pub(crate) fn title(self) -> &'static str {
        self.describe().2
    }

    /// Status, name and title.
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "the body is not what is expected here"),
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "broken_body", "the body ended early"),
            Self::InvalidId => {
                (StatusCode::BAD_REQUEST, "invalid_id", "an id is 0x and 32 hexadecimal digits, or a UUID with hyphens")
            }
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, "invalid_query", "the query is not what is expected here"),
            Self::InvalidEventId => (
                StatusCode::BAD_REQUEST,
                "invalid_event_id",
                "this is no id of an event of this seat: follow without one, and ask for the state of things",
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "send Authorization: Bearer and a token"),
            Self::ScopeMissing => (StatusCode::FORBIDDEN, "scope_missing", "the token is not for this"),
            Self::InvalidSignature => (StatusCode::BAD_REQUEST, "invalid_signature", "the signature is impossible"),
            Self::UnknownRequester => (StatusCode::FORBIDDEN, "unknown_requester", "the signer is no requester here"),
            Self::WrongSigner => {
                (StatusCode::FORBIDDEN, "wrong_signer", "only the key that signed the request cancels it")
            }
            Self::UnknownRoute => {
                (StatusCode::NOT_FOUND, "unknown_route", "there is nothing here: see /v1/openapi.yaml")
            }
            Self::UnknownRequest => (StatusCode::NOT_FOUND, "unknown_request", "no request with this id is known here"),
            Self::NoBackups => (
                StatusCode::NOT_FOUND,
                "no_backups",
                "this seat was not told where its backups go: see [store.backups]; of a store in PostgreSQL take a dump",
            ),
            Self::NotHalted => (StatusCode::NOT_FOUND, "not_halted", "this seat is not halted"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "not with this method: see /v1/openapi.yaml")
            }
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow_body", "the body took too long: nothing was done"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "the id belongs to a request with other content"),
            Self::TooLate => (StatusCode::CONFLICT, "too_late", "the request was executed, or has another end"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too long"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "send application/json"),
            Self::WrongRing => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_ring", "another ring is served here"),
            Self::NotATransfer => (StatusCode::UNPROCESSABLE_ENTITY, "not_a_transfer", "a ring makes only transfers"),
            Self::Expired => (StatusCode::UNPROCESSABLE_ENTITY, "expired", "the request's time is over"),
            Self::AssetNotPermitted => {
                (StatusCode::UNPROCESSABLE_ENTITY, "asset_not_permitted", "the ring may not spend this asset")
            }
            Self::CallNotPermitted => {
                (StatusCode::UNPROCESSABLE_ENTITY, "call_not_permitted", "the ring may not make this call")
            }
            Self::OverCap => (StatusCode::UNPROCESSABLE_ENTITY, "over_cap", "it is more than the ring may ever spend"),
            Self::TooMuchGas => {
                (StatusCode::UNPROCESSABLE_ENTITY, "too_much_gas", "it is more gas than a turn may have")
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "more requests than are allowed: slow down")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this relayer made a mistake: its log tells more")
            }
            Self::BackupFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "backup_failed", "there is no new backup; the old ones stay")
            }
            Self::UnsupportedVersion => (
                StatusCode::NOT_IMPLEMENTED,
                "unsupported_version",
                "between seats only: it is in no version of what seats say to one another that this one speaks",
            ),
            Self::LeaseOver => (
                StatusCode::SERVICE_UNAVAILABLE,
                "lease_over",
                "the ring takes no turns until the master forms it anew",
            ),
            Self::Halted => (StatusCode::SERVICE_UNAVAILABLE, "halted", "the ring is halted"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", "this relayer has not seen the chain yet"),
            Self::NotEnoughCopies => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_enough_copies",
                "the request is on disk here, but not at enough seats yet: submit the same again",
            ),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too much at once: try again"),
            Self::NoAnswer => (
                StatusCode::SERVICE_UNAVAILABLE,
                "no_answer",
                "no answer in time; what was submitted may or may not be taken: submit the same again",
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "this relayer is stopping; what was submitted may or may not be taken: submit the same again",
            ),
        }
    }

    /// After how many seconds it makes sense to try again.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::Halted | Self::LeaseOver => Some(60),
            Self::Stopping => Some(10),
            Self::NotEnoughCopies => Some(2),
            Self::NotReady | Self::Busy | Self::NoAnswer | Self::TooManyRequests => Some(1),
            _ => None,
        }
    }
}

/// Something refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    code: Code,
    message: String,
    field: Option<String>,
    /// The scope that was needed.
    scope: Option<Scope>,
    retry_after: Option<u64>,
}

/// An error as it is written (RFC 9457).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    pub(super) status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, scope: None, retry_after: code.retry_after() }
    }

    /// Names the field it is about.
    pub(crate) fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Says that the field it is about is inside this one.
    pub(crate) fn within(self, outer: &str) -> Self {
        let field = match self.field {
            Some(inner) => format!("{outer}.{inner}"),
            None => outer.to_owned(),
        };
        Self { field: Some(field), ..self }
    }

    /// A token has not the scope that is needed.
    pub(crate) fn scope_missing(token: &str, scope: Scope) -> Self {
        let message = format!("the token {token:?} has not the scope {:?}", scope.name());
        Self { scope: Some(scope), ..Self::new(Code::ScopeMissing, message) }
    }

    /// Too many requests: when the next one is taken.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        // The next whole second: an early one would be refused again.
        Self { retry_after: Some(wait.as_secs() + 1), ..Code::TooManyRequests.into() }
    }

    /// A request is on disk here, but not at enough seats.
    pub(crate) fn not_enough_copies(id: RequestId) -> Self {
        let message = format!("request {id} is on disk here, but not at enough seats yet: submit the same again");
        Self::new(Code::NotEnoughCopies, message)
    }

    pub(crate) fn problem(self) -> Problem {
        let Self { code, message, field, .. } = self;
        Problem {
            kind: format!("{KINDS}{}", code.name()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: message,
            code: code.name(),
            field,
        }
    }

    /// How a client has to prove itself (RFC 6750).
    fn challenge(&self) -> Option<HeaderValue> {
        let text = match (self.code, self.scope) {
            (Code::Unauthorized, _) => "Bearer realm=\"ring\"".to_owned(),
            (_, Some(scope)) => {
                format!("Bearer realm=\"ring\", error=\"insufficient_scope\", scope=\"{}\"", scope.name())
            }
            _ => return None,
        };
        HeaderValue::from_str(&text).ok()
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.title())
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Self {
        Code::Stopping.into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (code, field) = match refusal {
            Refusal::Malformed(RequestError::TooLarge { field, .. }) => {
                return Self::new(Code::Malformed, message).at(format!("request.{field}"));
            }
            Refusal::Malformed(RequestError::NotATransfer { .. }) => (Code::NotATransfer, Some("request.data")),
            Refusal::Malformed(RequestError::Signature(_)) => (Code::InvalidSignature, Some("signature")),
            Refusal::Conflict(_) => (Code::Conflict, Some("request.id")),
            Refusal::WrongRing { .. } => (Code::WrongRing, Some("request.ring")),
            Refusal::UnknownRequester(_) => (Code::UnknownRequester, Some("signature")),
            Refusal::Expired { .. } => (Code::Expired, Some("request.expiry")),
            // To the treasury itself, where nothing would be transferred, or to its master.
            Refusal::TargetForbidden(_) => (Code::NotATransfer, Some("request.target")),
            Refusal::AssetNotPermitted(asset) if asset.is_zero() => (Code::AssetNotPermitted, Some("request.value")),
            Refusal::AssetNotPermitted(_) => (Code::AssetNotPermitted, Some("request.target")),
            Refusal::CallNotPermitted { .. } => (Code::CallNotPermitted, Some("request.target")),
            Refusal::OverCap { asset, .. } if asset.is_zero() => (Code::OverCap, Some("request.value")),
            Refusal::OverCap { .. } => (Code::OverCap, Some("request.data")),
            Refusal::TooMuchGas { .. } => (Code::TooMuchGas, Some("request.gas")),
            Refusal::LeaseOver => (Code::LeaseOver, None),
            Refusal::Halted(_) => (Code::Halted, None),
            Refusal::NotReady => (Code::NotReady, None),
        };
        let error = Self::new(code, message);
        match field {
            Some(field) => error.at(field),
            None => error,
        }
    }
}

impl From<CancelRefusal> for Error {
    fn from(refusal: CancelRefusal) -> Self {
        let message = refusal.to_string();
        let (code, field) = match refusal {
            CancelRefusal::Unknown(_) => (Code::UnknownRequest, None),
            CancelRefusal::WrongRing { .. } => (Code::WrongRing, Some("cancellation.ring")),
            CancelRefusal::OtherContent { .. } => (Code::Conflict, Some("cancellation.request")),
            CancelRefusal::Signature(_) => (Code::InvalidSignature, Some("signature")),
            CancelRefusal::WrongSigner { .. } => (Code::WrongSigner, Some("signature")),
            CancelRefusal::Executed { .. } | CancelRefusal::Ended(_) => (Code::TooLate, None),
            CancelRefusal::JustEnding(_) => (Code::Busy, None),
        };
        let error = Self::new(code, message);
        match field {
            Some(field) => error.at(field),
            None => error,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, retry_after, challenge) = (self.code.status(), self.retry_after, self.challenge());
        let is_last = matches!(self.code, Code::TooLarge | Code::SlowBody);
        // A struct of strings and numbers: it always can be written.
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if is_last {
            // What is left of the body is not read: whoever said more on this connection would not be heard.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
