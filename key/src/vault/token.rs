//! The token with which a vault is asked: got at the login, renewed at half its time, replaced when it is over.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::future::{AbortHandle, abortable};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};
use zeroize::Zeroizing;

use super::{Login, Refusal, Vault};
use crate::KeyError;

/// After a renewal that failed, and at least between two.
const PAUSE: Duration = Duration::from_secs(5);
/// For how long nobody logs in again after a new token was of no use.
const USELESS: Duration = Duration::from_secs(30);

/// A token, and how long it is good.
#[derive(Clone)]
struct Token {
    secret: SecretString,
    /// When, and for how long from then. `None`: for ever.
    lease: Option<(Instant, Duration)>,
    renewable: bool,
}

/// Keeps a token alive until it is dropped.
pub(super) struct Tokens {
    shared: Arc<Shared>,
    renewing: AbortHandle,
}

struct Shared {
    vault: Arc<Vault>,
    current: RwLock<Option<Token>>,
    /// One login at a time.
    login: Mutex<()>,
    /// When a new token was refused.
    useless: RwLock<Option<Instant>>,
    changed: tokio::sync::Notify,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: SecretString,
    lease_duration: u64,
    renewable: bool,
}

#[derive(Deserialize)]
struct Looked {
    data: Own,
}

#[derive(Deserialize)]
struct Own {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

impl Tokens {
    pub(super) fn new(vault: Arc<Vault>) -> Self {
        let (current, login, useless, changed) = Default::default();
        let shared = Shared { vault, current, login, useless, changed };
        let shared = Arc::new(shared);
        let (renewing, handle) = abortable(renew(shared.clone()));
        tokio::spawn(renewing);
        Self { shared, renewing: handle }
    }

    /// A token, after a login if there is none.
    pub(super) async fn get(&self) -> Result<SecretString, KeyError> {
        match self.shared.current() {
            Some(token) => Ok(token.secret),
            None => self.shared.log_in(None).await,
        }
    }

    /// Whether a token that was just got was refused, not long ago.
    pub(super) fn were_useless_lately(&self) -> bool {
        let useless = self.shared.useless.read().unwrap_or_else(PoisonError::into_inner);
        useless.is_some_and(|at| at.elapsed() < USELESS)
    }

    /// A token that was just got was refused.
    pub(super) fn note_useless(&self) {
        *self.shared.useless.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Another one than this, which was refused.
    pub(super) async fn replace(&self, refused: &SecretString) -> Result<SecretString, KeyError> {
        self.shared.log_in(Some(refused)).await
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Shared {
    fn current(&self) -> Option<Token> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, token: Token) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
        self.changed.notify_one();
    }

    /// Forgets this token, unless there is another by now.
    fn forget(&self, token: &Token) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current.secret.expose_secret() == token.secret.expose_secret());
    }

    async fn log_in(&self, instead_of: Option<&SecretString>) -> Result<SecretString, KeyError> {
        let _one = self.login.lock().await;
        // Somebody else may have done it meanwhile.
        let is_other = |token: &Token| instead_of.is_none_or(|old| old.expose_secret() != token.secret.expose_secret());
        if let Some(token) = self.current().filter(is_other) {
            return Ok(token.secret);
        }
        let token = self.new_token().await?;
        self.set(token.clone());
        Ok(token.secret)
    }

    async fn new_token(&self) -> Result<Token, KeyError> {
        let vault = &self.vault;
        match &vault.settings.login {
            Login::Token(source) => {
                let secret = source.read().map_err(|why| vault.refused(why))?;
                let body = vault.ask(Method::GET, &["auth", "token", "lookup-self"], Some(&secret), None).await;
                let forbidden = "the token is not valid, or over: put a new one into its file";
                let body = body.map_err(|refusal| vault.told(refusal, forbidden))?;
                let Looked { data: Own { ttl, renewable } } = vault.parse(&body)?;
                Ok(Token { secret, lease: lease(ttl), renewable })
            }
            Login::AppRole { mount, role_id, secret_id } => {
                let secret_id = secret_id.read().map_err(|why| vault.refused(why))?;
                let question = json!({ "role_id": role_id, "secret_id": secret_id.expose_secret() });
                let question = Zeroizing::new(question.to_string());
                let body = vault.ask(Method::POST, &["auth", mount, "login"], None, Some(&question)).await;
                let forbidden = "the role's id and secret do not let this seat in: look at both";
                let body = body.map_err(|refusal| vault.told(refusal, forbidden))?;
                let LoggedIn { auth } = vault.parse(&body)?;
                Ok(Token { secret: auth.client_token, lease: lease(auth.lease_duration), renewable: auth.renewable })
            }
        }
    }

    async fn renewed(&self, token: &Token) -> Result<Token, Refusal> {
        let path = ["auth", "token", "renew-self"];
        let body = self.vault.ask(Method::POST, &path, Some(&token.secret), Some("{}")).await?;
        let LoggedIn { auth } = self.vault.parse(&body)?;
        Ok(Token { secret: token.secret.clone(), lease: lease(auth.lease_duration), renewable: auth.renewable })
    }
}

/// Renews the token at half its time, as long as there is one.
async fn renew(shared: Arc<Shared>) {
    loop {
        let token = shared.current().filter(|token| token.renewable);
        let Some((token, (since, ttl))) = token.and_then(|token| Some((token.clone(), token.lease?))) else {
            shared.changed.notified().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until((since + ttl / 2).max(Instant::now() + PAUSE.min(ttl / 4))) => {}
            () = shared.changed.notified() => continue,
        }
        match shared.renewed(&token).await {
            Ok(renewed) => {
                let (ttl, before) = (renewed.lease.map(|(_, ttl)| ttl), ttl);
                if ttl.is_some_and(|ttl| ttl < before / 2) {
                    tracing::warn!(
                        vault = shared.vault.keeper,
                        ?ttl,
                        "the token for the vault reaches the end of its life"
                    );
                }
                shared.set(renewed);
            }
            // It was revoked, or may not be renewed. Whoever signs next logs in.
            Err(Refusal::Forbidden) => {
                tracing::warn!(vault = shared.vault.keeper, "the token for the vault is not renewed any more");
                shared.forget(&token);
            }
            Err(refusal) => {
                let error = shared.vault.told(refusal, "the token cannot be renewed any more");
                let left = (since + ttl).saturating_duration_since(Instant::now());
                tracing::warn!(%error, left_seconds = left.as_secs(), "the token for the vault was not renewed");
                if left.is_zero() {
                    // Whoever signs next logs in again.
                    shared.changed.notified().await;
                } else {
                    tokio::time::sleep(PAUSE.min(left)).await;
                }
            }
        }
    }
}

fn lease(seconds: u64) -> Option<(Instant, Duration)> {
    (seconds > 0).then(|| (Instant::now(), Duration::from_secs(seconds)))
}
