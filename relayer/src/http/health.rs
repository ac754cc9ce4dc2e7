//! How the seat is: for people, and for what starts, stops and chooses relayers.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use ring_core::Overview;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Api,
    error::{Code, Error},
};
use crate::{
    driver::Stopped,
    explain::Story,
    peers::Connection,
    signer::{KeyReports, NextKey},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    pub(super) status: Condition,
    #[serde(flatten)]
    pub(super) overview: Overview,
    pub(super) peers: Vec<Connection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Condition {
    /// It works.
    Running,
    /// It has not seen the chain, or takes part in no epoch yet.
    NotReady,
    /// It stands still until a person lets it go on.
    Halted,
}

pub(super) async fn health(State(api): State<Api>) -> Result<(StatusCode, Json<Health>), Error> {
    let overview = api.handle.overview().await?;
    let condition = if overview.halted.is_some() {
        Condition::Halted
    } else if overview.head.is_none() || overview.epoch.is_none() {
        Condition::NotReady
    } else {
        Condition::Running
    };
    let status = if condition == Condition::Running { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Health { status: condition, overview, peers: api.peers.connections() })))
}

/// Where this seat's key is, and for how long; and that which it is to have next.
pub(super) async fn key(State(api): State<Api>) -> Json<KeyReports> {
    let (key, next) = (api.custody.report(api.key), api.next.as_ref().map(NextKey::report));
    Json(KeyReports { key, next })
}

/// Why this seat stands still, with what it knew then.
pub(super) async fn halt(State(api): State<Api>) -> Result<Json<Box<Story>>, Error> {
    api.handle.explain().await?.map(Json).ok_or_else(|| Code::NotHalted.into())
}

/// What is counted, for Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Error> {
    let text = api.metrics.text().map_err(|_| Error::from(Code::Internal))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

/// This process answers; nothing more.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

#[derive(Serialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    pub(super) reasons: Vec<Reason>,
}

/// Why a seat cannot do its work now.
#[derive(Serialize)]
pub(super) struct Reason {
    code: &'static str,
    detail: String,
}

/// Whether requests that are posted here would be paid, as far as this seat can tell.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Readiness>) {
    let reasons = match reasons(&api).await {
        Ok(reasons) => reasons,
        // It also stops when its store does not take what it is given.
        Err(Stopped) => vec![Reason { code: "stopping", detail: Stopped.to_string() }],
    };
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons }))
}

async fn reasons(api: &Api) -> Result<Vec<Reason>, Stopped> {
    api.handle.probe().await?;
    let overview = api.handle.overview().await?;
    let mut reasons = Vec::new();
    let mut add = |code, detail| reasons.push(Reason { code, detail });
    match (&api.chain.borrow().fault, overview.head) {
        (Some(fault), _) => add("chain", format!("the chain cannot be read: {fault}")),
        (None, None) => add("chain", "the chain has not been seen yet".to_owned()),
        (None, Some(_)) => {}
    }
    if overview.epoch.is_none() {
        add("not_joined", "this seat takes part in no epoch yet".to_owned());
    }
    if let Some(reason) = &overview.halted_because {
        add("halted", reason.clone());
    }
    let (connected, away): (Vec<_>, Vec<_>) = api.peers.connections().into_iter().partition(|peer| peer.connected);
    let connected: Vec<usize> = connected.into_iter().map(|peer| peer.seat).collect();
    // Only in those that need an upgrade: everybody sees what a peer is told.
    let old: String = away
        .into_iter()
        .filter(|peer| peer.incompatible)
        .filter_map(|peer| peer.error)
        .map(|error| format!("; {error}"))
        .collect();
    let is_there = |seat: &usize| *seat == overview.seat || connected.contains(seat);
    let (here, quorum) = (overview.window.iter().copied().filter(is_there).count(), api.quorum);
    if !overview.window.is_empty() && here < quorum {
        let window = &overview.window;
        add("no_quorum", format!("of the window {window:?} {here} seats are there, and {quorum} have to sign{old}"));
    }
    let (holders, copies) = (connected.len() + 1, api.copies);
    if holders < copies {
        add("no_copies", format!("{holders} seats are there, and a request has to be on the disks of {copies}{old}"));
    }
    Ok(reasons)
}
