//! What is missing for a rotation, against stand-ins for relayers; with real ones it is in the tests of the whole ring.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use alloy::primitives::Address;
use axum::{Json, Router, extract::State, routing::get};
use ring_contracts::Charter;
use serde_json::{Value, json};

use crate::harness::{Bench, address, by};

/// A relayer that says of its keys and of itself what it is told to.
struct Relayer {
    says: Arc<Mutex<(Value, Value)>>,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

type Says = State<Arc<Mutex<(Value, Value)>>>;

impl Relayer {
    fn start() -> Self {
        let says = Arc::<Mutex<(Value, Value)>>::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let said = |says: &Says| says.lock().expect("nobody panicked").clone();
        let router = Router::new()
            .route("/v1/key", get(async move |says: Says| Json(said(&says).0)))
            .route("/v1/health", get(async move |says: Says| Json(said(&says).1)))
            .with_state(says.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { says, address, _runtime: runtime }
    }

    fn says_key(&self, key: Address, next: Address, charter: &Charter) {
        let next = json!({ "charter": charter.commitment(), "address": next, "secondsLeft": null });
        let key = json!({ "address": key, "keptIn": "keystore", "secondsLeft": null, "next": next });
        self.says.lock().expect("nobody panicked").0 = key;
    }

    fn says_health(&self, key: Address, epoch: u32, halted_because: Option<&str>) {
        let health = json!({ "key": key, "epoch": epoch, "haltedBecause": halted_because });
        self.says.lock().expect("nobody panicked").1 = health;
    }
}

/// A ring whose seat 0 is to have the key `spare`, and a relayer for each seat that is ready for it.
fn announced() -> (Bench, Charter, Vec<Relayer>) {
    let bench = Bench::with_ring();
    let seats = ["spare", "op1", "op2"].map(|name| format!("--seat {}", address(name))).join(" ");
    bench.run(&format!("rotate plan --ring 1 {seats} --out next.json")).ok();
    let charter: Charter = serde_json::from_value(bench.place.read_json("next.json")).expect("a charter");
    let relayers: Vec<Relayer> = (0..3).map(|_| Relayer::start()).collect();
    for (relayer, (key, next)) in relayers.iter().zip([("op0", "spare"), ("op1", "op1"), ("op2", "op2")]) {
        relayer.says_key(address(key), address(next), &charter);
    }
    (bench, charter, relayers)
}

fn line(step: &str, charter: &str, relayers: &[Relayer]) -> String {
    let relayers: String = relayers.iter().map(|relayer| format!(" --relayer http://{}", relayer.address)).collect();
    format!("rotate {step} --ring 1 --charter {charter}{relayers}")
}

fn prepare(charter: &str, relayers: &[Relayer]) -> String {
    line("prepare", charter, relayers) + " --out action.json"
}

#[test]
fn what_is_no_rotation_is_refused_though_all_relayers_were_told_of_it() {
    let (bench, charter, relayers) = announced();
    bench.place.write("now.json", &bench.ring()["charter"].to_string());
    bench.refused(&prepare("now.json", &relayers), 4, &["has this charter already"]);
    let fewer = Charter { seats: charter.seats[..2].to_vec(), ..charter };
    bench.place.write("fewer.json", &serde_json::to_string(&fewer).expect("it has no strange keys"));
    bench.refused(&prepare("fewer.json", &relayers), 2, &["the ring has 3 seats, and these are 2 keys"]);
    bench.run(&format!("halt --ring 1 {}", by("op0"))).ok();
    bench.refused(&prepare("next.json", &relayers), 4, &["ring 1 is halted"]);
}

#[test]
fn nothing_is_prepared_before_each_next_account_can_pay_for_gas() {
    let (bench, _, relayers) = announced();
    bench.rpc("anvil_setBalance", json!([address("spare"), "0x0"]));
    let spare = address("spare").to_string();
    let poor = bench.run(&prepare("next.json", &relayers));
    assert_eq!(poor.code, 4, "{}", poor.err);
    assert!(["seat 0", &spare, "has no coin"].iter().all(|words| poor.err.contains(words)), "{}", poor.err);
    assert!(!bench.place.path("action.json").exists());
    bench.rpc("anvil_setBalance", json!([address("spare"), "0xde0b6b3a7640000"]));
    bench.run(&prepare("next.json", &relayers)).ok();
    assert!(bench.place.path("action.json").exists());
}

#[test]
fn a_seat_has_gone_on_that_works_in_the_new_epoch_with_its_new_key() {
    let (bench, charter, relayers) = announced();
    let wait = line("wait", "next.json", &relayers) + " --patience 1s";
    bench.refused(&wait, 4, &["has not this charter yet"]);
    bench.run(&format!("ring set --ring 1 --charter next.json {}", by("master"))).ok();
    let all_say = |key: usize, epoch: u32, halted_because: Option<&str>| {
        for (seat, relayer) in relayers.iter().enumerate() {
            relayer.says_health(charter.seats[seat], 2, None);
            if seat == key {
                relayer.says_health(charter.seats[seat], epoch, halted_because);
            }
        }
    };
    for (epoch, halted_because) in [(1, None), (2, Some("the ring was halted on chain"))] {
        all_say(1, epoch, halted_because);
        bench.refused(&wait, 4, &["seat 1"]);
    }
    all_say(1, 2, None);
    relayers[0].says_health(address("op0"), 2, None);
    bench.refused(&wait, 4, &["seat 0"]);
    all_say(1, 2, None);
    let done = bench.run(&(wait + " --json")).json();
    assert_eq!((&done["ring"], &done["epoch"]), (&json!(1), &json!(2)));
}
