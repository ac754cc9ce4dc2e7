//! Secrets of the login to a service.

use std::{fmt, sync::Arc};

use secrecy::SecretString;

/// Reads a secret anew each time, since what keeps it may change: an agent renews a token's file.
#[derive(Clone)]
pub struct SecretSource(Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>);

impl SecretSource {
    /// A source that reads like this; its error says what is wrong, and never what was read.
    pub fn new(read: impl Fn() -> Result<SecretString, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn read(&self) -> Result<SecretString, String> {
        (self.0)()
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource")
    }
}
