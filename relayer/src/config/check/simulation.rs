//! What requests may do when they are tried out.

use std::collections::BTreeSet;

use super::{Check, evidence::Entry};
use crate::{
    config::{Chain, Ring, raw},
    evidence::{EVENTS, Simulation, SimulationSettings},
};

/// All of an amount, in basis points.
const ALL: u64 = 10_000;

impl Check<'_> {
    /// `None` also if there is no chain or ring to try them out on: that has been put down already.
    pub(super) fn simulation(
        &mut self,
        entry: &Entry,
        raw: &raw::Simulation,
        chain: Option<&Chain>,
        ring: Option<&Ring>,
    ) -> Option<Simulation> {
        let pace = self.pace(entry, raw.timeout_ms, raw.parallel);
        let most_fee = self.within(&entry.field("most_fee_basis_points"), raw.most_fee_basis_points, 0, 0, ALL);
        let mut allowed = Some(BTreeSet::new());
        for (index, raw) in raw.allow.iter().enumerate() {
            let field = |name: &str| entry.field(format!("allow[{index}].{name}"));
            let contract = self.address(&field("contract"), &raw.contract);
            for name in &raw.events {
                let topic = match EVENTS.into_iter().find(|(known, _)| known == name) {
                    Some((_, topic)) => Some(topic),
                    None => {
                        let names = EVENTS.map(|(name, _)| name).join(", ");
                        self.problem(field("events"), format!("{name:?} is none that is looked for: there are {names}"))
                    }
                };
                allowed = allowed.zip(contract.zip(topic)).map(|(mut allowed, pair)| {
                    allowed.insert(pair);
                    allowed
                });
            }
        }
        let (chain, ring) = (chain?, ring?);
        Some(Simulation::new(SimulationSettings {
            rpcs: chain.rpc.iter().map(|rpc| rpc.expose().clone()).collect(),
            agree: chain.agree,
            domain: chain.domain,
            assets: ring.other_assets.iter().copied().chain([ring.charter.asset]).collect(),
            most_fee: u16::try_from(most_fee?).unwrap_or(u16::MAX),
            allowed: allowed?,
            pace: pace?,
        }))
    }
}
