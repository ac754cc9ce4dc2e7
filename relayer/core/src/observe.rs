//! Following the chain: each executed turn must be one that this seat agrees with, and what is final settles requests.

use std::sync::Arc;

use ring_contracts::{B256, RequestId, Turn};

use crate::{
    effect::Action,
    event::{ChainView, ObservedTurn},
    halt::{Halt, TermsChanged},
    message::Message,
    pool::Tracked,
    record::{Outcome, Past, Record},
    settings::Announced,
    state::{Joined, Resend, State, Step},
    vote::Share,
};

/// What this seat makes of an executed turn.
enum Verdict {
    /// It agreed to it, or it was before its time.
    Explained,
    /// It is a void, which pays nobody. But until it is final it can be reorganised away and what it voided be executed
    /// instead, and this seat does not know for sure what that was: which requests are still bound. Or it is a turn of
    /// genuine requests, of which this seat knows one with other content, or has one bound to what lost its nonce: no theft, but
    /// not bound here either.
    Uncertain,
    /// It does not know it; a peer might.
    Unknown,
    /// It cannot have been made without this seat's key, and this seat did not make it.
    OwnKeyStolen,
}

impl State {
    /// The chain moved.
    pub(crate) fn observed(&mut self, step: &mut Step, view: ChainView, past: &Past) {
        let Some(joined) = self.joined else { return };
        if view.final_nonce < self.first_open {
            self.halt_now(step, Halt::FinalityBroken { expected_nonce: self.first_open, nonce: view.final_nonce });
            return;
        }
        self.note_head(step, view);
        self.check_ring(step, joined);
        self.hear_early(step, past);
        self.watch_lease(step);
        self.review_executed(step);
        self.settle_final(step);
        self.settle_expired(step);
    }

    fn note_head(&mut self, step: &mut Step, view: ChainView) {
        let before = self.chain.as_ref().map(|view| view.nonce);
        if before != Some(view.nonce) {
            self.head_since = (view.nonce, self.now);
            // After a reorg the same turns have to be sent again.
            for (_, slot) in self.slots.range_mut(view.nonce..) {
                slot.submitted = None;
                slot.complete_since = None;
            }
            self.last_sent.retain(|what, _| !matches!(what, Resend::Turn { nonce } if *nonce < view.nonce));
        }
        let known = self.chain.take();
        let is_new = |turn: &&ObservedTurn| known.as_ref().and_then(|known| known.turn(turn.nonce)) != Some(turn);
        let new: Vec<RequestId> = view.turns.iter().filter(is_new).flat_map(|turn| &turn.requests).copied().collect();
        step.actions.extend(new.iter().map(|id| Action::Changed { request: *id }));
        self.none_fits_before = 0;
        if planted!(RebindBeforeFinality) {
            self.pool.free(|(_, nonce)| nonce < view.nonce);
        }
        self.chain = Some(Arc::new(view));
        self.warn_of_refuted(step, new);
    }

    /// The ring must be the one that was announced, and run.
    fn check_ring(&mut self, step: &mut Step, joined: Joined) {
        let Some(view) = &self.chain else { return };
        let (epoch, charter, halted) = (view.epoch, view.charter, view.halted);
        let changed = epoch > joined.epoch || (epoch == joined.epoch && charter != self.settings.charter.commitment());
        // An earlier epoch is a reorg or an RPC that lags: this seat signs nothing until it is over.
        if changed && !self.is_succeeded(view, joined) {
            self.halt_now(step, Halt::RingChanged { expected_epoch: joined.epoch, epoch, charter });
        } else if halted && epoch == joined.epoch {
            self.halt_now(step, Halt::HaltedOnChain);
        } else if let Some(change) = self.unannounced(view) {
            self.halt_now(step, Halt::TermsChanged(change));
        }
    }

    /// What the master set otherwise than it was announced. Less than announced needs no word.
    fn unannounced(&self, view: &ChainView) -> Option<TermsChanged> {
        let Announced { masters, caps } = &self.settings.announced;
        if !masters.is_empty() && !masters.contains(&view.master) {
            return Some(TermsChanged::Master { master: view.master });
        }
        caps.iter().find_map(|(asset, announced)| {
            let cap = view.allowances.get(asset)?.cap;
            (cap > *announced).then_some(TermsChanged::Cap { asset: *asset, announced: *announced, cap })
        })
    }

    /// Looks at every executed turn that is not final. Whatever is not explained stops this seat from signing; after some
    /// time, or at once where its own key was used, it halts.
    pub(crate) fn review_executed(&mut self, step: &mut Step) {
        let Some((view, joined)) = self.chain.clone().zip(self.joined) else { return };
        // Since this seat's epoch is final, such a view is from before, perhaps of a fork that lost: nobody signs because of it.
        let is_old = view.final_epoch < joined.epoch;
        if self.halt.is_some() || is_old {
            return;
        }
        self.unexplained.retain(|nonce, _| view.turn(*nonce).is_some());
        let first_open = self.first_open;
        for turn in self.own_turns(&view).filter(|turn| turn.nonce >= first_open) {
            let ObservedTurn { nonce, digest, transaction, .. } = *turn;
            let own_key_used = match self.verdict(turn) {
                Verdict::Explained => {
                    self.unexplained.remove(&nonce);
                    continue;
                }
                verdict @ (Verdict::Unknown | Verdict::Uncertain) => {
                    let since = *self.unexplained.entry(nonce).or_insert(self.now);
                    let may_wait = matches!(verdict, Verdict::Uncertain);
                    // At first it is most likely under way from whoever proposed it.
                    let asks = self.now > since;
                    if may_wait || self.now <= since + self.settings.grace_ticks {
                        if asks && self.due(Resend::Explain { nonce }, self.settings.resend_ticks) {
                            let ask = |to| Action::Send { to, message: Message::Explain { nonce } };
                            step.actions.extend(self.peers().map(ask));
                        }
                        continue;
                    }
                    false
                }
                Verdict::OwnKeyStolen => true,
            };
            self.halt_now(step, Halt::UnknownTurn { nonce, digest, transaction, own_key_used });
            return;
        }
        // What was explained only now may be final already: until it is settled, its requests would look free.
        if !planted!(SettledLate) {
            self.settle_final(step);
        }
    }

    fn verdict(&self, turn: &ObservedTurn) -> Verdict {
        let Some(joined) = self.joined else { return Verdict::Unknown };
        if turn.nonce < joined.nonce {
            return Verdict::Explained;
        }
        let charter = &self.settings.charter;
        let slot = self.slots.get(&turn.nonce);
        let is_void = match slot.and_then(|slot| slot.contents.get(&turn.digest)) {
            Some(content) => content.is_void(),
            None => {
                let void = Turn::void(self.settings.ring, joined.epoch, turn.nonce);
                void.digest(&self.settings.domain) == turn.digest
            }
        };
        let signed = self.has_reserved(turn.nonce, turn.digest);
        let needed = charter.quorum == charter.window && charter.position_in_window(turn.nonce, self.seat).is_some();
        if needed && !signed && !planted!(UnknownTurnAccepted) {
            return Verdict::OwnKeyStolen;
        }
        let known = |digest: &B256| {
            planted!(UnknownTurnAccepted) || slot.is_some_and(|slot| slot.contents.contains_key(digest))
        };
        let final_nonce = self.chain.as_ref().map_or(0, |view| view.final_nonce);
        match is_void {
            true if turn.nonce < final_nonce || self.knows_the_one_content(turn.nonce) => Verdict::Explained,
            true => Verdict::Uncertain,
            false if known(&turn.digest) => Verdict::Explained,
            false if slot.is_some_and(|slot| slot.genuine.contains_key(&turn.digest)) => match turn.nonce < final_nonce
            {
                true => Verdict::Explained,
                false => Verdict::Uncertain,
            },
            false
                if slot.is_some_and(|slot| slot.bound_elsewhere.contains(&turn.digest))
                    && self.is_free_in_the_end(turn) =>
            {
                Verdict::Uncertain
            }
            false => Verdict::Unknown,
        }
    }

    /// Whether no other executed turn carries the requests of this one, and they are bound, if at all, to contents that lost
    /// their nonces. That is so where fewer sign than the window has, and a lead was cut off with what it proposed. Once the
    /// turns that won are final nothing is bound any more; until then a reorganisation could execute what lost.
    fn is_free_in_the_end(&self, turn: &ObservedTurn) -> bool {
        let Some(view) = &self.chain else { return false };
        let is_free = |id: &RequestId| {
            let bound = self.pool.get(*id).map(|tracked| tracked.bound());
            let has_lost = bound.is_some_and(|bound| bound.is_none_or(|(_, nonce)| view.turn(nonce).is_some()));
            has_lost && view.turns.iter().all(|other| other.nonce == turn.nonce || !other.requests.contains(id))
        };
        turn.requests.iter().all(is_free)
    }

    /// Whether this seat knows the only content of a nonce that can ever have its quorum: where all have to sign, that which
    /// the lead signed.
    fn knows_the_one_content(&self, nonce: u64) -> bool {
        let charter = &self.settings.charter;
        let lead = charter.window_of(nonce).next().filter(|_| charter.quorum == charter.window);
        let Some((lead, slot)) = lead.zip(self.slots.get(&nonce)) else { return false };
        slot.contents.keys().any(|digest| slot.votes.get(digest).is_some_and(|votes| votes.contains_key(&lead)))
    }

    /// Settles the requests of the turns that are final and explained, in order.
    fn settle_final(&mut self, step: &mut Step) {
        let Some(view) = self.chain.clone() else { return };
        for turn in self.own_turns(&view).filter(|turn| turn.nonce < view.final_nonce) {
            if turn.nonce != self.first_open || !matches!(self.verdict(turn), Verdict::Explained) {
                continue;
            }
            let settled: Vec<_> = turn.requests.iter().map(|id| (*id, self.outcome(*id, turn))).collect();
            let changed = settled.iter().map(|(request, _)| Action::Changed { request: *request });
            step.actions.extend(changed);
            let ObservedTurn { nonce, digest, block, .. } = *turn;
            self.record(step, Record::Final { nonce, digest, block, settled });
        }
        // A turn of an epoch that is finally over is final too. Once all of those are settled, what else was bound then is free:
        // even if a turn of this seat's epoch is final that it has yet to be told of, for that one may carry it.
        let Some(joined) = self.joined else { return };
        let over = match self.first_open == view.final_nonce {
            true => view.final_epoch,
            false if self.first_open >= joined.nonce => view.final_epoch.min(joined.epoch),
            false => return,
        };
        if self.pool.is_bound_before(over) {
            self.record(step, Record::EpochOver { epoch: over });
        }
    }

    /// What an executed turn means for a request in it. The id alone proves nothing: before this seat took part, or while
    /// keys were stolen, a turn may have carried it with any content.
    fn outcome(&self, id: RequestId, turn: &ObservedTurn) -> Outcome {
        let ObservedTurn { nonce, digest, transaction, .. } = *turn;
        let agreed = self.slots.get(&nonce).is_some_and(|slot| slot.contents.contains_key(&digest))
            || self.former.get(&nonce).is_some_and(|digests| digests.contains(&digest));
        let genuine = self.slots.get(&nonce).and_then(|slot| slot.genuine.get(&digest));
        let asked_for = |tracked: &Tracked| {
            let call = tracked.signed.request.to_call(self.settings.charter.asset);
            agreed || genuine.is_some_and(|turn| turn.calls().contains(&call))
        };
        if self.pool.get(id).is_some_and(|tracked| !asked_for(tracked)) {
            Outcome::Disputed { nonce, transaction }
        } else if turn.failed.contains(&id) {
            Outcome::Failed { nonce, transaction }
        } else {
            Outcome::Executed { nonce, transaction }
        }
    }

    /// Requests that nobody can execute any more. Judged by final time: a turn with the request in it would be final too.
    fn settle_expired(&mut self, step: &mut Step) {
        let Some(view) = &self.chain else { return };
        if !self.unexplained.is_empty() || self.first_open != view.final_nonce {
            return;
        }
        let judged_by = if planted!(ExpiryByHead) { view.head } else { view.finalized };
        let expired = self.pool.expired(judged_by.time);
        for request in expired {
            let cancellation = self.pool.get(request).and_then(Tracked::cancellation);
            let outcome = cancellation.map_or(Outcome::Expired, |cancellation| Outcome::Cancelled { cancellation });
            self.record(step, Record::Settled { request, outcome });
            step.actions.push(Action::Changed { request });
        }
    }

    /// Some time passed: whatever got no answer is sent again, whoever is next in line takes over.
    pub(crate) fn tick(&mut self, step: &mut Step) {
        self.now += 1;
        if planted!(TimeoutIsFailure) {
            let sent = |nonce: &u64| self.slots.get(nonce).is_some_and(|slot| slot.submitted.is_some());
            let late = self.now > self.head_since.1 + 2 * self.settings.patience_ticks;
            let given_up: Vec<u64> = self.slots.keys().copied().filter(|nonce| late && sent(nonce)).collect();
            self.pool.free(|(_, nonce)| given_up.contains(&nonce));
        }
        self.review_executed(step);
        self.renew_confirmations();
        if let Some((_, view)) = self.may_sign() {
            self.sign_again(step, view.nonce);
            let resend = self.settings.resend_ticks;
            let waits = self.slots.get(&view.nonce).is_some_and(|slot| !slot.votes.is_empty());
            if waits && self.due(Resend::Turn { nonce: view.nonce }, resend) {
                self.share_turns(step, view.nonce, Share::Whole);
            }
        }
    }

    /// After a restart, or when the signer failed: what is reserved and not signed is signed.
    fn sign_again(&mut self, step: &mut Step, nonce: u64) {
        let Some((slot, void)) = self.slots.get(&nonce).zip(self.void(nonce)) else { return };
        let void = slot.void_reserved.then(|| void.digest(&self.settings.domain));
        let unsigned = |digest: &B256| slot.votes.get(digest).is_none_or(|votes| !votes.contains_key(&self.seat));
        let pending: Vec<B256> = slot.reserved.into_iter().chain(void).filter(unsigned).collect();
        for digest in pending {
            if self.due(Resend::Signing { digest }, self.settings.resend_ticks) {
                step.actions.push(Action::Sign { nonce, digest });
            }
        }
    }
}
