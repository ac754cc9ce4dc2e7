//! Many requests in one body, each taken or refused by itself.

use axum::{
    Json,
    extract::{Request, State},
};
use ring_contracts::SignedRequest;
use ring_core::RequestStatus;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Api, body,
    error::{Code, Error, Problem},
    taken,
};
use crate::driver::Receipt;

/// The most requests of one body.
pub(super) const MOST: usize = 500;

/// The body. Each request in it is read by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    requests: Vec<Box<RawValue>>,
}

/// One answer each, in the order of the requests.
#[derive(Serialize)]
pub(super) struct Answer {
    results: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// What the request would have been answered with by itself.
    status_code: u16,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Request(RequestStatus),
    Problem(Problem),
}

impl From<Result<Receipt, Error>> for Entry {
    fn from(result: Result<Receipt, Error>) -> Self {
        match result.and_then(taken) {
            Ok((code, status)) => Self { status_code: code.as_u16(), outcome: Outcome::Request(status) },
            Err(error) => {
                let problem = error.problem();
                Self { status_code: problem.status, outcome: Outcome::Problem(problem) }
            }
        }
    }
}

/// Takes what can be taken.
pub(super) async fn submit(State(api): State<Api>, request: Request) -> Result<Json<Answer>, Error> {
    body::require_json(request.headers())?;
    let _place = api.batches.try_acquire().map_err(|_| Code::Busy)?;
    let mut good = Vec::new();
    let items = read(&body::bytes(request, api.limits.batch_bytes, api.limits.body).await?)?;
    let items: Vec<_> = items.into_iter().map(|item| item.map(|signed| good.push(signed))).collect();
    let mut receipts = api.handle.submit_all(good, api.limits.accept).await?.into_iter();
    let answer = |item: Result<(), Error>| {
        // One receipt for each that was good.
        item.and_then(|()| receipts.next().ok_or_else(|| Code::Internal.into())).into()
    };
    Ok(Json(Answer { results: items.into_iter().map(answer).collect() }))
}

/// The requests of a body, or what is wrong with them.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Result<SignedRequest, Error>>, Error> {
    let Batch { requests } = body::parse(bytes)?;
    if requests.is_empty() || requests.len() > MOST {
        let message = format!("there are {} requests in it, and may be 1 to {MOST}", requests.len());
        return Err(Error::new(Code::Malformed, message).at("requests"));
    }
    let item = |(index, raw): (usize, Box<RawValue>)| {
        body::parse(raw.get().as_bytes()).map_err(|error: Error| error.within(&format!("requests[{index}]")))
    };
    Ok(requests.into_iter().enumerate().map(item).collect())
}
