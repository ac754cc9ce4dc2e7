//! The promises, checked as things happen.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{B256, RequestId, Turn, U256};
use ring_core::{ChainView, Event, Halt, ObservedTurn, Outcome, Record};
use ring_relayer::store::Store;

use super::{
    World,
    clients::recipient,
    plan::Fault,
    promise::Promise,
    seat::{Process, Seat},
    words::{name, short},
};
use crate::{
    chain::{GENESIS_TIME, RING, UNWILLING},
    disk,
};

/// The number of a disk that no seat has: to look at what a power cut would leave.
const SCRATCH: usize = usize::MAX;

impl World {
    /// After a start: all that was ever committed is there.
    pub(super) fn check_remembered(&mut self, seat: usize) {
        let Seat { process: Some(process), known, .. } = &mut self.seats[seat] else { return };
        if let Some((epoch, nonce)) = known.perhaps.take_if(|(epoch, _)| process.state.epoch() == Some(*epoch)) {
            known.note(&[Record::Joined { epoch, nonce }]);
        }
        let (process, known) = (&*process, &*known);
        let mut lost = None;
        let mut wrong = |what: String| {
            lost.get_or_insert(what);
        };
        if known.halted && process.state.halt().is_none() {
            wrong("that it is halted".to_owned());
        }
        let halt_lost = lost_is(&known.halted, process);
        let ids: BTreeSet<RequestId> =
            self.posted.keys().chain(known.requests.keys()).chain(known.ended.keys()).copied().collect();
        let mut requests = Vec::new();
        match process.store.settled(ids.iter().copied()) {
            Ok(past) => {
                for (id, outcome) in &known.ended {
                    if past.get(id).is_none_or(|settled| settled.outcome != *outcome) {
                        wrong(format!("the end of {}", name(*id)));
                    }
                }
                for id in known.requests.keys() {
                    if !past.contains_key(id) && !process.state.is_open(*id) {
                        wrong(format!("request {}", name(*id)));
                    }
                }
                for id in &known.withheld {
                    if !past.contains_key(id) && !process.state.is_withheld(*id) {
                        wrong(format!("the cancellation of {}", name(*id)));
                    }
                }
                // What was under way when it crashed may have got to the disk.
                for id in ids {
                    requests.extend(process.store.request(id).ok().flatten());
                }
                let ended = past.into_iter().map(|(id, settled)| (id, settled.outcome));
                let ended: Vec<_> = ended.collect();
                for (nonce, digest) in &known.reserved {
                    if !matches!(process.store.reservation(*nonce, *digest), Ok(Some(_))) {
                        wrong(format!("the reservation of turn {nonce} for {}", short(digest)));
                    }
                }
                let halted = process.state.halt().is_some();
                let known = &mut self.seats[seat].known;
                known.halted |= halted;
                for (id, outcome) in ended {
                    known.ended.entry(id).or_insert(outcome);
                }
                for signed in requests {
                    known.requests.insert(signed.request.id, signed);
                }
            }
            Err(error) => wrong(format!("what became of requests: {error}")),
        }
        let excused = self.has_trouble(seat);
        let promise = if halt_lost { Promise::HaltStays } else { Promise::Remembered };
        self.check(lost.is_none() || excused, promise, || {
            format!("seat {seat} has forgotten {}", lost.unwrap_or_default())
        });
    }

    /// Nobody halts without a theft, a change by the master, or finality broken.
    pub(super) fn check_records(&mut self, seat: usize, records: &[Record]) {
        for record in records {
            let Record::Halted(halt) = record else { continue };
            self.counts.fault("halt");
            // An RPC that stayed on the old fork calls other blocks final.
            self.finality_broken |= self.finals_replaced && matches!(halt, Halt::FinalityBroken { .. });
            let impatient = self.plan.grace < 1_000;
            let changed = self.changes > 0;
            let excused = !self.plan.stolen.is_empty()
                || self.finality_broken
                || match halt {
                    Halt::Ordered { .. } => true,
                    Halt::UnknownTurn { own_key_used: false, .. } => impatient,
                    Halt::RingChanged { .. } => changed,
                    Halt::HaltedOnChain => impatient,
                    _ => false,
                };
            self.check(excused, Promise::NoFalseHalt, || format!("seat {seat} halts without cause: {halt}"));
        }
    }

    /// Whoever has two contents that one key signed for one nonce, voids aside, is halted.
    pub(super) fn check_equivocation(&mut self, seat: usize) {
        let known = &self.seats[seat].known;
        if known.halted {
            return;
        }
        let domain = self.chain.domain();
        let twice = known.votes.iter().filter(|(_, digests)| digests.len() > 1).find(|((nonce, _), digests)| {
            let void = Turn::void(RING, known.epoch, *nonce).digest(&domain);
            digests.iter().filter(|digest| **digest != void).count() > 1
        });
        if let Some(((nonce, signer), _)) = twice {
            let (nonce, signer) = (*nonce, *signer);
            self.check(false, Promise::EquivocationHalts, || {
                format!("seat {seat} goes on though seat {signer} signed two contents for turn {nonce}")
            });
        }
    }

    /// Before a signature: the turn is reserved, as synced; it is the key's only content; clients asked for all of it; and
    /// the seat is not halted, nor has it seen a turn of the thief.
    pub(super) fn check_signing(&mut self, seat: usize, turn: &Turn, digest: B256) {
        let (epoch, nonce) = (turn.id().epoch, turn.id().nonce);
        let halted = self.seats[seat].known.halted;
        self.check(!halted, Promise::HaltStays, || format!("seat {seat} signs turn {nonce} though it is halted"));
        self.check_durable(seat, nonce, digest, "signs");
        self.check_after_theft(seat, nonce);
        if turn.is_void() {
            return;
        }
        let asked = turn.calls().iter().all(|call| {
            let contents = self.posted.get(&call.request_id);
            let charter = &self.seats[seat].settings.charter;
            contents.is_some_and(|all| all.iter().any(|signed| signed.request.to_call(charter.asset) == *call))
        });
        self.check(asked, Promise::AskedFor, || format!("seat {seat} signs turn {nonce}, which nobody asked for"));
        self.thief.note_honest(digest);
        let key = (self.seats[seat].key.address(), epoch, nonce);
        let first = *self.signed.entry(key).or_insert(digest);
        self.check(first == digest, Promise::OneContent, || {
            format!("seat {seat} signs {} for turn {nonce} of epoch {epoch} after {}", short(&digest), short(&first))
        });
    }

    /// What is reserved would be there after the worst power cut.
    pub(super) fn check_durable(&mut self, seat: usize, nonce: u64, digest: B256, does: &str) {
        let number = self.seats[seat].disk;
        let Some(Some(worst)) = disk::with(number, |disk| (!disk.is_durable()).then(|| disk.worst())) else { return };
        disk::insert(SCRATCH, worst);
        let location = Seat::location_on(SCRATCH);
        let opened = Store::open(&location, self.seats[seat].identity());
        let there = opened.is_ok_and(|(store, _)| matches!(store.reservation(nonce, digest), Ok(Some(_))));
        disk::remove(SCRATCH);
        self.check(there, Promise::Reserved, || {
            format!("seat {seat} {does} turn {nonce}, and a power cut now would make it forget that")
        });
    }

    fn check_after_theft(&mut self, seat: usize, nonce: u64) {
        let joined = self.seats[seat].known.joined;
        let Some(Process { view: Some(view), .. }) = &self.seats[seat].process else { return };
        let thief = &self.thief;
        let stolen = view.turns.iter().any(|turn| turn.nonce >= joined && thief.invented(&turn.digest));
        self.check(!stolen, Promise::ThiefsBound, || format!("seat {seat} signs turn {nonce} after one of the thief"));
    }

    /// Some seat called these requests cancelled. Of an id with two contents nobody can tell which. And seats that were given
    /// up forget what was cancelled: if there are enough of them to sign, a client that asks again gets it.
    pub(super) fn note_cancelled(&mut self, records: &[Record]) {
        if self.given_up.len() >= usize::from(self.plan.quorum) {
            return;
        }
        let ended = records.iter().flat_map(Record::ends);
        let cancelled = ended.filter(|(_, outcome)| matches!(outcome, Outcome::Cancelled { .. })).map(|(id, _)| id);
        let new: Vec<_> = cancelled.filter(|id| self.posted.get(id).is_some_and(|all| all.len() == 1)).collect();
        if !new.is_empty() {
            self.cancelled.extend(new);
            self.check_chain();
        }
    }

    /// Whether some seat says that a request is cancelled: those that have never heard of it need not.
    pub(super) fn is_cancelled_somewhere(&self, id: RequestId) -> bool {
        let says = |seat: &Seat| matches!(seat.known.ended.get(&id), Some(Outcome::Cancelled { .. }));
        self.seats.iter().any(says)
    }

    /// Whether one of these views shows that final turns were taken back.
    pub(super) fn shows_broken_finality(events: &[Event], first_open: u64) -> bool {
        let breaks = |view: &ChainView| view.final_nonce < first_open;
        events.iter().any(|event| matches!(event, Event::Chain(view) if breaks(view)))
    }

    /// On this head: no request is executed twice, nor after its expiry, nor paid more than it asked for; and no period has
    /// seen more spent than the cap.
    pub(super) fn check_chain(&mut self) {
        let turns = self.chain.turns();
        let mut executed = BTreeMap::new();
        let mut wrong = None;
        let mut found = |promise: Promise, what: String| {
            wrong.get_or_insert((promise, what));
        };
        for turn in turns.iter().filter(|turn| !self.thief.alone_signed(&turn.digest)) {
            for id in &turn.requests {
                if let Some(before) = executed.insert(*id, turn.nonce) {
                    found(Promise::PaidOnce, format!("{} is executed in turns {before} and {}", name(*id), turn.nonce));
                }
                if self.cancelled.contains(id) {
                    found(Promise::CancelledForGood, format!("{} is executed, and was cancelled", name(*id)));
                }
                if !self.posted.contains_key(id) {
                    found(Promise::AskedFor, format!("turn {} pays {id}, which nobody asked for", turn.nonce));
                }
            }
        }
        let head = self.chain.head().clone();
        for turn in head.turns.iter().map(|(_, turn)| turn) {
            self.check_payments(turn, head.block.time, &mut found);
        }
        let cap = U256::from(self.plan.cap);
        for ((asset, period), spent) in self.chain.outflows(self.charter.period.into()) {
            // Forming the ring anew starts the counters anew.
            if spent > cap * U256::from(1 + self.changes + self.rotations) {
                found(Promise::Caps, format!("{spent} of {asset} were spent in period {period}"));
            }
        }
        // After finality broke, what was settled may be undone: only a halt is promised.
        let excused = self.finality_broken;
        if let Some((promise, what)) = wrong {
            self.check(excused, promise, || what);
        }
    }

    fn check_payments(&self, turn: &ObservedTurn, time: u64, found: &mut impl FnMut(Promise, String)) {
        if self.thief.alone_signed(&turn.digest) {
            return;
        }
        for id in &turn.requests {
            let Some(contents) = self.posted.get(id) else { continue };
            if contents.iter().all(|signed| time > signed.request.expiry) {
                found(Promise::Expiry, format!("{} is paid at {time}, after its expiry", name(*id)));
            }
            if !self.plan.stolen.is_empty() {
                continue;
            }
            let mut paid = 0;
            for (variant, signed) in contents.iter().enumerate() {
                let Ok((asset, amount)) = signed.request.spends() else { continue };
                let balance = self.chain.balance(asset, recipient(id[15], variant as u8));
                let unwilling = signed.request.target == UNWILLING;
                if balance > amount || unwilling && !balance.is_zero() {
                    found(Promise::PaidOnce, format!("{} asked for {amount} and got {balance}", name(*id)));
                }
                paid += usize::from(!balance.is_zero());
            }
            if paid > 1 {
                found(Promise::PaidOnce, format!("both contents of {} are paid", name(*id)));
            }
        }
    }

    /// From its first turn on, the thief has no more turns in a row than its keys are good for.
    pub(super) fn check_bound(&mut self) {
        if self.plan.strength(Fault::Reorg) > 0 || self.plan.strength(Fault::DeepReorg) > 0 {
            return;
        }
        let turns = self.chain.turns();
        let invented = turns.iter().filter(|turn| self.thief.invented(&turn.digest)).map(|turn| turn.nonce);
        let invented: Vec<u64> = invented.collect();
        let Some(first) = invented.first() else { return };
        let bound = self.thief.bound(*first);
        self.check(invented.len() as u64 <= bound, Promise::ThiefsBound, || {
            format!("the thief has turns {invented:?}, and its keys are good for {bound}")
        });
    }

    /// Once a turn of the thief is final, every seat is halted, and the ring is on chain.
    pub(super) fn check_halted(&mut self) {
        let finalized = self.chain.finalized();
        let thief = &self.thief;
        let turns = self.chain.turns();
        let mut finals = turns.iter().filter(|turn| turn.block <= finalized.block.number);
        if !finals.any(|turn| thief.invented(&turn.digest)) {
            return;
        }
        if self.seats.iter().all(|seat| seat.taken) {
            return;
        }
        for seat in 0..self.seats.len() {
            let goes_on = !self.seats[seat].known.halted && !self.seats[seat].taken;
            self.check(!goes_on, Promise::HaltStays, || format!("seat {seat} goes on after a theft"));
        }
        let halted = self.chain.head().halted();
        self.check(halted, Promise::HaltStays, || "the ring runs on after a theft".to_owned());
    }

    /// Whether the time of one of a request's contents is over.
    pub(super) fn has_expired(&self, id: RequestId) -> bool {
        let now = GENESIS_TIME + self.now / 1_000;
        self.posted.get(&id).is_none_or(|all| all.iter().any(|signed| signed.request.expiry < now))
    }

    /// Whether the time of a request is over, finally.
    pub(super) fn is_over(&self, id: RequestId) -> bool {
        let now = GENESIS_TIME + self.now / 1_000;
        let last = self.posted.get(&id).and_then(|all| all.iter().map(|signed| signed.request.expiry).max());
        last.is_none_or(|expiry| expiry + self.plan.block_seconds * (self.plan.depth + 2) < now)
    }
}

fn lost_is(halted: &bool, process: &Process) -> bool {
    *halted && process.state.halt().is_none()
}
