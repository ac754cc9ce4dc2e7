//! Seats of different releases.

use super::*;

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
