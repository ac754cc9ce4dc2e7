//! Rounds without faults, and what holds at the end of them.

use super::{promises::is_end, *};

impl World {
    /// One round without faults: everybody looks, ticks, hears, signs and submits, and a block comes.
    pub(crate) fn round(&mut self) {
        for seat in 0..self.hosts.len() {
            self.look_at_head(seat);
            self.tick(seat);
        }
        self.talk();
        let mut transactions = self.pool.clone();
        for host in &self.hosts {
            transactions.extend(host.submission.iter().chain(&host.halting).cloned());
        }
        self.mine(&transactions, BLOCK_SECONDS);
        self.forget_transactions();
    }

    /// Letters and signatures, until there are no more.
    pub(crate) fn talk(&mut self) {
        let mut letters = 0;
        let busy = |host: &Host| host.state.is_some() && !(host.signing.is_empty() && host.inquiries.is_empty());
        while !self.network.is_empty() || self.hosts.iter().any(busy) {
            for seat in 0..self.hosts.len() {
                self.find_one(seat);
                self.sign_one(seat);
            }
            self.deliver(0);
            letters += 1;
            self.check(letters < 10_000, "c", || "the seats never stop talking".to_owned());
        }
    }

    pub(crate) fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round();
        }
    }

    /// Time passes, everybody hears everybody, and the chain stands still: nothing becomes final. Seats wait for so many ticks for
    /// an explanation.
    pub(crate) fn stand_still(&mut self, grace: u64) {
        for seat in 0..self.hosts.len() {
            self.hosts[seat].settings.grace_ticks = grace;
            if self.hosts[seat].state.is_some() {
                self.crash(seat);
            }
        }
        self.restart_all();
        for _ in 0..2 * grace {
            for seat in 0..self.hosts.len() {
                self.look_at_head(seat);
                self.tick(seat);
            }
            self.talk();
        }
    }

    pub(crate) fn restart_all(&mut self) {
        for seat in 0..self.hosts.len() {
            if self.hosts[seat].state.is_none() && self.hosts[seat].disk.epoch > 0 {
                self.restart(seat);
            }
        }
    }

    /// (e) Once a turn of a thief is final, every seat is halted, and the ring is on chain.
    pub(crate) fn check_halted(&self) {
        for (seat, host) in self.hosts.iter().enumerate() {
            self.check(host.disk.halted, "e", || format!("seat {seat} goes on after a theft"));
            let remembers = host.state.as_ref().is_some_and(|state| state.halt().is_some());
            self.check(remembers, "e", || format!("seat {seat} has forgotten that it is halted"));
        }
        self.check(self.chain.ledger().halted, "e", || "the ring runs on after a theft".to_owned());
    }

    /// (f) How many turns in a row the thief has, from its first on, in the epoch it stole in.
    pub(crate) fn check_bound(&self) {
        let turns = &self.chain.ledger().turns;
        let stolen: Vec<u64> =
            turns.iter().filter(|turn| self.foreign.contains(&turn.digest)).map(|turn| turn.turn.id().nonce).collect();
        let Some(first) = stolen.first() else { return };
        let seats = self.plan.seats as u64;
        let run = (0..seats).take_while(|step| self.plan.stolen.contains(&((first + step) as usize % seats as usize)));
        let bound = (run.count() + 1).saturating_sub(usize::from(self.plan.window));
        self.check(stolen.len() <= bound, "f", || {
            format!("the thief has turns {stolen:?}, {bound} at most are its due")
        });
    }

    /// (c) After the faults: within so many rounds all that was taken is done, at every seat.
    pub(crate) fn complete(&mut self, rounds: usize) {
        self.restart_all();
        for _ in 0..rounds {
            for seat in 0..self.hosts.len() {
                self.join(seat);
            }
            self.round();
            if self.is_done() {
                break;
            }
        }
        self.check_done();
        for seat in 0..self.hosts.len() {
            self.check_replay(seat);
        }
    }

    pub(super) fn taken(&self) -> BTreeSet<RequestId> {
        self.hosts.iter().flat_map(|host| host.disk.requests.keys().copied()).collect()
    }

    pub(super) fn is_done(&self) -> bool {
        let taken = self.taken();
        let everybody = self.hosts.iter().all(|host| {
            let current = host.disk.epoch == self.chain.ledger().epoch;
            current
                && host.state.is_some()
                && taken.iter().all(|id| match host.status(*id) {
                    Some(status) => is_end(status.phase),
                    None => self.is_over(*id) || self.is_cancelled_somewhere(*id),
                })
        });
        everybody && !self.pool.iter().any(|sent| matches!(sent, Transaction::Form { .. }))
    }

    /// Whether the time of a request is over, finally.
    pub(super) fn is_over(&self, id: RequestId) -> bool {
        self.posted[&id].request.expiry + BLOCK_SECONDS * (DEPTH as u64 + 1) < self.chain.head().time
    }

    /// Whether some seat says that a request is cancelled for good: then those that have never heard of it need not.
    pub(super) fn is_cancelled_somewhere(&self, id: RequestId) -> bool {
        let says = |host: &Host| host.status(id).is_some_and(|status| status.phase == Phase::Cancelled);
        self.hosts.iter().any(says)
    }

    /// (c) Each request that was taken is executed exactly once, or its time passed, or it was cancelled; and every seat says the same.
    pub(super) fn check_done(&self) {
        let ledger = self.chain.final_ledger().clone();
        let taken = self.taken();
        for id in &self.accepted {
            let executed = ledger.turns.iter().flat_map(|turn| turn.turn.calls()).any(|call| call.request_id == *id);
            self.check(taken.contains(id) || executed, "c", || format!("{id} was accepted and is lost"));
        }
        for id in taken {
            let carries =
                |turn: &&std::rc::Rc<chain::Executed>| turn.turn.calls().iter().any(|call| call.request_id == id);
            let stolen = ledger.turns.iter().filter(carries).any(|turn| self.foreign.contains(&turn.digest));
            let executed = ledger.turns.iter().find(carries);
            for (seat, host) in self.hosts.iter().enumerate() {
                let phase = host.status(id).map(|status| status.phase);
                let right = match (phase, executed) {
                    (Some(Phase::Final { nonce, .. }), Some(turn)) => {
                        nonce == turn.turn.id().nonce && (stolen || !chain::fails(id))
                    }
                    (Some(Phase::Failed { nonce, .. }), Some(turn)) => {
                        nonce == turn.turn.id().nonce && chain::fails(id)
                    }
                    (Some(Phase::Expired), Some(_)) => stolen,
                    (Some(Phase::Expired), None) => self.posted[&id].request.expiry < self.chain.head().time,
                    (Some(Phase::Cancelled), None) => self.taken_back.contains(&id),
                    (Some(Phase::Cancelled), Some(_)) => stolen || self.given_up.len() >= usize::from(self.plan.quorum),
                    (None, None) if self.is_cancelled_somewhere(id) => true,
                    // It never came here, and nobody has it any more to send.
                    (None, None) => self.is_over(id),
                    // Who was away when an epoch ended has not seen the contents of its last turns.
                    (Some(Phase::Disputed { .. }), Some(_)) => stolen || self.plan.changes > self.changes_left,
                    _ => false,
                };
                let standing = || {
                    let overviews = self.hosts.iter().map(|host| host.state.as_ref().map(|state| state.overview()));
                    overviews.map(|overview| format!("{overview:?}")).collect::<Vec<_>>().join("\n")
                };
                self.check(right, "c", || {
                    format!("{id} is {phase:?} at seat {seat}, on chain {:?}\n{}", executed.is_some(), standing())
                });
            }
        }
    }
}
