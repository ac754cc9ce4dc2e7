//! Bodies: JSON, in time and of bounded length.

use std::time::Duration;

use axum::{
    body::HttpBody,
    extract::Request,
    http::{HeaderMap, header},
};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{Code, Error};

/// Refuses what does not say that it is JSON. It also keeps forms of foreign web pages out.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Error> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("the content type is {text:?}: send application/json");
    Err(Error::new(Code::NotJson, message))
}

/// Reads a body of at most `limit` bytes and parses it.
pub(crate) async fn json<T: DeserializeOwned>(request: Request, limit: usize, patience: Duration) -> Result<T, Error> {
    parse(&bytes(request, limit, patience).await?)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn bytes(request: Request, limit: usize, patience: Duration) -> Result<Vec<u8>, Error> {
    timeout(patience, read(request, limit)).await.map_err(|_| Error::from(Code::SlowBody))?
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, Error> {
    let body = request.into_body();
    let announced = body.size_hint().lower();
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Error::from(Code::BrokenBody))?;
        length = length.saturating_add(chunk.len());
        // Somewhat too much is read to its end and thrown away: a client that is cut off while it writes might never read
        // the answer.
        if length > 4 * limit {
            break;
        }
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        }
    }
    if length > limit {
        let message = format!("the body has {} bytes or more, and may have {limit}", announced.max(length as u64));
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(bytes)
}

/// Parses JSON, all of it.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A segment without a name is "?", and the body as a whole ".".
        let path = error.path().to_string();
        let field = path.trim_end_matches(['?', '.']);
        let error = Error::new(Code::Malformed, error.inner().to_string());
        if field.is_empty() { error } else { error.at(field) }
    })?;
    deserializer.end().map_err(|error| Error::new(Code::Malformed, error.to_string()))?;
    Ok(value)
}
