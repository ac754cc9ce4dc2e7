//! A key in this process's own memory.

use std::fmt;

use alloy::{
    primitives::{Address, B256, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use futures::future::{BoxFuture, FutureExt as _, ready};

use crate::{Key, KeyError};

/// A key in memory, wiped when it is dropped. Whoever reads the process's memory has it.
pub struct LocalKey(PrivateKeySigner);

impl LocalKey {
    /// Takes a key that was opened.
    pub fn new(key: PrivateKeySigner) -> Self {
        Self(key)
    }

    /// Signs at once.
    pub(crate) fn sign_now(&self, keeper: &str, digest: B256) -> Result<Signature, KeyError> {
        self.0
            .sign_hash_sync(&digest)
            .map_err(|error| KeyError::NotAKey { keeper: keeper.to_owned(), why: error.to_string() })
    }
}

impl Key for LocalKey {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        ready(self.sign_now("memory", digest)).boxed()
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({})", self.0.address())
    }
}
