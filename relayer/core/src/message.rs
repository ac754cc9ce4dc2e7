//! What seats tell one another.

use ring_contracts::{B256, CompactSignature, FixedBytes, RequestId, SignedRequest, Turn};
use serde::{Deserialize, Serialize};

use crate::halt::Halt;

/// A message between seats. Each can be lost, doubled or late without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
pub enum Message {
    /// Requests that a client posted. Answered only once they are on disk.
    Requests {
        /// The requests.
        requests: Vec<SignedRequest>,
    },
    /// Requests that their clients cancelled. Answered by `Withheld`, as far as that is so by then.
    Cancellations {
        /// The requests, each with its cancellation.
        requests: Vec<CancelledRequest>,
    },
    /// No turn that the sender has reserved and that can still be executed carries these requests, and none ever will.
    Withheld {
        /// Their digests.
        requests: Vec<B256>,
    },
    /// The sender's own sources confirm these requests. For whoever proposes: nobody signs because of it.
    Confirmed {
        /// Which requests.
        requests: Vec<RequestId>,
    },
    /// A turn, all that is needed to judge it, and who signed it so far: proposal, vote and answer at once.
    Turn {
        /// The turn.
        turn: Turn,
        /// The requests of its calls that the receiver is not known to have.
        requests: Vec<SignedRequest>,
        /// Votes for it.
        votes: Vec<Vote>,
    },
    /// Who signed a turn so far; for those who have it. Who has not asks for an explanation.
    Votes {
        /// In which epoch.
        epoch: u32,
        /// For which nonce.
        nonce: u64,
        /// The digest of the turn.
        digest: B256,
        /// Votes for it.
        votes: Vec<Vote>,
    },
    /// Asks for the contents of a nonce whose executed turn the sender does not know. Answered by `Turn`s.
    Explain {
        /// Which nonce.
        nonce: u64,
    },
    /// The sender has halted. Whoever hears it believes what is proven, and else looks at the chain for itself.
    Halted {
        /// In which epoch.
        epoch: u32,
        /// Why, with what proves it.
        halt: Halt,
    },
}

impl Message {
    /// The requests in it that it is decided about.
    pub(crate) fn mentions(&self) -> Vec<RequestId> {
        match self {
            Self::Cancellations { requests } => requests.iter().map(|cancelled| cancelled.request.request.id).collect(),
            Self::Requests { requests } => requests.iter().map(|signed| signed.request.id).collect(),
            Self::Turn { turn, requests, .. } => {
                let called = turn.calls().iter().map(|call| call.request_id);
                called.chain(requests.iter().map(|signed| signed.request.id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// From which version of what seats say to one another on there are words for it: in an older one it is not said. Whoever
    /// adds a kind, or a field to one or to what is in it, raises the version for the messages that have it, and writes the
    /// others as they were. A message that is not said is one that was lost: what must not be lost for good needs another way
    /// than a new message while a seat of the ring may be old.
    pub const fn since(&self) -> u32 {
        match self {
            Self::Requests { .. }
            | Self::Cancellations { .. }
            | Self::Withheld { .. }
            | Self::Confirmed { .. }
            | Self::Turn { .. }
            | Self::Votes { .. }
            | Self::Explain { .. } => 1,
            Self::Halted { halt, .. } => halt.since(),
        }
    }
}

/// A request and its client's cancellation of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelledRequest {
    /// The request.
    pub request: SignedRequest,
    /// The client's signature of its cancellation.
    pub cancellation: FixedBytes<65>,
}

/// A seat's signature of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Whose.
    pub seat: usize,
    /// The signature of the turn's digest.
    pub signature: CompactSignature,
}
