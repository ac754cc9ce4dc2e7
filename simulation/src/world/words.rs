//! Events, messages and records in words, for the story.

use ring_contracts::{B256, RequestId};
use ring_core::{Event, Message, Record};

pub(super) fn event_in_words(event: &Event) -> String {
    match event {
        Event::Submitted(signed) => format!("client posts {}", name(signed.request.id)),
        Event::Cancelled(signed) => format!("client cancels {}", name(signed.cancellation.id)),
        Event::Received { from, message } => format!("seat {from} says {}", message_in_words(message)),
        Event::Delivered { to, requests, .. } => format!("seat {to} has {}", names(requests)),
        Event::Found { request, evidence } => format!("its sources say of {}: {evidence:?}", name(*request)),
        Event::Signed { nonce, digest, .. } => format!("signed turn {nonce} as {}", short(digest)),
        Event::Chain(view) => format!(
            "sees block {} (time {}): nonce {}, epoch {}, final {} of {}{}",
            view.head.number,
            view.head.time,
            view.nonce,
            view.epoch,
            view.final_nonce,
            view.final_epoch,
            if view.halted { ", HALTED" } else { "" }
        ),
        Event::ChainDisputed(dispute) => format!("its RPCs contradict each other: {}", dispute.what),
        Event::Shortfall(shortfall) => format!("the treasury lacks {}", shortfall.asset),
        Event::Tick => "tick".to_owned(),
        Event::HaltOrdered { .. } => "is ordered to halt".to_owned(),
    }
}

fn message_in_words(message: &Message) -> String {
    match message {
        Message::Requests { requests } => {
            format!("requests {}", names(&requests.iter().map(|signed| signed.request.id).collect::<Vec<_>>()))
        }
        Message::Cancellations { requests } => {
            let ids: Vec<RequestId> = requests.iter().map(|cancelled| cancelled.request.request.id).collect();
            format!("cancelled are {}", names(&ids))
        }
        Message::Withheld { requests } => {
            format!("it withholds {}", requests.iter().map(short).collect::<Vec<_>>().join("+"))
        }
        Message::Turn { turn, votes, .. } => {
            let ids: Vec<RequestId> = turn.calls().iter().map(|call| call.request_id).collect();
            let voters: Vec<usize> = votes.iter().map(|vote| vote.seat).collect();
            let id = turn.id();
            format!(
                "turn {}/{} until {} with {}, signed by {voters:?}",
                id.epoch,
                id.nonce,
                id.valid_until,
                names(&ids)
            )
        }
        Message::Votes { epoch, nonce, digest, votes } => {
            let voters: Vec<usize> = votes.iter().map(|vote| vote.seat).collect();
            format!("turn {epoch}/{nonce} {} is signed by {voters:?}", short(digest))
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn record_in_words(record: &Record) -> String {
    match record {
        Record::Request(signed) => format!("request {}", name(signed.request.id)),
        Record::Withheld { request, .. } => format!("withheld {}", name(*request)),
        Record::Content(turn) => {
            let ids: Vec<RequestId> = turn.calls().iter().map(|call| call.request_id).collect();
            format!("content {}/{} {}", turn.id().epoch, turn.id().nonce, names(&ids))
        }
        Record::Reserved { nonce, digest, void } => {
            format!("reserved {nonce} {}{}", short(digest), if *void { " void" } else { "" })
        }
        Record::Voted { nonce, digest, seat, .. } => format!("vote of {seat} for {nonce} {}", short(digest)),
        Record::Final { nonce, digest, settled, .. } => {
            let ids: Vec<RequestId> = settled.iter().map(|(id, _)| *id).collect();
            format!("final {nonce} {} {}", short(digest), names(&ids))
        }
        other => format!("{other:?}"),
    }
}

fn names(ids: &[RequestId]) -> String {
    ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join("+")
}

/// A request, short: `r7`.
pub(super) fn name(id: RequestId) -> String {
    format!("r{}", id[15])
}

/// A digest, short.
pub(super) fn short(digest: &B256) -> String {
    digest.to_string()[..8].to_owned()
}
