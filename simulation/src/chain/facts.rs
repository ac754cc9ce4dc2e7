//! What the contract says of the ring at a block, asked through its ABI.

use ring_contracts::{Address, Charter, IERC20, IRingMultisig, Permissions, RingMultisig, U256};
use ring_core::{Allowance, Block};

use super::evm::{self, Accounts};

/// What does not change from block to block unless a transaction changes it.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) ring: IRingMultisig::RingView,
    limits: Vec<IRingMultisig::LimitView>,
    pub(super) permissions: Permissions,
    pub(super) master: Address,
    pub(super) coin: U256,
    pub(super) tokens: U256,
}

impl Facts {
    pub(super) fn read(accounts: &mut Accounts, block: Block, contract: Address, token: Address, ring: u32) -> Self {
        let permissions =
            evm::ask(accounts, block, contract, &RingMultisig::getPermissionsCall { ringId: ring }).into_iter();
        Self {
            ring: evm::ask(accounts, block, contract, &RingMultisig::getRingCall { ringId: ring }),
            limits: evm::ask(accounts, block, contract, &RingMultisig::getLimitsCall { ringId: ring }),
            permissions: Permissions::new(permissions.map(Into::into)),
            master: evm::ask(accounts, block, contract, &RingMultisig::masterCall {}),
            coin: evm::coin_of(accounts, contract),
            tokens: evm::ask(accounts, block, token, &IERC20::balanceOfCall { account: contract }),
        }
    }

    /// What may be spent, as a seat that was announced this charter works it out.
    pub(super) fn allowances(&self, charter: &Charter, token: Address, time: u64) -> Vec<(Address, Allowance)> {
        let main = (
            charter.asset,
            (
                U256::from(charter.cap),
                u64::from(charter.period),
                self.ring.periodIndex.to::<u64>(),
                self.ring.spent.to(),
            ),
        );
        let others = self.limits.iter().filter(|limit| limit.asset != charter.asset).map(|limit| {
            let (cap, spent): (U256, U256) = (limit.cap.to(), limit.spent.to());
            (limit.asset, (cap, limit.period.to::<u64>(), limit.periodIndex.to::<u64>(), spent))
        });
        let meters = others.chain([main]).filter(|(_, (cap, ..))| !cap.is_zero());
        let allowance = |(asset, (cap, period, index, spent)): (Address, (U256, u64, u64, U256))| {
            let spent = if time.checked_div(period) == Some(index) { spent } else { U256::ZERO };
            let balance = if asset == token { self.tokens } else { self.coin };
            (asset, Allowance { cap, left: cap.saturating_sub(spent).min(balance) })
        };
        meters.map(allowance).collect()
    }

    /// The first second at which the next turn executes, seen from a block of this time.
    pub(super) fn earliest(&self, charter: &Charter, time: u64) -> u64 {
        let after_last = self.ring.lastTurnAt.to::<u64>() + u64::from(charter.interval);
        let (period, index) = (u64::from(charter.period), self.ring.periodIndex.to::<u64>());
        let used_up =
            time.checked_div(period) == Some(index) && self.ring.turns.to::<u32>() >= charter.turns_per_period;
        after_last.max(if used_up { (index + 1) * period } else { 0 })
    }
}
