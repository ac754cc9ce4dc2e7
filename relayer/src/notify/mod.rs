//! Telling others what happened: each event told until it is taken, one after the other.
//!
//! ```text
//!   journal ──▶ Deliverer ──┬──▶ Webhook   posted, signed
//!   (store)  ◀── place ─────┴──▶ Program   run, with the event as its input
//! ```
//!
//! What is told comes from the journal, and the store remembers up to where: neither a restart nor somebody who is away loses
//! anything. What was delivered just before a crash may be delivered again, under the same id. Alarms are not in the journal, but
//! in the store as well: they are told beside the rest.

mod deliver;
mod program;
mod secret;
mod webhook;

use std::{collections::BTreeSet, time::Duration};

use crate::{driver::Status, store::DurableEvent};

pub use deliver::{Deliverer, Pace, Source};
pub use program::Program;
pub use secret::Secret;
pub use webhook::Webhook;

/// Who is told what.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Its name: by it the store remembers what has been delivered.
    pub name: String,
    /// How it is told.
    pub means: Means,
    /// What it is told.
    pub subjects: BTreeSet<Subject>,
}

/// How an event gets to somebody.
#[derive(Clone, Debug)]
pub enum Means {
    /// It is posted.
    Webhook(Webhook),
    /// A program of this host is run.
    Program(Program),
}

impl Means {
    /// Tells of an event, as JSON. It has been taken if there is no reason against it.
    async fn tell(&self, body: &[u8], patience: Duration) -> Result<(), String> {
        match self {
            Self::Webhook(webhook) => webhook.post(body, patience).await,
            Self::Program(program) => program.run(body, patience).await,
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A request that is so far now.
    Request(Status),
    /// The seat stopped.
    Halted,
    /// The seat takes part.
    Joined,
    /// Something that people should hear of.
    Alarm,
}

impl Subject {
    /// All there are: what is written down, and alarms.
    pub const ALL: [Self; 11] = [
        Self::Request(Status::Received),
        Self::Request(Status::Signing),
        Self::Request(Status::Cancelling),
        Self::Request(Status::Final),
        Self::Request(Status::Failed),
        Self::Request(Status::Expired),
        Self::Request(Status::Cancelled),
        Self::Request(Status::Disputed),
        Self::Halted,
        Self::Joined,
        Self::Alarm,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request(status) => status.name(),
            Self::Halted => "halted",
            Self::Joined => "joined",
            Self::Alarm => "alarm",
        }
    }

    /// That of an event of the journal.
    pub fn of(event: &DurableEvent) -> Self {
        match event {
            DurableEvent::Request { status } => Self::Request(Status::of(status.phase)),
            DurableEvent::Halted { .. } => Self::Halted,
            DurableEvent::Joined { .. } => Self::Joined,
        }
    }
}

#[cfg(test)]
mod tests;
