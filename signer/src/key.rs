//! The key that the enclave signs with.

#[cfg(feature = "kept")]
mod kept;

use std::{fmt, path::Path};

use alloy::primitives::{Address, B256, Signature};
use k256::ecdsa;
use ring_keystore::KeystoreError;
use secrecy::SecretString;

#[cfg(feature = "kept")]
use kept::Kept;
#[cfg(feature = "elsewhere")]
pub(crate) use kept::Opening;
#[cfg(feature = "memory")]
pub(crate) use kept::{Unlocking, WARNING};

/// A key in this process's memory, or one that somebody else has.
pub enum SigningKey {
    /// In memory; wiped when it is dropped.
    Here(Box<ecdsa::SigningKey>),
    /// Unlocked by people for a time, or kept by an HSM or a service.
    #[cfg(feature = "kept")]
    Kept(Kept),
}

/// Why a key cannot be opened, or does not sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The keystore or key file.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// It does not sign.
    #[error("the key does not sign: {0}")]
    Signing(String),
    /// Whoever keeps it.
    #[cfg(feature = "kept")]
    #[error(transparent)]
    Elsewhere(#[from] ring_key::KeyError),
    /// No threads.
    #[cfg(feature = "kept")]
    #[error("no runtime: {0}")]
    Runtime(std::io::Error),
    /// Nobody can unlock it.
    #[cfg(feature = "memory")]
    #[error("key.memory.socket: {path} cannot be served: {why}; name a path in a folder of this user's own", path = path.display())]
    Socket {
        /// The socket.
        path: std::path::PathBuf,
        /// What is wrong.
        why: std::io::Error,
    },
}

impl SigningKey {
    /// The key of a keystore (Web3 Secret Storage).
    ///
    /// # Errors
    /// `Keystore`.
    pub fn of_keystore(path: &Path, password: &SecretString) -> Result<Self, KeyError> {
        Ok(Self::Here(Box::new(ring_keystore::open_key(path, password)?)))
    }

    /// A key in hexadecimal, as a credential that the host's TPM has sealed.
    ///
    /// # Errors
    /// `Keystore`.
    pub fn of_hexadecimal(text: &SecretString) -> Result<Self, KeyError> {
        Ok(Self::Here(Box::new(ring_keystore::key_from_hexadecimal(text)?)))
    }

    /// Its account.
    pub fn address(&self) -> Address {
        match self {
            Self::Here(key) => Address::from_private_key(key),
            #[cfg(feature = "kept")]
            Self::Kept(kept) => kept.address(),
        }
    }

    /// Whether it is in this process's memory, so that nothing outside has to be reached.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Here(_) => true,
            #[cfg(feature = "kept")]
            Self::Kept(kept) => kept.is_here(),
        }
    }

    /// Signs what was decoded and allowed: low s (EIP-2).
    pub(crate) fn sign(&self, digest: B256) -> Result<Signature, KeyError> {
        match self {
            Self::Here(key) => {
                let signed = key.sign_prehash_recoverable(digest.as_slice());
                let (signature, recovery) = signed.map_err(|error| KeyError::Signing(error.to_string()))?;
                Ok(Signature::from((signature, recovery)).normalized_s())
            }
            #[cfg(feature = "kept")]
            Self::Kept(kept) => kept.sign(digest),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address())
    }
}
