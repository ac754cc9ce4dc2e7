//! Telling others what happened: each event posted until it is taken, one after the other.
//!
//! What is told comes from the journal, and the store remembers up to where: neither a restart nor an endpoint that is away
//! loses anything. What was delivered just before a crash may be delivered again, under the same id.

mod deliver;
mod secret;

use std::{collections::BTreeSet, fmt};

use reqwest::Url;

use crate::{driver::Status, store::DurableEvent};

pub use deliver::{Deliverer, Pace, Source};
pub use secret::Secret;

/// Where to tell what.
#[derive(Clone)]
pub struct Webhook {
    /// Its name: by it the store remembers what has been delivered.
    pub name: String,
    /// Where to post.
    pub url: Url,
    /// What the posts are signed with.
    pub secret: Secret,
    /// What is told.
    pub subjects: BTreeSet<Subject>,
}

// Without the URL: its path may be all that keeps others from posting there.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("subjects", &self.subjects).finish_non_exhaustive()
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
}

impl Subject {
    /// All there are: what is written down.
    pub const ALL: [Self; 8] = [
        Self::Request(Status::Received),
        Self::Request(Status::Signing),
        Self::Request(Status::Final),
        Self::Request(Status::Failed),
        Self::Request(Status::Expired),
        Self::Request(Status::Disputed),
        Self::Halted,
        Self::Joined,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request(status) => status.name(),
            Self::Halted => "halted",
            Self::Joined => "joined",
        }
    }

    /// That of an event.
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
