//! Where a seat's key lives, if not in a keystore that its relayer opens: an HSM or the enclave, each the real program.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use eyre::{Result, WrapErr, bail, eyre};
use k256::{
    SecretKey,
    pkcs8::{EncodePrivateKey as _, LineEnding},
};
use serde::Serialize;
use tokio::{net::UnixStream, process::Command};

use crate::{deadline, keys::KeyFiles, process::Process, seat::RingSettings};

/// How long the enclave may take to start.
const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);
/// The most that a transaction of a seat may cost, in wei: one coin of the development chain.
const MAX_FEE: u64 = 1_000_000_000_000_000_000;
const PIN: &str = "1234";
const LABEL: &str = "operator";

/// A way to hold a seat's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// A keystore that the relayer opens.
    Keystore,
    /// SoftHSM, by PKCS#11.
    Hsm,
    /// `ring-signer`.
    Enclave,
    /// `ring-signer`, a process for each signature.
    OneShot,
}

impl FromStr for Custody {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "keystore" => Ok(Self::Keystore),
            "hsm" => Ok(Self::Hsm),
            "enclave" => Ok(Self::Enclave),
            "one-shot" => Ok(Self::OneShot),
            _ => Err(format!("{name:?} is no way to hold a key: there are keystore, hsm, enclave and one-shot")),
        }
    }
}

/// How the relayer gets to the key, as its configuration says it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPlace {
    Pkcs11 {
        module: PathBuf,
        token: String,
        key: String,
        pin_file: PathBuf,
    },
    Enclave {
        socket: PathBuf,
    },
    #[serde(untagged)]
    Keystore {
        keystore: PathBuf,
        password_file: PathBuf,
    },
}

impl KeyPlace {
    pub(crate) fn keystore(key: &KeyFiles) -> Self {
        Self::Keystore { keystore: key.keystore.clone(), password_file: key.password_file.clone() }
    }
}

/// Puts a key into a token of its own, as the HSM's own tool does it. Returns where the token's configuration is, too.
pub(crate) async fn put_into_hsm(host: &Path, key: &KeyFiles, module: &Path) -> Result<(KeyPlace, PathBuf)> {
    let (tokens, configuration) = (host.join("tokens"), host.join("softhsm2.conf"));
    private_folder(&tokens)?;
    write(&configuration, &format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))?;
    let secret = SecretKey::from_slice(&key.open()?.to_bytes().0).wrap_err("no key")?;
    let (exported, pin_file) = (host.join("to-import.pem"), host.join("pin"));
    write(&exported, &secret.to_pkcs8_pem(LineEnding::LF).map_err(|error| eyre!("the key is not exported: {error}"))?)?;
    write(&pin_file, PIN)?;
    let token = format!("seat-{}", key.address);
    let token: String = token.chars().take(32).collect();
    let softhsm = async |arguments: &[&str]| {
        let mut command = Command::new("softhsm2-util");
        // A PIN of a demonstration may be seen.
        command.args(arguments).args(["--pin", PIN]).env("SOFTHSM2_CONF", &configuration).kill_on_drop(true);
        let output = command.output().await.wrap_err("softhsm2-util cannot be run: install SoftHSM 2")?;
        match output.status.success() {
            true => Ok(()),
            false => Err(eyre!("softhsm2-util {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))),
        }
    };
    softhsm(&["--init-token", "--free", "--label", &token, "--so-pin", PIN]).await?;
    let file = exported.to_string_lossy().into_owned();
    let imported = softhsm(&["--import", &file, "--token", &token, "--label", LABEL, "--id", "01"]).await;
    fs::remove_file(&exported).wrap_err("the exported key is still there")?;
    imported?;
    Ok((KeyPlace::Pkcs11 { module: module.to_owned(), token, key: LABEL.to_owned(), pin_file }, configuration))
}

#[derive(Serialize)]
struct SignerFile<'a> {
    guard: &'a str,
    chain_id: u64,
    contract: String,
    ring: u32,
    listen: SignerListen<'a>,
    key: SignerKey<'a>,
    policy: SignerPolicy,
}

#[derive(Serialize)]
struct SignerListen<'a> {
    socket: &'a str,
    client_uid: u32,
}

#[derive(Serialize)]
struct SignerKey<'a> {
    address: String,
    keystore: &'a Path,
    password_file: &'a Path,
}

#[derive(Serialize)]
struct SignerPolicy {
    main_asset: String,
    requesters: Vec<String>,
    max_fee: String,
    spend: Vec<SignerSpend>,
}

#[derive(Serialize)]
struct SignerSpend {
    asset: String,
    max_amount: String,
}

/// Starts the enclave with a key. It may sign payments of the ring's main asset that the ring's requesters ask for.
pub(crate) async fn start_enclave(
    program: &Path,
    host: &Path,
    log: &Path,
    key: &KeyFiles,
    settings: &RingSettings,
    one_shot: bool,
) -> Result<(KeyPlace, Process)> {
    let folder = host.join("enclave");
    private_folder(&folder)?;
    let asset = settings.charter.asset.to_string();
    let file = SignerFile {
        guard: "guard",
        chain_id: settings.domain.chain_id,
        contract: settings.domain.contract.to_string(),
        ring: settings.ring,
        listen: SignerListen { socket: "sock", client_uid: rustix::process::getuid().as_raw() },
        key: SignerKey { address: key.address.to_string(), keystore: &key.keystore, password_file: &key.password_file },
        policy: SignerPolicy {
            main_asset: asset.clone(),
            requesters: settings.requesters.iter().map(ToString::to_string).collect(),
            max_fee: MAX_FEE.to_string(),
            spend: vec![SignerSpend { asset, max_amount: settings.charter.cap.to_string() }],
        },
    };
    let configuration = folder.join("signer.toml");
    write(&configuration, &toml::to_string(&file).wrap_err("the enclave's configuration cannot be put down")?)?;
    let mut command = Command::new(program);
    let made = command.arg("--new-guard").arg(&configuration).output().await.wrap_err("ring-signer cannot be run")?;
    if !made.status.success() {
        bail!("ring-signer --new-guard: {}", String::from_utf8_lossy(&made.stderr));
    }
    let mut command = Command::new(program);
    if one_shot {
        command.arg("--one-shot");
    }
    command.arg(&configuration);
    let mut process = Process::spawn("ring-signer", command, log)?;
    let socket = folder.join("sock");
    deadline::until("the enclave listens", START, LOOK, async || {
        process.check_running()?;
        Ok(UnixStream::connect(&socket).await.is_ok())
    })
    .await?;
    Ok((KeyPlace::Enclave { socket }, process))
}

fn private_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.wrap_err_with(|| format!("{} cannot be made", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = fs::write(path, text).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    written.wrap_err_with(|| format!("{} cannot be written", path.display()))
}
