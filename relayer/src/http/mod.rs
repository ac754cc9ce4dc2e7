//! What clients talk to: plain HTTP, described in `docs/api.yaml`.
//!
//! Requests carry their client's signature, so posting needs no other proof. Everything else here only reads, and is open to
//! whoever reaches the port: keep it inside, or put something that knows your clients in front of it.

pub(crate) mod body;
pub(crate) mod connections;
mod error;
mod events;

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::IntoResponse,
    routing,
};
use ring_contracts::{RequestId, SignedRequest};
use ring_core::{Overview, RequestStatus};
use serde::Serialize;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{
    driver::{Handle, Receipt},
    peers::{Connection, Peers},
};

pub use connections::Limits as ConnectionLimits;
pub(crate) use error::{Code, Error};

const REQUESTS: &str = "/v1/requests";
const REQUEST: &str = "/v1/requests/{id}";
const EVENTS: &str = "/v1/events";
const HEALTH: &str = "/v1/health";

/// The routes: method, path, and every status they answer with. What anything else answers: 404 and 405.
#[cfg(test)]
const ROUTES: [(&str, &str, &[u16]); 4] = [
    ("post", REQUESTS, &[200, 202, 400, 403, 408, 409, 413, 415, 422, 500, 503]),
    ("get", REQUEST, &[200, 400, 404, 500, 503]),
    ("get", EVENTS, &[200, 500, 503]),
    ("get", HEALTH, &[200, 500, 503]),
];

/// What clients may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections.
    pub connections: ConnectionLimits,
    /// How long a client that posts waits for copies at the peers.
    pub accept: Duration,
    /// How long a body may take.
    pub body: Duration,
    /// How long an answer may take beyond that.
    pub answer: Duration,
    /// The most bytes of a body.
    pub body_bytes: usize,
    /// How many requests may be posted at a time. More are told to come again.
    pub submissions: usize,
    /// How many may follow the events.
    pub followers: usize,
}

impl Limits {
    /// The usual ones.
    pub fn new(accept: Duration) -> Self {
        Self {
            connections: ConnectionLimits {
                connections: 1_024,
                handshake: Duration::from_secs(5),
                idle: Duration::from_secs(75),
            },
            accept,
            body: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            submissions: 256,
            followers: 64,
        }
    }
}

#[derive(Clone)]
struct Api {
    handle: Handle,
    peers: Peers,
    limits: Limits,
    submissions: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// Serves clients until told to stop.
pub async fn serve(listener: TcpListener, handle: Handle, peers: Peers, limits: Limits, shutdown: CancellationToken) {
    let router = router(handle, peers, limits, shutdown.clone());
    let open = |stream| {
        let router = router.clone();
        async move { Ok((stream, router)) }
    };
    connections::serve(listener, limits.connections, open, shutdown).await;
}

fn router(handle: Handle, peers: Peers, limits: Limits, shutdown: CancellationToken) -> Router {
    let api = Api {
        handle,
        peers,
        limits,
        submissions: Arc::new(Semaphore::new(limits.submissions)),
        followers: Arc::new(Semaphore::new(limits.followers)),
        shutdown,
    };
    let patience = limits.accept + limits.body + limits.answer;
    let routes = Router::new()
        .route(REQUESTS, routing::post(submit))
        .route(REQUEST, routing::get(request))
        .route(EVENTS, routing::get(events::follow))
        .route(HEALTH, routing::get(health))
        .fallback(async || Error::from(Code::UnknownRoute))
        .method_not_allowed_fallback(async || Error::from(Code::MethodNotAllowed))
        .with_state(api);
    guarded(routes, patience)
}

/// Whatever happens behind it, there is an answer, in time.
fn guarded(routes: Router, patience: Duration) -> Router {
    routes
        .layer(middleware::from_fn(move |request: Request, next: Next| async move {
            let answer = timeout(patience, next.run(request)).await;
            answer.unwrap_or_else(|_| Error::from(Code::NoAnswer).into_response())
        }))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| {
            let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panic = text.unwrap_or("?"), "a request made this relayer panic");
            Error::from(Code::Internal).into_response()
        }))
        .layer(TraceLayer::new_for_http())
}

async fn submit(State(api): State<Api>, request: Request) -> Result<(StatusCode, Json<RequestStatus>), Error> {
    body::require_json(request.headers())?;
    let _place = api.submissions.try_acquire().map_err(|_| Code::Busy)?;
    let signed: SignedRequest = body::json(request, api.limits.body_bytes, api.limits.body).await?;
    match api.handle.submit(signed, api.limits.accept).await? {
        Receipt::Accepted(status) => Ok((StatusCode::ACCEPTED, Json(status))),
        Receipt::Known(status) => Ok((StatusCode::OK, Json(status))),
        Receipt::Waiting(status) => Err(Error::not_enough_copies(status.id)),
        Receipt::Refused(refusal) => Err(refusal.into()),
    }
}

async fn request(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<RequestStatus>, Error> {
    let id = parse_id(&id).ok_or(Code::InvalidId)?;
    let status = api.handle.request_status(id).await?;
    status.map(Json).ok_or_else(|| Code::UnknownRequest.into())
}

/// 0x and 32 hexadecimal digits, or a UUID with hyphens.
fn parse_id(text: &str) -> Option<RequestId> {
    let bytes = if let Some(digits) = text.strip_prefix("0x") {
        let is_id = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| digits.parse().ok()).flatten()?
    } else {
        // 36 characters: not one of the other forms that a UUID can have.
        let uuid = (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten()?;
        RequestId::from(uuid.into_bytes())
    };
    Some(bytes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: Condition,
    #[serde(flatten)]
    overview: Overview,
    peers: Vec<Connection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Condition {
    /// It works.
    Running,
    /// It has not seen the chain, or takes part in no epoch yet.
    NotReady,
    /// It stands still until a person lets it go on.
    Halted,
}

async fn health(State(api): State<Api>) -> Result<(StatusCode, Json<Health>), Error> {
    let overview = api.handle.overview().await?;
    let condition = if overview.halted.is_some() {
        Condition::Halted
    } else if overview.head.is_none() || overview.epoch.is_none() {
        Condition::NotReady
    } else {
        Condition::Running
    };
    let status = if condition == Condition::Running { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Health { status: condition, overview, peers: api.peers.connections() })))
}

#[cfg(test)]
mod tests;
