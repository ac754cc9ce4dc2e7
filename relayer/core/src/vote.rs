//! The window's work: judging turns, signing them, voiding what cannot be finished, having them sent.

use std::collections::BTreeSet;

use ring_contracts::{B256, CompactSignature, Seat, SignedRequest, Turn, witness};

use crate::{
    effect::Action,
    event::ObservedTurn,
    halt::Halt,
    message::{Message, Vote},
    propose::Spending,
    record::Record,
    requests::Refusal,
    state::{Resend, Slot, State, Step},
};

/// Why a seat does not agree to a turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The requests given are not those of the calls, one for one.
    #[error("its calls are not those that its requests ask for")]
    CallsDiffer,
    /// One request twice.
    #[error("it carries request {0} twice")]
    Doubled(ring_contracts::RequestId),
    /// A request is not genuine.
    #[error("request {0}: {1}")]
    NotGenuine(ring_contracts::RequestId, Refusal),
    /// The id belongs to another request here.
    #[error("request {0} is known here with other content")]
    OtherContent(ring_contracts::RequestId),
    /// The request has an end already.
    #[error("request {0} is settled already")]
    Settled(ring_contracts::RequestId),
    /// The request belongs to another turn.
    #[error("request {id} is bound to turn {nonce} of epoch {epoch}")]
    Bound {
        /// Which request.
        id: ring_contracts::RequestId,
        /// The epoch it is bound in.
        epoch: u32,
        /// The nonce it is bound to.
        nonce: u64,
    },
    /// The turn would stand in the way of its nonce for long.
    #[error("it is valid until {0}, longer than anybody here proposes")]
    TooLong(u64),
    /// The turn could execute after a request's expiry.
    #[error("it may execute after request {0} has expired")]
    Outlives(ring_contracts::RequestId),
}

impl State {
    /// A peer sent a turn.
    pub(crate) fn received_turn(
        &mut self,
        step: &mut Step,
        from: usize,
        turn: Turn,
        requests: Vec<SignedRequest>,
        mut votes: Vec<Vote>,
    ) {
        let Some(epoch) = self.epoch() else { return };
        let Some((head, time)) = self.chain.as_ref().map(|view| (view.nonce, view.turn_time())) else { return };
        let id = turn.id();
        let mine = id.ring == self.settings.ring && id.epoch == epoch;
        // One turn ahead: the peer may have seen the head move before this seat did.
        if self.halt.is_some() || !mine || id.nonce < self.first_open || id.nonce > head.saturating_add(1) {
            return;
        }
        let digest = turn.digest(&self.settings.domain);
        votes.retain(|vote| self.is_valid(id.nonce, digest, *vote));
        let executed = self.is_executed(id.nonce, digest);
        if !executed && !self.is_backed(id.nonce, digest, &votes) {
            return;
        }
        // Nobody honest proposes so far ahead, and the void waits for the last deadline that counts.
        let horizon = time.saturating_add(self.settings.validity.saturating_mul(2));
        if !executed && !turn.is_void() && id.valid_until > horizon {
            let reason = Objection::TooLong(id.valid_until).to_string();
            step.actions.push(Action::Objected { from, nonce: id.nonce, digest, reason });
            return;
        }
        if turn.is_void() {
            if turn != Turn::void(id.ring, id.epoch, id.nonce) {
                return;
            }
        } else if !self.slots.entry(id.nonce).or_default().contents.contains_key(&digest) {
            match self.judge(&turn, &requests) {
                Ok(()) => self.agree(step, turn, requests),
                Err(objection) => {
                    let slot = self.slots.entry(id.nonce).or_default();
                    slot.refused.insert(digest, id.valid_until);
                    if let Objection::OtherContent(_) = objection {
                        slot.genuine.insert(digest, turn);
                    }
                    let reason = objection.to_string();
                    step.actions.push(Action::Objected { from, nonce: id.nonce, digest, reason });
                }
            }
        }
        self.count_votes(step, id.nonce, digest, &votes);
        self.review_executed(step);
        self.advance(step);
    }

    /// Whether this seat agrees to a turn: each of its calls is what a genuine request asks for, and none of them is or may
    /// yet be made by another turn. No clock and no chain head take part: what is agreed to once stays so.
    fn judge(&self, turn: &Turn, requests: &[SignedRequest]) -> Result<(), Objection> {
        let place = (turn.id().epoch, turn.id().nonce);
        if requests.len() != turn.calls().len() {
            return Err(Objection::CallsDiffer);
        }
        let mut seen = BTreeSet::new();
        let mut other_content = None;
        for (call, signed) in turn.calls().iter().zip(requests) {
            let request = &signed.request;
            let id = request.id;
            if request.to_call(&self.settings.charter) != *call {
                return Err(Objection::CallsDiffer);
            }
            if !seen.insert(id) {
                return Err(Objection::Doubled(id));
            }
            self.check_genuine(signed).map_err(|refusal| Objection::NotGenuine(id, refusal))?;
            if turn.id().valid_until > request.expiry {
                return Err(Objection::Outlives(id));
            }
            if self.settled.contains_key(&id) {
                return Err(Objection::Settled(id));
            }
            if let Some(tracked) = self.open.get(&id) {
                if tracked.digest != request.digest(&self.settings.domain) {
                    other_content = Some(id);
                }
                if let Some((epoch, nonce)) = tracked.bound.filter(|bound| *bound != place) {
                    return Err(Objection::Bound { id, epoch, nonce });
                }
            }
        }
        // Said last: of a turn with nothing else against it, each request is genuine.
        other_content.map_or(Ok(()), |id| Err(Objection::OtherContent(id)))
    }

    fn agree(&mut self, step: &mut Step, turn: Turn, requests: Vec<SignedRequest>) {
        for signed in requests {
            let request = signed.request.id;
            if !self.open.contains_key(&request) {
                self.record(step, Record::Request(signed));
            }
            step.actions.push(Action::Changed { request });
        }
        self.record(step, Record::Content(turn));
    }

    /// Whether a vote is what it says: of a seat of the window, by its key, for this digest.
    fn is_valid(&self, nonce: u64, digest: B256, Vote { seat, signature }: Vote) -> bool {
        let charter = &self.settings.charter;
        let key = charter.seats.get(seat).filter(|_| charter.position_in_window(nonce, seat).is_some());
        let known = self.slots.get(&nonce).and_then(|slot| slot.votes.get(&digest)?.get(&seat));
        known == Some(&signature) || key.is_some_and(|key| signature.verify(&digest, *key).is_ok())
    }

    /// Whether anybody who could sign this turn did. Unless the chain executed it, nothing else is worth remembering: a
    /// peer could make up any number of turns.
    fn is_backed(&self, nonce: u64, digest: B256, votes: &[Vote]) -> bool {
        !votes.is_empty() || self.slots.get(&nonce).is_some_and(|slot| slot.votes.contains_key(&digest))
    }

    fn is_executed(&self, nonce: u64, digest: B256) -> bool {
        let executed = |turn: &ObservedTurn| turn.nonce == nonce && turn.digest == digest;
        self.chain.iter().flat_map(|view| &view.turns).any(executed)
    }

    /// Counts valid votes.
    fn count_votes(&mut self, step: &mut Step, nonce: u64, digest: B256, votes: &[Vote]) {
        for Vote { seat, signature } in votes.iter().copied() {
            let slot = self.slots.entry(nonce).or_default();
            if slot.votes.get(&digest).is_some_and(|votes| votes.contains_key(&seat)) {
                continue;
            }
            if seat == self.seat && !self.has_reserved(nonce, digest) {
                self.halt_now(step, Halt::UnreservedVote { nonce, digest });
                return;
            }
            self.record(step, Record::Voted { nonce, digest, seat, signature });
            self.check_equivocation(step, nonce, seat);
        }
    }

    /// Whether this seat's key may sign this for the nonce.
    pub(crate) fn has_reserved(&self, nonce: u64, digest: B256) -> bool {
        let Some(slot) = self.slots.get(&nonce) else { return false };
        let is_void = || self.void(nonce).is_some_and(|void| void.digest(&self.settings.domain) == digest);
        slot.reserved == Some(digest) || (slot.void_reserved && is_void())
    }

    /// Two contents signed by one key for one nonce, voids aside: nothing an honest seat ever does.
    fn check_equivocation(&mut self, step: &mut Step, nonce: u64, seat: usize) {
        let Some((epoch, slot)) = self.epoch().zip(self.slots.get(&nonce)) else { return };
        let void = Turn::void(self.settings.ring, epoch, nonce).digest(&self.settings.domain);
        let mut signed = slot.votes.iter().filter(|(digest, by)| **digest != void && by.contains_key(&seat));
        if let (Some((first, _)), Some((second, _))) = (signed.next(), signed.next()) {
            let halt = Halt::Equivocation { seat, nonce, first: *first, second: *second };
            self.halt_now(step, halt);
        }
    }

    /// The signer delivered. After a halt the signature goes nowhere.
    pub(crate) fn signed(&mut self, step: &mut Step, nonce: u64, digest: B256, signature: CompactSignature) {
        let own = [Vote { seat: self.seat, signature }];
        if self.halt.is_some() || !self.has_reserved(nonce, digest) || !self.is_valid(nonce, digest, own[0]) {
            return;
        }
        self.count_votes(step, nonce, digest, &own);
        self.share_turns(step, nonce);
        self.advance(step);
    }

    /// Does whatever this seat can do now for the nonce at the head.
    pub(crate) fn advance(&mut self, step: &mut Step) {
        let Some((_, view)) = self.may_sign() else { return };
        self.sign_content(step, view.nonce);
        self.sign_void(step, view.nonce);
        self.submit(step, view.nonce);
    }

    /// Signs a content that is agreed to, in time and within the limits, if this seat has not signed one yet.
    fn sign_content(&mut self, step: &mut Step, nonce: u64) {
        let Some((_, view)) = self.may_sign() else { return };
        let charter = &self.settings.charter;
        let Some(slot) = self.slots.get(&nonce) else { return };
        if charter.position_in_window(nonce, self.seat).is_none() || slot.reserved.is_some() || slot.void_reserved {
            return;
        }
        let lead = charter.window_of(nonce).next();
        // Where every seat has to sign, a content that the lead did not propose could only get in its way.
        let proposed = |digest: &B256| {
            let votes = slot.votes.get(digest);
            votes.is_some_and(|votes| {
                charter.quorum < charter.window || lead.is_some_and(|lead| votes.contains_key(&lead))
            })
        };
        // Should a turn that this seat did not agree to have settled a request, this one must not make its call again.
        let free = |turn: &Turn| {
            let place = (turn.id().epoch, turn.id().nonce);
            let mut requests = turn.calls().iter().map(|call| self.open.get(&call.request_id));
            requests.all(|tracked| tracked.is_some_and(|tracked| tracked.bound == Some(place)))
        };
        let acceptable = |turn: &Turn| {
            let mut spending = Spending::default();
            free(turn)
                && turn.id().valid_until > view.head.time
                && turn.calls().iter().all(|call| spending.add(call, charter.asset, &view))
        };
        let best = slot
            .contents
            .iter()
            .filter(|(digest, turn)| proposed(digest) && acceptable(turn))
            .max_by_key(|(digest, _)| slot.votes.get(*digest).map_or(0, |votes| votes.len()));
        if let Some((digest, _)) = best {
            let digest = *digest;
            self.reserve(step, nonce, digest, false);
        }
    }

    /// Signs the void of a nonce whose contents have all expired, or none of which can reach its quorum any more.
    fn sign_void(&mut self, step: &mut Step, nonce: u64) {
        let Some((_, view)) = self.may_sign() else { return };
        let charter = &self.settings.charter;
        let Some(slot) = self.slots.get(&nonce) else { return };
        if charter.position_in_window(nonce, self.seat).is_none() || slot.void_reserved {
            return;
        }
        let deadlines = slot.contents.values().map(|turn| turn.id().valid_until).chain(slot.refused.values().copied());
        let Some(last) = deadlines.max() else { return };
        if last < view.head.time || self.is_split(nonce, slot) {
            let Some(void) = self.void(nonce) else { return };
            let digest = void.digest(&self.settings.domain);
            self.reserve(step, nonce, digest, true);
        }
    }

    /// Whether the votes on contents are so divided that none can win.
    fn is_split(&self, nonce: u64, slot: &Slot) -> bool {
        let void = self.void(nonce).map(|void| void.digest(&self.settings.domain));
        let contents = || slot.votes.iter().filter(|(digest, _)| Some(**digest) != void);
        let voted: BTreeSet<usize> = contents().flat_map(|(_, votes)| votes.keys().copied()).collect();
        let undecided = self
            .settings
            .charter
            .window_of(nonce)
            .filter(|seat| !(voted.contains(seat) || *seat == self.seat && slot.reserved.is_some()))
            .count();
        let most = contents().map(|(_, votes)| votes.len()).max().unwrap_or(0);
        contents().count() > 1 && most + undecided < usize::from(self.settings.charter.quorum)
    }

    /// Has a turn with its quorum sent: by the last seat of the window at once, by the ones before it in turn when that
    /// seems to do nothing. A seat sends only what it signed: sending is signing.
    fn submit(&mut self, step: &mut Step, nonce: u64) {
        let charter = self.settings.charter.clone();
        let Some(position) = charter.position_in_window(nonce, self.seat) else { return };
        let Some(turn) = self.complete_turn(nonce) else { return };
        let digest = turn.digest(&self.settings.domain);
        let (seat, now, patience) = (self.seat, self.now, self.settings.patience_ticks);
        let Some(slot) = self.slots.get_mut(&nonce) else { return };
        let since = match slot.complete_since {
            Some((complete, since)) if complete == digest => since,
            _ => {
                slot.complete_since = Some((digest, now));
                now
            }
        };
        let rank = usize::from(charter.window) - 1 - position;
        if slot.submitted == Some(digest) || now < since + rank as u64 * patience {
            return;
        }
        let votes = slot.votes.get(&digest);
        let stands = |other: usize| match votes?.get(&other)? {
            _ if other == seat => Some(Seat::Sender),
            signature => Some(Seat::Signed(*signature)),
        };
        if let Ok(witness) = witness(&charter, nonce, stands) {
            slot.submitted = Some(digest);
            step.actions.push(Action::Submit { turn, digest, witness });
        }
    }

    /// A turn of this nonce that has its quorum, this seat's signature included: a content, or when that is too late, the
    /// void.
    fn complete_turn(&self, nonce: u64) -> Option<Turn> {
        let view = self.chain.as_ref()?;
        let slot = self.slots.get(&nonce)?;
        let quorum = usize::from(self.settings.charter.quorum);
        let complete = |digest: &B256| {
            slot.votes.get(digest).is_some_and(|votes| votes.len() >= quorum && votes.contains_key(&self.seat))
        };
        let in_time = |turn: &&Turn| turn.id().valid_until >= view.head.time;
        let content = slot.contents.iter().filter(|(digest, _)| complete(digest)).map(|(_, turn)| turn).find(in_time);
        let void = || self.void(nonce).filter(|void| complete(&void.digest(&self.settings.domain)));
        content.cloned().or_else(void)
    }

    pub(crate) fn void(&self, nonce: u64) -> Option<Turn> {
        Some(Turn::void(self.settings.ring, self.epoch()?, nonce))
    }

    /// Tells all peers what is known of a nonce: each content or void that anybody signed, and by whom.
    pub(crate) fn share_turns(&mut self, step: &mut Step, nonce: u64) {
        let Some(slot) = self.slots.get(&nonce) else { return };
        self.last_sent.insert(Resend::Turn { nonce }, self.now);
        let turns = slot.contents.values().cloned().chain(self.void(nonce));
        let messages: Vec<Message> = turns
            .filter_map(|turn| {
                let votes = slot.votes.get(&turn.digest(&self.settings.domain))?;
                let votes = votes.iter().map(|(seat, signature)| Vote { seat: *seat, signature: *signature }).collect();
                let open = |id| self.open.get(id).map(|tracked| tracked.signed.clone());
                let requests: Option<Vec<_>> = turn.calls().iter().map(|call| open(&call.request_id)).collect();
                Some(Message::Turn { turn, requests: requests?, votes })
            })
            .collect();
        for message in messages {
            step.actions.extend(self.peers().map(|to| Action::Send { to, message: message.clone() }));
        }
    }

    /// A peer said something.
    pub(crate) fn received(&mut self, step: &mut Step, from: usize, message: Message) {
        if from == self.seat || from >= self.settings.charter.seats.len() {
            return;
        }
        match message {
            Message::Requests { requests } => self.received_requests(step, from, requests),
            Message::Turn { turn, requests, votes } => {
                let ids: Vec<_> = requests.iter().map(|signed| signed.request.id).collect();
                self.received_turn(step, from, turn, requests, votes);
                self.delivered(step, from, &ids);
            }
            Message::Explain { nonce } => step.actions.push(Action::Explain { to: from, nonce }),
            Message::Halted { epoch, reason } => {
                if self.epoch() == Some(epoch)
                    && self.halt.is_none()
                    && self.due(Resend::HeardHalt { from }, u64::MAX / 2)
                {
                    step.actions.push(Action::Alarm { reason: format!("seat {from} says that it halted: {reason}") });
                }
            }
        }
    }
}
