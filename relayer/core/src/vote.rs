//! The window's work: judging turns, signing them, voiding what cannot be finished, having them sent.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{B256, CompactSignature, Equivocation, Seat, SignedRequest, SignedTurn, Turn, keccak256, witness};

use crate::{
    effect::Action,
    event::ObservedTurn,
    halt::Halt,
    message::{Message, Vote},
    propose::Spending,
    record::{Outcome, Past, Record, Settled},
    requests::Refusal,
    state::{Resend, Slot, State, Step},
};

/// How much of a turn peers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// The votes for it, and only those who wait for them: whoever proposed it tells all peers the rest.
    Votes,
    /// All that those who are not known to have it need, and all peers.
    Whole,
}

/// Why a seat does not agree to a turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The requests given are not those of the calls, one for one.
    #[error("its calls are not those that its requests ask for")]
    CallsDiffer,
    /// A request of its calls was not given and is not known here. Perhaps only until now.
    #[error("request {0} is not known here")]
    Unknown(ring_contracts::RequestId),
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
    /// The client cancelled the request.
    #[error("request {0} was cancelled by its client")]
    Cancelled(ring_contracts::RequestId),
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
        past: &Past,
    ) {
        let id = turn.id();
        let Some(time) = self.chain.as_ref().map(|view| view.turn_time()) else { return };
        if id.ring != self.settings.ring || !self.takes_part_in(id.epoch, id.nonce) {
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
            match self.judge(&turn, &requests, past) {
                Ok(()) => {
                    // Known and bound, so that this seat understands the chain should others have signed it before they
                    // heard of the cancellation. This seat does not sign it.
                    let cancelled =
                        turn.calls().iter().map(|call| call.request_id).find(|call| self.is_withheld(*call));
                    if let Some(request) = cancelled {
                        let reason = Objection::Cancelled(request).to_string();
                        step.actions.push(Action::Objected { from, nonce: id.nonce, digest, reason });
                    }
                    self.agree(step, turn, requests);
                }
                Err(objection) => {
                    if let Objection::Cancelled(request) = objection
                        && let Some(Settled { digest: Some(known), .. }) = past.get(&request)
                    {
                        self.tell_if_cancelled(step, from, request, *known, past);
                    }
                    let slot = self.slots.entry(id.nonce).or_default();
                    slot.refused.insert(digest, (id, keccak256(turn.packed_calls())));
                    match objection {
                        Objection::Cancelled(_) => drop(slot.cancelled.insert(digest)),
                        Objection::OtherContent(_) => drop(slot.genuine.insert(digest, turn)),
                        Objection::Bound { .. } => drop(slot.bound_elsewhere.insert(digest)),
                        Objection::Unknown(_) => self.ask(step, from, id.nonce),
                        _ => {}
                    }
                    let reason = objection.to_string();
                    step.actions.push(Action::Objected { from, nonce: id.nonce, digest, reason });
                }
            }
        }
        self.count_votes(step, id.nonce, digest, &votes);
        self.note_seen(step, from, id.nonce, digest);
    }

    /// A peer told who signed a turn.
    pub(crate) fn received_votes(
        &mut self,
        step: &mut Step,
        from: usize,
        (epoch, nonce, digest): (u32, u64, B256),
        mut votes: Vec<Vote>,
    ) {
        if !self.takes_part_in(epoch, nonce) {
            return;
        }
        votes.retain(|vote| self.is_valid(nonce, digest, *vote));
        if votes.is_empty() {
            return;
        }
        self.count_votes(step, nonce, digest, &votes);
        let is_void = self.void(nonce).is_some_and(|void| void.digest(&self.settings.domain) == digest);
        if !is_void && self.slots.get(&nonce).is_none_or(|slot| !slot.contents.contains_key(&digest)) {
            self.ask(step, from, nonce);
        }
        self.note_seen(step, from, nonce, digest);
    }

    /// Whether what a peer says of a turn can matter here.
    fn takes_part_in(&self, epoch: u32, nonce: u64) -> bool {
        let Some(view) = &self.chain else { return false };
        let has_come = nonce >= self.first_open && nonce <= view.nonce;
        has_come && self.halt.is_none() && self.epoch() == Some(epoch)
    }

    /// Asks a peer for the contents of a nonce.
    fn ask(&mut self, step: &mut Step, to: usize, nonce: u64) {
        if self.due(Resend::Explain { nonce }, self.settings.resend_ticks) {
            step.actions.push(Action::Send { to, message: Message::Explain { nonce } });
        }
    }

    /// A peer has a turn, and so all its requests.
    fn note_seen(&mut self, step: &mut Step, from: usize, nonce: u64, digest: B256) {
        let Some(slot) = self.slots.get_mut(&nonce) else { return };
        if !slot.seen_by.entry(digest).or_default().insert(from) {
            return;
        }
        let Some(turn) = slot.contents.get(&digest) else { return };
        let ids: Vec<_> = turn.calls().iter().map(|call| call.request_id).collect();
        for id in ids {
            self.note_holder(step, from, id);
        }
    }

    /// Whether this seat agrees to a turn: each of its calls is what a genuine request asks for, and none of them is or may
    /// yet be made by another turn. No clock and no chain head take part: what is agreed to once stays so.
    fn judge(&self, turn: &Turn, given: &[SignedRequest], past: &Past) -> Result<(), Objection> {
        let place = (turn.id().epoch, turn.id().nonce);
        let mut given: BTreeMap<_, _> = given.iter().map(|signed| (signed.request.id, signed)).collect();
        let mut seen = BTreeSet::new();
        let (mut other_content, mut bound) = (None, None);
        for call in turn.calls() {
            let id = call.request_id;
            if !seen.insert(id) {
                return Err(Objection::Doubled(id));
            }
            if self.has_ended(id, past) {
                // Of two contents that a client signed, one expired here and the other may have been executed.
                let other = |signed: &&SignedRequest| {
                    let digest = signed.request.digest(&self.settings.domain);
                    past.get(&id).is_some_and(|ended| {
                        matches!(ended.outcome, Outcome::Expired | Outcome::Cancelled { .. })
                            && ended.digest.is_some_and(|known| known != digest)
                    })
                };
                if planted!(ExpiredIsUnknown) || !given.get(&id).copied().is_some_and(|signed| other(&signed)) {
                    let is_cancelled =
                        past.get(&id).is_some_and(|ended| matches!(ended.outcome, Outcome::Cancelled { .. }));
                    return Err(if is_cancelled { Objection::Cancelled(id) } else { Objection::Settled(id) });
                }
                other_content = Some(id);
            }
            let known = self.pool.get(id);
            let given = given.remove(&id);
            let signed = given.or(known.map(|tracked| &tracked.signed)).ok_or(Objection::Unknown(id))?;
            if signed.request.to_call(self.settings.charter.asset) != *call && !planted!(CallsUnchecked) {
                return Err(Objection::CallsDiffer);
            }
            if known.is_none_or(|known| !known.is_verified() || known.signed != *signed) {
                self.check_genuine(signed).map_err(|refusal| Objection::NotGenuine(id, refusal))?;
            }
            if turn.id().valid_until > signed.request.expiry {
                return Err(Objection::Outlives(id));
            }
            if let Some(known) = known {
                if known.signed.request != signed.request {
                    other_content = Some(id);
                }
                if let Some((epoch, nonce)) =
                    known.bound().filter(|bound| *bound != place && !planted!(BindingUnchecked))
                {
                    bound = Some(Objection::Bound { id, epoch, nonce });
                }
            }
        }
        if !given.is_empty() {
            return Err(Objection::CallsDiffer);
        }
        // Said last: of a turn with nothing else against it, each request is genuine.
        bound.or(other_content.map(Objection::OtherContent)).map_or(Ok(()), Err)
    }

    fn agree(&mut self, step: &mut Step, turn: Turn, given: Vec<SignedRequest>) {
        for signed in given {
            if !self.is_open(signed.request.id) {
                self.record(step, Record::Request(signed));
            }
        }
        step.actions.extend(turn.calls().iter().map(|call| Action::Changed { request: call.request_id }));
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
            // Whoever told of it tells the others, too: this seat repeats it only if nothing comes of that.
            self.last_sent.entry(Resend::Turn { nonce }).or_insert(self.now);
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
        let mut signed = slot
            .votes
            .iter()
            .filter(|(digest, by)| (planted!(VoidIsContent) || **digest != void) && by.contains_key(&seat));
        if let (Some((first, _)), Some((second, _))) = (signed.next(), signed.next())
            && !planted!(EquivocationIgnored)
        {
            let proof = slot.signed_turn(*first, seat).zip(slot.signed_turn(*second, seat));
            let proof = proof.map(|(first, second)| Box::new(Equivocation { first, second }));
            let halt = Halt::Equivocation { seat, nonce, first: *first, second: *second, proof };
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
        let proposed = self.slots.get(&nonce).and_then(|slot| slot.votes.get(&digest)).is_some_and(|by| by.len() == 1);
        self.share_turns(step, nonce, if proposed { Share::Whole } else { Share::Votes });
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
        // Should a turn that this seat did not agree to have settled a request, this one must not make its call again. And
        // this seat's own sources have to confirm each.
        let free = |turn: &Turn| {
            let place = (turn.id().epoch, turn.id().nonce);
            let mut requests = turn.calls().iter().map(|call| self.pool.get(call.request_id));
            requests.all(|tracked| {
                tracked.is_some_and(|tracked| {
                    tracked.bound() == Some(place) && !tracked.is_withheld() && self.is_confirmed(tracked)
                })
            })
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

    /// Signs the void of a nonce whose contents have all expired or been cancelled, or none of which can reach its quorum any
    /// more.
    fn sign_void(&mut self, step: &mut Step, nonce: u64) {
        let Some((_, view)) = self.may_sign() else { return };
        let charter = &self.settings.charter;
        let Some(slot) = self.slots.get(&nonce) else { return };
        if charter.position_in_window(nonce, self.seat).is_none() || slot.void_reserved {
            return;
        }
        let refused = slot.refused.values().map(|(id, _)| id.valid_until);
        let deadlines = slot.contents.values().map(|turn| turn.id().valid_until).chain(refused);
        let Some(last) = deadlines.max() else { return };
        if last < view.head.time || self.is_split(nonce, slot) || self.is_cancelled(nonce, slot) {
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

    /// Whether each content that is known of carries a request that was cancelled, and none has its quorum: no seat that knows
    /// of the cancellation signs one any more.
    fn is_cancelled(&self, nonce: u64, slot: &Slot) -> bool {
        let void = self.void(nonce).map(|void| void.digest(&self.settings.domain));
        let is_cancelled = |digest: &B256| {
            let turn = slot.contents.get(digest);
            slot.cancelled.contains(digest)
                || turn.is_some_and(|turn| turn.calls().iter().any(|call| self.is_withheld(call.request_id)))
        };
        let is_complete = |digest: &B256| {
            let votes = slot.votes.get(digest);
            let own = slot.reserved == Some(*digest) && votes.is_none_or(|votes| !votes.contains_key(&self.seat));
            votes.map_or(0, BTreeMap::len) + usize::from(own) >= usize::from(self.settings.charter.quorum)
        };
        let mut contents = slot
            .contents
            .keys()
            .chain(slot.refused.keys())
            .chain(slot.votes.keys().filter(|digest| Some(**digest) != void));
        contents.all(|digest| is_cancelled(digest) && !is_complete(digest))
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

    /// Tells peers what is known of a nonce: each content or void that anybody signed, and by whom.
    pub(crate) fn share_turns(&mut self, step: &mut Step, nonce: u64, share: Share) {
        let Some((slot, void)) = self.slots.get(&nonce).zip(self.void(nonce)) else { return };
        self.last_sent.insert(Resend::Turn { nonce }, self.now);
        let (epoch, void_digest) = (void.id().epoch, void.digest(&self.settings.domain));
        let charter = &self.settings.charter;
        // Where every seat has to sign, nobody waits for the votes of others but the last, which sends the turn.
        let last = usize::from(charter.window) - 1;
        let waits = |position| charter.quorum < charter.window || position == last;
        let told = |peer: &usize| share == Share::Whole || charter.position_in_window(nonce, *peer).is_some_and(waits);
        let mut peers: Vec<usize> = self.peers().filter(told).collect();
        // The others only take note of it.
        peers.sort_by_key(|peer| charter.position_in_window(nonce, *peer).is_none());
        for (digest, votes) in &slot.votes {
            let votes: Vec<Vote> =
                votes.iter().map(|(seat, signature)| Vote { seat: *seat, signature: *signature }).collect();
            let turn = if *digest == void_digest { Some(&void) } else { slot.contents.get(digest) };
            let Some(turn) = turn else { continue };
            for to in peers.iter().copied() {
                let has_it = slot.seen_by.get(digest).is_some_and(|peers| peers.contains(to));
                let message = match !turn.is_void() && (has_it || share == Share::Votes) {
                    true => Message::Votes { epoch, nonce, digest: *digest, votes: votes.clone() },
                    false => {
                        let requests = self.missing_at(to, turn);
                        Message::Turn { turn: turn.clone(), requests, votes: votes.clone() }
                    }
                };
                step.actions.push(Action::Send { to, message });
            }
        }
    }

    /// The requests of a turn that a peer is not known to have.
    fn missing_at(&self, peer: usize, turn: &Turn) -> Vec<SignedRequest> {
        let requests = turn.calls().iter().filter_map(|call| self.pool.get(call.request_id));
        let missing = requests.filter(|tracked| !tracked.holders().contains(peer));
        missing.map(|tracked| tracked.signed.clone()).collect()
    }

    /// A peer said something.
    pub(crate) fn received(&mut self, step: &mut Step, from: usize, message: Message, past: &Past) {
        if from == self.seat || from >= self.settings.charter.seats.len() {
            return;
        }
        let Some(message) = self.unless_early(from, message) else { return };
        let is_turn = matches!(message, Message::Turn { .. });
        self.hear(step, from, message, past);
        if is_turn {
            self.review_executed(step);
        }
    }

    /// Takes what a peer says, all of which matters now.
    pub(crate) fn hear(&mut self, step: &mut Step, from: usize, message: Message, past: &Past) {
        match message {
            Message::Requests { requests } => self.received_requests(step, from, requests, past),
            Message::Cancellations { requests } => self.received_cancellations(step, from, requests, past),
            Message::Withheld { requests } => self.received_withheld(from, &requests),
            Message::Confirmed { requests } => self.peer_confirmed(from, &requests),
            Message::Turn { turn, requests, votes } => self.received_turn(step, from, turn, requests, votes, past),
            Message::Votes { epoch, nonce, digest, votes } => {
                self.received_votes(step, from, (epoch, nonce, digest), votes);
            }
            Message::Explain { nonce } => step.actions.push(Action::Explain { to: from, nonce }),
            Message::Halted { epoch, halt } => self.heard_halt(step, from, epoch, &halt),
        }
    }
}

impl Slot {
    /// A content as a seat signed it, if it was seen whole.
    fn signed_turn(&self, digest: B256, seat: usize) -> Option<SignedTurn> {
        let signature = *self.votes.get(&digest)?.get(&seat)?;
        if let Some(turn) = self.contents.get(&digest) {
            return Some(turn.signed_by(signature));
        }
        let (id, calls_hash) = *self.refused.get(&digest)?;
        Some(SignedTurn { id, calls_hash, signature })
    }
}
