//! What takes spans as a collector does, from whoever has its key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message as _;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};

pub(crate) struct Collecting {
    endpoint: String,
    taken: mpsc::UnboundedReceiver<ExportTraceServiceRequest>,
    serving: JoinHandle<()>,
}

struct Taking {
    taken: mpsc::UnboundedSender<ExportTraceServiceRequest>,
    failures: AtomicUsize,
}

impl Collecting {
    /// What has to be in the file of headers.
    pub(crate) const HEADERS: &str = "Authorization: Bearer ours\n";

    /// One that refuses this often first.
    pub(crate) async fn start(failures: usize) -> Self {
        let (sender, taken) = mpsc::unbounded_channel();
        let state = Arc::new(Taking { taken: sender, failures: failures.into() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take)).with_state(state);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, taken, serving }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What was sent next; nothing if that was refused.
    pub(crate) async fn next(&mut self) -> ExportTraceServiceRequest {
        timeout(Duration::from_secs(60), self.taken.recv()).await.expect("spans are sent").unwrap()
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(taking): State<Arc<Taking>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers["authorization"] != "Bearer ours" || headers["content-type"] != "application/x-protobuf" {
        return StatusCode::UNAUTHORIZED;
    }
    let is_refused = taking.failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
    let (taken, status) = match is_refused {
        true => (ExportTraceServiceRequest::default(), StatusCode::BAD_REQUEST),
        false => (ExportTraceServiceRequest::decode(body).unwrap(), StatusCode::OK),
    };
    taking.taken.send(taken).unwrap();
    status
}

pub(crate) fn spans(request: &ExportTraceServiceRequest) -> Vec<&Span> {
    request.resource_spans.iter().flat_map(|part| &part.scope_spans).flat_map(|part| &part.spans).collect()
}
