//! A key in Google Cloud KMS: a version of a key with the algorithm `EC_SIGN_SECP256K1_SHA256`. It never leaves the service.
//!
//! Credentials are the application's default ones (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's, those of the host or pod) or a
//! file of this seat's; throttling and what else passes is tried again by Google's library. Question and answer have checksums
//! (CRC32C), as <https://cloud.google.com/kms/docs/data-integrity-guidelines> asks.

use std::{fmt, time::Duration};

use alloy::{
    primitives::{Address, B256, Signature},
    signers::k256::{PublicKey, ecdsa},
};
use crc::{CRC_32_ISCSI, Crc};
use futures::future::{BoxFuture, FutureExt as _};
use google_cloud_auth::credentials::{
    Credentials, external_account, impersonated, service_account, service_account::AccessSpecifier, user_account,
};
use google_cloud_gax::{
    error::{
        Error,
        rpc::{Code, Status},
    },
    exponential_backoff::ExponentialBackoffBuilder,
    options::RequestOptionsBuilder as _,
    retry_policy::{Aip194Strict, RetryPolicyExt as _},
};
use google_cloud_kms_v1::{
    client::KeyManagementService,
    model::{self, AsymmetricSignResponse, crypto_key_version::CryptoKeyVersionAlgorithm},
};
use k256::pkcs8::DecodePublicKey as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::{
    Key, KeyError, PATIENCE, SecretSource,
    login::{Failure, Login},
    signature,
};

/// How often a question is asked, the first time included.
const ATTEMPTS: u32 = 4;
/// How long to wait before the second time, and at most.
const DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];
/// What a token of a credentials file may be used for. IAM says what of it is allowed.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The checksum of questions and answers (Castagnoli's polynomial).
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Where the key is.
#[derive(Clone, Debug)]
pub struct GcpKmsSettings {
    /// `projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/…`. A version never becomes another key.
    pub key_version: String,
    /// What a credentials file of Google's has in it (JSON). `None`: the application's default credentials.
    pub credentials: Option<SecretSource>,
    /// The service's address. `None`: Google's own.
    pub endpoint: Option<String>,
}

/// A key in Google Cloud KMS.
pub struct GcpKmsKey {
    service: Login<KeyManagementService, Error>,
    key_version: String,
    address: Address,
}

impl GcpKmsKey {
    /// Asks for the public key, and so for the address.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`, `NotAKey`.
    pub async fn open(settings: GcpKmsSettings) -> Result<Self, KeyError> {
        let key_version = settings.key_version.clone();
        let keeper = format!("Google Cloud KMS, {key_version}");
        let service = {
            let keeper = keeper.clone();
            Login::new(keeper.clone(), failure, move || client(settings.clone(), keeper.clone()).boxed())
        };
        let asked = service.ask(|client| client.get_public_key().set_name(&key_version).send());
        let address = address(&keeper, &key_version, &asked.await?)?;
        Ok(Self { service, key_version, address })
    }
}

async fn client(settings: GcpKmsSettings, keeper: String) -> Result<KeyManagementService, KeyError> {
    let no_credentials = |why: String| KeyError::Refused {
        keeper: keeper.clone(),
        why: format!(
            "no credentials, {why}: see https://cloud.google.com/docs/authentication/application-default-credentials"
        ),
    };
    let [first, most] = DELAYS;
    let backoff = ExponentialBackoffBuilder::new().with_initial_delay(first).with_maximum_delay(most).clamp();
    let mut builder = KeyManagementService::builder()
        .with_attempt_timeout(PATIENCE / ATTEMPTS)
        .with_backoff_policy(backoff)
        .with_retry_policy(Aip194Strict.continue_on_too_many_requests().with_attempt_limit(ATTEMPTS));
    if let Some(credentials) = settings.credentials {
        let of_file = credentials.read().and_then(|credentials| of_file(&credentials));
        builder = builder.with_credentials(of_file.map_err(no_credentials)?);
    }
    if let Some(endpoint) = settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().await.map_err(|error| no_credentials(with_causes(&error)))
}

impl Key for GcpKmsKey {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        async move {
            let keeper = self.service.keeper();
            let asked = self.service.ask(|client| {
                // The service takes any 32 bytes for a digest by SHA-256.
                let bytes = model::Digest::new().set_sha256(digest.to_vec());
                let asked = client.asymmetric_sign().set_name(&self.key_version).set_digest(bytes);
                // A lost answer loses nothing: asked again, it signs again.
                asked.set_digest_crc32c(crc32c(digest.as_slice())).with_idempotency(true).send()
            });
            let r_and_s = r_and_s(keeper, &self.key_version, &asked.await?)?;
            signature::of_key(keeper, self.address, digest, &r_and_s)
        }
        .boxed()
    }
}

impl fmt::Debug for GcpKmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GcpKmsKey({} in {})", self.address, self.service.keeper())
    }
}

/// The credentials that are in a file of Google's.
fn of_file(credentials: &SecretString) -> Result<Credentials, String> {
    let json: Value = serde_json::from_str(credentials.expose_secret())
        .map_err(|error| format!("the file is no JSON (line {}, column {})", error.line(), error.column()))?;
    let scopes = [SCOPE];
    let built = match json["type"].as_str() {
        Some("service_account") => {
            service_account::Builder::new(json).with_access_specifier(AccessSpecifier::from_scopes(scopes)).build()
        }
        Some("external_account") => external_account::Builder::new(json).with_scopes(scopes).build(),
        Some("impersonated_service_account") => impersonated::Builder::new(json).with_scopes(scopes).build(),
        Some("authorized_user") => user_account::Builder::new(json).with_scopes(scopes).build(),
        other => return Err(format!("the file's type is {}, which is not known", other.unwrap_or("missing"))),
    };
    // Its causes could quote the file.
    built.map_err(|error| error.to_string())
}

fn crc32c(bytes: &[u8]) -> i64 {
    i64::from(CRC32C.checksum(bytes))
}

fn address(keeper: &str, key_version: &str, answer: &model::PublicKey) -> Result<Address, KeyError> {
    let broken = |why: &str| KeyError::Unavailable { keeper: keeper.to_owned(), why: why.to_owned() };
    let not_a_key = |why: String| KeyError::NotAKey { keeper: keeper.to_owned(), why };
    if answer.name != key_version {
        return Err(broken("it answered for another key"));
    }
    if answer.pem_crc32c.is_none_or(|sum| sum != crc32c(answer.pem.as_bytes())) {
        return Err(broken("the public key was changed on its way: its checksum is another"));
    }
    if answer.algorithm != CryptoKeyVersionAlgorithm::EcSignSecp256K1Sha256 {
        let found = answer.algorithm.name().unwrap_or("another");
        return Err(not_a_key(format!("its algorithm is {found}, and has to be EC_SIGN_SECP256K1_SHA256")));
    }
    let key = PublicKey::from_public_key_pem(&answer.pem).map_err(|error| not_a_key(error.to_string()))?;
    Ok(Address::from_public_key(&key.into()))
}

fn r_and_s(keeper: &str, key_version: &str, answer: &AsymmetricSignResponse) -> Result<ecdsa::Signature, KeyError> {
    let broken = |why: &str| KeyError::Unavailable { keeper: keeper.to_owned(), why: why.to_owned() };
    if answer.name != key_version {
        return Err(broken("it answered for another key"));
    }
    if !answer.verified_digest_crc32c {
        return Err(broken("the digest's checksum did not arrive with it"));
    }
    if answer.signature_crc32c.is_none_or(|sum| sum != crc32c(&answer.signature)) {
        return Err(broken("the signature was changed on its way: its checksum is another"));
    }
    ecdsa::Signature::from_der(&answer.signature).map_err(|_| broken("the answer is no signature in DER"))
}

fn failure(keeper: &str, error: &Error) -> Failure {
    let keeper = keeper.to_owned();
    if let Some(Status { code, message, .. }) = error.status() {
        let why = format!("{}: {message}", code.name());
        let error = match code {
            Code::InvalidArgument | Code::NotFound | Code::Unimplemented => KeyError::NotAKey { keeper, why },
            Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated => {
                KeyError::Refused { keeper, why }
            }
            _ => KeyError::Unavailable { keeper, why },
        };
        return Failure { error, is_login: *code == Code::Unauthenticated };
    }
    let why = with_causes(error);
    let is_login = error.is_authentication();
    let error = match is_login && !error.is_transient_and_before_rpc() {
        true => KeyError::Refused { keeper, why: format!("its credentials are not accepted: {why}") },
        false => KeyError::Unavailable { keeper, why },
    };
    Failure { error, is_login }
}

/// An error and what caused it, each once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use alloy::signers::{SignerSync as _, local::PrivateKeySigner};
    use k256::pkcs8::{EncodePublicKey as _, LineEnding};

    use super::*;

    const NAME: &str = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";

    fn key() -> PrivateKeySigner {
        PrivateKeySigner::from_slice(&[7; 32]).unwrap()
    }

    fn public_key() -> model::PublicKey {
        let verifying = *key().credential().verifying_key();
        let pem = PublicKey::from(verifying).to_public_key_pem(LineEnding::LF).unwrap();
        let sum = crc32c(pem.as_bytes());
        let answer = model::PublicKey::new().set_name(NAME).set_pem(pem).set_pem_crc32c(sum);
        answer.set_algorithm(CryptoKeyVersionAlgorithm::EcSignSecp256K1Sha256)
    }

    fn signed() -> AsymmetricSignResponse {
        let signature = key().sign_hash_sync(&B256::repeat_byte(1)).unwrap().to_k256().unwrap().to_der().to_bytes();
        let sum = crc32c(&signature);
        let answer = AsymmetricSignResponse::new().set_name(NAME).set_verified_digest_crc32c(true);
        answer.set_signature(signature.to_vec()).set_signature_crc32c(sum)
    }

    #[test]
    fn a_credentials_file_that_is_none_is_named_and_not_quoted() {
        for (text, part) in [("{ secret", "no JSON"), ("{}", "missing"), (r#"{"type":"other"}"#, "other")] {
            let error = of_file(&SecretString::from(text)).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
        let error = of_file(&SecretString::from(r#"{"type":"authorized_user","client_secret":"hidden"}"#)).unwrap_err();
        assert!(!error.contains("hidden"), "{error}");
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4: 32 bytes of zeroes, and of ones.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn an_address_is_believed_only_of_the_version_that_was_asked_for_with_its_checksum_and_algorithm() {
        assert_eq!(address("it", NAME, &public_key()).unwrap(), key().address());
        for answer in [
            public_key().set_name(format!("{NAME}2")),
            public_key().set_pem_crc32c(1),
            public_key().set_or_clear_pem_crc32c(None::<i64>),
        ] {
            assert!(matches!(address("it", NAME, &answer), Err(KeyError::Unavailable { .. })), "{answer:?}");
        }
        let other = public_key().set_algorithm(CryptoKeyVersionAlgorithm::EcSignP256Sha256);
        let Err(KeyError::NotAKey { why, .. }) = address("it", NAME, &other) else { panic!("it was believed") };
        assert!(why.contains("EC_SIGN_P256_SHA256"), "{why}");
    }

    #[test]
    fn a_signature_is_believed_only_of_the_version_that_was_asked_for_with_both_checksums() {
        r_and_s("it", NAME, &signed()).unwrap();
        let no_der = signed().set_signature(vec![1]).set_signature_crc32c(crc32c(&[1]));
        for answer in [
            signed().set_name(format!("{NAME}2")),
            signed().set_verified_digest_crc32c(false),
            signed().set_signature_crc32c(1),
            signed().set_or_clear_signature_crc32c(None::<i64>),
            no_der,
        ] {
            assert!(matches!(r_and_s("it", NAME, &answer), Err(KeyError::Unavailable { .. })), "{answer:?}");
        }
    }

    #[test]
    fn what_a_person_has_to_mend_is_refused_and_what_passes_is_not() {
        let said =
            |code: Code| failure("it", &Error::service(Status::default().set_code(code).set_message("why"))).error;
        for code in [Code::FailedPrecondition, Code::PermissionDenied, Code::Unauthenticated] {
            assert!(matches!(said(code), KeyError::Refused { why, .. } if why.ends_with(": why")), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::NotFound] {
            assert!(matches!(said(code), KeyError::NotAKey { .. }), "{code:?}");
        }
        for code in [Code::Internal, Code::ResourceExhausted, Code::Unavailable, Code::DeadlineExceeded] {
            assert!(matches!(said(code), KeyError::Unavailable { .. }), "{code:?}");
        }
    }
}
