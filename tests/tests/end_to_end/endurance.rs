//! What the tests have in common that kill processes for long: a chain that is quick, one order after the other, and the end.

use std::{sync::Arc, time::Duration};

use alloy::{
    providers::{DynProvider, Provider, ext::AnvilApi},
    rpc::types::anvil::ReorgOptions,
};
use ring_anvil::{Books, Client, Order, Progress, Stage as Phase, deadline, demo::RING};
use tokio::{
    sync::{Mutex, watch},
    task::{AbortHandle, JoinHandle},
};

use crate::world::{LOOK, PATIENCE, World};

/// How often there is a block.
const BLOCK: Duration = Duration::from_millis(150);

/// Makes blocks until it is dropped. The chain's clock goes several times too fast under it.
pub(crate) struct Miner {
    mining: AbortHandle,
    /// Anvil does not make a block and a reorganisation one after the other by itself: done at once they leave it with logs of
    /// turns that its state never had.
    chain: Arc<Mutex<DynProvider>>,
}

impl Miner {
    /// The only one to make blocks from now on.
    pub(crate) async fn start(world: &World) -> Self {
        let provider = world.stage.chain.provider().clone();
        provider.anvil_set_interval_mining(0).await.unwrap();
        let chain = Arc::new(Mutex::new(provider.erased()));
        let mined = chain.clone();
        let mining = tokio::spawn(async move {
            let mut next = tokio::time::interval(BLOCK);
            loop {
                next.tick().await;
                let _ = mined.lock().await.evm_mine(None).await;
            }
        });
        Self { mining: mining.abort_handle(), chain }
    }

    /// Takes the newest block back, which is not final yet (one slot an epoch). Returns whether that could be done.
    pub(crate) async fn reorganise(&self) -> bool {
        let options = ReorgOptions { depth: 1, tx_block_pairs: Vec::new() };
        self.chain.lock().await.anvil_reorg(options).await.is_ok()
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.mining.abort();
    }
}

impl World {
    /// A ring of three, of whose windows of two both have to sign, that is in no hurry to give a turn up.
    pub(crate) async fn enduring(orders: u64, calls: usize) -> Self {
        let mut world = Self::new(3, 2, 2, orders).await;
        world
            .change_policy(|policy| {
                policy.validity_seconds = Some(3_600);
                policy.max_calls = Some(calls);
                policy.tick_ms = Some(50);
                policy.patience_ticks = Some(30);
                policy.grace_ticks = Some(600);
            })
            .await;
        world
    }

    /// Lets the backend pay these orders by these relayers in the background.
    pub(crate) fn pay(
        &self,
        orders: Vec<Order>,
        clients: Vec<Client>,
    ) -> (Arc<Progress>, JoinHandle<eyre::Result<()>>) {
        let (backend, progress) = (self.backend.clone(), Progress::new(&orders));
        let (sender, relayers) = watch::channel(clients);
        let shown = progress.clone();
        let paying = tokio::spawn(async move {
            let paid = backend.pay(&orders, relayers, &shown).await;
            drop(sender);
            paid
        });
        (progress, paying)
    }

    /// Waits until some seat says that all these are executed.
    pub(crate) async fn until_executed(&self, orders: &[Order]) {
        let clients = self.stage.ring.clients().unwrap();
        for order in orders {
            let executed = deadline::until("an order is executed", PATIENCE, LOOK, async || {
                for client in &clients {
                    let status = client.status(order.request_id()).await.ok().flatten();
                    if status.is_some_and(|status| matches!(status.stage, Phase::Executed | Phase::Final)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            });
            executed.await.unwrap();
        }
    }

    /// Waits until some seat says that all these are final.
    pub(crate) async fn until_final(&self, orders: &[Order]) {
        let Some(last) = orders.last() else { return };
        let clients = self.stage.ring.clients().unwrap();
        let done = deadline::until("the last order is final", PATIENCE, LOOK, async || {
            let status = clients[1].status(last.request_id()).await.ok().flatten();
            Ok(status.is_some_and(|status| status.stage == Phase::Final))
        });
        done.await.unwrap();
    }

    /// How everybody is, for whoever has to find out why nothing happens.
    pub(crate) async fn story(&self) -> String {
        let mut story = format!("{:?}\n", self.stage.deployment.ring(RING).await);
        for seat in self.stage.ring.seats() {
            let health = reqwest::get(format!("{}/v1/health", seat.url())).await;
            let health = match health {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            let log = std::fs::read_to_string(seat.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(25)..].join("\n");
            story += &format!("seat {}: {health}\n{last}\n", seat.index());
        }
        story
    }

    /// Nobody has halted, neither a seat nor the ring, and each of these orders was paid exactly once.
    pub(crate) async fn assert_all_is_well(&mut self, orders: &[Order]) {
        self.stage.ring.revive().unwrap();
        self.stage.ring.wait_ready(PATIENCE).await.unwrap();
        for client in self.stage.ring.clients().unwrap() {
            let health = client.health().await.unwrap();
            assert!(health.halted.is_none(), "seat {} halted: {:?}", health.seat, health.halted_because);
        }
        assert!(!self.stage.deployment.ring(RING).await.unwrap().halted, "the ring is halted on chain");
        let payments = self.stage.deployment.payments().await.unwrap();
        let books = Books::compare(orders, &payments, alloy::primitives::Address::ZERO);
        assert!(books.balance() && books.paid.len() == orders.len(), "{books:?}");
    }
}
