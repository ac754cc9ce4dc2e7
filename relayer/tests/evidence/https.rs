//! A question to a real server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use alloy::primitives::U256;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode},
};
use futures::future::join_all;
use ring_contracts::SignedRequest;
use ring_core::Evidence;
use ring_relayer::evidence::{ConditionSettings, Https, HttpsSettings, Literal, Method, Pace, Sources};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::requests::{DOMAIN, requester, token_transfer};

/// Answers what it is told to, and keeps what it was asked.
#[derive(Default)]
struct Provider {
    asked: AtomicUsize,
    last: Mutex<String>,
    answer: Mutex<Answer>,
}

#[derive(Clone, Default)]
struct Answer {
    status: u16,
    header: Option<(&'static str, String)>,
    body: String,
}

struct Server {
    provider: Arc<Provider>,
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let provider = Arc::new(Provider::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(answer).with_state(provider.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { provider, port, task }
    }

    fn answers(&self, status: u16, body: impl Into<String>) {
        *self.provider.answer.lock().unwrap() = Answer { status, header: None, body: body.into() };
    }

    fn answers_with(&self, status: u16, header: (&'static str, String)) {
        *self.provider.answer.lock().unwrap() = Answer { status, header: Some(header), body: String::new() };
    }

    fn asked(&self) -> usize {
        self.provider.asked.load(SeqCst)
    }

    fn settings(&self) -> HttpsSettings {
        let condition = |pointer: &str, equals: &str| ConditionSettings {
            pointer: pointer.into(),
            equals: Literal::Text(equals.into()),
            otherwise: None,
        };
        HttpsSettings {
            name: "provider".into(),
            url: format!("http://127.0.0.1:{}/v1/payments/{{id}}?of={{requester}}", self.port),
            method: Method::Get,
            body: None,
            headers: Some("Authorization: Bearer geheim\n".to_owned().into()),
            authorities: None,
            expect: vec![condition("/status", "succeeded"), condition("/amount", "{amount:4}")],
            refute: vec![condition("/status", "failed")],
            not_yet_status: vec![404],
            pace: Pace { parallel: 2, timeout: Duration::from_secs(20) },
        }
    }

    fn source(&self) -> Sources {
        sources(self.settings())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(provider): State<Arc<Provider>>, request: Request) -> Response<Body> {
    provider.asked.fetch_add(1, SeqCst);
    let key = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let head = format!("{} {} {}", request.method(), request.uri(), key.unwrap_or_default());
    let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap();
    *provider.last.lock().unwrap() = format!("{head} {}", String::from_utf8_lossy(&body)).trim_end().to_owned();
    let answer = provider.answer.lock().unwrap().clone();
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    if let Some((name, value)) = answer.header {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn sources(settings: HttpsSettings) -> Sources {
    Sources::new(DOMAIN, vec![Box::new(Https::new(settings).unwrap())])
}

fn order() -> SignedRequest {
    token_transfer(1, U256::from(10_500_000))
}

const PAID: &str = r#"{"status": "succeeded", "amount": 1050}"#;

#[tokio::test]
async fn the_provider_says_what_is_genuine() {
    let server = Server::start().await;
    let source = server.source();
    server.answers(200, PAID);
    assert_eq!(source.ask(&order()).await, Evidence::Genuine);
    let path = "/v1/payments/01010101-0101-0101-0101-010101010101";
    let expected = format!("GET {path}?of={:#x} Bearer geheim", requester().address());
    assert_eq!(*server.provider.last.lock().unwrap(), expected);
    server.answers(200, r#"{"status": "processing", "amount": 1050}"#);
    assert_eq!(source.ask(&order()).await, Evidence::NotYet);
    server.answers(200, r#"{"status": "succeeded", "amount": 1049.9999999999999999999}"#);
    let reason = "provider: /amount is 1049.9999999999999999999, not 1050".to_owned();
    assert_eq!(source.ask(&order()).await, Evidence::Refuted { reason });
    server.answers(200, r#"{"status": "failed", "amount": 1050}"#);
    assert_eq!(source.ask(&order()).await, Evidence::Refuted { reason: "provider: /status says so".into() });
}

#[tokio::test]
async fn a_post_sends_its_json() {
    let server = Server::start().await;
    let body = Some(r#"{"order": "{id_hex}", "amount": "{amount}"}"#.into());
    let url = format!("http://127.0.0.1:{}/find", server.port);
    let source = sources(HttpsSettings { method: Method::Post, url, body, ..server.settings() });
    server.answers(200, PAID);
    assert_eq!(source.ask(&order()).await, Evidence::Genuine);
    let asked = server.provider.last.lock().unwrap().clone();
    let expected = r#"POST /find Bearer geheim {"amount":"10500000","order":"0x01010101010101010101010101010101"}"#;
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn no_status_but_200_confirms_and_none_refutes() {
    let server = Server::start().await;
    for status in [201, 202, 204, 206, 400, 401, 403, 404, 408, 409, 410, 422, 429, 500, 502, 503, 504] {
        server.answers(status, if status == 204 { "" } else { PAID });
        assert_eq!(server.source().ask(&order()).await, Evidence::NotYet, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, other) = (Server::start().await, Server::start().await);
    other.answers(200, PAID);
    for status in [301, 302, 303, 307, 308] {
        server.answers_with(status, ("location", format!("http://127.0.0.1:{}/", other.port)));
        assert_eq!(server.source().ask(&order()).await, Evidence::NotYet, "{status}");
    }
    assert_eq!(other.asked(), 0);
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_no_json_says_nothing() {
    let server = Server::start().await;
    let padded = |spaces| format!("{}{PAID}", " ".repeat(spaces));
    server.answers(200, padded(200_000));
    assert_eq!(server.source().ask(&order()).await, Evidence::Genuine);
    for body in [padded(300_000), format!("{PAID},"), format!("{PAID}{PAID}"), String::new(), "\u{feff}{}".into()] {
        server.answers(200, body);
        assert_eq!(server.source().ask(&order()).await, Evidence::NotYet);
    }
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is() {
    let server = Server::start().await;
    let source = server.source();
    server.answers_with(429, ("retry-after", "3000".into()));
    assert_eq!(source.ask(&order()).await, Evidence::NotYet);
    assert_eq!(server.asked(), 1);
    let request = order();
    let answers = join_all((0..100).map(|_| source.ask(&request))).await;
    assert!(answers.iter().all(|answer| *answer == Evidence::NotYet));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_provider_that_is_silent_is_given_up() {
    // Takes connections, as far as the system does that by itself, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start().await;
    let url = format!("http://{}/{{id}}", listener.local_addr().unwrap());
    let pace = Pace { parallel: 2, timeout: Duration::from_millis(200) };
    assert_eq!(sources(HttpsSettings { url, pace, ..server.settings() }).ask(&order()).await, Evidence::NotYet);
}

#[tokio::test]
async fn a_provider_without_the_right_certificate_is_not_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start().await;
    server.answers(200, PAID);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().self_signed(&key).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/{{id}}", listener.local_addr().unwrap());
    let inside = server.port;
    let proxy = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut outside) = acceptor.accept(socket).await {
                let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", inside)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            }
        }
    });
    let settings = |authorities| HttpsSettings { url: url.clone(), authorities, ..server.settings() };
    assert_eq!(sources(settings(None)).ask(&order()).await, Evidence::NotYet);
    assert_eq!(server.asked(), 0);
    let believed = Some(certificate.pem().into_bytes());
    assert_eq!(sources(settings(believed)).ask(&order()).await, Evidence::Genuine);
    proxy.abort();
}
