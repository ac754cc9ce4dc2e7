//! A stand-in for Azure Key Vault, by its REST reference (7.x, Get Key and Sign), its challenge included, and for Microsoft
//! Entra's tokens (OAuth 2.0, `client_credentials`); both over TLS, without which the library gives no token away. No service
//! that knows secp256k1 runs on a machine of one's own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use alloy::{primitives::Address, signers::k256::elliptic_curve::sec1::ToEncodedPoint as _};
use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    routing::{get, post},
    serve::Listener,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use eyre::{Result, WrapErr as _};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use ring_key::{
    Key, KeyError, PATIENCE, SecretSource,
    azure_kv::{AzureKvKey, AzureKvSettings, Credential},
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Fate, Keeper, Missing};
use crate::{
    proxy::{Losses, Proxy},
    stand_in::StandIn,
};

const VAULT: &str = "rings.vault.test";
const AUTHORITY: &str = "login.test";
const TENANT: &str = "directory-of-the-suite";
const APPLICATION: &str = "seat-0";
const NAME: &str = "seat-0";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// An answer: what went wrong, or what was asked for.
type Answer = Result<Json<Value>, Refusal>;
type Refusal = (StatusCode, [(HeaderName, String); 1], Json<Value>);

/// A server that stands for Microsoft's.
pub(crate) struct AzureKv {
    stand_in: StandIn,
    proxy: Proxy,
    client: Client,
}

impl AzureKv {
    pub(crate) async fn start() -> Result<Self, Missing> {
        Ok(Self::make().await?)
    }

    async fn make() -> Result<Self> {
        let stand_in = StandIn::new();
        let router = Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(token))
            .route("/keys/{name}/{version}", get(key))
            .route("/keys/{name}/{version}/sign", post(sign))
            .with_state(stand_in.clone());
        let names = [VAULT, AUTHORITY].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).wrap_err("no certificate")?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(eyre::Report::msg)?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Proxy::start(listener.local_addr()?, 0).await?;
        let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_der(cert.der())?])
            .resolve(VAULT, proxy.address)
            .resolve(AUTHORITY, proxy.address)
            .timeout(PATIENCE / 4)
            .build()?;
        Ok(Self { stand_in, proxy, client })
    }

    async fn open_with(&self, client_secret: &str) -> Result<Box<dyn Key>, KeyError> {
        let port = self.proxy.address.port();
        let client_secret = SecretString::from(client_secret.to_owned());
        let settings = AzureKvSettings {
            client: self.client.clone(),
            key: format!("https://{VAULT}:{port}/keys/{NAME}/{VERSION}"),
            credential: Credential::ClientSecret {
                tenant_id: TENANT.to_owned(),
                client_id: APPLICATION.to_owned(),
                client_secret: SecretSource::new(move || Ok(client_secret.clone())),
            },
            authority: Some(format!("https://{AUTHORITY}:{port}")),
        };
        Ok(Box::new(AzureKvKey::open(settings).await?))
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    client_id: String,
    client_secret: String,
    grant_type: String,
    scope: String,
}

async fn token(State(stand_in): State<StandIn>, Path(tenant): Path<String>, Form(asked): Form<TokenRequest>) -> Answer {
    stand_in.presence().await;
    let TokenRequest { client_id, client_secret, grant_type, scope } = asked;
    let is_known = tenant == TENANT && client_id == APPLICATION && client_secret == stand_in.secret();
    if !is_known || grant_type != "client_credentials" || scope != "https://vault.test/.default" {
        let body = json!({
            "error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret provided.",
            "error_codes": [7000215],
        });
        return Err((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer".to_owned())], Json(body)));
    }
    Ok(Json(json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": stand_in.token() })))
}

async fn key(State(stand_in): State<StandIn>, Path(named): Path<(String, String)>, headers: HeaderMap) -> Answer {
    admit(&stand_in, &headers, named).await?;
    let point = stand_in.key().credential().verifying_key().as_affine().to_encoded_point(false);
    let coordinate = |bytes: Option<&_>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode::<&[u8]>(AsRef::as_ref(bytes)));
    let (x, y) = (coordinate(point.x()), coordinate(point.y()));
    let kid = format!("https://{VAULT}/keys/{NAME}/{VERSION}");
    let key = json!({ "kid": kid, "kty": "EC-HSM", "crv": "P-256K", "key_ops": ["sign"], "x": x, "y": y });
    Ok(Json(json!({ "key": key, "attributes": { "enabled": true } })))
}

async fn sign(
    State(stand_in): State<StandIn>,
    Path(named): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Answer {
    admit(&stand_in, &headers, named).await?;
    if stand_in.is_throttled() {
        return Err(refusal(429, (RETRY_AFTER, "1"), "Throttled"));
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let digest = URL_SAFE_NO_PAD.decode(asked["value"].as_str().unwrap_or_default()).unwrap_or_default();
    let signature = stand_in.sign(&digest).filter(|_| asked["alg"] == "ES256K");
    let signature = signature.ok_or_else(|| refusal(400, (RETRY_AFTER, "0"), "BadParameter"))?;
    let kid = format!("https://{VAULT}/keys/{NAME}/{VERSION}");
    Ok(Json(json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(signature.to_bytes()) })))
}

/// Whether a question may be asked, and the key is there. Without a token it says which would do.
async fn admit(stand_in: &StandIn, headers: &HeaderMap, named: (String, String)) -> Result<(), Refusal> {
    stand_in.presence().await;
    let bearer = format!("Bearer {}", stand_in.token());
    if headers.get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != bearer.as_bytes()) {
        let challenge =
            format!("Bearer authorization=\"https://{AUTHORITY}/{TENANT}\", resource=\"https://vault.test\"");
        return Err(refusal(401, (WWW_AUTHENTICATE, &challenge), "Unauthorized"));
    }
    let is_it = named == (NAME.to_owned(), VERSION.to_owned());
    match stand_in.fate() {
        Fate::AsItWas | Fate::Exchanged if is_it => Ok(()),
        Fate::Forbidden if is_it => Err(refusal(403, (RETRY_AFTER, "0"), "Forbidden")),
        _ => Err(refusal(404, (RETRY_AFTER, "0"), "KeyNotFound")),
    }
}

fn refusal(code: u16, (header, value): (HeaderName, &str), error: &str) -> Refusal {
    let body = json!({ "error": { "code": error, "message": format!("{error}, says the stand-in") } });
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header, value.to_owned())], Json(body))
}

/// Accepts TLS connections; those that break are not worth a word.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((connection, from)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(connection).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Keeper for AzureKv {
    fn real(&self) -> String {
        "Microsoft's library, against a stand-in of the suite's own; the service is not on this machine".to_owned()
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
        Some(self.open_with("revoked-client-secret").await)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.stand_in.secret().to_owned(), self.stand_in.token(), "revoked-client-secret".to_owned()]
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
