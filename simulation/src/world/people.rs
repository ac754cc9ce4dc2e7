//! The master, and those who look after seats.

use std::collections::BTreeSet;

use ring_contracts::Action;
use ring_core::{Record, Settings, planted};
use ring_relayer::store::{Store, StoreError};

use super::{
    World,
    happening::Happening,
    seat::{Known, Next, Seat},
};
use crate::chain::{Key, Purpose, RING};

impl World {
    /// Somebody looks after a seat: lets it take part in a new epoch, as the relayer's `resume` does.
    pub(super) fn person(&mut self, seat: usize) {
        let pause = self.plan.block_seconds * 500 * self.chance.people.between(1, 12);
        self.queue.add(self.now + pause, Happening::Person { seat });
        let head = self.chain.head().clone();
        let from = if planted!(JoinedBeforeFinality) { head.clone() } else { self.chain.finalized() };
        let (epoch, nonce) = (from.epoch(), from.nonce());
        let announced = head.charter() == self.charter.commitment() && head.epoch() == epoch;
        let behind = self.seats[seat].known.epoch < epoch;
        // What was announced to a seat it does by itself, unless it is halted.
        let by_itself = self.seats[seat].next.as_ref().is_some_and(|next| {
            next.charter == self.charter && epoch == self.seats[seat].known.epoch + 1 && !self.seats[seat].known.halted
        });
        if !announced || head.halted() || !behind || by_itself || self.seats[seat].taken || self.has_trouble(seat) {
            return;
        }
        self.stop(seat);
        let next = self.seats[seat].next.clone().filter(|next| self.charter.seats[seat] == next.key.address());
        let charter = self.charter.commitment();
        match &next {
            // Its store decides which of the two it is.
            Some(Next { key, .. }) => {
                self.seats[seat].next = Some(Next { charter: self.charter.clone(), key: key.clone() });
                self.seats[seat].settings.next_charter = Some(charter);
            }
            None => {
                self.seats[seat].settings = self.settings(self.seats[seat].key.address());
                self.seats[seat].next = None;
            }
        }
        let joined = Record::Joined { epoch, nonce };
        let (location, identity) = (self.seats[seat].location(), self.seats[seat].identity());
        let is_new = self.seats[seat].known.epoch == 0;
        let opened = match is_new {
            true => Store::create(&location, identity),
            false => Store::open(&location, identity).map(|(store, _)| store),
        };
        let done = opened.and_then(|mut store| {
            match &next {
                Some(next) => {
                    let succeeded = Record::Succeeded { epoch, nonce, charter };
                    store.succeed(next.key.address(), &[succeeded, joined.clone()])?;
                }
                None => store.commit(std::slice::from_ref(&joined))?,
            }
            store.close();
            Ok::<_, StoreError>(())
        });
        self.seats[seat].let_in |= epoch > 1;
        match done {
            Ok(()) => {
                self.note(|| format!("seat {seat} is let take part in epoch {epoch} from turn {nonce} on"));
                self.seats[seat].known.note(&[joined]);
                self.seats[seat].succeed();
            }
            Err(error) => {
                self.seats[seat].known.perhaps = Some((epoch, nonce));
                self.note(|| format!("seat {seat} cannot be let take part: {error}"));
            }
        }
        self.start(seat);
    }

    /// The master changes the ring, if the last change is done with everywhere.
    pub(super) fn change(&mut self) {
        let epoch = self.chain.head().epoch();
        let pending = self.pool.iter().any(|sent| matches!(sent.purpose, Purpose::Master(_)));
        if pending || self.changes >= 3 || self.seats.iter().any(|seat| seat.known.epoch != epoch) {
            return;
        }
        // As many stores as there are copies would lose requests: one at most is given up.
        let seat = self.chance.people.index(self.seats.len());
        let gives_up = self.plan.copies > 1 && self.changes == 0 && self.chance.people.chance(500);
        if !gives_up && self.chance.people.chance(400) {
            self.note(|| format!("the master resumes the ring, in epoch {epoch}"));
            self.changes += 1;
            let action = Action::Resume { ring: RING, epoch };
            let transaction = self.chain.master_action(&action, &self.charter);
            self.send_transaction(transaction);
        } else {
            self.form_anew(&gives_up.then_some(seat).into_iter().collect());
        }
        self.counts.fault("change by the master");
    }

    /// The master forms the ring anew; these seats get new keys and new machines.
    pub(super) fn form_anew(&mut self, seats: &BTreeSet<usize>) {
        let epoch = self.chain.head().epoch();
        let mut charter = self.charter.clone();
        self.given_up.extend(seats);
        if self.given_up.len() >= usize::from(self.plan.quorum) {
            self.cancelled.clear();
        }
        for seat in seats {
            let key = Key::new(self.next_key);
            self.next_key += 1;
            charter.seats[*seat] = key.address();
            self.kill(*seat);
            let disk = self.new_disk();
            let settings = Settings { next_charter: None, ..self.seats[*seat].settings.clone() };
            let old = &self.seats[*seat];
            let (seen, life) = (old.seen, old.life);
            self.seats[*seat] = Seat { seen, life, known: Known::default(), ..Seat::new(key, settings, disk) };
        }
        self.note(|| format!("the master forms the ring anew, new keys for {seats:?}, in epoch {epoch}"));
        self.changes += 1;
        let action = Action::FormRing { ring: RING, epoch, charter: charter.clone() };
        let transaction = self.chain.master_action(&action, &charter);
        self.charter = charter;
        self.send_transaction(transaction);
    }
}
