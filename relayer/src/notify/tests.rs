use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, Mac};
use ring_contracts::hex;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use zeroize::Zeroizing;

mod programs;

use super::*;
use crate::{
    http::EventId,
    running::{Bench, Running, TRANSACTION},
    store::{Deliveries, KEPT, Place},
};

const SECRET: &[u8] = b"whsec_0123456789abcdef";
const NAME: &str = "shop";

/// What an endpoint does with a post.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer(u16),
    Redirect,
    Cut,
    Hang,
}

/// A real server. What it does comes from a script, and when that is over it takes everything.
struct Endpoint {
    address: SocketAddr,
    posts: mpsc::UnboundedReceiver<Post>,
    serving: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Post {
    head: String,
    body: String,
}

impl Post {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// The status of the request it is about, or else the type of its event.
    fn what(&self) -> String {
        let event = &self.json()["event"];
        event["status"].as_str().or(event["type"].as_str()).unwrap().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        let line = |line: &'_ str| line.to_lowercase().starts_with(&format!("{name}:"));
        let line = self.head.lines().find(|text| line(text)).unwrap();
        line.split_once(':').unwrap().1.trim()
    }
}

impl Endpoint {
    async fn start(script: &[Does]) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    async fn start_at(address: SocketAddr, script: &[Does]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
        let (seen, posts) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, address, script.clone(), seen.clone()));
            }
        });
        Self { address, posts, serving }
    }

    async fn next(&mut self) -> Post {
        tokio::time::timeout(Duration::from_secs(30), self.posts.recv()).await.expect("nothing is posted").unwrap()
    }

    /// What is posted up to and with the end of a request; what was posted twice only once.
    async fn all_until(&mut self, last: &str) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        while all.last().is_none_or(|(_, what)| what != last) {
            let post = self.next().await;
            if all.last().is_none_or(|(id, _)| *id != post.id()) {
                all.push((post.id(), post.what()));
            }
        }
        all
    }
}

/// Takes one post of a connection after the other.
async fn talk(
    mut stream: TcpStream,
    address: SocketAddr,
    script: Arc<Mutex<VecDeque<Does>>>,
    seen: mpsc::UnboundedSender<Post>,
) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let (head, start) = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (String::from_utf8(read[..end].to_vec()).unwrap(), end + 4);
            }
            (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
        };
        let post = Post { head, body: String::new() };
        let length: usize = post.header("content-length").parse().unwrap();
        while read.len() < start + length {
            (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
        }
        let body = String::from_utf8(read[start..start + length].to_vec()).unwrap();
        read.drain(..start + length);
        // What nobody looks at any more.
        let _ = seen.send(Post { body, ..post });
        let does = script.lock().unwrap().pop_front().unwrap_or(Does::Answer(204));
        let answer = match does {
            Does::Answer(status) => format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n"),
            Does::Redirect => {
                format!("HTTP/1.1 307 Elsewhere\r\nlocation: http://{address}/elsewhere\r\ncontent-length: 0\r\n\r\n")
            }
            Does::Cut => {
                let _ = stream.write_all(b"HTTP/1.1 2").await;
                return None;
            }
            Does::Hang => std::future::pending().await,
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn webhook(address: SocketAddr, subjects: &[Subject]) -> Subscriber {
    let url = format!("http://{address}/hooks/secret-path").parse().unwrap();
    let webhook = Webhook::new(url, Secret::new(Zeroizing::new(SECRET.to_vec()))).unwrap();
    Subscriber { name: NAME.into(), means: Means::Webhook(webhook), subjects: subjects.iter().copied().collect() }
}

const QUICK: Pace = Pace {
    answer: Duration::from_secs(20),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
};

/// Starts a process of the seat that delivers.
async fn start(bench: &Bench, address: SocketAddr, subjects: &[Subject], pace: Pace) -> (Running, JoinHandle<()>) {
    start_telling(bench, webhook(address, subjects), pace).await
}

async fn start_telling(bench: &Bench, subscriber: Subscriber, pace: Pace) -> (Running, JoinHandle<()>) {
    let mut store = bench.store();
    let place = store.delivered(&subscriber.name).unwrap();
    store.follow_alarms(&subscriber.name, subscriber.subjects.contains(&Subject::Alarm)).unwrap();
    store.close();
    let running = bench.start().await;
    let source = Source { ring: 1, seat: 0, key: bench.key() };
    let deliverer = Deliverer::new(subscriber, source, running.handle.clone(), pace, place);
    (running, tokio::spawn(deliverer.run()))
}

/// Has the seat take a request and pay it.
async fn pay(bench: &mut Bench, running: &mut Running, number: u8) {
    running.handle.submit(bench.request(number), Duration::from_secs(5)).await.unwrap();
    bench.execute(running, &[]).await;
    bench.finalize(running).await;
}

fn is_genuine(post: &Post) -> bool {
    let (time, given) = post.header("ring-signature").strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(format!("{time}.{}", post.body).as_bytes());
    mac.verify_slice(&hex::decode(given).unwrap()).is_ok()
}

#[tokio::test]
async fn what_is_wanted_is_posted_signed_and_in_order() {
    let mut bench = Bench::new();
    let mut endpoint = Endpoint::start(&[]).await;
    let (mut running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    pay(&mut bench, &mut running, 1).await;
    let posts = [endpoint.next().await, endpoint.next().await, endpoint.next().await];
    assert_eq!(posts.each_ref().map(Post::what), ["received", "signing", "final"]);
    assert!(posts.iter().all(is_genuine));
    assert!(posts[0].id() < posts[1].id() && posts[1].id() < posts[2].id());
    let [.., last] = &posts;
    assert_eq!(
        (last.header("content-type"), last.head.lines().next()),
        ("application/json", Some("POST /hooks/secret-path HTTP/1.1"))
    );
    let event = json!({
        "type": "request",
        "id": bench.request(1).request.id,
        "status": "final",
        "nonce": 0,
        "transaction": TRANSACTION,
    });
    assert_eq!(last.json(), json!({ "id": last.id(), "ring": 1, "seat": 0, "event": event }));
    assert!(EventId::parse(&last.id(), bench.key()).is_some());
}

/// What was said of an alarm.
fn reason(post: &Post) -> String {
    assert!(is_genuine(post) && post.what() == "alarm", "{post:?}");
    post.json()["event"]["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_alarm_is_posted_until_it_is_taken_and_neither_waits_for_the_rest_nor_the_rest_for_it() {
    let mut bench = Bench::new();
    // What is posted first is never answered.
    let mut endpoint = Endpoint::start(&[Does::Hang, Does::Answer(500)]).await;
    let (mut running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    assert_eq!(endpoint.next().await.what(), "received");
    for what in ["the key is wiped in 60 s", "the key is locked"] {
        running.handle.raise(what.to_owned()).await.unwrap();
    }
    let [first, again, second] = [endpoint.next().await, endpoint.next().await, endpoint.next().await];
    assert_eq!(
        [&first, &again, &second].map(reason),
        ["the key is wiped in 60 s"; 2].into_iter().chain(["the key is locked"]).collect::<Vec<_>>()[..]
    );
    assert!(first.id() == again.id() && again.id() != second.id());
    until_told(&running).await;

    let mut endpoint = Endpoint::start(&[Does::Hang]).await;
    running.stop();
    let (running_again, _delivering) = start(&bench, endpoint.address, &[Subject::Alarm, Subject::Halted], QUICK).await;
    running = running_again;
    running.handle.raise("nobody takes this".to_owned()).await.unwrap();
    assert_eq!(reason(&endpoint.next().await), "nobody takes this");
    bench.halt(&running).await;
    assert_eq!(endpoint.next().await.what(), "halted");
}

#[tokio::test]
async fn of_too_many_alarms_it_is_said_how_many_were_left_out() {
    let bench = Bench::new();
    let mut endpoint = Endpoint::start(&[Does::Hang]).await;
    let pace = Pace { answer: Duration::from_secs(5), ..QUICK };
    let (running, _delivering) = start(&bench, endpoint.address, &[Subject::Alarm], pace).await;
    running.handle.raise("alarm 0".to_owned()).await.unwrap();
    assert_eq!(reason(&endpoint.next().await), "alarm 0");
    // With the first and the last as many as stay, and four.
    for number in 1..=KEPT + 2 {
        running.handle.raise(format!("alarm {number}")).await.unwrap();
        // The same again is one.
        running.handle.raise(format!("alarm {number}")).await.unwrap();
    }
    until_stored(&running).await;
    assert_eq!(reason(&endpoint.next().await), "alarm 0", "it is posted again");
    let [missed, next] = [endpoint.next().await, endpoint.next().await];
    assert_eq!(reason(&missed), "up to 4 earlier alarms were not delivered: look into the log");
    assert_eq!(reason(&next), "alarm 4");
    assert_ne!(missed.id(), next.id(), "whoever knows the one takes the other");
}

/// Comes back when all alarms were taken, and that is in the store.
async fn until_told(running: &Running) {
    while !running.handle.untold(NAME.to_owned()).await.unwrap().alarms.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Comes back when everything that was raised is in the store.
async fn until_stored(running: &Running) {
    let mut alarms = running.handle.alarms();
    running.handle.raise("the last one".to_owned()).await.unwrap();
    alarms.changed().await.unwrap();
}

#[tokio::test]
async fn an_alarm_is_delivered_after_a_kill_and_once_it_was_taken_not_again() {
    let bench = Bench::new();
    let script = [Does::Hang, Does::Answer(200), Does::Answer(200), Does::Hang];
    let mut endpoint = Endpoint::start(&script).await;
    let alarms = [Subject::Alarm];
    let (running, delivering) = start(&bench, endpoint.address, &alarms, QUICK).await;
    running.handle.raise("the key is locked".to_owned()).await.unwrap();
    // It was posted, so it is on disk; nobody said that it was taken.
    let first = endpoint.next().await;
    until_stored(&running).await;
    delivering.abort();
    running.kill();
    let (running, delivering) = start(&bench, endpoint.address, &alarms, QUICK).await;
    let [again, next] = [endpoint.next().await, endpoint.next().await];
    assert_eq!([&first, &again, &next].map(reason), ["the key is locked", "the key is locked", "the last one"]);
    assert!(first.id() == again.id() && again.id() != next.id(), "the same one has the same id");
    until_told(&running).await;
    delivering.abort();
    running.stop();
    let (running, _delivering) = start(&bench, endpoint.address, &alarms, QUICK).await;
    running.handle.raise("another".to_owned()).await.unwrap();
    assert_eq!(reason(&endpoint.next().await), "another");
}

#[tokio::test]
async fn that_a_seat_halted_is_an_alarm_that_is_told_after_a_kill() {
    let mut bench = Bench::new();
    let mut endpoint = Endpoint::start(&[]).await;
    let (running, delivering) = start(&bench, endpoint.address, &[Subject::Alarm], QUICK).await;
    running.handle.raise("the first".to_owned()).await.unwrap();
    assert_eq!(reason(&endpoint.next().await), "the first");
    until_told(&running).await;
    delivering.abort();
    bench.halt(&running).await;
    let stored = async {
        while running.handle.untold(NAME.to_owned()).await.unwrap().alarms.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stored).await.expect("it is in the store");
    running.kill();
    let (_running, _delivering) = start(&bench, endpoint.address, &[Subject::Alarm], QUICK).await;
    let told = reason(&endpoint.next().await);
    assert!(told.contains("halt"), "{told}");
}

#[tokio::test]
async fn an_alarm_of_before_is_told_to_nobody_who_did_not_ask_for_alarms_then() {
    let bench = Bench::new();
    let mut endpoint = Endpoint::start(&[]).await;
    let (running, _delivering) = start(&bench, endpoint.address, &[Subject::Halted], QUICK).await;
    until_stored(&running).await;
    running.stop();
    let (running, _delivering) = start(&bench, endpoint.address, &[Subject::Alarm], QUICK).await;
    running.handle.raise("a new one".to_owned()).await.unwrap();
    assert_eq!(reason(&endpoint.next().await), "a new one");
}

#[tokio::test]
async fn what_is_not_wanted_is_not_posted() {
    let mut bench = Bench::new();
    let mut endpoint = Endpoint::start(&[]).await;
    let subjects = [Subject::Request(Status::Failed), Subject::Halted];
    let (mut running, _delivering) = start(&bench, endpoint.address, &subjects, QUICK).await;
    pay(&mut bench, &mut running, 1).await;
    running.handle.submit(bench.request(2), Duration::from_secs(5)).await.unwrap();
    bench.execute(&mut running, &[bench.request(2).request.id]).await;
    bench.finalize(&running).await;
    bench.halt(&running).await;
    assert_eq!([endpoint.next().await.what(), endpoint.next().await.what()], ["failed", "halted"]);
}

#[tokio::test]
async fn an_event_is_posted_until_it_is_taken_and_the_others_wait() {
    let mut bench = Bench::new();
    let bad = [Does::Answer(500), Does::Redirect, Does::Cut, Does::Answer(404), Does::Answer(101), Does::Answer(429)];
    let mut endpoint = Endpoint::start(&bad).await;
    let (mut running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    pay(&mut bench, &mut running, 1).await;
    let mut posts = Vec::new();
    for _ in 0..bad.len() + 3 {
        posts.push(endpoint.next().await);
    }
    let first = &posts[..=bad.len()];
    assert!(first.iter().all(|post| post.what() == "received" && post.body == posts[0].body && is_genuine(post)));
    assert!(posts.iter().all(|post| post.head.starts_with("POST /hooks/")), "a redirect was followed");
    assert_eq!(posts[bad.len() + 1..].iter().map(Post::what).collect::<Vec<_>>(), ["signing", "final"]);
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_asked_again() {
    let mut bench = Bench::new();
    let mut endpoint = Endpoint::start(&[Does::Hang, Does::Hang]).await;
    let pace = Pace { answer: Duration::from_millis(300), ..QUICK };
    let (mut running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, pace).await;
    pay(&mut bench, &mut running, 1).await;
    let all = endpoint.all_until("final").await;
    assert_eq!(all.iter().map(|(_, what)| &**what).collect::<Vec<_>>(), ["received", "signing", "final"]);
}

#[tokio::test]
async fn an_endpoint_that_was_away_gets_everything() {
    let mut bench = Bench::new();
    let endpoint = Endpoint::start(&[]).await;
    let address = endpoint.address;
    endpoint.serving.abort();
    let _ = endpoint.serving.await;
    let (mut running, _delivering) = start(&bench, address, &Subject::ALL, QUICK).await;
    pay(&mut bench, &mut running, 1).await;
    let mut endpoint = Endpoint::start_at(address, &[]).await;
    pay(&mut bench, &mut running, 2).await;
    let mut all = endpoint.all_until("final").await;
    all.extend(endpoint.all_until("final").await);
    let whats: Vec<_> = all.iter().map(|(_, what)| &**what).collect();
    assert_eq!(whats, ["received", "signing", "final", "received", "signing", "final"]);
}

#[tokio::test]
async fn a_relayer_that_ends_in_the_middle_loses_nothing() {
    let mut bench = Bench::new();
    let script = [Does::Answer(200), Does::Hang, Does::Hang, Does::Answer(200), Does::Hang];
    let mut endpoint = Endpoint::start(&script).await;
    let (mut running, delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    running.handle.submit(bench.request(1), Duration::from_secs(5)).await.unwrap();
    bench.execute(&mut running, &[]).await;
    let mut posts = vec![endpoint.next().await, endpoint.next().await];
    // The second was posted, and nobody said that it was taken. Everything that was noted is on disk after a clean stop.
    running.handle.overview().await.unwrap();
    delivering.abort();
    running.stop();
    let (running, delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    posts.push(endpoint.next().await);
    assert_eq!(posts.iter().map(Post::what).collect::<Vec<_>>(), ["received", "signing", "signing"]);
    assert_eq!(posts[1].body, posts[2].body);
    delivering.abort();
    running.kill();
    let (running, delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    bench.finalize(&running).await;
    posts.push(endpoint.next().await);
    posts.push(endpoint.next().await);
    delivering.abort();
    running.kill();
    let (_running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    posts.push(endpoint.next().await);
    while posts.last().unwrap().what() != "final" {
        posts.push(endpoint.next().await);
    }
    // None is missing, and what came again came under its old id.
    let mut events: Vec<(String, String)> = posts.iter().map(|post| (post.id(), post.what())).collect();
    events.sort();
    events.dedup();
    assert_eq!(events.iter().map(|(_, what)| &**what).collect::<Vec<_>>(), ["received", "signing", "final"]);
}

#[tokio::test]
async fn what_was_delivered_is_not_delivered_again_after_a_clean_stop() {
    let mut bench = Bench::new();
    let mut endpoint = Endpoint::start(&[]).await;
    let (mut running, delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    pay(&mut bench, &mut running, 1).await;
    let last = endpoint.all_until("final").await.pop().unwrap().0;
    let place = EventId::parse(&last, bench.key()).unwrap();
    running.stop();
    delivering.await.unwrap();
    // The last one may have been taken just before the end: then it may come again, and nothing else.
    let (mut running, _delivering) = start(&bench, endpoint.address, &Subject::ALL, QUICK).await;
    pay(&mut bench, &mut running, 2).await;
    let again = endpoint.all_until("final").await;
    assert!(again.iter().all(|(id, _)| EventId::parse(id, bench.key()).unwrap() >= place), "{again:?}");
}

#[test]
fn a_new_webhook_begins_now_and_its_place_is_kept() {
    let bench = Bench::new();
    let mut store = bench.store();
    let now = store.end();
    assert_eq!(store.delivered(NAME).unwrap(), now);
    store.commit(&[ring_core::Record::EpochOver { epoch: 1 }]).unwrap();
    assert_eq!(store.delivered(NAME).unwrap(), now);
    let later = Place { seq: 2, index: 5 };
    let places = [(NAME.to_owned(), later)].into();
    store.note_deliveries(&Deliveries { places, ..Deliveries::default() }).unwrap();
    store.close();
    assert_eq!(bench.store().delivered(NAME).unwrap(), later);
}

#[test]
fn neither_secret_nor_path_shows() {
    let shown = format!("{:?}", webhook(([127, 0, 0, 1], 80).into(), &Subject::ALL));
    assert!(shown.contains(NAME) && !shown.contains("whsec") && !shown.contains("secret-path"), "{shown}");
}
