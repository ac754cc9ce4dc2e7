//! A cancellation: what a client signs when a request of its own shall not be executed any more. The contract knows nothing of
//! it; the relayers do.

use alloy::{
    primitives::{Address, B256, FixedBytes, Signature},
    sol,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::Domain,
    request::{Request, RequestId},
    signature::{self, SignatureError},
};

mod eip712 {
    #![allow(missing_docs)]
    super::sol! {
        struct Cancellation {
            bytes16 id;
            uint32 ring;
            bytes32 request;
        }
    }
}

/// That one request, with just that content, shall not be executed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// The request's id.
    pub id: RequestId,
    /// The ring that was to make its call.
    pub ring: u32,
    /// The digest that the request's client signed.
    pub request: B256,
}

/// A cancellation and its client's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCancellation {
    /// What is cancelled.
    pub cancellation: Cancellation,
    /// The signature of its EIP-712 struct, by the key that signed the request: 65 bytes r ‖ s ‖ v.
    pub signature: FixedBytes<65>,
}

impl Cancellation {
    /// That of a request.
    pub fn of(request: &Request, domain: &Domain) -> Self {
        Self { id: request.id, ring: request.ring, request: request.digest(domain) }
    }

    /// What the client signs (EIP-712), in the domain of the contract.
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&eip712::Cancellation { id: self.id, ring: self.ring, request: self.request })
    }
}

impl SignedCancellation {
    /// Who signed the cancellation.
    ///
    /// # Errors
    /// `HighS`, `Unrecoverable`.
    pub fn signer(&self, domain: &Domain) -> Result<Address, SignatureError> {
        let signature = Signature::from_raw_array(&self.signature.0).map_err(|_| SignatureError::Unrecoverable)?;
        signature::recover(&signature, &self.cancellation.digest(domain))
    }
}
