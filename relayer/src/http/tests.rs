use std::{collections::BTreeSet, net::SocketAddr};

use alloy::signers::local::PrivateKeySigner;
use axum::http::StatusCode;
use ring_contracts::{Address, B256, Bytes, Request as Payment, RequestError, RequestId, U256};
use ring_core::{Block, Halt, Overview, Phase, Refusal, RequestStatus};
use ring_key::unlock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    health::{Condition, Health},
    *,
};
use crate::{
    config,
    driver::{Command, Receipt, RequestDetail},
    running::{Bench, Running},
};

mod backing_up;
mod bounds;
mod cancelling;
mod description;
mod following;
mod fuzz;
mod gates;
mod lists;
mod readiness;

const ID: RequestId = RequestId::repeat_byte(0xab);
const JSON: &str = "application/json";

fn limits() -> Limits {
    Limits::new(Duration::from_secs(5))
}

const KEY: Address = Address::with_last_byte(1);

fn setup(handle: Handle) -> Setup {
    Setup {
        handle,
        peers: Peers::none(),
        chain: watch::Sender::new(chain::Connection::default()).subscribe(),
        metrics: Metrics::default(),
        key: KEY,
        custody: Custody::of(&config::Signer::Enclave(config::Enclave::Unix("/nowhere".into()))),
        next: None,
        quorum: 1,
        copies: 1,
        backups: None,
        tokens: Vec::new(),
        rate: None,
        limits: limits(),
    }
}

/// A server, and the end at which the driver would be.
struct Server {
    address: SocketAddr,
    commands: Option<mpsc::Receiver<Command>>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    client: reqwest::Client,
}

/// An answer. Every one that a test sees is checked against the table of routes and the shape of errors.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    challenge: Option<String>,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap()
    }

    fn field(&self) -> Option<&str> {
        self.body["field"].as_str()
    }

    fn message(&self) -> &str {
        self.body["detail"].as_str().unwrap()
    }
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_with(limits, |setup| setup).await
    }

    async fn start_with(limits: Limits, change: impl FnOnce(Setup) -> Setup) -> Self {
        // Clients want one, even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (handle, commands) = Handle::channel(16);
        let shutdown = CancellationToken::new();
        let setup = change(Setup { limits, ..setup(handle) });
        let serving = tokio::spawn(serve(listener, setup, shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { address, commands: Some(commands), shutdown, serving, client }
    }

    /// A server of a seat that runs.
    async fn of(bench: &Bench, running: &Running) -> Self {
        let (handle, key) = (running.handle.clone(), bench.key());
        Self::start_with(limits(), |setup| Setup { handle, key, ..setup }).await
    }

    /// Has a driver answer everything.
    fn answering(mut self, mut answer: impl FnMut(Command) + Send + 'static) -> Self {
        let mut commands = self.commands.take().unwrap();
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                answer(command);
            }
        });
        self
    }

    /// The next thing the driver is asked.
    async fn asked(&mut self) -> Command {
        self.commands.as_mut().unwrap().recv().await.unwrap()
    }

    fn was_not_asked(&mut self) {
        assert!(self.commands.as_mut().unwrap().try_recv().is_err(), "it reached the driver");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let (method, path) = (request.method().as_str().to_lowercase(), request.url().path().to_owned());
        let response = self.client.execute(request).await.unwrap();
        let status = response.status().as_u16();
        check_against_table(&method, &path, status);
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        match status >= 400 && (path != HEALTH || body.get("type").is_some()) && path != READY {
            true => {
                assert_eq!(kind, "application/problem+json");
                check_problem(&body, status);
                assert_eq!(retry_after.is_some(), [429, 503].contains(&status), "{body}");
                assert_eq!(challenge.is_some(), status == 401 || body["code"] == "scope_missing", "{body}");
            }
            false => assert_eq!(kind, JSON),
        }
        Answer { status, retry_after, challenge, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(self.client.get(self.url(path))).await
    }

    async fn submit(&self, request: &ring_contracts::SignedRequest) -> Answer {
        self.post(serde_json::to_string(request).unwrap()).await
    }

    async fn post_batch(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.call(self.client.post(self.url(BATCH)).header("content-type", JSON).body(body)).await
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.call(self.client.post(self.url(REQUESTS)).header("content-type", JSON).body(body)).await
    }

    /// Posts a body of some content type.
    async fn send(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.call(self.client.post(self.url(path)).header("content-type", kind).body(body)).await
    }

    /// Sends bytes as they are, and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }
}

/// What came until the connection ended, however it ended.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await.expect("the connection stays open");
    String::from_utf8(text).unwrap()
}

/// A problem says what the description says of its kind.
fn check_problem(problem: &Value, status: u16) {
    let problem = problem.as_object().unwrap();
    let members = ["type", "title", "status", "detail", "code", "field"];
    assert!(problem.keys().all(|key| members.contains(&key.as_str())), "{problem:?}");
    assert!(members[..5].iter().all(|member| problem.contains_key(*member)), "{problem:?}");
    let code = Code::ALL.into_iter().find(|code| code.name() == problem["code"]).unwrap();
    assert_eq!((code.status().as_u16(), &problem["status"]), (status, &json!(status)), "{problem:?}");
    assert_eq!(problem["title"], code.title());
    let (document, pointer) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(document, OPENAPI);
    let described = description().pointer(pointer).unwrap().clone();
    assert_eq!(described, json!({ "status": status, "title": code.title() }));
}

fn check_against_table(method: &str, path: &str, status: u16) {
    let is_request = path.starts_with(REQUESTS) && ![REQUESTS, BATCH].contains(&path);
    let template = match is_request {
        true if path.ends_with("/cancel") => CANCEL,
        true => REQUEST,
        false => path,
    };
    let of_path: Vec<_> = ROUTES.iter().filter(|(_, route, _)| *route == template).collect();
    let of_method = of_path.iter().find(|(of, _, _)| *of == method);
    let expected = match of_method {
        Some((_, _, statuses)) => statuses.to_vec(),
        None if of_path.is_empty() => vec![404],
        None => vec![405],
    };
    assert!(expected.contains(&status), "{method} {path} answered {status}, which is not in its table: {expected:?}");
}

fn description() -> Value {
    serde_saphyr::from_str(include_str!("../../../docs/api.yaml")).unwrap()
}

fn request_json() -> Value {
    json!({
        "request": {
            "id": ID,
            "ring": 1,
            "target": Address::with_last_byte(9),
            "value": "1000000000000000000000",
            "data": "0x",
            "gas": 100_000,
            "expiry": 2_000_000_000u64,
        },
        "signature": format!("0x{}", "11".repeat(65)),
    })
}

fn body() -> String {
    request_json().to_string()
}

fn status(phase: Phase) -> RequestStatus {
    RequestStatus { id: ID, phase }
}

fn detail(phase: Phase) -> RequestDetail {
    let request = serde_json::from_value(request_json()["request"].clone()).unwrap();
    RequestDetail { status: status(phase), requester: Some(KEY), request: Some(request) }
}

async fn submitted(receipt: Receipt) -> Answer {
    let mut receipt = Some(receipt);
    let server = Server::start(limits()).await.answering(move |command| match command {
        Command::Submit { reply, .. } => drop(reply.send(receipt.take().unwrap())),
        other => panic!("{other:?}"),
    });
    server.post(body()).await
}

fn overview() -> Overview {
    Overview {
        ring: 1,
        seat: 0,
        key: Address::with_last_byte(1),
        epoch: Some(1),
        head: Some(Block { number: 9, time: 900 }),
        nonce: Some(5),
        first_open_nonce: 4,
        window: vec![2, 0],
        waiting: 0,
        cancelling: 0,
        bound: 0,
        unexplained: Vec::new(),
        halted: None,
        halted_because: None,
    }
}

async fn health_of(overview: Overview) -> Answer {
    let server = Server::start(limits()).await.answering(move |command| match command {
        Command::Overview { reply } => drop(reply.send(overview.clone())),
        other => panic!("{other:?}"),
    });
    server.get(HEALTH).await
}

// Submitting

#[tokio::test]
async fn a_request_reaches_the_driver_as_it_was_posted() {
    let mut server = Server::start(limits()).await;
    let (answer, ()) = {
        let url = server.url(REQUESTS);
        let request = server.client.post(url).header("content-type", "Application/JSON; charset=utf-8").body(body());
        let mut commands = server.commands.take().unwrap();
        tokio::join!(server.call(request), async move {
            let Command::Submit { request, patience, reply } = commands.recv().await.unwrap() else { panic!() };
            let expected = Payment {
                id: ID,
                ring: 1,
                target: Address::with_last_byte(9),
                value: 1_000_000_000_000_000_000_000,
                data: Bytes::new(),
                gas: 100_000,
                expiry: 2_000_000_000,
            };
            assert_eq!(request.request, expected);
            assert_eq!(patience, Duration::from_secs(5));
            reply.send(Receipt::Accepted(status(Phase::Accepted))).unwrap();
        })
    };
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body, json!({ "id": ID, "status": "accepted" }));
}

#[tokio::test]
async fn a_known_request_is_answered_with_how_far_it_is() {
    let answer = submitted(Receipt::Known(status(Phase::Signing { epoch: 2, nonce: 7 }))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({ "id": ID, "status": "signing", "epoch": 2, "nonce": 7 }));
}

#[tokio::test]
async fn a_request_at_too_few_seats_is_not_called_accepted() {
    let answer = submitted(Receipt::Waiting(status(Phase::Received))).await;
    assert_eq!((answer.status, answer.code()), (503, "not_enough_copies"));
    assert!(answer.message().contains("submit the same again"));
    assert!(answer.retry_after.is_some());
}

#[tokio::test]
async fn each_refusal_has_its_status_code_and_field() {
    let native = Address::ZERO;
    let token = Address::with_last_byte(7);
    let (cap, amount) = (U256::from(1), U256::from(2));
    for (refusal, status, code, field) in [
        (
            Refusal::Malformed(RequestError::TooLarge { field: "gas", value: 1 << 24, bits: 24 }),
            400,
            "malformed",
            Some("request.gas"),
        ),
        (
            Refusal::Malformed(RequestError::NotATransfer { target: token, length: 3 }),
            422,
            "not_a_transfer",
            Some("request.data"),
        ),
        (Refusal::Malformed(ring_contracts::SignatureError::HighS.into()), 400, "invalid_signature", Some("signature")),
        (Refusal::Conflict(ID), 409, "conflict", Some("request.id")),
        (Refusal::WrongRing { expected: 1, actual: 2 }, 422, "wrong_ring", Some("request.ring")),
        (Refusal::UnknownRequester(token), 403, "unknown_requester", Some("signature")),
        (Refusal::Expired { expiry: 1, now: 2 }, 422, "expired", Some("request.expiry")),
        (Refusal::AssetNotPermitted(native), 422, "asset_not_permitted", Some("request.value")),
        (Refusal::AssetNotPermitted(token), 422, "asset_not_permitted", Some("request.target")),
        (
            Refusal::CallNotPermitted { target: token, selector: [1, 2, 3, 4].into() },
            422,
            "call_not_permitted",
            Some("request.target"),
        ),
        (Refusal::OverCap { asset: native, cap, amount }, 422, "over_cap", Some("request.value")),
        (Refusal::OverCap { asset: token, cap, amount }, 422, "over_cap", Some("request.data")),
        (Refusal::TooMuchGas { gas: 9, most: 8 }, 422, "too_much_gas", Some("request.gas")),
        (Refusal::LeaseOver, 503, "lease_over", None),
        (Refusal::Halted("it was told to".into()), 503, "halted", None),
        (Refusal::NotReady, 503, "not_ready", None),
    ] {
        let said = refusal.to_string();
        let answer = submitted(Receipt::Refused(refusal)).await;
        assert_eq!((answer.status, answer.code(), answer.field()), (status, code, field));
        assert_eq!(answer.message(), said);
    }
}

#[tokio::test]
async fn a_malformed_body_is_refused_by_field_and_goes_no_further() {
    let mut server = Server::start(limits()).await;
    let with = |pointer: &str, value: Value| {
        let mut json = request_json();
        *json.pointer_mut(pointer).unwrap() = value;
        json.to_string()
    };
    let unknown = |pointer: &str| {
        let mut json = request_json();
        json.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert("memo".into(), json!("hi"));
        json.to_string()
    };
    let doubled = |old: &str, new: &str| {
        let text = body();
        assert!(text.contains(old), "{text}");
        text.replacen(old, new, 1)
    };
    let missing = {
        let mut json = request_json();
        json["request"].as_object_mut().unwrap().remove("gas");
        json.to_string()
    };
    for (what, text, field) in [
        ("nothing", String::new(), None),
        ("no JSON", "hello".into(), None),
        ("an array", "[]".into(), None),
        ("half of it", body()[..40].into(), Some("request")),
        ("more after it", format!("{} {}", body(), body()), None),
        ("an amount that is a number", with("/request/value", json!(1000)), Some("request.value")),
        ("an amount that is a fraction", with("/request/value", json!(0.5)), Some("request.value")),
        ("an amount with an exponent", with("/request/value", json!("1e18")), Some("request.value")),
        ("a negative amount", with("/request/value", json!("-1")), Some("request.value")),
        ("a hexadecimal amount", with("/request/value", json!("0x10")), Some("request.value")),
        ("an amount with a plus", with("/request/value", json!("+1")), Some("request.value")),
        ("an amount beyond 128 bits", with("/request/value", json!("9".repeat(40))), Some("request.value")),
        ("gas that is a float", with("/request/gas", json!(100000.0)), Some("request.gas")),
        ("gas that is negative", with("/request/gas", json!(-1)), Some("request.gas")),
        ("gas that is text", with("/request/gas", json!("100000")), Some("request.gas")),
        ("gas beyond 32 bits", with("/request/gas", json!(1u64 << 32)), Some("request.gas")),
        ("an expiry that is a float", with("/request/expiry", json!(2e9)), Some("request.expiry")),
        ("an id that is too short", with("/request/id", json!("0xab")), Some("request.id")),
        (
            "an address that is too long",
            with("/request/target", json!(format!("0x{}", "1".repeat(42)))),
            Some("request.target"),
        ),
        ("data that is not hexadecimal", with("/request/data", json!("0xzz")), Some("request.data")),
        ("a signature that is too short", with("/signature", json!("0x11")), Some("signature")),
        ("a field that nobody knows", unknown(""), Some("memo")),
        ("such a field in the request", unknown("/request"), Some("request.memo")),
        ("no gas", missing, Some("request")),
        ("a doubled field", doubled("\"ring\":1", "\"ring\":1,\"ring\":1"), Some("request")),
        ("a doubled field with two values", doubled("\"value\":", "\"value\":\"1\",\"value\":"), Some("request")),
        (
            "a doubled signature",
            doubled("\"signature\":", &format!("\"signature\":\"0x{}\",\"signature\":", "11".repeat(65))),
            None,
        ),
    ] {
        let answer = server.post(text).await;
        assert_eq!(
            (answer.status, answer.code(), answer.field()),
            (400, "malformed", field),
            "{what}: {}",
            answer.message()
        );
    }
    for nested in ["[".repeat(10_000), "{\"request\":".repeat(1_000)] {
        assert_eq!(server.post(nested).await.status, 400);
    }
    server.was_not_asked();
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_refused() {
    let mut server = Server::start(limits()).await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/plain; application/json", ""]
    {
        let request = server.client.post(server.url(REQUESTS)).header("content-type", kind).body(body());
        let answer = server.call(request).await;
        assert_eq!((answer.status, answer.code()), (415, "not_json"), "{kind}");
    }
    let answer = server.call(server.client.post(server.url(REQUESTS)).body(body())).await;
    assert_eq!((answer.status, answer.code()), (415, "not_json"));
    server.was_not_asked();
}

#[tokio::test]
async fn when_the_driver_has_stopped_nothing_is_promised() {
    let mut server = Server::start(limits()).await;
    server.commands = None;
    for answer in [server.post(body()).await, server.get(&format!("{REQUESTS}/{ID}")).await, server.get(HEALTH).await] {
        assert_eq!((answer.status, answer.code()), (503, "stopping"));
    }
}

#[tokio::test]
async fn when_the_driver_does_not_answer_the_client_hears_that_nothing_is_known() {
    let short = Duration::from_millis(10);
    let server = Server::start(Limits { accept: short, body: short, answer: short, ..limits() }).await;
    let answer = server.post(body()).await;
    assert_eq!((answer.status, answer.code()), (503, "no_answer"));
    assert!(answer.message().contains("may or may not"));
}

#[tokio::test]
async fn too_many_submissions_at_once_are_told_to_come_again() {
    let mut server = Server::start(Limits { submissions: 1, ..limits() }).await;
    let first = server.client.post(server.url(REQUESTS)).header("content-type", JSON).body(body()).send();
    let first = tokio::spawn(first);
    let Command::Submit { reply, .. } = server.asked().await else { panic!() };
    let answer = server.post(body()).await;
    assert_eq!((answer.status, answer.code()), (503, "busy"));
    reply.send(Receipt::Accepted(status(Phase::Accepted))).unwrap();
    assert_eq!(first.await.unwrap().unwrap().status(), 202);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_not_the_end() {
    async fn broken() -> StatusCode {
        panic!("secret details")
    }
    let routes = guarded(Router::new().route(HEALTH, routing::get(broken)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = Server::start(limits()).await;
    server.address = listener.local_addr().unwrap();
    let open = move |stream| std::future::ready(Ok((stream, routes.clone())));
    tokio::spawn(connections::serve(listener, limits().connections, open, CancellationToken::new()));
    for _ in 0..2 {
        let answer = server.get(HEALTH).await;
        assert_eq!((answer.status, answer.code()), (500, "internal"));
        assert!(!answer.message().contains("secret"));
    }
}

// Asking

#[tokio::test]
async fn a_request_is_found_by_either_form_of_its_id() {
    let transaction = B256::repeat_byte(3);
    let server = Server::start(limits()).await.answering(move |command| match command {
        Command::Detail { id, reply } => {
            assert_eq!(id, ID);
            reply.send(Some(detail(Phase::Final { nonce: 4, transaction }))).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let digits = "ab".repeat(16);
    let uuid = uuid::Uuid::from_bytes(ID.0).to_string();
    for id in [format!("0x{digits}"), format!("0x{}", digits.to_uppercase()), uuid.clone(), uuid.to_uppercase()] {
        let answer = server.get(&format!("{REQUESTS}/{id}")).await;
        assert_eq!(answer.status, 200);
        let expected = json!({
            "id": ID,
            "status": "final",
            "nonce": 4,
            "transaction": transaction,
            "requester": KEY,
            "request": request_json()["request"],
        });
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn an_unknown_request_is_404() {
    let server = Server::start(limits()).await.answering(|command| match command {
        Command::Detail { reply, .. } => drop(reply.send(None)),
        other => panic!("{other:?}"),
    });
    let answer = server.get(&format!("{REQUESTS}/{ID}")).await;
    assert_eq!((answer.status, answer.code()), (404, "unknown_request"));
}

#[tokio::test]
async fn an_id_of_another_form_is_400() {
    let mut server = Server::start(limits()).await;
    let digits = "ab".repeat(16);
    for id in [
        "x".into(),
        digits.clone(),
        format!("0x{digits}ab"),
        format!("0x{}", &digits[1..]),
        format!("0X{digits}"),
        format!("0x{}zz", &digits[2..]),
        format!("{{{}}}", uuid::Uuid::from_bytes(ID.0)),
        format!("urn:uuid:{}", uuid::Uuid::from_bytes(ID.0)),
        "%00".into(),
        "0x0xababababababababababababababababab".into(),
    ] {
        let answer = server.get(&format!("{REQUESTS}/{id}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_id"), "{id}");
    }
    server.was_not_asked();
}

#[tokio::test]
async fn where_the_key_is_is_told_with_what_is_left_of_its_time_to_those_who_may_read() {
    let server = Server::start(limits()).await;
    assert_eq!(server.get("/v1/key").await.body, json!({ "address": KEY, "keptIn": "enclave" }));

    let signer = PrivateKeySigner::random();
    let folder = tempfile::tempdir().unwrap();
    let (address, socket) = (signer.address(), folder.path().join("unlock.sock"));
    let [lease, warning] = [3_600, 60].map(Duration::from_secs);
    let memory = config::Memory { address, socket, lease, warning, shares: Some(2) };
    let key = memory.key();
    let custody = Custody::of(&config::Signer::Memory(memory));
    let server = Server::start_with(limits(), |setup| Setup { key: address, custody, ..setup }).await;
    assert_eq!(server.get("/v1/key").await.body, json!({ "address": address, "keptIn": "split", "secondsLeft": 0 }));
    unlock::serve(&key, Some(2), lease).await.unwrap();
    key.unlock(signer, None).unwrap();
    let left = server.get("/v1/key").await.body["secondsLeft"].as_u64().unwrap();
    assert!(left > 0, "it is unlocked");
}

#[tokio::test]
async fn health_is_200_only_while_the_seat_works() {
    let answer = health_of(overview()).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("running")));
    assert_eq!((&answer.body["nonce"], &answer.body["peers"]), (&json!(5), &json!([])));

    for not_ready in [Overview { head: None, ..overview() }, Overview { epoch: None, ..overview() }] {
        let answer = health_of(not_ready).await;
        assert_eq!((answer.status, &answer.body["status"]), (503, &json!("notReady")));
    }

    let halt = Halt::Ordered { reason: "drill".into() };
    let answer = health_of(Overview { halted_because: Some(halt.to_string()), halted: Some(halt), ..overview() }).await;
    assert_eq!((answer.status, &answer.body["status"]), (503, &json!("halted")));
    assert_eq!(answer.body["halted"], json!({ "kind": "ordered", "reason": "drill" }));
    assert_eq!(answer.body["haltedBecause"], "ordered: drill");
}

#[tokio::test]
async fn other_routes_and_methods_are_refused_in_the_same_form() {
    let mut server = Server::start(limits()).await;
    for path in ["/", "/v1", "/v1/requests/", "/v2/requests", "/v1/requests/a/b", "/v1/health/x"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "unknown_route"), "{path}");
    }
    let client = &server.client;
    for request in [
        client.patch(server.url(REQUESTS)),
        client.get(server.url(BATCH)),
        client.post(server.url(OPENAPI)),
        client.delete(server.url(REQUESTS)),
        client.post(server.url(HEALTH)),
        client.put(server.url(&format!("{REQUESTS}/{ID}"))),
    ] {
        let answer = server.call(request).await;
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"));
    }
    server.was_not_asked();
}

// Stopping

#[tokio::test]
async fn a_server_that_stops_answers_what_it_took() {
    let mut server = Server::start(limits()).await;
    let post = server.client.post(server.url(REQUESTS)).header("content-type", JSON).body(body()).send();
    let post = tokio::spawn(post);
    let Command::Submit { reply, .. } = server.asked().await else { panic!() };
    server.shutdown.cancel();
    reply.send(Receipt::Accepted(status(Phase::Accepted))).unwrap();
    assert_eq!(post.await.unwrap().unwrap().status(), 202);
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
