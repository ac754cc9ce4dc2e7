//! What clients are told when something is refused: the one place where refusals become status codes.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ring_contracts::{RequestError, RequestId};
use ring_core::Refusal;
use serde::Serialize;

use crate::driver::Stopped;

/// What can be wrong. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Malformed,
    BrokenBody,
    InvalidId,
    InvalidSignature,
    UnknownRequester,
    UnknownRoute,
    UnknownRequest,
    MethodNotAllowed,
    SlowBody,
    Conflict,
    TooLarge,
    NotJson,
    WrongRing,
    NotATransfer,
    Expired,
    AssetNotPermitted,
    CallNotPermitted,
    OverCap,
    TooMuchGas,
    Internal,
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
    pub(crate) const ALL: [Self; 27] = [
        Self::Malformed,
        Self::BrokenBody,
        Self::InvalidId,
        Self::InvalidSignature,
        Self::UnknownRequester,
        Self::UnknownRoute,
        Self::UnknownRequest,
        Self::MethodNotAllowed,
        Self::SlowBody,
        Self::Conflict,
        Self::TooLarge,
        Self::NotJson,
        Self::WrongRing,
        Self::NotATransfer,
        Self::Expired,
        Self::AssetNotPermitted,
        Self::CallNotPermitted,
        Self::OverCap,
        Self::TooMuchGas,
        Self::Internal,
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

    /// Status, name, and what to say where nothing better is known.
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "the body is not what is expected here"),
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "broken_body", "the body ended early"),
            Self::InvalidId => {
                (StatusCode::BAD_REQUEST, "invalid_id", "an id is 0x and 32 hexadecimal digits, or a UUID with hyphens")
            }
            Self::InvalidSignature => (StatusCode::BAD_REQUEST, "invalid_signature", "the signature is impossible"),
            Self::UnknownRequester => (StatusCode::FORBIDDEN, "unknown_requester", "the signer is no requester here"),
            Self::UnknownRoute => (StatusCode::NOT_FOUND, "unknown_route", "there is nothing here: see docs/api.yaml"),
            Self::UnknownRequest => (StatusCode::NOT_FOUND, "unknown_request", "no request with this id is known here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "not with this method: see docs/api.yaml")
            }
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow_body", "the body took too long: nothing was done"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "the id belongs to a request with other content"),
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
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this relayer made a mistake: its log tells more")
            }
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
    fn retry_after(self) -> Option<u16> {
        match self {
            Self::Halted | Self::LeaseOver => Some(60),
            Self::Stopping => Some(10),
            Self::NotEnoughCopies => Some(2),
            Self::NotReady | Self::Busy | Self::NoAnswer => Some(1),
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
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None }
    }

    /// Names the field it is about.
    pub(crate) fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// A request is on disk here, but not at enough seats.
    pub(crate) fn not_enough_copies(id: RequestId) -> Self {
        let message = format!("request {id} is on disk here, but not at enough seats yet: submit the same again");
        Self::new(Code::NotEnoughCopies, message)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code.describe().2)
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

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Inner,
        }
        #[derive(Serialize)]
        struct Inner {
            code: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<String>,
        }
        let Self { code, message, field } = self;
        let body = Body { error: Inner { code: code.name(), message, field } };
        let mut response = (code.status(), Json(body)).into_response();
        if let Some(seconds) = code.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
