//! What a seat does about an event.

use ring_contracts::{B256, Bytes, Equivocation, FixedBytes, RequestId, SignedRequest, Turn};

use crate::{cancel::Cancelling, message::Message, record::Record, requests::Submission};

/// The outcome of one step. The driver makes all records durable, in one transaction, before it performs any action. If
/// it cannot, it stops: a state that is ahead of its disk must not act. Records that [may wait](Self::may_wait) are written
/// before those of a later step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What has to be remembered, in order.
    pub records: Vec<Record>,
    /// What is to be done then. Doing any of it twice does no harm.
    pub actions: Vec<Action>,
}

impl Effects {
    /// Whether it does no harm if this seat loses the records with its memory, though the actions are done. So it is with
    /// what others propose and sign, while this seat does nothing about it: it is as if it had not heard it, nobody was told
    /// that it had. And so it is with votes, whatever is done with them: what this seat has reserved is on its disk, and is
    /// signed again with the same content; what others have signed they tell again.
    pub fn may_wait(&self) -> bool {
        let is_vote = |record: &Record| matches!(record, Record::Voted { .. });
        let is_heard = |record: &Record| is_vote(record) || matches!(record, Record::Content(_));
        let says_nothing = |action: &Action| matches!(action, Action::Changed { .. });
        let tells_votes = |action: &Action| match action {
            Action::Send { message, .. } => matches!(message, Message::Turn { .. } | Message::Votes { .. }),
            Action::Submit { .. } => true,
            action => says_nothing(action),
        };
        self.records.iter().all(is_heard) && self.actions.iter().all(says_nothing)
            || self.records.iter().all(is_vote) && self.actions.iter().all(tells_votes)
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

    const NONCE: u64 = 3;
    const DIGEST: B256 = B256::ZERO;
    const REQUEST: RequestId = RequestId::ZERO;

    fn voted() -> Record {
        Record::Voted { nonce: NONCE, digest: DIGEST, seat: 1, signature: CompactSignature::from([0; 64]) }
    }

    fn content() -> Record {
        Record::Content(Turn::void(0, 1, NONCE))
    }

    /// What is done with votes.
    fn with_votes() -> Vec<Action> {
        let (turn, votes) = (Turn::void(0, 1, NONCE), Vec::new());
        vec![
            Action::Send {
                to: 1,
                message: Message::Votes { epoch: 1, nonce: NONCE, digest: DIGEST, votes: votes.clone() },
            },
            Action::Send { to: 1, message: Message::Turn { turn: turn.clone(), requests: Vec::new(), votes } },
            Action::Submit { turn, digest: DIGEST, witness: Bytes::new() },
            Action::Changed { request: REQUEST },
        ]
    }

    /// What must not be done before all is on disk.
    fn others() -> Vec<Action> {
        vec![
            Action::Sign { nonce: NONCE, digest: DIGEST },
            Action::Send { to: 1, message: Message::Explain { nonce: NONCE } },
            Action::Explain { to: 1, nonce: NONCE },
            Action::Accepted { request: REQUEST },
            Action::Alarm { reason: String::new() },
        ]
    }

    #[test]
    fn what_others_propose_and_sign_may_wait_until_something_is_done_about_it() {
        let heard = vec![content(), voted()];
        assert!(effects(heard.clone(), vec![Action::Changed { request: REQUEST }]).may_wait());
        for record in [
            Record::Reserved { nonce: NONCE, digest: DIGEST, void: false },
            Record::Settled { request: REQUEST, outcome: crate::Outcome::Expired },
            Record::Joined { epoch: 1, nonce: NONCE },
            Record::EpochOver { epoch: 1 },
            Record::Halted(crate::Halt::HaltedOnChain),
        ] {
            assert!(!effects([heard.clone(), vec![record.clone()]].concat(), vec![]).may_wait(), "{record:?}");
        }
        let changed = |action: &Action| matches!(action, Action::Changed { .. });
        for action in with_votes().into_iter().filter(|action| !changed(action)).chain(others()) {
            assert!(!effects(heard.clone(), vec![action.clone()]).may_wait(), "{action:?}");
        }
    }

    #[test]
    fn votes_may_wait_whatever_is_done_with_them() {
        assert!(effects(vec![voted()], with_votes()).may_wait());
        for record in [content(), Record::Reserved { nonce: NONCE, digest: DIGEST, void: false }] {
            assert!(!effects(vec![voted(), record], with_votes()).may_wait());
        }
        for action in others() {
            assert!(!effects(vec![voted()], vec![action.clone()]).may_wait(), "{action:?}");
        }
    }
}
