mod certificates;
mod first_version;
mod fuzz;
mod versions;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ring_contracts::{Address, Bytes, Request, RequestId, SignedRequest};
use ring_core::Message;
use rustls::{
    ClientConfig, ServerConfig,
    client::{Resumption, danger::ServerCertVerifier},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    certificate, config,
    driver::{Command, Handle},
};

/// A certificate with its key.
#[derive(Clone)]
struct Credentials {
    certificate: CertificateDer<'static>,
    pem: String,
    key_pem: String,
}

impl Credentials {
    fn new() -> Self {
        let made = certificate::make(&["localhost".into()]).unwrap();
        Self {
            certificate: read_certificate(made.certificate.as_bytes()).unwrap(),
            pem: made.certificate,
            key_pem: made.private_key.to_string(),
        }
    }

    /// Good until the end of 1999.
    fn expired() -> Self {
        Self::with(|params| params.not_after = rcgen::date_time_ymd(1999, 12, 31))
    }

    fn with(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// A certificate for another key, signed by this one's (which `new` made), in its name.
    fn issue(&self) -> Self {
        let mut names = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        names.distinguished_name.push(rcgen::DnType::CommonName, "Ring Window seat at localhost");
        let issuer = rcgen::Issuer::new(names.clone(), rcgen::KeyPair::from_pem(&self.key_pem).unwrap());
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = names.signed_by(&key, &issuer).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    fn identity(&self) -> Identity {
        Identity::new(self.certificate.clone(), self.key_pem.as_bytes()).unwrap()
    }

    fn peer(&self, seat: usize, at: SocketAddr) -> Peer {
        Peer {
            seat,
            url: format!("https://localhost:{}", at.port()).parse().unwrap(),
            certificates: vec![self.certificate.clone()],
        }
    }
}

/// Somewhere to listen, whose address is known before anybody listens.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// Seat 0, with seats 1 and 2 for peers.
struct Seat0 {
    address: SocketAddr,
    own: Credentials,
    one: Credentials,
    two: Credentials,
    commands: mpsc::Receiver<Command>,
    shutdown: CancellationToken,
}

impl Seat0 {
    async fn start() -> Self {
        Self::start_with(Credentials::new(), Credentials::new(), Credentials::new()).await
    }

    async fn start_with(own: Credentials, one: Credentials, two: Credentials) -> Self {
        Self::start_speaking(own, one, two, Versions::SPOKEN).await
    }

    async fn start_speaking(own: Credentials, one: Credentials, two: Credentials, versions: Versions) -> Self {
        let (listener, address) = listener().await;
        let (handle, commands) = Handle::channel(16);
        let shutdown = CancellationToken::new();
        let config = config::Peers {
            listen: address,
            identity: own.identity(),
            seats: vec![one.peer(1, NOWHERE), two.peer(2, NOWHERE)],
        };
        let token = shutdown.clone();
        tokio::spawn(async move { serve(listener, &config, versions, handle, token).await.unwrap() });
        Self { address, own, one, two, commands, shutdown }
    }

    /// What seat `from` with these credentials talks with.
    fn talk_as(&self, credentials: &Credentials) -> (Peers, mpsc::Receiver<Command>) {
        self.talk_speaking(credentials, Versions::SPOKEN)
    }

    fn talk_speaking(&self, credentials: &Credentials, versions: Versions) -> (Peers, mpsc::Receiver<Command>) {
        let (handle, commands) = Handle::channel(16);
        let peer = self.own.peer(0, self.address);
        (Peers::start(&credentials.identity(), &[peer], versions, &handle, &self.shutdown).unwrap(), commands)
    }

    /// A connection with these credentials, or none, which does not care whom it talks to.
    async fn connect(&self, config: ClientConfig) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// What is answered to a message over such a connection; `None` if the connection is refused.
    async fn post(&self, config: ClientConfig, body: &str) -> Option<(u16, Value)> {
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        self.exchange(config, &(head + body)).await
    }

    async fn exchange(&self, config: ClientConfig, request: &str) -> Option<(u16, Value)> {
        // With TLS 1.3 a client learns that its certificate is refused only when it reads.
        let mut stream = self.connect(config).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let reading = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let ended = reading.await.expect("there is no answer");
        let answer = String::from_utf8(answer).unwrap();
        if answer.is_empty() {
            ended.unwrap_err();
            return None;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    async fn is_refused(&mut self, config: ClientConfig) {
        let body = serde_json::to_string(&[halted()]).unwrap();
        assert_eq!(self.post(config, &body).await, None);
        assert!(self.commands.try_recv().is_err(), "it reached the driver");
    }

    /// What seat 0 hears next, and the end that says when it is on disk.
    async fn heard(&mut self) -> (usize, Vec<Message>, oneshot::Sender<()>) {
        match self.commands.recv().await.unwrap() {
            Command::Received { from, messages, reply } => (from, messages, reply),
            other => panic!("{other:?}"),
        }
    }
}

/// Takes any server.
#[derive(Debug)]
struct AnyServer(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn any_server() -> Arc<AnyServer> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(Credentials::new().certificate).unwrap();
    let inner =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    Arc::new(AnyServer(inner))
}

fn tls_with(
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: Option<(&Credentials, &Credentials)>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(any_server());
    let mut config = match shown {
        Some((certificate, key)) => {
            let resolver = rustls::sign::SingleCertAndKey::from(mismatched(certificate, key));
            builder.with_client_cert_resolver(Arc::new(resolver))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

/// The certificate of one, the key of another.
fn mismatched(certificate: &Credentials, key: &Credentials) -> rustls::sign::CertifiedKey {
    let key = PrivateKeyDer::from_pem_slice(key.key_pem.as_bytes()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    rustls::sign::CertifiedKey::new(vec![certificate.certificate.clone()], key)
}

fn tls(shown: &Credentials) -> ClientConfig {
    tls_with(&[&rustls::version::TLS13], Some((shown, shown)))
}

fn halted() -> Message {
    Message::Halted { epoch: 3, halt: ring_core::Halt::Ordered { reason: "drill".into() } }
}

fn explain(nonce: u64) -> Message {
    Message::Explain { nonce }
}

fn requests(ids: impl IntoIterator<Item = u8>) -> Message {
    let request = |id| Request {
        id: RequestId::repeat_byte(id),
        ring: 1,
        target: Address::with_last_byte(9),
        value: 1,
        data: Bytes::new(),
        gas: 21_000,
        expiry: 2_000_000_000,
    };
    let signed = |id| SignedRequest { request: request(id), signature: [0x11; 65].into() };
    Message::Requests { requests: ids.into_iter().map(signed).collect() }
}

async fn until(peers: &Peers, to: usize, connected: bool) {
    let mut link = peers.link(to);
    let wanted = link.wait_for(|link| link.connected == connected && (connected || link.error.is_some()));
    timeout(Duration::from_secs(20), wanted).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_arrives_with_the_seat_of_its_senders_certificate() {
    let mut seat0 = Seat0::start().await;
    for (seat, credentials) in [(2, seat0.two.clone()), (1, seat0.one.clone())] {
        let (peers, _commands) = seat0.talk_as(&credentials);
        peers.send(0, halted());
        let (from, message, reply) = seat0.heard().await;
        assert_eq!((from, message), (seat, vec![halted()]));
        reply.send(()).unwrap();
    }
}

#[tokio::test]
async fn a_message_is_answered_only_once_it_is_on_disk() {
    let mut seat0 = Seat0::start().await;
    let one = seat0.one.clone();
    let (peers, mut commands) = seat0.talk_as(&one);
    peers.send(0, requests([1, 2]));
    let (_, message, on_disk) = seat0.heard().await;
    assert_eq!(message, [requests([1, 2])]);
    // It was heard, and nothing else can happen to it: what comes next, the answer, is still missing.
    assert!(timeout(Duration::from_millis(50), commands.recv()).await.is_err(), "delivered before it was on disk");
    on_disk.send(()).unwrap();
    let Command::Delivered { to, requests, .. } = commands.recv().await.unwrap() else { panic!() };
    assert_eq!((to, requests), (0, vec![RequestId::repeat_byte(1), RequestId::repeat_byte(2)]));
}

#[tokio::test]
async fn requests_that_never_got_to_disk_do_not_count_as_delivered() {
    let mut seat0 = Seat0::start().await;
    let one = seat0.one.clone();
    let (peers, mut commands) = seat0.talk_as(&one);
    peers.send(0, requests([1]));
    let (_, _, on_disk) = seat0.heard().await;
    // The driver stops instead.
    drop(on_disk);
    until(&peers, 0, false).await;
    assert!(commands.try_recv().is_err());
    assert_eq!(peers.connections()[0].error.as_deref(), Some("it answered 503 Service Unavailable"));
}

#[tokio::test]
async fn only_requests_are_reported_as_delivered() {
    let mut seat0 = Seat0::start().await;
    let one = seat0.one.clone();
    let (peers, mut commands) = seat0.talk_as(&one);
    peers.send(0, halted());
    let (_, _, on_disk) = seat0.heard().await;
    // What waits for an answer is said at once.
    peers.send(0, explain(1));
    peers.send(0, requests([7]));
    on_disk.send(()).unwrap();
    let (_, messages, on_disk) = seat0.heard().await;
    assert_eq!(messages, [explain(1), requests([7])]);
    on_disk.send(()).unwrap();
    let Command::Delivered { requests, .. } = commands.recv().await.unwrap() else { panic!() };
    assert_eq!(requests, [RequestId::repeat_byte(7)]);
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_goes_no_further() {
    let mut seat0 = Seat0::start().await;
    let message = serde_json::to_value(explain(7)).unwrap();
    let changed = |change: fn(&mut Value)| {
        let mut message = message.clone();
        change(&mut message);
        json!([message]).to_string()
    };
    for text in [
        String::new(),
        "hello".into(),
        json!([{ "type": "shout" }]).to_string(),
        message.to_string(),
        changed(|message| message["nonce"] = json!(7.0)),
        changed(|message| message["nonce"] = json!(-7)),
        changed(|message| message["nonce"] = json!("7")),
        changed(|message| message["seat"] = json!(2)),
        changed(|_| {}).replacen("\"nonce\":7", "\"nonce\":7,\"nonce\":8", 1),
        changed(|_| {}).replacen("\"nonce\":7", "\"nonce\":7,\"type\":\"halted\"", 1),
    ] {
        let (status, body) = seat0.post(tls(&seat0.one), &text).await.unwrap();
        assert_eq!((status, &body["code"]), (400, &json!("malformed")), "{text}");
    }
    let request = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (status, _) = seat0.exchange(tls(&seat0.one), request).await.unwrap();
    assert_eq!(status, 415);
    assert!(seat0.commands.try_recv().is_err());
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let mut seat0 = Seat0::start().await;
    let (status, body) = seat0.post(tls(&seat0.one), &" ".repeat(4 * 1024 * 1024 + 1)).await.unwrap();
    assert_eq!((status, &body["code"]), (413, &json!("too_large")));
    assert!(seat0.commands.try_recv().is_err());
}

#[tokio::test]
async fn one_peer_that_floods_does_not_keep_another_out() {
    let mut seat0 = Seat0::start().await;
    let body = serde_json::to_string(&[halted()]).unwrap();
    let mut unanswered = Vec::new();
    let mut floods = Vec::new();
    for _ in 0..2 {
        let (one, address, body) = (tls(&seat0.one), seat0.address, body.clone());
        floods.push(tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let connector = TlsConnector::from(Arc::new(one));
            let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
            let head = format!(
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
            stream
        }));
        unanswered.push(seat0.heard().await);
    }
    let (status, answer) = seat0.post(tls(&seat0.one), &body).await.unwrap();
    assert_eq!((status, &answer["code"]), (503, &json!("busy")));
    let two = seat0.two.clone();
    let (peers, _commands) = seat0.talk_as(&two);
    peers.send(0, explain(1));
    assert_eq!(seat0.heard().await.0, 2);
}

// Sending

#[tokio::test]
async fn sending_never_waits_and_a_full_queue_keeps_the_newest() {
    // Somebody listens there and never answers.
    let (_silent, address) = listener().await;
    let one = Credentials::new();
    let (handle, _commands) = Handle::channel(1);
    let shutdown = CancellationToken::new();
    let peers =
        Peers::start(&Credentials::new().identity(), &[one.peer(1, address)], Versions::SPOKEN, &handle, &shutdown)
            .unwrap();
    // `send` is no async function: this loop cannot wait for anything.
    for nonce in 0..1_000 {
        peers.send(1, explain(nonce));
    }
    let connection = peers.connections().remove(0);
    assert_eq!((connection.queued, connection.dropped), (256, 744));
    assert!(!connection.connected);
}

#[tokio::test]
async fn a_slow_peer_does_not_hold_up_another() {
    let (_silent, silent) = listener().await;
    let mut seat0 = Seat0::start().await;
    let (handle, _commands) = Handle::channel(16);
    let peers = [Credentials::new().peer(2, silent), seat0.own.peer(0, seat0.address)];
    let peers = Peers::start(&seat0.one.identity(), &peers, Versions::SPOKEN, &handle, &seat0.shutdown).unwrap();
    peers.send(2, halted());
    peers.send(0, halted());
    let (from, ..) = seat0.heard().await;
    assert_eq!(from, 1);
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let (own, one) = (Credentials::new(), Credentials::new());
    let first = Seat0::start_with(own.clone(), one.clone(), Credentials::new()).await;
    let (handle, _commands) = Handle::channel(16);
    let shutdown = CancellationToken::new();
    let peers =
        Peers::start(&one.identity(), &[own.peer(0, first.address)], Versions::SPOKEN, &handle, &shutdown).unwrap();
    until(&peers, 0, true).await;

    let address = first.address;
    first.shutdown.cancel();
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    // Nobody accepts yet.
    drop(listener);
    peers.send(0, halted());
    until(&peers, 0, false).await;

    let listener = TcpListener::bind(address).await.unwrap();
    let (seat0, mut commands) = Handle::channel(16);
    let config = config::Peers { listen: address, identity: own.identity(), seats: vec![one.peer(1, NOWHERE)] };
    let token = shutdown.clone();
    tokio::spawn(async move { serve(listener, &config, Versions::SPOKEN, seat0, token).await });
    until(&peers, 0, true).await;
    peers.send(0, explain(9));
    let Command::Received { from, messages, .. } = commands.recv().await.unwrap() else { panic!() };
    assert_eq!((from, &messages[..]), (1, &[explain(9)][..]));
}

#[tokio::test]
async fn a_message_that_a_peer_refuses_is_not_held_against_the_connection() {
    let seat0 = Seat0::start().await;
    let one = seat0.one.clone();
    let (peers, _commands) = seat0.talk_as(&one);
    until(&peers, 0, true).await;
    let reason = "x".repeat(4 * 1024 * 1024);
    peers.send(0, Message::Halted { epoch: 1, halt: ring_core::Halt::Ordered { reason } });
    let mut link = peers.link(0);
    let refused = link.wait_for(|link| link.error.is_some()).await.unwrap().clone();
    assert!(refused.connected, "{refused:?}");
    assert_eq!(refused.error.as_deref(), Some("it answered 413 Payload Too Large"));
}

#[tokio::test]
async fn a_message_to_no_peer_is_dropped() {
    Peers::none().send(3, halted());
    assert_eq!(Peers::none().connections(), []);
}
