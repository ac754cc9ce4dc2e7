//! A connection to Anvil that can be cut.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

pub(crate) struct Wire {
    address: String,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    is_down: Arc<AtomicBool>,
    refusals: watch::Receiver<u64>,
    listener: JoinHandle<()>,
}

impl Wire {
    /// A wire to a WebSocket.
    pub(crate) async fn to(ws: &str) -> Self {
        let target = ws.trim_start_matches("ws://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("ws://{}", listener.local_addr().expect("it is bound"));
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let is_down = Arc::<AtomicBool>::default();
        let (opened, down) = (connections.clone(), is_down.clone());
        let (refused, refusals) = watch::channel(0);
        let listener = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if down.load(SeqCst) {
                    refused.send_modify(|refusals| *refusals += 1);
                    continue;
                }
                let target = target.clone();
                let connection = tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("Anvil listens");
                    // However it ends, it has ended.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
                opened.lock().expect("no test panics in it").push(connection.abort_handle());
            }
        });
        Self { address, connections, is_down, refusals, listener }
    }

    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// Cuts all connections, and refuses new ones until it is up again.
    pub(crate) fn cut(&self) {
        self.is_down.store(true, SeqCst);
        let connections: Vec<_> = self.connections.lock().expect("no test panics in it").drain(..).collect();
        assert!(!connections.is_empty(), "nothing to cut");
        connections.iter().for_each(AbortHandle::abort);
    }

    /// Lets connections through again after having refused so many.
    pub(crate) async fn up_after(&mut self, refusals: u64) {
        let refused = timeout(Duration::from_secs(30), self.refusals.wait_for(|refused| *refused >= refusals));
        refused.await.expect("it is tried again").expect("the wire is there");
        self.is_down.store(false, SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
