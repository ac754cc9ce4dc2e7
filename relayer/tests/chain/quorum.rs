//! Several RPCs of one chain, of which one fails, lies or is behind: the view is right, or there is none; and it goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alloy::{
    primitives::{B256, U256},
    sol_types::{SolCall as _, SolEvent as _},
};
use ring_contracts::{Bytes, IRingMultisig::RingView, RingMultisig, TurnId};
use ring_core::ChainView;
use ring_relayer::chain::{ChainError, Disagreement, Endpoints, Finality, Subject, WatcherSettings};
use serde_json::{Value, json};

use crate::{
    anvil::{Anvil, connect_all},
    follower::Follower,
    proxy::{Proxy, Verdict},
    sender::{Patience, Sender, mine_until_nonce},
    treasury::{RING, Treasury},
};

/// Three RPCs of one chain, two of which have to agree. The last one is at fault while it is told to be.
struct Three {
    treasury: Treasury,
    proxies: Vec<Proxy>,
    is_at_fault: Arc<AtomicBool>,
    /// A watcher of all of them.
    follower: Follower,
    /// A watcher that nobody lies to.
    truth: Follower,
}

impl Three {
    async fn start(fault: impl FnMut(&str, &Value) -> Verdict + Send + 'static) -> Self {
        let treasury = Treasury::new().await;
        Self::of(treasury, fault, |_| {}).await
    }

    async fn of(
        treasury: Treasury,
        mut fault: impl FnMut(&str, &Value) -> Verdict + Send + 'static,
        change: impl FnOnce(&mut WatcherSettings),
    ) -> Self {
        treasury.executed(&treasury.turn(0, 1)).await;
        treasury.anvil.mine(3).await;
        let is_at_fault = Arc::<AtomicBool>::default();
        let switch = is_at_fault.clone();
        let mut proxies = Vec::new();
        for _ in 0..2 {
            proxies.push(Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await);
        }
        let faulty = move |method: &str, parameters: &Value| match switch.load(SeqCst) {
            true => fault(method, parameters),
            false => Verdict::Forward,
        };
        proxies.push(Proxy::start(treasury.anvil.http(), faulty).await);
        let mut settings = treasury.watcher_settings();
        change(&mut settings);
        let endpoints = connect_all(proxies.iter().map(Proxy::url), 2).await;
        let mut follower = Follower::of(endpoints, settings.clone());
        let mut truth = Follower::of(treasury.anvil.endpoints.clone(), settings);
        assert_eq!(follower.view().await, truth.view().await);
        Self { treasury, proxies, is_at_fault, follower, truth }
    }

    fn set_fault(&self, on: bool) {
        self.is_at_fault.store(on, SeqCst);
    }

    /// A block with the ring's next turn.
    async fn execute(&mut self) -> ChainView {
        let nonce = self.treasury.ring().await.nonce.to();
        self.treasury.executed(&self.treasury.turn(nonce, nonce as u8 + 1)).await;
        self.truth.until("the turn", |view| view.nonce == nonce + 1).await
    }

    /// The view of the newest turn is the true one.
    async fn shows(&mut self, true_view: &ChainView) {
        let nonce = true_view.nonce;
        assert_eq!(&self.follower.until("the turn", |view| view.nonce == nonce).await, true_view);
        assert_eq!(self.follower.connection.borrow().disagreement, None);
    }

    /// Turn after turn, until the RPCs are seen to contradict each other. No view on the way is wrong.
    async fn until_disagreement(&mut self) -> Disagreement {
        for _ in 0..20 {
            let true_view = self.execute().await;
            match self.follower.view_or_disagreement().await {
                Ok(view) => assert_eq!(view, true_view),
                Err(disagreement) => return disagreement,
            }
        }
        panic!("the lie was never noticed")
    }

    /// Once the fault is over it goes on, with nothing left out.
    async fn recovers(&mut self) {
        self.set_fault(false);
        let true_view = self.execute().await;
        self.shows(&true_view).await;
        self.follower.until_well().await;
        assert_eq!(self.follower.connection.borrow().disagreement, None);
    }
}

/// The view is right while one of three RPCs is at fault like this, and afterwards.
async fn is_outvoted(fault: impl FnMut(&str, &Value) -> Verdict + Send + 'static) {
    let mut three = Three::start(fault).await;
    three.set_fault(true);
    for _ in 0..3 {
        let true_view = three.execute().await;
        three.shows(&true_view).await;
    }
    three.recovers().await;
}

/// There is no view while one of three RPCs contradicts the others like this, and the right one afterwards.
async fn is_a_disagreement(about: Subject, words: &str, fault: impl FnMut(&str, &Value) -> Verdict + Send + 'static) {
    let mut three = Three::start(fault).await;
    three.set_fault(true);
    let disagreement = three.until_disagreement().await;
    assert_eq!(disagreement.contradiction.what, about);
    let evidence = &disagreement.contradiction.evidence;
    let names = [&evidence.answers[0].rpc, &evidence.answers[1].rpc];
    assert!(names.contains(&&"rpc[2] (127.0.0.1)".to_owned()), "{names:?}");
    assert!(evidence.answers.iter().any(|answer| answer.answer.contains(words)), "{evidence:?}");
    let written = serde_json::to_value(&disagreement).expect("it can be put down");
    assert_eq!(written["evidence"]["block"], evidence.block);
    three.treasury.anvil.mine(1).await;
    three.follower.until_fault("contradict each other").await;
    assert_eq!(three.follower.sent(), None);
    three.recovers().await;
}

fn is_get_ring(method: &str, parameters: &Value) -> bool {
    let selector = Bytes::from(RingMultisig::getRingCall::SELECTOR).to_string();
    let input = |name: &str| parameters[0][name].as_str().is_some_and(|input| input.starts_with(&selector));
    method == "eth_call" && (input("input") || input("data"))
}

/// Lies about the state of the ring.
fn changed_ring(change: impl Fn(&mut RingView) + Clone + Send + 'static) -> impl FnMut(&str, &Value) -> Verdict + Send {
    move |method, parameters| {
        if !is_get_ring(method, parameters) {
            return Verdict::Forward;
        }
        let change = change.clone();
        Verdict::Change(Box::new(move |answer| {
            let encoded: Bytes = answer.as_str().expect("a hex string").parse().expect("hex");
            let mut ring = RingMultisig::getRingCall::abi_decode_returns(&encoded).expect("a ring");
            change(&mut ring);
            *answer = json!(Bytes::from(RingMultisig::getRingCall::abi_encode_returns(&ring)));
        }))
    }
}

#[tokio::test]
async fn what_there_is_to_spend_is_of_one_block_whoever_was_away_and_whoever_does_not_tell_of_changes() {
    // Seat 0 may sign neither turn 1 nor turn 2, so that it is not asked of each head.
    for fault in [
        |_: &Value| Verdict::Status(500),
        |parameters: &Value| match parameters[0]["blockHash"].is_string() {
            true => Verdict::Refuse(-32602, "no block hashes here"),
            false => Verdict::Forward,
        },
    ] {
        let treasury = Treasury::new().await;
        let logs = move |method: &str, parameters: &Value| match method {
            "eth_getLogs" => fault(parameters),
            _ => Verdict::Forward,
        };
        let mut three = Three::of(treasury, logs, |settings| settings.seat = Some(0)).await;
        let mut balance = 9_000;
        for step in 0..12 {
            three.set_fault(step % 4 == 1);
            balance -= 1;
            three.treasury.anvil.set_balance(three.treasury.domain.contract, U256::from(balance)).await;
            three.treasury.anvil.mine(1).await;
            let head = three.treasury.anvil.head().await;
            three.follower.until_block(head).await;
            assert_eq!(three.follower.connection.borrow().disagreement, None, "step {step}");
        }
    }
}

#[tokio::test]
async fn one_that_lies_about_the_ring_is_a_disagreement() {
    is_a_disagreement(Subject::State, "halted true", changed_ring(|ring| ring.halted = true)).await;
}

#[tokio::test]
async fn one_whose_state_and_turns_do_not_fit_is_outvoted() {
    is_outvoted(changed_ring(|ring| ring.nonce = alloy::primitives::Uint::from(99))).await;
}

#[tokio::test]
async fn one_that_hides_a_turn_is_outvoted() {
    is_outvoted(|method, _| match method {
        "eth_getLogs" => Verdict::Answer(json!([])),
        _ => Verdict::Forward,
    })
    .await;
}

#[tokio::test]
async fn one_that_invents_a_turn_is_outvoted() {
    is_outvoted(|method, _| match method {
        "eth_getLogs" => Verdict::Change(Box::new(|logs| {
            let logs = logs.as_array_mut().expect("logs");
            let Some(mut log) = logs.last().cloned() else { return };
            let data: Bytes = log["data"].as_str().expect("hex").parse().expect("hex");
            let mut event = RingMultisig::TurnExecuted::abi_decode_data(&data).expect("a turn");
            let id = TurnId::unpack(event.0).expect("an id");
            event.0 = TurnId { nonce: id.nonce + 1, ..id }.pack();
            let event = RingMultisig::TurnExecuted { id: event.0, digest: event.1, requestIds: event.2 };
            log["data"] = json!(event.encode_log_data().data);
            logs.push(log);
        })),
        _ => Verdict::Forward,
    })
    .await;
}

#[tokio::test]
async fn one_that_tells_of_another_turn_in_the_place_of_the_real_one_is_a_disagreement() {
    let lie = B256::repeat_byte(7);
    is_a_disagreement(Subject::Turns, &lie.to_string(), move |method, _| match method {
        "eth_getLogs" => Verdict::Change(Box::new(move |logs| {
            for log in logs.as_array_mut().expect("logs") {
                let data = log["data"].as_str().expect("hex").to_owned();
                // The second word, after `0x` and the id.
                log["data"] = json!(format!("{}{lie:x}{}", &data[..66], &data[130..]));
            }
        })),
        _ => Verdict::Forward,
    })
    .await;
}

#[tokio::test]
async fn one_on_a_fork_that_is_not_final_is_outvoted() {
    let treasury = Treasury::new().await;
    let target = Arc::new(std::sync::Mutex::new(String::new()));
    let at = target.clone();
    let settings = |settings: &mut WatcherSettings| settings.finality = Finality::Depth(20);
    let fault = move |_: &str, _: &Value| Verdict::AskAt(at.lock().expect("no test panics in it").clone());
    let mut three = Three::of(treasury, fault, settings).await;
    let fork = three.treasury.anvil.fork().await;
    fork.mine(2).await;
    *target.lock().unwrap() = fork.http();
    three.set_fault(true);
    for _ in 0..3 {
        let true_view = three.execute().await;
        three.shows(&true_view).await;
        fork.mine(1).await;
    }
    three.recovers().await;
}

#[tokio::test]
async fn one_on_a_fork_that_it_calls_final_is_a_disagreement() {
    let treasury = Treasury::new().await;
    let target = Arc::new(std::sync::Mutex::new(String::new()));
    let at = target.clone();
    let fault = move |_: &str, _: &Value| Verdict::AskAt(at.lock().expect("no test panics in it").clone());
    let mut three = Three::of(treasury, fault, |settings| settings.finality = Finality::Depth(2)).await;
    let fork = three.treasury.anvil.fork().await;
    // In another second than the others' blocks.
    fork.set_next_time(fork.time().await + 1_000).await;
    fork.mine(20).await;
    *target.lock().unwrap() = fork.http();
    three.set_fault(true);
    let disagreement = three.until_disagreement().await;
    assert_eq!(disagreement.contradiction.what, Subject::FinalBlock);
    three.recovers().await;
}

#[tokio::test]
async fn one_that_changes_its_chain_is_thrown_out_until_it_is_back() {
    is_outvoted(|method, _| match method {
        "eth_chainId" => Verdict::Answer(json!("0x1")),
        // Another chain has other blocks, final ones too.
        "eth_getBlockByNumber" => Verdict::Change(Box::new(|block| {
            block["hash"] = json!(B256::repeat_byte(1));
            block["parentHash"] = json!(B256::repeat_byte(2));
        })),
        _ => Verdict::Forward,
    })
    .await;
}

#[tokio::test]
async fn one_that_is_fifty_blocks_behind_is_no_disagreement() {
    let treasury = Treasury::new().await;
    treasury.anvil.mine(60).await;
    let head = Arc::<AtomicU64>::default();
    let behind = head.clone();
    let fault = move |method: &str, parameters: &Value| match (method, parameters[0].as_str()) {
        ("eth_getBlockByNumber", Some("latest" | "finalized")) => {
            Verdict::AskInstead(json!([format!("{:#x}", behind.load(SeqCst) - 50), false]))
        }
        _ => Verdict::Forward,
    };
    let mut three = Three::of(treasury, fault, |_| {}).await;
    head.store(three.treasury.anvil.head().await, SeqCst);
    three.set_fault(true);
    for _ in 0..3 {
        let true_view = three.execute().await;
        three.shows(&true_view).await;
    }
    three.recovers().await;
}

#[tokio::test]
async fn one_that_wants_to_be_asked_less_is_left_alone() {
    is_outvoted(|_, _| Verdict::Status(429)).await;
    is_outvoted(|_, _| Verdict::Refuse(429, "slow down")).await;
}

#[tokio::test]
async fn one_that_fails_is_left_alone() {
    is_outvoted(|_, _| Verdict::Status(503)).await;
}

#[tokio::test]
async fn one_that_breaks_off_in_the_middle_is_left_alone() {
    is_outvoted(|_, _| Verdict::Cut).await;
    // Only what is said of the treasury's balance.
    is_outvoted(|method, _| match method {
        "eth_getBalance" => Verdict::Cut,
        _ => Verdict::Forward,
    })
    .await;
}

#[tokio::test]
async fn one_that_repeats_old_answers_is_outvoted() {
    is_outvoted(|_, _| Verdict::Repeat).await;
}

#[tokio::test]
async fn one_that_never_answers_holds_up_nobody() {
    is_outvoted(|_, _| Verdict::ForwardAfter(Box::pin(std::future::pending()))).await;
}

#[tokio::test]
async fn a_reorg_is_followed_by_all() {
    let mut three = Three::start(|_, _| Verdict::Forward).await;
    let before = three.execute().await;
    three.shows(&before).await;
    three.treasury.anvil.reorg(1).await;
    let after = three.follower.until("the reorg", |view| view.nonce == 1).await;
    assert_eq!(after.turns, before.turns[..1]);
    three.recovers().await;
}

#[tokio::test]
async fn a_head_that_only_one_is_left_with_is_not_gone_back_from() {
    // One leads, one is at fault and the last one behind: what two have is older than what was shown.
    let mut three = Three::start(|method, parameters| match (method, parameters[0].as_str()) {
        ("eth_getBlockByNumber", Some("latest")) => Verdict::Repeat,
        _ => Verdict::Forward,
    })
    .await;
    let failing = Arc::<AtomicBool>::default();
    let fails = failing.clone();
    let fails = move |_: &str, _: &Value| match fails.load(SeqCst) {
        true => Verdict::Status(503),
        false => Verdict::Forward,
    };
    let second = Proxy::start(three.treasury.anvil.http(), fails).await;
    let urls = [three.proxies[0].url(), second.url(), three.proxies[2].url()];
    let mut follower = Follower::of(connect_all(urls, 2).await, three.treasury.watcher_settings());
    follower.view().await;
    three.set_fault(true);
    let true_view = three.execute().await;
    assert_eq!(follower.until("the turn", |view| view.nonce == 2).await, true_view);
    failing.store(true, SeqCst);
    follower.until_fault("behind").await;
    assert_eq!(follower.sent(), None);
    failing.store(false, SeqCst);
    three.set_fault(false);
    let true_view = three.execute().await;
    assert_eq!(follower.until("the turn", |view| view.nonce == 3).await, true_view);
}

#[tokio::test]
async fn too_few_that_answer_show_nothing_and_are_named_without_their_secrets() {
    let treasury = Treasury::new().await;
    let honest = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let failing = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Status(503)).await;
    let token = format!("{}/?token=secret", failing.url());
    let endpoints = connect_all([honest.url(), &token, "http://127.0.0.1:1/secret"], 2).await;
    assert!(!format!("{endpoints:?}").contains("secret"), "{endpoints:?}");
    let mut follower = Follower::of(endpoints, treasury.watcher_settings());
    let connection = follower.until_fault("1 RPCs answered, 2 have to agree").await;
    let text = format!("{connection:?}");
    assert!(text.contains("rpc[1] (127.0.0.1)") && text.contains("rpc[2] (127.0.0.1)"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(connection.rpcs.iter().map(|rpc| rpc.fault.is_some()).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(follower.sent(), None);
}

#[tokio::test]
async fn a_disagreement_that_lasts_says_so_and_since_when() {
    let treasury = Treasury::new().await;
    let lie = changed_ring(|ring| ring.halted = true);
    let mut three = Three::of(treasury, lie, |settings| settings.longest_disagreement = Duration::ZERO).await;
    three.set_fault(true);
    let first = three.until_disagreement().await;
    assert!(first.is_lasting);
    let failures = three.follower.connection.borrow().failures;
    let again = three.follower.connection.wait_for(|connection| connection.failures > failures + 1).await;
    let again = again.expect("the watcher runs").disagreement.clone().expect("it is not over");
    assert_eq!(again.since, first.since);

    let mut patient = Three::start(changed_ring(|ring| ring.halted = true)).await;
    patient.set_fault(true);
    assert!(!patient.until_disagreement().await.is_lasting);
}

#[tokio::test]
async fn one_of_another_chain_is_refused_at_the_start_and_one_that_is_down_is_not() {
    let treasury = Treasury::new().await;
    let other = Anvil::start(&["--chain-id", "5"]).await;
    let (good, wrong) = (treasury.anvil.http(), other.http());
    let endpoints = connect_all([&*good, &*good, &*wrong], 2).await;
    let error = endpoints.verify(&treasury.domain, Finality::Finalized).await.expect_err("one is of another chain");
    assert!(matches!(&error, ChainError::WrongChain { rpc, actual: 5, .. } if rpc.starts_with("rpc[2]")), "{error}");

    let ws = treasury.anvil.ws();
    for down in ["http://127.0.0.1:1/secret", "ws://127.0.0.1:1/secret"] {
        let endpoints = connect_all([&*ws, down, &*good], 2).await;
        endpoints.verify(&treasury.domain, Finality::Finalized).await.expect("enough of them answer");
        let ring = endpoints.ring(&treasury.domain, RING).await.expect("enough of them agree");
        assert_eq!(ring, treasury.ring().await);
        Follower::of(endpoints, treasury.watcher_settings()).view().await;
    }
    let error = Endpoints::connect([&*ws, "ws://127.0.0.1:1/secret"], 2).await.expect_err("both are needed");
    assert!(matches!(&error, ChainError::Unreachable { .. }) && !error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn the_ring_is_not_believed_of_rpcs_that_contradict_each_other() {
    let treasury = Treasury::new().await;
    let honest = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let lying = Proxy::start(treasury.anvil.http(), changed_ring(|ring| ring.epoch = 9)).await;
    let endpoints = connect_all([honest.url(), lying.url()], 2).await;
    let error = endpoints.ring(&treasury.domain, RING).await.expect_err("they contradict each other");
    assert!(error.to_string().contains("contradict each other"), "{error}");
}

#[tokio::test]
async fn a_turn_is_sent_to_all_and_over_the_first_that_answers() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let failing = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Status(503)).await;
    let swallowing = |method: &str, _: &Value| match method {
        "eth_sendRawTransaction" => Verdict::Answer(json!(B256::repeat_byte(1))),
        _ => Verdict::Forward,
    };
    let swallowing = Proxy::start(treasury.anvil.http(), swallowing).await;
    let mut good = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let endpoints = connect_all([failing.url(), swallowing.url(), good.url()], 2).await;
    let sender = Sender::start(&treasury, endpoints, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    good.until_asked("eth_sendRawTransaction", 1).await;
    treasury.anvil.mine(1).await;
    follower.until("the turn", |view| view.nonce == 1).await;
    assert_eq!(sender.signed().len(), 1);
    assert_eq!(sender.sending.borrow().alarm, None);
}

#[tokio::test]
async fn a_turn_that_one_calls_impossible_or_done_is_sent_over_another() {
    let reverting = |method: &str, _: &Value| match method {
        "eth_estimateGas" => Verdict::Refuse(3, "execution reverted"),
        _ => Verdict::Forward,
    };
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let lying = Proxy::start(treasury.anvil.http(), reverting).await;
    let endpoints = connect_all([lying.url(), &treasury.anvil.http()], 1).await;
    let sender = Sender::start(&treasury, endpoints, Patience::Endless).await;
    sender.want_turn(0, treasury.execute(&treasury.turn(0, 1)));
    mine_until_nonce(&treasury, &mut follower, 1).await;
}
