//! What is known of requests, for those who ask.

use std::collections::BTreeSet;

use ring_contracts::{Address, Request, RequestId};
use ring_core::{Phase, RequestStatus, State};
use serde::Serialize;

use crate::store::{Ending, Posted, Store, StoreError};

/// How many requests are looked at for one page, if most of them do not match: so that nobody waits for it.
const MOST_ROWS: usize = 1_000;

/// The name of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// On disk here.
    Received,
    /// On disk at enough seats.
    Accepted,
    /// Bound to a turn.
    Signing,
    /// Cancelled, while a turn with it may still be executed.
    Cancelling,
    /// In a block.
    Executed,
    /// Paid.
    Final,
    /// Its call failed.
    Failed,
    /// Its time passed.
    Expired,
    /// Cancelled for good.
    Cancelled,
    /// A turn that this seat did not agree to carries its id.
    Disputed,
}

impl Status {
    /// All there are, in the order in which a request may have them.
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::Accepted,
        Self::Signing,
        Self::Cancelling,
        Self::Executed,
        Self::Final,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Disputed,
    ];

    /// As clients write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Signing => "signing",
            Self::Cancelling => "cancelling",
            Self::Executed => "executed",
            Self::Final => "final",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Disputed => "disputed",
        }
    }

    /// That of a phase.
    pub fn of(phase: Phase) -> Self {
        match phase {
            Phase::Received => Self::Received,
            Phase::Accepted => Self::Accepted,
            Phase::Signing { .. } => Self::Signing,
            Phase::Cancelling { .. } => Self::Cancelling,
            Phase::Executed { .. } => Self::Executed,
            Phase::Final { .. } => Self::Final,
            Phase::Failed { .. } => Self::Failed,
            Phase::Expired => Self::Expired,
            Phase::Cancelled => Self::Cancelled,
            Phase::Disputed { .. } => Self::Disputed,
        }
    }

    /// How a request with this status ended, as the store names it.
    fn ending(self) -> Ending {
        match self {
            Self::Received | Self::Accepted | Self::Signing | Self::Cancelling | Self::Executed => None,
            Self::Final => Some("executed"),
            Self::Failed => Some("failed"),
            Self::Expired => Some("expired"),
            Self::Cancelled => Some("cancelled"),
            Self::Disputed => Some("disputed"),
        }
    }

    /// Whether nothing comes after it.
    pub fn is_end(self) -> bool {
        self.ending().is_some()
    }
}

/// A request: how far it is, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestDetail {
    /// How far.
    #[serde(flatten)]
    pub status: RequestStatus,
    /// Who signed it. `None`: it is known from the chain alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<Address>,
    /// What it asks for. `None`: it is known from the chain alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// Which requests are to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// With one of these; empty: whatever theirs is.
    pub statuses: BTreeSet<Status>,
    /// Signed by this one; `None`: by anybody.
    pub requester: Option<Address>,
    /// That came before this place of a page before.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: usize,
}

/// Some of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The newest first.
    pub requests: Vec<RequestDetail>,
    /// Where the next page begins. `None`: there are no more.
    pub next: Option<i64>,
}

/// How far a request is, whether it has ended or not.
pub(super) fn status(state: &State, store: &Store, id: RequestId) -> Result<Option<RequestStatus>, StoreError> {
    if let Some(status) = state.request_status(id) {
        return Ok(Some(status));
    }
    let settled = store.settled([id])?;
    Ok(settled.get(&id).map(|settled| RequestStatus { id, phase: settled.outcome.into() }))
}

/// What is known of a request.
pub(super) fn detail(state: &State, store: &Store, id: RequestId) -> Result<Option<RequestDetail>, StoreError> {
    status(state, store, id)?.map(|status| with_content(store, status)).transpose()
}

fn with_content(store: &Store, status: RequestStatus) -> Result<RequestDetail, StoreError> {
    Ok(match store.posted(status.id)? {
        Some(Posted { request, requester }) => RequestDetail { status, requester, request: Some(request) },
        None => RequestDetail { status, requester: None, request: None },
    })
}

/// Those that match. A page may hold fewer than asked for although there are more.
pub(super) fn page(state: &State, store: &Store, listing: &Listing) -> Result<Page, StoreError> {
    let Listing { statuses, requester, before, limit } = listing;
    let mut endings: Vec<Ending> = statuses.iter().map(|status| status.ending()).collect();
    endings.dedup();
    let endings = (!statuses.is_empty()).then_some(&endings[..]);
    // Which of the open ones match only the state knows.
    let is_sieved = statuses.iter().any(|status| !status.is_end());
    let most = if is_sieved { MOST_ROWS } else { *limit + 1 };
    let arrivals = store.arrivals(*requester, endings, before.unwrap_or(i64::MAX), most)?;
    let may_go_on = arrivals.len() == most;
    let (mut requests, mut last) = (Vec::new(), None);
    let mut arrivals = arrivals.into_iter();
    while requests.len() < *limit
        && let Some((seq, id)) = arrivals.next()
    {
        last = Some(seq);
        let Some(status) = status(state, store, id)? else { continue };
        if statuses.is_empty() || statuses.contains(&Status::of(status.phase)) {
            requests.push(with_content(store, status)?);
        }
    }
    let is_more = may_go_on || arrivals.len() > 0;
    Ok(Page { requests, next: last.filter(|_| is_more) })
}
