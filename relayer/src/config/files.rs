//! Files that the configuration names.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// No secret or certificate is longer.
const MAX_LENGTH: u64 = 64 * 1024;

/// Why a file with a secret is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read {file}: {source}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anybody on this host can read it.
    #[error("{file} has mode {mode:03o}, so anybody on this host can read it: chmod 600 it, and treat the secret as known", file = file.display())]
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is longer than any secret.
    #[error("{file} is longer than {MAX_LENGTH} bytes: it is not the right file", file = file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
}

/// A file's bytes, and what its owner should be told about its permissions.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) warning: Option<String>,
}

/// Reads a file that nobody else may read.
///
/// # Errors
/// The file cannot be read, is too long, or is readable by everybody. A group may read it: that is how secrets are mounted
/// into containers.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    secret(path).map(|secret| secret.bytes)
}

pub(super) fn secret(path: &Path) -> Result<Secret, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { file: path.to_owned(), source };
    // Permissions of what was opened, not of what has the name by now.
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(SecretFileError::Exposed { file: path.to_owned(), mode });
    }
    let warning = (mode & 0o070 != 0).then(|| {
        format!("{} has mode {mode:03o}: its group has access to it, chmod 600 it if you can", path.display())
    });
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len().min(MAX_LENGTH) as usize + 1));
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(SecretFileError::TooLong { file: path.to_owned() });
    }
    Ok(Secret { bytes, warning })
}

/// Reads a file that anybody may read.
pub(super) fn public(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LENGTH).read_to_end(&mut bytes)?;
    Ok(bytes)
}
