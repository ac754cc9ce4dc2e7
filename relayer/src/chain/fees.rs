//! What a transaction offers for its gas.

use alloy::eips::eip1559::Eip1559Estimation;

use super::wanted::Wanted;

/// Nodes take a replacement only for a tenth more of both fees; an eighth is beyond doubt. It is also the most that the
/// base fee rises from block to block.
const BUMP_DIVISOR: u128 = 8;

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
