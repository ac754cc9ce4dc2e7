//! After the faults: what was taken has to be done.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::RequestId;
use ring_core::{ObservedTurn, Outcome};

use super::{PATIENCE_BLOCKS, World, happening::Happening, promise::Promise, words::name};
use crate::chain::{GENESIS_TIME, Purpose};

/// How many blocks everybody has to come to rest before the master acts.
const REST_BLOCKS: u64 = 30;

impl World {
    /// The faults end: all disks, connections and clocks are well again.
    pub(super) fn calm(&mut self) {
        self.note(|| "the faults end".to_owned());
        self.calm_since = Some(self.now);
        self.partition = None;
        for seat in 0..self.seats.len() {
            self.mend(seat);
            self.seats[seat].blind_until = 0;
            self.seats[seat].rate = 1_000;
            self.start(seat);
        }
        let rest = REST_BLOCKS * self.plan.block_seconds * 1_000;
        self.queue.add(self.now + rest, Happening::Recover);
    }

    /// The master repairs what only the master can: stolen keys and halts.
    pub(super) fn recover(&mut self) {
        if self.finality_broken {
            self.done = true;
            return;
        }
        let rest = REST_BLOCKS * self.plan.block_seconds * 1_000;
        self.queue.add(self.now + rest, Happening::Recover);
        // A chain that stalled when the faults ended may have made no block since.
        let head = self.chain.head().block.number;
        let earlier = self.chain.at(head.saturating_sub(REST_BLOCKS / 2)).block.time;
        if self.calm_since.is_some_and(|since| earlier < GENESIS_TIME + since / 1_000) {
            return;
        }
        let epoch = self.chain.head().epoch();
        let is_halted = self.chain.head().halted() || self.seats.iter().any(|seat| seat.known.halted);
        if !self.recovered {
            self.check_halted();
            self.check_bound();
            self.recovered = true;
            if !self.plan.stolen.is_empty() || is_halted {
                // With the keys the stores are given up: what was on no other is lost, and its client asks again.
                let stolen = self.plan.stolen.clone();
                if stolen.len() >= self.plan.copies || self.plan.taken {
                    self.accepted.clear();
                }
                self.pool.retain(|sent| !matches!(sent.purpose, Purpose::Master(_)));
                self.form_anew(&stolen);
            }
        } else if is_halted && !self.pool.iter().any(|sent| matches!(sent.purpose, Purpose::Master(of) if of == epoch))
        {
            // Somebody halted after the master had acted, or a halt of the epoch before came late.
            self.form_anew(&BTreeSet::new());
        }
    }

    /// Whether all is done; if it takes too long, what is not.
    pub(super) fn watch_calm(&mut self) {
        let Some(since) = self.calm_since.filter(|_| self.recovered) else { return };
        let late = self.now > since + PATIENCE_BLOCKS * self.plan.block_seconds * 1_000;
        if !late && !self.is_done() {
            return;
        }
        self.check_done();
        for seat in 0..self.seats.len() {
            self.kill(seat);
            self.start(seat);
        }
        self.done = true;
    }

    fn taken(&self) -> BTreeSet<RequestId> {
        self.seats.iter().flat_map(|seat| seat.known.requests.keys().copied()).collect()
    }

    fn is_done(&self) -> bool {
        let taken = self.taken();
        let epoch = self.chain.head().epoch();
        self.seats.iter().all(|seat| {
            let runs = seat.process.is_some() && seat.known.epoch == epoch;
            let ended = |id: &RequestId| {
                let known = seat.known.requests.contains_key(id);
                seat.known.ended.contains_key(id) || !known && (self.is_over(*id) || self.is_cancelled_somewhere(*id))
            };
            runs && taken.iter().all(ended)
        })
    }

    /// Each request that was taken is executed exactly once, or its time passed, or it was cancelled; and every seat says the same.
    fn check_done(&mut self) {
        let finalized = self.chain.finalized().block.number;
        let turns = self.chain.turns();
        let finals: Vec<&ObservedTurn> = turns.iter().filter(|turn| turn.block <= finalized).collect();
        let mut executed: BTreeMap<RequestId, &ObservedTurn> = BTreeMap::new();
        for turn in &finals {
            for id in &turn.requests {
                executed.entry(*id).or_insert(turn);
            }
        }
        let taken = self.taken();
        let mut wrong = None;
        for id in &self.accepted {
            if !taken.contains(id) && !executed.contains_key(id) {
                wrong = Some(format!("{} was accepted and is lost", name(*id)));
            }
        }
        for id in taken {
            let turn = executed.get(&id);
            let stolen = turn.is_some_and(|turn| self.thief.alone_signed(&turn.digest));
            let failed = turn.is_some_and(|turn| turn.failed.contains(&id));
            let torn = self.posted.get(&id).is_none_or(|contents| contents.len() > 1);
            for (number, seat) in self.seats.iter().enumerate() {
                let ended = seat.known.ended.get(&id);
                let right = match (ended, turn) {
                    (Some(Outcome::Executed { nonce, .. }), Some(turn)) => *nonce == turn.nonce && (stolen || !failed),
                    (Some(Outcome::Failed { nonce, .. }), Some(turn)) => *nonce == turn.nonce && failed,
                    (Some(Outcome::Expired), None) => self.has_expired(id),
                    (Some(Outcome::Expired), Some(_)) => stolen || torn,
                    (Some(Outcome::Cancelled { .. }), None) => self.taken_back.contains(&id),
                    (Some(Outcome::Cancelled { .. }), Some(_)) => {
                        stolen || torn || self.given_up.len() >= usize::from(self.plan.quorum)
                    }
                    // Whoever a person let go on in a later epoch has perhaps never heard of the last turns before.
                    (Some(Outcome::Disputed { .. }), Some(_)) => stolen || torn || seat.let_in,
                    // It never came here, and nobody has it any more to send.
                    (None, _) => {
                        let over = self.is_over(id) || turn.is_some() || self.is_cancelled_somewhere(id);
                        !seat.known.requests.contains_key(&id) && over
                    }
                    _ => false,
                };
                if !right {
                    let overview = seat.process.as_ref().map(|process| process.state.overview());
                    wrong.get_or_insert(format!(
                        "{} is {ended:?} at seat {number}, and on chain in {:?}; {overview:?}",
                        name(id),
                        turn.map(|turn| (turn.nonce, turn.block)),
                    ));
                }
            }
        }
        if let Some(what) = wrong {
            self.check(false, Promise::PaidInTheEnd, || what);
        }
    }
}
