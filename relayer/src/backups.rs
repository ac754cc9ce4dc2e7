//! Backups of a seat that runs: regularly, and when somebody asks for one.
//!
//! The driver has its store, so it says from where to copy, and goes on; everything else happens on a thread of its own. Old
//! backups go once there is a new one of which every record was read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::{
    sync::{Mutex, oneshot},
    time::sleep,
};
use tracing::{error, info, warn};

use crate::{
    driver::{Handle, Stopped},
    metrics::SeatMetrics,
    store::{Snapshot, StoreError, UNFINISHED},
};

/// After how long a backup that failed is tried again.
const RETRY: Duration = Duration::from_secs(15 * 60);
/// How often at least the clock is looked at: it may be set, and the machine may have slept.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// What a backup is called at its end.
const ENDING: &str = ".sqlite";

/// Where backups go, how often, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The folder.
    pub folder: PathBuf,
    /// How often one is made. `None`: only when somebody asks for one.
    pub every: Option<Duration>,
    /// How many stay there, at least one.
    pub keep: usize,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Where it is.
    pub file: PathBuf,
    /// How many records of the journal it has.
    pub records: i64,
}

/// Why there is no new backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One is being made.
    #[error("a backup is being made: wait for it")]
    Busy,
    /// The store, or the folder of the backups.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is ending.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Makes the backups of a seat.
#[derive(Debug)]
pub struct Backups {
    archive: Archive,
    /// What the names of this seat's backups begin with; the time of each follows, in Unix seconds.
    prefix: String,
    handle: Handle,
    metrics: SeatMetrics,
    making: Arc<Mutex<()>>,
}

impl Backups {
    /// Those of a seat of a ring.
    pub fn new(archive: Archive, ring: u32, seat: usize, handle: Handle, metrics: SeatMetrics) -> Self {
        let prefix = format!("ring-{ring}-seat-{seat}-");
        Self { archive, prefix, handle, metrics, making: Arc::default() }
    }

    /// Makes them regularly, if that is wanted, until the driver stops.
    pub async fn run(self: Arc<Self>) {
        self.note();
        let Some(every) = self.archive.every else { return std::future::pending().await };
        let mut is_told = false;
        loop {
            let left = left(self.newest(), now(), every);
            if !left.is_zero() {
                sleep(left.min(LOOK)).await;
                continue;
            }
            match self.make().await {
                Ok(_) => is_told = false,
                Err(BackupError::Stopped(_)) => return,
                Err(BackupError::Busy) => sleep(LOOK).await,
                Err(BackupError::Store(error)) => {
                    let reason = format!("there is no new backup of the store: {error}");
                    let told = match std::mem::replace(&mut is_told, true) {
                        false => self.handle.raise(reason).await,
                        true => {
                            error!("{reason}");
                            Ok(())
                        }
                    };
                    if told.is_err() {
                        return;
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Makes one now.
    ///
    /// # Errors
    /// One is being made; it cannot be copied or written; the driver has stopped.
    pub async fn make(&self) -> Result<Backup, BackupError> {
        let making = self.making.clone().try_lock_owned().map_err(|_| BackupError::Busy)?;
        let snapshot = self.handle.snapshot().await??;
        let (file, archive, prefix) = (self.file(now()), self.archive.clone(), self.prefix.clone());
        let (done, made) = oneshot::channel();
        let work = move || {
            // Held for as long as this takes, whoever waits for it: also if nobody does any more.
            let _making = making;
            let _ = done.send(copy(snapshot, file, &archive, &prefix));
        };
        // Not one of the runtime's: the process does not wait for it when it ends. What is unfinished goes next time.
        let started = thread::Builder::new().name("backup".into()).spawn(work);
        started.map_err(|error| StoreError::File { path: self.archive.folder.clone(), error })?;
        let made = made.await.map_err(|_| Stopped)?;
        self.note();
        Ok(made?)
    }

    fn file(&self, time: Duration) -> PathBuf {
        self.archive.folder.join(format!("{}{}{ENDING}", self.prefix, time.as_secs()))
    }

    fn note(&self) {
        self.metrics.note_backups(self.newest(), self.archive.every);
    }

    /// When the newest backup was made, in the time since 1970.
    fn newest(&self) -> Option<Duration> {
        let all = existing(&self.archive.folder, &self.prefix).ok()?;
        all.last().map(|(time, _)| Duration::from_secs(*time))
    }
}

/// How long there is until the next backup. One from the future says that the clock was set: then it is time.
fn left(newest: Option<Duration>, now: Duration, every: Duration) -> Duration {
    let age = newest.and_then(|newest| now.checked_sub(newest));
    age.map_or(Duration::ZERO, |age| every.saturating_sub(age))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn copy(snapshot: Snapshot, file: PathBuf, archive: &Archive, prefix: &str) -> Result<Backup, StoreError> {
    // Left over by a process that ended in the middle: nobody else makes any here now.
    for unfinished in names(&archive.folder).into_iter().flatten() {
        if unfinished.starts_with(prefix) && unfinished.contains(UNFINISHED) {
            remove(&archive.folder.join(unfinished));
        }
    }
    let records = snapshot.copy_to(&file)?;
    info!(file = %file.display(), records, "a backup of the store was made");
    match existing(&archive.folder, prefix) {
        Ok(all) => all.iter().rev().skip(archive.keep).for_each(|(_, old)| remove(old)),
        Err(error) => warn!(%error, "old backups stay: their folder cannot be read"),
    }
    Ok(Backup { file, records })
}

/// The finished backups in a folder, by their times.
fn existing(folder: &Path, prefix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let time = |name: &str| name.strip_prefix(prefix)?.strip_suffix(ENDING)?.parse::<u64>().ok();
    let mut all: Vec<_> =
        names(folder)?.into_iter().filter_map(|name| Some((time(&name)?, folder.join(name)))).collect();
    all.sort_unstable();
    Ok(all)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
        .collect()
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => info!(file = %file.display(), "an old backup was deleted"),
        Err(error) => warn!(%error, file = %file.display(), "an old backup cannot be deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_when_there_is_none_when_the_last_is_old_and_when_the_clock_was_set_back() {
        let [every, now] = [3_600, 100_000].map(Duration::from_secs);
        let left = |newest: u64| left(Some(Duration::from_secs(newest)), now, every).as_secs();
        assert_eq!([100_000, 99_000, 96_401, 96_400, 5, 100_001].map(left), [3_600, 2_600, 1, 0, 0, 0]);
        assert_eq!(super::left(None, now, every), Duration::ZERO);
    }
}
