//! A key that an HSM or a service has.

use std::fmt;

use futures::future::{BoxFuture, FutureExt as _};
use ring_key::Key;

use super::{Kept, Opened};
use crate::key::{KeyError, SigningKey};

/// How to get to it.
pub(crate) struct Opening(Box<dyn Fn() -> BoxFuture<'static, Opened> + Send + Sync>);

impl Opening {
    /// Like this.
    pub(crate) fn new<K, Open>(open: impl Fn() -> Open + Send + Sync + 'static) -> Self
    where
        K: Key + 'static,
        Open: Future<Output = Result<K, ring_key::KeyError>> + Send + 'static,
    {
        Self(Box::new(move || open().map(|key| key.map(|key| Box::new(key) as Box<dyn Key>)).boxed()))
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

impl SigningKey {
    /// A key that somebody else has.
    ///
    /// # Errors
    /// `Elsewhere`, `Runtime`.
    pub(crate) fn elsewhere(opening: &Opening) -> Result<Self, KeyError> {
        // What speaks TLS without saying how does it as everything else. Fails only if that is so already.
        #[cfg(any(feature = "azure-kv", feature = "gcp-kms"))]
        let _ = rustls::crypto::ring::default_provider().install_default();
        Kept::open(false, (opening.0)()).map(Self::Kept)
    }
}
