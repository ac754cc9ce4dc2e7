//! Connections: how many, how slow, and how they end.

mod places;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    http::Response,
};
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use places::{Place, Places};

/// How long requests under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// The most bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections there may be at a time. For one more, the one that has been idle for longest is cut.
    pub connections: usize,
    /// How long a connection may take to be opened (TLS).
    pub handshake: Duration,
    /// How long a connection may be silent between requests, and how long the head of one may take.
    pub idle: Duration,
}

/// Serves HTTP/1.1 until told to stop. `open` turns a new connection into a stream and what answers on it; while it is at
/// work, the next connections are accepted.
pub(crate) async fn serve<Open, Opening, Stream>(
    listener: TcpListener,
    limits: Limits,
    open: Open,
    shutdown: CancellationToken,
) where
    Open: Fn(TcpStream) -> Opening,
    Opening: Future<Output = io::Result<(Stream, Router)>> + Send + 'static,
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Places::new(limits.connections);
    let tasks = TaskTracker::new();
    let accepting = async {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most likely no file descriptor is free: one will be when a connection ends.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let Some(place) = places.take().await else { return };
            // Without it answers may be late, not wrong.
            let _ = stream.set_nodelay(true);
            let opening = open(stream);
            let shutdown = shutdown.clone();
            tasks.spawn(async move {
                let cut = place.cut();
                let connection = async {
                    match timeout(limits.handshake, opening).await {
                        Ok(Ok((stream, router))) => talk(stream, router, limits, place, shutdown).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a connection was refused"),
                        Err(_) => tracing::debug!("a connection took too long to open"),
                    }
                };
                if cut.run_until_cancelled(connection).await.is_none() {
                    tracing::debug!("an idle connection was cut: its place was needed");
                }
            });
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    tasks.close();
    if timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections were cut: their requests took too long to end");
    }
}

async fn talk<Stream>(stream: Stream, router: Router, limits: Limits, place: Place, shutdown: CancellationToken)
where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = Arc::new(place);
    place.open();
    let service = TowerToHyperService::new(router);
    let watched = service_fn(move |request| {
        place.answering();
        let (place, answer) = (place.clone(), service.call(request));
        async move {
            let answer = answer.await;
            // A body whose length is not known yet, such as that of events, is still being told.
            let told = |response: &Response<Body>| response.body().size_hint().exact().is_some();
            if answer.as_ref().is_ok_and(told) {
                place.answered();
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), watched);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Cut in the end, or one that never reads would outlive the server.
            match timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
