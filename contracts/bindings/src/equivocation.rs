//! Two contents that one key signed for one nonce: what anybody can show the contract, which then halts the ring.

use alloy::{
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY},
    sol_types::SolCall,
};
use serde::{Deserialize, Serialize};

use crate::{
    abi::{IRingMultisig, RingMultisig},
    charter::Charter,
    domain::Domain,
    signature::{CompactSignature, SignatureError},
    turn::TurnId,
};

/// A turn as one key signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedTurn {
    /// Which turn.
    pub id: TurnId,
    /// keccak256 of the packed calls.
    pub calls_hash: B256,
    /// The key's signature.
    pub signature: CompactSignature,
}

/// A proof that a key is in two hands, or in dishonest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivocation {
    /// One content.
    pub first: SignedTurn,
    /// The other.
    pub second: SignedTurn,
}

/// Why two signed turns prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EquivocationError {
    /// They are of different nonces.
    #[error(
        "the two turns are not of one ring, epoch and nonce (ring {} epoch {} nonce {}, and ring {} epoch {} nonce {}): \
         both may be honest",
        first.ring, first.epoch, first.nonce, second.ring, second.epoch, second.nonce
    )]
    Unrelated {
        /// The one.
        first: TurnId,
        /// The other.
        second: TurnId,
    },
    /// A void may stand beside a content.
    #[error("one of the two turns is void: a key may sign the void beside its one content")]
    Void,
    /// It is one turn twice.
    #[error("the two turns are one and the same ({0})")]
    Same(B256),
    /// They are of two keys.
    #[error("the turns were signed by two keys, {first} and {second}: each may be honest")]
    SignersDiffer {
        /// The one.
        first: Address,
        /// The other.
        second: Address,
    },
    /// A signature is damaged.
    #[error("signature: {0}")]
    Signature(#[from] SignatureError),
}

impl SignedTurn {
    /// What was signed (EIP-712).
    pub fn digest(&self, domain: &Domain) -> B256 {
        self.id.digest(self.calls_hash, domain)
    }

    fn abi(&self) -> IRingMultisig::SignedTurn {
        let (r, vs) = self.signature.as_bytes().split_at(32);
        IRingMultisig::SignedTurn {
            id: self.id.pack(),
            callsHash: self.calls_hash,
            r: B256::from_slice(r),
            vs: B256::from_slice(vs),
        }
    }
}

impl Equivocation {
    /// Checks what the contract checks of the turns themselves, and says whose key it is.
    ///
    /// # Errors
    /// Any [`EquivocationError`].
    pub fn check(&self, domain: &Domain) -> Result<Address, EquivocationError> {
        let Self { first, second } = self;
        let slot = |id: &TurnId| (id.ring, id.epoch, id.nonce);
        if slot(&first.id) != slot(&second.id) {
            return Err(EquivocationError::Unrelated { first: first.id, second: second.id });
        }
        if [first, second].iter().any(|turn| turn.calls_hash == KECCAK256_EMPTY) {
            return Err(EquivocationError::Void);
        }
        let digests = (first.digest(domain), second.digest(domain));
        if digests.0 == digests.1 {
            return Err(EquivocationError::Same(digests.0));
        }
        let signers = (first.signature.recover(&digests.0)?, second.signature.recover(&digests.1)?);
        if signers.0 != signers.1 {
            return Err(EquivocationError::SignersDiffer { first: signers.0, second: signers.1 });
        }
        Ok(signers.0)
    }

    /// The call data of `proveEquivocation`. `charter` is the ring's current one.
    pub fn calldata(&self, charter: &Charter) -> Bytes {
        let (first, second) = (self.first.abi(), self.second.abi());
        RingMultisig::proveEquivocationCall { charter: charter.into(), first, second }.abi_encode().into()
    }
}
