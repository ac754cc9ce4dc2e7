//! A port with TLS, for exactly one client: whoever has the pinned certificate, as it is between seats.
//!
//! Anybody can connect, and is a stranger until the handshake has shown who it is. Strangers have little time, and few of them
//! are there at once: for one more the one that has been there longest is sent away. So no number of silent ones keeps the client out
//! for longer than its own handshake is away from theirs.

use std::{
    collections::VecDeque,
    fs, io,
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring_tls::Identity;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{AT_ONCE, Connection, ListenError, Places, Tls, connection::Timed, for_ever};
use crate::{config, message::PROTOCOL};

/// How long somebody may take to show the certificate.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How many strangers are there at a time: more than the client asks at once.
const STRANGERS: usize = 64;

#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    acceptor: Acceptor,
}

impl Listener {
    pub(super) fn bind(tls: &Tls, acceptor: Acceptor) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(tls.address)?, acceptor })
    }

    pub(super) fn serve(self, handle: Arc<impl Fn(Connection) + Send + Sync + 'static>) {
        let places = Places::new(STRANGERS + AT_ONCE);
        let strangers = Strangers::default();
        for_ever(|| {
            let (stream, from) = self.listener.accept()?;
            let stranger = strangers.add(&stream)?;
            let (acceptor, handle) = (self.acceptor.clone(), handle.clone());
            places.start(move || {
                let accepted = acceptor.accept(stream);
                drop(stranger);
                match accepted {
                    Ok(connection) => handle(connection),
                    Err(error) => eprintln!("not answered: {from} is not the client: {error}"),
                }
            });
            Ok(())
        });
    }
}

/// What makes a connection of a stream.
#[derive(Clone, Debug)]
pub(super) struct Acceptor(Arc<ServerConfig>);

impl Acceptor {
    pub(super) fn open(tls: &Tls) -> Result<Self, ListenError> {
        let of = |path: &Path, why: String| ListenError::Certificate { path: path.to_owned(), why };
        let certificate = |path: &Path| {
            let pem = fs::read(path).map_err(|error| of(path, error.to_string()))?;
            ring_tls::read_certificate(&pem).map_err(|error| of(path, error.to_string()))
        };
        let key = config::read_text(&tls.private_key, true).map_err(|error| of(&tls.private_key, error.to_string()))?;
        let identity = Identity::new(certificate(&tls.certificate)?, key.as_bytes())
            .map_err(|error| of(&tls.private_key, error.to_string()))?;
        let client = certificate(&tls.client_certificate)?;
        let config = ring_tls::server(&identity, &[client], PROTOCOL)
            .map_err(|error| of(&tls.client_certificate, error.to_string()))?;
        Ok(Self(Arc::new(config)))
    }

    /// The handshake: only the client comes to its end.
    fn accept(&self, stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let mut tls = ServerConnection::new(self.0.clone()).map_err(io::Error::other)?;
        let mut stream = Timed::new(stream, HANDSHAKE);
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Connection::Tls(Box::new(StreamOwned::new(tls, stream))))
    }
}

/// Those who have not shown who they are, the oldest first.
#[derive(Clone, Debug, Default)]
struct Strangers(Arc<Mutex<There>>);

#[derive(Debug, Default)]
struct There {
    next: u64,
    streams: VecDeque<(u64, TcpStream)>,
}

impl Strangers {
    fn add(&self, stream: &TcpStream) -> io::Result<Stranger> {
        let stream = stream.try_clone()?;
        let mut there = self.there();
        let number = there.next;
        there.next += 1;
        if there.streams.len() == STRANGERS
            && let Some((_, longest)) = there.streams.pop_front()
        {
            // Its thread reads the end. What is closed already needs no end.
            let _ = longest.shutdown(Shutdown::Both);
        }
        there.streams.push_back((number, stream));
        Ok(Stranger { strangers: self.clone(), number })
    }

    fn there(&self) -> MutexGuard<'_, There> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, until this is dropped.
struct Stranger {
    strangers: Strangers,
    number: u64,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.there().streams.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn for_one_stranger_too_many_the_one_that_was_there_longest_is_sent_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let strangers = Strangers::default();
        let arrive = || {
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            theirs.set_nonblocking(true).unwrap();
            let (ours, _) = listener.accept().unwrap();
            let there = strangers.add(&ours).unwrap();
            (there, ours, theirs)
        };
        let is_there = |(_, _, theirs): &mut (Stranger, TcpStream, TcpStream)| {
            // What was shut down here is at its end there, which takes no longer than to look on one host.
            matches!(theirs.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        };
        let mut all: Vec<_> = (0..STRANGERS).map(|_| arrive()).collect();
        assert!(all.iter_mut().all(is_there));
        // Somebody has shown the certificate, or has gone.
        all.remove(7);
        all.push(arrive());
        assert!(all.iter_mut().all(is_there));
        let mut one_more = arrive();
        assert!(!is_there(&mut all[0]) && all[1..].iter_mut().all(is_there) && is_there(&mut one_more));
    }
}
