//! Where the key is, as it is written.

mod table;

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use serde::Deserialize;

use self::table::{AwsKmsTable, AzureKvTable, GcpKmsTable, MemoryTable, Pkcs11Table, Problems, Table, VaultTable};
use super::{ConfigError, secret};
#[cfg(feature = "elsewhere")]
use crate::key::Opening;
#[cfg(feature = "memory")]
use crate::key::Unlocking;
use crate::key::{KeyError, SigningKey};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKey {
    pub(super) address: Address,
    keystore: Option<PathBuf>,
    password_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    aws_kms: Option<AwsKmsTable>,
    azure_kv: Option<AzureKvTable>,
    gcp_kms: Option<GcpKmsTable>,
    memory: Option<MemoryTable>,
    pkcs11: Option<Pkcs11Table>,
    vault: Option<VaultTable>,
}

/// Where it is.
#[derive(Debug)]
pub(super) enum KeySource {
    Keystore {
        keystore: PathBuf,
        password_file: PathBuf,
    },
    File(PathBuf),
    /// In this process's memory, once people have unlocked it.
    #[cfg(feature = "memory")]
    Memory(Unlocking),
    /// Somebody else has it.
    #[cfg(feature = "elsewhere")]
    Elsewhere(Opening),
}

impl RawKey {
    pub(super) fn check(self, folder: &Path) -> Result<KeySource, String> {
        let mut problems = Problems::new(folder, self.address);
        let keystore = match (self.keystore, self.password_file) {
            (Some(keystore), Some(password_file)) => {
                let (keystore, password_file) = (folder.join(keystore), folder.join(password_file));
                Some(Some(KeySource::Keystore { keystore, password_file }))
            }
            (None, None) => None,
            _ => Some(problems.note("keystore", "it takes `password_file`, and that nothing else")),
        };
        let sources = [
            keystore,
            self.key_file.map(|file| Some(KeySource::File(folder.join(file)))),
            self.aws_kms.map(|table| table.source("aws_kms", &mut problems)),
            self.azure_kv.map(|table| table.source("azure_kv", &mut problems)),
            self.gcp_kms.map(|table| table.source("gcp_kms", &mut problems)),
            self.memory.map(|table| table.source("memory", &mut problems)),
            self.pkcs11.map(|table| table.source("pkcs11", &mut problems)),
            self.vault.map(|table| table.source("vault", &mut problems)),
        ];
        let mut sources: Vec<Option<KeySource>> = sources.into_iter().flatten().collect();
        match (sources.pop(), sources.is_empty(), problems.first()) {
            (Some(Some(source)), true, None) => Ok(source),
            (Some(_), true, Some(problem)) => Err(problem),
            _ => {
                Err("key: give `keystore` and `password_file`, or `key_file`, or one of [key.aws_kms], [key.azure_kv], [key.gcp_kms], \
                     [key.memory], [key.pkcs11] and [key.vault], and nothing else"
                    .into())
            }
        }
    }
}

impl KeySource {
    /// Gets to it. One that has to be unlocked is locked.
    pub(super) fn open(&self) -> Result<SigningKey, ConfigError> {
        Ok(match self {
            Self::Keystore { keystore, password_file } => SigningKey::of_keystore(keystore, &secret(password_file)?)?,
            Self::File(file) => SigningKey::of_hexadecimal(&secret(file)?)?,
            #[cfg(feature = "memory")]
            Self::Memory(unlocking) => SigningKey::to_unlock(unlocking)?,
            #[cfg(feature = "elsewhere")]
            Self::Elsewhere(opening) => SigningKey::elsewhere(opening)?,
        })
    }

    pub(super) fn is_unlocked_by_people(&self) -> bool {
        #[cfg(feature = "memory")]
        return matches!(self, Self::Memory(_));
        #[cfg(not(feature = "memory"))]
        false
    }

    /// Lets people unlock it, if that is how it comes here.
    pub(super) fn let_unlock(&self, key: &SigningKey) -> Result<(), KeyError> {
        match (self, key) {
            #[cfg(feature = "memory")]
            (Self::Memory(unlocking), key) => key.let_unlock(unlocking),
            _ => Ok(()),
        }
    }
}
