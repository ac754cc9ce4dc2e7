//! What other seats connect to.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing,
};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{PRESENCE, PROTOCOL, Peer, Versions, version::HEADER};
use crate::{
    config,
    driver::Handle,
    http::{Code, Error, body, connections},
};

/// The most bytes of what is said at once.
const MAX_MESSAGES: usize = 4 * 1024 * 1024;
/// How many messages of one peer are read at a time. An honest one sends one after the other; one more may be left over from
/// a connection that it has given up.
const MESSAGES_AT_ONCE: usize = 2;
/// How long a peer may take to send a message.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const LIMITS: connections::Limits =
    connections::Limits { connections: 256, handshake: Duration::from_secs(5), idle: Duration::from_secs(60) };

/// Where a connection comes from.
#[derive(Clone)]
struct From {
    seat: usize,
    turns: Arc<Semaphore>,
}

/// Takes messages of the other seats, in these versions, until told to stop.
///
/// # Errors
/// TLS cannot be set up.
pub async fn serve(
    listener: TcpListener,
    config: &config::Peers,
    versions: Versions,
    handle: Handle,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let pins: Vec<_> = config.seats.iter().flat_map(|peer| peer.certificates.clone()).collect();
    let tls = ring_tls::server(&config.identity, &pins, PROTOCOL).map_err(io::Error::other)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let known: Arc<[(CertificateDer<'static>, From)]> = config.seats.iter().flat_map(known).collect();
    let router = Router::new()
        .route("/{version}/messages", routing::post(receive))
        .route(PRESENCE, routing::get(async || StatusCode::NO_CONTENT))
        .fallback(async || Error::from(Code::UnknownRoute))
        .method_not_allowed_fallback(async || Error::from(Code::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(versions, negotiate))
        .with_state((versions, handle));
    let open = |stream: TcpStream| {
        let (acceptor, known, router) = (acceptor.clone(), known.clone(), router.clone());
        async move {
            let stream = acceptor.accept(stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let from = known.iter().find(|(certificate, _)| Some(certificate) == shown).map(|(_, from)| from.clone());
            // The handshake takes no certificate that is not among the known.
            let from = from.ok_or_else(|| io::Error::other("the certificate is no seat's"))?;
            Ok((stream, router.layer(Extension(from))))
        }
    };
    connections::serve(listener, LIMITS, open, shutdown).await;
    Ok(())
}

/// A seat's certificates, which are all the same seat.
fn known(peer: &Peer) -> impl Iterator<Item = (CertificateDer<'static>, From)> + '_ {
    let from = From { seat: peer.seat, turns: Arc::new(Semaphore::new(MESSAGES_AT_ONCE)) };
    peer.certificates.iter().map(move |certificate| (certificate.clone(), from.clone()))
}

/// Refuses whoever speaks no version that this seat does, and says with every answer which these are.
async fn negotiate(State(versions): State<Versions>, request: Request, next: Next) -> Response {
    let refused = match Versions::of(request.headers()) {
        Ok(theirs) if versions.shared(theirs).is_some() => None,
        Ok(theirs) => Some(Error::new(Code::UnsupportedVersion, versions.refusal(theirs, "the sender"))),
        Err(reason) => Some(Error::new(Code::UnsupportedVersion, reason)),
    };
    let mut response = match refused {
        None => next.run(request).await,
        Some(refused) => refused.into_response(),
    };
    response.headers_mut().insert(HEADER, versions.header());
    response
}

/// Answers only once everything that this seat does about the messages is on disk here, requests above all.
async fn receive(
    State((versions, handle)): State<(Versions, Handle)>,
    Path(version): Path<String>,
    Extension(from): Extension<From>,
    request: Request,
) -> Result<StatusCode, Error> {
    let version = version.strip_prefix('v').and_then(|number| number.parse().ok()).ok_or(Code::UnknownRoute)?;
    if !versions.has(version) {
        let reason = format!("they are posted in version {version}, and this seat speaks {versions}");
        return Err(Error::new(Code::UnsupportedVersion, reason));
    }
    body::require_json(request.headers())?;
    let _turn = from.turns.try_acquire().map_err(|_| Code::Busy)?;
    let messages = body::json(request, MAX_MESSAGES, BODY_TIMEOUT).await?;
    handle.received(from.seat, messages).await?;
    Ok(StatusCode::NO_CONTENT)
}
