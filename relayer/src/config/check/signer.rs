//! Where this seat's key is.

use std::time::Duration;

use reqwest::{Client, Url, redirect};
use ring_key::{aws_kms::AwsKmsSettings, pkcs11::Token, vault::Transit};

use super::{Check, evidence::Entry};
use crate::{
    config::{
        Memory, PasswordSource, Signer, Vault, VaultLogin,
        raw::{self, Raw},
    },
    tls,
};

/// How long a vault may take to answer a question.
const VAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long before a key in memory goes people are told, in seconds.
const WARNING: u64 = 3_600;

impl Check<'_> {
    pub(super) fn signer(&mut self, raw: &Raw) -> Option<Signer> {
        let raw::Signer { keystore, password_file, password_prompt, aws_kms, enclave, memory, pkcs11, vault } =
            &raw.signer;
        match (keystore, aws_kms, enclave, memory, pkcs11, vault) {
            (Some(keystore), None, None, None, None, None) => {
                self.keystore(keystore, password_file.as_deref(), *password_prompt)
            }
            (None, Some(aws_kms), None, None, None, None) => self.aws_kms(aws_kms),
            (None, None, Some(enclave), None, None, None) => {
                Some(Signer::Enclave { socket: self.base.join(&enclave.socket) })
            }
            (None, None, None, Some(memory), None, None) => self.memory(memory),
            (None, None, None, None, Some(pkcs11), None) => self.pkcs11(pkcs11),
            (None, None, None, None, None, Some(vault)) => self.vault(vault),
            (None, None, None, None, None, None) => self.problem(
                "signer",
                "it has no key: give `keystore` and `password_file`, or [signer.aws_kms], [signer.enclave], [signer.memory], \
                 [signer.pkcs11] or [signer.vault]",
            ),
            _ => self
                .problem("signer", "a seat has one key, and here are several: leave one of keystore, aws_kms, enclave, memory, pkcs11 and vault"),
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
        .user_agent(concat!("ring-relayer/", env!("CARGO_PKG_VERSION")));
    // What stays on this host has no way around.
    let builder = if is_local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| error.to_string())
}
