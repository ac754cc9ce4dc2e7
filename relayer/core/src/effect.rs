//! What a seat does about an event.

use ring_contracts::{B256, Bytes, Equivocation, FixedBytes, RequestId, SignedRequest, Turn};

use crate::{cancel::Cancelling, message::Message, record::Record, requests::Submission};

/// The outcome of one step. The driver makes all records durable, in one transaction, before it performs any action. If
/// it cannot, it stops: a state that is ahead of its disk must not act. Records of [hearsay](Self::is_hearsay) may wait for
/// those of a later step, and are written before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What has to be remembered, in order.
    pub records: Vec<Record>,
    /// What is to be done then. Doing any of it twice does no harm.
    pub actions: Vec<Action>,
}

impl Effects {
    /// Whether this seat at most takes note of what others propose and sign, and does nothing about it yet. Should it lose
    /// that with its memory, it is as if it had not heard it: nobody was told that it had.
    pub fn is_hearsay(&self) -> bool {
        let is_heard = |record: &Record| matches!(record, Record::Content(_) | Record::Voted { .. });
        let says_nothing = |action: &Action| matches!(action, Action::Changed { .. });
        self.records.iter().all(is_heard) && self.actions.iter().all(says_nothing)
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sign the turn reserved under this nonce and digest, and report [`Event::Signed`](crate::Event::Signed).
    Sign {
        /// The nonce, in the epoch of this seat.
        nonce: u64,
        /// The digest reserved.
        digest: B256,
    },
    /// Tell a peer.
    Send {
        /// The peer's seat.
        to: usize,
        /// What.
        message: Message,
    },
    /// Send the turn to the chain and keep at it, until the nonce is used or another submission takes its place.
    Submit {
        /// The turn.
        turn: Turn,
        /// Its digest, reserved by this seat.
        digest: B256,
        /// Who stands behind it, this seat as the sender.
        witness: Bytes,
    },
    /// Halt the ring on chain with this seat's key, and keep at it, until the chain says so or the epoch is over.
    HaltOnChain {
        /// The epoch.
        epoch: u32,
        /// What shows that a key signed two contents: the contract takes it instead, and revokes that key.
        proof: Option<Equivocation>,
    },
    /// Send a peer every content remembered for this nonce, in whatever epoch, with the requests in it.
    Explain {
        /// The peer's seat.
        to: usize,
        /// The nonce.
        nonce: u64,
    },
    /// Send a peer a request that ended as cancelled, and its cancellation.
    TellCancelled {
        /// The peer's seat.
        to: usize,
        /// Which request.
        request: RequestId,
        /// Its client's signature of the cancellation.
        cancellation: FixedBytes<65>,
    },
    /// A peer proposed what this seat does not agree to: report it.
    Objected {
        /// The peer's seat.
        from: usize,
        /// The nonce.
        nonce: u64,
        /// The digest.
        digest: B256,
        /// Why not.
        reason: String,
    },
    /// Ask this seat's own sources whether a request is genuine, and report [`Event::Found`](crate::Event::Found).
    Inquire {
        /// The request.
        request: SignedRequest,
    },
    /// This seat's own sources contradict a request: report it.
    Refuted {
        /// Which request.
        request: RequestId,
        /// How.
        reason: String,
    },
    /// Answer the client that submitted.
    Answer {
        /// Which request.
        request: RequestId,
        /// What became of it.
        submission: Submission,
    },
    /// Answer the client that cancelled.
    AnswerCancellation {
        /// Which request.
        request: RequestId,
        /// What became of its cancellation.
        answer: Cancelling,
    },
    /// The request is on the disks of enough seats.
    Accepted {
        /// Which request.
        request: RequestId,
    },
    /// Something about a request changed: whoever follows it may want to look.
    Changed {
        /// Which request.
        request: RequestId,
    },
    /// The ring has changed as it was announced, and nothing of this seat's epoch can be executed any more: go on with the
    /// settings that were announced for the next one, after [`Record::Succeeded`].
    Succeed {
        /// The next epoch.
        epoch: u32,
        /// Its first nonce.
        nonce: u64,
        /// The commitment of its charter.
        charter: B256,
    },
    /// Tell people, loudly.
    Alarm {
        /// What happened.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use ring_contracts::CompactSignature;

    use super::*;

    fn effects(records: Vec<Record>, actions: Vec<Action>) -> Effects {
        Effects { records, actions }
    }

    #[test]
    fn what_others_propose_and_sign_is_hearsay_until_something_is_done_about_it() {
        let (nonce, digest, request) = (3, B256::ZERO, RequestId::ZERO);
        let content = Record::Content(Turn::void(0, 1, nonce));
        let voted = Record::Voted { nonce, digest, seat: 1, signature: CompactSignature::from([0; 64]) };
        let heard = vec![content, voted];
        assert!(effects(heard.clone(), vec![Action::Changed { request }]).is_hearsay());
        for record in [
            Record::Reserved { nonce, digest, void: false },
            Record::Settled { request, outcome: crate::Outcome::Expired },
            Record::Joined { epoch: 1, nonce },
            Record::EpochOver { epoch: 1 },
            Record::Halted(crate::Halt::HaltedOnChain),
        ] {
            assert!(!effects([heard.clone(), vec![record.clone()]].concat(), vec![]).is_hearsay(), "{record:?}");
        }
        for action in [
            Action::Sign { nonce, digest },
            Action::Send { to: 1, message: Message::Explain { nonce } },
            Action::Explain { to: 1, nonce },
            Action::Accepted { request },
            Action::Alarm { reason: String::new() },
        ] {
            assert!(!effects(heard.clone(), vec![action.clone()]).is_hearsay(), "{action:?}");
        }
    }
}
