//! The master changes all keys of the ring, and has told every seat before.

use ring_contracts::{Action, B256};
use ring_core::Record;
use ring_relayer::store::StoreError;

use super::{
    World,
    seat::{Next, Process},
};
use crate::chain::{Key, Purpose, RING};

impl World {
    /// Announces new keys to all seats, and has the ring formed with them. One change at a time, and none of a ring that
    /// somebody has to look after.
    pub(super) fn rotate(&mut self) {
        let epoch = self.chain.head().epoch();
        let pending = self.pool.iter().any(|sent| matches!(sent.purpose, Purpose::Master(_)));
        let is_settled = |seat: &super::Seat| seat.known.epoch == epoch && !seat.known.halted && seat.next.is_none();
        if pending || self.rotations >= 3 || self.chain.head().halted() || !self.seats.iter().all(is_settled) {
            return;
        }
        let keys: Vec<Key> = (self.next_key..).take(self.seats.len()).map(Key::new).collect();
        self.next_key += keys.len() as u64;
        let mut charter = self.charter.clone();
        charter.seats = keys.iter().map(Key::address).collect();
        self.note(|| format!("the master announces new keys, and forms the ring with them after epoch {epoch}"));
        for (seat, key) in keys.into_iter().enumerate() {
            // A new configuration is a new process.
            let runs = self.seats[seat].process.is_some();
            self.seats[seat].settings.next_charter = Some(charter.commitment());
            self.seats[seat].next = Some(Next { charter: charter.clone(), key });
            if runs {
                self.stop(seat);
                self.start(seat);
            }
        }
        self.rotations += 1;
        self.counts.fault("rotation");
        let transaction =
            self.chain.master_action(&Action::FormRing { ring: RING, epoch, charter: charter.clone() }, &charter);
        self.charter = charter;
        self.send_transaction(transaction);
    }

    /// A seat goes on in the epoch that was announced to it, as the relayer does: a process with the new key on the store of the
    /// old one.
    pub(super) fn succeed(&mut self, seat: usize, (epoch, nonce, charter): (u32, u64, B256)) -> Result<(), StoreError> {
        let record = Record::Succeeded { epoch, nonce, charter };
        let Some(next) = self.seats[seat].next.clone() else { return Ok(()) };
        let Some(Process { store, unwritten, .. }) = self.seats[seat].process.as_mut() else { return Ok(()) };
        let unwritten = std::mem::take(unwritten);
        store.commit(&unwritten)?;
        let done = store.succeed(next.key.address(), std::slice::from_ref(&record));
        self.seats[seat].known.note(&unwritten);
        if let Err(error) = done {
            self.seats[seat].known.perhaps = Some((epoch, nonce));
            return Err(error);
        }
        self.note(|| format!("seat {seat} goes on in epoch {epoch} from turn {nonce} on, with another key"));
        self.seats[seat].known.note(&[record]);
        self.stop(seat);
        self.seats[seat].succeed();
        self.start(seat);
        Ok(())
    }
}
