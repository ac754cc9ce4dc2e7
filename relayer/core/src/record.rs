//! What a seat remembers.

use std::collections::BTreeMap;

use ring_contracts::{B256, CompactSignature, FixedBytes, RequestId, SignedRequest, Turn};
use serde::{Deserialize, Serialize};

use crate::halt::Halt;

/// One durable fact. Applied to the state in the order of their writing, the records are the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", content = "body", rename_all = "camelCase")]
pub enum Record {
    /// A person let this seat take part, from this nonce of this epoch on. Ends a halt.
    Joined {
        /// The epoch.
        epoch: u32,
        /// The ring's nonce then. Turns before it are history and not judged.
        nonce: u64,
    },
    /// The ring changed as it had been announced to this seat: it takes part in the next epoch, from this nonce on, and nobody
    /// has to let it.
    Succeeded {
        /// The epoch.
        epoch: u32,
        /// The first nonce of the epoch: all turns before it are final and settled here.
        nonce: u64,
        /// The commitment of the epoch's charter.
        charter: B256,
    },
    /// A request is known here.
    Request(SignedRequest),
    /// A request that is known here is cancelled by its client: from now on this seat reserves no turn with it any more. Those
    /// that it has reserved before stay in force.
    Withheld {
        /// Which request.
        request: RequestId,
        /// Its client's signature of the cancellation.
        cancellation: FixedBytes<65>,
    },
    /// A turn's content is known here and in order: its requests are genuine, and bound to it from now on.
    Content(Turn),
    /// This seat's one content of a nonce in its epoch, or its void: written before it is signed.
    Reserved {
        /// The nonce.
        nonce: u64,
        /// The digest of the content or void.
        digest: B256,
        /// Whether it is the void.
        void: bool,
    },
    /// A seat, perhaps this one, signed a turn of this seat's epoch.
    Voted {
        /// The nonce.
        nonce: u64,
        /// The digest of the content or void.
        digest: B256,
        /// Which seat.
        seat: usize,
        /// Its signature.
        signature: CompactSignature,
    },
    /// A turn is final. Its requests are settled, the others that were bound to its nonce are free.
    Final {
        /// The nonce.
        nonce: u64,
        /// The digest that was executed.
        digest: B256,
        /// The number of its block: where to go on reading.
        block: u64,
        /// What became of each of its requests.
        settled: Vec<(RequestId, Outcome)>,
    },
    /// A request is settled without a turn.
    Settled {
        /// Which request.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// An epoch before this one is finally over: what was bound in it is free.
    EpochOver {
        /// The epoch that is final now.
        epoch: u32,
    },
    /// This seat stopped.
    Halted(Halt),
}

impl Record {
    /// The requests that end with this record, and how. One that has an end already keeps it.
    pub fn ends(&self) -> Vec<(RequestId, Outcome)> {
        match self {
            Self::Final { settled, .. } => settled.clone(),
            Self::Settled { request, outcome } => vec![(*request, *outcome)],
            _ => Vec::new(),
        }
    }

    /// The nonce, in every epoch, that is over with this record. A restart needs none of the records before it that are about
    /// that nonce or about a request that has ended, and of the records that say so the last.
    pub fn closes(&self) -> Option<u64> {
        match self {
            Self::Final { nonce, .. } => Some(*nonce),
            _ => None,
        }
    }

    /// The nonce that this record is about, while that is open.
    pub fn about(&self) -> Option<u64> {
        match self {
            Self::Content(turn) => Some(turn.id().nonce),
            Self::Reserved { nonce, .. } | Self::Voted { nonce, .. } => Some(*nonce),
            _ => None,
        }
    }
}

/// What the store knows of requests that have ended.
pub type Past = BTreeMap<RequestId, Settled>;

/// A request with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The digest of the request. `None`: its id is known from the chain alone.
    pub digest: Option<B256>,
    /// Its end.
    pub outcome: Outcome,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", deny_unknown_fields)]
pub enum Outcome {
    /// Its call was made and succeeded.
    Executed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// Its call was made and failed.
    Failed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// Its time passed before a turn took it.
    Expired,
    /// Its client cancelled it, and no turn with it can be executed any more.
    Cancelled {
        /// The client's signature of the cancellation: who brings the request again is told.
        cancellation: FixedBytes<65>,
    },
    /// A turn that this seat did not agree to carries its id. It is never made automatically: a person has to look.
    Disputed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
}
