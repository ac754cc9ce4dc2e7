//! A chain, a contract and a ring of relayer processes, made for one measure and ended with it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::U256;
use eyre::{Result, WrapErr, eyre};
use futures::future::{join_all, try_join_all};
use ring_anvil::{
    Backend, Chain, Client, Deployment, Finality, KeyFiles, Master, Mining, Policy, RingKeys, RingProcesses,
    RingSettings, Seat, deadline, token,
};
use ring_contracts::{Charter, MAX_TURNS_PER_PERIOD};

use crate::{
    bench::Bench,
    miner::Miner,
    orders::{self, Signed},
    watch::Watch,
};

/// The ring.
pub(crate) const RING: u32 = 0;
/// The epoch of a ring that was formed once.
pub(crate) const EPOCH: u32 = 1;
/// How often there are blocks while everything is made.
const MAKING: Duration = Duration::from_millis(20);
/// How long relayers may take to start, or to see what the chain did.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(5);
/// What the treasury holds, and the ring may spend: more than all orders.
const SUPPLY: u128 = 1_000_000 * token::ONE;
/// Until when orders may be paid, from the start: the chain's clock may run many times too fast.
const VALIDITY: u64 = 365 * 86_400;

/// What is made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// A name for its folder.
    pub(crate) name: String,
    /// N.
    pub(crate) seats: usize,
    /// W, which is Q too.
    pub(crate) window: u8,
    /// When there are blocks.
    pub(crate) mining: Mining,
    /// When they are final.
    pub(crate) finality: Finality,
    /// What the relayers are told.
    pub(crate) policy: Policy,
}

/// A chain, a contract, a ring that works.
#[derive(Debug)]
pub(crate) struct World {
    /// The chain.
    pub(crate) chain: Chain,
    /// Contract and token.
    pub(crate) deployment: Deployment,
    /// The relayers.
    pub(crate) ring: RingProcesses,
    /// A client of each seat, in order.
    pub(crate) clients: Vec<Client>,
    /// Our own connection to the chain.
    pub(crate) watch: Watch,
    backend: Backend,
    folder: PathBuf,
    /// The number of the next order.
    next: u64,
}

/// Rules under which nothing waits long, and nothing is given up because blocks, and so the chain's clock, are fast.
pub(crate) fn brisk() -> Policy {
    Policy { copies: Some(2), validity_seconds: Some(86_400), tick_ms: Some(50), ..Policy::default() }
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// Something does not work; the error says what.
    pub(crate) async fn make(bench: &Bench, setup: Setup) -> Result<Self> {
        let folder = bench.folder.join(&setup.name);
        fs::create_dir(&folder).wrap_err_with(|| format!("{} cannot be made", folder.display()))?;
        let chain = Chain::start(&bench.programs.anvil, &folder.join("anvil.log"), setup.mining).await?;
        let miner = Miner::start(&chain, MAKING);
        let keys = RingKeys::new(&bench.programs.keys, chain.http());
        let kept = folder.join("keys");
        let names = ["master", "office", "backend"].map(str::to_owned);
        let names = names.into_iter().chain((0..setup.seats).map(|seat| format!("operator-{seat}")));
        let mut made = try_join_all(names.map(|name| {
            let (keys, kept) = (&keys, &kept);
            async move { keys.new_key(kept, &name).await }
        }))
        .await?
        .into_iter();
        let mut next = || made.next().ok_or_else(|| eyre!("a key is missing"));
        let (master, office, requester) = (next()?, next()?, next()?);
        let operators: Vec<KeyFiles> = made.collect();
        for key in operators.iter().chain([&office]) {
            chain.give(key.address, U256::from(1_000_000 * token::ONE)).await?;
        }
        let deployment = Deployment::create(&chain, &keys, master.address, &office, U256::from(SUPPLY)).await?;
        let ceremonies = folder.join("ceremonies");
        fs::create_dir(&ceremonies).wrap_err_with(|| format!("{} cannot be made", ceremonies.display()))?;
        let master = Master::new(keys, deployment.domain.contract, master, office, &ceremonies);
        let charter = Charter {
            window: setup.window,
            quorum: setup.window,
            asset: deployment.token,
            cap: SUPPLY,
            period: 86_400,
            turns_per_period: MAX_TURNS_PER_PERIOD,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: operators.iter().map(|key| key.address).collect(),
        };
        master.form_ring("form-ring", RING, &charter).await?;
        let settings = RingSettings {
            domain: deployment.domain,
            rpc: chain.ws(),
            from_block: deployment.block,
            ring: RING,
            charter,
            requesters: vec![requester.address],
            finality: setup.finality,
            policy: setup.policy,
        };
        // A seat joins what is final.
        chain.finalize().await?;
        let mut ring = RingProcesses::prepare(&bench.programs.relayer, &folder, settings, &operators).await?;
        ring.start()?;
        ring.wait_ready(PATIENCE).await?;
        let backend = Backend {
            requester: requester.open()?,
            domain: deployment.domain,
            ring: RING,
            token: deployment.token,
            expiry: deployment.time().await? + VALIDITY,
        };
        drop(miner);
        let (clients, watch) = (ring.clients()?, Watch::new(chain.ws()));
        Ok(Self { chain, deployment, ring, clients, watch, backend, folder, next: 1 })
    }

    /// New orders, signed.
    ///
    /// # Errors
    /// The key does not sign.
    pub(crate) async fn orders(&mut self, count: usize) -> Result<Arc<Vec<Signed>>> {
        let first = self.take_numbers(count as u64);
        orders::sign(&self.backend, first..first + count as u64).await
    }

    /// So many numbers for orders, from the returned one on, which no others have.
    pub(crate) fn take_numbers(&mut self, count: u64) -> u64 {
        let first = self.next;
        self.next += count;
        first
    }

    /// Waits until every seat has seen the newest block.
    ///
    /// # Errors
    /// A seat does not, in time.
    pub(crate) async fn settle(&self) -> Result<()> {
        let (newest, _) = self.chain.block(alloy::eips::BlockNumberOrTag::Latest).await?;
        deadline::until("every seat sees the newest block", PATIENCE, LOOK, async || {
            let healths = join_all(self.clients.iter().map(Client::health)).await;
            let sees = |health: &ring_anvil::Health| health.head.is_some_and(|head| head.number >= newest);
            Ok(healths.iter().all(|health| health.as_ref().is_ok_and(sees)))
        })
        .await
    }

    /// The most memory that a relayer has resident, in megabytes (10^6 bytes).
    ///
    /// # Errors
    /// A relayer ended.
    pub(crate) fn most_memory(&self) -> Result<f64> {
        let memory = self.ring.seats().iter().map(Seat::resident_bytes).collect::<Result<Vec<_>>>()?;
        Ok(memory.into_iter().max().unwrap_or_default() as f64 / 1e6)
    }

    /// How much processor time the relayers and the chain have used, together.
    ///
    /// # Errors
    /// One of them ended.
    pub(crate) fn processor_time(&mut self) -> Result<Duration> {
        let relayers: Duration = self.ring.seats().iter().map(Seat::processor_time).sum::<Result<_>>()?;
        Ok(relayers + self.chain.process().processor_time()?)
    }

    /// Who asks for payments.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Ends it, and deletes what it wrote.
    pub(crate) async fn end(mut self) {
        self.ring.stop().await;
        // What stays is deleted by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
