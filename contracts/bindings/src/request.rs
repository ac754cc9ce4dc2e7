//! A request: what a client asks a ring to do, and signs.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, Signature, U256},
    sol,
    sol_types::private::primitives::aliases::{U24, U40, U96},
};
use serde::{Deserialize, Serialize};

use crate::{
    call::{self, Call, Effect, Transfer},
    decimal,
    domain::Domain,
    signature::{self, SignatureError},
};

mod eip712 {
    #![allow(missing_docs)]
    super::sol! {
        struct Request {
            bytes16 id;
            uint32 ring;
            address target;
            uint96 value;
            bytes data;
            uint24 gas;
            uint40 expiry;
        }
    }
}

/// The name of a request, chosen by the client: 16 bytes, for instance a UUID. The idempotency key.
pub type RequestId = FixedBytes<16>;

/// One call that a client wants a ring to make, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its name. The same id with the same content is the same request, for ever.
    pub id: RequestId,
    /// The ring that is to make the call.
    pub ring: u32,
    /// Whom to call: the recipient of the native coin, or the token.
    pub target: Address,
    /// How much of the native coin to send, in wei; below 2^96.
    #[serde(with = "decimal")]
    pub value: u128,
    /// The call data; empty for a bare transfer of the native coin.
    pub data: Bytes,
    /// The gas that the call gets; below 2^24. A usual ERC-20 transfer takes some 35,000, ask for 100,000.
    pub gas: u32,
    /// The last second (Unix time) at which the call may be made; below 2^40.
    pub expiry: u64,
}

/// A request and its client's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    /// What is asked for.
    pub request: Request,
    /// The signature of its EIP-712 struct: 65 bytes r ‖ s ‖ v.
    pub signature: FixedBytes<65>,
}

/// Why a request is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A number needs more bits than its EIP-712 type has.
    #[error("{field} is {value}, which is too large: it has to be below 2^{bits}")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u128,
        /// How many bits it may have.
        bits: u32,
    },
    /// The call is no transfer.
    #[error(
        "the call to {target} with {length} bytes of data is neither a transfer of the native coin nor an ERC-20 \
         transfer(address,uint256) without value: a ring may do nothing else"
    )]
    NotATransfer {
        /// Whom it calls.
        target: Address,
        /// The length of its data.
        length: usize,
    },
    /// The signature is not 27 or 28 at its end, has a high s, or recovers to no key.
    #[error("signature: {0}")]
    Signature(#[from] SignatureError),
}

impl Request {
    /// Checks the ranges of the numbers.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn check(&self) -> Result<(), RequestError> {
        let fields =
            [("value", self.value, 96), ("gas", u128::from(self.gas), 24), ("expiry", u128::from(self.expiry), 40)];
        match fields.into_iter().find(|(_, value, bits)| value >> bits != 0) {
            Some((field, value, bits)) => Err(RequestError::TooLarge { field, value, bits }),
            None => Ok(()),
        }
    }

    /// What the client signs (EIP-712). In the domain of the contract, like everything else that is signed for it.
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&eip712::Request {
            id: self.id,
            ring: self.ring,
            target: self.target,
            value: U96::wrapping_from(self.value),
            data: self.data.clone(),
            gas: U24::wrapping_from(self.gas),
            expiry: U40::wrapping_from(self.expiry),
        })
    }

    /// What the request transfers.
    ///
    /// # Errors
    /// `NotATransfer`.
    pub fn transfers(&self) -> Result<Transfer, RequestError> {
        call::transfer(self.target, self.value, &self.data)
            .ok_or(RequestError::NotATransfer { target: self.target, length: self.data.len() })
    }

    /// The asset that the request spends and how much of it; zero is the native coin.
    ///
    /// # Errors
    /// `NotATransfer`.
    pub fn spends(&self) -> Result<(Address, U256), RequestError> {
        self.transfers().map(|Transfer { asset, amount, .. }| (asset, amount))
    }

    /// The call that a turn of a ring with this main asset makes for the request: there is just one way to write it.
    pub fn to_call(&self, main_asset: Address) -> Call {
        let pay = if self.data.is_empty() && main_asset.is_zero() {
            Some((self.target, self.value))
        } else if self.target == main_asset && self.value == 0 {
            call::erc20_transfer(&self.data)
                .filter(|(_, amount)| *amount <= U256::from(call::MAX_AMOUNT))
                .map(|(to, amount)| (to, amount.to()))
        } else {
            None
        };
        let effect = match pay {
            Some((to, amount)) => Effect::Pay { to, amount },
            None => Effect::Call { target: self.target, value: self.value, data: self.data.clone() },
        };
        Call { request_id: self.id, gas: self.gas, effect }
    }
}

impl SignedRequest {
    /// Who signed the request.
    ///
    /// # Errors
    /// `Signature`.
    pub fn requester(&self, domain: &Domain) -> Result<Address, RequestError> {
        let signature = Signature::from_raw_array(&self.signature.0).map_err(|_| SignatureError::Unrecoverable)?;
        Ok(signature::recover(&signature, &self.request.digest(domain))?)
    }
}
