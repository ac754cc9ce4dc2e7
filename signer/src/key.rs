//! The key that the enclave signs with.

use std::{fmt, path::Path};

use alloy::primitives::{Address, B256, Signature};
use k256::ecdsa;
use ring_keystore::KeystoreError;
use secrecy::SecretString;

/// A key in this process's memory, or in an HSM behind it.
pub enum SigningKey {
    /// In memory; wiped when it is dropped.
    Here(Box<ecdsa::SigningKey>),
    /// In an HSM.
    #[cfg(feature = "pkcs11")]
    Pkcs11(Box<ring_key::pkcs11::Pkcs11Key>, tokio::runtime::Runtime),
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
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Elsewhere(#[from] ring_key::KeyError),
    /// No threads.
    #[cfg(feature = "pkcs11")]
    #[error("no runtime: {0}")]
    Runtime(std::io::Error),
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

    /// A key in an HSM.
    ///
    /// # Errors
    /// `Elsewhere`, `Runtime`.
    #[cfg(feature = "pkcs11")]
    pub fn of_hsm(settings: ring_key::pkcs11::Pkcs11Settings) -> Result<Self, KeyError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(KeyError::Runtime)?;
        let key = runtime.block_on(ring_key::pkcs11::Pkcs11Key::open(settings))?;
        Ok(Self::Pkcs11(Box::new(key), runtime))
    }

    /// Its account.
    pub fn address(&self) -> Address {
        match self {
            Self::Here(key) => Address::from_private_key(key),
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(key, _) => ring_key::Key::address(&**key),
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
            #[cfg(feature = "pkcs11")]
            Self::Pkcs11(key, runtime) => Ok(runtime.block_on(ring_key::Key::sign(&**key, digest))?),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address())
    }
}
