//! A key in AWS KMS: of the spec `ECC_SECG_P256K1`, for signing and verifying. It never leaves the service.
//!
//! Credentials come from the provider's own chain (environment, profile, web identity, container, instance); throttling and what
//! else passes is tried again by its SDK.

use std::fmt;

use alloy::{
    primitives::{Address, B256, Signature},
    signers::{
        Signer as _,
        aws::{AwsSigner, AwsSignerError},
    },
};
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::{Builder, tls};
use futures::future::{BoxFuture, FutureExt as _};
use serde::Deserialize;

use crate::{Key, KeyError, PATIENCE, signature};

/// How often a question is asked, the first time included.
const ATTEMPTS: u32 = 4;

/// Where the key is: as a configuration has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKmsSettings {
    /// Its id, its ARN, or an alias. An alias that comes to name another key signs nothing any more.
    pub key_id: String,
    /// The region. `None`: as the chain says.
    pub region: Option<String>,
    /// The profile. `None`: as the chain says.
    pub profile: Option<String>,
    /// The service's address. `None`: the region's own.
    pub endpoint: Option<String>,
}

/// A key in AWS KMS.
pub struct AwsKmsKey {
    signer: AwsSigner,
    keeper: String,
}

impl AwsKmsKey {
    /// Asks for the public key, and so for the address.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`, `NotAKey`.
    pub async fn open(settings: AwsKmsSettings) -> Result<Self, KeyError> {
        let keeper = format!("AWS KMS, key {}", settings.key_id);
        let http =
            Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
        let timeouts =
            TimeoutConfig::builder().operation_timeout(PATIENCE).operation_attempt_timeout(PATIENCE / ATTEMPTS).build();
        let mut chain = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(region) = settings.region {
            chain = chain.region(Region::new(region));
        }
        if let Some(profile) = settings.profile {
            chain = chain.profile_name(profile);
        }
        if let Some(endpoint) = settings.endpoint {
            chain = chain.endpoint_url(endpoint);
        }
        // Boxed: the SDK's futures are types too deep for whoever awaits them.
        let opened =
            async move { AwsSigner::new(Client::new(&chain.load().await), settings.key_id, None).await }.boxed();
        let signer = in_time(&keeper, opened).await?;
        Ok(Self { signer, keeper })
    }
}

impl Key for AwsKmsKey {
    fn address(&self) -> Address {
        self.signer.address()
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        async move {
            let r_and_s = in_time(&self.keeper, self.signer.sign_digest(&digest).boxed()).await?;
            signature::of_key(&self.keeper, self.address(), digest, &r_and_s)
        }
        .boxed()
    }
}

impl fmt::Debug for AwsKmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsKmsKey({} in {})", self.address(), self.keeper)
    }
}

async fn in_time<T>(keeper: &str, asked: impl Future<Output = Result<T, AwsSignerError>>) -> Result<T, KeyError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| fault(keeper.to_owned(), error)),
        Err(_) => Err(KeyError::Unavailable {
            keeper: keeper.to_owned(),
            why: format!("no answer within {} s", PATIENCE.as_secs()),
        }),
    }
}

fn fault(keeper: String, error: AwsSignerError) -> KeyError {
    match error {
        AwsSignerError::Sign(error) => of_sdk(keeper, error),
        AwsSignerError::GetPublicKey(error) => of_sdk(keeper, error),
        error => KeyError::NotAKey { keeper, why: format!("{error}; it has to be of the spec ECC_SECG_P256K1") },
    }
}

fn of_sdk<E, R>(keeper: String, error: SdkError<E, R>) -> KeyError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let said = || match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => "it gave no reason".to_owned(),
    };
    match &error {
        SdkError::TimeoutError(_) => KeyError::Unavailable { keeper, why: "it took too long".to_owned() },
        SdkError::DispatchFailure(failure) => {
            let why = match failure.as_connector_error() {
                Some(error) => format!("no connection: {error}"),
                None => "no connection".to_owned(),
            };
            KeyError::Unavailable { keeper, why }
        }
        SdkError::ConstructionFailure(_) => {
            let why = "nothing could be asked: is there a region, and are there credentials?".to_owned();
            KeyError::Refused { keeper, why }
        }
        _ => match error.code() {
            Some("NotFoundException" | "InvalidKeyUsageException" | "UnsupportedOperationException") => {
                KeyError::NotAKey { keeper, why: said() }
            }
            Some(
                "AccessDeniedException"
                | "DisabledException"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "InvalidClientTokenId"
                | "KMSInvalidStateException"
                | "UnrecognizedClientException"
                | "ValidationException",
            ) => KeyError::Refused { keeper, why: said() },
            _ => KeyError::Unavailable { keeper, why: said() },
        },
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::{error::ErrorMetadata, operation::sign::SignError};

    use super::*;

    fn said(code: &str) -> KeyError {
        let metadata = ErrorMetadata::builder().code(code).message("why").build();
        of_sdk("it".to_owned(), SdkError::service_error(SignError::generic(metadata), ()))
    }

    #[test]
    fn what_a_person_has_to_mend_is_refused_and_what_passes_is_not() {
        for code in ["AccessDeniedException", "DisabledException", "KMSInvalidStateException", "ExpiredTokenException"]
        {
            assert!(matches!(said(code), KeyError::Refused { why, .. } if why == format!("{code}: why")), "{code}");
        }
        for code in ["NotFoundException", "InvalidKeyUsageException"] {
            assert!(matches!(said(code), KeyError::NotAKey { .. }), "{code}");
        }
        for code in
            ["ThrottlingException", "KeyUnavailableException", "KMSInternalException", "DependencyTimeoutException"]
        {
            assert!(matches!(said(code), KeyError::Unavailable { .. }), "{code}");
        }
    }
}
