//! Getting to the key that the configuration names.

use std::{io, path::Path, sync::Arc};

use ring_contracts::Domain;
use ring_key::{
    Key, LocalKey, aws_kms::AwsKmsKey, azure_kv::AzureKvKey, gcp_kms::GcpKmsKey, pkcs11::Pkcs11Key, vault::VaultKey,
};
use ring_keystore::KeystoreError;
use secrecy::SecretString;

use super::{EnclaveSigner, KeySigner, Signer, SignerError};
use crate::config::{self, PasswordSource, read_secret};

/// Gets to the key of a seat of this ring. Files with passwords, PINs and tokens are read now or whenever
/// they are needed, not when the configuration is.
///
/// # Errors
/// `Keystore`, `Password`, `SecretFile`, `Key`, `OtherEnclave`.
pub async fn open(signer: &config::Signer, domain: Domain, ring: u32) -> Result<Arc<dyn Signer>, SignerError> {
    let key: Box<dyn Key> = match signer {
        config::Signer::Keystore { keystore, password } => Box::new(open_keystore(keystore, password).await?),
        config::Signer::AwsKms(settings) => Box::new(AwsKmsKey::open(settings.clone()).await?),
        config::Signer::AzureKv(settings) => Box::new(AzureKvKey::open((**settings).clone()).await?),
        config::Signer::Enclave(enclave) => return Ok(Arc::new(EnclaveSigner::open(enclave, domain, ring).await?)),
        config::Signer::GcpKms(settings) => Box::new(GcpKmsKey::open(settings.clone()).await?),
        // Where it can be unlocked is served by the seat that runs.
        config::Signer::Memory(memory) => Box::new(memory.key()),
        config::Signer::Pkcs11(settings) => Box::new(Pkcs11Key::open(settings.clone()).await?),
        config::Signer::Vault(settings) => Box::new(VaultKey::open((**settings).clone()).await?),
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

/// A password, a PIN or a token; a line break at its end does not belong to it.
pub(crate) fn read_text(path: &Path) -> Result<SecretString, SignerError> {
    let unreadable = |why: String| SignerError::SecretFile { path: path.to_owned(), why };
    let bytes = read_secret(path).map_err(|error| unreadable(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}
