use serde::Deserialize;

use super::{Reader, service, wrong};
use crate::gcp_kms::GcpKmsSettings;

/// The table `gcp_kms`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcpKmsTable {
    key_version: String,
    credentials_file: Option<String>,
    endpoint: Option<String>,
}

impl GcpKmsTable {
    /// What it says, if it can be.
    pub fn check(self, reader: &mut impl Reader) -> Option<GcpKmsSettings> {
        let Self { key_version, credentials_file, endpoint } = self;
        let parts: Vec<&str> = key_version.split('/').collect();
        let collections = ["projects", "locations", "keyRings", "cryptoKeys", "cryptoKeyVersions"];
        let is_name = parts.len() == 2 * collections.len()
            && parts.chunks(2).zip(collections).all(|(pair, collection)| pair[0] == collection && !pair[1].is_empty());
        if !is_name {
            let reason = format!(
                "{key_version:?} is no version of a key: it looks like \
                 projects/PROJECT/locations/PLACE/keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/1"
            );
            return wrong(reader, "gcp_kms.key_version", reason);
        }
        if let Some(endpoint) = &endpoint {
            service(reader, "gcp_kms.endpoint", endpoint)?;
        }
        let credentials = credentials_file.map(|file| reader.secret("gcp_kms.credentials_file", &file));
        Some(GcpKmsSettings { key_version, credentials, endpoint })
    }
}
