//! One seat under a flood of junk, on both of its ports: it keeps its turn, and its memory stays what it was.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngCore, rngs::OsRng};
use ring_anvil::{Seat, demo::RING};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::world::{PATIENCE, World};

/// The seat that is flooded.
const FLOODED: usize = 0;
/// The seat whose certificate the junk between seats is sent with.
const LIAR: usize = 1;
/// What its process may have resident, in bytes: in a debug build it has some 50 MB while nobody floods it.
const MOST_RESIDENT: u64 = 400_000_000;
/// How many connections to each port are held and left alone.
const HELD: usize = 2_000;

/// How much junk was sent, by its kind.
#[derive(Debug, Default)]
struct Sent {
    signatures: AtomicU64,
    oversized: AtomicU64,
    trickled: AtomicU64,
    held: AtomicU64,
    garbage: AtomicU64,
    from_a_peer: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Posts what nobody signed.
async fn bad_signatures(url: String, mut body: serde_json::Value, sent: Arc<Sent>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        let mut signature = [27; 65];
        OsRng.fill_bytes(&mut signature[..64]);
        body["signature"] = json!(alloy::hex::encode_prefixed(signature));
        let _ = client.post(format!("{url}/v1/requests")).json(&body).send().await;
        count(&sent.signatures);
    }
}

async fn oversized(url: String, sent: Arc<Sent>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = vec![b'['; 8 * 1024 * 1024];
    loop {
        for path in ["/v1/requests", "/v1/requests/batch"] {
            let post = client.post(format!("{url}{path}")).header("content-type", "application/json");
            let _ = post.body(body.clone()).send().await;
            count(&sent.oversized);
        }
    }
}

/// Begins a body, and never gets to its end.
async fn trickle(address: SocketAddr, sent: Arc<Sent>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let head = "POST /v1/requests HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
            let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
            count(&sent.trickled);
            while alive {
                sleep(Duration::from_millis(250)).await;
                alive = stream.write_all(b"[").await.is_ok();
            }
        } else {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Opens connections and says nothing on them; opens others where they are cut.
async fn hold(address: SocketAddr, sent: Arc<Sent>) {
    let mut byte = [0];
    loop {
        match timeout(Duration::from_secs(5), TcpStream::connect(address)).await {
            Ok(Ok(mut stream)) => {
                count(&sent.held);
                let _ = stream.read(&mut byte).await;
            }
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Says something that is no TLS, and something that begins like it.
async fn garbage(address: SocketAddr, sent: Arc<Sent>) {
    let mut bytes = [0; 2_048];
    loop {
        OsRng.fill_bytes(&mut bytes);
        if sent.garbage.load(Ordering::Relaxed).is_multiple_of(2) {
            bytes[..5].copy_from_slice(&[22, 3, 1, 7, 0]);
        }
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.write_all(&bytes).await;
            count(&sent.garbage);
            let _ = timeout(Duration::from_millis(500), stream.read(&mut bytes)).await;
        }
    }
}

/// Says junk with a real seat's certificate: what is no message, and messages that mean nothing.
async fn from_a_peer(liar: (String, String), address: SocketAddr, sent: Arc<Sent>) {
    let identity = reqwest::Identity::from_pem((liar.0 + &liar.1).as_bytes()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().identity(identity).tls_danger_accept_invalid_certs(true);
    let client = builder.timeout(Duration::from_secs(5)).build().unwrap();
    let url = format!("https://{address}/v1/messages");
    let hash = |byte: u8| format!("0x{}", alloy::hex::encode([byte; 32]));
    let vote = json!({ "seat": LIAR, "signature": format!("0x{}", "11".repeat(64)) });
    let stranger = json!({
        "request": {
            "id": format!("0x{}", "77".repeat(16)), "ring": RING, "target": format!("0x{}", "66".repeat(20)), "value": "1",
            "data": "0x", "gas": 1, "expiry": 99_999_999_999u64,
        },
        "signature": format!("0x{}1b", "22".repeat(64)),
    });
    let turn = json!({ "id": { "ring": RING, "epoch": 1, "nonce": 3, "validUntil": 9_999_999_999u64 }, "calls": "0x" });
    let junk = [
        "[[[[[[".repeat(50_000),
        "[".to_owned() + &"0,".repeat(1_900_000) + "0]",
        json!([{ "type": "votes", "epoch": 1, "nonce": 0, "digest": hash(1), "votes": [vote] }]).to_string(),
        json!([{ "type": "votes", "epoch": 9, "nonce": u64::MAX, "digest": hash(2), "votes": [vote, vote] }])
            .to_string(),
        json!([{ "type": "turn", "turn": turn, "requests": [stranger], "votes": [vote] }]).to_string(),
        json!([{ "type": "requests", "requests": vec![stranger; 200] }]).to_string(),
        json!([{ "type": "confirmed", "requests": vec![format!("0x{}", "55".repeat(16)); 2_000] }]).to_string(),
        json!([{ "type": "explain", "nonce": u64::MAX }, { "type": "explain", "nonce": 0 }]).to_string(),
        json!([{ "type": "halted", "epoch": 1, "halt": { "kind": "ordered", "reason": "x".repeat(100_000) } }])
            .to_string(),
        json!([{ "type": "halted", "epoch": 1, "halt": {
            "kind": "unknownTurn", "nonce": 1, "digest": hash(3), "transaction": hash(4), "ownKeyUsed": false,
        } }])
        .to_string(),
    ];
    for body in junk.iter().cycle() {
        let post = client.post(&url).header("content-type", "application/json").body(body.clone()).send().await;
        if post.is_ok_and(|answer| answer.status() != 503) {
            count(&sent.from_a_peer);
        }
    }
}

fn flood(seat: &Seat, liar: &Seat, signed: &serde_json::Value, sent: &Arc<Sent>) -> JoinSet<()> {
    let (url, api, peers) = (seat.url(), seat.api_address(), seat.peers_address());
    let (certificate, key) = liar.tls_files();
    let liar = (std::fs::read_to_string(certificate).unwrap(), std::fs::read_to_string(key).unwrap());
    let mut junk = JoinSet::new();
    for _ in 0..4 {
        junk.spawn(bad_signatures(url.clone(), signed.clone(), sent.clone()));
        junk.spawn(garbage(peers, sent.clone()));
    }
    junk.spawn(oversized(url, sent.clone()));
    for _ in 0..200 {
        junk.spawn(trickle(api, sent.clone()));
    }
    for address in [api, peers] {
        for _ in 0..HELD {
            junk.spawn(hold(address, sent.clone()));
        }
    }
    junk.spawn(from_a_peer(liar, peers, sent.clone()));
    junk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_flooded_with_junk_keeps_its_turn_and_every_order_is_paid_once() {
    let mut world = World::new(3, 2, 2, 60).await;
    let sent = Arc::new(Sent::default());
    let seats = world.stage.ring.seats();
    let signed = serde_json::to_value(world.backend.request(&world.stage.orders[0]).unwrap()).unwrap();
    let junk = flood(&seats[FLOODED], &seats[LIAR], &signed, &sent);
    world.until("both ports are full", async || Ok(sent.held.load(Ordering::Relaxed) > HELD as u64)).await;
    // It comes back into the middle of it: its peers have to reach it anew.
    world.stage.ring.seat(FLOODED).kill().await;
    world.stage.ring.seat(FLOODED).start().unwrap();

    let clients: Vec<_> = world.stage.ring.seats()[1..].iter().map(|seat| seat.client().unwrap()).collect();
    let (_sender, relayers) = watch::channel(clients);
    let (backend, orders, progress) = (world.backend.clone(), world.stage.orders.clone(), world.progress.clone());
    let first = world.stage.deployment.ring(RING).await.unwrap().nonce;
    let mut paying = tokio::spawn(async move { backend.pay(&orders, relayers, &progress).await });
    let mut most = 0;
    let paid = loop {
        // Looks at the memory again and again, and not only at the end.
        match timeout(Duration::from_millis(100), &mut paying).await {
            Ok(paid) => break paid,
            Err(_) => most = most.max(world.stage.ring.seats()[FLOODED].resident_bytes().unwrap_or_default()),
        }
    };
    paid.unwrap().unwrap();
    drop(junk);
    println!("{sent:?}, at most {} MB resident", most / 1_000_000);
    assert!(most > 0 && most < MOST_RESIDENT, "{most} bytes");
    for (kind, counter) in [
        ("bad signatures", &sent.signatures),
        ("oversized bodies", &sent.oversized),
        ("garbage TLS", &sent.garbage),
        ("junk of a peer", &sent.from_a_peer),
    ] {
        assert!(counter.load(Ordering::Relaxed) > 20, "hardly any {kind}: {sent:?}");
    }
    world.assert_each_paid_once(&world.stage.orders).await;
    // With windows of two of three seats, two neighbouring turns of three need the flooded one.
    let turns = world.stage.deployment.ring(RING).await.unwrap().nonce - first;
    assert!(turns >= 20, "only {turns} turns");
    assert!(world.stage.ring.seat(FLOODED).process().unwrap().exit_status().is_none(), "it ended");
    world.stage.ring.wait_ready(PATIENCE).await.unwrap();
}
