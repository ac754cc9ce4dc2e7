//! Paying many orders as fast as it goes, and looking whether each was paid once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::Transaction,
    network::TransactionResponse,
    primitives::{Address, U256},
    providers::{
        Provider,
        ext::{AnvilApi, TxPoolApi},
    },
    rpc::client::BatchRequest,
};
use eyre::{Result, WrapErr, bail, ensure};
use ring_anvil::token::DemoToken;

use crate::{
    orders::{AMOUNT, Signed},
    post::{self, Posted},
    show::Show,
    watch::Feed,
    world::World,
};

/// How long the ring may pay nobody while orders wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the pool is looked into for a turn to drop.
const LOOK: Duration = Duration::from_millis(3);
/// How many balances are asked for at once.
const BATCH: usize = 500;

/// How it went.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    /// Orders paid per second, from the first POST until the block with the last payment is seen.
    pub(crate) per_second: f64,
    /// How the orders were taken.
    pub(crate) posted: Posted,
}

/// Posts all orders and waits until the last is paid. In the middle, if `drop_one`, the chain's node forgets a turn that
/// waits in its pool.
///
/// # Errors
/// An order is refused, the ring stands still, or an order is not paid exactly once.
pub(crate) async fn all(world: &World, orders: &Arc<Vec<Signed>>, drop_one: bool, show: &Show) -> Result<Paid> {
    let blocks = world.watch.blocks().await?;
    let before = treasury(world, None).await?;
    let start = Instant::now();
    let follow = async {
        let half = follow(world, blocks, before, orders.len(), drop_one).await;
        half.map(|end| end.duration_since(start))
    };
    let (posted, took) = futures::try_join!(post::all(&world.clients, orders, show), follow)?;
    check(world, orders).await?;
    Ok(Paid { per_second: orders.len() as f64 / took.as_secs_f64(), posted })
}

/// Returns when the block with the last payment was seen.
async fn follow(
    world: &World,
    mut blocks: Feed<alloy::rpc::types::Header>,
    before: U256,
    orders: usize,
    mut drop_one: bool,
) -> Result<Instant> {
    let total = U256::from(orders as u128 * AMOUNT);
    let mut paid = U256::ZERO;
    let mut since = Instant::now();
    loop {
        let (at, block) = blocks.next(PATIENCE).await?;
        let now = before.saturating_sub(treasury(world, Some(block.number)).await?);
        if now > paid {
            (paid, since) = (now, at);
        }
        if paid >= total {
            ensure!(paid == total && !drop_one, "{paid} was paid out, and the orders are {total}");
            return Ok(at);
        }
        if since.elapsed() > PATIENCE {
            bail!("{paid} of {total} orders are paid, and nothing more for {} s", PATIENCE.as_secs());
        }
        if drop_one && paid * U256::from(2) >= total {
            drop_a_turn(world).await?;
            drop_one = false;
        }
    }
}

/// Waits for a turn in the pool, and has the node forget it.
async fn drop_a_turn(world: &World) -> Result<()> {
    let provider = world.chain.provider();
    let contract = world.deployment.domain.contract;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let pool = provider.txpool_content().await.wrap_err("the chain does not show its pool")?;
        let mut waiting = pool.pending.values().flat_map(|account| account.values());
        let turn = waiting.find(|transaction| transaction.inner.to() == Some(contract));
        if let Some(turn) = turn {
            let dropped =
                provider.anvil_drop_transaction(turn.tx_hash()).await.wrap_err("the node does not drop a turn")?;
            // A block may have come first.
            if dropped.is_some() {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("no turn was in the pool for {} s: there was none to drop", PATIENCE.as_secs())
}

/// What the treasury has.
async fn treasury(world: &World, block: Option<u64>) -> Result<U256> {
    let token = DemoToken::new(world.deployment.token, world.deployment.provider());
    let call = token.balanceOf(world.deployment.domain.contract);
    let balance = match block {
        Some(block) => call.block(block.into()).call().await,
        None => call.call().await,
    };
    balance.wrap_err("the treasury's balance cannot be read")
}

/// Every order was paid exactly once: its receiver has just what it pays.
async fn check(world: &World, orders: &[Signed]) -> Result<()> {
    let provider = world.chain.provider();
    let mut wrong: Vec<(Address, U256)> = Vec::new();
    for orders in orders.chunks(BATCH) {
        let token = DemoToken::new(world.deployment.token, provider);
        let mut batch = BatchRequest::new(provider.client());
        let mut answers = Vec::with_capacity(orders.len());
        for order in orders {
            let call = token.balanceOf(order.to).into_transaction_request();
            let answer = batch.add_call::<_, U256>("eth_call", &(call,)).wrap_err("a balance cannot be asked for")?;
            answers.push(answer);
        }
        batch.send().await.wrap_err("the chain does not answer")?;
        for (order, answer) in orders.iter().zip(answers) {
            let balance = answer.await.wrap_err("a balance cannot be read")?;
            if balance != U256::from(AMOUNT) {
                wrong.push((order.to, balance));
            }
        }
    }
    match wrong.first() {
        None => Ok(()),
        Some((to, balance)) => {
            bail!("{} of {} orders were not paid exactly once: {to} has {balance}", wrong.len(), orders.len())
        }
    }
}
