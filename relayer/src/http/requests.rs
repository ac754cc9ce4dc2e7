//! Requests: posting one, and asking for them.

use axum::{
    Json,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::StatusCode,
};
use ring_contracts::{SignedCancellation, SignedRequest};
use ring_core::{Phase, RequestStatus};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Api, body,
    error::{Code, Error},
    query,
};
use crate::driver::{Page, Receipt, RequestDetail};

pub(super) async fn submit(
    State(api): State<Api>,
    request: Request,
) -> Result<(StatusCode, Json<RequestStatus>), Error> {
    query::nothing(request.uri().query())?;
    body::require_json(request.headers())?;
    let _place = api.submissions.try_acquire().map_err(|_| Code::Busy)?;
    let signed: SignedRequest = body::json(request, api.limits.body_bytes, api.limits.body).await?;
    let (code, status) = taken(api.handle.submit(signed, api.limits.accept).await?)?;
    Ok((code, Json(status)))
}

/// Takes a cancellation of the request in the path.
pub(super) async fn cancel(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(StatusCode, Json<RequestStatus>), Error> {
    let id = path.ok().and_then(|Path(text)| query::request_id(&text)).ok_or(Code::InvalidId)?;
    query::nothing(request.uri().query())?;
    body::require_json(request.headers())?;
    let _place = api.submissions.try_acquire().map_err(|_| Code::Busy)?;
    let signed: SignedCancellation = body::json(request, api.limits.body_bytes, api.limits.body).await?;
    if signed.cancellation.id != id {
        let message = format!("it cancels request {}, and the path names {id}", signed.cancellation.id);
        return Err(Error::new(Code::Malformed, message).at("cancellation.id"));
    }
    let status = api.handle.cancel(signed).await??;
    let code = if status.phase == Phase::Cancelled { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(status)))
}

/// What a receipt is answered with.
pub(super) fn taken(receipt: Receipt) -> Result<(StatusCode, RequestStatus), Error> {
    match receipt {
        Receipt::Accepted(status) => Ok((StatusCode::ACCEPTED, status)),
        Receipt::Known(status) => Ok((StatusCode::OK, status)),
        Receipt::Waiting(status) => Err(Error::not_enough_copies(status.id)),
        Receipt::Refused(refusal) => Err(refusal.into()),
    }
}

/// How far a request is and what it asks for; at once, or when it is as far as the client wants, or out of patience.
pub(super) async fn request(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<RequestDetail>, Error> {
    let id = path.ok().and_then(|Path(text)| query::request_id(&text)).ok_or(Code::InvalidId)?;
    let found = match query::waiting(query.as_deref())? {
        None => api.handle.request(id).await?,
        Some((goal, patience)) => {
            let _place = api.waiters.try_acquire().map_err(|_| Code::Busy)?;
            match timeout(patience, api.handle.watch(id, goal)).await {
                Ok(found) => found?,
                Err(_) => api.handle.request(id).await?,
            }
        }
    };
    found.map(Json).ok_or_else(|| Code::UnknownRequest.into())
}

/// Some of the requests, and where the next ones are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    requests: Vec<RequestDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<List>, Error> {
    let Page { requests, next } = api.handle.list(query::listing(query.as_deref())?).await?;
    Ok(Json(List { requests, next_cursor: next.map(query::cursor) }))
}
