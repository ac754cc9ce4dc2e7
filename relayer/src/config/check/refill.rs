//! When the accounts of the seats are refilled.

use ring_contracts::Refill;
use ring_contracts::{Address, U256};

use super::Check;
use crate::{
    config::{Ring, raw},
    refill::Refilling,
};

/// Six hours: of a key that is stolen, four refills a day at most.
const PERIOD: u64 = 21_600;

impl Check<'_> {
    pub(super) fn refill(&mut self, raw: &raw::Refill, ring: Option<&Ring>) -> Option<Refilling> {
        let below = self.wei("refill.below", &raw.below);
        let amount = self.wei("refill.amount", &raw.amount);
        let period = self.within("refill.period_seconds", raw.period_seconds, PERIOD, 3_600, 7 * 86_400);
        let ring = ring?;
        let spends_coin = ring.charter.asset.is_zero() || ring.other_assets.contains(&Address::ZERO);
        if !spends_coin {
            return self.problem(
                "refill",
                format!("the ring does not pay the native coin: list {} in ring.other_assets", Address::ZERO),
            );
        }
        Some(Refilling { below: U256::from(below?), refill: Refill { amount: amount?, period: period? } })
    }

    fn wei(&mut self, field: &str, raw: &raw::WholeOrWord) -> Option<u128> {
        match raw.0.parse::<u128>() {
            Ok(wei) if wei > 0 && wei >> 96 == 0 => Some(wei),
            _ => self.problem(field, format!("{:?} is no amount in wei from 1 to below 2^96", raw.0)),
        }
    }
}
