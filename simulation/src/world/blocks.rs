//! Blocks and transactions, and what seats see of them.

use std::rc::Rc;

use ring_core::Event;

use super::{World, happening::Happening, plan::Fault, words::short};
use crate::chain::{self, Cursor, Lie, Purpose, Transaction};

impl World {
    /// A transaction is known to whoever makes blocks.
    pub(super) fn send_transaction(&mut self, transaction: Transaction) {
        if !self.pool.iter().any(|known| known.hash == transaction.hash) {
            self.note(|| format!("{:?} is sent by {}", transaction.purpose, transaction.from));
            self.pool.push(transaction);
        }
    }

    /// The next block, and when the one after it comes.
    pub(super) fn block(&mut self) {
        self.mine(600, chain::GENESIS_TIME + self.now / 1_000);
        let mut seconds = self.plan.block_seconds;
        if self.strikes(Fault::Stall, 30) {
            self.counts.fault("chain stalled");
            seconds += self.random(Fault::Stall).below(60) * self.plan.block_seconds;
        }
        self.queue.add(self.now + seconds * 1_000, Happening::Block);
        if !self.chain.head().turns.is_empty() && self.strikes(Fault::Theft, 500) {
            self.propose_again();
        }
        if self.calm_since.is_some() {
            self.watch_calm();
        }
    }

    /// Mines a block of this time in which each transaction that is waiting is with this chance.
    pub(super) fn mine(&mut self, of_a_thousand: u64, time: u64) {
        let of_a_thousand = if self.calm_since.is_some() { 1_000 } else { of_a_thousand };
        let mut chosen: Vec<Transaction> = Vec::new();
        for transaction in &self.pool {
            if self.chance.blocks.chance(of_a_thousand) {
                let place = self.chance.blocks.index(chosen.len() + 1);
                chosen.insert(place, transaction.clone());
            }
        }
        // What cannot have an effect is tried now and then, to see that the contract refuses it.
        let (nonce, epoch) = (self.chain.head().nonce(), self.chain.head().epoch());
        let blocks = &mut self.chance.blocks;
        let mut next = nonce;
        chosen.retain(|transaction| match transaction.purpose {
            Purpose::Turn(id) if id.epoch == epoch && (nonce..=next).contains(&id.nonce) => {
                next = next.max(id.nonce + 1);
                true
            }
            Purpose::Turn(_) => blocks.chance(30),
            Purpose::Halt(of) | Purpose::Master(of) => of == epoch || blocks.chance(30),
        });
        let tried = self.chain.mine(chosen, time);
        self.counts.blocks += 1;
        let head = self.chain.head().clone();
        self.counts.turns += head.turns.len() as u64;
        for tried in tried {
            if tried.refusal.is_some() {
                continue;
            }
            self.note(|| format!("block {}: {:?} succeeds", head.block.number, tried.transaction.purpose));
            // Who halts the ring directly names no epoch: sent again, the same transaction would halt the next one, too. Its
            // account's nonce does not let it.
            if matches!(tried.transaction.purpose, Purpose::Halt(_)) {
                self.pool.retain(|sent| sent.hash != tried.transaction.hash);
            }
        }
        for (_, turn) in &head.turns {
            self.struck |= self.thief.alone_signed(&turn.digest);
            self.note(|| {
                format!("block {}: turn {} {} is executed", head.block.number, turn.nonce, short(&turn.digest))
            });
        }
        self.moments.push(head.clone());
        if !head.turns.is_empty() {
            self.check_chain();
        }
        self.forget_transactions();
    }

    /// What can have no effect on any chain any more.
    fn forget_transactions(&mut self) {
        if self.plan.strength(Fault::DeepReorg) > 0 {
            return;
        }
        let finalized = self.chain.finalized();
        let (nonce, epoch) = (finalized.nonce(), finalized.epoch());
        self.pool.retain(|transaction| match transaction.purpose {
            Purpose::Turn(id) => id.epoch >= epoch && id.nonce >= nonce,
            Purpose::Halt(of) | Purpose::Master(of) => of >= epoch,
        });
    }

    /// Takes blocks back, and perhaps mines others in their place at once: at times between those of the fork and now, since
    /// they were made by others meanwhile.
    pub(super) fn reorganise(&mut self, blocks: u64, fault: Fault) {
        self.note(|| format!("{fault} of {blocks} blocks"));
        self.chain.reorganise(blocks);
        self.moments.push(self.chain.head().clone());
        if self.random(fault).chance(700) {
            let others = self.random(fault).between(1, blocks + 1);
            let fork = self.chain.head().block.time;
            // Some are all old: what has expired by now was in time for them.
            let until_now = (chain::GENESIS_TIME + self.now / 1_000).saturating_sub(fork);
            let gap = until_now * self.random(fault).between(1, 4) / 4;
            for number in 1..=others {
                let most = self.random(fault).between(200, 900);
                self.mine(most, fork + gap * number / others);
            }
        }
    }

    /// A seat's watcher asks its RPC.
    pub(super) fn look(&mut self, seat: usize) {
        let pause = self.plan.block_seconds * 1_000 / 2;
        let next = self.now + pause / 2 + self.chance.time.below(pause);
        self.queue.add(next, Happening::Look { seat });
        if self.strikes(Fault::RpcFailure, 50) {
            self.counts.fault("RPC failure");
            let most = 20 * self.plan.block_seconds * 1_000;
            self.seats[seat].blind_until = self.now + self.random(Fault::RpcFailure).below(most);
        }
        if self.seats[seat].blind_until > self.now || self.seats[seat].process.is_none() {
            return;
        }
        let newest = self.moments.len() - 1;
        let seen = self.seats[seat].seen;
        let mut moment = newest;
        if self.strikes(Fault::Lag, 600) {
            self.counts.fault("RPC behind");
            moment = seen + self.random(Fault::Lag).index(newest - seen + 1);
        }
        let mut lie = None;
        if self.strikes(Fault::Lies, 200) {
            let random = self.random(Fault::Lies);
            match random.index(4) {
                0 => lie = Some(Lie::MissingTurn),
                1 => lie = Some(Lie::WrongNonce),
                2 => lie = Some(Lie::WrongFinalNonce),
                _ => moment = moment.saturating_sub(random.index(8)),
            }
            self.counts.fault("RPC lied");
        }
        self.seats[seat].seen = seen.max(moment);
        let Some(process) = self.seats[seat].process.as_mut() else { return };
        let cursor = Cursor {
            first_open_nonce: process.state.first_open_nonce(),
            from_block: process.state.final_block().unwrap_or(0),
        };
        let head = &self.moments[moment];
        let charter = &process.state.settings().charter;
        let looked = chain::look(head, self.plan.depth, charter, cursor, &mut process.floor, lie);
        let Ok(view) = looked else {
            self.counts.fault("view refused");
            return;
        };
        let done = match process.wanted.as_ref().map(|wanted| wanted.purpose) {
            Some(Purpose::Turn(id)) => view.nonce > id.nonce || view.halted,
            Some(Purpose::Halt(epoch)) => view.halted || view.epoch != epoch,
            Some(Purpose::Master(_)) | None => false,
        };
        if done {
            process.wanted = None;
        }
        process.limits.0.note_time(view.head.time);
        process.view = Some(Rc::new(view.clone()));
        self.feed(seat, Event::Chain(view), None);
        self.press(seat);
    }
}
