//! A ring of real relayer processes on a real chain, for one test at a time: each takes all that a small machine has.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::Address;
use ring_anvil::{
    Backend, Books, Custody, Policy, Programs, Progress, deadline,
    demo::{Plan, RING, Stage, View},
    install_tls,
    orders::Order,
};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    task::JoinHandle,
};

/// How long anything may take here before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// How long requests are valid.
const VALIDITY: u64 = 7 * 86_400;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A ring that runs, and its backend.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) backend: Backend,
    pub(crate) progress: Arc<Progress>,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// A ring of `seats` with this window and quorum, and orders to pay.
    pub(crate) async fn new(seats: usize, window: usize, quorum: usize, orders: u64) -> Self {
        Self::with_keys(seats, window, quorum, orders, Vec::new()).await
    }

    /// The same, with the seats' keys held in these ways.
    pub(crate) async fn with_keys(
        seats: usize,
        window: usize,
        quorum: usize,
        orders: u64,
        custody: Vec<Custody>,
    ) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        install_tls();
        let programs = Programs::find().expect("run `make setup` and `cargo build -p ring-relayer -p ring-keys`");
        let folder = TempDir::new().unwrap();
        let plan = Plan { seats, window, quorum, orders, custody, folder: folder.path().join("world") };
        let stage = Stage::set(plan, &programs, &View::new()).await.unwrap();
        let backend = Backend {
            requester: stage.requester.open().unwrap(),
            domain: stage.deployment.domain,
            ring: RING,
            token: stage.deployment.token,
            expiry: stage.deployment.time().await.unwrap() + VALIDITY,
        };
        let progress = Progress::new(&stage.orders);
        Self { stage, backend, progress, _folder: folder, _turn: turn }
    }

    /// Lets the backend pay all orders in the background, posting to whichever relayer answers.
    pub(crate) fn start_paying(&self) -> JoinHandle<eyre::Result<()>> {
        let (backend, orders, progress) = (self.backend.clone(), self.stage.orders.clone(), self.progress.clone());
        let (sender, relayers) = watch::channel(self.stage.ring.clients().unwrap());
        tokio::spawn(async move {
            let paid = backend.pay(&orders, relayers, &progress).await;
            drop(sender);
            paid
        })
    }

    /// Changes the rules of all seats, and starts them again.
    pub(crate) async fn change_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        self.stage.ring.stop().await;
        self.stage.ring.reconfigure(|settings| change(&mut settings.policy)).unwrap();
        self.stage.ring.start().unwrap();
        self.stage.ring.wait_ready(PATIENCE).await.unwrap();
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFnMut() -> eyre::Result<bool>) {
        deadline::until(what, PATIENCE, LOOK, holds).await.unwrap();
    }

    /// The books by the chain alone: every order paid exactly once.
    pub(crate) async fn assert_each_paid_once(&self, orders: &[Order]) {
        let payments = self.stage.deployment.payments().await.unwrap();
        let books = Books::compare(orders, &payments, Address::ZERO);
        assert!(books.balance(), "{books:?}");
        assert_eq!(books.paid.len(), orders.len());
    }

    pub(crate) fn relayer(&self) -> PathBuf {
        Programs::find().unwrap().relayer
    }
}
