//! The tables of keys that are not in a file of this host. They are the relayer's (`ring_key::settings`), but for the address of a key
//! in memory, which the enclave has anyway. A build that lacks a way knows its table by name.

use std::path::Path;

use alloy::primitives::Address;
#[cfg(feature = "aws-kms")]
pub(super) use ring_key::aws_kms::AwsKmsSettings as AwsKmsTable;
#[cfg(feature = "azure-kv")]
pub(super) use ring_key::settings::AzureKvTable;
#[cfg(feature = "gcp-kms")]
pub(super) use ring_key::settings::GcpKmsTable;
#[cfg(feature = "pkcs11")]
pub(super) use ring_key::settings::Pkcs11Table;
#[cfg(feature = "vault")]
pub(super) use ring_key::settings::VaultTable;
use serde::de::IgnoredAny;
#[cfg(not(feature = "aws-kms"))]
pub(super) use serde::de::IgnoredAny as AwsKmsTable;
#[cfg(not(feature = "azure-kv"))]
pub(super) use serde::de::IgnoredAny as AzureKvTable;
#[cfg(not(feature = "gcp-kms"))]
pub(super) use serde::de::IgnoredAny as GcpKmsTable;
#[cfg(not(feature = "memory"))]
pub(super) use serde::de::IgnoredAny as MemoryTable;
#[cfg(not(feature = "pkcs11"))]
pub(super) use serde::de::IgnoredAny as Pkcs11Table;
#[cfg(not(feature = "vault"))]
pub(super) use serde::de::IgnoredAny as VaultTable;

use super::{super::not_built, KeySource};
#[cfg(feature = "elsewhere")]
use crate::key::Opening;

/// A table.
pub(super) trait Table {
    /// What it says, if it can be.
    fn source(self, name: &str, problems: &mut Problems<'_>) -> Option<KeySource>;
}

/// Whatever is in it: this build has no use for it.
impl Table for IgnoredAny {
    fn source(self, name: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        problems.note(name, not_built(&name.replace('_', "-")))
    }
}

#[cfg(feature = "aws-kms")]
impl Table for AwsKmsTable {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        let settings = self.check(problems)?;
        Some(KeySource::Elsewhere(Opening::new(move || ring_key::aws_kms::AwsKmsKey::open(settings.clone()))))
    }
}

#[cfg(feature = "azure-kv")]
impl Table for AzureKvTable {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        let settings = self.check(problems)?;
        Some(KeySource::Elsewhere(Opening::new(move || ring_key::azure_kv::AzureKvKey::open(settings.clone()))))
    }
}

#[cfg(feature = "gcp-kms")]
impl Table for GcpKmsTable {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        let settings = self.check(problems)?;
        Some(KeySource::Elsewhere(Opening::new(move || ring_key::gcp_kms::GcpKmsKey::open(settings.clone()))))
    }
}

#[cfg(feature = "pkcs11")]
impl Table for Pkcs11Table {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        let settings = self.check(problems)?;
        Some(KeySource::Elsewhere(Opening::new(move || ring_key::pkcs11::Pkcs11Key::open(settings.clone()))))
    }
}

#[cfg(feature = "vault")]
impl Table for VaultTable {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        let settings = self.check(problems)?;
        Some(KeySource::Elsewhere(Opening::new(move || ring_key::vault::VaultKey::open(settings.clone()))))
    }
}

/// The table `memory`.
#[cfg(feature = "memory")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryTable {
    socket: std::path::PathBuf,
    lease_seconds: std::num::NonZeroU64,
    warning_seconds: Option<std::num::NonZeroU64>,
    shares: Option<u8>,
}

#[cfg(feature = "memory")]
impl Table for MemoryTable {
    fn source(self, _: &str, problems: &mut Problems<'_>) -> Option<KeySource> {
        use std::time::Duration;
        if self.shares.is_some_and(|shares| shares < 2) {
            return problems
                .note("memory.shares", "it is not within 2 to 255: leave it out for a key that is given whole");
        }
        Some(KeySource::Memory(crate::key::Unlocking {
            address: problems.address,
            socket: problems.folder.join(self.socket),
            lease: Duration::from_secs(self.lease_seconds.get()),
            warning: self.warning_seconds.map_or(crate::key::WARNING, |seconds| Duration::from_secs(seconds.get())),
            shares: self.shares,
        }))
    }
}

/// What is wrong, as it is found.
pub(super) struct Problems<'a> {
    #[cfg_attr(not(feature = "kept"), expect(dead_code, reason = "of use to keys that are not in a file"))]
    folder: &'a Path,
    #[cfg_attr(not(feature = "memory"), expect(dead_code, reason = "of use to a key that is unlocked"))]
    address: Address,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(folder: &'a Path, address: Address) -> Self {
        Self { folder, address, found: Vec::new() }
    }

    /// Notes what is wrong with a field of `key`; there is no key then.
    pub(super) fn note<T>(&mut self, field: &str, reason: impl Into<String>) -> Option<T> {
        self.found.push(format!("key.{field}: {}", reason.into()));
        None
    }

    pub(super) fn first(self) -> Option<String> {
        self.found.into_iter().next()
    }
}

#[cfg(feature = "elsewhere")]
impl ring_key::settings::Reader for Problems<'_> {
    fn problem(&mut self, field: &str, reason: String) {
        self.note::<()>(field, reason);
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.join(file)
    }

    fn secret(&mut self, field: &str, file: &str) -> ring_key::SecretSource {
        let path = self.folder.join(file);
        let read = move || super::secret(&path).map_err(|error| error.to_string());
        if let Err(why) = read() {
            self.note::<()>(field, why);
        }
        ring_key::SecretSource::new(read)
    }

    fn public(&mut self, field: &str, file: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(file);
        match super::super::read_text(&path, false) {
            Ok(text) => Some(text.as_bytes().to_owned()),
            Err(error) => self.note(field, error.to_string()),
        }
    }
}
