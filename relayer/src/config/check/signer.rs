//! Where this seat's key is.

use std::time::Duration;

use reqwest::{Client, Url, redirect};
use ring_key::{aws_kms::AwsKmsSettings, pkcs11::Token, vault::Transit};

use super::{Check, evidence::Entry};
use crate::{
    config::{AzureCredential, AzureKv, Memory, PasswordSource, Signer, Vault, VaultLogin, raw},
    tls,
};

/// How long a vault may take to answer a question.
const VAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long Azure may take, so that there is time to ask again.
const SERVICE_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Who asks.
const AGENT: &str = concat!("ring-relayer/", env!("CARGO_PKG_VERSION"));
/// How long before a key in memory goes people are told, in seconds.
const WARNING: u64 = 3_600;

impl Check<'_> {
    pub(super) fn signer(&mut self, raw: &raw::Signer) -> Option<Signer> {
        let places = [
            ("keystore", raw.keystore.is_some()),
            ("aws_kms", raw.aws_kms.is_some()),
            ("azure_kv", raw.azure_kv.is_some()),
            ("enclave", raw.enclave.is_some()),
            ("gcp_kms", raw.gcp_kms.is_some()),
            ("memory", raw.memory.is_some()),
            ("pkcs11", raw.pkcs11.is_some()),
            ("vault", raw.vault.is_some()),
        ];
        let given: Vec<&str> = places.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if given.len() > 1 {
            let reason = format!("a seat has one key, and here are several: leave one of {}", given.join(", "));
            return self.problem("signer", reason);
        }
        if let Some(keystore) = &raw.keystore {
            self.keystore(keystore, raw.password_file.as_deref(), raw.password_prompt)
        } else if let Some(aws_kms) = &raw.aws_kms {
            self.aws_kms(aws_kms)
        } else if let Some(azure_kv) = &raw.azure_kv {
            self.azure_kv(azure_kv)
        } else if let Some(enclave) = &raw.enclave {
            Some(Signer::Enclave { socket: self.base.join(&enclave.socket) })
        } else if let Some(gcp_kms) = &raw.gcp_kms {
            self.gcp_kms(gcp_kms)
        } else if let Some(memory) = &raw.memory {
            self.memory(memory)
        } else if let Some(pkcs11) = &raw.pkcs11 {
            self.pkcs11(pkcs11)
        } else if let Some(vault) = &raw.vault {
            self.vault(vault)
        } else {
            let tables = places.iter().skip(1).map(|(name, _)| format!("[signer.{name}]")).collect::<Vec<_>>();
            let reason = format!("it has no key: give `keystore` and `password_file`, or one of {}", tables.join(", "));
            self.problem("signer", reason)
        }
    }

    fn keystore(&mut self, keystore: &str, password_file: Option<&str>, prompt: bool) -> Option<Signer> {
        let keystore = self.base.join(keystore);
        if let Err(error) = std::fs::File::open(&keystore) {
            let reason = format!("cannot read {}: {error}", keystore.display());
            self.problem::<()>("signer.keystore", reason);
        }
        let password = match (password_file, prompt) {
            (Some(file), false) => {
                let file = self.base.join(file);
                self.secret("signer.password_file", &file);
                PasswordSource::File(file)
            }
            (None, true) => PasswordSource::Prompt,
            (None, false) => {
                let reason = "is missing: name the file with the keystore's password, or set password_prompt";
                return self.problem("signer.password_file", reason);
            }
            (Some(_), true) => {
                return self.problem("signer.password_prompt", "there is a password_file, too: leave one of them");
            }
        };
        Some(Signer::Keystore { keystore, password })
    }

    fn aws_kms(&mut self, raw: &raw::AwsKms) -> Option<Signer> {
        if let Some(endpoint) = &raw.endpoint {
            self.service("signer.aws_kms.endpoint".to_owned(), endpoint)?;
        }
        let raw::AwsKms { key_id, region, profile, endpoint } = raw;
        let (key_id, region) = (key_id.clone(), region.clone());
        Some(Signer::AwsKms(AwsKmsSettings { key_id, region, profile: profile.clone(), endpoint: endpoint.clone() }))
    }

    fn azure_kv(&mut self, raw: &raw::AzureKv) -> Option<Signer> {
        let entry = Entry::only("signer.azure_kv");
        let key = self.service(entry.field("key"), &raw.key)?;
        let segments: Vec<&str> = key.path_segments().into_iter().flatten().collect();
        if !matches!(segments[..], ["keys", name, version] if !name.is_empty() && !version.is_empty()) {
            let reason = format!(
                "{:?} is no identifier of a key with its version: it looks like https://NAME.vault.azure.net/keys/KEY/VERSION",
                raw.key
            );
            return self.problem(entry.field("key"), reason);
        }
        if let Some(authority) = &raw.authority
            && !authority.starts_with("https://")
        {
            return self.problem(entry.field("authority"), format!("{authority:?} has to be https://"));
        }
        let ids = (raw.tenant_id.clone(), raw.client_id.clone(), raw.client_secret_file.as_deref());
        let credential = match (raw.credential, ids) {
            (raw::AzureCredential::ManagedIdentity, (None, client_id, None)) => {
                AzureCredential::ManagedIdentity { client_id }
            }
            (raw::AzureCredential::WorkloadIdentity, (None, None, None)) => AzureCredential::WorkloadIdentity,
            (raw::AzureCredential::ClientSecret, (Some(tenant_id), Some(client_id), Some(file))) => {
                let client_secret_file = self.base.join(file);
                self.secret(&entry.field("client_secret_file"), &client_secret_file);
                AzureCredential::ClientSecret { tenant_id, client_id, client_secret_file }
            }
            (raw::AzureCredential::DeveloperTools, (None, None, None)) => AzureCredential::DeveloperTools,
            _ => {
                let reason = "client_secret takes `tenant_id`, `client_id` and `client_secret_file`, managed_identity at most \
                              `client_id`, and workload_identity and developer_tools none of them";
                return self.problem(entry.field("credential"), reason);
            }
        };
        // Who gives tokens to a host is asked at an address of its own, without TLS.
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(SERVICE_TIMEOUT).user_agent(AGENT);
        let client = match tls::client_config(None).map(|config| client.tls_backend_preconfigured(config).build()) {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return self.problem("signer.azure_kv", error.to_string()),
            Err(reason) => return self.problem("signer.azure_kv", reason),
        };
        let (key, authority) = (raw.key.clone(), raw.authority.clone());
        Some(Signer::AzureKv(Box::new(AzureKv { client, key, credential, authority })))
    }

    fn gcp_kms(&mut self, raw: &raw::GcpKms) -> Option<Signer> {
        let parts: Vec<&str> = raw.key_version.split('/').collect();
        let collections = ["projects", "locations", "keyRings", "cryptoKeys", "cryptoKeyVersions"];
        let is_name = parts.len() == 2 * collections.len()
            && parts.chunks(2).zip(collections).all(|(pair, collection)| pair[0] == collection && !pair[1].is_empty());
        if !is_name {
            let reason = format!(
                "{:?} is no version of a key: it looks like \
                 projects/PROJECT/locations/PLACE/keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/1",
                raw.key_version
            );
            return self.problem("signer.gcp_kms.key_version", reason);
        }
        if let Some(endpoint) = &raw.endpoint {
            self.service("signer.gcp_kms.endpoint".to_owned(), endpoint)?;
        }
        let credentials_file = raw.credentials_file.as_ref().map(|file| self.base.join(file));
        if let Some(file) = &credentials_file {
            self.secret("signer.gcp_kms.credentials_file", file);
        }
        let (key_version, endpoint) = (raw.key_version.clone(), raw.endpoint.clone());
        Some(Signer::GcpKms { key_version, credentials_file, endpoint })
    }

    /// The address of a service, which is spoken to in the clear only on this host.
    fn service(&mut self, field: String, text: &str) -> Option<Url> {
        match text.parse::<Url>() {
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" && tls::is_local(&url) => Some(url),
            Ok(_) => self.problem(field, "it has to be https://; http:// is for addresses of this host only"),
            Err(error) => self.problem(field, format!("{text:?} is no URL: {error}")),
        }
    }

    fn memory(&mut self, raw: &raw::Memory) -> Option<Signer> {
        let address = self.address("signer.memory.address", &raw.address);
        let lease = self.at_least_one("signer.memory.lease_seconds", Some(raw.lease_seconds), 0);
        let warning = self.at_least_one("signer.memory.warning_seconds", raw.warning_seconds, WARNING);
        let shares = match raw.shares {
            None => Some(None),
            shares => {
                let shares = self.within("signer.memory.shares", shares, 2, 2, 255);
                shares.map(|shares| u8::try_from(shares).ok())
            }
        };
        Some(Signer::Memory(Memory {
            address: address?,
            socket: self.base.join(&raw.socket),
            lease: Duration::from_secs(lease?),
            warning: Duration::from_secs(warning?),
            shares: shares?,
        }))
    }

    fn pkcs11(&mut self, raw: &raw::Pkcs11) -> Option<Signer> {
        let module = self.base.join(&raw.module);
        if let Err(error) = std::fs::File::open(&module) {
            let reason = format!("cannot read {}: {error}; name the library that comes with the HSM", module.display());
            self.problem::<()>("signer.pkcs11.module", reason);
        }
        let pin_file = self.base.join(&raw.pin_file);
        self.secret("signer.pkcs11.pin_file", &pin_file);
        let token = match (&raw.token, &raw.serial) {
            (Some(label), None) => Token::Label(label.clone()),
            (None, Some(serial)) => Token::Serial(serial.clone()),
            _ => {
                return self.problem(
                    "signer.pkcs11",
                    "name the token by its label, `token`, or by its `serial` number: by one of them",
                );
            }
        };
        Some(Signer::Pkcs11 { module, token, label: raw.key.clone(), pin_file })
    }

    fn vault(&mut self, raw: &raw::Vault) -> Option<Signer> {
        let entry = Entry::only("signer.vault");
        let authorities = self.authorities(&entry, raw.authorities_file.as_deref());
        let login = match (&raw.token_file, &raw.role_id, &raw.secret_id_file) {
            (Some(file), None, None) => {
                let token_file = self.base.join(file);
                self.secret(&entry.field("token_file"), &token_file);
                Some(VaultLogin::Token { token_file })
            }
            (None, Some(role_id), Some(file)) => {
                let secret_id_file = self.base.join(file);
                self.secret(&entry.field("secret_id_file"), &secret_id_file);
                let mount = raw.approle_mount.clone().unwrap_or_else(|| "approle".to_owned());
                Some(VaultLogin::AppRole { mount, role_id: role_id.clone(), secret_id_file })
            }
            _ => self.problem(
                "signer.vault",
                "log in by `token_file`, or by `role_id` and `secret_id_file`: by one of them",
            ),
        };
        let transit = match (&raw.transit_key, &raw.transit_mount) {
            (Some(key), mount) => {
                Some(Transit { mount: mount.clone().unwrap_or_else(|| "transit".to_owned()), key: key.clone() })
            }
            (None, None) => None,
            (None, Some(_)) => {
                return self
                    .problem(entry.field("transit_mount"), "of use only with transit_key, the name of transit's key");
            }
        };
        let url = self.service(entry.field("url"), &raw.url)?;
        let client = match client(&url, authorities?.as_deref()) {
            Ok(client) => client,
            Err(reason) => return self.problem(entry.field("authorities_file"), reason),
        };
        Some(Signer::Vault(Box::new(Vault {
            client,
            url,
            namespace: raw.namespace.clone(),
            login: login?,
            mount: raw.mount.clone().unwrap_or_else(|| "secret".to_owned()),
            path: raw.path.clone(),
            field: raw.field.clone().unwrap_or_else(|| "key".to_owned()),
            transit,
        })))
    }
}

fn client(url: &Url, authorities: Option<&[u8]>) -> Result<Client, String> {
    let is_local = tls::is_local(url);
    let builder = Client::builder()
        .tls_backend_preconfigured(tls::client_config(authorities)?)
        .redirect(redirect::Policy::none())
        .https_only(!is_local)
        .timeout(VAULT_TIMEOUT)
        .user_agent(AGENT);
    // What stays on this host has no way around.
    let builder = if is_local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| error.to_string())
}
