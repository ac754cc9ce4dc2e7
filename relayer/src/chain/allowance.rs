//! What a ring may still spend.

use std::collections::{BTreeMap, BTreeSet};

use futures::{future::try_join_all, try_join};
use ring_contracts::{Address, Charter, IERC20, IRingMultisig, RingMultisig, U256};
use ring_core::Allowance;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
    watcher::WatcherSettings,
};

/// A cap, and what was spent of it when.
#[derive(Clone, Copy, Debug)]
struct Meter {
    cap: U256,
    /// In seconds.
    period: u64,
    /// In which period something was spent last.
    index: u64,
    spent: U256,
}

impl Meter {
    /// What may be spent at this time, with this much in the treasury. What was spent in an earlier period no longer counts.
    fn allowance(&self, time: u64, balance: U256) -> Allowance {
        let is_current = time.checked_div(self.period) == Some(self.index);
        let spent = if is_current { self.spent } else { U256::ZERO };
        Allowance { cap: self.cap, left: self.cap.saturating_sub(spent).min(balance) }
    }
}

/// After how many blocks they are read again, though no event has told of a change.
const MOST_BLOCKS: u64 = 32;

/// What there is to spend, and what was spent of the limits, as of one head.
#[derive(Clone, Debug)]
pub(super) struct Funds {
    /// Of the assets beside the main one.
    limits: Vec<IRingMultisig::LimitView>,
    /// Of the assets that say what the treasury has of them.
    balances: BTreeMap<Address, U256>,
    /// The number of the block they were read in.
    read_in: u64,
}

impl Funds {
    /// Whether they will do at this head for a seat that does not sign.
    pub(super) fn is_recent(&self, head: Header) -> bool {
        (self.read_in..self.read_in.saturating_add(MOST_BLOCKS)).contains(&head.number)
    }

    /// What may be spent, by asset. One that is not in it may not be spent.
    pub(super) fn allowances(
        &self,
        charter: &Charter,
        other_assets: &BTreeSet<Address>,
        ring: &IRingMultisig::RingView,
        time: u64,
    ) -> BTreeMap<Address, Allowance> {
        let main = Meter {
            cap: U256::from(charter.cap),
            period: charter.period.into(),
            index: ring.periodIndex.to(),
            spent: ring.spent.to(),
        };
        let is_other = |asset| asset != charter.asset && other_assets.contains(&asset);
        let others = self.limits.iter().filter(|limit| is_other(limit.asset)).map(|limit| {
            let (cap, spent) = (limit.cap.to(), limit.spent.to());
            (limit.asset, Meter { cap, period: limit.period.to(), index: limit.periodIndex.to(), spent })
        });
        // A cap of zero permits nothing, not even zero.
        let meters = others.chain([(charter.asset, main)]).filter(|(_, meter)| !meter.cap.is_zero());
        meters.filter_map(|(asset, meter)| Some((asset, meter.allowance(time, *self.balances.get(&asset)?)))).collect()
    }
}

/// Reads limits and balances, as of `head`.
pub(super) async fn read(rpc: &Rpc, settings: &WatcherSettings, head: Header) -> Result<Funds, Fault> {
    let WatcherSettings { domain, ring, charter, other_assets, .. } = settings;
    let balances = std::iter::once(charter.asset).chain(other_assets.iter().copied()).map(async |asset| {
        let balance = balance(rpc, domain.contract, asset, head).await?;
        Ok::<_, Fault>(balance.map(|balance| (asset, balance)))
    });
    let limits = async {
        // The main asset's is the ring's own.
        if other_assets.is_empty() {
            return Ok(Vec::new());
        }
        let limits = rpc.view(domain.contract, &RingMultisig::getLimitsCall { ringId: *ring }, head.hash).await?;
        Ok(limits.unwrap_or_default())
    };
    let (limits, balances) = try_join!(limits, try_join_all(balances))?;
    Ok(Funds { limits, balances: balances.into_iter().flatten().collect(), read_in: head.number })
}

/// The first second at which the ring's next turn executes, as far as its interval and its turns a period go, seen from a
/// block of this time.
pub(super) fn earliest(charter: &Charter, ring: &IRingMultisig::RingView, time: u64) -> u64 {
    let after_last = ring.lastTurnAt.to::<u64>() + u64::from(charter.interval);
    let (period, index) = (u64::from(charter.period), ring.periodIndex.to::<u64>());
    let used_up = time.checked_div(period) == Some(index) && ring.turns.to::<u32>() >= charter.turns_per_period;
    after_last.max(if used_up { (index + 1) * period } else { 0 })
}

/// What the treasury has of an asset. `None`: the asset does not say, so nothing can be said about it.
pub(super) async fn balance(rpc: &Rpc, treasury: Address, asset: Address, head: Header) -> Result<Option<U256>, Fault> {
    if asset.is_zero() {
        return rpc.balance_at(treasury, head.hash).await.map(Some);
    }
    match rpc.view(asset, &IERC20::balanceOfCall { account: treasury }, head.hash).await {
        Ok(Some(balance)) => Ok(Some(balance)),
        // A token that is none must not blind the seat for everything else.
        Ok(None) | Err(Fault::Reverted(_) | Fault::Undecodable(_)) => {
            tracing::debug!(%asset, "the asset does not tell its balance: is it a token?");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn left(spent: u64, index: u64, time: u64, balance: u64) -> U256 {
        let meter = Meter { cap: U256::from(100), period: DAY, index, spent: U256::from(spent) };
        meter.allowance(time, U256::from(balance)).left
    }

    #[test]
    fn what_is_left_is_the_cap_less_what_the_current_period_spent() {
        assert_eq!(left(30, 20_000, 20_000 * DAY, 1_000), U256::from(70));
        assert_eq!(left(30, 20_000, 20_001 * DAY - 1, 1_000), U256::from(70));
        assert_eq!(left(30, 20_000, 20_001 * DAY, 1_000), U256::from(100));
    }

    fn charter() -> Charter {
        Charter {
            window: 1,
            quorum: 1,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 3,
            interval: 12,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: vec![Address::repeat_byte(1)],
        }
    }

    #[test]
    fn the_next_turn_waits_for_the_interval_and_for_a_period_with_turns_left() {
        use alloy::primitives::Uint;
        let ring = |turns: u32, last: u64| IRingMultisig::RingView {
            nonce: Uint::ZERO,
            epoch: 1,
            halted: false,
            charter: Default::default(),
            turns: Uint::from(turns),
            periodIndex: Uint::from(last / DAY),
            lastTurnAt: Uint::from(last),
            spent: Uint::ZERO,
            changedAt: 0,
        };
        let noon = 20_000 * DAY + DAY / 2;
        assert_eq!(earliest(&charter(), &ring(2, noon), noon), noon + 12);
        assert_eq!(earliest(&charter(), &ring(3, noon), noon), 20_001 * DAY);
        assert_eq!(earliest(&charter(), &ring(3, noon), 20_001 * DAY), noon + 12);
        let last = 20_001 * DAY - 1;
        assert_eq!(earliest(&charter(), &ring(3, last), last), last + 12);
    }

    #[test]
    fn no_more_is_left_than_the_treasury_has() {
        assert_eq!(left(30, 20_000, 20_000 * DAY, 69), U256::from(69));
    }

    #[test]
    fn a_cap_lowered_below_what_was_spent_leaves_nothing() {
        assert_eq!(left(101, 20_000, 20_000 * DAY, 1_000), U256::ZERO);
    }
}
