mod first_version;
mod fuzz;

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

// Who may talk

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
async fn whoever_shows_no_certificate_is_refused() {
    let mut seat0 = Seat0::start().await;
    seat0.is_refused(tls_with(&[&rustls::version::TLS13], None)).await;
}

#[tokio::test]
async fn whoever_shows_an_unknown_certificate_is_refused() {
    let mut seat0 = Seat0::start().await;
    seat0.is_refused(tls(&Credentials::new())).await;
}

#[tokio::test]
async fn a_certificate_that_a_pinned_key_signed_is_not_the_pinned_one() {
    let mut seat0 = Seat0::start().await;
    let issued = seat0.one.issue();
    seat0.is_refused(tls(&issued)).await;
}

#[tokio::test]
async fn whoever_shows_a_seats_certificate_without_its_key_is_refused() {
    let mut seat0 = Seat0::start().await;
    let (one, thief) = (seat0.one.clone(), Credentials::new());
    seat0.is_refused(tls_with(&[&rustls::version::TLS13], Some((&one, &thief)))).await;
}

#[tokio::test]
async fn this_seats_own_certificate_is_no_peers() {
    let mut seat0 = Seat0::start().await;
    let own = seat0.own.clone();
    seat0.is_refused(tls(&own)).await;
}

#[tokio::test]
async fn a_pinned_certificate_that_expired_is_refused() {
    let mut seat0 = Seat0::start_with(Credentials::new(), Credentials::expired(), Credentials::new()).await;
    let expired = seat0.one.clone();
    seat0.is_refused(tls(&expired)).await;
}

#[tokio::test]
async fn tls_before_1_3_is_refused() {
    let mut seat0 = Seat0::start().await;
    let one = seat0.one.clone();
    seat0.is_refused(tls_with(&[&rustls::version::TLS12], Some((&one, &one)))).await;
}

#[tokio::test]
async fn plain_http_is_refused() {
    let mut seat0 = Seat0::start().await;
    let mut stream = TcpStream::connect(seat0.address).await.unwrap();
    stream.write_all(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    assert!(seat0.commands.try_recv().is_err());
}

// Whom to talk to

/// A server at which seat 1 should be, which takes every client and says yes to everything.
async fn impostor(certificate: &Credentials, key: &Credentials) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let resolver = rustls::sign::SingleCertAndKey::from(mismatched(certificate, key));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listener().await;
    let (heard, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut bytes = vec![0; 4096];
            let length = stream.read(&mut bytes).await.unwrap_or(0);
            if length > 0 {
                let _ = heard.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        }
    });
    (address, hears)
}

/// Whether seat 0 refuses to say anything to what is at the address, while it expects `expected` there.
async fn says_nothing_to(expected: &Credentials, address: SocketAddr, mut hears: mpsc::UnboundedReceiver<String>) {
    let (handle, mut commands) = Handle::channel(16);
    let shutdown = CancellationToken::new();
    let peers = Peers::start(
        &Credentials::new().identity(),
        &[expected.peer(1, address)],
        Versions::SPOKEN,
        &handle,
        &shutdown,
    )
    .unwrap();
    peers.send(1, requests([1]));
    until(&peers, 1, false).await;
    assert!(hears.try_recv().is_err(), "it heard something");
    assert!(commands.try_recv().is_err(), "it counts as delivered");
    let error = peers.connections()[0].error.clone().unwrap();
    assert!(error.contains("certificate") || error.contains("signature"), "{error}");
}

#[tokio::test]
async fn a_server_with_the_pinned_certificate_is_talked_to_whatever_its_name() {
    let one = Credentials::with(|params| params.subject_alt_names.clear());
    let (address, mut hears) = impostor(&one, &one).await;
    let (handle, _commands) = Handle::channel(16);
    let shutdown = CancellationToken::new();
    let peers =
        Peers::start(&Credentials::new().identity(), &[one.peer(1, address)], Versions::SPOKEN, &handle, &shutdown)
            .unwrap();
    until(&peers, 1, true).await;
    assert!(hears.recv().await.unwrap().starts_with("GET /v1/presence"));
}

#[tokio::test]
async fn nothing_is_said_to_a_server_with_an_unknown_certificate() {
    let thief = Credentials::new();
    let (address, hears) = impostor(&thief, &thief).await;
    says_nothing_to(&Credentials::new(), address, hears).await;
}

#[tokio::test]
async fn nothing_is_said_to_a_server_with_a_certificate_that_the_pinned_key_signed() {
    let one = Credentials::new();
    let issued = one.issue();
    let (address, hears) = impostor(&issued, &issued).await;
    says_nothing_to(&one, address, hears).await;
}

#[tokio::test]
async fn nothing_is_said_to_a_server_without_the_key_of_its_certificate() {
    let one = Credentials::new();
    let (address, hears) = impostor(&one, &Credentials::new()).await;
    says_nothing_to(&one, address, hears).await;
}

#[tokio::test]
async fn nothing_is_said_to_a_server_whose_certificate_expired() {
    let expired = Credentials::expired();
    let (address, hears) = impostor(&expired, &expired).await;
    says_nothing_to(&expired, address, hears).await;
}

#[tokio::test]
async fn a_seat_that_answers_at_another_seats_address_is_not_taken_for_it() {
    let seat0 = Seat0::start().await;
    let (handle, _commands) = Handle::channel(16);
    // Seat 1 expects seat 2 at the address of seat 0.
    let peer = seat0.two.peer(2, seat0.address);
    let peers = Peers::start(&seat0.one.identity(), &[peer], Versions::SPOKEN, &handle, &seat0.shutdown).unwrap();
    until(&peers, 2, false).await;
}

// What an answer means

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

// A change of certificates

/// A peer with both certificates, as it is listed while it changes.
fn changing_from(old: &Credentials, new: &Credentials, seat: usize, at: SocketAddr) -> Peer {
    Peer { certificates: vec![old.certificate.clone(), new.certificate.clone()], ..old.peer(seat, at) }
}

/// Seat 0 with this certificate, where seat 1 is expected; what it hears; and the end of it.
fn listening(
    listener: TcpListener,
    own: &Credentials,
    one: Peer,
) -> (mpsc::Receiver<Command>, CancellationToken, tokio::task::JoinHandle<()>) {
    let (handle, commands) = Handle::channel(16);
    let listen = listener.local_addr().unwrap();
    let config = config::Peers { listen, identity: own.identity(), seats: vec![one] };
    let stop = CancellationToken::new();
    let token = stop.clone();
    let serving = tokio::spawn(async move { serve(listener, &config, Versions::SPOKEN, handle, token).await.unwrap() });
    (commands, stop, serving)
}

#[tokio::test]
async fn a_seat_changes_its_certificate_while_the_others_know_both() {
    let (own, old, new) = (Credentials::new(), Credentials::new(), Credentials::new());
    let (listener, address) = listener().await;
    let (mut heard, stop, serving) = listening(listener, &own, changing_from(&old, &new, 1, NOWHERE));
    // As a client: with the old one, and after its reload with the new one, it is the same seat.
    for shown in [&old, &new] {
        let (handle, _commands) = Handle::channel(16);
        let running = CancellationToken::new();
        let peers =
            Peers::start(&shown.identity(), &[own.peer(0, address)], Versions::SPOKEN, &handle, &running).unwrap();
        peers.send(0, explain(4));
        let Some(Command::Received { from, reply, .. }) = heard.recv().await else { panic!() };
        assert_eq!(from, 1);
        reply.send(()).unwrap();
        running.cancel();
    }
    stop.cancel();
    serving.await.unwrap();

    // As a server: who knows both goes on talking to it when it comes back with the new one.
    let (listener, address) = self::listener().await;
    let (handle, _commands) = Handle::channel(16);
    let running = CancellationToken::new();
    let (mut heard, stop, serving) = listening(listener, &old, own.peer(0, NOWHERE));
    let peers = [changing_from(&old, &new, 1, address)];
    let peers = Peers::start(&own.identity(), &peers, Versions::SPOKEN, &handle, &running).unwrap();
    peers.send(1, explain(1));
    assert!(matches!(heard.recv().await, Some(Command::Received { from: 0, .. })));
    stop.cancel();
    serving.await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let (mut heard, _stop, _serving) = listening(listener, &new, own.peer(0, NOWHERE));
    peers.send(1, explain(2));
    let Some(Command::Received { messages, .. }) = heard.recv().await else { panic!() };
    assert_eq!(messages, [explain(2)]);
}

#[tokio::test]
async fn people_hear_in_time_of_a_certificate_that_ends_and_once() {
    let ends = |year| Credentials::with(|params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
    let (own, old, new, other) = (ends(2_100), ends(2_101), ends(2_103), Credentials::new());
    let seats = vec![changing_from(&old, &new, 1, NOWHERE), other.peer(2, NOWHERE)];
    let config = config::Peers { listen: NOWHERE, identity: own.identity(), seats };
    let (handle, mut commands) = Handle::channel(16);
    let metrics = crate::metrics::Metrics::default();
    let mut watch =
        ExpiryWatch::new(&config, handle, metrics.seat(&crate::metrics::tests::settings(1), 0, Peers::none()));
    let mut told = async |now| {
        watch.look(now).await.unwrap();
        let reasons = std::iter::from_fn(|| commands.try_recv().ok());
        reasons.map(|told| if let Command::Alarm { reason } = told { reason } else { panic!() }).collect::<Vec<_>>()
    };
    // From `date -u -d 2100-01-01 +%s`.
    let end = 4_102_444_800;
    assert!(told(end - 31 * 86_400).await.is_empty());
    let first = told(end - 29 * 86_400 - 5).await;
    assert!(first.len() == 1 && first[0].contains("this seat (peers.certificate) ends in 29 days"), "{first:?}");
    assert!(told(end).await.is_empty());
    // Of two the later one counts: `date -u -d 2103-01-01 +%s`.
    let second = told(4_197_052_800).await;
    assert!(second.len() == 1 && second[0].contains("seat 1 has ended"), "{second:?}");
}

// Versions

/// A seat 0 that speaks these versions.
async fn speaking(versions: Versions) -> Seat0 {
    Seat0::start_speaking(Credentials::new(), Credentials::new(), Credentials::new(), versions).await
}

#[tokio::test]
async fn seats_of_different_releases_talk_in_the_newest_version_that_both_speak() {
    for (mine, theirs, shared) in [((1, 1), (1, 2), 1), ((1, 3), (1, 2), 2), ((2, 3), (1, 2), 2), ((1, 1), (1, 1), 1)] {
        let mut seat0 = speaking(Versions::new(theirs.0, theirs.1)).await;
        let one = seat0.one.clone();
        let (peers, _commands) = seat0.talk_speaking(&one, Versions::new(mine.0, mine.1));
        until(&peers, 0, true).await;
        assert_eq!(peers.connections()[0].version, Some(shared), "{mine:?} to {theirs:?}");
        // Both ways: what is said is understood.
        peers.send(0, explain(7));
        let (from, messages, on_disk) = seat0.heard().await;
        assert_eq!((from, &messages[..]), (1, &[explain(7)][..]));
        on_disk.send(()).unwrap();
    }
}

#[tokio::test]
async fn a_peer_with_which_no_version_is_shared_is_told_nothing_and_people_which_seat_to_upgrade() {
    for (mine, theirs, older) in [((1, 1), (2, 3), "this seat"), ((3, 4), (1, 2), "seat 0")] {
        let mut seat0 = speaking(Versions::new(theirs.0, theirs.1)).await;
        let one = seat0.one.clone();
        let (peers, mut commands) = seat0.talk_speaking(&one, Versions::new(mine.0, mine.1));
        peers.send(0, requests([1]));
        until(&peers, 0, false).await;
        let Command::Alarm { reason } = commands.recv().await.unwrap() else { panic!() };
        assert!(reason.contains(&format!("upgrade {older};")), "{reason}");
        let connection = peers.connections().remove(0);
        assert!(connection.incompatible && !connection.connected && connection.version.is_none(), "{connection:?}");
        assert!(reason.starts_with(&connection.error.unwrap()), "{reason}");
        // What waits goes on waiting, however often it is asked; and people hear of it once.
        let mut link = peers.link(0);
        link.mark_unchanged();
        assert!(timeout(Duration::from_secs(1), link.changed()).await.is_err());
        assert_eq!(peers.connections()[0].queued, 1);
        assert!(seat0.commands.try_recv().is_err() && commands.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_sender_of_another_version_is_refused_in_words() {
    let mut seat0 = speaking(Versions::new(2, 3)).await;
    let body = serde_json::to_string(&[explain(1)]).unwrap();
    // One that says nothing speaks version 1 alone.
    let (status, answer) = seat0.post(tls(&seat0.one), &body).await.unwrap();
    assert_eq!((status, &answer["code"]), (501, &json!("unsupported_version")));
    assert!(answer["detail"].as_str().unwrap().ends_with("upgrade the sender"), "{answer}");
    assert!(seat0.commands.try_recv().is_err());
    let mut commands = std::mem::replace(&mut seat0.commands, mpsc::channel(1).1);
    tokio::spawn(async move {
        while let Some(Command::Received { reply, .. }) = commands.recv().await {
            reply.send(()).unwrap();
        }
    });
    let cases = [("v2", "1-2", 204), ("v1", "1-2", 501), ("v4", "1-4", 501), ("v2", "x", 501), ("2", "1-2", 404)];
    for (version, header, status) in cases {
        let request = format!(
            "POST /{version}/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nring-versions: {header}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (found, answer) = seat0.exchange(tls(&seat0.one), &request).await.unwrap();
        assert_eq!(found, status, "{version} from {header}: {answer}");
    }
}

/// A server at which seat 1 is: another program after each answer, with these versions in their turn. It says to which path each
/// thing was posted, and does not know those of other versions.
async fn changing(seat: &Credentials, versions: Vec<Versions>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let resolver = rustls::sign::SingleCertAndKey::from(mismatched(seat, seat));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listener().await;
    let (heard, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for now in versions {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let (mut request, mut bytes) = (String::new(), [0; 4096]);
            while !request.contains("\r\n\r\n") || (request.starts_with("POST") && !request.ends_with(']')) {
                let length = stream.read(&mut bytes).await.unwrap();
                request += std::str::from_utf8(&bytes[..length]).unwrap();
            }
            let path = request.split(' ').nth(1).unwrap().to_owned();
            let version = path.split('/').nth(1).unwrap().strip_prefix('v').unwrap().parse().unwrap();
            let is_known = path == PRESENCE || now.has(version);
            let status = if is_known { "204 No Content" } else { "501 Not Implemented" };
            let versions = now.header();
            let head = format!(
                "HTTP/1.1 {status}\r\nring-versions: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                versions.to_str().unwrap()
            );
            // A length is not for 204.
            let head = if is_known { head.replace("content-length: 0\r\n", "") } else { head };
            stream.write_all(head.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
            let _ = heard.send(path);
        }
    });
    (address, hears)
}

#[tokio::test]
async fn what_a_peer_does_not_understand_any_more_is_said_again_in_the_version_that_it_speaks_now() {
    let one = Credentials::new();
    // Put back to an older program after the first answer.
    let (new, old) = (Versions::new(1, 3), Versions::new(1, 2));
    let (address, mut hears) = changing(&one, vec![new, old, old]).await;
    let (handle, mut commands) = Handle::channel(16);
    let shutdown = CancellationToken::new();
    let peers = [one.peer(1, address)];
    let peers = Peers::start(&Credentials::new().identity(), &peers, Versions::new(1, 3), &handle, &shutdown).unwrap();
    assert_eq!(hears.recv().await.unwrap(), PRESENCE);
    until(&peers, 1, true).await;
    peers.send(1, requests([1]));
    assert_eq!([hears.recv().await.unwrap(), hears.recv().await.unwrap()], ["/v3/messages", "/v2/messages"]);
    let Command::Delivered { to, requests, .. } = commands.recv().await.unwrap() else { panic!() };
    assert_eq!((to, &requests[..]), (1, &[RequestId::repeat_byte(1)][..]));
}

#[tokio::test]
async fn what_a_version_has_no_words_for_is_not_said_in_it_and_counted() {
    // All messages of today are younger than this.
    let before = Versions::new(0, 0);
    let seat0 = speaking(before).await;
    let one = seat0.one.clone();
    let (peers, mut commands) = seat0.talk_speaking(&one, Versions::new(0, 1));
    until(&peers, 0, true).await;
    peers.send(0, requests([1]));
    timeout(Duration::from_secs(20), async {
        while peers.connections()[0].dropped == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(commands.try_recv().is_err(), "it counts as delivered");
    assert!(peers.connections()[0].connected);
}

// What can be pinned

#[test]
fn only_a_self_signed_certificate_of_no_authority_can_be_pinned() {
    let good = Credentials::new();
    assert_eq!(read_certificate(good.pem.as_bytes()).unwrap(), good.certificate);

    let authority = Credentials::with(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    for unusable in [authority, good.issue()] {
        assert!(matches!(read_certificate(unusable.pem.as_bytes()), Err(TlsError::Unusable(_))));
    }
    let expired = Credentials::expired().pem;
    assert!(matches!(read_certificate(expired.as_bytes()), Err(TlsError::Expired { .. })));
    for none in [String::new(), "hello".into(), good.pem.clone() + &good.pem, good.key_pem.clone()] {
        assert!(matches!(read_certificate(none.as_bytes()), Err(TlsError::NotOneCertificate)), "{none}");
    }
}

#[test]
fn an_identity_needs_the_key_of_its_certificate_and_shows_none_of_it() {
    let (one, two) = (Credentials::new(), Credentials::new());
    let identity = |key: &str| Identity::new(one.certificate.clone(), key.as_bytes());
    assert!(matches!(identity(&two.key_pem), Err(TlsError::Key(_))));
    assert!(matches!(identity("hello"), Err(TlsError::NoKey)));
    assert_eq!(format!("{:?}", one.identity()), "Identity { .. }");
}
