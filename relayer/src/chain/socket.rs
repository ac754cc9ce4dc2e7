//! The WebSocket to an RPC.
//!
//! Small questions are asked many at a time here. Left to itself, TCP sends a small message only once the one before was
//! acknowledged (Nagle's algorithm), and puts that off for some 40 ms: on alloy's own connection a few questions at once take
//! longer than one after the other. So this end sends at once, and acknowledges at once, as the other one may not send at
//! once. Everything else is as there.

use std::time::Duration;

use alloy::{
    pubsub::{ConnectionHandle, ConnectionInterface, PubSubConnect},
    rpc::client::WsConnect,
    transports::{TransportErrorKind, TransportResult},
};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::Url;
use serde_json::value::RawValue;
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

/// The first pause between attempts to reconnect; alloy doubles it up to half a minute.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// How many bytes are read at once. All of it is overwritten with zeros before each read; answers are short.
const READ_BUFFER: usize = 8 * 1024;
/// After how long without any word the other end is asked whether it is there, and then given up.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How to connect to an RPC; reconnects for ever.
#[derive(Clone)]
pub(super) struct Socket(pub(super) Url);

impl PubSubConnect for Socket {
    fn is_local(&self) -> bool {
        // Only decides how often alloy polls for what it is never asked here.
        false
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        let request = WsConnect::new(self.0.as_str()).into_client_request().map_err(TransportErrorKind::custom)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let connected = connect_async_with_config(request, Some(config), true).await;
        let (socket, _) = connected.map_err(TransportErrorKind::custom)?;
        let (handle, interface) = ConnectionHandle::new();
        tokio::spawn(serve(socket, interface));
        Ok(handle.with_max_retries(u32::MAX).with_retry_interval(RECONNECT_INTERVAL))
    }
}

/// Passes questions and answers until one end goes away. alloy connects anew if it is the other one.
async fn serve(mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>, mut interface: ConnectionInterface) {
    let mut keepalive = interval_at(Instant::now() + KEEPALIVE, KEEPALIVE);
    keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = true;
    loop {
        let well = tokio::select! {
            question = interface.recv_from_frontend() => match question {
                Some(question) => {
                    let sent = send(&mut socket, question, &mut interface).await.is_ok();
                    acknowledge_at_once(&socket);
                    sent
                }
                None => return,
            },
            message = socket.next() => {
                heard = true;
                acknowledge_at_once(&socket);
                match message {
                    Some(Ok(Message::Text(text))) => {
                        serde_json::from_str(&text).is_ok_and(|item| interface.send_to_frontend(item).is_ok())
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => true,
                    Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => false,
                }
            }
            _ = keepalive.tick() => {
                std::mem::take(&mut heard) && socket.send(Message::Ping(Default::default())).await.is_ok()
            }
        };
        if !well {
            interface.close_with_error();
            return;
        }
    }
}

/// Sends a question, and those that wait behind it along with it: each is a message by itself, but all go out at once.
async fn send(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    first: Box<RawValue>,
    interface: &mut ConnectionInterface,
) -> Result<(), Error> {
    let mut next = Some(first);
    while let Some(question) = next {
        socket.feed(Message::text(question.get())).await?;
        // One that waits no longer is noticed by whoever receives next.
        next = interface.recv_from_frontend().now_or_never().flatten();
    }
    socket.flush().await
}

/// Has the answer that comes next acknowledged without delay. The system forgets it, so it is told again and again.
fn acknowledge_at_once(socket: &WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream,
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
        _ => return,
    };
    // Other systems have no such option. Without it things are slower, and nothing else.
    #[cfg(target_os = "linux")]
    let _ = stream.set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}
