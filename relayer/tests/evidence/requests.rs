//! Signed requests to ask about.

use alloy::{
    primitives::{Address, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolCall as _,
};
use ring_contracts::{Domain, IERC20::transferCall, Request, SignedRequest};

/// Where all of them belong.
pub(crate) const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::ZERO };
pub(crate) const TOKEN: Address = Address::with_last_byte(0xaa);
pub(crate) const RECIPIENT: Address = Address::with_last_byte(0xb0);

/// Who signs.
pub(crate) fn requester() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).expect("it is a key")
}

/// A transfer of so much of the token; its id is this byte, 16 times.
pub(crate) fn token_transfer(id: u8, amount: U256) -> SignedRequest {
    let data = transferCall { to: RECIPIENT, value: amount }.abi_encode();
    signed(Request { target: TOKEN, value: 0, data: data.into(), ..native(id, 0) })
}

/// A transfer of so much of the native coin, in wei.
pub(crate) fn native_transfer(id: u8, wei: u128) -> SignedRequest {
    signed(native(id, wei))
}

fn native(id: u8, wei: u128) -> Request {
    Request {
        id: [id; 16].into(),
        ring: 1,
        target: RECIPIENT,
        value: wei,
        data: Default::default(),
        gas: 100_000,
        expiry: 2_000_000_000,
    }
}

/// Signed as it is.
pub(crate) fn signed(request: Request) -> SignedRequest {
    let signature = requester().sign_hash_sync(&request.digest(&DOMAIN)).expect("a key in memory signs");
    SignedRequest { request, signature: signature.as_bytes().into() }
}
