//! An RPC in front of Anvil's that fails and lies as a test wants it to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

/// What to do with a question.
pub(crate) enum Verdict {
    /// Ask Anvil.
    Forward,
    /// Ask Anvil the same with these parameters.
    AskInstead(Value),
    /// Answer this instead.
    Answer(Value),
    /// Answer with this error.
    Refuse(i64, &'static str),
    /// Ask Anvil, and answer with this error all the same.
    ForwardAndRefuse(i64, &'static str),
    /// Answer with this HTTP status.
    Status(u16),
    /// Ask Anvil, and break off in the middle of its answer.
    Cut,
    /// Answer as the last time that the same was asked; ask Anvil if it never was.
    Repeat,
    /// Ask Anvil, and change what it says.
    Change(Box<dyn FnOnce(&mut Value) + Send>),
    /// Ask another RPC.
    AskAt(String),
    /// Do this, and then ask Anvil.
    ForwardAfter(BoxFuture<'static, ()>),
    /// Ask Anvil, do this, and pass its answer on.
    ForwardAnd(BoxFuture<'static, ()>),
}

type Judge = Box<dyn FnMut(&str, &Value) -> Verdict + Send>;

pub(crate) struct Proxy {
    url: String,
    counts: watch::Receiver<BTreeMap<String, u64>>,
    server: JoinHandle<()>,
}

struct Shared {
    target: String,
    client: reqwest::Client,
    judge: Mutex<Judge>,
    /// The last answer to each question.
    answers: Mutex<BTreeMap<String, Value>>,
    counts: watch::Sender<BTreeMap<String, u64>>,
}

impl Proxy {
    /// `judge` sees each method and its parameters.
    pub(crate) async fn start(target: String, judge: impl FnMut(&str, &Value) -> Verdict + Send + 'static) -> Self {
        let (counts, counted) = watch::channel(BTreeMap::new());
        let client = reqwest::Client::new();
        let shared = Shared { target, client, judge: Mutex::new(Box::new(judge)), answers: Mutex::default(), counts };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/", post(serve)).with_state(Arc::new(shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, counts: counted, server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn count(&self, method: &str) -> u64 {
        self.counts.borrow().get(method).copied().unwrap_or_default()
    }

    /// How many questions were asked.
    pub(crate) fn count_all(&self) -> u64 {
        self.counts.borrow().values().sum()
    }

    /// Waits until a method was asked for so many times in all.
    pub(crate) async fn until_asked(&mut self, method: &str, times: u64) {
        let asked = |counts: &BTreeMap<String, u64>| counts.get(method).is_some_and(|count| *count >= times);
        let waited = timeout(Duration::from_secs(30), self.counts.wait_for(asked)).await;
        waited.unwrap_or_else(|_| panic!("{method} was not asked for")).expect("the proxy runs");
    }

    /// Waits until anything is asked.
    pub(crate) async fn until_anything(&mut self) {
        timeout(Duration::from_secs(30), self.counts.changed()).await.expect("it is asked").expect("it runs");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(State(shared): State<Arc<Shared>>, Json(question): Json<Value>) -> Response {
    let method = question["method"].as_str().unwrap_or_default().to_owned();
    let refuse = |code: i64, message: &str| {
        let error = json!({ "code": code, "message": message });
        Json(json!({ "jsonrpc": "2.0", "id": question["id"], "error": error })).into_response()
    };
    let verdict = (shared.judge.lock().expect("no test panics in it"))(&method, &question["params"]);
    let response = match verdict {
        Verdict::Forward => Json(forward(&shared, &question).await).into_response(),
        Verdict::AskInstead(parameters) => {
            let mut other = question.clone();
            other["params"] = parameters;
            Json(forward(&shared, &other).await).into_response()
        }
        Verdict::Answer(result) => {
            Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).into_response()
        }
        Verdict::Refuse(code, message) => refuse(code, message),
        Verdict::ForwardAndRefuse(code, message) => {
            forward(&shared, &question).await;
            refuse(code, message)
        }
        Verdict::Status(status) => StatusCode::from_u16(status).expect("an HTTP status").into_response(),
        Verdict::Cut => {
            let answer = forward(&shared, &question).await.to_string();
            let half: Result<_, std::io::Error> = Ok(answer[..answer.len() / 2].to_owned());
            let end = Err(std::io::ErrorKind::ConnectionReset.into());
            Body::from_stream(futures::stream::iter([half, end])).into_response()
        }
        Verdict::Repeat => {
            let before = shared.answers.lock().expect("no test panics in it").get(&asked(&question)).cloned();
            match before {
                Some(result) => {
                    Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).into_response()
                }
                None => Json(forward(&shared, &question).await).into_response(),
            }
        }
        Verdict::Change(change) => {
            let mut answer = forward(&shared, &question).await;
            change(&mut answer["result"]);
            Json(answer).into_response()
        }
        Verdict::AskAt(target) => Json(ask(&shared, &target, &question).await).into_response(),
        Verdict::ForwardAfter(action) => {
            action.await;
            Json(forward(&shared, &question).await).into_response()
        }
        Verdict::ForwardAnd(action) => {
            let answer = forward(&shared, &question).await;
            action.await;
            Json(answer).into_response()
        }
    };
    shared.counts.send_modify(|counts| *counts.entry(method).or_default() += 1);
    response
}

async fn forward(shared: &Shared, question: &Value) -> Value {
    let answer = ask(shared, &shared.target, question).await;
    shared.answers.lock().expect("no test panics in it").insert(asked(question), answer["result"].clone());
    answer
}

fn asked(question: &Value) -> String {
    format!("{}{}", question["method"], question["params"])
}

async fn ask(shared: &Shared, target: &str, question: &Value) -> Value {
    let answer = shared.client.post(target).json(question).send().await.expect("Anvil answers");
    answer.json().await.expect("JSON")
}
