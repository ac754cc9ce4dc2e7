//! OpenBao (or Vault): a server of our own, with a policy for one secret.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{hex, primitives::Address, signers::local::PrivateKeySigner};
use eyre::{Result, WrapErr as _, bail, ensure, eyre};
use rand::{Rng as _, distributions::Alphanumeric};
use reqwest::{Client, Method, StatusCode};
use ring_key::{
    Key, KeyError, SecretSource,
    vault::{Login, Transit, VaultKey, VaultSettings},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Fate, Keeper, Missing};
use crate::proxy::{Losses, Proxy};

const PATH: &str = "rings/1/seat-0";
const FIELD: &str = "key";
const TRANSIT_KEY: &str = "seat-0";
pub(super) const WRONG_SECRET_ID: &str = "1f8ac10b-58cc-4372-a567-0e02b2c3d479";
const ROLE: &str = "seat-0";
const POLICY: &str = "seat-0";
/// How long the server may take to start, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// A server with a secret, a role and a policy.
pub(crate) struct Vault {
    server: Child,
    api: Api,
    proxy: Proxy,
    version: String,
    is_wrapped: bool,
    key: PrivateKeySigner,
    unseal_key: String,
    role_id: String,
    secret_id: String,
}

/// The server, asked as its administrator.
struct Api {
    client: Client,
    address: SocketAddr,
    token: String,
}

impl Api {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let url = format!("http://{}/v1/{path}", self.address);
        let response = self.client.request(method, url).header("X-Vault-Token", &self.token).json(&body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(if status == StatusCode::NO_CONTENT || text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    async fn set(&self, path: &str, body: Value) -> Result<Value> {
        self.ask(Method::POST, path, body).await
    }
}

impl Vault {
    /// Starts it, in memory, and puts a key into it; wrapped by transit or not.
    pub(crate) async fn start(program: Option<&Path>, is_wrapped: bool) -> Result<Self, Missing> {
        let program = program.ok_or_else(|| Missing("neither OpenBao nor Vault is on this machine".into()))?;
        Ok(Self::make(program, is_wrapped).await?)
    }

    async fn make(program: &Path, is_wrapped: bool) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let token: String = rand::thread_rng().sample_iter(Alphanumeric).take(24).map(char::from).collect();
        let server = Command::new(program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={address}"))
            .env("BAO_DEV_ROOT_TOKEN_ID", &token)
            .env("VAULT_DEV_ROOT_TOKEN_ID", &token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("{} does not start", program.display()))?;
        let api = Api { client: Client::builder().no_proxy().build()?, address, token };
        let mut vault = Self {
            server,
            api,
            proxy: Proxy::start(address, 0).await?,
            version: String::new(),
            is_wrapped,
            key: ring_keystore::generate(),
            unseal_key: String::new(),
            role_id: String::new(),
            secret_id: String::new(),
        };
        vault.unseal_key = vault.read_unseal_key().await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let health = loop {
            match vault.api.ask(Method::GET, "sys/health", Value::Null).await {
                Ok(health) => break health,
                Err(error) if tokio::time::Instant::now() > deadline => bail!("it does not answer: {error:#}"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        vault.version = health["version"].as_str().unwrap_or_default().to_owned();
        vault.set_up().await?;
        Ok(vault)
    }

    /// The development server tells it once, on its standard output.
    async fn read_unseal_key(&mut self) -> Result<String> {
        use std::io::{BufRead as _, BufReader};
        let output = self.server.stdout.take().ok_or_else(|| eyre!("it has no output"))?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // Reads on until the end, or the server would wait for somebody to read.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(key) = line.strip_prefix("Unseal Key: ")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(key.trim().to_owned());
                }
            }
        });
        tokio::time::timeout(PATIENCE, told).await.wrap_err("it does not start")?.wrap_err("it ended")
    }

    /// For how long a login is good.
    async fn set_ttl(&self, ttl: &str) -> Result<()> {
        let terms = json!({ "token_policies": [POLICY], "token_no_default_policy": false, "token_ttl": ttl });
        self.api.set(&format!("auth/approle/role/{ROLE}"), terms).await.map(drop)
    }

    /// What the server knows of the logins that are good.
    async fn logins(&self) -> Result<Vec<Value>> {
        let list = Method::from_bytes(b"LIST")?;
        let accessors = self.api.ask(list, "auth/token/accessors", Value::Null).await?;
        let mut logins = Vec::new();
        for accessor in accessors["data"]["keys"].as_array().into_iter().flatten() {
            // One that has ended meanwhile is none.
            if let Ok(login) = self.api.set("auth/token/lookup-accessor", json!({ "accessor": accessor })).await
                && login["data"]["path"] == json!("auth/approle/login")
            {
                logins.push(login["data"].clone());
            }
        }
        Ok(logins)
    }

    async fn set_up(&mut self) -> Result<()> {
        if self.is_wrapped {
            self.api.set("sys/mounts/transit", json!({ "type": "transit" })).await?;
            self.api.set(&format!("transit/keys/{TRANSIT_KEY}"), json!({})).await?;
        }
        self.put_key(&self.key).await?;
        self.set_policy(true).await?;
        self.api.set("sys/auth/approle", json!({ "type": "approle" })).await?;
        let role = format!("auth/approle/role/{ROLE}");
        self.set_ttl("1h").await?;
        let id = self.api.ask(Method::GET, &format!("{role}/role-id"), Value::Null).await?;
        self.role_id = text(&id["data"]["role_id"])?;
        let id = self.api.set(&format!("{role}/secret-id"), json!({})).await?;
        self.secret_id = text(&id["data"]["secret_id"])?;
        Ok(())
    }

    /// As a configuration has it, but for the role's secret.
    pub(super) fn table(&self) -> String {
        let (url, role_id) = (self.proxy.address, &self.role_id);
        format!("url = \"http://{url}\"\nrole_id = \"{role_id}\"\npath = \"{PATH}\"\nfield = \"{FIELD}\"")
    }

    pub(super) fn secret_id(&self) -> &str {
        &self.secret_id
    }

    async fn put_key(&self, key: &PrivateKeySigner) -> Result<()> {
        let secret = hex::encode(key.to_bytes());
        let secret = match self.is_wrapped {
            true => {
                let plaintext = base64(secret.as_bytes());
                let wrapped =
                    self.api.set(&format!("transit/encrypt/{TRANSIT_KEY}"), json!({ "plaintext": plaintext })).await?;
                text(&wrapped["data"]["ciphertext"])?
            }
            false => secret,
        };
        // Other fields are nobody's business.
        self.api.set(&format!("secret/data/{PATH}"), json!({ "data": { FIELD: secret, "made": 2026 } })).await?;
        Ok(())
    }

    /// What a seat may do: read one secret, and unwrap with one key.
    async fn set_policy(&self, is_allowed: bool) -> Result<()> {
        let (path, key) = (format!("secret/data/{PATH}"), format!("transit/decrypt/{TRANSIT_KEY}"));
        let policy = match (is_allowed, self.is_wrapped) {
            (false, _) => String::new(),
            (true, false) => format!("path \"{path}\" {{ capabilities = [\"read\"] }}"),
            (true, true) => {
                format!(
                    "path \"{path}\" {{ capabilities = [\"read\"] }}\npath \"{key}\" {{ capabilities = [\"update\"] }}"
                )
            }
        };
        let policy =
            if policy.is_empty() { "path \"nothing\" { capabilities = [\"deny\"] }".to_owned() } else { policy };
        self.api.set(&format!("sys/policies/acl/{POLICY}"), json!({ "policy": policy })).await?;
        Ok(())
    }

    async fn open_with(&self, secret_id: &str) -> Result<Box<dyn Key>, KeyError> {
        let broken = |why: String| KeyError::Unavailable { keeper: "the suite".into(), why };
        let secret_id = SecretString::from(secret_id.to_owned());
        let settings = VaultSettings {
            client: Client::builder().no_proxy().build().map_err(|error| broken(error.to_string()))?,
            url: format!("http://{}", self.proxy.address).parse().map_err(|_| broken("no address".into()))?,
            namespace: None,
            login: Login::AppRole {
                mount: "approle".to_owned(),
                role_id: self.role_id.clone(),
                secret_id: SecretSource::new(move || Ok(secret_id.clone())),
            },
            mount: "secret".to_owned(),
            path: PATH.to_owned(),
            field: FIELD.to_owned(),
            transit: self.is_wrapped.then(|| Transit { mount: "transit".to_owned(), key: TRANSIT_KEY.to_owned() }),
        };
        Ok(Box::new(VaultKey::open(settings).await?))
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| eyre!("{value} is no text"))
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

impl Drop for Vault {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Keeper for Vault {
    fn real(&self) -> String {
        format!("a server of version {}, AppRole, a policy for one path", self.version)
    }

    fn address(&self) -> Address {
        self.key.address()
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        self.open_with(&self.secret_id).await
    }

    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        Some(self.open_with(WRONG_SECRET_ID).await)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.secret_id.clone(), hex::encode(self.key.to_bytes())]
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.proxy.losses)
    }

    /// Revokes every token that was got by the role.
    async fn end_sessions(&mut self) -> Result<bool> {
        self.api.set("sys/leases/revoke-prefix/auth/approle/login", json!({})).await?;
        Ok(true)
    }

    /// One login of a few seconds, which the server has to have seen renewed while it was good.
    async fn outlive_login(&mut self) -> Result<bool> {
        self.end_sessions().await?;
        self.set_ttl("4s").await?;
        let key = self.open().await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let logins = self.logins().await?;
            ensure!(logins.len() == 1, "there are {} logins: it was not renewed in time", logins.len());
            if !logins[0]["last_renewal"].is_null() {
                break;
            }
            ensure!(tokio::time::Instant::now() < deadline, "it was not renewed");
            tokio::time::sleep(LOOK).await;
        }
        key.sign(self.digest(0)).await?;
        ensure!(self.logins().await?.len() == 1, "it logged in again");
        self.set_ttl("1h").await?;
        Ok(true)
    }

    async fn leave(&mut self) -> Result<bool> {
        self.api.ask(Method::PUT, "sys/seal", json!({})).await?;
        Ok(true)
    }

    async fn come_back(&mut self) -> Result<()> {
        let unsealed = self.api.ask(Method::PUT, "sys/unseal", json!({ "key": self.unseal_key })).await?;
        ensure!(unsealed["sealed"] == json!(false), "it stays sealed");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = self.api.ask(Method::GET, "sys/health", Value::Null).await {
            ensure!(tokio::time::Instant::now() < deadline, "it does not come back: {error:#}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn change(&mut self, fate: Fate) -> Result<bool> {
        match fate {
            Fate::AsItWas => {
                self.set_policy(true).await?;
                self.put_key(&self.key).await?;
            }
            Fate::Exchanged => self.put_key(&ring_keystore::generate()).await?,
            Fate::Forbidden => self.set_policy(false).await?,
            Fate::Deleted => drop(self.api.ask(Method::DELETE, &format!("secret/metadata/{PATH}"), Value::Null).await?),
        }
        Ok(true)
    }
}
