//! A stand-in for Google Cloud KMS, by its REST reference (v1, `cryptoKeyVersions.getPublicKey` and `.asymmetricSign`), and for
//! Google's tokens (OAuth 2.0, `refresh_token`). No service that knows secp256k1 runs on a machine of one's own.

use std::net::Ipv4Addr;

use alloy::primitives::Address;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc::{CRC_32_ISCSI, Crc};
use eyre::Result;
use k256::{
    PublicKey,
    pkcs8::{EncodePublicKey as _, LineEnding},
};
use ring_key::{
    Key, KeyError, SecretSource,
    gcp_kms::{GcpKmsKey, GcpKmsSettings},
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Fate, Keeper, Missing};
use crate::{
    proxy::{Losses, Proxy},
    stand_in::StandIn,
};

const NAME: &str = "projects/suite/locations/europe/keyRings/rings/cryptoKeys/seat-0/cryptoKeyVersions/1";
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// An answer: what went wrong, or what was asked for.
type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// A server that stands for Google's.
pub(crate) struct GcpKms {
    stand_in: StandIn,
    proxy: Proxy,
}

impl GcpKms {
    pub(crate) async fn start() -> Result<Self, Missing> {
        Ok(Self::make().await?)
    }

    async fn make() -> Result<Self> {
        let stand_in = StandIn::new();
        let router = Router::new()
            .route("/token", post(token))
            .route("/v1/{*name}", get(public_key).post(asymmetric_sign))
            .with_state(stand_in.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Proxy::start(listener.local_addr()?, 0).await?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { stand_in, proxy })
    }

    async fn open_with(&self, refresh_token: &str) -> Result<Box<dyn Key>, KeyError> {
        let endpoint = format!("http://{}", self.proxy.address);
        let credentials = json!({
            "type": "authorized_user",
            "client_id": "suite",
            "client_secret": "of-the-suite",
            "refresh_token": refresh_token,
            "token_uri": format!("{endpoint}/token"),
        });
        let credentials = SecretString::from(credentials.to_string());
        let credentials = Some(SecretSource::new(move || Ok(credentials.clone())));
        let settings = GcpKmsSettings { key_version: NAME.to_owned(), credentials, endpoint: Some(endpoint) };
        Ok(Box::new(GcpKmsKey::open(settings).await?))
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    refresh_token: String,
}

async fn token(State(stand_in): State<StandIn>, Json(asked): Json<TokenRequest>) -> Answer {
    stand_in.presence().await;
    if asked.grant_type != "refresh_token" || asked.refresh_token != stand_in.secret() {
        return Err((StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))));
    }
    Ok(Json(json!({ "access_token": stand_in.token(), "expires_in": 3599, "token_type": "Bearer" })))
}

async fn public_key(State(stand_in): State<StandIn>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    admit(&stand_in, &headers, name.strip_suffix("/publicKey")).await?;
    let key = PublicKey::from(stand_in.key().credential().verifying_key());
    let pem = key.to_public_key_pem(LineEnding::LF).map_err(|_| error(500, "INTERNAL", "no PEM"))?;
    let sum = CRC32C.checksum(pem.as_bytes()).to_string();
    let algorithm = "EC_SIGN_SECP256K1_SHA256";
    Ok(Json(json!({ "pem": pem, "algorithm": algorithm, "pemCrc32c": sum, "name": NAME, "protectionLevel": "HSM" })))
}

async fn asymmetric_sign(
    State(stand_in): State<StandIn>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Answer {
    admit(&stand_in, &headers, name.strip_suffix(":asymmetricSign")).await?;
    if stand_in.is_throttled() {
        return Err(error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"));
    }
    let digest = STANDARD.decode(asked["digest"]["sha256"].as_str().unwrap_or_default()).unwrap_or_default();
    let sum = asked["digestCrc32c"].as_str().and_then(|sum| sum.parse().ok());
    if sum != Some(CRC32C.checksum(&digest)) {
        return Err(error(400, "INVALID_ARGUMENT", "the digest's checksum is another"));
    }
    let signature = stand_in.sign(&digest).ok_or_else(|| error(400, "INVALID_ARGUMENT", "no digest of 32 bytes"))?;
    let der = signature.to_der();
    Ok(Json(json!({
        "signature": STANDARD.encode(der.as_bytes()),
        "signatureCrc32c": CRC32C.checksum(der.as_bytes()).to_string(),
        "verifiedDigestCrc32c": true,
        "name": NAME,
        "protectionLevel": "HSM",
    })))
}

/// Whether a question may be asked, and the key is there.
async fn admit(stand_in: &StandIn, headers: &HeaderMap, name: Option<&str>) -> Result<(), (StatusCode, Json<Value>)> {
    stand_in.presence().await;
    let bearer = format!("Bearer {}", stand_in.token());
    if headers.get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != bearer.as_bytes()) {
        return Err(error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials"));
    }
    match (name, stand_in.fate()) {
        (Some(NAME), Fate::AsItWas | Fate::Exchanged) => Ok(()),
        (Some(NAME), Fate::Forbidden) => Err(error(403, "PERMISSION_DENIED", "Permission 'useToSign' denied")),
        (Some(NAME), Fate::Deleted) => {
            Err(error(400, "FAILED_PRECONDITION", "it is not enabled, current state is: DESTROYED"))
        }
        _ => Err(error(404, "NOT_FOUND", "CryptoKeyVersion not found")),
    }
}

fn error(code: u16, status: &str, message: &str) -> (StatusCode, Json<Value>) {
    let body = json!({ "error": { "code": code, "message": message, "status": status } });
    (StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body))
}

impl Keeper for GcpKms {
    fn real(&self) -> String {
        "Google's library, against a stand-in of the suite's own; the service is not on this machine".to_owned()
    }

    fn is_real(&self) -> bool {
        false
    }

    fn address(&self) -> Address {
        self.stand_in.key().address()
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        self.open_with(self.stand_in.secret()).await
    }

    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        Some(self.open_with("revoked-refresh-token").await)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.stand_in.secret().to_owned(), self.stand_in.token(), "revoked-refresh-token".to_owned()]
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.proxy.losses)
    }

    async fn end_sessions(&mut self) -> Result<bool> {
        self.stand_in.renew_token();
        Ok(true)
    }

    async fn leave(&mut self) -> Result<bool> {
        self.stand_in.set_there(false);
        Ok(true)
    }

    async fn come_back(&mut self) -> Result<()> {
        self.stand_in.set_there(true);
        Ok(())
    }

    async fn change(&mut self, fate: Fate) -> Result<bool> {
        self.stand_in.set_fate(fate);
        Ok(true)
    }
}
