//! What happens by chance.

use super::*;

impl World {
    /// Faults, for as long as the plan says.
    pub(crate) fn suffer(&mut self) {
        self.faults = true;
        for _ in 0..self.plan.steps {
            self.step();
        }
        self.faults = false;
        self.partition = None;
    }

    pub(super) fn step(&mut self) {
        let seats = self.hosts.len();
        let seat = self.random.index(seats);
        match self.random.below(100) {
            0..=41 => {
                for _ in 0..seats.min(3) {
                    if !self.network.is_empty() {
                        // Mostly in order, sometimes not.
                        let reach =
                            if self.random.chance(300) { self.network.len() } else { self.network.len().min(6) };
                        let index = self.random.index(reach);
                        self.deliver(index);
                    }
                }
                // A queue holds only so much.
                while self.network.len() > 60 * seats {
                    self.network.pop_front();
                }
            }
            42..=54 => self.tick(seat),
            55..=69 => {
                let host = &mut self.hosts[seat];
                let newest = self.chain.moments.len() - 1;
                let behind = (newest - host.seen) as u64 + 1;
                host.seen = match self.random.chance(600) {
                    true => newest,
                    false => host.seen + self.random.below(behind) as usize,
                };
                self.look(seat);
            }
            70..=82 => {
                self.find_one(seat);
                self.sign_one(seat);
            }
            83..=88 => {
                let mut chosen: Vec<Transaction> = Vec::new();
                for transaction in &self.pool {
                    if self.random.chance(600) {
                        let place = self.random.index(chosen.len() + 1);
                        chosen.insert(place, transaction.clone());
                    }
                }
                if self.random.chance(200) && self.plan.stolen.len() >= usize::from(self.plan.quorum) {
                    let honest: Vec<RequestId> = self.posted.keys().copied().collect();
                    let own = RequestId::repeat_byte(0xee);
                    let id = if self.random.chance(500) && !honest.is_empty() {
                        honest[self.random.index(honest.len())]
                    } else {
                        own
                    };
                    if let Some(strike) = self.strike(id, 1) {
                        chosen.insert(0, strike.clone());
                        self.pool.push(strike);
                    }
                }
                let seconds = if self.random.chance(60) { 700 } else { 1 + self.random.below(60) };
                self.mine(&chosen, seconds);
                self.forget_transactions();
            }
            89..=91 if self.posted.len() < self.plan.requests => {
                let number = self.posted.len() as u8 + 1;
                let soon = self.chain.head().time + 100 + self.random.below(1_500);
                let expiry = if self.random.chance(250) { soon } else { FAR };
                let amount = 1 + u128::from(self.random.below(40));
                let signed = self.request(number, amount, expiry);
                self.post(seat, &signed);
            }
            92 | 93 => {
                let posted: Vec<SignedRequest> = self.posted.values().cloned().collect();
                if !posted.is_empty() {
                    let mut signed = posted[self.random.index(posted.len())].clone();
                    let known = self.hosts[seat].disk.requests.contains_key(&signed.request.id);
                    if known && self.random.chance(300) {
                        signed.request.gas += 1;
                        signed = self.signed_request(signed.request);
                    }
                    self.post(seat, &signed);
                }
            }
            94 => {
                self.partition = match self.partition.is_none() {
                    true => Some((0..seats).map(|_| self.random.chance(400)).collect()),
                    false => None,
                };
            }
            95..=97 => {
                if self.hosts[seat].state.is_none() && self.hosts[seat].disk.epoch > 0 {
                    self.restart(seat);
                } else {
                    self.check_replay(seat);
                }
                self.join(seat);
            }
            98 => {
                // One change at a time: the master waits until the last one is final.
                let pending = self.pool.iter().any(|sent| matches!(sent, Transaction::Form { .. }));
                let may_change = self.changes_left > 0 && !pending && self.random.chance(200);
                let may_rotate = self.rotations_left > 0 && !pending && self.random.chance(400);
                if may_rotate
                    && self.hosts.iter().all(|host| host.disk.epoch == self.chain.ledger().epoch && host.next.is_none())
                {
                    self.rotations_left -= 1;
                    let change = self.announce();
                    self.pool.push(change);
                } else if may_change && self.hosts.iter().all(|host| host.disk.epoch == self.chain.ledger().epoch) {
                    self.changes_left -= 1;
                    // As many stores as there are copies would lose requests: one at most is given up.
                    let may_give_up = self.plan.copies > 1 && self.changes_left == 0;
                    let new = (may_give_up && self.random.chance(500)).then_some(seat);
                    self.replace(&new.into_iter().collect());
                }
            }
            _ => {
                let posted: Vec<SignedRequest> = self.posted.values().cloned().collect();
                if !posted.is_empty() {
                    let signed = posted[self.random.index(posted.len())].clone();
                    self.cancel(seat, &signed);
                }
            }
        }
        if self.random.chance(self.plan.reorgs) {
            let blocks = 1 + self.random.index(DEPTH);
            self.reorganise(blocks);
        }
    }

    /// What can have no effect on any chain any more.
    pub(super) fn forget_transactions(&mut self) {
        let ledger = self.chain.final_ledger().clone();
        self.pool.retain(|transaction| match transaction {
            Transaction::Execute { turn, .. } => turn.id().epoch >= ledger.epoch && turn.id().nonce >= ledger.nonce,
            Transaction::Halt { epoch, .. }
            | Transaction::Prove { epoch, .. }
            | Transaction::Form { epoch, .. }
            | Transaction::Resume { epoch } => *epoch >= ledger.epoch,
        });
    }
}
