//! What the chain tells by itself, and when it was heard: subscriptions over WebSockets of one's own.
//!
//! Each has a connection of its own, on which what arrives is acknowledged at once. Anvil leaves Nagle's algorithm on: it keeps
//! back what it has to tell until what it told before is acknowledged, and a kernel that waits for something to send along
//! with that takes 40 ms, which would be measured as if they were the ring's.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, U256},
    rpc::types::{Filter, Header, Log},
    sol_types::SolEvent,
};
use eyre::{Result, WrapErr, bail, ensure, eyre};
use futures::{SinkExt, StreamExt};
use ring_anvil::token;
use ring_contracts::{RequestId, RingMultisig, TurnId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc::{self, UnboundedReceiver},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::task::AbortOnDropHandle;

/// How long the chain may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Where the chain can be listened to.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// `ws://HOST:PORT`.
    url: String,
}

/// What was heard, one after the other.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    what: &'static str,
    items: UnboundedReceiver<(Instant, T)>,
    _reader: AbortOnDropHandle<()>,
}

/// A turn that is in a block.
#[derive(Clone, Debug)]
pub(crate) struct TurnSeen {
    /// Its number.
    pub(crate) nonce: u64,
    /// Whose requests it carries.
    pub(crate) requests: Vec<RequestId>,
    /// In which block.
    pub(crate) block: u64,
}

/// What Anvil says without having been asked.
#[derive(Deserialize)]
struct Notification<T> {
    params: Params<T>,
}

#[derive(Deserialize)]
struct Params<T> {
    result: T,
}

impl Watch {
    /// Listens to the chain at `ws://HOST:PORT`.
    pub(crate) fn new(url: String) -> Self {
        Self { url }
    }

    /// Every new block.
    ///
    /// # Errors
    /// The chain takes no subscription.
    pub(crate) async fn blocks(&self) -> Result<Feed<Header>> {
        self.subscribe("a block", json!(["newHeads"]), Ok).await
    }

    /// Every turn of every ring of a contract.
    ///
    /// # Errors
    /// The chain takes no subscription.
    pub(crate) async fn turns(&self, contract: Address) -> Result<Feed<TurnSeen>> {
        let filter = Filter::new().address(contract).event_signature(RingMultisig::TurnExecuted::SIGNATURE_HASH);
        self.subscribe("a turn", logs(&filter), |log| turn(&log)).await
    }

    /// Every halt, by the ring that was halted.
    ///
    /// # Errors
    /// The chain takes no subscription.
    pub(crate) async fn halts(&self, contract: Address) -> Result<Feed<u32>> {
        let filter = Filter::new().address(contract).event_signature(RingMultisig::Halted::SIGNATURE_HASH);
        let read = |log: Log| {
            let event = RingMultisig::Halted::decode_log(&log.inner).wrap_err("a halt's event cannot be read")?;
            Ok(event.ring)
        };
        self.subscribe("a halt", logs(&filter), read).await
    }

    /// Every transfer of a token, by whom it went to.
    ///
    /// # Errors
    /// The chain takes no subscription.
    pub(crate) async fn transfers(&self, token: Address) -> Result<Feed<(Address, U256)>> {
        let filter = Filter::new().address(token).event_signature(token::Transfer::SIGNATURE_HASH);
        let read = |log: Log| {
            let event = token::Transfer::decode_log(&log.inner).wrap_err("a transfer's event cannot be read")?;
            Ok((event.to, event.value))
        };
        self.subscribe("a transfer", logs(&filter), read).await
    }

    /// Has the chain tell something, from now on. What cannot be read ends it.
    async fn subscribe<Told: DeserializeOwned + Send + 'static, T: Send + 'static>(
        &self,
        what: &'static str,
        to: Value,
        read: fn(Told) -> Result<T>,
    ) -> Result<Feed<T>> {
        let address = self.url.trim_start_matches("ws://");
        let stream = TcpStream::connect(address).await.wrap_err("the chain takes no connection")?;
        let (mut socket, _) = client_async(&self.url, stream).await.wrap_err("the chain takes no WebSocket")?;
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": to });
        socket.send(Message::text(question.to_string())).await.wrap_err("the chain takes no subscription")?;
        let answer = timeout(ANSWER, next(&mut socket)).await.wrap_err("the chain does not answer")?;
        let (_, answer) = answer.ok_or_else(|| eyre!("the chain hung up"))?;
        let answer: Value = serde_json::from_str(&answer).wrap_err("the chain's answer is no JSON")?;
        ensure!(answer["result"].is_string(), "the chain takes no subscription: {answer}");
        let (sender, items) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            while let Some((at, text)) = next(&mut socket).await {
                let told = serde_json::from_str::<Notification<Told>>(&text);
                let told = told.wrap_err_with(|| format!("{what} is not understood: {text}"));
                let item = told.and_then(|told| read(told.params.result));
                let Ok(item) = item.inspect_err(|error| eprintln!("{error:#}")) else { return };
                if sender.send((at, item)).is_err() {
                    return;
                }
            }
        });
        Ok(Feed { what, items, _reader: AbortOnDropHandle::new(reader) })
    }
}

fn logs(filter: &impl Serialize) -> Value {
    json!(["logs", filter])
}

/// The next text, and when it came; `None` when there are no more.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<(Instant, String)> {
    loop {
        let message = socket.next().await?.ok()?;
        let at = Instant::now();
        acknowledge(socket.get_ref());
        if let Message::Text(text) = message {
            return Some((at, text.as_str().to_owned()));
        }
    }
}

/// Has the kernel acknowledge at once what has come. Without it some of it comes later, and nothing else is wrong.
fn acknowledge(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

fn turn(log: &Log) -> Result<TurnSeen> {
    let event = RingMultisig::TurnExecuted::decode_log(&log.inner).wrap_err("a turn's event cannot be read")?;
    let id = TurnId::unpack(event.id).ok_or_else(|| eyre!("{:#x} is no id of a turn", event.id))?;
    Ok(TurnSeen {
        nonce: id.nonce,
        requests: event.requestIds.chunks_exact(16).map(RequestId::from_slice).collect(),
        block: log.block_number.unwrap_or_default(),
    })
}

impl<T> Feed<T> {
    /// The next, and when it was heard.
    ///
    /// # Errors
    /// There is none in time, or the chain hung up.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<(Instant, T)> {
        match timeout(patience, self.items.recv()).await {
            Ok(Some(item)) => Ok(item),
            Ok(None) => bail!("the chain's subscription broke off while {} was waited for", self.what),
            Err(_) => bail!("{} was waited for, and not seen within {} s", self.what, patience.as_secs()),
        }
    }

    /// What was heard and not looked at.
    pub(crate) fn drain(&mut self) -> Vec<(Instant, T)> {
        std::iter::from_fn(|| self.items.try_recv().ok()).collect()
    }
}
