//! What the request's call would do, tried out on the chain as it is: whether it does what it says, and nothing else.
//!
//! ```text
//!  in one block that is never made:   balances ─▶ the call, by the treasury ─▶ balances
//!                                          └───────────┬───────────┘
//!                                    Effects ─▶ judge ─▶ fine, not now, or never
//! ```
//!
//! It is tried with each of the chain's RPCs that have to agree, and what they say has to come to the same. The call comes
//! from the treasury itself, not from the relayer through the treasury: a contract that looks at `tx.origin` may act
//! otherwise then. What it does later is not known: the permissions and caps of the ring bound that.

mod calls;
mod judge;

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256};
use futures::{FutureExt as _, future::BoxFuture};
use reqwest::Url;
use ring_contracts::Domain;
use ring_core::Evidence;

use self::{
    calls::Trial,
    judge::{Rules, Verdict},
};
use super::{Facts, Pace, Source, Trouble, nodes::Nodes};
use crate::chain::{Tried, TryError};

pub use judge::EVENTS;

/// What is tried out, and what it may do.
#[derive(Clone)]
pub struct SimulationSettings {
    /// The chain's nodes. They may hold access tokens.
    pub rpcs: Vec<Url>,
    /// How many of them have to say the same; at least 1.
    pub agree: usize,
    /// The treasury and its chain.
    pub domain: Domain,
    /// The assets of the treasury that are looked at; zero is the native coin.
    pub assets: BTreeSet<Address>,
    /// How much less than the amount may arrive, in basis points of it; at most 10,000.
    pub most_fee: u16,
    /// Events that a contract may emit although they tell of power over something, by their topic (of [`EVENTS`]).
    pub allowed: BTreeSet<(Address, B256)>,
    /// How it may be asked.
    pub pace: Pace,
}

/// Tries requests out.
pub struct Simulation {
    nodes: Nodes,
    rules: Rules,
    pace: Pace,
}

impl Simulation {
    /// What people call it.
    pub const NAME: &str = "simulation";

    /// A source that has not been asked yet.
    pub fn new(settings: SimulationSettings) -> Self {
        let SimulationSettings { rpcs, agree, domain, mut assets, most_fee, allowed, pace } = settings;
        assets.insert(Address::ZERO);
        let rules = Rules { treasury: domain.contract, assets, most_fee, allowed };
        Self { nodes: Nodes::new(rpcs, agree, domain.chain_id), rules, pace }
    }

    async fn try_out(&self, trial: &Trial) -> Result<Vec<(String, Tried)>, Trouble> {
        let endpoints = self.nodes.endpoints().await?;
        let tried = endpoints.try_out(self.rules.treasury, trial.value(), trial.block()).await;
        tried.map_err(|error| match error {
            TryError::NoMethod { .. } => Trouble::Useless(error.to_string()),
            TryError::NoAnswer(reason) => Trouble::down(reason),
        })
    }

    async fn judge(&self, facts: &Facts) -> Result<Evidence, Trouble> {
        let Some(transfer) = &facts.transfer else {
            return Err(Trouble::Useless("the call is no transfer: what it should do is not known".into()));
        };
        let trial = Trial::of(facts, transfer, &self.rules);
        let mut verdict: Option<(String, Verdict)> = None;
        for (rpc, tried) in self.try_out(&trial).await? {
            let found = match tried {
                Tried::Done(results) => {
                    let effects = trial.effects(results).map_err(|reason| Trouble::down(format!("{rpc}: {reason}")))?;
                    judge::judge(&self.rules, transfer, &effects)
                }
                Tried::Short { balance } => Verdict::NotNow(format!("the treasury has {balance} wei")),
            };
            match &verdict {
                Some((other, before)) if *before != found => {
                    let reason = format!("{other} and {rpc} do not say the same of the call: {before:?}, {found:?}");
                    return Err(Trouble::Useless(reason));
                }
                Some(_) => {}
                None => verdict = Some((rpc, found)),
            }
        }
        match verdict {
            Some((_, Verdict::Fine)) => Ok(Evidence::Genuine),
            Some((_, Verdict::Never(reason))) => Ok(Evidence::Refuted { reason }),
            Some((_, Verdict::NotNow(reason))) => {
                tracing::debug!(request = %facts.id, reason, "the call would not succeed now");
                Ok(Evidence::NotYet)
            }
            None => Err(Trouble::down("no RPC answered")),
        }
    }
}

impl Source for Simulation {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        async { self.try_out(&Trial::nothing()).await.map(|_| ()) }.boxed()
    }

    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        self.judge(facts).boxed()
    }
}
