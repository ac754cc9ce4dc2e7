//! What clients talk to: plain HTTP, described in `docs/api.yaml`, which every relayer serves.
//!
//! Requests carry their client's signature. Beside that the configuration may give out tokens, each for some of what there
//! is here; without any, it is open to whoever reaches the port: keep that inside.

mod backup;
mod batch;
pub(crate) mod body;
pub(crate) mod connections;
mod error;
mod event_id;
mod events;
mod gate;
mod health;
mod query;
mod requests;

use std::{any::Any, io, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::Request,
    http::header,
    middleware::{self, Next},
    response::IntoResponse,
    routing::{self, MethodRouter},
};
use ring_contracts::Address;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    trace::{DefaultOnFailure, TraceLayer},
};
use tracing::Level;

use crate::{
    backups::Backups,
    chain,
    driver::Handle,
    metrics::Metrics,
    peers::Peers,
    signer::{Custody, NextKey},
};

pub use connections::Limits as ConnectionLimits;
pub(crate) use error::{Code, Error};
pub(crate) use event_id::EventId;
use gate::{Client, Gate};
pub use gate::{Rate, Scope, Token, TokenHash};
use requests::taken;

const REQUESTS: &str = "/v1/requests";
const BATCH: &str = "/v1/requests/batch";
const REQUEST: &str = "/v1/requests/{id}";
const CANCEL: &str = "/v1/requests/{id}/cancel";
const EVENTS: &str = "/v1/events";
const HEALTH: &str = "/v1/health";
const KEY: &str = "/v1/key";
const OPENAPI: &str = "/v1/openapi.yaml";
const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";
const HALT: &str = "/v1/halt";
const BACKUP: &str = "/v1/backup";
const METRICS: &str = "/metrics";

/// The description of all this.
const DESCRIPTION: &str = include_str!("../../../docs/api.yaml");

/// The routes: method, path, and every status they answer with. What anything else answers: 404 and 405.
#[cfg(test)]
const ROUTES: [(&str, &str, &[u16]); 14] = [
    ("post", REQUESTS, &[200, 202, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503]),
    ("get", REQUESTS, &[200, 400, 401, 403, 429, 500, 503]),
    ("post", BATCH, &[200, 400, 401, 403, 408, 413, 415, 429, 500, 503]),
    ("get", REQUEST, &[200, 400, 401, 403, 404, 429, 500, 503]),
    ("post", CANCEL, &[200, 202, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503]),
    ("get", EVENTS, &[200, 400, 401, 403, 429, 500, 503]),
    ("get", HEALTH, &[200, 500, 503]),
    ("get", KEY, &[200, 401, 403, 429, 500, 503]),
    ("get", OPENAPI, &[200, 500]),
    ("get", ALIVE, &[200, 500]),
    ("get", READY, &[200, 500, 503]),
    ("get", HALT, &[200, 401, 403, 404, 429, 500, 503]),
    ("post", BACKUP, &[200, 401, 403, 404, 429, 500, 503]),
    ("get", METRICS, &[200, 500]),
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
    /// The most bytes of a body with many requests.
    pub batch_bytes: usize,
    /// How many requests may be posted at a time. More are told to come again.
    pub submissions: usize,
    /// How many bodies with many requests.
    pub batches: usize,
    /// How many may wait for a request to get further.
    pub waiters: usize,
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
            batch_bytes: 2 * 1024 * 1024,
            submissions: 256,
            batches: 16,
            waiters: 512,
            followers: 64,
        }
    }
}

/// What the interface is made of.
#[derive(Debug)]
pub struct Setup {
    /// The driver.
    pub handle: Handle,
    /// The other seats.
    pub peers: Peers,
    /// How the chain is reached.
    pub chain: watch::Receiver<chain::Connection>,
    /// What makes backups. `None`: it was not said where to.
    pub backups: Option<Arc<Backups>>,
    /// What is counted in this process.
    pub metrics: Metrics,
    /// This seat's key.
    pub key: Address,
    /// Where it is.
    pub custody: Custody,
    /// The key that it is to have next.
    pub next: Option<NextKey>,
    /// How many seats of a window have to sign.
    pub quorum: usize,
    /// At how many seats a request has to be on disk.
    pub copies: usize,
    /// Who may do what. Without any, everybody may do everything.
    pub tokens: Vec<Token>,
    /// How often: each token, or each address where there are none. `None`: as often as they like.
    pub rate: Option<Rate>,
    /// What they may take up.
    pub limits: Limits,
}

#[derive(Clone)]
struct Api {
    handle: Handle,
    peers: Peers,
    chain: watch::Receiver<chain::Connection>,
    metrics: Metrics,
    key: Address,
    custody: Custody,
    next: Option<NextKey>,
    quorum: usize,
    copies: usize,
    backups: Option<Arc<Backups>>,
    limits: Limits,
    submissions: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    waiters: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// Serves clients until told to stop.
pub async fn serve(listener: TcpListener, setup: Setup, shutdown: CancellationToken) {
    let connections = setup.limits.connections;
    let router = router(setup, shutdown.clone());
    let open = |stream: TcpStream| {
        let client = stream.peer_addr().map(|address| of_client(router.clone(), address.ip()));
        async move { io::Result::Ok((stream, client?)) }
    };
    connections::serve(listener, connections, open, shutdown).await;
}

/// The routes as a client at this address has them.
fn of_client(router: Router, address: IpAddr) -> Router {
    router.layer(Extension(Client(address)))
}

fn router(setup: Setup, shutdown: CancellationToken) -> Router {
    let Setup { handle, peers, chain, metrics, key, custody, next, quorum, copies, backups, tokens, rate, limits } =
        setup;
    let places = |count| Arc::new(Semaphore::new(count));
    let api = Api {
        handle,
        peers,
        chain,
        metrics,
        key,
        custody,
        next,
        quorum,
        copies,
        backups,
        limits,
        submissions: places(limits.submissions),
        batches: places(limits.batches),
        waiters: places(limits.waiters),
        followers: places(limits.followers),
        shutdown,
    };
    let gate = Gate::new(tokens, rate);
    let needs = |scope, route: MethodRouter<Api>| {
        route.route_layer(middleware::from_fn_with_state((gate.clone(), scope), gate::pass))
    };
    let posting = limits.accept + limits.body + limits.answer;
    let waiting = Duration::from_secs(query::MOST_PATIENCE) + limits.answer;
    let post = needs(Scope::Submit, within(posting, routing::post(requests::submit)));
    let list = needs(Scope::Read, within(limits.answer, routing::get(requests::list)));
    let batch = needs(Scope::Submit, within(posting, routing::post(batch::submit)));
    let request = needs(Scope::Read, within(waiting, routing::get(requests::request)));
    let cancel = needs(Scope::Submit, within(limits.body + limits.answer, routing::post(requests::cancel)));
    let events = needs(Scope::Events, within(limits.answer, routing::get(events::follow)));
    let key = needs(Scope::Read, within(limits.answer, routing::get(health::key)));
    // As long as it takes: it says itself when it has failed.
    let backup = needs(Scope::Operate, routing::post(backup::make));
    let halt = needs(Scope::Read, within(limits.answer, routing::get(health::halt)));
    let routes = Router::new()
        .route(REQUESTS, post.merge(list))
        .route(BATCH, batch)
        .route(REQUEST, request)
        .route(CANCEL, cancel)
        .route(EVENTS, events)
        .route(HEALTH, within(limits.answer, routing::get(health::health)))
        .route(OPENAPI, routing::get(async || ([(header::CONTENT_TYPE, "application/yaml")], DESCRIPTION)))
        .route(ALIVE, routing::get(health::alive))
        .route(READY, within(limits.answer, routing::get(health::ready)))
        .route(KEY, key)
        .route(HALT, halt)
        .route(BACKUP, backup)
        .route(METRICS, routing::get(health::metrics))
        .fallback(async || Error::from(Code::UnknownRoute))
        .method_not_allowed_fallback(async || Error::from(Code::MethodNotAllowed))
        .with_state(api);
    guarded(routes)
}

/// There is an answer in time.
fn within<S: Clone + Send + Sync + 'static>(patience: Duration, route: MethodRouter<S>) -> MethodRouter<S> {
    route.layer(middleware::from_fn(move |request: Request, next: Next| async move {
        let answer = timeout(patience, next.run(request)).await;
        answer.unwrap_or_else(|_| Error::from(Code::NoAnswer).into_response())
    }))
}

/// Whatever happens behind it, there is an answer.
fn guarded(routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| {
            let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panic = text.unwrap_or("?"), "a request made this relayer panic");
            Error::from(Code::Internal).into_response()
        }))
        // What fails says so itself, and a halted seat answers every question for its health with 503.
        .layer(TraceLayer::new_for_http().on_failure(DefaultOnFailure::new().level(Level::DEBUG)))
}

#[cfg(test)]
mod tests;
