//! What a transaction offers for its gas.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::eip1559::Eip1559Estimation,
    primitives::{Address, Bytes, TxKind, U256, address},
    sol,
};
use futures::try_join;
use ring_contracts::Domain;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
    wanted::Wanted,
};

/// Nodes take a replacement only for a tenth more of both fees; an eighth is beyond doubt. It is also the most that the
/// base fee rises from block to block.
const BUMP_DIVISOR: u128 = 8;

/// Where OP-stack chains say what they take for publishing a transaction on their L1.
const GAS_PRICE_ORACLE: Address = address!("0x420000000000000000000000000000000000000F");

sol! {
    /// What is asked of the predeploy at `GAS_PRICE_ORACLE`: it takes the unsigned transaction, and counts a signature in.
    function getL1Fee(bytes transaction) external view returns (uint256);
}

/// What a chain takes for a transaction beside its gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum L1Fee {
    /// Nothing.
    #[default]
    None,
    /// What publishing it on the L1 costs, as on OP-stack chains.
    OpStack,
}

/// What transactions cost now, and what there is to pay for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    /// What is usual.
    pub(super) usual: Eip1559Estimation,
    /// The account's balance, in wei.
    pub(super) balance: U256,
    /// What the chain takes for the transaction beside its gas, in wei.
    pub(super) l1_fee: U256,
}

/// Asks for prices, of a transaction with this call data.
pub(super) async fn prices(
    rpc: &Rpc,
    (account, domain): (Address, &Domain),
    calldata: &Bytes,
    (l1_fee, min_priority): (L1Fee, u128),
    head: Header,
) -> Result<Prices, Fault> {
    let l1_fee = async {
        match l1_fee {
            L1Fee::None => Ok(U256::ZERO),
            L1Fee::OpStack => ask_l1_fee(rpc, domain, calldata, head).await,
        }
    };
    let (usual, balance, l1_fee) = try_join!(rpc.fees(), rpc.balance(account), l1_fee)?;
    Ok(Prices { usual: at_least(usual, min_priority), balance, l1_fee })
}

async fn ask_l1_fee(rpc: &Rpc, domain: &Domain, calldata: &Bytes, head: Header) -> Result<U256, Fault> {
    // Nonce, gas and fees are not known yet: as long as they may be.
    let transaction = TxEip1559 {
        chain_id: domain.chain_id,
        nonce: u64::from(u32::MAX),
        gas_limit: u64::from(u32::MAX),
        max_fee_per_gas: u128::from(u64::MAX),
        max_priority_fee_per_gas: u128::from(u64::MAX),
        to: TxKind::Call(domain.contract),
        value: U256::ZERO,
        access_list: Default::default(),
        input: calldata.clone(),
    };
    let question = getL1FeeCall { transaction: transaction.encoded_for_signing().into() };
    let fee = rpc.view(GAS_PRICE_ORACLE, &question, head.hash).await?;
    let fee = fee.ok_or_else(|| {
        Fault::Undecodable(format!(
            "there is no price oracle at {GAS_PRICE_ORACLE}: chain.l1_fee is for OP-stack chains"
        ))
    })?;
    // It follows the L1's fees, which may rise until the transaction is taken.
    Ok(fee.saturating_add(fee / U256::from(4)))
}

/// Raises what is usual to the least tip that the chain's nodes take.
fn at_least(usual: Eip1559Estimation, min_priority: u128) -> Eip1559Estimation {
    let missing = min_priority.saturating_sub(usual.max_priority_fee_per_gas);
    Eip1559Estimation {
        max_fee_per_gas: usual.max_fee_per_gas.saturating_add(missing),
        max_priority_fee_per_gas: usual.max_priority_fee_per_gas.saturating_add(missing),
    }
}

/// The fees of an EIP-1559 transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub(super) max: u128,
    pub(super) priority: u128,
}

impl Fees {
    /// What is offered first.
    pub(super) fn first(estimate: Eip1559Estimation, ceiling: u128) -> Self {
        let max = estimate.max_fee_per_gas.min(ceiling);
        Self { max, priority: estimate.max_priority_fee_per_gas.min(max) }
    }

    /// What replaces a transaction that offers this: enough more for nodes to take it, or as much as is usual by now. `None`:
    /// that would be above the ceiling.
    pub(super) fn bumped(self, estimate: Eip1559Estimation, ceiling: u128) -> Option<Self> {
        let (least_max, least_priority) = (more(self.max), more(self.priority));
        if least_max > ceiling {
            return None;
        }
        let max = estimate.max_fee_per_gas.clamp(least_max, ceiling);
        Some(Self { max, priority: estimate.max_priority_fee_per_gas.max(least_priority).min(max) })
    }
}

/// The most that may be offered, of the `most` that is configured. A turn leaves room for one bump: a halt must be able to
/// replace a turn that is stuck at its ceiling.
pub(super) fn ceiling<P>(wanted: &Wanted<P>, most: u128) -> u128 {
    match wanted {
        Wanted::Turn { .. } => most / (BUMP_DIVISOR + 1) * BUMP_DIVISOR,
        Wanted::Halt { .. } => most,
    }
}

fn more(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(BUMP_DIVISOR).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> Eip1559Estimation {
        Eip1559Estimation { max_fee_per_gas, max_priority_fee_per_gas }
    }

    #[test]
    fn both_fees_rise_by_an_eighth_or_to_what_is_usual() {
        let fees = Fees { max: 100, priority: 9 };
        assert_eq!(fees.bumped(estimate(1, 1), 1_000), Some(Fees { max: 113, priority: 11 }));
        assert_eq!(fees.bumped(estimate(500, 50), 1_000), Some(Fees { max: 500, priority: 50 }));
        assert_eq!(Fees { max: 1, priority: 0 }.bumped(estimate(1, 0), 9), Some(Fees { max: 2, priority: 1 }));
    }

    #[test]
    fn a_tip_is_never_below_the_least_that_nodes_take() {
        assert_eq!(at_least(estimate(100, 9), 25), estimate(116, 25));
        assert_eq!(at_least(estimate(100, 30), 25), estimate(100, 30));
        assert_eq!(at_least(estimate(100, 9), 0), estimate(100, 9));
    }

    #[test]
    fn no_fee_is_above_the_ceiling() {
        assert_eq!(Fees::first(estimate(500, 300), 200), Fees { max: 200, priority: 200 });
        let fees = Fees { max: 100, priority: 100 };
        assert_eq!(fees.bumped(estimate(500, 300), 120), Some(Fees { max: 120, priority: 120 }));
        assert_eq!(fees.bumped(estimate(500, 300), 112), None);
    }

    #[test]
    fn a_halt_can_replace_a_turn_at_its_ceiling() {
        let turn = Wanted::Turn { nonce: 0, calldata: Default::default(), permit: () };
        let halt = Wanted::Halt { epoch: 1, calldata: Default::default(), permit: () };
        for most in [9, 10, 17, 1_000, 300_000_000_007] {
            let at_ceiling = Fees::first(estimate(u128::MAX, u128::MAX), ceiling(&turn, most));
            assert!(at_ceiling.bumped(estimate(1, 1), ceiling(&halt, most)).is_some(), "ceiling of {most}");
        }
    }
}
