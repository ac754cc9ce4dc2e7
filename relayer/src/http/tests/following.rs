use crate::{
    driver::{Notice, PassingEvent},
    running::TRANSACTION,
    store::Place,
};

use super::*;

/// What one event was: its id, name and data.
#[derive(Debug)]
pub(super) struct Told {
    id: String,
    name: String,
    data: Value,
}

impl Told {
    /// The status of a request, or else the name of the event.
    fn what(&self) -> &str {
        assert_eq!(self.data["type"], self.name);
        self.data["status"].as_str().unwrap_or(&self.name)
    }
}

pub(super) struct Follower {
    response: reqwest::Response,
    text: String,
}

impl Follower {
    pub(super) async fn start(server: &Server, last: Option<&str>) -> Self {
        let mut request = server.client.get(server.url(EVENTS));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` when the stream ends.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let line =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
                let data = serde_json::from_str(&line("data:")).unwrap();
                let told = Told { id: line("id:"), name: line("event:"), data };
                self.text = rest.to_owned();
                return Some(told);
            }
            self.text += std::str::from_utf8(&self.response.chunk().await.unwrap()?).unwrap();
        }
    }

    /// The next events that are on disk, up to and with this one.
    async fn durable_until(&mut self, last: &str) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            let told = self.next().await.unwrap();
            if ["accepted", "executed", "head", "alarm"].contains(&told.what()) {
                continue;
            }
            all.push(told);
            if all.last().unwrap().what() == last {
                return all;
            }
        }
    }
}

fn whats(all: &[Told]) -> Vec<&str> {
    all.iter().map(Told::what).collect()
}

/// A seat that has paid one request, failed another and halted.
async fn lived() -> Bench {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    assert_eq!(server.submit(&bench.request(1)).await.status, 202);
    bench.execute(&mut running, &[]).await;
    assert_eq!(server.submit(&bench.request(2)).await.status, 202);
    bench.execute(&mut running, &[RequestId::repeat_byte(2)]).await;
    bench.finalize(&running).await;
    bench.halt(&running).await;
    running.stop();
    bench
}

const LIFE: [&str; 8] = ["joined", "received", "signing", "received", "signing", "final", "failed", "halted"];

#[tokio::test]
async fn what_is_on_disk_is_told_from_the_first_day_in_order() {
    let bench = lived().await;
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let all = Follower::start(&server, Some("0")).await.durable_until("halted").await;
    assert_eq!(whats(&all), LIFE);
    assert_eq!(all[0].data, json!({ "type": "joined", "epoch": 1, "nonce": 0 }));
    let paid = json!({
        "type": "request",
        "id": RequestId::repeat_byte(1),
        "status": "final",
        "nonce": 0,
        "transaction": TRANSACTION,
    });
    assert_eq!(all[5].data, paid);
    assert_eq!(all[7].data["halt"], json!({ "kind": "haltedOnChain" }));
}

#[tokio::test]
async fn whoever_comes_back_with_any_id_misses_nothing_and_hears_nothing_twice() {
    let bench = lived().await;
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let all = Follower::start(&server, Some("0")).await.durable_until("halted").await;
    for (index, told) in all.iter().enumerate().take(all.len() - 1) {
        let rest = Follower::start(&server, Some(&told.id)).await.durable_until("halted").await;
        let ids = |all: &[Told]| all.iter().map(|told| told.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&rest), ids(&all[index + 1..]), "after {}", told.id);
    }
    let query = server.client.get(server.url(&format!("{EVENTS}?lastEventId={}", all[6].id)));
    let mut follower = Follower { response: query.send().await.unwrap(), text: String::new() };
    assert_eq!(whats(&follower.durable_until("halted").await), ["halted"]);
}

#[tokio::test]
async fn whoever_follows_is_told_the_same_as_whoever_comes_later_and_what_passes_besides() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let mut follower = Follower::start(&server, Some("0")).await;
    server.submit(&bench.request(1)).await;
    bench.execute(&mut running, &[]).await;
    bench.finalize(&running).await;
    let mut live = Vec::new();
    while live.last().is_none_or(|told: &Told| told.what() != "final") {
        live.push(follower.next().await.unwrap());
    }
    for passing in ["head", "executed"] {
        assert!(whats(&live).contains(&passing), "{:?}", whats(&live));
    }
    let durable: Vec<_> = live.iter().filter(|told| !["accepted", "executed", "head"].contains(&told.what())).collect();
    let later = Follower::start(&server, Some("0")).await.durable_until("final").await;
    let ids = |all: &[&Told]| all.iter().map(|told| (told.id.clone(), told.data.clone())).collect::<Vec<_>>();
    assert_eq!(ids(&durable), ids(&later.iter().collect::<Vec<_>>()));
    // Coming back with the id of something that passed misses nothing that is on disk.
    let head = live.iter().find(|told| told.what() == "head").unwrap();
    let rest = Follower::start(&server, Some(&head.id)).await.durable_until("final").await;
    assert_eq!(rest.last().unwrap().id, later.last().unwrap().id);
}

#[tokio::test]
async fn without_an_id_it_begins_now_and_with_one_nothing_is_lost_over_a_restart() {
    let mut bench = Bench::new();
    let mut running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let mut follower = Follower::start(&server, None).await;
    running.handle.notify(Notice::Passing(PassingEvent::Alarm { reason: "drill".into() }));
    let joined = EventId::new(bench.key(), Place::after(1)).to_string();
    assert_eq!(follower.next().await.unwrap().id, joined, "what passes has the id of the last that is on disk");
    server.submit(&bench.request(1)).await;
    let first = follower.durable_until("received").await.remove(0);
    assert_eq!(first.data["id"], json!(RequestId::repeat_byte(1)));
    bench.execute(&mut running, &[]).await;
    drop(follower);
    running.kill();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    bench.finalize(&running).await;
    let rest = Follower::start(&server, Some(&first.id)).await.durable_until("final").await;
    assert_eq!(whats(&rest), ["signing", "final"]);
}

#[tokio::test]
async fn an_id_of_another_seat_or_of_nobody_is_refused() {
    let bench = lived().await;
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let own = EventId::new(bench.key(), Place::after(3)).to_string();
    let other = EventId::new(Address::repeat_byte(0xee), Place::after(3)).to_string();
    for id in [&other, &own.replace("-3", "-99999"), &own.replace("-3", "-+3"), "x", "-1", &format!("{own}.x")] {
        let answer = server.call(server.client.get(server.url(EVENTS)).header("last-event-id", id)).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_event_id"), "{id}");
    }
    let bytes = axum::http::HeaderValue::from_bytes(b"\xff").unwrap();
    let answer = server.call(server.client.get(server.url(EVENTS)).header("last-event-id", bytes)).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_event_id"));
}

#[tokio::test]
async fn a_follower_that_is_too_slow_misses_only_what_passes() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let mut follower = Follower::start(&server, None).await;
    // All at once: nothing is read in between, since this thread does not let go.
    let submit = running.handle.submit(bench.request(1), Duration::from_secs(5));
    std::thread::scope(|threads| threads.spawn(|| futures::executor::block_on(submit)).join()).unwrap().unwrap();
    for number in 0..=Handle::NOTICES {
        running.handle.notify(Notice::Passing(PassingEvent::Alarm { reason: number.to_string() }));
    }
    let (mut has_lagged, mut statuses) = (false, Vec::new());
    while statuses.len() < 2 {
        let told = follower.next().await.unwrap();
        has_lagged |= told.what() == "lagged";
        if ["received", "signing"].contains(&told.what()) {
            statuses.push(told.what().to_owned());
        }
    }
    assert_eq!((has_lagged, &statuses[..]), (true, &["received".to_owned(), "signing".to_owned()][..]));
}

#[tokio::test]
async fn one_follower_too_many_is_refused_until_another_leaves() {
    let bench = Bench::new();
    let running = bench.start().await;
    let handle = running.handle.clone();
    let limits = Limits { followers: 1, ..limits() };
    let server = Server::start_with(limits, |setup| Setup { handle, ..setup }).await;
    let follower = Follower::start(&server, None).await;
    let answer = server.get(EVENTS).await;
    assert_eq!((answer.status, answer.code()), (503, "busy"));
    drop(follower);
    let free = async {
        while server.client.get(server.url(EVENTS)).send().await.unwrap().status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), free).await.unwrap();
}

#[tokio::test]
async fn followers_are_let_go_when_the_server_stops() {
    let bench = Bench::new();
    let running = bench.start().await;
    let server = Server::of(&bench, &running).await;
    let mut follower = Follower::start(&server, None).await;
    server.shutdown.cancel();
    while follower.next().await.is_some() {}
}
