//! What customers have paid for by card: a file of orders, the same for each run.

use std::path::Path;

use alloy::primitives::{Address, keccak256};
use eyre::{Result, WrapErr};
use rand::{Rng, SeedableRng, rngs::StdRng};
use ring_contracts::RequestId;
use serde::{Deserialize, Serialize};

use crate::token::ONE;

const SEED: u64 = 20_260_101;
/// What one cent buys.
const TOKENS_PER_CENT: u128 = ONE / 25;
const CUSTOMERS: [&str; 12] =
    ["Ada", "Boris", "Chiara", "Dmitri", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Kavya", "Lena"];

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, from 1.
    pub number: u64,
    /// Who ordered.
    pub customer: String,
    /// Where the tokens go; no two orders have the same.
    pub address: Address,
    /// What the card was charged, in cents.
    pub cents: u64,
    /// What is paid out, in the token's smallest unit.
    #[serde(with = "decimal")]
    pub amount: u128,
}

impl Order {
    /// The name of its request. It follows from the order's number, so asking twice is asking once.
    pub fn request_id(&self) -> RequestId {
        RequestId::from_slice(&keccak256(format!("order {}", self.number))[..16])
    }
}

/// The first `count` orders.
pub fn generate(count: u64) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(SEED);
    let order = |number| {
        let cents = random.gen_range(500..50_000);
        let name = CUSTOMERS[random.gen_range(0..CUSTOMERS.len())];
        Order {
            number,
            customer: format!("{name} {number}"),
            address: Address::from_slice(&keccak256(format!("customer of order {number}"))[12..]),
            cents,
            amount: u128::from(cents) * TOKENS_PER_CENT,
        }
    };
    (1..=count).map(order).collect()
}

/// What all orders together pay out.
pub fn total(orders: &[Order]) -> u128 {
    orders.iter().map(|order| order.amount).sum()
}

/// Writes orders as CSV.
///
/// # Errors
/// The file cannot be written.
pub fn write(orders: &[Order], file: &Path) -> Result<()> {
    let write = || -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_path(file)?;
        orders.iter().try_for_each(|order| writer.serialize(order))?;
        Ok(writer.flush()?)
    };
    write().wrap_err_with(|| format!("{} cannot be written", file.display()))
}

/// Reads orders from CSV.
///
/// # Errors
/// The file cannot be read, or has something else in it.
pub fn read(file: &Path) -> Result<Vec<Order>> {
    let read = || csv::Reader::from_path(file)?.deserialize().collect::<Result<Vec<Order>, csv::Error>>();
    read().wrap_err_with(|| format!("{} cannot be read", file.display()))
}

mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_orders_come_each_time_and_each_has_its_own_address_and_id() {
        let orders = generate(500);
        assert_eq!(orders, generate(500));
        assert_eq!(orders[..20], generate(20));
        assert_eq!(orders.iter().map(|order| order.address).collect::<BTreeSet<_>>().len(), 500);
        assert_eq!(orders.iter().map(Order::request_id).collect::<BTreeSet<_>>().len(), 500);
    }

    #[test]
    fn a_file_of_orders_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.csv");
        let orders = generate(50);
        write(&orders, &file).unwrap();
        assert_eq!(read(&file).unwrap(), orders);
        let head = std::fs::read_to_string(&file).unwrap();
        assert!(head.starts_with("number,customer,address,cents,amount\n"), "{head}");
    }
}
