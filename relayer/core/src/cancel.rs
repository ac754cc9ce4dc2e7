//! Cancellations: a client takes a request back, as long as no turn carries it.
//!
//! A seat that has a cancellation on disk *withholds* the request: it reserves no turn with it any more. Once none of the turns
//! that it agreed to carries the request either, it says so to the peers, and this stays true. When all seats have said so, no
//! turn with the request can ever be executed: its signatures would have to come from seats that gave none and give none.

use ring_contracts::{Address, B256, Cancellation, RequestId, SignatureError, SignedCancellation, SignedRequest};

use crate::{
    effect::Action,
    halt::Halt,
    message::{CancelledRequest, Message},
    record::{Outcome, Past, Record, Settled},
    requests::{Phase, RequestStatus},
    state::{State, Step},
};

/// How many cancelled requests go into one message.
const CANCELLATIONS_PER_MESSAGE: usize = 400;

/// What became of a cancellation that was posted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// It is on disk here: it takes effect, unless a turn that some seat has signed already is executed.
    Kept,
    /// The request is cancelled for good.
    Done,
    /// It was not taken; nothing changed.
    Refused(CancelRefusal),
}

/// Why a cancellation is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelRefusal {
    /// The request is not known here.
    #[error("no request {0} is known here: cancel it at the relayer where it was posted, or post it here first")]
    Unknown(RequestId),
    /// It is for another ring.
    #[error("the cancellation is for ring {actual}, this relayer serves ring {expected}")]
    WrongRing {
        /// The ring served here.
        expected: u32,
        /// The ring named.
        actual: u32,
    },
    /// The id belongs to a request with other content.
    #[error("request {id} has the digest {actual} here, the cancellation is for {named}: sign one for the digest here")]
    OtherContent {
        /// Which id.
        id: RequestId,
        /// The digest that the cancellation names.
        named: B256,
        /// That of the request.
        actual: B256,
    },
    /// The signature is impossible.
    #[error("signature: {0}")]
    Signature(#[from] SignatureError),
    /// Another key signed it.
    #[error("the cancellation is signed by {signer}, the request by {requester}: only who asked for it can cancel it")]
    WrongSigner {
        /// Who signed the cancellation.
        signer: Address,
        /// Who signed the request.
        requester: Address,
    },
    /// Its turn is in a block.
    #[error("request {id} was executed in turn {nonce} by transaction {transaction}: it is too late to cancel it")]
    Executed {
        /// Which request.
        id: RequestId,
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// It has another end.
    #[error("request {0} has its end already: ask for its status")]
    Ended(RequestId),
    /// It has just got its end.
    #[error("request {0} is just ending: try again in a moment")]
    JustEnding(RequestId),
}

impl State {
    /// A client cancelled a request.
    pub(crate) fn cancelled(&mut self, step: &mut Step, signed: &SignedCancellation, past: &Past) {
        let request = signed.cancellation.id;
        let answer = self.judge_cancellation(signed, past).unwrap_or_else(Cancelling::Refused);
        if answer == Cancelling::Kept {
            self.withhold(step, request, signed);
        }
        step.actions.push(Action::AnswerCancellation { request, answer });
    }

    fn judge_cancellation(&self, signed: &SignedCancellation, past: &Past) -> Result<Cancelling, CancelRefusal> {
        let Cancellation { id, ring, request: named } = signed.cancellation;
        if ring != self.settings.ring {
            return Err(CancelRefusal::WrongRing { expected: self.settings.ring, actual: ring });
        }
        let same = |actual: B256| match actual == named {
            true => Ok(()),
            false => Err(CancelRefusal::OtherContent { id, named, actual }),
        };
        let Some(tracked) = self.pool.get(id) else {
            return match past.get(&id) {
                Some(Settled { digest, outcome }) => {
                    digest.map_or(Ok(()), same)?;
                    match outcome {
                        Outcome::Cancelled { .. } => Ok(Cancelling::Done),
                        Outcome::Executed { nonce, transaction } | Outcome::Failed { nonce, transaction } => {
                            Err(CancelRefusal::Executed { id, nonce: *nonce, transaction: *transaction })
                        }
                        Outcome::Expired | Outcome::Disputed { .. } => Err(CancelRefusal::Ended(id)),
                    }
                }
                None if self.just_ended.contains(&id) => Err(CancelRefusal::JustEnding(id)),
                None => Err(CancelRefusal::Unknown(id)),
            };
        };
        same(tracked.digest)?;
        self.check_cancellation(&tracked.signed, signed)?;
        if let Some(RequestStatus { phase: Phase::Executed { nonce, transaction }, .. }) = self.request_status(id) {
            return Err(CancelRefusal::Executed { id, nonce, transaction });
        }
        Ok(Cancelling::Kept)
    }

    /// Whoever asked for a request cancelled it.
    fn check_cancellation(&self, request: &SignedRequest, signed: &SignedCancellation) -> Result<(), CancelRefusal> {
        let signer = signed.signer(&self.settings.domain)?;
        // What is no requester's signature was never taken.
        match request.requester(&self.settings.domain) {
            Ok(requester) if requester == signer => Ok(()),
            requester => Err(CancelRefusal::WrongSigner { signer, requester: requester.unwrap_or_default() }),
        }
    }

    fn withhold(&mut self, step: &mut Step, request: RequestId, signed: &SignedCancellation) {
        if self.is_withheld(request) {
            return;
        }
        self.record(step, Record::Withheld { request, cancellation: signed.signature });
        step.actions.push(Action::Changed { request });
    }

    /// Whether a request that has not ended was cancelled.
    pub fn is_withheld(&self, id: RequestId) -> bool {
        self.pool.get(id).is_some_and(|tracked| tracked.is_withheld())
    }

    /// Tells each peer of the cancelled requests that it has not said to withhold, again and again.
    pub(crate) fn share_cancellations(&mut self, step: &mut Step) {
        let (now, period) = (self.now, self.settings.resend_ticks);
        for to in self.peers() {
            let sharing = self.sharing_cancellations.entry(to).or_default();
            let untold = |next| self.pool.unconfirmed_from(to, next);
            let requests: Vec<_> = sharing
                .take((now, period), CANCELLATIONS_PER_MESSAGE, untold)
                .into_iter()
                .filter_map(|tracked| {
                    let cancellation = tracked.cancellation()?;
                    Some(CancelledRequest { request: tracked.signed.clone(), cancellation })
                })
                .collect();
            if !requests.is_empty() {
                step.actions.push(Action::Send { to, message: Message::Cancellations { requests } });
            }
        }
    }

    /// A peer told of cancelled requests: those that are genuine are withheld here too, known until now or not. It is told which
    /// of them no turn can carry any more as far as this seat is concerned.
    pub(crate) fn received_cancellations(
        &mut self,
        step: &mut Step,
        from: usize,
        requests: Vec<CancelledRequest>,
        past: &Past,
    ) {
        let mut withheld = Vec::new();
        for CancelledRequest { request, cancellation } in requests {
            let id = request.request.id;
            let of_request = Cancellation::of(&request.request, &self.settings.domain);
            let signed = SignedCancellation { cancellation: of_request, signature: cancellation };
            let digest = of_request.request;
            if self.check_cancellation(&request, &signed).is_err() {
                continue;
            }
            if !self.is_open(id) && !self.has_ended(id, past) && self.check_genuine(&request).is_ok() {
                self.record(step, Record::Request(request));
            }
            if self.pool.get(id).is_some_and(|tracked| tracked.digest == digest) {
                self.withhold(step, id, &signed);
                self.note_holder(step, from, id);
            }
            if self.withholds_for_good(id, digest, past) {
                withheld.push(digest);
            }
        }
        step.actions.push(Action::Send { to: from, message: Message::Withheld { requests: withheld } });
    }

    /// Whether no turn with this content that this seat reserved can be executed any more, and it will reserve none.
    fn withholds_for_good(&self, id: RequestId, digest: B256, past: &Past) -> bool {
        if self.has_forgotten() {
            return false;
        }
        match (self.pool.get(id), past.get(&id)) {
            (Some(tracked), _) if tracked.digest == digest => tracked.is_withheld_for_good(),
            // The id belongs to another content here, for ever.
            (Some(_), _) => true,
            (None, Some(Settled { digest: Some(known), .. })) if *known != digest => true,
            (None, Some(Settled { outcome, .. })) => {
                matches!(outcome, Outcome::Expired | Outcome::Cancelled { .. })
            }
            (None, None) => false,
        }
    }

    /// Whether nobody knows what this seat has signed in its epoch.
    fn has_forgotten(&self) -> bool {
        matches!(self.halt, Some(Halt::MemoryLost { .. }))
    }

    /// A peer withholds requests for good.
    pub(crate) fn received_withheld(&mut self, from: usize, digests: &[B256]) {
        self.sharing_cancellations.entry(from).or_default().answered();
        for digest in digests {
            let Some(id) = self.pool.withheld_with(*digest) else { continue };
            self.pool.note_withheld(id, from);
            self.consider_cancelled(id);
        }
    }

    /// Notes whether all seats but this one withhold a request for good.
    pub(crate) fn consider_cancelled(&mut self, id: RequestId) {
        let Some(tracked) = self.pool.get(id).filter(|tracked| tracked.is_withheld()) else { return };
        let withheld_by = tracked.withheld_by();
        if self.peers().all(|peer| withheld_by.contains(peer)) || planted!(CancelledTooSoon) {
            self.pool.note_confirmed(id);
        }
    }

    /// Ends the requests that every seat withholds for good.
    pub(crate) fn end_cancelled(&mut self, step: &mut Step) {
        if self.has_forgotten() {
            return;
        }
        for (request, cancellation) in self.pool.cancelled_for_good() {
            self.record(step, Record::Settled { request, outcome: Outcome::Cancelled { cancellation } });
            step.actions.push(Action::Changed { request });
        }
    }

    /// A peer brings a request that ended as cancelled here: it has not heard of that.
    pub(crate) fn tell_if_cancelled(&self, step: &mut Step, to: usize, request: RequestId, digest: B256, past: &Past) {
        if let Some(Settled { digest: Some(known), outcome: Outcome::Cancelled { cancellation } }) = past.get(&request)
            && *known == digest
        {
            step.actions.push(Action::TellCancelled { to, request, cancellation: *cancellation });
        }
    }
}
