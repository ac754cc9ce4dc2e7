//! A file of SQLite's that is read while nothing is moved into it from the log.

use std::{
    cell::{OnceCell, RefCell},
    convert::Infallible,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use tokio_util::sync::CancellationToken;

use crate::store::StoreError;

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// The file, opened once more. A process that closes a file loses its locks on it, whichever of its descriptors it closes: so
/// this one stays open until SQLite has closed its own, and with it the store.
pub(super) struct Reading {
    path: PathBuf,
    file: OnceCell<Arc<File>>,
    /// The copy that is being made.
    copy: RefCell<Option<Copying>>,
}

struct Copying {
    cancel: CancellationToken,
    /// Closed when nobody reads any more.
    ended: mpsc::Receiver<Infallible>,
}

/// A database as it was when it was frozen. Whoever has it reads it; it thaws when this is dropped.
pub(in crate::store) struct Frozen {
    path: PathBuf,
    length: u64,
    file: Arc<File>,
    cancel: CancellationToken,
    // After the file: who waits for this knows that the file is not held here any more.
    _reading: mpsc::Sender<Infallible>,
}

impl Reading {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: OnceCell::new(), copy: RefCell::new(None) }
    }

    /// Reads the file from now on, as long as it is now.
    pub(super) fn begin(&self) -> Result<Frozen, StoreError> {
        let open = || -> io::Result<_> {
            let file = match self.file.get() {
                Some(file) => file.clone(),
                None => {
                    let file = Arc::new(File::open(&self.path)?);
                    self.file.get_or_init(|| file).clone()
                }
            };
            Ok((file.metadata()?.len(), file))
        };
        let (length, file) = open().map_err(|error| StoreError::File { path: self.path.clone(), error })?;
        let (cancel, (reading, ended)) = (CancellationToken::new(), mpsc::channel());
        self.copy.replace(Some(Copying { cancel: cancel.clone(), ended }));
        Ok(Frozen { path: self.path.clone(), length, file, cancel, _reading: reading })
    }

    /// Whether a copy was being made and is not any more. `at_once`: by being given up, if need be.
    pub(super) fn end(&self, at_once: bool) -> bool {
        let mut copy = self.copy.borrow_mut();
        let Some(Copying { cancel, ended }) = copy.as_ref() else { return false };
        if at_once {
            cancel.cancel();
            // Nothing is ever sent: it comes back when the other end is gone, within a chunk.
            let _ = ended.recv();
        }
        let is_over = matches!(ended.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        if is_over {
            *copy = None;
        }
        is_over
    }
}

impl Frozen {
    /// Copies it into an empty file. In small pieces, each on the medium before the next: the seat syncs to the same disk, and
    /// must not have to wait for all that is behind it in the system's memory.
    pub(in crate::store) fn copy_to(self, path: &Path) -> Result<(), StoreError> {
        let failed = |error| StoreError::File { path: path.to_owned(), error };
        let mut target = OpenOptions::new().write(true).open(path).map_err(failed)?;
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        while done < self.length {
            if self.cancel.is_cancelled() {
                let error = io::Error::new(io::ErrorKind::Interrupted, "the store is closed, or copied once more");
                return Err(StoreError::File { path: path.to_owned(), error });
            }
            let length = chunk.len().min(usize::try_from(self.length - done).unwrap_or(CHUNK));
            let chunk = &mut chunk[..length];
            let read = self.file.read_exact_at(chunk, done);
            read.map_err(|error| StoreError::File { path: self.path.clone(), error })?;
            target.write_all(chunk).and_then(|()| target.sync_data()).map_err(failed)?;
            done += length as u64;
        }
        target.sync_all().map_err(failed)
    }
}
