//! The backend that has to pay: posts each order as a signed request, and stays with it until it is done.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{FixedBytes, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use eyre::{Result, WrapErr, bail};
use futures::{StreamExt, TryStreamExt, future::join_all};
use ring_contracts::{Address, Domain, IERC20, Request, SignedRequest};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::timeout,
};

use crate::{
    client::{Client, ClientError, Stage},
    orders::Order,
};

/// How many orders are on their way at a time, not counting those that are stuck.
const AT_ONCE: usize = 24;
/// After how many unchanged answers an order is stuck, and holds up the next no longer.
const STUCK: u32 = 20;
const ASK_AGAIN: Duration = Duration::from_millis(400);
const TRY_AGAIN: Duration = Duration::from_millis(700);
/// After how many unchanged answers the same request is posted again, to another relayer.
const UNCHANGED: u32 = 50;
/// The gas of one transfer.
const GAS: u32 = 100_000;

/// How far each order is, and what happened on the way. Shared between who pays and who looks on.
#[derive(Debug)]
pub struct Progress {
    stages: Mutex<Vec<(Option<Stage>, u128)>>,
    /// How often a relayer said that it is halted.
    refused_by_halt: AtomicU64,
    /// How often a relayer could not be reached or could not answer, for another reason.
    unavailable: AtomicU64,
}

/// The progress in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// All orders.
    pub orders: usize,
    /// Orders that a relayer has on disk.
    pub submitted: usize,
    /// Orders whose payment is in a block.
    pub executed: usize,
    /// Orders whose payment is final.
    pub done: usize,
    /// What the executed ones pay, in the token's smallest unit.
    pub amount: u128,
    /// How often a relayer said that it is halted.
    pub refused_by_halt: u64,
    /// How often a relayer could not answer for another reason.
    pub unavailable: u64,
}

impl Progress {
    /// Nothing has happened yet.
    pub fn new(orders: &[Order]) -> Arc<Self> {
        let stages = Mutex::new(orders.iter().map(|order| (None, order.amount)).collect());
        Arc::new(Self { stages, refused_by_halt: AtomicU64::new(0), unavailable: AtomicU64::new(0) })
    }

    /// The progress in figures.
    pub fn figures(&self) -> Figures {
        let stages = self.lock();
        let executed = |stage: &Option<Stage>| matches!(stage, Some(Stage::Executed | Stage::Final));
        Figures {
            orders: stages.len(),
            submitted: stages.iter().filter(|(stage, _)| stage.is_some()).count(),
            executed: stages.iter().filter(|(stage, _)| executed(stage)).count(),
            done: stages.iter().filter(|(stage, _)| *stage == Some(Stage::Final)).count(),
            amount: stages.iter().filter(|(stage, _)| executed(stage)).map(|(_, amount)| amount).sum(),
            refused_by_halt: self.refused_by_halt.load(Ordering::Relaxed),
            unavailable: self.unavailable.load(Ordering::Relaxed),
        }
    }

    fn set(&self, index: usize, stage: Stage) {
        if let Some(entry) = self.lock().get_mut(index) {
            entry.0 = Some(stage);
        }
    }

    fn count(&self, error: &ClientError) {
        let counter = if error.is_halted() { &self.refused_by_halt } else { &self.unavailable };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Option<Stage>, u128)>> {
        // Nothing panics while it holds the lock; and if it did, the numbers would still be numbers.
        self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Who pays, and what with.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Whose signature makes an order a request.
    pub requester: PrivateKeySigner,
    /// The contract and its chain.
    pub domain: Domain,
    /// Which ring pays.
    pub ring: u32,
    /// The token.
    pub token: Address,
    /// Until when a payment may be made (Unix time).
    pub expiry: u64,
}

impl Backend {
    /// The request of an order: always the same.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn request(&self, order: &Order) -> Result<SignedRequest> {
        let transfer = IERC20::transferCall { to: order.address, value: U256::from(order.amount) };
        let request = Request {
            id: order.request_id(),
            ring: self.ring,
            target: self.token,
            value: 0,
            data: transfer.abi_encode().into(),
            gas: GAS,
            expiry: self.expiry,
        };
        let signature =
            self.requester.sign_hash_sync(&request.digest(&self.domain)).wrap_err("a request is not signed")?;
        Ok(SignedRequest { request, signature: FixedBytes(signature.as_bytes()) })
    }

    /// Pays every order, many at a time, in the order of the list. Whenever `relayers` changes, what is not done yet is
    /// posted to all of them again, under the same ids.
    ///
    /// # Errors
    /// An order can never be paid as it is.
    pub async fn pay(
        &self,
        orders: &[Order],
        relayers: watch::Receiver<Vec<Client>>,
        progress: &Progress,
    ) -> Result<()> {
        let places = Semaphore::new(AT_ONCE);
        futures::stream::iter(orders.iter().enumerate())
            .map(Ok)
            .try_for_each_concurrent(None, |(index, order)| {
                let (relayers, places) = (relayers.clone(), &places);
                async move {
                    let place = places.acquire().await.wrap_err("the backend ended")?;
                    let paid = self.pay_order(index, order, relayers, progress, place).await;
                    paid.wrap_err_with(|| format!("order {} of {}", order.number, order.customer))
                }
            })
            .await
    }

    async fn pay_order(
        &self,
        index: usize,
        order: &Order,
        mut relayers: watch::Receiver<Vec<Client>>,
        progress: &Progress,
        place: SemaphorePermit<'_>,
    ) -> Result<()> {
        let request = self.request(order)?;
        let mut place = Some(place);
        let mut next = index;
        loop {
            let clients = relayers.borrow_and_update().clone();
            let Some(client) = (!clients.is_empty()).then(|| &clients[next % clients.len()]) else {
                bail!("there is no relayer to post to");
            };
            next += 1;
            match client.submit(&request).await {
                Ok(status) => progress.set(index, status.stage),
                Err(error) if error.is_temporary() => {
                    progress.count(&error);
                    // An answer may come from elsewhere; and when the relayers are others, at once.
                    let _ = timeout(TRY_AGAIN, relayers.changed()).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if self.follow(index, &request, client, &relayers, progress, &mut place).await? {
                return Ok(());
            }
            if relayers.has_changed().unwrap_or(false) {
                let all = relayers.borrow().clone();
                self.post_everywhere(&request, &all, progress).await;
            }
        }
    }

    /// Stays with a request until it is done. `false`: it is better posted again.
    async fn follow(
        &self,
        index: usize,
        request: &SignedRequest,
        client: &Client,
        relayers: &watch::Receiver<Vec<Client>>,
        progress: &Progress,
        place: &mut Option<SemaphorePermit<'_>>,
    ) -> Result<bool> {
        let mut last = None;
        let mut unchanged = 0;
        loop {
            match client.status(request.request.id).await {
                Ok(Some(status)) => {
                    progress.set(index, status.stage);
                    unchanged = if last == Some(status) { unchanged + 1 } else { 0 };
                    last = Some(status);
                    match status.stage {
                        Stage::Final => return Ok(true),
                        Stage::Failed | Stage::Expired | Stage::Cancelled | Stage::Disputed => {
                            bail!("{} says that its payment is {:?}", client.base(), status.stage)
                        }
                        Stage::Received | Stage::Accepted | Stage::Signing | Stage::Cancelling | Stage::Executed => {}
                    }
                }
                Ok(None) => return Ok(false),
                Err(error) if error.is_temporary() => {
                    progress.count(&error);
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
            if unchanged == STUCK {
                *place = None;
            }
            // `has_changed` and not `changed`, which would take note of the change that the caller has to see.
            tokio::time::sleep(ASK_AGAIN).await;
            if relayers.has_changed().unwrap_or(false) || unchanged >= UNCHANGED {
                return Ok(false);
            }
        }
    }

    async fn post_everywhere(&self, request: &SignedRequest, clients: &[Client], progress: &Progress) {
        for answer in join_all(clients.iter().map(|client| client.submit(request))).await {
            // Each may refuse for a moment; the next round posts again.
            if let Err(error) = answer {
                progress.count(&error);
            }
        }
    }
}
