//! Where this seat's store is.

use std::time::Duration;

use super::{Check, evidence::Entry};
use crate::{config::raw::Raw, postgres::Access, store::Location};

/// How long a connection to the store's database may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);

impl Check<'_> {
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
