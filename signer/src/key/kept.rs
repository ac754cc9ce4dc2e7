//! Keys that `ring-key` has: unlocked by people for a time, or kept by an HSM or a service.

#[cfg(feature = "elsewhere")]
mod elsewhere;
#[cfg(feature = "memory")]
mod memory;

use alloy::primitives::{Address, B256, Signature};
use ring_key::Key;
use tokio::runtime::{Builder, Runtime};

use super::KeyError;

#[cfg(feature = "elsewhere")]
pub(crate) use elsewhere::Opening;
#[cfg(feature = "memory")]
pub(crate) use memory::{Unlocking, WARNING};

type Opened = Result<Box<dyn Key>, ring_key::KeyError>;

/// A key, and the threads that it needs.
pub struct Kept {
    key: Box<dyn Key>,
    is_here: bool,
    runtime: Runtime,
}

impl Kept {
    fn open(is_here: bool, opening: impl Future<Output = Opened>) -> Result<Self, KeyError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(KeyError::Runtime)?;
        let key = runtime.block_on(opening)?;
        Ok(Self { key, is_here, runtime })
    }

    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    pub(super) fn is_here(&self) -> bool {
        self.is_here
    }

    pub(super) fn sign(&self, digest: B256) -> Result<Signature, KeyError> {
        Ok(self.runtime.block_on(self.key.sign(digest))?)
    }
}
