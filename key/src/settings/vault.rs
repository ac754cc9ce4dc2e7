use std::time::Duration;

use reqwest::{Client, Url, redirect};
use ring_tls::authorities::{client_config, is_local};
use serde::Deserialize;

use super::{AGENT, Reader, service, wrong};
use crate::vault::{Login, Transit, VaultSettings};

/// How long a vault may take to answer a question.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The table `vault`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultTable {
    url: String,
    authorities_file: Option<String>,
    namespace: Option<String>,
    token_file: Option<String>,
    role_id: Option<String>,
    secret_id_file: Option<String>,
    approle_mount: Option<String>,
    mount: Option<String>,
    path: String,
    field: Option<String>,
    transit_key: Option<String>,
    transit_mount: Option<String>,
}

impl VaultTable {
    /// What it says, if it can be.
    pub fn check(self, reader: &mut impl Reader) -> Option<VaultSettings> {
        let or = |text: Option<String>, otherwise: &str| text.unwrap_or_else(|| otherwise.to_owned());
        let authorities = match &self.authorities_file {
            Some(file) => reader.public("vault.authorities_file", file).map(Some),
            None => Some(None),
        };
        let login = match (self.token_file, self.role_id, self.secret_id_file) {
            (Some(file), None, None) => Some(Login::Token(reader.secret("vault.token_file", &file))),
            (None, Some(role_id), Some(file)) => {
                let secret_id = reader.secret("vault.secret_id_file", &file);
                Some(Login::AppRole { mount: or(self.approle_mount, "approle"), role_id, secret_id })
            }
            _ => {
                let reason = "log in by `token_file`, or by `role_id` and `secret_id_file`: by one of them";
                wrong(reader, "vault", reason)
            }
        };
        let transit = match (self.transit_key, self.transit_mount) {
            (Some(key), mount) => Some(Transit { mount: or(mount, "transit"), key }),
            (None, None) => None,
            (None, Some(_)) => {
                let reason = "of use only with transit_key, the name of transit's key";
                return wrong(reader, "vault.transit_mount", reason);
            }
        };
        let url = service(reader, "vault.url", &self.url)?;
        let client = match client(&url, authorities?.as_deref()) {
            Ok(client) => client,
            Err(reason) => return wrong(reader, "vault.authorities_file", reason),
        };
        Some(VaultSettings {
            client,
            url,
            namespace: self.namespace,
            login: login?,
            mount: or(self.mount, "secret"),
            path: self.path,
            field: or(self.field, "key"),
            transit,
        })
    }
}

fn client(url: &Url, authorities: Option<&[u8]>) -> Result<Client, String> {
    let is_local = is_local(url);
    let builder = Client::builder()
        .tls_backend_preconfigured(client_config(authorities)?)
        .redirect(redirect::Policy::none())
        .https_only(!is_local)
        .timeout(TIMEOUT)
        .user_agent(AGENT);
    // What stays on this host has no way around.
    let builder = if is_local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| error.to_string())
}
