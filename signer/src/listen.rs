//! Connections: each is of the one user who may ask, and carries one question.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::net::sockopt::socket_peercred;

use crate::message::{self, Answer, MessageError, Question};

/// How long a question may take to come, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections are answered at a time; others wait.
const AT_ONCE: usize = 8;

/// The socket that is listened on.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    client_uid: u32,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be listened on: {why}", path = path.display())]
pub struct ListenError {
    path: PathBuf,
    why: io::Error,
}

impl Listener {
    /// Listens on a path, and replaces a socket there that nobody listens on any more.
    ///
    /// # Errors
    /// Somebody listens, or something else is there.
    pub fn bind(path: &Path, client_uid: u32) -> Result<Self, ListenError> {
        let failed = |why| ListenError { path: path.to_owned(), why };
        if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
            if UnixStream::connect(path).is_ok() {
                return Err(failed(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Anybody may connect; the kernel says who it is.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
        Ok(Self { listener, client_uid })
    }

    /// Has each connection of whoever may ask handled by a thread, for ever.
    pub fn serve(&self, handle: impl Fn(UnixStream) + Send + Sync + 'static) {
        let handle = Arc::new(handle);
        let places = Arc::new((Mutex::new(AT_ONCE), Condvar::new()));
        for connection in self.listener.incoming() {
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    eprintln!("a connection could not be taken: {error}");
                    // For instance no more files: others have to be closed first.
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            if let Err(why) = check_client(&connection, self.client_uid) {
                eprintln!("not answered: {why}");
                continue;
            }
            let place = Place::take(&places);
            let handle = handle.clone();
            let started = thread::Builder::new().spawn(move || {
                handle(connection);
                drop(place);
            });
            if let Err(error) = started {
                eprintln!("a connection could not be answered: {error}");
            }
        }
    }
}

/// Whether a connection is of the user who may ask.
///
/// # Errors
/// Who it is instead.
pub fn check_client(connection: &impl AsFd, client_uid: u32) -> Result<(), String> {
    match socket_peercred(connection) {
        Ok(client) if client.uid.as_raw() == client_uid => Ok(()),
        Ok(client) => Err(format!("the client is user {}, and client_uid is {client_uid}", client.uid.as_raw())),
        Err(error) => Err(format!("the client is not known: {error}")),
    }
}

/// Reads the one question of a connection, has it decided, and answers.
pub fn answer(mut connection: UnixStream, decide: impl FnOnce(Question) -> Answer) {
    if let Err(error) = try_to_answer(&mut connection, decide) {
        eprintln!("a question was not answered: {error}");
    }
}

fn try_to_answer(connection: &mut UnixStream, decide: impl FnOnce(Question) -> Answer) -> Result<(), MessageError> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let answer = match message::read(connection) {
        Ok(question) => decide(question),
        // Whoever hung up gets no answer.
        Err(MessageError::Connection(error)) => return Err(error.into()),
        Err(error) => Answer::Refused { why: error.to_string() },
    };
    if let Answer::Refused { why } | Answer::Unavailable { why } = &answer {
        eprintln!("not signed: {why}");
    }
    message::write(connection, &answer)
}

/// One of the connections that are answered at a time.
struct Place(Arc<(Mutex<usize>, Condvar)>);

impl Place {
    fn take(places: &Arc<(Mutex<usize>, Condvar)>) -> Self {
        let (free, freed) = &**places;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self(places.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (free, freed) = &*self.0;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}
