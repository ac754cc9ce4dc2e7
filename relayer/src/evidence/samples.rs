//! Requests to ask about, for tests.

use proptest::prelude::*;
use ring_contracts::{Address, U256};

use super::{Facts, Transfer};

/// 0x0a…0a: this much of token 0xaa to 0xb0, asked for by 0xf1.
pub(crate) fn token_transfer(amount: u64) -> Facts {
    let asset = Address::with_last_byte(0xaa);
    let transfer = Transfer { asset, recipient: Address::with_last_byte(0xb0), amount: U256::from(amount) };
    Facts {
        id: [0x0a; 16].into(),
        ring: 1,
        target: asset,
        value: 0,
        data: vec![1, 2, 3].into(),
        gas: 100_000,
        expiry: 2_000_000_000,
        requester: Address::with_last_byte(0xf1),
        transfer: Some(transfer),
    }
}

/// Any transfer.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let address = || any::<[u8; 20]>().prop_map(Address::from);
    let transfer = (address(), address(), any::<[u8; 32]>()).prop_map(|(asset, recipient, amount)| Transfer {
        asset,
        recipient,
        amount: U256::from_be_bytes(amount),
    });
    let data = prop::collection::vec(any::<u8>(), 0..80);
    (any::<[u8; 16]>(), any::<u32>(), address(), any::<u128>(), data, any::<u64>(), address(), transfer).prop_map(
        |(id, ring, target, value, data, expiry, requester, transfer)| Facts {
            id: id.into(),
            ring,
            target,
            value,
            data: data.into(),
            gas: 100_000,
            expiry,
            requester,
            transfer: Some(transfer),
        },
    )
}
