//! Copies that know that they are copies.

use std::{fs, path::Path};

use ring_core::{Halt, Record};

use super::{Location, Store, StoreError, database};

impl Store {
    /// Copies all of it into a new file. The copy ends with a halt, whatever is done with it: a seat that was started from it
    /// would not know what its key has signed since.
    ///
    /// # Errors
    /// `Exists`, `NoCopies`, `File`, `Database`. There is no new file of that name then.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        // Until the halt is in it, it is under a name that nobody takes for a backup.
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = Path::new(&unfinished);
        database::create_file(unfinished)?;
        let made = self.fill(unfinished).and_then(|()| database::give_name(unfinished, path));
        if let Err(error) = fs::remove_file(unfinished) {
            tracing::warn!(%error, file = %unfinished.display(), "a copy that was not finished stays behind: delete it");
        }
        made
    }

    fn fill(&self, path: &Path) -> Result<(), StoreError> {
        self.database.copy_to(path)?;
        let (mut copy, _) = Self::open(&Location::file(path), self.identity.clone())?;
        copy.commit(&[Record::Halted(Halt::MemoryLost { through: None })])?;
        copy.close();
        Ok(())
    }
}
