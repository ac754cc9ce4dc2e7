//! Connections: each is of the one who may ask, and carries one question. Who that is is told by the kernel (a user of this host, or
//! a virtual machine), or by a certificate (TLS).

mod connection;
#[cfg(feature = "tls")]
mod tls;
mod unix;
#[cfg(feature = "vsock")]
mod vsock;

use std::{
    fmt, io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::message::{self, Answer, MessageError, Question};

use connection::Timed;

pub use connection::Connection;

/// How long a question may take to come, and its answer to be taken.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How many connections are answered at a time; others wait.
const AT_ONCE: usize = 8;
/// The stack of a thread that answers, in bytes: there may be many, and memory is bounded.
const STACK: usize = 1 << 20;

/// Where the enclave listens, and who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket of this host.
    Unix {
        /// Where it is.
        socket: PathBuf,
        /// The user (uid) whose processes may ask.
        client_uid: u32,
    },
    /// A socket between virtual machines and their host (`AF_VSOCK`).
    #[cfg(feature = "vsock")]
    Vsock {
        /// The port.
        port: u32,
        /// The machine (CID) that may ask; 2 is the host.
        client_cid: u32,
    },
    /// A port, with TLS.
    #[cfg(feature = "tls")]
    Tls(Tls),
}

/// TLS from exactly one client.
#[cfg(feature = "tls")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The address and port.
    pub address: std::net::SocketAddr,
    /// The enclave's certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub private_key: PathBuf,
    /// The certificate of the one who may ask, in PEM.
    pub client_certificate: PathBuf,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { socket, .. } => write!(f, "{}", socket.display()),
            #[cfg(feature = "vsock")]
            Self::Vsock { port, .. } => write!(f, "vsock port {port}"),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => write!(f, "{}", tls.address),
        }
    }
}

/// What is listened on.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Unix(unix::Listener),
    #[cfg(feature = "vsock")]
    Vsock(vsock::Listener),
    #[cfg(feature = "tls")]
    Tls(tls::Listener),
}

/// Why nothing is listened on, or who is there is not answered.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The place cannot be listened on.
    #[error("{place} cannot be listened on: {why}")]
    Place {
        /// Which place.
        place: String,
        /// Why.
        why: io::Error,
    },
    /// It is somebody else.
    #[error("{0}")]
    Stranger(String),
    /// A certificate or its key.
    #[cfg(feature = "tls")]
    #[error("{path}: {why}", path = path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// `Place`: for instance another process listens there. `Certificate`.
    pub fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let failed = |why| ListenError::Place { place: listen.to_string(), why };
        Ok(Self(match listen {
            Listen::Unix { socket, client_uid } => {
                Kind::Unix(unix::Listener::bind(socket, *client_uid).map_err(failed)?)
            }
            #[cfg(feature = "vsock")]
            Listen::Vsock { port, client_cid } => {
                Kind::Vsock(vsock::Listener::bind(*port, *client_cid).map_err(failed)?)
            }
            #[cfg(feature = "tls")]
            Listen::Tls(tls) => Kind::Tls(tls::Listener::bind(tls, tls::Acceptor::open(tls)?).map_err(failed)?),
        }))
    }

    /// Has each connection of whoever may ask handled by a thread, for ever.
    pub fn serve(self, handle: impl Fn(Connection) + Send + Sync + 'static) {
        let handle = Arc::new(handle);
        match self.0 {
            Kind::Unix(listener) => serve_plain(&handle, || listener.accept()),
            #[cfg(feature = "vsock")]
            Kind::Vsock(listener) => serve_plain(&handle, || listener.accept()),
            #[cfg(feature = "tls")]
            Kind::Tls(listener) => listener.serve(handle),
        }
    }
}

/// The connection that a service manager or another process of this program has accepted, if it is of whoever may ask.
///
/// # Errors
/// `Stranger`, `Certificate`.
pub fn accepted(connection: OwnedFd, listen: &Listen) -> Result<Connection, ListenError> {
    match listen {
        Listen::Unix { client_uid, .. } => {
            unix::check_client(&connection, *client_uid).map_err(ListenError::Stranger)?;
        }
        #[cfg(feature = "vsock")]
        Listen::Vsock { client_cid, .. } => {
            vsock::check_client(&connection, *client_cid).map_err(ListenError::Stranger)?;
        }
        // The listening process has checked the certificate, and passes on what came from there. It alone is answered: nobody else
        // has this end of a pair of sockets.
        #[cfg(feature = "tls")]
        Listen::Tls(_) => {
            let own = rustix::process::geteuid().as_raw();
            unix::check_client(&connection, own).map_err(|_| {
                ListenError::Stranger("with TLS, connections are taken by `ring-signer --one-shot` itself".to_owned())
            })?;
        }
    }
    Ok(Connection::Plain(Timed::new(UnixStream::from(connection), PATIENCE)))
}

/// Reads the one question of a connection, has it decided, and answers.
pub fn answer(connection: Connection, decide: impl FnOnce(Question) -> Answer) {
    if let Err(error) = try_to_answer(connection, decide) {
        eprintln!("a question was not answered: {error}");
    }
}

fn try_to_answer(mut connection: Connection, decide: impl FnOnce(Question) -> Answer) -> Result<(), MessageError> {
    let answer = match message::read(connection.within(PATIENCE)) {
        Ok(question) => decide(question),
        // Whoever hung up gets no answer.
        Err(MessageError::Connection(error)) => return Err(error.into()),
        Err(error) => Answer::Refused { why: error.to_string() },
    };
    if let Answer::Refused { why } | Answer::Unavailable { why } = &answer {
        eprintln!("not signed: {why}");
    }
    message::write(connection.within(PATIENCE), &answer)
}

fn serve_plain(
    handle: &Arc<impl Fn(Connection) + Send + Sync + 'static>,
    accept: impl Fn() -> Result<UnixStream, Refused>,
) {
    let places = Places::new(AT_ONCE);
    for_ever(|| {
        let connection = accept()?;
        let handle = handle.clone();
        places.start(move || handle(Connection::Plain(Timed::new(connection, PATIENCE))));
        Ok(())
    });
}

/// Takes connections for ever.
fn for_ever(mut take: impl FnMut() -> Result<(), Refused>) {
    loop {
        match take() {
            Ok(()) => {}
            Err(Refused::Client(why)) => eprintln!("not answered: {why}"),
            Err(Refused::Connection(error)) => {
                eprintln!("a connection could not be taken: {error}");
                // For instance no more files: others have to be closed first.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Why a connection is not answered.
#[derive(Debug)]
enum Refused {
    Connection(io::Error),
    /// It is of somebody else.
    Client(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

/// How many connections have a thread at a time.
#[derive(Clone)]
struct Places(Arc<(Mutex<usize>, Condvar)>);

impl Places {
    fn new(places: usize) -> Self {
        Self(Arc::new((Mutex::new(places), Condvar::new())))
    }

    /// Does something in a thread, once there is a place for it.
    fn start(&self, work: impl FnOnce() + Send + 'static) {
        let place = self.take();
        let started = thread::Builder::new().stack_size(STACK).spawn(move || {
            let _place = place;
            work();
        });
        if let Err(error) = started {
            eprintln!("a connection could not be answered: {error}");
        }
    }

    fn take(&self) -> Place {
        let (free, freed) = &*self.0;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self.clone())
    }
}

/// One of them.
struct Place(Places);

impl Drop for Place {
    fn drop(&mut self) {
        let (free, freed) = &*self.0.0;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}
