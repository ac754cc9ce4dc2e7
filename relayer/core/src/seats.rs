//! A set of seats.

use ring_contracts::MAX_SEATS;

/// A set of seats, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seats(u32);

const _: () = assert!(MAX_SEATS <= 32);

impl Seats {
    /// Adds a seat; whether it was not there before. A seat that no ring has is not added.
    pub(crate) fn insert(&mut self, seat: usize) -> bool {
        let added = seat < MAX_SEATS && !self.contains(seat);
        if added {
            self.0 |= 1 << seat;
        }
        added
    }

    /// Takes a seat out.
    pub(crate) fn remove(&mut self, seat: usize) {
        if seat < MAX_SEATS {
            self.0 &= !(1 << seat);
        }
    }

    pub(crate) fn contains(self, seat: usize) -> bool {
        seat < MAX_SEATS && self.0 >> seat & 1 == 1
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}
