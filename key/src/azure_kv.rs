//! A key in Azure Key Vault or a Managed HSM: of the curve `P-256K`, with the permissions `get` and `sign`. It never leaves the
//! service.
//!
//! The service says itself which audience a token has to be for, and is believed if it is of the same domain; throttling and what
//! else passes is tried again by Microsoft's library.

use std::{error::Error as _, fmt, sync::Arc};

use alloy::{
    primitives::{Address, B256, Signature},
    signers::k256::{EncodedPoint, PublicKey, ecdsa, elliptic_curve::sec1::FromEncodedPoint as _},
};
use azure_core::{
    Error,
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{Secret, TokenCredential},
    error::ErrorKind,
    http::{ClientOptions, ExponentialRetryOptions, RequestContent, RetryOptions, StatusCode, Transport},
    time::Duration,
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, DeveloperToolsCredential,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use azure_security_keyvault_keys::{
    KeyClient, KeyClientOptions, ResourceId,
    models::{
        CurveName, JsonWebKey, KeyClientGetKeyOptions, KeyClientSignOptions, KeyOperationResult, SignParameters,
        SignatureAlgorithm,
    },
};
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::Client;
use secrecy::ExposeSecret as _;

use crate::{
    Key, KeyError, PATIENCE, SecretSource,
    login::{Failure, Login},
    signature,
};

/// How often a question is asked again.
const RETRIES: u32 = 3;
/// How long to wait before the first time; longer before each other.
const FIRST_DELAY: Duration = Duration::milliseconds(200);
/// How long the first question may be past for one more to be asked.
const ASKED_AGAIN_WITHIN: Duration = Duration::seconds(PATIENCE.as_secs() as i64);

/// How a seat proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// As its host or service is known.
    ManagedIdentity {
        /// The client id of an identity that was assigned by a user. `None`: the system's.
        client_id: Option<String>,
    },
    /// As a pod is known: by what its platform puts into its environment (`AZURE_CLIENT_ID`, `AZURE_TENANT_ID`,
    /// `AZURE_FEDERATED_TOKEN_FILE`).
    WorkloadIdentity,
    /// As an application with a secret.
    ClientSecret {
        /// The directory that knows it.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: SecretSource,
    },
    /// As whoever is logged in to Azure's command line: for trying.
    DeveloperTools,
}

/// Where the key is.
#[derive(Clone, Debug)]
pub struct AzureKvSettings {
    /// What speaks HTTP, with the authorities that it believes.
    pub client: Client,
    /// The key's identifier with its version, `https://NAME.vault.azure.net/keys/KEY/VERSION`. A version never becomes
    /// another key.
    pub key: String,
    /// How the seat proves who it is.
    pub credential: Credential,
    /// Who gives tokens. `None`: `https://login.microsoftonline.com`.
    pub authority: Option<String>,
}

/// A key in Azure Key Vault.
pub struct AzureKvKey {
    service: Login<KeyClient, Error>,
    name: String,
    version: String,
    address: Address,
}

impl AzureKvKey {
    /// Asks for the public key, and so for the address.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`, `NotAKey`.
    pub async fn open(settings: AzureKvSettings) -> Result<Self, KeyError> {
        let keeper = format!("Azure Key Vault, {}", settings.key);
        let not_a_key = |why: &dyn fmt::Display| KeyError::NotAKey {
            keeper: keeper.clone(),
            why: format!("{why}: its identifier is https://NAME.vault.azure.net/keys/KEY/VERSION"),
        };
        let ResourceId { vault_url, name, version, .. } =
            settings.key.parse().map_err(|error: Error| not_a_key(&error))?;
        // Without one it would be whichever is newest.
        let version = version.ok_or_else(|| not_a_key(&"there is no version"))?;
        let service = {
            let keeper = keeper.clone();
            Login::new(keeper.clone(), failure, move || {
                let made = client(&settings, &vault_url, &keeper);
                std::future::ready(made).boxed()
            })
        };
        let (key_name, key_version) = (&name, &version);
        let asked = service.ask(|client| async move {
            let options = KeyClientGetKeyOptions { key_version: Some(key_version.clone()), ..Default::default() };
            client.get_key(key_name, Some(options)).await?.into_model()
        });
        let key = asked.await?.key.unwrap_or_default();
        let address = address(&keeper, &key)?;
        Ok(Self { service, name, version, address })
    }
}

fn client(settings: &AzureKvSettings, vault_url: &str, keeper: &str) -> Result<KeyClient, KeyError> {
    let client_options = client_options(settings);
    let made = credential(settings, &client_options).and_then(|credential| {
        let options = KeyClientOptions { client_options, ..KeyClientOptions::default() };
        KeyClient::new(vault_url, credential, Some(options))
    });
    made.map_err(|error| failure(keeper, &error).error)
}

fn client_options(settings: &AzureKvSettings) -> ClientOptions {
    let retry = ExponentialRetryOptions {
        initial_delay: FIRST_DELAY,
        max_retries: RETRIES,
        max_total_elapsed: ASKED_AGAIN_WITHIN,
        ..ExponentialRetryOptions::default()
    };
    let cloud = settings.authority.clone().map(|authority_host| {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = authority_host;
        Arc::new(CloudConfiguration::from(cloud))
    });
    ClientOptions {
        retry: RetryOptions::exponential(retry),
        transport: Some(Transport::new(Arc::new(settings.client.clone()))),
        cloud,
        ..ClientOptions::default()
    }
}

fn credential(settings: &AzureKvSettings, options: &ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let client_options = options.clone();
    Ok(match &settings.credential {
        Credential::ManagedIdentity { client_id } => {
            let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
            ManagedIdentityCredential::new(Some(options))?
        }
        Credential::WorkloadIdentity => {
            let credential_options = ClientAssertionCredentialOptions { client_options };
            let options = WorkloadIdentityCredentialOptions { credential_options, ..Default::default() };
            WorkloadIdentityCredential::new(Some(options))?
        }
        Credential::ClientSecret { tenant_id, client_id, client_secret } => {
            let unreadable = |why| Error::with_message(ErrorKind::Other, why);
            let secret = Secret::new(client_secret.read().map_err(unreadable)?.expose_secret().to_owned());
            let options = ClientSecretCredentialOptions { client_options };
            ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options))?
        }
        Credential::DeveloperTools => DeveloperToolsCredential::new(None)?,
    })
}

impl Key for AzureKvKey {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        async move {
            let keeper = self.service.keeper();
            let asked = self.service.ask(|client| async move {
                // The service takes any 32 bytes for a digest by SHA-256.
                let parameters =
                    SignParameters { algorithm: Some(SignatureAlgorithm::Es256K), value: Some(digest.to_vec()) };
                let parameters: RequestContent<SignParameters> = parameters.try_into()?;
                let options = KeyClientSignOptions { key_version: Some(self.version.clone()), ..Default::default() };
                client.sign(&self.name, parameters, Some(options)).await?.into_model()
            });
            let KeyOperationResult { result, .. } = asked.await?;
            let r_and_s = ecdsa::Signature::from_slice(&result.unwrap_or_default()).map_err(|_| {
                let why = "the answer is no signature of 64 bytes".to_owned();
                KeyError::Unavailable { keeper: keeper.to_owned(), why }
            })?;
            signature::of_key(keeper, self.address, digest, &r_and_s)
        }
        .boxed()
    }
}

impl fmt::Debug for AzureKvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureKvKey({} in {})", self.address, self.service.keeper())
    }
}

fn address(keeper: &str, key: &JsonWebKey) -> Result<Address, KeyError> {
    let not_a_key = |why: String| KeyError::NotAKey { keeper: keeper.to_owned(), why };
    if key.crv != Some(CurveName::P256K) {
        let found = key.crv.as_ref().map_or_else(|| "none".to_owned(), |curve| curve.to_string());
        return Err(not_a_key(format!("its curve is {found}, and has to be P-256K")));
    }
    let coordinate = |bytes: &Option<Vec<u8>>| <[u8; 32]>::try_from(bytes.as_deref().unwrap_or_default());
    let point = match (coordinate(&key.x), coordinate(&key.y)) {
        (Ok(x), Ok(y)) => EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false),
        _ => return Err(not_a_key("its public key has no two coordinates of 32 bytes".to_owned())),
    };
    let key = PublicKey::from_encoded_point(&point).into_option();
    let key = key.ok_or_else(|| not_a_key("its public key is no point of the curve".to_owned()))?;
    Ok(Address::from_public_key(&key.into()))
}

fn failure(keeper: &str, error: &Error) -> Failure {
    let keeper = keeper.to_owned();
    // The library's advice, where to read more, is in lines of its own.
    let why = error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let is_login =
        matches!((error.kind(), status(error)), (ErrorKind::Credential, _) | (_, Some(StatusCode::Unauthorized)));
    let error = match (error.kind(), status(error)) {
        (ErrorKind::Credential, Some(StatusCode::BadRequest)) => KeyError::Refused { keeper, why },
        (_, Some(StatusCode::Unauthorized | StatusCode::Forbidden)) => KeyError::Refused { keeper, why },
        (_, Some(StatusCode::BadRequest | StatusCode::NotFound)) => KeyError::NotAKey { keeper, why },
        (ErrorKind::Other, None) => KeyError::Refused { keeper, why },
        _ => KeyError::Unavailable { keeper, why },
    };
    Failure { error, is_login }
}

/// What a service answered: the vault, or below an error of the credential whoever gives tokens.
fn status(error: &Error) -> Option<StatusCode> {
    let below = || error.source()?.downcast_ref::<Error>().and_then(status);
    error.http_status().or_else(below)
}

#[cfg(test)]
mod tests {
    use alloy::signers::{k256::elliptic_curve::sec1::ToEncodedPoint as _, local::PrivateKeySigner};

    use super::*;

    #[test]
    fn an_address_is_that_of_a_key_of_its_curve_and_of_no_other() {
        let key = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
        let point = key.credential().verifying_key().as_affine().to_encoded_point(false);
        let mut jwk = JsonWebKey { crv: Some(CurveName::P256K), ..JsonWebKey::default() };
        assert!(matches!(address("it", &jwk), Err(KeyError::NotAKey { .. })));
        (jwk.x, jwk.y) = (point.x().map(|x| x.to_vec()), point.y().map(|y| y.to_vec()));
        assert_eq!(address("it", &jwk).unwrap(), key.address());
        let off_curve = JsonWebKey { x: jwk.y.clone(), ..jwk.clone() };
        assert!(matches!(address("it", &off_curve), Err(KeyError::NotAKey { .. })));
        jwk.crv = Some(CurveName::P256);
        assert!(matches!(address("it", &jwk), Err(KeyError::NotAKey { why, .. }) if why.contains("P-256,")));
    }

    #[test]
    fn what_a_person_has_to_mend_is_refused_and_what_passes_is_not() {
        let answered = |status: StatusCode| {
            let kind = ErrorKind::HttpResponse { status, error_code: None, raw_response: None };
            Error::with_message(kind, "why")
        };
        let said = |status| failure("it", &answered(status)).error;
        for status in [StatusCode::Unauthorized, StatusCode::Forbidden] {
            assert!(matches!(said(status), KeyError::Refused { why, .. } if why == "why"), "{status}");
        }
        for status in [StatusCode::BadRequest, StatusCode::NotFound] {
            assert!(matches!(said(status), KeyError::NotAKey { .. }), "{status}");
        }
        for status in [StatusCode::TooManyRequests, StatusCode::ServiceUnavailable, StatusCode::RequestTimeout] {
            assert!(matches!(said(status), KeyError::Unavailable { .. }), "{status}");
        }
        // Who gives tokens answered so, not the vault.
        let of_credential = |status| {
            let error = Error::with_error(ErrorKind::Credential, answered(status), "no token\nread more elsewhere");
            failure("it", &error).error
        };
        for status in [StatusCode::BadRequest, StatusCode::Unauthorized] {
            assert!(
                matches!(of_credential(status), KeyError::Refused { why, .. } if why == "no token; read more elsewhere"),
                "{status}"
            );
        }
        assert!(matches!(of_credential(StatusCode::ServiceUnavailable), KeyError::Unavailable { .. }));
        let gone = Error::with_message(ErrorKind::Connection, "no route");
        assert!(matches!(failure("it", &gone).error, KeyError::Unavailable { .. }));
    }
}
