//! What happened and what happens: server-sent events.

use std::{collections::VecDeque, convert::Infallible};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt, stream};
use ring_contracts::Address;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, broadcast};

use super::{
    Api,
    error::{Code, Error},
    event_id::EventId,
    query,
};
use crate::{
    driver::{Handle, Notice},
    store::{Change, Place},
};

/// How many records are read of the history at a time: so few that nobody else waits for it.
const ROWS: usize = 200;

/// Everything from now on, or from an event on that the client had. What is on disk is never missed; of the rest a client
/// that reads too slowly misses some, and is told how many.
pub(super) async fn follow(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let last = last_event_id(query.as_deref(), &headers)?;
    let parse = |text: String| {
        let message =
            format!("{text:?} is no id of an event of this seat: follow without one, and ask for the state of things");
        EventId::parse(&text, api.key).ok_or_else(|| Error::new(Code::InvalidEventId, message).at("Last-Event-ID"))
    };
    let last = last.map(parse).transpose()?;
    let permit = api.followers.clone().try_acquire_owned().map_err(|_| Code::Busy)?;
    // Followed first and only then looked: nothing is between the two.
    let notices = api.handle.notices();
    let end = api.handle.history(last.unwrap_or(Place::START), 0).await?;
    let place = match last {
        // A store that is older than what it has told.
        Some(last) if last > end.end => return Err(Code::InvalidEventId.into()),
        Some(last) => last,
        None => end.end,
    };
    let follower = Follower {
        handle: api.handle.clone(),
        key: api.key,
        notices,
        is_behind: last.is_some(),
        place,
        ready: VecDeque::new(),
        _permit: permit,
    };
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    let until_stopped = events.take_until(api.shutdown.clone().cancelled_owned());
    Ok(Sse::new(until_stopped).keep_alive(KeepAlive::default()))
}

/// The header, which a browser sets when it comes back, goes over the query, which it repeats.
fn last_event_id(query: Option<&str>, headers: &HeaderMap) -> Result<Option<String>, Error> {
    let from_query = query::last_event_id(query)?;
    let Some(value) = headers.get("last-event-id") else { return Ok(from_query) };
    match value.to_str() {
        // A browser that was never told one.
        Ok("") => Ok(from_query),
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Error::from(Code::InvalidEventId).at("Last-Event-ID")),
    }
}

/// One client.
struct Follower {
    handle: Handle,
    key: Address,
    notices: broadcast::Receiver<Notice>,
    /// Whether there is more in the history than was read of it.
    is_behind: bool,
    /// Up to where everything durable has been told, or is about to be.
    place: Place,
    ready: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// `None`: the relayer is stopping.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_behind {
                let history = self.handle.history(self.place, ROWS).await.ok()?;
                self.ready = history.changes.iter().map(|change| self.durable(change)).collect();
                (self.place, self.is_behind) = (history.reached, !history.is_all());
                continue;
            }
            match self.notices.recv().await {
                Ok(Notice::Change(change)) if change.place > self.place => {
                    self.place = change.place;
                    return Some(self.durable(&change));
                }
                // It was in the history.
                Ok(Notice::Change(_)) => {}
                Ok(Notice::Passing(event)) => return Some(self.event(self.place, written(&event))),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    self.is_behind = true;
                    return Some(self.event(self.place, json!({ "type": "lagged", "missed": missed })));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn durable(&self, change: &Change) -> Event {
        self.event(change.place, written(&change.event))
    }

    /// An event has its type for a name.
    fn event(&self, place: Place, data: Value) -> Event {
        let name = data.get("type").and_then(Value::as_str).unwrap_or("unknown").to_owned();
        Event::default().id(EventId::new(self.key, place).to_string()).event(name).data(data.to_string())
    }
}

fn written(event: &impl Serialize) -> Value {
    // A struct of strings and numbers: it always can be written.
    serde_json::to_value(event).unwrap_or_default()
}
