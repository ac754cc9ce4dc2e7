//! Where a seat's key is, as people ask who look after a ring.

use ring_contracts::{Address, B256};
use ring_core::Settings;
use ring_key::memory::{Lease, MemoryKey};
use serde::Serialize;

use crate::config;

/// Where a key is.
#[derive(Clone, Debug)]
pub struct Custody {
    place: Place,
    /// A key that goes after a time.
    memory: Option<MemoryKey>,
}

/// The kinds of places, named as in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An encrypted file of the relayer's host.
    Keystore,
    /// The memory of the relayer, for a time.
    Memory,
    /// The same, of whose shares several are needed.
    Split,
    /// An HSM.
    Pkcs11,
    /// AWS KMS.
    AwsKms,
    /// Google Cloud KMS.
    GcpKms,
    /// Azure Key Vault.
    AzureKv,
    /// A vault, of which the relayer reads it.
    Vault,
    /// A vault, wrapped by a key that stays there.
    VaultTransit,
    /// A process of its own, `ring-signer`.
    Enclave,
}

/// A key, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReport {
    /// Whose key it is.
    pub address: Address,
    /// Where it is.
    pub kept_in: Place,
    /// How long it stays, in seconds; 0: it is locked. `None`: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// The key that a seat is to have next, in a ring that was announced to it.
#[derive(Clone, Debug)]
pub struct NextKey {
    charter: B256,
    address: Address,
    custody: Custody,
}

/// The keys of a seat, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReports {
    /// The one that it has.
    #[serde(flatten)]
    pub key: KeyReport,
    /// The one that it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextKeyReport>,
}

/// The key that a seat is to have next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextKeyReport {
    /// The commitment of the charter that the ring is to have then.
    pub charter: B256,
    /// The key.
    #[serde(flatten)]
    pub key: KeyReport,
}

impl NextKey {
    /// As it is configured.
    pub fn of(settings: &Settings, signer: &config::Signer) -> Self {
        Self { charter: settings.charter.commitment(), address: settings.key, custody: Custody::of(signer) }
    }

    /// How it is.
    pub fn report(&self) -> NextKeyReport {
        NextKeyReport { charter: self.charter, key: self.custody.report(self.address) }
    }
}

impl Custody {
    /// Where the configuration has it.
    pub fn of(signer: &config::Signer) -> Self {
        let (place, memory) = match signer {
            config::Signer::Keystore { .. } => (Place::Keystore, None),
            config::Signer::AwsKms(_) => (Place::AwsKms, None),
            config::Signer::AzureKv(_) => (Place::AzureKv, None),
            config::Signer::Enclave(_) => (Place::Enclave, None),
            config::Signer::GcpKms(_) => (Place::GcpKms, None),
            config::Signer::Memory(memory) => {
                let place = if memory.shares.is_some() { Place::Split } else { Place::Memory };
                (place, Some(memory.key()))
            }
            config::Signer::Pkcs11(_) => (Place::Pkcs11, None),
            config::Signer::Vault(vault) => {
                (if vault.transit.is_some() { Place::VaultTransit } else { Place::Vault }, None)
            }
        };
        Self { place, memory }
    }

    /// How the key of this address is.
    pub fn report(&self, address: Address) -> KeyReport {
        let seconds_left = self.memory.as_ref().map(|key| match key.look() {
            Lease::Locked => 0,
            Lease::Unlocked { left } => left.as_secs(),
        });
        KeyReport { address, kept_in: self.place, seconds_left }
    }
}
