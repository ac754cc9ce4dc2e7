//! One secp256k1 key, wherever it lives. A key signs digests of 32 bytes and knows its address; what may be signed is not its
//! business but that of whoever holds it (the relayer's `signer`).
//!
//! Whatever a service answers is checked before it is believed: a signature has low s (EIP-2) and recovers to the address that
//! was learnt when the key was opened, or it is no signature of this key.

#[cfg(feature = "aws-kms")]
pub mod aws_kms;
#[cfg(feature = "azure-kv")]
pub mod azure_kv;
mod error;
#[cfg(feature = "gcp-kms")]
pub mod gcp_kms;
mod local;
#[cfg(any(feature = "azure-kv", feature = "gcp-kms"))]
mod login;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
#[cfg(feature = "settings")]
mod secret_source;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "memory")]
pub mod share;
#[cfg(any(feature = "aws-kms", feature = "azure-kv", feature = "gcp-kms", feature = "pkcs11", test))]
mod signature;
#[cfg(feature = "memory")]
pub mod unlock;
#[cfg(feature = "vault")]
pub mod vault;

use std::fmt;

use alloy::primitives::{Address, B256, Signature};
use futures::future::BoxFuture;

pub use error::KeyError;
pub use local::LocalKey;
#[cfg(feature = "settings")]
pub use secret_source::SecretSource;

/// A key that signs. Each answer comes within [`PATIENCE`], or is an error.
pub trait Key: Send + Sync + fmt::Debug {
    /// Its account.
    fn address(&self) -> Address;

    /// Signs a digest: low s, and the recovery id of [`address`](Self::address). A lost answer loses nothing: asked again, a key
    /// signs the same digest again.
    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>>;
}

/// How long a key may take to answer.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
