//! Signatures in the one form that the contract takes from seats.

use std::fmt;

use alloy::primitives::{Address, B256, FixedBytes, Signature};
use serde::{Deserialize, Serialize};

/// A signature of 64 bytes, r ‖ vs (ERC-2098), with a low s. Another key cannot be read from it without the digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompactSignature(FixedBytes<64>);

/// Why a signature is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The s value is in the upper half of the curve's order (EIP-2).
    #[error("the signature has a high s: normalise it (EIP-2) before sending it")]
    HighS,
    /// No key makes this signature of this digest.
    #[error("the signature recovers to no key: it is damaged")]
    Unrecoverable,
    /// Another key made it, or it is of another digest.
    #[error(
        "the signature is not by {expected}: it recovers to {actual}, which is another key, or it signs something else"
    )]
    WrongSigner {
        /// Who should have signed.
        expected: Address,
        /// Whom it recovers to.
        actual: Address,
    },
}

impl CompactSignature {
    /// Who made this signature of this digest.
    ///
    /// # Errors
    /// `HighS`, `Unrecoverable`.
    pub fn recover(&self, digest: &B256) -> Result<Address, SignatureError> {
        let signature = Signature::from_erc2098(&self.0.0);
        recover(&signature, digest)
    }

    /// Checks that `signer` made this signature of this digest.
    ///
    /// # Errors
    /// Any `SignatureError`.
    pub fn verify(&self, digest: &B256, signer: Address) -> Result<(), SignatureError> {
        match self.recover(digest)? {
            actual if actual == signer => Ok(()),
            actual => Err(SignatureError::WrongSigner { expected: signer, actual }),
        }
    }

    /// The 64 bytes r ‖ vs.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0.0
    }
}

/// Who made a signature, if it is canonical.
pub(crate) fn recover(signature: &Signature, digest: &B256) -> Result<Address, SignatureError> {
    if signature.normalize_s().is_some() {
        return Err(SignatureError::HighS);
    }
    match signature.recover_address_from_prehash(digest) {
        Ok(address) if address != Address::ZERO => Ok(address),
        _ => Err(SignatureError::Unrecoverable),
    }
}

impl From<Signature> for CompactSignature {
    /// A high s is normalised: hardware and key services return it half of the time.
    fn from(signature: Signature) -> Self {
        Self(FixedBytes(signature.normalized_s().as_erc2098()))
    }
}

impl From<[u8; 64]> for CompactSignature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(FixedBytes(bytes))
    }
}

impl fmt::Debug for CompactSignature {
    /// Shows the first bytes only: a signature in a log is a signature given away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactSignature({}…)", alloy::primitives::hex::encode(&self.0[..4]))
    }
}
