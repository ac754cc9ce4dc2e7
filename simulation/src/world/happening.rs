//! What happens when: a queue of things to come, in the order of their times.

use std::collections::BTreeMap;

use ring_contracts::{B256, CompactSignature, RequestId};
use ring_core::{Evidence, Message};

use super::plan::Fault;

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A seat's clock ticks.
    Tick { seat: usize, life: u64 },
    /// A seat's watcher looks at the chain.
    Look { seat: usize },
    /// A letter arrives.
    Letter(Letter),
    /// A seat's driver works on what waits.
    Work { seat: usize, life: u64 },
    /// A seat's signer has signed.
    Signature { seat: usize, life: u64, nonce: u64, digest: B256, signature: CompactSignature },
    /// A seat's sources have been asked about a request.
    Evidence { seat: usize, life: u64, request: RequestId, evidence: Evidence },
    /// A block is mined.
    Block,
    /// A process starts.
    Start { seat: usize },
    /// Somebody looks after a seat.
    Person { seat: usize },
    /// A client asks for something new.
    Post,
    /// A client asks for something again.
    PostAgain,
    /// A client takes a request back.
    Cancel { id: RequestId },
    /// A fault of a kind that comes by itself.
    Fault(Fault),
    /// What a fault did is over.
    Mend { seat: usize },
    /// The partition is over.
    Heal,
    /// The faults end.
    Calm,
    /// After the faults: the master repairs what only the master can.
    Recover,
}

/// Something on its way between two seats.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Message(Message),
    /// What was said is on disk.
    Kept {
        requests: Vec<RequestId>,
        confirmed: Vec<RequestId>,
    },
}

/// Everything that is yet to happen.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    coming: BTreeMap<(u64, u64), Happening>,
}

impl Queue {
    /// At this time, after everything else at the same.
    pub(super) fn add(&mut self, time: u64, what: Happening) {
        self.coming.insert((time, self.next), what);
        self.next += 1;
    }

    /// When the next thing comes.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.coming.first_key_value().map(|((time, _), _)| *time)
    }

    /// The next thing, and its time.
    pub(super) fn pop(&mut self) -> Option<(u64, Happening)> {
        self.coming.pop_first().map(|((time, _), what)| (time, what))
    }
}
