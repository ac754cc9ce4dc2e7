use std::time::Duration;

use reqwest::{Client, redirect};
use serde::Deserialize;

use super::{AGENT, Reader, service, wrong};
use crate::azure_kv::{AzureKvSettings, Credential};

/// How long Azure may take, so that there is time to ask again.
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// The table `azure_kv`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureKvTable {
    key: String,
    #[serde(default)]
    credential: Kind,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret_file: Option<String>,
    authority: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    ManagedIdentity,
    WorkloadIdentity,
    ClientSecret,
    DeveloperTools,
}

impl AzureKvTable {
    /// What it says, if it can be.
    pub fn check(self, reader: &mut impl Reader) -> Option<AzureKvSettings> {
        let Self { key, credential, tenant_id, client_id, client_secret_file, authority } = self;
        let url = service(reader, "azure_kv.key", &key)?;
        let segments: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        if !matches!(segments[..], ["keys", name, version] if !name.is_empty() && !version.is_empty()) {
            let reason = format!(
                "{key:?} is no identifier of a key with its version: it looks like https://NAME.vault.azure.net/keys/KEY/VERSION"
            );
            return wrong(reader, "azure_kv.key", reason);
        }
        if let Some(authority) = authority.as_ref().filter(|authority| !authority.starts_with("https://")) {
            return wrong(reader, "azure_kv.authority", format!("{authority:?} has to be https://"));
        }
        let credential = match (credential, (tenant_id, client_id, client_secret_file)) {
            (Kind::ManagedIdentity, (None, client_id, None)) => Credential::ManagedIdentity { client_id },
            (Kind::WorkloadIdentity, (None, None, None)) => Credential::WorkloadIdentity,
            (Kind::ClientSecret, (Some(tenant_id), Some(client_id), Some(file))) => {
                let client_secret = reader.secret("azure_kv.client_secret_file", &file);
                Credential::ClientSecret { tenant_id, client_id, client_secret }
            }
            (Kind::DeveloperTools, (None, None, None)) => Credential::DeveloperTools,
            _ => {
                let reason = "client_secret takes `tenant_id`, `client_id` and `client_secret_file`, managed_identity at most \
                              `client_id`, and workload_identity and developer_tools none of them";
                return wrong(reader, "azure_kv.credential", reason);
            }
        };
        // Who gives tokens to a host is asked at an address of its own, without TLS.
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(TIMEOUT).user_agent(AGENT);
        let tls = ring_tls::authorities::client_config(None);
        match tls.map(|config| client.tls_backend_preconfigured(config).build()) {
            Ok(Ok(client)) => Some(AzureKvSettings { client, key, credential, authority }),
            Ok(Err(error)) => wrong(reader, "azure_kv", error.to_string()),
            Err(reason) => wrong(reader, "azure_kv", reason),
        }
    }
}
