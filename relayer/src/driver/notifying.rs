//! Telling those who wait or follow that a request is further than it was.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::RequestId;
use ring_core::{Record, RequestStatus};
use tokio::sync::oneshot;

use super::{Driver, Notice, PassingEvent, RequestDetail, Status, listing};
use crate::store::StoreError;

/// How far a client wants a request to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// On disk at enough seats.
    Accepted,
    /// In a block.
    Executed,
    /// At its end.
    Final,
}

impl Goal {
    /// Whether a request with this status is as far, or will never be.
    pub fn is_reached(self, status: Status) -> bool {
        let least = match self {
            Self::Accepted => Status::Accepted,
            Self::Executed => Status::Executed,
            Self::Final => Status::Final,
        };
        status >= least
    }
}

/// Clients that wait until requests are as far as they want.
pub(super) type Watching = BTreeMap<RequestId, Vec<(Goal, oneshot::Sender<Option<RequestDetail>>)>>;

impl Driver {
    /// Answers at once if the request is unknown or far enough, and otherwise when it is.
    pub(super) fn watch(
        &mut self,
        id: RequestId,
        goal: Goal,
        reply: oneshot::Sender<Option<RequestDetail>>,
    ) -> Result<(), StoreError> {
        let detail = listing::detail(&self.state, &self.store, id)?;
        match &detail {
            Some(detail) if !goal.is_reached(Status::of(detail.status.phase)) => {
                self.watching.entry(id).or_default().push((goal, reply));
            }
            // Whoever hung up asks again.
            _ => drop(reply.send(detail)),
        }
        Ok(())
    }

    /// Drops those who have hung up.
    pub(super) fn forget_the_impatient(&mut self) {
        self.watching.retain(|_, all| {
            all.retain(|(_, reply)| !reply.is_closed());
            !all.is_empty()
        });
    }

    /// Tells of what is on disk by now.
    pub(super) fn tell_of(&self, records: &[Record]) -> Result<(), StoreError> {
        if self.edges.handle.is_followed() {
            for change in self.store.changes(records)? {
                self.edges.handle.notify(Notice::Change(change));
            }
        }
        self.edges.handle.note_end(self.store.end());
        Ok(())
    }

    /// Tells of requests that may be further than they were. What is on disk of it has been told by then.
    pub(super) fn tell_of_requests(&mut self, changed: BTreeSet<RequestId>) -> Result<(), StoreError> {
        let is_followed = self.edges.handle.is_followed();
        for id in changed {
            if !is_followed && !self.watching.contains_key(&id) {
                continue;
            }
            let Some(status) = listing::status(&self.state, &self.store, id)? else { continue };
            self.answer_watching(&status)?;
            if is_followed && matches!(Status::of(status.phase), Status::Accepted | Status::Executed) {
                self.edges.handle.notify(Notice::Passing(PassingEvent::Request { status }));
            }
        }
        Ok(())
    }

    fn answer_watching(&mut self, status: &RequestStatus) -> Result<(), StoreError> {
        let Some(all) = self.watching.remove(&status.id) else { return Ok(()) };
        let now = Status::of(status.phase);
        let (done, waiting): (Vec<_>, Vec<_>) = all.into_iter().partition(|(goal, _)| goal.is_reached(now));
        for (_, reply) in done {
            let _ = reply.send(listing::detail(&self.state, &self.store, status.id)?);
        }
        if !waiting.is_empty() {
            self.watching.insert(status.id, waiting);
        }
        Ok(())
    }
}
