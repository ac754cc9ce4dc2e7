//! An endpoint that events are posted to.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, Url, header, redirect};

use super::Secret;
use crate::tls;

/// Where to post.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    secret: Secret,
    client: Client,
}

// Without the URL: its path may be all that keeps others from posting there.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(…)")
    }
}

impl Webhook {
    /// An endpoint at `url`; posts are signed with `secret`.
    ///
    /// # Errors
    /// No HTTP client can be made: this host has no authorities to believe, for instance.
    pub fn new(url: Url, secret: Secret) -> Result<Self, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client_config(None)?)
            .user_agent(concat!("ring-relayer/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(innermost)?;
        Ok(Self { url, secret, client })
    }

    /// What posts are signed with.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Posts an event. Any answer but success is a reason against it.
    pub(super) async fn post(&self, body: &[u8], patience: Duration) -> Result<(), String> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let post = self
            .client
            .post(self.url.clone())
            .timeout(patience)
            .header(header::CONTENT_TYPE, "application/json")
            .header("ring-signature", self.secret.sign(time, body))
            .body(body.to_vec());
        match post.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("it answered {}", response.status())),
            Err(error) => Err(innermost(error.without_url())),
        }
    }
}

/// The innermost cause: the outer ones say only that something failed.
fn innermost(error: reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
