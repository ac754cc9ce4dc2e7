//! A connection that breaks when it is told to.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

/// How many answers are still to be lost: the question arrives, and the connection ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Arc<AtomicUsize>);

impl Losses {
    /// Loses the next so many answers.
    pub(crate) fn lose(&self, answers: usize) {
        self.0.store(answers, Ordering::SeqCst);
    }

    /// How many of those were not yet.
    pub(crate) fn left(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// Passes TCP connections on.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pub(crate) losses: Losses,
}

impl Proxy {
    /// In front of `target`, until the process ends. What comes back begins with so many pieces that are no answer yet.
    pub(crate) async fn start(target: SocketAddr, before: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, losses) = (listener.local_addr()?, Losses::default());
        let losing = losses.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let losing = losing.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    pass(client, server, losing, before).await;
                });
            }
        });
        Ok(Self { address, losses })
    }
}

/// Passes connections to a socket of this host on.
#[derive(Debug)]
pub(crate) struct UnixProxy {
    /// Where it listens.
    pub(crate) path: PathBuf,
    pub(crate) losses: Losses,
}

impl UnixProxy {
    /// At `path` in front of `target`, until the process ends.
    pub(crate) fn start(path: &Path, target: &Path) -> io::Result<Self> {
        let (listener, losses) = (UnixListener::bind(path)?, Losses::default());
        let (losing, target) = (losses.clone(), target.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (losing, target) = (losing.clone(), target.clone());
                tokio::spawn(async move {
                    let Ok(server) = UnixStream::connect(target).await else { return };
                    pass(client, server, losing, 0).await;
                });
            }
        });
        Ok(Self { path: path.to_owned(), losses })
    }
}

async fn pass<S: AsyncRead + AsyncWrite + Unpin>(mut client: S, mut server: S, losses: Losses, mut before: usize) {
    let (mut asked, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(count @ 1..) if server.write_all(&asked[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(count @ 1..)
                    if (before > 0 || !losses.take()) && client.write_all(&answered[..count]).await.is_ok() =>
                {
                    before = before.saturating_sub(1);
                }
                _ => return,
            },
        }
    }
}
