//! Where this seat's store is.

use std::time::Duration;

use super::{Check, evidence::Entry};
use crate::{backups::Archive, config::raw::Raw, postgres::Access, store::Location};

/// How long a connection to the store's database may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);

/// The longest time between backups, in hours: a year.
const RAREST: u64 = 8_760;
/// How many backups stay if nobody says, and at most.
const KEPT: u64 = 7;
const MOST_KEPT: u64 = 10_000;

impl Check<'_> {
    /// Where backups go, if anywhere.
    pub(super) fn backups(&mut self, raw: &Raw) -> Option<Option<Archive>> {
        let Some(backups) = &raw.store.backups else { return Some(None) };
        if raw.store.path.is_none() {
            let reason = "only a store in a file is copied by its seat: of one in PostgreSQL take dumps (pg_dump)";
            return self.problem("store.backups", reason);
        }
        let folder = self.base.join(&backups.folder);
        if !folder.is_dir() {
            let reason = format!("{} is no folder: make it, on another disk than the store", folder.display());
            return self.problem("store.backups.folder", reason);
        }
        let every = match backups.every_hours {
            Some(hours) => Some(self.within("store.backups.every_hours", Some(hours), 24, 1, RAREST)?),
            None => None,
        };
        let keep = self.within("store.backups.keep", backups.keep, KEPT, 1, MOST_KEPT)? as usize;
        Some(Some(Archive { folder, every: every.map(|hours| Duration::from_secs(hours * 3_600)), keep }))
    }

    pub(super) fn store(&mut self, raw: &Raw) -> Option<Location> {
        let entry = Entry::only("store");
        match (&raw.store.path, &raw.store.url_file) {
            (Some(path), None) => {
                if raw.store.authorities_file.is_some() {
                    let reason = "of use only with store.url_file: a file is not reached over TLS";
                    return self.problem(entry.field("authorities_file"), reason);
                }
                Some(Location::file(self.base.join(path)))
            }
            (None, Some(url_file)) => {
                let url = self.secret_text(&entry, "url_file", url_file);
                let authorities = self.authorities(&entry, raw.store.authorities_file.as_deref());
                match Access::new(&url?, authorities?.as_deref(), CONNECTING) {
                    Ok(access) => Some(Location::Server(Box::new(access))),
                    Err(error) => self.problem(entry.field("url_file"), error),
                }
            }
            (None, None) => self.problem(
                "store",
                "it is nowhere: give the `path` of a file, or the `url_file` of a PostgreSQL database",
            ),
            (Some(_), Some(_)) => self.problem(
                "store",
                "there are both `path` and `url_file`: which of the two has what this seat has promised? Take out the other",
            ),
        }
    }
}
