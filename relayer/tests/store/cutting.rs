//! A way to a server that is cut when somebody commits.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

/// When the way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    Never = 0,
    /// The server never hears of the commit.
    Before = 1,
    /// It does, and its answer is lost.
    After = 2,
}

/// Everything that goes to the server and comes back passes here.
pub(crate) struct Way {
    pub(crate) port: u16,
    cut: Arc<AtomicU8>,
}

impl Way {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU8::new(Cut::Never as u8)));
        let when = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (back, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here) = (when.clone(), when.clone());
                thread::spawn(move || forward(client, server, |bytes| there_it_is(bytes, &there)));
                thread::spawn(move || {
                    forward(back, to, |_| (here.load(Ordering::SeqCst) == LOST).then_some(Cut::Before))
                });
            }
        });
        Self { port, cut }
    }

    /// Cuts the way at the next commit.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }
}

/// The commit has gone through, and nothing comes back.
const LOST: u8 = 3;

fn there_it_is(bytes: &[u8], cut: &AtomicU8) -> Option<Cut> {
    if !bytes.windows(6).any(|word| word == b"COMMIT") {
        return None;
    }
    match cut.load(Ordering::SeqCst) {
        1 => Some(Cut::Before),
        2 => {
            cut.store(LOST, Ordering::SeqCst);
            None
        }
        _ => None,
    }
}

/// Until one side ends, or is cut before what it says gets through.
fn forward(mut from: TcpStream, mut to: TcpStream, cut: impl Fn(&[u8]) -> Option<Cut>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if cut(&buffer[..length]).is_some() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
