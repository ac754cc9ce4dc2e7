//! Disks that forget: SQLite's file system, in memory, with what was written and what was synced kept apart.
//!
//! Each thread has its own disks, found by the first part of a path: `/3/store.sqlite` is on disk 3 of the thread that
//! opens it. They are used through SQLite, with the name [`VFS`].

mod directory;
mod file;
mod vfs;

use std::{cell::RefCell, collections::BTreeMap};

use crate::random::Random;
use directory::Directory;

pub use vfs::{VFS, register};

thread_local! {
    static DISKS: RefCell<BTreeMap<usize, Disk>> = const { RefCell::new(BTreeMap::new()) };
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Whatever makes a file longer is refused.
    Full,
    /// Every change is refused.
    ReadOnly,
    /// Writes fail, perhaps after a part of them.
    WriteFails,
    /// Syncs fail, and what was to be synced is forgotten.
    SyncFails,
    /// Everything fails: the machine has stopped. It stays so until [`lose_power`] or [`end_process`].
    Stopped,
}

/// One disk.
#[derive(Clone, Debug)]
pub struct Disk {
    directory: Directory,
    /// Now.
    trouble: Option<Trouble>,
    /// After so many more operations.
    coming: Option<(u64, Trouble)>,
    random: Random,
    operations: u64,
    /// Whether syncs do what they say.
    honest: Honesty,
    /// How often something was refused.
    pub refusals: u64,
}

/// Which syncs a disk carries out. All, but for proofs that it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// All of them.
    Honest,
    /// Files only: names stay unsynced.
    NoDirectories,
}

impl Disk {
    /// An empty disk whose accidents come from this stream.
    pub fn new(random: Random) -> Self {
        Self {
            directory: Directory::default(),
            trouble: None,
            coming: None,
            random,
            operations: 0,
            honest: Honesty::Honest,
            refusals: 0,
        }
    }

    /// The same, but it carries out only such syncs.
    pub fn with_honesty(self, honest: Honesty) -> Self {
        Self { honest, ..self }
    }

    /// The same files, with accidents of another stream.
    pub fn with_random(&self, random: Random) -> Self {
        Self { random, ..self.clone() }
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// What is wrong with it now.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Something goes wrong after so many more operations, until [`mend`](Self::mend).
    pub fn upset(&mut self, after: u64, trouble: Trouble) {
        self.coming = Some((after, trouble));
    }

    /// All is well again.
    pub fn mend(&mut self) {
        (self.trouble, self.coming) = (None, None);
    }

    /// The process ends. What it wrote stays, since the system has it; nothing is more durable than before.
    pub fn end_process(&mut self) {
        self.directory.unlock();
        self.mend();
    }

    /// The process has closed its files, or tried to.
    pub fn release(&mut self) {
        self.directory.unlock();
    }

    /// The power is cut. Returns whether a write was torn.
    pub fn lose_power(&mut self) -> bool {
        self.end_process();
        self.directory.lose_power(&mut self.random)
    }

    /// Whether a power cut now would leave all that is seen.
    pub fn is_durable(&self) -> bool {
        self.directory.is_durable()
    }

    /// What the worst power cut would leave.
    pub fn worst(&self) -> Self {
        let mut worst = self.clone();
        worst.mend();
        worst.directory = self.directory.worst();
        worst
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> bool {
        self.directory.find(name).is_some()
    }

    /// Counts an operation and says what is wrong with the disk at it.
    fn operate(&mut self) -> Option<Trouble> {
        self.operations += 1;
        if let Some((left, trouble)) = &mut self.coming {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => {
                    self.trouble = Some(*trouble);
                    self.coming = None;
                }
            }
        }
        self.trouble
    }
}

/// The path of the store on a disk.
pub fn path(disk: usize) -> String {
    format!("/{disk}/store.sqlite")
}

/// Puts a disk in its place, for this thread.
pub fn insert(number: usize, disk: Disk) {
    DISKS.with_borrow_mut(|disks| disks.insert(number, disk));
}

/// Takes a disk away.
pub fn remove(number: usize) -> Option<Disk> {
    DISKS.with_borrow_mut(|disks| disks.remove(&number))
}

/// Works on a disk of this thread. `None`: there is no such disk.
pub fn with<T>(number: usize, work: impl FnOnce(&mut Disk) -> T) -> Option<T> {
    DISKS.with_borrow_mut(|disks| disks.get_mut(&number).map(work))
}
