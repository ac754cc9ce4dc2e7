//! Disks of new seats, and what happens to disks when machines stop.

use std::{cell::RefCell, collections::BTreeMap};

use ring_contracts::Address;
use ring_core::Record;
use ring_relayer::store::Store;

use super::{World, seat::Seat};
use crate::{
    chain::Key,
    disk::{self, Disk, Honesty, Trouble},
    random::Random,
};

thread_local! {
    /// The disks of seats that took part in the first epoch and did nothing yet, by key: they are the same in all worlds.
    static FRESH: RefCell<BTreeMap<Address, Disk>> = const { RefCell::new(BTreeMap::new()) };
}

impl World {
    /// A seat that was let take part in the first epoch.
    pub(super) fn add_seat(&mut self, key: Key) {
        let (address, number) = (key.address(), self.new_disk());
        let settings = self.settings(address);
        let mut seat = Seat::new(key, settings, number);
        let random = Random::stream(self.plan.seed, 1_000 + number as u64);
        let joined = Record::Joined { epoch: 1, nonce: 0 };
        match FRESH.with_borrow(|fresh| fresh.get(&address).map(|disk| disk.with_random(random.clone()))) {
            Some(disk) => disk::insert(number, flawed(disk)),
            None => {
                disk::insert(number, Disk::new(random));
                let made = Store::create(&seat.location(), seat.identity()).and_then(|mut store| {
                    store.commit(std::slice::from_ref(&joined))?;
                    store.close();
                    Ok(())
                });
                assert!(made.is_ok(), "a store is made on a disk without faults: {made:?}");
                if let Some(disk) = disk::with(number, |disk| disk.clone()) {
                    FRESH.with_borrow_mut(|fresh| fresh.insert(address, disk));
                }
            }
        }
        seat.known.note(&[joined]);
        self.seats.push(seat);
    }

    /// The number of an empty disk.
    pub(super) fn new_disk(&mut self) -> usize {
        let number = self.next_disk;
        self.next_disk += 1;
        let new = Disk::new(Random::stream(self.plan.seed, 1_000 + number as u64));
        disk::insert(number, flawed(new));
        number
    }

    /// Whether anything is wrong with a seat's disk now.
    pub(super) fn has_trouble(&self, seat: usize) -> bool {
        disk::with(self.seats[seat].disk, |disk| disk.trouble().is_some()) == Some(true)
    }

    /// Ends a seat's process as `kill -9` does.
    pub(super) fn kill(&mut self, seat: usize) {
        let number = self.seats[seat].disk;
        disk::with(number, |disk| disk.upset(0, Trouble::Stopped));
        self.seats[seat].life += 1;
        // Closing the store, it can touch nothing any more.
        self.seats[seat].process = None;
        disk::with(number, Disk::end_process);
    }

    /// Ends a seat's process with its machine.
    pub(super) fn cut_power(&mut self, seat: usize) {
        let number = self.seats[seat].disk;
        disk::with(number, |disk| disk.upset(0, Trouble::Stopped));
        self.seats[seat].life += 1;
        self.seats[seat].process = None;
        if disk::with(number, Disk::lose_power) == Some(true) {
            self.counts.fault("torn write");
        }
    }

    /// Ends a seat's process as it ends itself: by closing its store, if that can be done.
    pub(super) fn stop(&mut self, seat: usize) {
        self.seats[seat].life += 1;
        self.seats[seat].process = None;
        let number = self.seats[seat].disk;
        disk::with(number, Disk::release);
    }
}

/// With the flaw that is planted, if one is.
fn flawed(disk: Disk) -> Disk {
    match ring_core::planted!(NoDirectorySync) {
        true => disk.with_honesty(Honesty::NoDirectories),
        false => disk,
    }
}
