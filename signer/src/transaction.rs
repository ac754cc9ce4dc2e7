//! The transactions that a seat's account sends: type 2 (EIP-1559), a call of the ring's contract without value.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    rlp::{Encodable, Header},
};
use ring_contracts::Domain;

use crate::message::Transaction;

/// The type of a transaction with a tip and a maximum fee (EIP-1559, EIP-2718).
const TYPE: u8 = 2;

impl Transaction {
    /// What its sender signs: keccak256(2 ‖ rlp([chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas, gas_limit, to,
    /// value, data, access_list])), EIP-1559.
    pub fn digest(&self, domain: &Domain) -> B256 {
        let no_access_list: Vec<Address> = Vec::new();
        let fields: [&dyn Encodable; 9] = [
            &domain.chain_id,
            &self.nonce,
            &self.max_priority_fee_per_gas,
            &self.max_fee_per_gas,
            &self.gas_limit,
            &domain.contract,
            &U256::ZERO,
            &self.calldata,
            &no_access_list,
        ];
        let mut encoded = vec![TYPE];
        let payload_length = fields.iter().map(|field| field.length()).sum();
        Header { list: true, payload_length }.encode(&mut encoded);
        fields.iter().for_each(|field| field.encode(&mut encoded));
        keccak256(encoded)
    }

    /// The most that it can cost, in wei.
    pub fn most_it_costs(&self) -> u128 {
        u128::from(self.gas_limit) * u128::from(self.max_fee_per_gas)
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::{SignableTransaction as _, TxEip1559},
        primitives::TxKind,
    };
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_digest_is_that_of_the_transaction_that_is_sent(
            numbers in any::<[u64; 5]>(), contract in any::<[u8; 20]>(), calldata in any::<Vec<u8>>(),
        ) {
            let [chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas] = numbers;
            let contract = Address::from(contract);
            let sent = TxEip1559 {
                chain_id, nonce, gas_limit,
                max_fee_per_gas: max_fee_per_gas.into(),
                max_priority_fee_per_gas: max_priority_fee_per_gas.into(),
                to: TxKind::Call(contract),
                input: calldata.clone().into(),
                ..TxEip1559::default()
            };
            let asked = Transaction { nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, calldata: calldata.into() };
            prop_assert_eq!(asked.digest(&Domain { chain_id, contract }), sent.signature_hash());
        }
    }
}
