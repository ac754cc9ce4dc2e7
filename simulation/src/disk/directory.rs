//! The files of a disk and their names. A name, too, is durable only once its directory was synced.

use std::collections::BTreeMap;

use super::file::File;
use crate::random::Random;

/// A file whatever its name is now: open files keep theirs.
pub(super) type FileId = usize;

type Names = BTreeMap<String, FileId>;

/// A change of names that is not known to be on the medium.
#[derive(Clone, Debug)]
enum Change {
    Create(String, FileId),
    Remove(String),
}

/// All files of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    files: BTreeMap<FileId, File>,
    locks: BTreeMap<FileId, Lock>,
    next: FileId,
    seen: Names,
    medium: Names,
    unsynced: Vec<Change>,
}

/// Who may do what with a file, as SQLite's locks say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lock {
    pub(super) shared: usize,
    pub(super) reserved: bool,
    pub(super) exclusive: bool,
}

impl Directory {
    pub(super) fn find(&self, name: &str) -> Option<FileId> {
        self.seen.get(name).copied()
    }

    /// A new file; without a name it is gone with its last user.
    pub(super) fn create(&mut self, name: Option<&str>) -> FileId {
        let id = self.next;
        self.next += 1;
        self.files.insert(id, File::default());
        if let Some(name) = name {
            let change = Change::Create(name.to_owned(), id);
            change.apply(&mut self.seen);
            self.unsynced.push(change);
        }
        id
    }

    pub(super) fn remove(&mut self, name: &str) {
        let change = Change::Remove(name.to_owned());
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.medium);
        }
    }

    pub(super) fn file(&mut self, id: FileId) -> &mut File {
        self.files.entry(id).or_default()
    }

    pub(super) fn lock(&mut self, id: FileId) -> &mut Lock {
        self.locks.entry(id).or_default()
    }

    pub(super) fn unlock(&mut self) {
        self.locks.clear();
    }

    pub(super) fn is_durable(&self) -> bool {
        self.seen == self.medium && self.seen.values().all(|id| self.files.get(id).is_none_or(File::is_durable))
    }

    /// Of the changes of names that were not synced some, all or none come true, in order, since a directory has a
    /// journal. Returns whether a write of any file was torn.
    pub(super) fn lose_power(&mut self, random: &mut Random) -> bool {
        let kept = random.index(self.unsynced.len() + 1);
        for change in self.unsynced.drain(..).take(kept) {
            change.apply(&mut self.medium);
        }
        self.forget_unnamed();
        let mut torn = false;
        for file in self.files.values_mut() {
            torn |= file.lose_power(random);
        }
        torn
    }

    pub(super) fn worst(&self) -> Self {
        let mut worst = self.clone();
        worst.unsynced.clear();
        worst.locks.clear();
        worst.forget_unnamed();
        worst.files.values_mut().for_each(|file| *file = file.worst());
        worst
    }

    fn forget_unnamed(&mut self) {
        self.seen.clone_from(&self.medium);
        let named: Vec<FileId> = self.seen.values().copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}
