//! AWS KMS as moto has it: keys, public keys, signatures and aliases. It asks for no credentials and signs with keys that are
//! disabled or to be deleted, so those checks are not made with it. The credentials that the provider's chain needs are in the
//! environment, and worth nothing.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{
    primitives::Address,
    signers::k256::{EncodedPoint, PublicKey, elliptic_curve::sec1::FromEncodedPoint as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use eyre::{Result, WrapErr as _, ensure, eyre};
use reqwest::Client;
use ring_key::{
    Key, KeyError,
    aws_kms::{AwsKmsKey, AwsKmsSettings},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Fate, Keeper, Missing};
use crate::proxy::{Losses, Proxy};

const ALIAS: &str = "alias/seat-0";
const REGION: &str = "eu-central-1";
/// How long the server may take to start, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// A server with a key and an alias of it.
pub(crate) struct Moto {
    server: Child,
    client: Client,
    address: SocketAddr,
    proxy: Proxy,
    key_id: String,
    key: Address,
}

impl Moto {
    /// Starts it with this Python.
    pub(crate) async fn start(python: Option<&Path>) -> Result<Self, Missing> {
        let python = python.ok_or_else(|| Missing("moto is not on this machine, and there is no AWS".into()))?;
        Ok(Self::make(python).await?)
    }

    async fn make(python: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let server = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("moto_server.py"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err_with(|| format!("{} does not start", python.display()))?;
        let client = Client::builder().no_proxy().build()?;
        let proxy = Proxy::start(address, 0).await?;
        let mut moto = Self { server, client, address, proxy, key_id: String::new(), key: Address::ZERO };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        moto.key_id = loop {
            match moto.create().await {
                Ok(key_id) => break key_id,
                Err(error) => {
                    ensure!(tokio::time::Instant::now() < deadline, "it does not answer: {error:#}");
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        moto.ask("CreateAlias", json!({ "AliasName": ALIAS, "TargetKeyId": moto.key_id })).await?;
        moto.key = moto.public_key(&moto.key_id).await?;
        Ok(moto)
    }

    async fn ask(&self, action: &str, body: Value) -> Result<Value> {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=suite/20260101/{REGION}/kms/aws4_request, SignedHeaders=host, Signature=0"
        );
        let asked = self.client.post(format!("http://{}/", self.address));
        let asked = asked.header("X-Amz-Target", format!("TrentService.{action}")).header("Authorization", scope);
        let answer = asked.header("Content-Type", "application/x-amz-json-1.1").body(body.to_string()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{action}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn create(&self) -> Result<String> {
        let made = self.ask("CreateKey", json!({ "KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY" })).await?;
        made["KeyMetadata"]["KeyId"].as_str().map(str::to_owned).ok_or_else(|| eyre!("no key was made: {made}"))
    }

    async fn public_key(&self, key_id: &str) -> Result<Address> {
        let answer = self.ask("GetPublicKey", json!({ "KeyId": key_id })).await?;
        let der = STANDARD.decode(answer["PublicKey"].as_str().unwrap_or_default())?;
        // The point is the last of a SubjectPublicKeyInfo.
        let point = der.len().checked_sub(65).and_then(|start| der.get(start..)).unwrap_or_default();
        let point = EncodedPoint::from_bytes(point).map_err(|error| eyre!("the public key: {error}"))?;
        let key =
            PublicKey::from_encoded_point(&point).into_option().ok_or_else(|| eyre!("the public key is no point"))?;
        Ok(Address::from_public_key(&key.into()))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process =
            i32::try_from(self.server.id()).ok().and_then(Pid::from_raw).ok_or_else(|| eyre!("no process"))?;
        Ok(kill_process(process, signal)?)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Keeper for Moto {
    fn real(&self) -> String {
        "moto 5.2.5 for AWS: neither credentials nor disabled keys".to_owned()
    }

    fn address(&self) -> Address {
        self.key
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        let endpoint = Some(format!("http://{}", self.proxy.address));
        let settings =
            AwsKmsSettings { key_id: ALIAS.to_owned(), region: Some(REGION.to_owned()), profile: None, endpoint };
        Ok(Box::new(AwsKmsKey::open(settings).await?))
    }

    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        None
    }

    fn secrets(&self) -> Vec<String> {
        std::env::var("AWS_SECRET_ACCESS_KEY").into_iter().collect()
    }

    fn losses(&self) -> Option<&Losses> {
        Some(&self.proxy.losses)
    }

    /// Hangs, as a network does that swallows everything.
    async fn leave(&mut self) -> Result<bool> {
        self.signal(Signal::STOP)?;
        Ok(true)
    }

    async fn come_back(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    async fn change(&mut self, fate: Fate) -> Result<bool> {
        let target = match fate {
            Fate::AsItWas => self.key_id.clone(),
            Fate::Exchanged => self.create().await?,
            Fate::Forbidden | Fate::Deleted => return Ok(false),
        };
        self.ask("UpdateAlias", json!({ "AliasName": ALIAS, "TargetKeyId": target })).await?;
        Ok(true)
    }
}
