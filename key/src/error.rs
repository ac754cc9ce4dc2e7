//! Why a key does not sign.

use alloy::primitives::Address;

/// Why a key cannot be opened, or does not sign. None of them tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Whoever keeps the key does not answer, or says that it cannot now. It is worth asking again.
    #[error("{keeper} does not answer now: {why}")]
    Unavailable {
        /// Who keeps the key.
        keeper: String,
        /// What happened.
        why: String,
    },
    /// Whoever keeps the key refuses. Asking again changes nothing until a person does something.
    #[error("{keeper} refuses: {why}")]
    Refused {
        /// Who keeps the key.
        keeper: String,
        /// What it said, and what to do.
        why: String,
    },
    /// What is kept there is no secp256k1 key that can be used.
    #[error("{keeper} has no usable key there: {why}")]
    NotAKey {
        /// Who keeps the key.
        keeper: String,
        /// What is wrong.
        why: String,
    },
    /// A signature that is not one of this key. Somebody changed the key, or lies.
    #[error(
        "{keeper} answered with a signature that is not by the key of {address}: has the key there been changed? Nothing was \
         signed with it that this seat uses"
    )]
    OtherKey {
        /// Who keeps the key.
        keeper: String,
        /// Whose signature it should have been.
        address: Address,
    },
}
