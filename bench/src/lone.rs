//! The yardstick: one account that sends plain token transfers by itself, with a key that can take everything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, eip2718::Encodable2718},
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256, keccak256},
    providers::{DynProvider, Provider},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolConstructor},
};
use eyre::{Result, WrapErr, ensure, eyre};
use futures::{TryStreamExt, stream};
use ring_anvil::{
    chain::CHAIN_ID,
    token::{self, DemoToken},
};
use ring_contracts::IERC20;
use tokio::sync::Semaphore;

use crate::{show::Show, watch::Feed, world::World};

/// How many transactions may be sent and not be in a block.
pub(crate) const IN_FLIGHT: usize = 256;
/// How many are being sent at a time.
const SENDING: usize = 16;
/// A transfer to a new holder takes some 52,000.
const GAS: u64 = 70_000;
/// Far above any base fee here, in wei.
const MAX_FEE: u128 = 200_000_000_000;
const PRIORITY_FEE: u128 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// An account with a token of its own.
#[derive(Debug)]
pub(crate) struct Lone {
    key: PrivateKeySigner,
    /// The token that it sends.
    pub(crate) token: Address,
    provider: DynProvider,
    nonce: u64,
}

impl Lone {
    /// Makes the account and the token. The chain has to make blocks meanwhile.
    ///
    /// # Errors
    /// The chain does not.
    pub(crate) async fn make(world: &World) -> Result<Self> {
        let key = PrivateKeySigner::random();
        world.chain.give(key.address(), U256::from(1_000_000 * token::ONE)).await?;
        let constructor = token::constructorCall { supply: U256::from(token::ONE) }.abi_encode();
        let code: Bytes = [DemoToken::BYTECODE.as_ref(), &constructor].concat().into();
        let receipt = world.chain.send(&key, None, U256::ZERO, code).await.wrap_err("the token is not deployed")?;
        let token = receipt.contract_address.ok_or_else(|| eyre!("the token has no address"))?;
        Ok(Self { key, token, provider: world.chain.provider().clone(), nonce: 1 })
    }

    /// The next transfers, each to a new holder, signed.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) fn sign(&mut self, count: usize) -> Result<Vec<Bytes>> {
        (0..count).map(|_| self.sign_one()).collect()
    }

    fn sign_one(&mut self) -> Result<Bytes> {
        let holder = Address::from_slice(&keccak256(format!("holder {}", self.nonce))[12..]);
        let input = IERC20::transferCall { to: holder, value: U256::from(1) }.abi_encode();
        let mut transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonce,
            gas_limit: GAS,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: PRIORITY_FEE,
            to: TxKind::Call(self.token),
            value: U256::ZERO,
            access_list: Default::default(),
            input: input.into(),
        };
        let signature = self.key.sign_transaction_sync(&mut transaction).wrap_err("a transfer is not signed")?;
        self.nonce += 1;
        Ok(TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into())
    }

    /// Sends one, and says how long it took until its event was seen, in milliseconds.
    ///
    /// # Errors
    /// It is not executed.
    pub(crate) async fn send_one(&self, raw: &Bytes, transfers: &mut Feed<(Address, U256)>) -> Result<f64> {
        let start = Instant::now();
        self.send(raw).await?;
        let (at, _) = transfers.next(PATIENCE).await?;
        Ok(at.duration_since(start).as_secs_f64() * 1e3)
    }

    /// Sends all as fast as the chain takes them. Returns transfers per second, from the first sent to the last in a block.
    ///
    /// # Errors
    /// One is not executed.
    pub(crate) async fn send_all(&self, raw: &[Bytes], world: &World, show: &Show) -> Result<f64> {
        let mut blocks = world.watch.blocks().await?;
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        let first = self.count(BlockNumberOrTag::Latest).await?;
        let last = first + raw.len() as u64;
        let start = Instant::now();
        let sent = AtomicU64::new(first);
        let send = stream::iter(raw.iter().map(Ok)).try_for_each_concurrent(SENDING, |raw| {
            let (places, sent) = (&places, &sent);
            async move {
                places.acquire().await.wrap_err("the sender ended")?.forget();
                self.send(raw).await?;
                sent.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        let follow = async {
            let mut done = first;
            loop {
                let (at, block) = blocks.next(PATIENCE).await?;
                let now = self.count(block.number.into()).await?;
                places.add_permits(usize::try_from(now.saturating_sub(done)).unwrap_or_default());
                done = now.max(done);
                show.at(usize::try_from(done - first).unwrap_or_default());
                if done == last {
                    return eyre::Ok(at);
                }
                ensure!(start.elapsed() < PATIENCE * 3, "{} of {last} transfers are in blocks, and it ends not", done);
            }
        };
        let ((), end) = futures::try_join!(send, follow)?;
        Ok(raw.len() as f64 / end.duration_since(start).as_secs_f64())
    }

    async fn send(&self, raw: &Bytes) -> Result<()> {
        let sent =
            self.provider.client().request::<_, alloy::primitives::B256>("eth_sendRawTransaction", (raw.clone(),));
        sent.await.map(drop).wrap_err("the chain refuses a transfer")
    }

    async fn count(&self, block: BlockNumberOrTag) -> Result<u64> {
        let count = self.provider.get_transaction_count(self.key.address()).block_id(block.into()).await;
        count.wrap_err("the chain does not answer")
    }
}
