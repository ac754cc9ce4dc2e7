//! A key in HashiCorp Vault or OpenBao: a field of a KV secret (version 2), as 64 hexadecimal digits, or what transit made of
//! them, which is useless without transit.
//!
//! The key is asked for at each signature and wiped after it: whoever seals the vault, deletes the secret or takes the policy
//! away stops the seat with its next turn. What the HTTP library had in its buffers is not wiped.
//!
//! ```text
//!  sign ──▶ a token (log in, if there is none) ──▶ read the secret ──▶ [transit decrypts it] ──▶ sign, wipe
//!                 ▲                                      │ 403: the token is over, log in once more
//!                 └──────────────────────────────────────┘
//! ```

mod token;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, Signature};
use backon::{ExponentialBuilder, Retryable as _};
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{Client, Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use zeroize::Zeroizing;

use crate::{Key, KeyError, LocalKey, PATIENCE, SecretSource};
use token::Tokens;

/// No answer that is wanted is longer.
const MOST_BYTES: usize = 64 * 1024;

/// How a seat proves to the vault who it is.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a token, which is renewed as long as the vault lets it.
    Token(SecretSource),
    /// By a role and its secret.
    AppRole {
        /// Where the method is mounted; by default `approle`.
        mount: String,
        /// The role's id, which is no secret.
        role_id: String,
        /// The role's secret.
        secret_id: SecretSource,
    },
}

/// What unwraps the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transit {
    /// Where the engine is mounted; by default `transit`.
    pub mount: String,
    /// The name of its key.
    pub key: String,
}

/// Where the key is.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// What speaks HTTP, with the authorities that it believes.
    pub client: Client,
    /// Where the vault is.
    pub url: Url,
    /// The namespace, where there are several.
    pub namespace: Option<String>,
    /// How to log in.
    pub login: Login,
    /// Where the KV engine is mounted; by default `secret`.
    pub mount: String,
    /// The secret's path in it.
    pub path: String,
    /// Which field of the secret.
    pub field: String,
    /// Whether the field holds the key, or what this made of it.
    pub transit: Option<Transit>,
}

/// A key in a vault.
pub struct VaultKey {
    vault: Arc<Vault>,
    tokens: Tokens,
    address: Address,
}

impl VaultKey {
    /// Logs in, and reads the secret once to learn its address.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`, `NotAKey`.
    pub async fn open(settings: VaultSettings) -> Result<Self, KeyError> {
        let keeper = format!("the vault at {}", settings.url.host_str().unwrap_or_default());
        let vault = Arc::new(Vault { settings, keeper });
        let tokens = Tokens::new(vault.clone());
        let (asked, with) = (&vault, &tokens);
        let address = vault.in_time(|| async move { Ok(asked.key(with).await?.address()) }).await?;
        Ok(Self { vault, tokens, address })
    }
}

impl Key for VaultKey {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        let Self { vault, tokens, address } = self;
        let sign = move || async move {
            let key = vault.key(tokens).await?;
            if key.address() != *address {
                return Err(KeyError::OtherKey { keeper: vault.keeper.clone(), address: *address });
            }
            key.sign_now(&vault.keeper, digest)
        };
        vault.in_time(sign).boxed()
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKey({} in {})", self.address, self.vault.keeper)
    }
}

/// A vault that can be asked.
struct Vault {
    settings: VaultSettings,
    keeper: String,
}

/// An answer that is an error.
enum Refusal {
    /// The token is over, or does not allow it.
    Forbidden,
    Other(KeyError),
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Other(error)
    }
}

impl Vault {
    /// Tries again what may pass, as long as there is time.
    async fn in_time<T, Work>(&self, work: impl Fn() -> Work) -> Result<T, KeyError>
    where
        Work: Future<Output = Result<T, KeyError>>,
    {
        let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_max_times(4);
        let passes = |error: &KeyError| matches!(error, KeyError::Unavailable { .. });
        let late = |_| self.unavailable(format!("no answer within {} s", PATIENCE.as_secs()));
        let tried = work.retry(pauses).when(passes);
        tokio::time::timeout(PATIENCE, tried).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    async fn key(&self, tokens: &Tokens) -> Result<LocalKey, KeyError> {
        let token = tokens.get().await?;
        let text = match self.secret(&token).await {
            // Tokens end before their time, too: revoked, or of a vault that was restored. If a new one is of no use either, it
            // is the policy, and a login for each try would only fill the vault with tokens.
            Err(Refusal::Forbidden) if !tokens.were_useless_lately() => {
                let token = tokens.replace(&token).await?;
                let read = self.secret(&token).await;
                if matches!(read, Err(Refusal::Forbidden)) {
                    tokens.note_useless();
                }
                read
            }
            read => read,
        };
        let text =
            text.map_err(|refusal| self.told(refusal, "reading the secret is not allowed: look at its policy"))?;
        let key = ring_keystore::from_hexadecimal(&text).map_err(|error| self.not_a_key(error.to_string()))?;
        Ok(LocalKey::new(key))
    }

    /// The key as text.
    async fn secret(&self, token: &SecretString) -> Result<SecretString, Refusal> {
        #[derive(Deserialize)]
        struct Secret<'a> {
            #[serde(borrow)]
            data: BTreeMap<String, &'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Plain {
            plaintext: SecretString,
        }
        let VaultSettings { mount, path, field, transit, .. } = &self.settings;
        let body = self.ask(Method::GET, &[mount, "data", path], Some(token), None).await?;
        let secret: Answer<Secret<'_>> = self.parse(&body)?;
        let text = secret.data.data.get(field).and_then(|text| serde_json::from_str::<SecretString>(text.get()).ok());
        let text = text.ok_or_else(|| self.not_a_key(format!("{mount}/{path} has no field {field:?} with a text")))?;
        let Some(Transit { mount, key }) = transit else { return Ok(text) };
        let question = Zeroizing::new(json!({ "ciphertext": text.expose_secret() }).to_string());
        let body = self.ask(Method::POST, &[mount, "decrypt", key], Some(token), Some(&question)).await?;
        let plain: Answer<Plain> = self.parse(&body)?;
        self.unwrapped(&plain.data.plaintext).map_err(Refusal::from)
    }

    fn unwrapped(&self, text: &SecretString) -> Result<SecretString, KeyError> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let not_a_key = |why: &str| self.not_a_key(format!("what transit unwrapped is {why}"));
        let bytes = STANDARD.decode(text.expose_secret()).map(Zeroizing::new).map_err(|_| not_a_key("no base64"))?;
        std::str::from_utf8(&bytes).map(SecretString::from).map_err(|_| not_a_key("no text"))
    }

    /// Asks at a path below `/v1`, each of whose parts may have slashes.
    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        token: Option<&SecretString>,
        body: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let mut url = self.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path.iter().flat_map(|part| part.split('/')));
        }
        let mut request = self.settings.client.request(method, url);
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token.expose_secret());
        }
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        let broken = |error: reqwest::Error| self.unavailable(described(&error));
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status();
        let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(self.unavailable("its answer is too long: is it a vault?".to_owned()).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::OK => Ok(bytes),
            StatusCode::FORBIDDEN => Err(Refusal::Forbidden),
            StatusCode::NOT_FOUND => Err(self.not_a_key(format!("nothing is at {}", path.join("/"))).into()),
            StatusCode::SERVICE_UNAVAILABLE => {
                Err(self.unavailable(format!("it is sealed or standby ({})", said(&bytes))).into())
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PRECONDITION_FAILED => {
                Err(self.unavailable(format!("it answered {status}")).into())
            }
            status if status.is_server_error() => {
                Err(self.unavailable(format!("it answered {status} ({})", said(&bytes))).into())
            }
            status => Err(self.refused(format!("it answered {status} ({})", said(&bytes))).into()),
        }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, body: &'a [u8]) -> Result<T, KeyError> {
        // The error of serde_json could quote what it read.
        serde_json::from_slice(body).map_err(|_| self.unavailable("its answer is not what a vault says".to_owned()))
    }

    fn told(&self, refusal: Refusal, forbidden: &str) -> KeyError {
        match refusal {
            Refusal::Forbidden => self.refused(forbidden.to_owned()),
            Refusal::Other(error) => error,
        }
    }

    fn unavailable(&self, why: String) -> KeyError {
        KeyError::Unavailable { keeper: self.keeper.clone(), why }
    }

    fn refused(&self, why: String) -> KeyError {
        KeyError::Refused { keeper: self.keeper.clone(), why }
    }

    fn not_a_key(&self, why: String) -> KeyError {
        KeyError::NotAKey { keeper: self.keeper.clone(), why }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

/// What a vault says of an error: never a secret.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|said| said.errors.join("; ")).unwrap_or_default();
    errors.chars().filter(|character| !character.is_control()).take(200).collect()
}

/// Without the address, and down to the cause.
fn described(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "it took too long".to_owned(),
        (_, true) => "no connection".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
