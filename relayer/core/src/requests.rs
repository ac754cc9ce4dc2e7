//! Requests: which are taken, and what is known of each.

use ring_contracts::{Address, B256, Effect, FixedBytes, Request, RequestError, RequestId, SignedRequest, Turn, U256};
use serde::Serialize;

use crate::{
    effect::Action,
    event::ChainView,
    message::Message,
    record::{Outcome, Past, Record, Settled},
    state::{State, Step},
};

/// How many requests go into one message.
const REQUESTS_PER_MESSAGE: usize = 400;

/// What became of a request that was submitted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It is new, and on disk here.
    New,
    /// It is known already, with the same content.
    Known,
    /// The same, and it has its end.
    Ended(Outcome),
    /// It was not taken; nothing changed.
    Refused(Refusal),
}

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field or the signature is impossible.
    #[error(transparent)]
    Malformed(#[from] RequestError),
    /// The id belongs to a request with other content.
    #[error("request {0} exists with other content: an id names one request for ever, choose a new one")]
    Conflict(RequestId),
    /// The request is for another ring.
    #[error("the request is for ring {actual}, this relayer serves ring {expected}")]
    WrongRing {
        /// The ring served here.
        expected: u32,
        /// The ring asked for.
        actual: u32,
    },
    /// The signature is not by a requester of this ring.
    #[error(
        "the request is signed by {0}, who is no requester here: sign it with a requester's key, for chain and contract of \
         this ring, exactly as posted"
    )]
    UnknownRequester(Address),
    /// Its time is over.
    #[error("the request expired at {expiry}, and the chain's time is {now}: sign it anew with a later expiry")]
    Expired {
        /// Its expiry, in Unix seconds.
        expiry: u64,
        /// The time of the newest block.
        now: u64,
    },
    /// The contract refuses to call this address for any ring.
    #[error("no ring calls {0}, which is the contract itself or its master: correct the target")]
    TargetForbidden(Address),
    /// The master did not permit the ring such calls.
    #[error(
        "this ring may not call {target} with selector {selector} (zero for a bare transfer), or not with these arguments: \
         the master has to permit it (`ring-keys permit`)"
    )]
    CallNotPermitted {
        /// Whom.
        target: Address,
        /// Which function.
        selector: FixedBytes<4>,
    },
    /// The ring takes no turns any more.
    #[error("the ring's lease is over: the master has to form it anew")]
    LeaseOver,
    /// The ring has no limit on the asset, or this relayer was not told of it.
    #[error("this ring may not spend {0}: the master has to set a limit on it, and the relayers to be told")]
    AssetNotPermitted(Address),
    /// It is more than the ring may ever spend at once.
    #[error("{amount} of {asset} is over the cap of {cap} a period: split it, or have the master raise the cap")]
    OverCap {
        /// Of which asset.
        asset: Address,
        /// The cap.
        cap: U256,
        /// The amount asked for.
        amount: U256,
    },
    /// One call has more gas than a turn may have.
    #[error("gas of {gas} is more than the {most} that a turn may have here")]
    TooMuchGas {
        /// As asked for.
        gas: u32,
        /// The most there is.
        most: u64,
    },
    /// This seat is halted.
    #[error("the ring is halted: {0}")]
    Halted(String),
    /// This seat has not seen the chain yet.
    #[error("this relayer has not seen the chain yet: try again in a moment")]
    NotReady,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    /// Its id.
    pub id: RequestId,
    /// How far it is.
    #[serde(flatten)]
    pub phase: Phase,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Phase {
    /// On disk here, but not yet at enough seats: it might be lost with this host. Submit it again.
    Received,
    /// On disk at enough seats for its turn not to be lost.
    Accepted,
    /// Cancelled by its client, but a turn with it may still be executed: the one it is bound to here, if there is one, or one
    /// that another seat has signed. Either that pays it, or it will be cancelled.
    Cancelling {
        /// The turn that it is bound to here.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        turn: Option<BoundTurn>,
    },
    /// Bound to a turn that is not executed yet.
    Signing {
        /// In which epoch.
        epoch: u32,
        /// To which nonce.
        nonce: u64,
    },
    /// Its turn is in a block that may still be reorganised away; then the same turn is sent again.
    Executed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// Its call succeeded, finally.
    Final {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// Its call failed, finally. A new request is needed to try again.
    Failed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
    /// Its time passed before a turn took it, finally.
    Expired,
    /// Its client cancelled it, and no turn with it can be executed any more, finally.
    Cancelled,
    /// A turn that this seat did not agree to carries its id: a person has to look.
    Disputed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
}

/// A turn that a request is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BoundTurn {
    /// In which epoch.
    pub epoch: u32,
    /// Its nonce.
    pub nonce: u64,
}

/// Whether a request may spend this at all, at whatever time.
fn check_allowance(view: &ChainView, (asset, amount): (Address, U256)) -> Result<(), Refusal> {
    let allowance = view.allowances.get(&asset).ok_or(Refusal::AssetNotPermitted(asset))?;
    if amount > allowance.cap {
        return Err(Refusal::OverCap { asset, cap: allowance.cap, amount });
    }
    Ok(())
}

impl From<Outcome> for Phase {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Executed { nonce, transaction } => Self::Final { nonce, transaction },
            Outcome::Failed { nonce, transaction } => Self::Failed { nonce, transaction },
            Outcome::Expired => Self::Expired,
            Outcome::Cancelled { .. } => Self::Cancelled,
            Outcome::Disputed { nonce, transaction } => Self::Disputed { nonce, transaction },
        }
    }
}

impl State {
    /// A client posted a request.
    pub(crate) fn submitted(&mut self, step: &mut Step, signed: SignedRequest, past: &Past) {
        let request = signed.request.id;
        let submission = self.judge_new(&signed, past).unwrap_or_else(Submission::Refused);
        if submission == Submission::New {
            self.record(step, Record::Request(signed));
            step.actions.push(Action::Changed { request });
        }
        step.actions.push(Action::Answer { request, submission });
    }

    fn judge_new(&self, signed: &SignedRequest, past: &Past) -> Result<Submission, Refusal> {
        let request = &signed.request;
        let digest = || request.digest(&self.settings.domain);
        // Known requests are answered first, whatever has changed since: the same question, the same answer.
        match (self.pool.get(request.id), past.get(&request.id)) {
            (Some(tracked), _) if tracked.digest == digest() => return Ok(Submission::Known),
            // Of what is known from the chain alone, the content cannot be compared.
            (None, Some(Settled { digest: known, outcome })) if known.is_none_or(|known| known == digest()) => {
                return Ok(Submission::Ended(*outcome));
            }
            // Asked again, the store will know how it ended.
            (None, None) if self.just_ended.contains(&request.id) => return Err(Refusal::NotReady),
            (None, None) => {}
            _ => return Err(Refusal::Conflict(request.id)),
        }
        self.check_genuine(signed)?;
        if let Some(halt) = &self.halt {
            return Err(Refusal::Halted(halt.to_string()));
        }
        let view = self.chain.as_ref().ok_or(Refusal::NotReady)?;
        if request.expiry <= view.head.time {
            return Err(Refusal::Expired { expiry: request.expiry, now: view.head.time });
        }
        if self.lease_is_over(view) {
            return Err(Refusal::LeaseOver);
        }
        check_allowance(view, request.spends()?)?;
        self.check_permitted(request, view)?;
        Ok(Submission::New)
    }

    /// Whether the ring may make this call as its permissions are now. They can change; so this is no part of what makes a
    /// request genuine.
    fn check_permitted(&self, request: &Request, view: &ChainView) -> Result<(), Refusal> {
        let charter = &self.settings.charter;
        let call = request.to_call(charter.asset);
        if let Effect::Call { target, .. } = &call.effect
            && *target == view.master
        {
            return Err(Refusal::TargetForbidden(*target));
        }
        let charges = call.charges(charter.asset, &view.permissions).ok_or_else(|| Refusal::CallNotPermitted {
            target: request.target,
            selector: request.data.get(..4).map(FixedBytes::from_slice).unwrap_or_default(),
        })?;
        charges.into_iter().try_for_each(|charge| check_allowance(view, charge))
    }

    /// What makes a request genuine for this seat whoever brings it, at any time.
    pub(crate) fn check_genuine(&self, signed: &SignedRequest) -> Result<(), Refusal> {
        let Request { ring, gas, .. } = signed.request;
        signed.request.check()?;
        if ring != self.settings.ring {
            return Err(Refusal::WrongRing { expected: self.settings.ring, actual: ring });
        }
        let requester = signed.requester(&self.settings.domain)?;
        let of_own_account = || requester == signed.request.target && self.settings.is_refill(&signed.request);
        if !self.settings.requesters.contains(&requester) && !of_own_account() {
            return Err(Refusal::UnknownRequester(requester));
        }
        if u64::from(gas) > self.settings.max_gas {
            return Err(Refusal::TooMuchGas { gas, most: self.settings.max_gas });
        }
        if signed.request.target == self.settings.domain.contract {
            return Err(Refusal::TargetForbidden(signed.request.target));
        }
        let (asset, _) = signed.request.spends()?;
        if asset != self.settings.charter.asset && !self.settings.other_assets.contains(&asset) {
            return Err(Refusal::AssetNotPermitted(asset));
        }
        Ok(())
    }

    /// A peer sent requests: those that are genuine and new are kept, so that they are not lost with the peer.
    pub(crate) fn received_requests(
        &mut self,
        step: &mut Step,
        from: usize,
        requests: Vec<SignedRequest>,
        past: &Past,
    ) {
        for signed in requests {
            let id = signed.request.id;
            match self.pool.get(id) {
                // A peer that has the id with other content has no copy of this one.
                Some(tracked) if tracked.signed.request != signed.request => continue,
                Some(_) => {}
                None if self.has_ended(id, past) => {
                    self.tell_if_cancelled(step, from, id, signed.request.digest(&self.settings.domain), past);
                    continue;
                }
                None if self.check_genuine(&signed).is_err() => continue,
                None => {
                    self.record(step, Record::Request(signed));
                    step.actions.push(Action::Changed { request: id });
                }
            }
            self.note_holder(step, from, id);
        }
    }

    /// A peer answered that it has requests on its disk.
    pub(crate) fn delivered(&mut self, step: &mut Step, to: usize, requests: &[RequestId]) {
        if !requests.is_empty() {
            self.sharing.entry(to).or_default().answered();
        }
        for id in requests {
            self.note_holder(step, to, *id);
        }
    }

    /// A peer has a request.
    pub(crate) fn note_holder(&mut self, step: &mut Step, peer: usize, request: RequestId) {
        self.offer_confirmation(peer, request);
        if self.pool.note_holder(request, peer).is_some_and(|holders| holders + 1 == self.settings.copies) {
            step.actions.push(Action::Accepted { request });
            step.actions.push(Action::Changed { request });
        }
    }

    /// Sends each peer the requests it is not known to have.
    pub(crate) fn share_requests(&mut self, step: &mut Step) {
        let (now, period) = (self.now, self.settings.resend_ticks);
        for to in self.peers() {
            let sharing = self.sharing.entry(to).or_default();
            let untold = |next| self.pool.unshared_from(to, next);
            let batch = sharing.take((now, period), REQUESTS_PER_MESSAGE, untold);
            if !batch.is_empty() {
                let requests = batch.into_iter().map(|tracked| tracked.signed.clone()).collect();
                step.actions.push(Action::Send { to, message: Message::Requests { requests } });
            }
        }
    }

    /// Whether a request that has not ended is on the disks of enough seats.
    pub fn is_accepted(&self, id: RequestId) -> bool {
        self.pool.get(id).is_some_and(|tracked| tracked.holders().len() + 1 >= self.settings.copies)
    }

    /// The requests of a turn that are known here and have not ended, as their requesters signed them.
    pub fn requests_of(&self, turn: &Turn) -> Vec<SignedRequest> {
        let tracked = turn.calls().iter().filter_map(|call| self.pool.get(call.request_id));
        tracked.map(|tracked| tracked.signed.clone()).collect()
    }

    /// Whether a request is known here and has not ended.
    pub fn is_open(&self, id: RequestId) -> bool {
        self.pool.get(id).is_some()
    }

    /// What is known of a request that has not ended.
    pub fn request_status(&self, id: RequestId) -> Option<RequestStatus> {
        let tracked = self.pool.get(id)?;
        let phase = match tracked.bound() {
            Some((epoch, nonce)) => match self.chain.as_ref().and_then(|view| view.turn(nonce)) {
                Some(turn) if turn.requests.contains(&id) => {
                    Phase::Executed { nonce: turn.nonce, transaction: turn.transaction }
                }
                _ if tracked.is_withheld() => Phase::Cancelling { turn: Some(BoundTurn { epoch, nonce }) },
                _ => Phase::Signing { epoch, nonce },
            },
            None if tracked.is_withheld() => Phase::Cancelling { turn: None },
            None if self.is_accepted(id) => Phase::Accepted,
            None => Phase::Received,
        };
        Some(RequestStatus { id, phase })
    }
}
