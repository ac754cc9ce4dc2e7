//! Getting to the key that the configuration names.

use std::{io, path::Path, sync::Arc};

use reqwest::Client;
use ring_contracts::Domain;
use ring_key::{
    Key, LocalKey, SecretSource,
    aws_kms::AwsKmsKey,
    azure_kv::{AzureKvKey, AzureKvSettings, Credential},
    gcp_kms::{GcpKmsKey, GcpKmsSettings},
    pkcs11::{Pkcs11Key, Pkcs11Settings},
    vault::{Login, VaultKey, VaultSettings},
};
use ring_keystore::KeystoreError;
use secrecy::SecretString;

use super::{EnclaveSigner, KeySigner, Signer, SignerError};
use crate::config::{self, PasswordSource, read_secret};

/// Gets to the key of a seat of this ring. Files with passwords, PINs and tokens are read now, not when the configuration is.
///
/// # Errors
/// `Keystore`, `Password`, `SecretFile`, `Key`, `OtherEnclave`.
pub async fn open(signer: &config::Signer, domain: Domain, ring: u32) -> Result<Arc<dyn Signer>, SignerError> {
    let key: Box<dyn Key> = match signer {
        config::Signer::Keystore { keystore, password } => Box::new(open_keystore(keystore, password).await?),
        config::Signer::AwsKms(settings) => Box::new(AwsKmsKey::open(settings.clone()).await?),
        config::Signer::AzureKv(key) => Box::new(AzureKvKey::open(azure_settings(key)).await?),
        config::Signer::Enclave { socket } => return Ok(Arc::new(EnclaveSigner::open(socket, domain, ring).await?)),
        config::Signer::GcpKms { key_version, credentials_file, endpoint } => {
            let credentials = credentials_file.as_deref().map(source);
            let (key_version, endpoint) = (key_version.clone(), endpoint.clone());
            Box::new(GcpKmsKey::open(GcpKmsSettings { key_version, credentials, endpoint }).await?)
        }
        // Where it can be unlocked is served by the seat that runs.
        config::Signer::Memory(memory) => Box::new(memory.key()),
        config::Signer::Pkcs11 { module, token, label, pin_file } => {
            let pin = read_text(pin_file)?;
            let settings = Pkcs11Settings { module: module.clone(), token: token.clone(), label: label.clone(), pin };
            Box::new(Pkcs11Key::open(settings).await?)
        }
        config::Signer::Vault(vault) => Box::new(VaultKey::open(vault_settings(vault)).await?),
    };
    Ok(Arc::new(KeySigner::new(key, domain)))
}

async fn open_keystore(path: &Path, source: &PasswordSource) -> Result<LocalKey, SignerError> {
    let password = match source {
        PasswordSource::File(file) => read_text(file)?,
        PasswordSource::Prompt => ask(format!("Enter the password of {}: ", path.display())).await?,
    };
    match ring_keystore::open(path, &password) {
        Ok(key) => Ok(LocalKey::new(key)),
        Err(KeystoreError::WrongPassword(_)) => {
            Err(SignerError::Password { path: path.to_owned(), password: source.clone() })
        }
        Err(error) => Err(SignerError::Keystore(error)),
    }
}

/// Asks a person, without showing what is typed, while everything else goes on.
async fn ask(prompt: String) -> Result<SecretString, SignerError> {
    let typed = tokio::task::spawn_blocking(|| rpassword::prompt_password(prompt)).await;
    let typed = typed.unwrap_or_else(|error| Err(io::Error::other(error)));
    typed.map(SecretString::from).map_err(SignerError::NoTerminal)
}

fn azure_settings(azure: &config::AzureKv) -> AzureKvSettings {
    let credential = match azure.credential.clone() {
        config::AzureCredential::ManagedIdentity { client_id } => Credential::ManagedIdentity { client_id },
        config::AzureCredential::WorkloadIdentity => Credential::WorkloadIdentity,
        config::AzureCredential::ClientSecret { tenant_id, client_id, client_secret_file } => {
            Credential::ClientSecret { tenant_id, client_id, client_secret: source(&client_secret_file) }
        }
        config::AzureCredential::DeveloperTools => Credential::DeveloperTools,
    };
    let config::AzureKv { client, key, authority, .. } = azure.clone();
    AzureKvSettings { client, key, credential, authority }
}

fn vault_settings(vault: &config::Vault) -> VaultSettings {
    let login = match &vault.login {
        config::VaultLogin::Token { token_file } => Login::Token(source(token_file)),
        config::VaultLogin::AppRole { mount, role_id, secret_id_file } => {
            Login::AppRole { mount: mount.clone(), role_id: role_id.clone(), secret_id: source(secret_id_file) }
        }
    };
    let client: Client = vault.client.clone();
    VaultSettings {
        client,
        url: vault.url.clone(),
        namespace: vault.namespace.clone(),
        login,
        mount: vault.mount.clone(),
        path: vault.path.clone(),
        field: vault.field.clone(),
        transit: vault.transit.clone(),
    }
}

/// A password, a PIN or a token; a line break at its end does not belong to it.
fn read_text(path: &Path) -> Result<SecretString, SignerError> {
    let unreadable = |why: String| SignerError::SecretFile { path: path.to_owned(), why };
    let bytes = read_secret(path).map_err(|error| unreadable(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// The same, read whenever it is needed.
fn source(path: &Path) -> SecretSource {
    let path = path.to_owned();
    SecretSource::new(move || read_text(&path).map_err(|error| error.to_string()))
}
