//! The written record of a ceremony: what was signed and what was sent, in a file that only grows.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ring_keystore::files::{self, FileError};

use crate::time;

/// What the words of an entry begin with, in each line.
const INDENT: &str = "    ";

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
    /// Somebody else writes it.
    #[error("the record {path} is being written by another ceremony: end that one first. Nothing was done", path = .0.display())]
    InUse(PathBuf),
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
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
        let file = file.and_then(end_what_was_cut_off);
        let file = file.map_err(|reason| RecordError::Unwritable { path: path.to_owned(), reason })?;
        Ok(Self { file: Some((path.to_owned(), file)) })
    }

    /// Keeps the record for one ceremony, as long as this is open.
    ///
    /// # Errors
    /// `InUse`, `Unwritable`.
    pub fn lock(&mut self) -> Result<(), RecordError> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => RecordError::InUse(path.clone()),
            TryLockError::Error(reason) => RecordError::Unwritable { path: path.clone(), reason },
        })
    }

    /// Adds what was done, on disk when this returns. `what` in one line, `words` as they were shown. Answers when.
    ///
    /// # Errors
    /// `NotRecorded`.
    pub fn add(&mut self, what: &str, words: &str) -> Result<String, RecordError> {
        let at = time::in_utc(time::now());
        let Some((path, file)) = &mut self.file else { return Ok(at) };
        let mut entry = format!("{at}  {what}\n");
        for line in words.lines() {
            entry.push_str(INDENT);
            entry.push_str(line);
            entry.push('\n');
        }
        entry.push('\n');
        let written = file.write_all(entry.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|reason| RecordError::NotRecorded { what: what.to_owned(), path: path.clone(), reason })?;
        Ok(at)
    }
}

/// An entry that a crash cut off must not be completed by the next.
fn end_what_was_cut_off(mut file: File) -> io::Result<File> {
    let length = file.metadata()?.len();
    let mut end = [0; 2];
    let is_whole = length == 0 || length > 1 && file.read_exact_at(&mut end, length - 2).map(|()| end == *b"\n\n")?;
    if !is_whole {
        // An empty line would complete it.
        let line_break = if end[1] == b'\n' { "" } else { "\n" };
        file.write_all(format!("{line_break}(the above was cut off, or written by hand)\n\n").as_bytes())?;
    }
    Ok(file)
}

/// An entry of a record, as it is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was written.
    pub at: String,
    /// What was done.
    pub what: String,
    /// The words to it, line by line.
    pub words: Vec<String>,
}

/// Reads a record. What a write that was cut off left is no entry, since an empty line ends one.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<Entry>, FileError> {
    let text = String::from_utf8_lossy(&files::read(path)?).into_owned();
    let (mut entries, mut open): (Vec<Entry>, Option<Entry>) = (Vec::new(), None);
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some(words) = line.strip_prefix(INDENT) {
            open.iter_mut().for_each(|entry| entry.words.push(words.to_owned()));
        } else if line.is_empty() {
            entries.extend(open.take());
        } else {
            open = line.split_once(" UTC  ").map(|(at, what)| Entry {
                at: format!("{at} UTC"),
                what: what.to_owned(),
                words: Vec::new(),
            });
        }
    }
    Ok(entries)
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
        let entries = read(&path).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.what.as_str()).collect::<Vec<_>>(), ["signed a", "sent a"]);
        assert_eq!(entries[1].words, ["HALT", "", "ring 1"]);
        // A write that was cut off anywhere takes its own entry with it, and no other.
        let whole = text.trim_end().len() + 1;
        let first = text.find("\n\n").unwrap() + 2;
        for end in first..whole {
            let cut = folder.path().join("cut");
            std::fs::write(&cut, &text[..end]).unwrap();
            assert_eq!(read(&cut).unwrap(), entries[..1], "{end}");
            Record::open(Some(&cut)).unwrap().add("later", "").unwrap();
            let again = read(&cut).unwrap();
            assert_eq!(again[0], entries[0]);
            assert!(again.len() <= 2 && again.iter().all(|entry| entry.what != "sent a"), "{end}: {again:?}");
            std::fs::remove_file(&cut).unwrap();
        }
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
