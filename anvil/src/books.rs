//! The books: what was ordered against what the chain says was paid. No relayer is asked.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};

use crate::{deployment::Payment, orders::Order};

/// What became of the orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Paid exactly once, and the right amount.
    pub paid: Vec<u64>,
    /// Paid more than once.
    pub paid_twice: Vec<u64>,
    /// Never paid.
    pub lost: Vec<u64>,
    /// Paid once, but another amount.
    pub wrong_amount: Vec<u64>,
    /// What went to those addresses in all.
    pub paid_out: U256,
    /// What the thief got, payment by payment.
    pub stolen: Vec<Payment>,
    /// Payments to nobody that is known.
    pub strays: Vec<Payment>,
}

impl Books {
    /// Compares orders with all payments that were ever made.
    pub fn compare(orders: &[Order], payments: &[Payment], thief: Address) -> Self {
        let mut by_address: BTreeMap<Address, Vec<Payment>> = BTreeMap::new();
        for payment in payments {
            by_address.entry(payment.to).or_default().push(*payment);
        }
        let mut books = Self { stolen: by_address.remove(&thief).unwrap_or_default(), ..Self::default() };
        for order in orders {
            let payments = by_address.remove(&order.address).unwrap_or_default();
            books.paid_out += payments.iter().map(|payment| payment.amount).sum::<U256>();
            let entry = match payments.as_slice() {
                [] => &mut books.lost,
                [one] if one.amount == U256::from(order.amount) => &mut books.paid,
                [_] => &mut books.wrong_amount,
                _ => &mut books.paid_twice,
            };
            entry.push(order.number);
        }
        books.strays = by_address.into_values().flatten().collect();
        books
    }

    /// What the thief got in all.
    pub fn stolen_value(&self) -> U256 {
        self.stolen.iter().map(|payment| payment.amount).sum()
    }

    /// Whether each order was paid exactly once, and nobody else but the thief got anything.
    pub fn balance(&self) -> bool {
        let Self { paid_twice, lost, wrong_amount, strays, .. } = self;
        paid_twice.is_empty() && lost.is_empty() && wrong_amount.is_empty() && strays.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;
    use crate::orders;

    fn pay(to: Address, amount: u128) -> Payment {
        Payment { to, amount: U256::from(amount), transaction: B256::ZERO }
    }

    #[test]
    fn each_kind_of_mistake_is_found() {
        let thief = Address::with_last_byte(1);
        let stranger = Address::with_last_byte(2);
        let orders = orders::generate(4);
        let right = |index: usize| pay(orders[index].address, orders[index].amount);
        let payments =
            [right(0), right(1), right(1), pay(orders[2].address, 1), pay(thief, 10), pay(thief, 5), pay(stranger, 3)];
        let books = Books::compare(&orders, &payments, thief);
        assert_eq!(books.paid, [1]);
        assert_eq!(books.paid_twice, [2]);
        assert_eq!(books.wrong_amount, [3]);
        assert_eq!(books.lost, [4]);
        assert_eq!(books.stolen_value(), U256::from(15));
        assert_eq!(books.strays, [pay(stranger, 3)]);
        assert!(!books.balance());
        let all: Vec<_> = (0..4).map(right).collect();
        assert!(Books::compare(&orders, &all, thief).balance());
    }
}
