//! A connection of whoever may ask, and how long it is listened to.

#[cfg(feature = "tls")]
use std::net::TcpStream;
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// A connection whose other end is known.
#[derive(Debug)]
pub enum Connection {
    /// A socket whose bytes are the messages: it can be handed to another process.
    Plain(Timed<UnixStream>),
    /// TLS, which only this process can speak.
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ServerConnection, Timed<TcpStream>>>),
}

impl Connection {
    /// Reads and writes so long from now on and no longer, however slowly the bytes go.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        let until = Instant::now() + patience;
        match self {
            Self::Plain(stream) => stream.until = until,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.until = until,
        }
        self
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A stream until a time.
#[derive(Debug)]
pub struct Timed<S> {
    stream: S,
    until: Instant,
}

impl<S: Bounded> Timed<S> {
    /// From now on.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, until: Instant::now() + patience }
    }

    /// The stream, for somebody else.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// A call that ends in time.
    fn call<T>(&mut self, call: impl FnOnce(&mut S) -> io::Result<T>) -> io::Result<T> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the other side took too long");
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        self.stream.bound(left)?;
        call(&mut self.stream).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => late(),
            _ => error,
        })
    }
}

impl<S: Bounded + Read> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|stream| stream.read(buffer))
    }
}

impl<S: Bounded + Write> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A stream whose calls can be bounded in time.
pub trait Bounded {
    /// Bounds those to come, each.
    ///
    /// # Errors
    /// The system's.
    fn bound(&self, time: Duration) -> io::Result<()>;
}

impl Bounded for UnixStream {
    fn bound(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

#[cfg(feature = "tls")]
impl Bounded for TcpStream {
    fn bound(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_trickle_in_do_not_make_the_time_longer() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::Plain(Timed::new(ours, Duration::ZERO));
        // Each byte is there when it is read, and there are always more.
        let trickling = std::thread::spawn(move || while theirs.write_all(b"a").is_ok() {});
        let mut byte = [0];
        assert_eq!(connection.read(&mut byte).unwrap_err().kind(), io::ErrorKind::TimedOut, "its time is over");
        connection.within(Duration::from_secs(3_600)).read_exact(&mut byte).unwrap();
        let error = io::read_to_string(connection.within(Duration::from_millis(20))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        trickling.join().unwrap();
    }

    #[test]
    fn who_says_nothing_is_not_waited_for() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::Plain(Timed::new(ours, Duration::from_millis(20)));
        assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
