//! Against a stand-in for a relayer that checks what it is sent as a relayer does.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use alloy::primitives::{Address, U256};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use ring_contracts::{Cancellation, Domain, Request, SignedCancellation, SignedRequest};
use serde_json::{Value, json};

use crate::harness::{Bench, Place, address, by, lower};

const CONTRACT: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const ID: &str = "0x11111111111111111111111111111111";

/// Answers what it was told to, one answer after another, the last one for ever.
#[derive(Clone, Default)]
struct Script {
    posts: Arc<Mutex<Vec<(u16, Value)>>>,
    gets: Arc<Mutex<Vec<(u16, Value)>>>,
    seen: Arc<Mutex<Vec<SignedRequest>>>,
    cancelled: Arc<Mutex<Vec<SignedCancellation>>>,
}

type Reply = (StatusCode, Json<Value>);

fn next(script: &Mutex<Vec<(u16, Value)>>) -> Reply {
    let mut script = script.lock().expect("nobody panicked");
    let (status, body) = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
    (StatusCode::from_u16(status).expect("a status"), Json(body))
}

async fn take(State(script): State<Script>, Json(request): Json<SignedRequest>) -> Reply {
    script.seen.lock().expect("nobody panicked").push(request);
    next(&script.posts)
}

async fn take_back(
    State(script): State<Script>,
    Path(id): Path<String>,
    Json(cancellation): Json<SignedCancellation>,
) -> Reply {
    assert_eq!(id, ID);
    script.cancelled.lock().expect("nobody panicked").push(cancellation);
    next(&script.posts)
}

async fn tell(State(script): State<Script>, Path(id): Path<String>) -> Reply {
    assert_eq!(id, ID);
    next(&script.gets)
}

struct Relayer {
    script: Script,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Relayer {
    fn start(posts: &[(u16, Value)], gets: &[(u16, Value)]) -> Self {
        let script = Script {
            posts: Arc::new(Mutex::new(posts.to_vec())),
            gets: Arc::new(Mutex::new(gets.to_vec())),
            ..Script::default()
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/v1/requests", post(take))
            .route("/v1/requests/{id}", get(tell))
            .route("/v1/requests/{id}/cancel", post(take_back))
            .with_state(script.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { script, address, _runtime: runtime }
    }

    fn seen(&self) -> Vec<SignedRequest> {
        self.script.seen.lock().expect("nobody panicked").clone()
    }

    fn take_back(&self, rest: &str) -> String {
        let (client, relayer) = (by("stranger"), self.address);
        format!("cancel --relayer http://{relayer}/ --chain-id 5 --contract {CONTRACT} --id {ID} {client} {rest}")
    }

    fn ask(&self, rest: &str) -> String {
        let client = by("stranger");
        format!(
            "request --relayer http://{}/ --ring 3 --chain-id 5 --contract {CONTRACT} {client} {rest}",
            self.address
        )
    }
}

/// What a relayer says of a request with its content.
fn detail(status: &str) -> (u16, Value) {
    (200, json!({ "id": ID, "status": status, "request": content() }))
}

fn content() -> Request {
    let to = address("spare");
    let id = ID.parse().expect("an id");
    Request { id, ring: 3, target: to, value: 7, data: Default::default(), gas: 50_000, expiry: 2_000_000_000 }
}

fn answer(status: &str) -> (u16, Value) {
    (200, json!({ "id": ID, "status": status, "ring": 3 }))
}

fn domain() -> Domain {
    Domain { chain_id: 5, contract: CONTRACT.parse().expect("an address") }
}

#[test]
fn a_request_is_signed_by_its_requester_and_says_what_was_asked() {
    let place = Place::with_keys();
    let relayer = Relayer::start(&[answer("accepted")], &[answer("final")]);
    let to = address("spare");
    let run = place.run(
        &relayer.ask(&format!("--pay native --to {to} --amount 1.5ether --id {ID} --expires-at 2000000000 --json")),
    );
    assert_eq!(run.json(), answer("accepted").1);
    let token = address("op3");
    place.run(&relayer.ask(&format!("--pay {token} --to {to} --amount 12.5tokens --decimals 6 --gas 60000"))).ok();

    let seen = relayer.seen();
    let native = &seen[0].request;
    assert_eq!(seen[0].requester(&domain()), Ok(address("stranger")));
    assert_eq!((native.target, native.value, native.data.len()), (to, 1_500_000_000_000_000_000, 0));
    assert_eq!(
        (native.ring, native.gas, native.expiry, native.id.to_string()),
        (3, 100_000, 2_000_000_000, ID.to_owned())
    );
    assert_eq!(native.spends(), Ok((Address::ZERO, U256::from(native.value))));
    let tokens = &seen[1].request;
    assert_eq!(seen[1].requester(&domain()), Ok(address("stranger")));
    assert_eq!(tokens.spends(), Ok((token, U256::from(12_500_000))));
    assert_eq!((tokens.target, tokens.value, tokens.gas), (token, 0, 60_000));
    assert_eq!(tokens.id[6] >> 4, 4, "a new id is a UUID of version 4");
}

#[test]
fn the_same_command_asks_for_the_same_thing_after_a_failure() {
    let place = Place::with_keys();
    let failing = (503, json!({ "code": "not_durable", "detail": "too few peers" }));
    let relayer = Relayer::start(&[failing], &[answer("final")]);
    let to = address("spare");
    let line = format!("--pay native --to {to} --amount 1 --id {ID}");
    let run = place.run(&relayer.ask(&line));
    let seen = relayer.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| *request == seen[0]));
    let expiry = seen[0].request.expiry.to_string();
    run.refused(5, &["is not known", "too few peers", "--id", ID, "--expires-at", &expiry]);

    *relayer.script.posts.lock().expect("nobody panicked") = vec![answer("accepted")];
    place.run(&relayer.ask(&format!("{line} --expires-at {expiry}"))).ok();
    assert_eq!(relayer.seen()[3], seen[0]);
}

#[test]
fn a_relayers_refusal_is_shown_in_its_words() {
    let place = Place::with_keys();
    let refusal = (409, json!({ "code": "id_taken", "detail": "this id has other content" }));
    let relayer = Relayer::start(&[refusal], &[answer("final")]);
    let run = place.run(&relayer.ask(&format!("--pay native --to {} --amount 1", address("spare"))));
    run.refused(6, &["409", "id_taken", "this id has other content"]);
    assert_eq!(relayer.seen().len(), 1, "a refusal is not repeated");
}

#[test]
fn waiting_ends_with_the_request() {
    let place = Place::with_keys();
    let line = format!("--pay native --to {} --amount 1 --id {ID} --wait", address("spare"));
    let busy = (503, json!({}));
    let relayer =
        Relayer::start(&[answer("accepted")], &[answer("signing"), busy, answer("executed"), answer("final")]);
    let run = place.run(&relayer.ask(&line)).ok();
    assert_eq!(run.out.trim(), format!("{ID} final"));
    for status in ["signing", "unknown", "executed"] {
        assert!(run.err.contains(status), "{}", run.err);
    }
    for status in ["failed", "expired", "cancelled", "disputed"] {
        let relayer = Relayer::start(&[answer("accepted")], &[answer(status)]);
        place.run(&relayer.ask(&line)).refused(6, &[ID, status]);
    }
    let relayer = Relayer::start(&[answer("accepted")], &[answer("signing")]);
    place.run(&relayer.ask(&format!("{line} --patience 1s"))).refused(7, &["may still be executed"]);
}

#[test]
fn a_cancellation_is_signed_for_what_the_relayer_says_that_was_asked_for() {
    let place = Place::with_keys();
    let relayer = Relayer::start(
        &[(503, json!({})), (202, json!({ "id": ID, "status": "cancelling" }))],
        &[detail("accepted"), answer("cancelling"), answer("cancelled")],
    );
    let run = place.run(&relayer.take_back("--wait")).ok();
    assert_eq!(run.out.trim(), format!("{ID} cancelled"));
    assert!(run.err.contains("cancelling"), "{}", run.err);
    let seen = relayer.script.cancelled.lock().expect("nobody panicked").clone();
    assert_eq!(seen.len(), 2, "an answer that is lost is asked for again");
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].cancellation, Cancellation::of(&content(), &domain()));
    assert_eq!(seen[0].signer(&domain()), Ok(address("stranger")));
}

#[test]
fn a_cancellation_that_comes_too_late_or_whose_request_is_paid_in_the_end_is_a_failure() {
    let place = Place::with_keys();
    let refusal = (409, json!({ "code": "too_late", "detail": "it was executed in turn 4" }));
    let relayer = Relayer::start(&[refusal], &[detail("executed")]);
    place.run(&relayer.take_back("")).refused(6, &["too_late", "turn 4"]);
    for status in ["final", "failed", "disputed"] {
        let relayer = Relayer::start(&[answer("cancelling")], &[detail("signing"), answer(status)]);
        place.run(&relayer.take_back("--wait")).refused(6, &[ID, status]);
    }
    let relayer = Relayer::start(&[answer("cancelling")], &[answer("final")]);
    place.run(&relayer.take_back("")).refused(6, &["cannot be cancelled"]);
    let unknown = (404, json!({ "code": "unknown_request", "detail": "no such request" }));
    let relayer = Relayer::start(&[answer("cancelling")], &[unknown]);
    place.run(&relayer.take_back("")).refused(6, &["unknown_request"]);
    let relayer = Relayer::start(&[(503, json!({}))], &[detail("accepted")]);
    place.run(&relayer.take_back("")).refused(5, &["is not known", "repeat the same command"]);
}

#[test]
fn a_request_takes_chain_and_decimals_from_the_rpc() {
    let bench = Bench::with_ring();
    let relayer = Relayer::start(&[answer("accepted")], &[answer("final")]);
    let token = "0x7777777777777777777777777777777777777777";
    bench.rpc("anvil_setCode", json!([token, "0x600660005260206000f3"]));
    let line = format!(
        "request --relayer http://{} --ring 1 --pay {token} --to {} --amount 2tokens {}",
        relayer.address,
        address("spare"),
        by("stranger")
    );
    bench.run(&line).ok();
    let domain = Domain { chain_id: 31337, contract: bench.contract.parse().expect("an address") };
    assert_eq!(relayer.seen()[0].requester(&domain), Ok(address("stranger")));
    assert_eq!(relayer.seen()[0].request.spends().map(|(_, amount)| amount), Ok(U256::from(2_000_000)));
    bench.refused(&format!("{line} --chain-id 5"), 4, &["--chain-id is 5", "is of chain 31337"]);
    assert_eq!(relayer.seen().len(), 1);
    assert_eq!(lower(address("stranger")).len(), 42);
}

#[test]
fn an_impossible_request_is_not_sent() {
    let place = Place::with_keys();
    let relayer = Relayer::start(&[answer("accepted")], &[answer("final")]);
    let to = address("spare");
    for (rest, words) in [
        ("--amount 1 --gas 16777216", "gas is 16777216"),
        ("--amount 1 --expires-at 1099511627776", "expiry"),
        ("--amount 79228162514264337593543950336", "2^96"),
        ("--amount 1tokens", "native coin"),
    ] {
        place.run(&relayer.ask(&format!("--pay native --to {to} {rest}"))).refused(2, &[words]);
    }
    assert!(relayer.seen().is_empty());
    let line =
        relayer.ask(&format!("--pay native --to {to} --amount 1")).replace(&relayer.address.to_string(), "127.0.0.1:1");
    place.run(&line).refused(5, &["cannot be reached", "127.0.0.1:1"]);
}
