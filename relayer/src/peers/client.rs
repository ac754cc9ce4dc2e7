//! What this seat says to the others.

use std::{collections::BTreeMap, error::Error as _, fmt::Write as _, sync::Arc, time::Duration};

use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use ring_core::Message;
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Identity, PRESENCE, PROTOCOL, Peer, TlsError, Versions, messages, queue::Queue, version::HEADER};
use crate::driver::{Handle, Stopped};

/// From how many bytes on nothing more is said at once; one message may be longer by itself.
const FULL: usize = 512 * 1024;
/// How many messages wait for one peer.
const QUEUE: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer may take to have a message on its disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long nothing is said before the peer is asked whether it is there. Below the idle time that servers allow.
const PROBE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often at most one peer's trouble is worth a line.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The other seats, as this one talks to them.
#[derive(Clone, Debug)]
pub struct Peers(Arc<BTreeMap<usize, Line>>);

#[derive(Debug)]
struct Line {
    queue: Arc<Queue<Message>>,
    link: watch::Receiver<Link>,
}

/// Whether a peer answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) connected: bool,
    pub(super) error: Option<String>,
    pub(super) speech: Speech,
}

/// In which version a peer is talked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Speech {
    /// It has not said yet what it speaks.
    #[default]
    Unknown,
    /// In the newest that both speak.
    In(u32),
    /// In none: they share none.
    Incompatible,
}

/// How a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its seat.
    pub seat: usize,
    /// Whether it answered last time.
    pub connected: bool,
    /// What was wrong last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// In which version of what seats say to one another the two talk. `None`: it has not answered yet, or they share none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Whether they share none: then nothing is said.
    pub incompatible: bool,
    /// How many messages wait for it.
    pub queued: usize,
    /// How many were dropped: too many waited, or the version that is used has no words for them. They are sent again if they
    /// still matter.
    pub dropped: u64,
}

impl Peers {
    /// Starts talking to the other seats, in these versions, until told to stop.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn start(
        identity: &Identity,
        peers: &[Peer],
        versions: Versions,
        handle: &Handle,
        shutdown: &CancellationToken,
    ) -> Result<Self, TlsError> {
        let start = |peer: &Peer| {
            let setup = |error: reqwest::Error| TlsError::Setup(error.to_string());
            let client = Client::builder()
                .tls_backend_preconfigured(ring_tls::client(identity, &peer.certificates, PROTOCOL)?)
                .https_only(true)
                .http1_only()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .default_headers([(HEADER, versions.header())].into_iter().collect())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ANSWER_TIMEOUT)
                .pool_max_idle_per_host(1)
                .build()
                .map_err(setup)?;
            let queue = Arc::new(Queue::new(QUEUE));
            let (status, link) = watch::channel(Link::default());
            let talk = Talk {
                seat: peer.seat,
                url: peer.url.clone(),
                versions,
                speech: Speech::Unknown,
                refusal: None,
                client,
                queue: queue.clone(),
                status,
                handle: handle.clone(),
                warned: None,
            };
            tokio::spawn(shutdown.clone().run_until_cancelled_owned(talk.run()));
            Ok((peer.seat, Line { queue, link }))
        };
        let lines = peers.iter().map(start).collect::<Result<_, TlsError>>()?;
        Ok(Self(Arc::new(lines)))
    }

    /// Nobody to talk to: a ring of one.
    pub fn none() -> Self {
        Self(Arc::new(BTreeMap::new()))
    }

    /// Has a message sent, soon and at most once. Never waits; if too much waits already, the oldest message is dropped.
    pub fn send(&self, to: usize, message: Message) {
        match self.0.get(&to) {
            Some(line) => line.queue.push(message),
            None => tracing::error!(seat = to, "a message to a seat that is no peer was dropped"),
        }
    }

    /// How each peer is reached.
    pub fn connections(&self) -> Vec<Connection> {
        let connection = |(seat, line): (&usize, &Line)| {
            let Link { connected, error, speech } = line.link.borrow().clone();
            let (queued, dropped) = line.queue.counts();
            let version = if let Speech::In(version) = speech { Some(version) } else { None };
            let incompatible = speech == Speech::Incompatible;
            Connection { seat: *seat, connected, error, version, incompatible, queued, dropped }
        };
        self.0.iter().map(connection).collect()
    }

    #[cfg(test)]
    pub(super) fn link(&self, to: usize) -> watch::Receiver<Link> {
        self.0[&to].link.clone()
    }
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}

/// Why something was not said.
enum Failure {
    /// Nobody there, or nobody who could take it now.
    Away(String),
    /// The peer took offence at this one thing.
    Refused(String),
}

/// Talks to one peer.
struct Talk {
    seat: usize,
    url: Url,
    versions: Versions,
    speech: Speech,
    /// Why nothing can be said, as people have heard it.
    refusal: Option<String>,
    client: Client,
    queue: Arc<Queue<Message>>,
    status: watch::Sender<Link>,
    handle: Handle,
    warned: Option<Instant>,
}

impl Talk {
    async fn run(mut self) -> Result<(), Stopped> {
        let mut pause = FIRST_PAUSE;
        // Asks at once, so that a peer with nothing to hear is known to be there, and in which version to say the first thing.
        let mut said = self.probe().await?;
        loop {
            match said {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.show(true, None);
                }
                Err(Failure::Refused(reason)) => {
                    self.warn("a peer refused a message", &reason);
                    self.show(true, Some(reason));
                }
                Err(Failure::Away(reason)) => {
                    self.warn("a peer cannot be reached", &reason);
                    self.show(false, Some(reason));
                    sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    // Something new may be said by now; if not, or if it is not known how, ask.
                    if self.queue.counts().0 == 0 || !matches!(self.speech, Speech::In(_)) {
                        said = self.probe().await?;
                        continue;
                    }
                }
            }
            said = tokio::select! {
                message = self.queue.pop() => self.tell(message).await?,
                () = sleep(PROBE) => self.probe().await?,
            };
        }
    }

    async fn probe(&mut self) -> Result<Result<(), Failure>, Stopped> {
        let answer = self.client.get(at(&self.url, PRESENCE)).send().await;
        self.judge(answer).await
    }

    /// Says a message and as many of those that wait behind it as fit.
    async fn tell(&mut self, first: Message) -> Result<Result<(), Failure>, Stopped> {
        let (mut batch, mut length, mut next) = (Vec::new(), 0, Some(first));
        while let Some(message) = next {
            match serde_json::to_vec(&message) {
                Ok(json) => {
                    length += json.len();
                    batch.push((message, json));
                }
                Err(error) => return Ok(Err(Failure::Refused(format!("it cannot be written as JSON: {error}")))),
            }
            next = (length < FULL).then(|| self.queue.try_pop()).flatten();
        }
        let before = self.speech;
        let said = self.post(&batch).await?;
        match said.is_err() && self.speech != before {
            // It is another program than the one that answered before: the same once more, as that one understands it.
            true => self.post(&batch).await,
            false => Ok(said),
        }
    }

    async fn post(&mut self, batch: &[(Message, Vec<u8>)]) -> Result<Result<(), Failure>, Stopped> {
        let Speech::In(version) = self.speech else {
            return Ok(Err(Failure::Away("it is not known which versions it speaks".to_owned())));
        };
        let (known, foreign): (Vec<_>, Vec<_>) = batch.iter().partition(|(message, _)| message.since() <= version);
        if !foreign.is_empty() {
            self.queue.count_dropped(foreign.len() as u64);
            self.warn("a peer is too old for some messages: upgrade it", &format!("it speaks version {version}"));
        }
        if known.is_empty() {
            return Ok(Ok(()));
        }
        let texts: Vec<&[u8]> = known.iter().map(|(_, json)| &json[..]).collect();
        let body = [b"[", &texts.join(&b',')[..], b"]"].concat();
        let url = at(&self.url, &messages(version));
        let post = self.client.post(url).header(header::CONTENT_TYPE, "application/json").body(body);
        let answer = post.send().await;
        let said = self.judge(answer).await?;
        let (mut requests, mut confirmed) = (Vec::new(), Vec::new());
        for (message, _) in known {
            match message {
                Message::Requests { requests: said } => requests.extend(said.iter().map(|signed| signed.request.id)),
                Message::Confirmed { requests: said } => confirmed.extend(said),
                _ => {}
            }
        }
        if said.is_ok() && !(requests.is_empty() && confirmed.is_empty()) {
            self.handle.delivered(self.seat, requests, confirmed).await?;
        }
        Ok(said)
    }

    /// What an answer means, and in which version the next thing is said.
    async fn judge(&mut self, answer: reqwest::Result<Response>) -> Result<Result<(), Failure>, Stopped> {
        let versions = |response: Response| Ok((response.status(), Versions::of(response.headers())?));
        let answer = answer.map_err(|error| with_causes(error.without_url()));
        let (status, theirs) = match answer.and_then(versions) {
            Ok(answer) => answer,
            Err(reason) => return Ok(Err(Failure::Away(reason))),
        };
        let Some(version) = self.versions.shared(theirs) else {
            self.speech = Speech::Incompatible;
            let refusal = self.versions.refusal(theirs, &format!("seat {}", self.seat));
            if self.refusal.replace(refusal.clone()).as_ref() != Some(&refusal) {
                self.handle.raise(format!("{refusal}; until then they say nothing to each other")).await?;
            }
            return Ok(Err(Failure::Away(refusal)));
        };
        (self.speech, self.refusal) = (Speech::In(version), None);
        Ok(match status {
            StatusCode::NO_CONTENT => Ok(()),
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Err(Failure::Away(format!("it answered {status}")))
            }
            status => Err(Failure::Refused(format!("it answered {status}"))),
        })
    }

    fn show(&self, connected: bool, error: Option<String>) {
        let link = Link { connected, error, speech: self.speech };
        self.status.send_if_modified(|shown| {
            let changed = *shown != link;
            if shown.connected != connected {
                tracing::info!(seat = self.seat, connected, "a peer's connection changed");
            }
            *shown = link;
            changed
        });
    }

    fn warn(&mut self, what: &str, reason: &str) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(seat = self.seat, url = %self.url, reason, "{what}");
        } else {
            tracing::debug!(seat = self.seat, reason, "{what}");
        }
    }
}

fn with_causes(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
