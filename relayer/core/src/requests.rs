//! Requests: which are taken, and what is known of each.

use ring_contracts::{Address, B256, Effect, FixedBytes, Request, RequestError, RequestId, SignedRequest, U256};
use serde::Serialize;

use crate::{
    effect::Action,
    event::ChainView,
    message::Message,
    record::{Outcome, Record},
    state::{State, Step, Tracked},
};

/// What became of a request that was submitted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It is new, and on disk here.
    New,
    /// It is known already, with the same content.
    Known,
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
    /// A turn that this seat did not agree to carries its id: a person has to look.
    Disputed {
        /// In which turn.
        nonce: u64,
        /// By which transaction.
        transaction: B256,
    },
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
            Outcome::Disputed { nonce, transaction } => Self::Disputed { nonce, transaction },
        }
    }
}

impl State {
    /// A client posted a request.
    pub(crate) fn submitted(&mut self, step: &mut Step, signed: SignedRequest) {
        let request = signed.request.id;
        let submission = match self.judge_new(&signed) {
            Ok(submission) => submission,
            Err(refusal) => Submission::Refused(refusal),
        };
        if submission == Submission::New {
            let message = Message::Requests { requests: vec![signed.clone()] };
            self.record(step, Record::Request(signed));
            step.actions.extend(self.peers().map(|to| Action::Send { to, message: message.clone() }));
            step.actions.push(Action::Changed { request });
            if self.settings.copies == 1 {
                step.actions.push(Action::Accepted { request });
            }
        }
        step.actions.push(Action::Answer { request, submission: submission.clone() });
        if submission == Submission::New {
            self.propose(step);
        }
    }

    fn judge_new(&self, signed: &SignedRequest) -> Result<Submission, Refusal> {
        let request = &signed.request;
        // Known requests are answered first, whatever has changed since: the same question, the same answer.
        if let Some(known) = self.digest_of(request.id) {
            // Of what is known from the chain alone, the content cannot be compared.
            let same = known.is_none_or(|known| known == request.digest(&self.settings.domain));
            return if same { Ok(Submission::Known) } else { Err(Refusal::Conflict(request.id)) };
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
        let call = request.to_call(charter);
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
        if !self.settings.requesters.contains(&requester) {
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
    pub(crate) fn received_requests(&mut self, step: &mut Step, from: usize, requests: Vec<SignedRequest>) {
        for signed in requests {
            let id = signed.request.id;
            let digest = signed.request.digest(&self.settings.domain);
            if self.digest_of(id).is_none() && self.check_genuine(&signed).is_ok() {
                self.record(step, Record::Request(signed));
                step.actions.push(Action::Changed { request: id });
            }
            // A peer that has the id with other content has no copy of this one.
            if self.digest_of(id) == Some(Some(digest)) {
                self.delivered(step, from, &[id]);
            }
        }
        self.propose(step);
    }

    /// A peer has requests on its disk.
    pub(crate) fn delivered(&mut self, step: &mut Step, to: usize, requests: &[RequestId]) {
        for id in requests {
            let Some(tracked) = self.open.get_mut(id) else { continue };
            if tracked.holders.insert(to) && tracked.holders.len() + 1 == self.settings.copies {
                step.actions.push(Action::Accepted { request: *id });
                step.actions.push(Action::Changed { request: *id });
            }
        }
    }

    /// Whether a request is on the disks of enough seats, or has its end.
    pub fn is_accepted(&self, id: RequestId) -> bool {
        let enough = |tracked: &Tracked| tracked.holders.len() + 1 >= self.settings.copies;
        self.open.get(&id).is_some_and(enough) || self.settled.contains_key(&id)
    }

    /// `None`: the id is unknown. `Some(None)`: it is known from the chain alone, so its content is not known here.
    fn digest_of(&self, id: RequestId) -> Option<Option<B256>> {
        match self.open.get(&id) {
            Some(tracked) => Some(Some(tracked.digest)),
            None => self.settled.get(&id).map(|settled| settled.digest),
        }
    }

    /// What is known of a request.
    pub fn request_status(&self, id: RequestId) -> Option<RequestStatus> {
        if let Some(settled) = self.settled.get(&id) {
            return Some(RequestStatus { id, phase: settled.outcome.into() });
        }
        let tracked = self.open.get(&id)?;
        let phase = match tracked.bound {
            Some((epoch, nonce)) => {
                match self.chain.iter().flat_map(|view| &view.turns).find(|turn| turn.requests.contains(&id)) {
                    Some(turn) => Phase::Executed { nonce: turn.nonce, transaction: turn.transaction },
                    None => Phase::Signing { epoch, nonce },
                }
            }
            None if self.is_accepted(id) => Phase::Accepted,
            None => Phase::Received,
        };
        Some(RequestStatus { id, phase })
    }
}
