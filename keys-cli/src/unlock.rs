//! Keys that are only in a relayer's memory, and keys in shares: unlocking, splitting a key so that nobody can alone, joining it.

use std::path::{Path, PathBuf};

use alloy::{hex, signers::local::PrivateKeySigner};
use ring_key::{
    share::{self, Gathering, KeyShare, ShareError},
    unlock::{self, Status, UnlockError},
};
use ring_keystore::files::{self, FileError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    cli::UnlockArgs,
    secret::{self, SecretError},
};

/// Why nothing was unlocked or split.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The variants that only pass on say nothing of their own.
pub enum SharingError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// What should be a share is none.
    #[error("{path}: {reason}", path = path.display())]
    Share {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ShareError,
    },
    /// Some are missing.
    #[error("these are {there} shares, and {needed} make the key: give --share for each")]
    TooFew {
        /// How many were given.
        there: usize,
        /// How many are needed.
        needed: u8,
    },
    /// Not so many shares.
    #[error(transparent)]
    Count(ShareError),
}

/// What is done at a relayer's socket.
pub(crate) async fn run(
    args: &UnlockArgs,
    open: impl FnOnce(&Path) -> Result<PrivateKeySigner, crate::error::Error>,
) -> Result<Status, crate::error::Error> {
    let (socket, seconds) = (&args.socket, args.valid_for.map(|span| span.as_secs()));
    let done = match (&args.keystore, &args.share) {
        (Some(keystore), _) => {
            let key = open(keystore)?;
            let digits = SecretString::from(hex::encode(Zeroizing::new(key.to_bytes().0)));
            unlock::unlock(socket, &digits, seconds).await
        }
        (None, Some(path)) => {
            let text = secret::from_file(path).map_err(SharingError::from)?;
            let share: Result<KeyShare, _> = text.expose_secret().parse();
            let share = share.map_err(|reason| SharingError::Share { path: path.clone(), reason })?;
            unlock::give_share(socket, &share, seconds).await
        }
        (None, None) if args.lock => unlock::lock(socket).await,
        (None, None) => unlock::status(socket).await,
    };
    Ok(done.map_err(SharingError::from)?)
}

/// How a key in memory is, for people.
pub(crate) fn in_words(status: &Status) -> String {
    let key = format!("the key of {}", status.address);
    match (status.seconds_left, status.shares_needed) {
        (Some(seconds), _) => format!("{key} is unlocked for {}", in_hours(seconds)),
        (None, None) => format!("{key} is locked"),
        (None, Some(needed)) if status.shares.is_empty() => format!("{key} is locked, and {needed} shares are needed"),
        (None, Some(needed)) => {
            let there: Vec<String> = status.shares.iter().map(u8::to_string).collect();
            format!("{key} is locked; of {needed} shares that are needed these are there: {}", there.join(", "))
        }
    }
}

fn in_hours(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The key of these shares, as many as are needed or more.
pub(crate) fn join(paths: &[PathBuf]) -> Result<PrivateKeySigner, SharingError> {
    let mut gathering: Option<Gathering> = None;
    for path in paths {
        let wrong = |reason| SharingError::Share { path: path.clone(), reason };
        let share: KeyShare = secret::from_file(path)?.expose_secret().parse().map_err(wrong)?;
        let gathering = gathering.get_or_insert_with(|| Gathering::new(share.address(), share.threshold()));
        match gathering.add(share) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            // Perhaps the next one shows which of them is wrong.
            Err(ShareError::Wrong(_)) if path != &paths[paths.len() - 1] => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    let needed = gathering.map_or(2, |gathering| gathering.threshold());
    Err(SharingError::TooFew { there: paths.len(), needed })
}

/// Files with the shares of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shares {
    address: alloy::primitives::Address,
    threshold: u8,
    files: Vec<PathBuf>,
}

/// Splits a key, each share into a new file of its own: all of them, or none.
pub(crate) fn split(key: &PrivateKeySigner, threshold: u8, count: u8, out: &Path) -> Result<Shares, SharingError> {
    let shares = share::split(key, threshold, count).map_err(SharingError::Count)?;
    let path = |share: &KeyShare| {
        let mut name = out.as_os_str().to_owned();
        name.push(format!("-{}.share", share.number()));
        PathBuf::from(name)
    };
    shares.iter().try_for_each(|share| files::check_absent(&path(share)))?;
    let mut written = Vec::new();
    for share in &shares {
        let text = Zeroizing::new(format!("{}\n", share.to_text().as_str()));
        if let Err(error) = files::write_new(&path(share), text.as_bytes()) {
            // Some shares without the others would only be found later.
            written.iter().for_each(|path: &PathBuf| drop(std::fs::remove_file(path)));
            return Err(error.into());
        }
        written.push(path(share));
    }
    Ok(Shares { address: key.address(), threshold, files: written })
}

impl Shares {
    /// For people.
    pub(crate) fn in_words(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        format!(
            "{} shares of the key of {}, any {} of which make it: {}\nGive each to another person or host, and delete it here; the \
             keystore, too, once they were tried.",
            files.len(),
            self.address,
            self.threshold,
            files.join(", ")
        )
    }
}
