//! Unlocking a key in memory over a socket of this host: one question and one answer, each a line of JSON.
//!
//! The socket is for the user of the process and for root, which the kernel says of whoever connects; over the network nobody
//! reaches it but through a login on the host.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::Address;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    time::Instant,
};
use zeroize::Zeroizing;

use crate::{
    KeyError,
    memory::{Lease, MemoryKey, PlaceRef, Working},
    share::{Gathering, KeyShare},
};

/// No question is longer.
const MOST_BYTES: u64 = 4_096;
/// How long a question may take to be asked, and to be answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long shares wait for the others.
const GATHERING: Duration = Duration::from_secs(15 * 60);

/// What can be asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Question {
    /// How things are.
    Status,
    /// Forget the key, and shares.
    Lock,
    /// Here is the key: 64 hexadecimal digits.
    #[serde(rename_all = "camelCase")]
    Unlock { key: SecretString, seconds: Option<u64> },
    /// Here is a share of it.
    #[serde(rename_all = "camelCase")]
    Share { text: SecretString, seconds: Option<u64> },
}

/// How a key in memory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whose key it is.
    pub address: Address,
    /// How long it stays, in seconds. `None`: it is locked.
    pub seconds_left: Option<u64>,
    /// The numbers of the shares that are there.
    pub shares: Vec<u8>,
    /// How many shares are needed. `None`: the key is given whole.
    pub shares_needed: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Done(Status),
    Refused(String),
}

/// Why a process was not unlocked.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// Nobody is there.
    #[error("{socket} cannot be asked: {why}; is the seat running, and are you its user or root?", socket = socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
    /// It does not take what it was given.
    #[error("{0}")]
    Refused(String),
}

struct Server {
    listener: UnixListener,
    /// This process's user.
    own: u32,
    door: Arc<Door>,
}

struct Door {
    key: PlaceRef,
    threshold: Option<u8>,
    gathering: Mutex<Option<(Gathering, Instant)>>,
    address: Address,
}

/// Lets the key be unlocked at its socket, for `longest` at most, and wipes it in time; both as long as the key has a use. A socket
/// that nobody serves any more is replaced. With a threshold, the key is made of so many shares, and not taken whole. What is
/// so already stays.
///
/// # Errors
/// The socket cannot be made, or somebody else serves it.
pub async fn serve(key: &MemoryKey, threshold: Option<u8>, longest: Duration) -> io::Result<()> {
    key.allow(longest);
    let is_so = |working: &Working| working.threshold == threshold;
    if key.working().as_ref().is_some_and(is_so) {
        return Ok(());
    }
    // It listens at the same path.
    drop(key.working().take());
    let socket = key.socket();
    let server = Server::bind(socket, key, threshold).await?;
    let tasks = [tokio::spawn(server.run()), tokio::spawn(key.downgrade().expire())].map(|task| task.abort_handle());
    *key.working() = Some(Working { socket: socket.to_owned(), threshold, tasks });
    Ok(())
}

impl Server {
    async fn bind(socket: &Path, key: &MemoryKey, threshold: Option<u8>) -> io::Result<Self> {
        if socket.exists() {
            if UnixStream::connect(socket).await.is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process serves it"));
            }
            std::fs::remove_file(socket)?;
        }
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        let (address, key) = (crate::Key::address(key), key.downgrade());
        // Asked now: the process may soon be one that can ask for little (seccomp).
        let own = rustix::process::geteuid().as_raw();
        Ok(Self { listener, own, door: Arc::new(Door { key, threshold, gathering: Mutex::default(), address }) })
    }

    async fn run(self) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Too many files are open, or the like: it passes.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == self.own || peer.uid() == 0 => {
                    let door = self.door.clone();
                    tokio::spawn(async move { tokio::time::timeout(PATIENCE, talk(stream, &door)).await });
                }
                peer => tracing::warn!(?peer, "somebody else than this process's user asked to unlock the key"),
            }
        }
    }
}

async fn talk(stream: UnixStream, door: &Door) {
    let (read, mut write) = stream.into_split();
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize));
    if BufReader::with_capacity(1, read).take(MOST_BYTES).read_until(b'\n', &mut line).await.is_err() {
        return;
    }
    let answer = match serde_json::from_slice(&line) {
        Ok(question) => match door.answer(question) {
            Ok(status) => Answer::Done(status),
            Err(why) => {
                tracing::warn!(why, "the key was not unlocked");
                Answer::Refused(why)
            }
        },
        // The error could quote what was read.
        Err(_) => Answer::Refused("this is no question: use the `ring-keys` of this version".to_owned()),
    };
    let mut text = serde_json::to_vec(&answer).unwrap_or_default();
    text.push(b'\n');
    // Whoever hung up asks again.
    let _ = write.write_all(&text).await;
}

impl Door {
    fn answer(&self, question: Question) -> Result<Status, String> {
        match question {
            Question::Status => {}
            Question::Lock => {
                self.key()?.lock();
                *self.gathering() = None;
                tracing::warn!(address = %self.address, "the key was locked");
            }
            Question::Unlock { .. } if self.threshold.is_some() => {
                return Err("this key is made of shares, and not taken whole: give a share".to_owned());
            }
            Question::Share { .. } if self.threshold.is_none() => {
                return Err("this key is taken whole, and not made of shares: give its keystore".to_owned());
            }
            Question::Unlock { key, seconds } => {
                let key = ring_keystore::from_hexadecimal(&key).map_err(|error| error.to_string())?;
                self.unlock(key, seconds)?;
            }
            Question::Share { text, seconds } => {
                let share: KeyShare =
                    text.expose_secret().parse().map_err(|error: crate::share::ShareError| error.to_string())?;
                let mut gathering = self.gathering();
                gathering.take_if(|(_, since)| since.elapsed() > GATHERING);
                let threshold = self.threshold.unwrap_or_default();
                let (shares, _) =
                    gathering.get_or_insert_with(|| (Gathering::new(self.address, threshold), Instant::now()));
                if let Some(key) = shares.add(share).map_err(|error| error.to_string())? {
                    *gathering = None;
                    drop(gathering);
                    self.unlock(key, seconds)?;
                }
            }
        }
        self.status()
    }

    fn key(&self) -> Result<MemoryKey, String> {
        self.key.key().ok_or_else(|| "the seat has ended".to_owned())
    }

    fn unlock(&self, key: alloy::signers::local::PrivateKeySigner, seconds: Option<u64>) -> Result<(), String> {
        let left = self.key()?.unlock(key, seconds.map(Duration::from_secs)).map_err(|error| match error {
            KeyError::Refused { why, .. } => why,
            other => other.to_string(),
        })?;
        tracing::info!(address = %self.address, seconds = left.as_secs(), "the key was unlocked");
        Ok(())
    }

    fn status(&self) -> Result<Status, String> {
        let seconds_left = match self.key()?.look() {
            Lease::Locked => None,
            Lease::Unlocked { left } => Some(left.as_secs()),
        };
        let shares = self.gathering().as_ref().map(|(gathering, _)| gathering.numbers()).unwrap_or_default();
        Ok(Status { address: self.address, seconds_left, shares, shares_needed: self.threshold })
    }

    fn gathering(&self) -> std::sync::MutexGuard<'_, Option<(Gathering, Instant)>> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the key is.
///
/// # Errors
/// `Unreachable`, `Refused`.
pub async fn status(socket: &Path) -> Result<Status, UnlockError> {
    ask(socket, "\"status\"").await
}

/// Has the key wiped.
///
/// # Errors
/// `Unreachable`, `Refused`.
pub async fn lock(socket: &Path) -> Result<Status, UnlockError> {
    ask(socket, "\"lock\"").await
}

/// Gives the key, as 64 hexadecimal digits, for so long or as long as is allowed.
///
/// # Errors
/// `Unreachable`, `Refused`.
pub async fn unlock(socket: &Path, key: &SecretString, seconds: Option<u64>) -> Result<Status, UnlockError> {
    let key = quoted(key.expose_secret());
    ask(socket, &Zeroizing::new(format!("{{\"unlock\":{{\"key\":{},\"seconds\":{}}}}}", *key, number(seconds)))).await
}

/// Gives a share of the key.
///
/// # Errors
/// `Unreachable`, `Refused`.
pub async fn give_share(socket: &Path, share: &KeyShare, seconds: Option<u64>) -> Result<Status, UnlockError> {
    let text = quoted(&share.to_text());
    ask(socket, &Zeroizing::new(format!("{{\"share\":{{\"text\":{},\"seconds\":{}}}}}", *text, number(seconds)))).await
}

fn quoted(text: &str) -> Zeroizing<String> {
    Zeroizing::new(serde_json::Value::from(text).to_string())
}

fn number(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "null".to_owned(), |seconds| seconds.to_string())
}

async fn ask(socket: &Path, question: &str) -> Result<Status, UnlockError> {
    let unreachable = |why: String| UnlockError::Unreachable { socket: socket.to_owned(), why };
    let asked = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(question.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| unreachable(error.to_string()))?,
        Err(_) => return Err(unreachable("no answer".to_owned())),
    };
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done(status)) => Ok(status),
        Ok(Answer::Refused(why)) => Err(UnlockError::Refused(why)),
        Err(_) => Err(unreachable("it hung up: this is not its user, or no such socket".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use alloy::{hex, signers::local::PrivateKeySigner};

    use super::*;
    use crate::share::split;

    const LEASE: Duration = Duration::from_secs(3_600);

    fn signer(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_slice(&[byte; 32]).unwrap()
    }

    fn secret(signer: &PrivateKeySigner) -> SecretString {
        SecretString::from(hex::encode(signer.to_bytes()))
    }

    async fn served(byte: u8, threshold: Option<u8>) -> (tempfile::TempDir, PathBuf, MemoryKey) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("unlock.sock");
        let key = MemoryKey::of(signer(byte).address(), &socket);
        serve(&key, threshold, LEASE).await.unwrap();
        (folder, socket, key)
    }

    #[tokio::test]
    async fn a_key_is_unlocked_for_no_longer_than_allowed_and_locked_again() {
        let (_folder, socket, key) = served(21, None).await;
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(status(&socket).await.unwrap().seconds_left, None);
        let wrong = unlock(&socket, &secret(&signer(20)), None).await.unwrap_err();
        assert!(wrong.to_string().contains(&signer(20).address().to_string()), "{wrong}");
        assert!(matches!(unlock(&socket, &SecretString::from("1234"), None).await, Err(UnlockError::Refused(_))));
        let left = unlock(&socket, &secret(&signer(21)), Some(u64::MAX)).await.unwrap().seconds_left.unwrap();
        assert!((3_590..=3_600).contains(&left), "{left}");
        assert!(matches!(key.look(), Lease::Unlocked { .. }));
        assert_eq!(lock(&socket).await.unwrap().seconds_left, None);
        assert_eq!(key.look(), Lease::Locked);
        let share = split(&signer(21), 2, 2).unwrap().remove(0);
        assert!(matches!(give_share(&socket, &share, None).await, Err(UnlockError::Refused(_))));
    }

    #[tokio::test]
    async fn shares_from_several_people_make_the_key_and_wrong_ones_are_named() {
        let (_folder, socket, key) = served(22, Some(2)).await;
        let shares = split(&signer(22), 2, 3).unwrap();
        assert!(matches!(unlock(&socket, &secret(&signer(22)), None).await, Err(UnlockError::Refused(_))));
        let first = give_share(&socket, &shares[2], None).await.unwrap();
        assert_eq!((first.shares, first.shares_needed, first.seconds_left), (vec![3], Some(2), None));
        let doubled = give_share(&socket, &shares[2], None).await.unwrap_err();
        assert!(doubled.to_string().contains("share 3 is there already"), "{doubled}");
        assert_eq!(key.look(), Lease::Locked);
        let second = give_share(&socket, &shares[0], Some(60)).await.unwrap();
        assert!(second.seconds_left.unwrap() <= 60 && second.shares.is_empty(), "{second:?}");
    }

    #[tokio::test]
    async fn a_socket_that_is_served_is_not_taken_and_one_left_over_is() {
        let (folder, socket, key) = served(23, None).await;
        serve(&key, None, LEASE).await.unwrap();
        assert!(Server::bind(&socket, &key, None).await.is_err(), "by another process");
        serve(&key, Some(2), LEASE).await.unwrap();
        assert_eq!(status(&socket).await.unwrap().shares_needed, Some(2));
        let left_over = folder.path().join("left-over.sock");
        drop(std::os::unix::net::UnixListener::bind(&left_over).unwrap());
        drop(key);
        assert!(!socket.exists());
        let key = MemoryKey::of(signer(23).address(), &left_over);
        serve(&key, None, LEASE).await.unwrap();
        drop(key);
        assert!(!left_over.exists(), "nobody has use for the key any more");
    }

    #[tokio::test]
    async fn nonsense_unlocks_nothing_and_is_not_repeated() {
        let (_folder, socket, key) = served(24, None).await;
        for nonsense in ["", "{}", "\"open\"", "{\"unlock\":{}}", "{\"unlock\":{\"key\":7}}", &"x".repeat(10_000)] {
            match ask(&socket, nonsense).await {
                Err(UnlockError::Refused(why)) => assert!(!why.contains("xxx") && !why.contains('7'), "{why}"),
                Err(UnlockError::Unreachable { .. }) => {}
                Ok(status) => panic!("{nonsense}: {status:?}"),
            }
        }
        assert_eq!(key.look(), Lease::Locked);
    }
}
