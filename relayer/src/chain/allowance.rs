//! What a ring may still spend.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use ring_contracts::{Address, Charter, Domain, IERC20, IRingMultisig, RingMultisig, U256};
use ring_core::Allowance;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
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

/// The allowances of all assets that have one, as of `head`.
pub(super) async fn read(
    rpc: &Rpc,
    domain: &Domain,
    (ring_id, charter): (u32, &Charter),
    other_assets: &BTreeSet<Address>,
    ring: &IRingMultisig::RingView,
    head: Header,
) -> Result<BTreeMap<Address, Allowance>, Fault> {
    let main = Meter {
        cap: U256::from(charter.cap),
        period: charter.period.into(),
        index: ring.periodIndex.to(),
        spent: ring.spent.to(),
    };
    let others = other_assets.iter().filter(|asset| **asset != charter.asset).map(|asset| async {
        let question = RingMultisig::getLimitCall { ringId: ring_id, asset: *asset };
        let limit = rpc.view(domain.contract, &question, head.hash).await?;
        let meter = limit.filter(|limit| !limit.period.is_zero()).map(|limit| Meter {
            cap: limit.cap.to(),
            period: limit.period.to(),
            index: limit.periodIndex.to(),
            spent: limit.spent.to(),
        });
        Ok::<_, Fault>((*asset, meter))
    });
    let meters = try_join_all(others).await?.into_iter().chain([(charter.asset, Some(main))]);
    let metered = meters.filter_map(|(asset, meter)| Some((asset, meter?))).map(|(asset, meter)| async move {
        let balance = balance(rpc, domain.contract, asset, head).await?;
        Ok::<_, Fault>(balance.map(|balance| (asset, meter.allowance(head.time, balance))))
    });
    Ok(try_join_all(metered).await?.into_iter().flatten().collect())
}

/// `None`: the asset does not say, so nothing can be said about it.
async fn balance(rpc: &Rpc, treasury: Address, asset: Address, head: Header) -> Result<Option<U256>, Fault> {
    if asset.is_zero() {
        return rpc.balance_at(treasury, head.hash).await.map(Some);
    }
    match rpc.view(asset, &IERC20::balanceOfCall { account: treasury }, head.hash).await {
        Ok(Some(balance)) => Ok(Some(balance)),
        // A token that is none must not blind the seat for everything else.
        Ok(None) | Err(Fault::Reverted(_) | Fault::Malformed(_)) => {
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

    #[test]
    fn no_more_is_left_than_the_treasury_has() {
        assert_eq!(left(30, 20_000, 20_000 * DAY, 69), U256::from(69));
    }

    #[test]
    fn a_cap_lowered_below_what_was_spent_leaves_nothing() {
        assert_eq!(left(101, 20_000, 20_000 * DAY, 1_000), U256::ZERO);
    }
}
