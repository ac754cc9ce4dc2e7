//! Copies that know that they are copies.

use std::{fs, path::Path};

use ring_core::{Halt, Record};

use super::{
    Identity, Location, Store, StoreError,
    database::{self, Frozen},
};

/// What a copy is called until the halt is in it, beside its name: so that nobody takes it for a backup.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// All that a store held at a moment. Its seat may go on meanwhile: what it writes is not in it.
pub struct Snapshot {
    frozen: Frozen,
    identity: Identity,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Store {
    /// All that is in it by now, to be copied by whoever has the time. One at a time: an earlier one that is still being copied
    /// comes to nothing.
    ///
    /// # Errors
    /// `NoCopies`, `File`, `Database`.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { frozen: self.database.freeze()?, identity: self.identity.clone() })
    }

    /// Looks whether a snapshot has been copied, or given up, and if so goes on without it.
    ///
    /// # Errors
    /// `Database`.
    pub fn forget_snapshot(&self) -> Result<(), StoreError> {
        self.database.thaw(false)
    }
}

impl Snapshot {
    /// Copies all of it into a new file, reads every record of that, and returns how many there are. The copy ends with a halt,
    /// whatever is done with it: a seat that was started from it would not know what its key has signed since.
    ///
    /// # Errors
    /// `Exists`, `File`, `Network`, `Damaged`, `Database`. There is no new file of that name then.
    pub fn copy_to(self, path: &Path) -> Result<i64, StoreError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = Path::new(&unfinished);
        database::create_file(unfinished)?;
        let made = self.fill(unfinished).and_then(|records| {
            database::give_name(unfinished, path)?;
            Ok(records)
        });
        if let Err(error) = fs::remove_file(unfinished) {
            tracing::warn!(%error, file = %unfinished.display(), "a copy that was not finished stays behind: delete it");
        }
        made
    }

    fn fill(self, path: &Path) -> Result<i64, StoreError> {
        self.frozen.copy_to(path)?;
        let (mut copy, _) = Store::open(&Location::file(path), self.identity)?;
        let records = copy.verify()?;
        copy.commit(&[Record::Halted(Halt::MemoryLost { through: None })])?;
        copy.close();
        Ok(records)
    }
}
