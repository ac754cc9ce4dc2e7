//! Everything that is there before the first order is paid.

use std::{sync::Arc, time::Duration};

use alloy::primitives::U256;
use eyre::{Result, WrapErr, ensure, eyre};
use futures::future::try_join_all;
use ring_contracts::{Charter, MAX_TURNS_PER_PERIOD};

use super::{plan::Plan, view::View};
use crate::{
    Chain, Deployment, Finality, KeyFiles, Master, Mining, Policy, Programs, RingKeys, RingProcesses, RingSettings,
    folder, orders, orders::Order, token,
};

/// The ring that pays.
pub const RING: u32 = 0;
/// A day.
const PERIOD: u32 = 86_400;
/// How long the ring may work without being formed anew, in seconds: 30 days.
const LEASE: u64 = 30 * 86_400;
/// How long the relayers may take to start.
pub(super) const START: Duration = Duration::from_secs(90);

/// A chain, a deployment, a ring that runs, and the people around it.
#[derive(Debug)]
pub struct Stage {
    /// What is shown.
    pub plan: Plan,
    /// The chain.
    pub chain: Chain,
    /// The `ring-keys` command.
    pub keys: RingKeys,
    /// Contract and token.
    pub deployment: Deployment,
    /// Whoever forms the ring.
    pub master: Master,
    /// The requester's key.
    pub requester: KeyFiles,
    /// The relayers.
    pub ring: RingProcesses,
    /// What is to be paid.
    pub orders: Arc<Vec<Order>>,
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Errors
    /// Something does not work; the error says what.
    pub async fn set(mut plan: Plan, programs: &Programs, view: &View) -> Result<Self> {
        plan.folder = folder::make_new(&plan.folder)?;
        let chain = Chain::start(&programs.anvil, &plan.folder.join("anvil.log"), Mining::Every(1.0)).await?;
        view.say(format!("Anvil makes a block each second at {}", chain.http()));

        let orders = Arc::new(orders::generate(plan.orders));
        orders::write(&orders, &plan.folder.join("orders.csv"))?;
        let total = orders::total(&orders);
        let cap = total + total / 4;
        ensure!(cap >> 96 == 0, "--orders {}: too many, their total does not fit a cap", plan.orders);

        let keys = RingKeys::new(&programs.keys, chain.http());
        let kept = plan.folder.join("keys");
        let names = ["master", "office", "backend"].map(str::to_owned);
        let names = names.into_iter().chain((0..plan.seats).map(|seat| format!("operator-{seat}")));
        let made = try_join_all(names.map(|name| {
            let (keys, kept) = (&keys, &kept);
            async move { keys.new_key(kept, &name).await }
        }));
        let mut made = made.await?.into_iter();
        let mut next = || made.next().ok_or_else(|| eyre!("a key is missing"));
        let (master, office, requester) = (next()?, next()?, next()?);
        let operators: Vec<KeyFiles> = made.collect();
        for key in operators.iter().chain([&office]) {
            chain.give(key.address, gas_money()).await?;
        }
        view.say(format!(
            "keys for the master, an office, the backend and {} operators are in {}",
            plan.seats,
            kept.display()
        ));

        let deployment = Deployment::create(&chain, &keys, master.address, &office, U256::from(20 * total)).await?;
        let contract = deployment.domain.contract;
        view.say(format!("RingMultisig is at {contract}, and holds {} DEMO", token::in_words(20 * total)));

        let offline = plan.folder.join("ceremonies");
        std::fs::create_dir_all(&offline).wrap_err_with(|| format!("{} cannot be made", offline.display()))?;
        let master = Master::new(keys.clone(), contract, master, office, &offline);
        let charter = Charter {
            window: plan.window as u8,
            quorum: plan.quorum as u8,
            asset: deployment.token,
            cap,
            period: PERIOD,
            // As fast as the relayers can, and for as long as anybody plays with it: what is shown here is the window.
            turns_per_period: MAX_TURNS_PER_PERIOD,
            interval: 0,
            expires_at: deployment.time().await? + LEASE,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: operators.iter().map(|key| key.address).collect(),
        };
        master.form_ring("form-ring", RING, &charter).await?;
        let Plan { seats, window, quorum, .. } = plan;
        view.say(format!(
            "the master formed ring {RING} offline: {seats} seats, windows of {window}, {quorum} of them sign, at most {} \
             DEMO a day",
            token::in_words(cap)
        ));

        let settings = RingSettings {
            domain: deployment.domain,
            rpc: chain.ws(),
            from_block: deployment.block,
            ring: RING,
            charter,
            requesters: vec![requester.address],
            finality: Finality::Finalized,
            policy: policy(&plan),
        };
        // A seat joins what is final.
        chain.finalize().await?;
        let mut ring = RingProcesses::prepare(&programs.relayer, &plan.folder, settings, &operators).await?;
        ring.keep_keys(&plan.custody, programs).await?;
        ring.start()?;
        ring.wait_ready(START).await?;
        let kept: Vec<String> = plan.custody.iter().cycle().take(seats).map(|custody| format!("{custody:?}")).collect();
        if !kept.is_empty() {
            view.say(format!("the keys of the seats are held, in this order, in: {}", kept.join(", ")));
        }
        view.say(format!("{seats} relayers run, one process for each seat"));
        Ok(Self { plan, chain, keys, deployment, master, requester, ring, orders })
    }

    /// The ring's charter as it is now.
    pub fn charter(&self) -> &Charter {
        &self.ring.settings().charter
    }
}

/// Blocks come each second here, so everything else may be brisk too.
fn policy(plan: &Plan) -> Policy {
    Policy {
        copies: Some(plan.seats.min(2)),
        max_calls: Some(plan.calls_per_turn()),
        validity_seconds: Some(120),
        tick_ms: Some(200),
        grace_ticks: Some(25),
        ..Policy::default()
    }
}

/// What an operator or the office needs for its gas, in wei.
pub(super) fn gas_money() -> U256 {
    U256::from(100 * token::ONE)
}
