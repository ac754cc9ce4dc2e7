//! The written record of a ceremony: what was signed and what was sent, in a file that only grows.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::time;

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be written, and nothing was done.
    #[error("the record {path} cannot be written: {reason}. Nothing was done", path = path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// What was done is not recorded.
    #[error("{what}, and the record {path} does not say so: {reason}. Write it down by hand", path = path.display())]
    NotRecorded {
        /// What was done.
        what: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// A record that is open, or none.
#[derive(Debug)]
pub struct Record {
    file: Option<(PathBuf, File)>,
}

impl Record {
    /// Opens a record, before anything is done that belongs into it. It is made if it is not there, with mode 0600.
    ///
    /// # Errors
    /// `Unwritable`.
    pub fn open(path: Option<&Path>) -> Result<Self, RecordError> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|reason| RecordError::Unwritable { path: path.to_owned(), reason })?;
        Ok(Self { file: Some((path.to_owned(), file)) })
    }

    /// Adds what was done, on disk when this returns. `what` in one line, `words` as they were shown.
    ///
    /// # Errors
    /// `NotRecorded`.
    pub fn add(&mut self, what: &str, words: &str) -> Result<(), RecordError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let mut entry = format!("{}  {what}\n", time::in_utc(time::now()));
        for line in words.lines() {
            entry.push_str("    ");
            entry.push_str(line);
            entry.push('\n');
        }
        entry.push('\n');
        file.write_all(entry.as_bytes()).and_then(|()| file.sync_all()).map_err(|reason| RecordError::NotRecorded {
            what: what.to_owned(),
            path: path.clone(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_record_grows_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        for what in ["signed a", "sent a"] {
            Record::open(Some(&path)).unwrap().add(what, "HALT\n\nring 1").unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(" UTC  s").count(), 2);
        assert!(text.contains("signed a\n    HALT\n    \n    ring 1\n\n") && text.contains("sent a"), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        Record::open(None).unwrap().add("nothing", "").unwrap();
        assert!(matches!(Record::open(Some(folder.path())), Err(RecordError::Unwritable { .. })));
    }

    #[test]
    fn a_full_disk_is_told_with_what_was_done() {
        let full = Path::new("/dev/full");
        let error = Record::open(Some(full)).unwrap().add("signed a", "HALT").unwrap_err().to_string();
        assert!(error.starts_with("signed a, and the record /dev/full"), "{error}");
    }
}
