//! Where a key is, as a configuration has it: the tables of a relayer (`[signer.vault]`) and those of the enclave (`[key.vault]`) are
//! the same, and so is what is wrong with them.

#[cfg(feature = "aws-kms")]
mod aws_kms;
#[cfg(feature = "azure-kv")]
mod azure_kv;
#[cfg(feature = "gcp-kms")]
mod gcp_kms;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "vault")]
mod vault;

use std::path::PathBuf;

#[cfg(feature = "azure-kv")]
pub use azure_kv::AzureKvTable;
#[cfg(feature = "gcp-kms")]
pub use gcp_kms::GcpKmsTable;
#[cfg(feature = "pkcs11")]
pub use pkcs11::Pkcs11Table;
#[cfg(feature = "vault")]
pub use vault::VaultTable;

use crate::SecretSource;

/// Whoever reads a configuration. Fields are named from the table on: `vault.url`.
pub trait Reader {
    /// Notes what is wrong with a field, and what to write.
    fn problem(&mut self, field: &str, reason: String);

    /// Where a file is that the configuration names.
    fn path(&self, file: &str) -> PathBuf;

    /// A file with a secret: looked at now, read whenever it is needed.
    fn secret(&mut self, field: &str, file: &str) -> SecretSource;

    /// A file that anybody may read. `None`: it cannot be read, which is noted.
    fn public(&mut self, field: &str, file: &str) -> Option<Vec<u8>>;
}

/// Notes what is wrong; there are no settings then.
fn wrong<T>(reader: &mut impl Reader, field: &str, reason: impl Into<String>) -> Option<T> {
    reader.problem(field, reason.into());
    None
}

/// The address of a service, which is spoken to in the clear only on this host.
#[cfg(any(feature = "aws-kms", feature = "azure-kv", feature = "gcp-kms", feature = "vault"))]
fn service(reader: &mut impl Reader, field: &str, text: &str) -> Option<url::Url> {
    use ring_tls::authorities::is_local;
    match text.parse::<url::Url>() {
        Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_local(&url) => Some(url),
        Ok(_) => wrong(reader, field, "it has to be https://; http:// is for addresses of this host only"),
        Err(error) => wrong(reader, field, format!("{text:?} is no URL: {error}")),
    }
}

/// Who asks.
#[cfg(any(feature = "azure-kv", feature = "vault"))]
const AGENT: &str = concat!("ring-key/", env!("CARGO_PKG_VERSION"));
