//! Where this seat's key is.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ring_key::{SecretSource, settings::Reader};
use ring_signer::message::PROTOCOL;

use super::Check;
use crate::{
    config::{Enclave, Memory, PasswordSource, Signer, files, raw},
    signer,
};

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
            aws_kms.clone().check(self).map(Signer::AwsKms)
        } else if let Some(azure_kv) = &raw.azure_kv {
            azure_kv.clone().check(self).map(|azure_kv| Signer::AzureKv(Box::new(azure_kv)))
        } else if let Some(enclave) = &raw.enclave {
            self.enclave(enclave).map(Signer::Enclave)
        } else if let Some(gcp_kms) = &raw.gcp_kms {
            gcp_kms.clone().check(self).map(Signer::GcpKms)
        } else if let Some(memory) = &raw.memory {
            self.memory(memory)
        } else if let Some(pkcs11) = &raw.pkcs11 {
            pkcs11.clone().check(self).map(Signer::Pkcs11)
        } else if let Some(vault) = &raw.vault {
            vault.clone().check(self).map(|vault| Signer::Vault(Box::new(vault)))
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

    fn enclave(&mut self, raw: &raw::Enclave) -> Option<Enclave> {
        let at = &raw.address;
        let vsock = (raw.vsock_cid, raw.vsock_port);
        let tls = (&raw.certificate, &raw.private_key, &raw.enclave_certificate);
        match (&raw.socket, vsock, at, tls) {
            (Some(socket), (None, None), None, (None, None, None)) => Some(Enclave::Unix(self.base.join(socket))),
            (None, (Some(cid), Some(port)), None, (None, None, None)) => {
                let cid = self.narrow("signer.enclave.vsock_cid", cid);
                Some(Enclave::Vsock { port: self.narrow("signer.enclave.vsock_port", port)?, cid: cid? })
            }
            (None, (None, None), Some(address), (Some(certificate), Some(key), Some(enclave))) => {
                let identity = self.identity_of("signer.enclave", certificate, key);
                let enclave = self.certificate("signer.enclave.enclave_certificate", enclave);
                let is_address = address.rsplit_once(':').is_some_and(|(host, port)| {
                    !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
                });
                if !is_address {
                    let reason = format!("{address:?} is no address: write HOST:PORT");
                    return self.problem("signer.enclave.address", reason);
                }
                match ring_tls::client(&identity?, &[enclave?], PROTOCOL) {
                    Ok(tls) => Some(Enclave::Tls { address: address.clone(), tls: Arc::new(tls) }),
                    Err(error) => self.problem("signer.enclave.enclave_certificate", error),
                }
            }
            _ => self.problem(
                "signer.enclave",
                "say where it is by `socket`, or by `vsock_cid` and `vsock_port`, or by `address`, `certificate`, `private_key` and \
                 `enclave_certificate`: by one of them",
            ),
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
}

/// The tables that the enclave has, too.
impl Reader for Check<'_> {
    fn problem(&mut self, field: &str, reason: String) {
        Check::problem::<()>(self, format!("signer.{field}"), reason);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.base.join(file)
    }

    fn secret(&mut self, field: &str, file: &str) -> SecretSource {
        let path = self.base.join(file);
        Check::secret(self, &format!("signer.{field}"), &path);
        SecretSource::new(move || signer::read_text(&path).map_err(|error| error.to_string()))
    }

    fn public(&mut self, field: &str, file: &str) -> Option<Vec<u8>> {
        let path = self.base.join(file);
        let unreadable = |error| format!("cannot read {}: {error}", path.display());
        files::public(&path).map_err(|error| Reader::problem(self, field, unreadable(error))).ok()
    }
}
