//! Whether a seat that asks for gas money needs it.

use futures::{FutureExt as _, future::BoxFuture};
use reqwest::Url;
use ring_contracts::{Address, Domain, Refill, Request, U256};
use ring_core::Evidence;

use super::{Facts, Pace, Source, Trouble, nodes::Nodes};

/// Which requests are refills.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    domain: Domain,
    seats: Vec<Address>,
    refill: Refill,
}

impl Rule {
    pub(super) fn is_kept_by(&self, request: &Request) -> bool {
        self.refill.is(request, &self.domain, &self.seats)
    }
}

/// Looks at the accounts of seats.
pub struct Refills {
    rule: Rule,
    nodes: Nodes,
    /// In wei.
    below: U256,
    pace: Pace,
}

impl Refills {
    /// What people call it.
    pub const NAME: &str = "refill";

    /// A source for refills of these seats' accounts, which are genuine while they have less than `below` wei, as far as so
    /// many of the chain's nodes agree.
    pub fn new(
        (rpcs, agree): (Vec<Url>, usize),
        domain: Domain,
        seats: Vec<Address>,
        refill: Refill,
        below: U256,
        pace: Pace,
    ) -> Self {
        let rule = Rule { domain, seats, refill };
        Self { rule, nodes: Nodes::new(rpcs, agree, domain.chain_id), below, pace }
    }

    pub(super) fn rule(&self) -> Rule {
        self.rule.clone()
    }

    async fn balance(&self, account: Address) -> Result<(U256, u64), Trouble> {
        let balance = self.nodes.endpoints().await?.balance(account).await;
        balance.map(|(wei, block)| (wei, block.time)).map_err(|error| Trouble::down(error.to_string()))
    }
}

impl Source for Refills {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        async { self.balance(Address::ZERO).await.map(drop) }.boxed()
    }

    fn ask<'a>(&'a self, facts: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        async {
            let (balance, now) = self.balance(facts.target).await?;
            // Nobody gets what later periods have for the account.
            Ok(match self.rule.refill.starts(facts.expiry) <= now && balance < self.below {
                true => Evidence::Genuine,
                false => Evidence::NotYet,
            })
        }
        .boxed()
    }
}
