//! What happens, as it happens: server-sent events.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{
    Api,
    error::{Code, Error},
};
use crate::driver::Notice;

/// Everything from now on. Who reads too slowly misses some, and is told how many.
pub(super) async fn follow(
    State(api): State<Api>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = api.followers.clone().try_acquire_owned().map_err(|_| Code::Busy)?;
    let notices = BroadcastStream::new(api.handle.notices()).map(move |notice| {
        let _place = &place;
        Ok(event(notice))
    });
    let until_stopped = notices.take_until(api.shutdown.clone().cancelled_owned());
    Ok(Sse::new(until_stopped).keep_alive(KeepAlive::default()))
}

/// An event has the notice's type for a name.
fn event(notice: Result<Notice, BroadcastStreamRecvError>) -> Event {
    let data = match notice {
        // A notice is a struct of strings and numbers: it always can be written.
        Ok(notice) => serde_json::to_value(notice).unwrap_or_default(),
        Err(BroadcastStreamRecvError::Lagged(missed)) => json!({ "type": "lagged", "missed": missed }),
    };
    let name = data.get("type").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Event::default().event(name).data(data.to_string())
}
