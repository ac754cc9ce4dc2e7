//! The driver's end of a watcher: takes the views, and looks each over.

use std::time::Duration;

use ring_core::ChainView;
use ring_relayer::chain::{Connection, Cursor, Disagreement, Endpoints, Watcher, WatcherSettings};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Follower {
    views: mpsc::Receiver<ChainView>,
    pub(crate) cursor: watch::Sender<Cursor>,
    pub(crate) connection: watch::Receiver<Connection>,
    task: JoinHandle<()>,
}

impl Follower {
    pub(crate) fn start(provider: Endpoints, settings: WatcherSettings, cursor: Cursor) -> Self {
        let (cursor, cursor_receiver) = watch::channel(cursor);
        let (sender, views) = mpsc::channel(1);
        let watcher = Watcher::new(provider, settings, cursor_receiver, sender);
        let connection = watcher.connection();
        Self { views, cursor, connection, task: tokio::spawn(watcher.run()) }
    }

    /// From the beginning.
    pub(crate) fn of(provider: Endpoints, settings: WatcherSettings) -> Self {
        Self::start(provider, settings, Cursor { first_open_nonce: 0, from_block: 0 })
    }

    /// The next view. Whatever the chain does, it never has a hole.
    pub(crate) async fn view(&mut self) -> ChainView {
        let view = timeout(PATIENCE, self.views.recv()).await;
        let view =
            view.unwrap_or_else(|_| panic!("no view, {:?}", self.connection.borrow())).expect("the watcher runs");
        let first = view.turns.first().map_or(view.nonce, |turn| turn.nonce);
        let nonces: Vec<u64> = view.turns.iter().map(|turn| turn.nonce).collect();
        assert_eq!(nonces, (first..view.nonce).collect::<Vec<_>>(), "a hole in the view of {:?}", view.head);
        assert!(view.final_nonce <= view.nonce && view.finalized.number <= view.head.number);
        view
    }

    /// The first view for which this is so.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&ChainView) -> bool) -> ChainView {
        let looked = timeout(PATIENCE, async {
            loop {
                let view = self.view().await;
                if is_so(&view) {
                    return view;
                }
            }
        });
        looked.await.unwrap_or_else(|_| panic!("{what} never came"))
    }

    pub(crate) async fn until_block(&mut self, number: u64) -> ChainView {
        self.until(&format!("block {number}"), |view| view.head.number >= number).await
    }

    /// Waits until the connection is at fault in this way.
    pub(crate) async fn until_fault(&mut self, part: &str) -> Connection {
        let is_at_fault = |connection: &Connection| connection.fault.as_ref().is_some_and(|fault| fault.contains(part));
        let found = timeout(PATIENCE, self.connection.wait_for(is_at_fault)).await;
        found.unwrap_or_else(|_| panic!("the fault {part:?} was never told")).expect("the watcher runs").clone()
    }

    /// The next view, or that the RPCs contradict each other.
    pub(crate) async fn view_or_disagreement(&mut self) -> Result<ChainView, Disagreement> {
        let Self { views, connection, .. } = self;
        let next = async {
            tokio::select! {
                biased;
                view = views.recv() => Ok(view.expect("the watcher runs")),
                at_odds = connection.wait_for(|connection| connection.disagreement.is_some()) => {
                    Err(at_odds.expect("the watcher runs").disagreement.clone().expect("it was just there"))
                }
            }
        };
        timeout(PATIENCE, next).await.expect("a view or a disagreement")
    }

    /// Waits until nothing is wrong with the connection.
    pub(crate) async fn until_well(&mut self) {
        let well = self.connection.wait_for(|connection| (&connection.fault, connection.failures) == (&None, 0));
        timeout(PATIENCE, well).await.expect("the fault is over").expect("the watcher runs");
    }

    /// What was sent so far.
    pub(crate) fn sent(&mut self) -> Option<ChainView> {
        self.views.try_recv().ok()
    }

    /// Nobody listens any more: the watcher ends.
    pub(crate) async fn stop(self) {
        drop(self.views);
        timeout(PATIENCE, self.task).await.expect("the watcher ends").expect("without a panic");
    }
}
