//! A keystore, which is a file.

use alloy::{hex, primitives::Address, signers::local::PrivateKeySigner};
use eyre::Result;
use ring_key::{Key, KeyError, LocalKey};
use ring_keystore::Cost;
use secrecy::SecretString;
use tempfile::TempDir;

use super::{Keeper, Missing};

const PASSWORD: &str = "a password that is only for trying";
const FILE: &str = "operator.json";

/// A keystore of our own.
pub(crate) struct Keystore {
    folder: TempDir,
    key: PrivateKeySigner,
}

impl Keystore {
    /// Writes it.
    pub(crate) fn start() -> Result<Self, Missing> {
        let made = || -> Result<Self> {
            let (folder, key) = (TempDir::new()?, ring_keystore::generate());
            ring_keystore::seal(&folder.path().join(FILE), &key, &SecretString::from(PASSWORD), Cost::Light)?;
            Ok(Self { folder, key })
        };
        Ok(made()?)
    }

    fn open_with(&self, password: &str) -> Result<Box<dyn Key>, KeyError> {
        let opened = ring_keystore::open(&self.folder.path().join(FILE), &SecretString::from(password));
        let refused = |error: ring_keystore::KeystoreError| KeyError::Refused {
            keeper: "the keystore".into(),
            why: error.to_string(),
        };
        Ok(Box::new(LocalKey::new(opened.map_err(refused)?)))
    }
}

impl Keeper for Keystore {
    fn real(&self) -> String {
        "a file (Web3 Secret Storage, scrypt), the key in memory".to_owned()
    }

    fn address(&self) -> Address {
        self.key.address()
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        self.open_with(PASSWORD)
    }

    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        Some(self.open_with("another password"))
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.to_owned(), hex::encode(self.key.to_bytes())]
    }
}
