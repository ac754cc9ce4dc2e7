//! Whom a seat believes to be another: by its certificate, and by nothing else.

use super::*;

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
    // Of two the later one counts: `date -u -d 2101-01-01 +%s` and `date -u -d 2103-01-01 +%s`.
    assert!(told(4_133_980_800).await.is_empty());
    let second = told(4_197_052_800).await;
    assert!(second.len() == 1 && second[0].contains("seat 1 has ended"), "{second:?}");
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_told_of_when_the_seat_starts_and_a_driver_that_ends_ends_the_watch() {
    let config = config::Peers { listen: NOWHERE, identity: Credentials::expired().identity(), seats: Vec::new() };
    let (handle, mut commands) = Handle::channel(16);
    let metrics = crate::metrics::Metrics::default();
    let seat = metrics.seat(&crate::metrics::tests::settings(1), 0, Peers::none());
    let watching = tokio::spawn(ExpiryWatch::new(&config, handle.clone(), seat.clone()).run());
    let told = commands.recv().await.unwrap();
    assert!(matches!(&told, Command::Alarm { reason } if reason.contains("this seat (peers.certificate) has ended")));
    watching.abort();
    drop(commands);
    ExpiryWatch::new(&config, handle, seat).run().await;
}

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
