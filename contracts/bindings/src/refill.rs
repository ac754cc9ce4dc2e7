//! Refills: coin for gas, which a seat asks for by itself, for its own account.
//!
//! It is a request like any other, signed by the seat's own key instead of a requester's, and all of it follows from key and
//! time: so one seat can have one refill a period, however often it asks and whoever has its key. Every seat sees for itself
//! that the account needs it, as evidence of the request, before it signs.

use alloy::primitives::{Address, Bytes, keccak256};

use crate::{
    domain::Domain,
    request::{Request, RequestId},
};

/// The gas of the transfer: an account may have code (EIP-7702).
const GAS: u32 = 50_000;

/// What seats may ask for by themselves. The same at every seat of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    /// How much of the native coin, in wei; 1 to 2^96 − 1.
    pub amount: u128,
    /// One in so many seconds of the chain's time; at least 1. A request is good until the end of the period after its own.
    pub period: u64,
}

impl Refill {
    /// The one request that the seat with this key may make at this time of the chain, in Unix seconds.
    pub fn request(&self, domain: &Domain, ring: u32, key: Address, time: u64) -> Request {
        let index = time / self.period;
        let name =
            [b"ring-window refill", &domain.separator()[..], &ring.to_be_bytes(), &key[..], &index.to_be_bytes()];
        Request {
            id: RequestId::from_slice(&keccak256(name.concat())[..RequestId::len_bytes()]),
            ring,
            target: key,
            value: self.amount,
            data: Bytes::new(),
            gas: GAS,
            expiry: index.saturating_add(2).saturating_mul(self.period),
        }
    }

    /// The first second of the period of a refill that expires then.
    pub fn starts(&self, expiry: u64) -> u64 {
        expiry.saturating_sub(self.period.saturating_mul(2))
    }

    /// Whether a request is the refill of one of these keys, at whatever time.
    pub fn is(&self, request: &Request, domain: &Domain, keys: &[Address]) -> bool {
        keys.contains(&request.target)
            && *request == self.request(domain, request.ring, request.target, self.starts(request.expiry))
    }
}
