//! Files that are written once: new, for their owner only, and on the disk before anything is said about them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The most that is read of a JSON file.
const MAX_JSON_FILE: u64 = 1 << 20;

/// Why a file is not written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is one already.
    #[error("{path} exists already and is left as it is: choose another name", path = .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("{path} cannot be written: {reason}", path = path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It cannot be read.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It is too long to be what it should be.
    #[error("{path} is longer than {MAX_JSON_FILE} bytes: is it the right file?", path = .0.display())]
    TooLong(PathBuf),
}

/// Refuses a name that is taken, before anybody is asked for a password in vain.
///
/// # Errors
/// `Exists`.
pub fn check_absent(path: &Path) -> Result<(), FileError> {
    match path.symlink_metadata() {
        Ok(_) => Err(FileError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Writes a new file with mode 0600, and syncs it and its directory.
///
/// # Errors
/// `Exists`, `Unwritable`. In neither case is a file left behind that was not there before.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let unwritable = |reason| FileError::Unwritable { path: path.to_owned(), reason };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => unwritable(reason),
    })?;
    let written = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| sync_directory_of(path));
    written.map_err(|reason| {
        // What is there is not whole. If it cannot be removed either, the first failure is the one to tell.
        let _ = fs::remove_file(path);
        unwritable(reason)
    })
}

#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory_of(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads a file that is no longer than JSON files of ours are.
///
/// # Errors
/// `Unreadable`, `TooLong`.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_JSON_FILE + 1).read_to_end(&mut content))
        .map_err(|reason| FileError::Unreadable { path: path.to_owned(), reason })?;
    if content.len() as u64 > MAX_JSON_FILE {
        return Err(FileError::TooLong(path.to_owned()));
    }
    Ok(content)
}
