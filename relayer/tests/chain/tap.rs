//! A WebSocket to Anvil that is listened in on, and over which what the node told of can be told once more.

use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

pub(crate) struct Tap {
    address: String,
    questions: watch::Receiver<Vec<Value>>,
    told: Arc<Mutex<Vec<Message>>>,
    again: mpsc::UnboundedSender<Message>,
    connection: JoinHandle<()>,
}

impl Tap {
    /// For one connection.
    pub(crate) async fn to(ws: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("ws://{}", listener.local_addr().expect("it is bound"));
        let (note, questions) = watch::channel(Vec::new());
        let told = Arc::<Mutex<Vec<Message>>>::default();
        let (again, mut repeated) = mpsc::unbounded_channel();
        let connection = tokio::spawn({
            let (target, told) = (ws.to_owned(), told.clone());
            async move {
                let (near, _) = listener.accept().await.expect("the relayer connects");
                let mut near = accept_async(near).await.expect("a WebSocket");
                let (mut far, _) = connect_async(target).await.expect("Anvil listens");
                loop {
                    // Whichever end goes away, the test is over.
                    let passed = tokio::select! {
                        Some(Ok(message)) = near.next() => {
                            if let Ok(question) = serde_json::from_slice(&message.clone().into_data()) {
                                note.send_modify(|questions: &mut Vec<Value>| questions.push(question));
                            }
                            far.send(message).await
                        }
                        Some(Ok(message)) = far.next() => {
                            if message.to_text().is_ok_and(|text| text.contains("eth_subscription")) {
                                told.lock().expect("no test panics in it").push(message.clone());
                            }
                            near.send(message).await
                        }
                        Some(message) = repeated.recv() => near.send(message).await,
                        else => return,
                    };
                    if passed.is_err() {
                        return;
                    }
                }
            }
        });
        Self { address, questions, told, again, connection }
    }

    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// How often this was asked with this as the first parameter.
    pub(crate) fn count(&self, method: &str, parameter: &str) -> usize {
        count(&self.questions.borrow(), method, parameter)
    }

    /// How often this was asked with such a first parameter.
    pub(crate) fn count_where(&self, method: &str, is_such: impl Fn(&Value) -> bool) -> usize {
        let questions = self.questions.borrow();
        questions.iter().filter(|question| question["method"] == method && is_such(&question["params"][0])).count()
    }

    /// Tells the relayer once more what the node told first.
    pub(crate) fn tell_first_again(&self) {
        let first = self.told.lock().expect("no test panics in it").first().expect("it told of something").clone();
        self.again.send(first).expect("the connection is open");
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until_asked(&mut self, method: &str, parameter: &str, times: usize) {
        let asked = self.questions.wait_for(|questions| count(questions, method, parameter) >= times);
        let asked = tokio::time::timeout(std::time::Duration::from_secs(30), asked).await;
        asked.expect("it is asked").expect("the connection is open");
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn count(questions: &[Value], method: &str, parameter: &str) -> usize {
    let is_it = |question: &&Value| question["method"] == method && question["params"][0] == parameter;
    questions.iter().filter(is_it).count()
}
