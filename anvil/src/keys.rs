//! Keys in files, and the `ring-keys` command that makes and uses them.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use alloy::{
    primitives::{Address, hex},
    signers::local::PrivateKeySigner,
};
use eyre::{Result, WrapErr, bail};
use rand::{RngCore, rngs::OsRng};
use serde::Deserialize;
use tokio::process::Command;

/// An encrypted keystore and the file with its password: whoever copies the two has the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The keystore.
    pub keystore: PathBuf,
    /// Its password.
    pub password_file: PathBuf,
    /// The address of the key.
    pub address: Address,
}

impl KeyFiles {
    /// Decrypts the key.
    ///
    /// # Errors
    /// The files cannot be read or do not belong together.
    pub fn open(&self) -> Result<PrivateKeySigner> {
        let read =
            |path: &Path| fs::read_to_string(path).wrap_err_with(|| format!("{} cannot be read", path.display()));
        let password = read(&self.password_file)?;
        let key = PrivateKeySigner::decrypt_keystore(&self.keystore, password.trim_end_matches('\n'))
            .wrap_err_with(|| format!("{} cannot be opened", self.keystore.display()))?;
        match key.address() == self.address {
            true => Ok(key),
            false => bail!("{} holds {}, expected was {}", self.keystore.display(), key.address(), self.address),
        }
    }

    /// Copies both files into a folder, as a thief would.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn copy_to(&self, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).wrap_err_with(|| format!("{} cannot be made", folder.display()))?;
        let copy = |from: &Path| {
            let to = folder.join(from.file_name().unwrap_or_default());
            fs::copy(from, &to).wrap_err_with(|| format!("{} cannot be copied", from.display()))?;
            eyre::Ok(to)
        };
        Ok(Self { keystore: copy(&self.keystore)?, password_file: copy(&self.password_file)?, address: self.address })
    }
}

/// The `ring-keys` command.
#[derive(Clone, Debug)]
pub struct RingKeys {
    program: PathBuf,
    rpc: String,
}

/// A contract that `ring-keys deploy` deployed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// Its address.
    pub contract: Address,
    /// On which chain.
    pub chain_id: u64,
    /// In which block.
    pub block: u64,
}

impl RingKeys {
    /// The command, for a chain.
    pub fn new(program: &Path, rpc: impl Into<String>) -> Self {
        Self { program: program.to_owned(), rpc: rpc.into() }
    }

    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// `ring-keys new`: a new key in `NAME.json` and its random password in `NAME.password`, both for their owner only.
    ///
    /// # Errors
    /// The files exist or cannot be written.
    pub async fn new_key(&self, folder: &Path, name: &str) -> Result<KeyFiles> {
        #[derive(Deserialize)]
        struct Made {
            address: Address,
        }
        fs::create_dir_all(folder).wrap_err_with(|| format!("{} cannot be made", folder.display()))?;
        let (keystore, password_file) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.password")));
        write_password(&password_file)?;
        // Cheap to open: a demonstration's keystores are opened many times, and guard nothing.
        let arguments = [
            "new".into(),
            "--out".into(),
            keystore.clone().into(),
            "--password-file".into(),
            password_file.clone().into(),
            "--light".into(),
            "--json".into(),
        ];
        let Made { address } = self.json(arguments).await?;
        Ok(KeyFiles { keystore, password_file, address })
    }

    /// `ring-keys deploy`: a contract with this master and no guardian.
    ///
    /// # Errors
    /// It is not deployed.
    pub async fn deploy(&self, master: Address, payer: &KeyFiles) -> Result<Deployed> {
        let mut arguments = words(["deploy", "--json", "--rpc", &self.rpc, "--master", &master.to_string()]);
        arguments.extend(key_arguments(payer));
        self.json(arguments).await
    }

    /// `ring-keys prepare`, the online machine's first step: writes down what is to be signed.
    ///
    /// # Errors
    /// The action cannot be done.
    pub async fn prepare(&self, contract: Address, action: &[String], out: &Path) -> Result<()> {
        let mut arguments = words(["prepare"]);
        arguments.extend(action.iter().map(OsString::from));
        arguments.extend(words(["--rpc", &self.rpc, "--contract", &contract.to_string(), "--out"]));
        arguments.push(out.into());
        self.run(arguments).await.map(|_| ())
    }

    /// `ring-keys sign`, the offline machine's step: it is told of no chain. Returns the words that it showed.
    ///
    /// # Errors
    /// It is not signed.
    pub async fn sign(&self, prepared: &Path, out: &Path, key: &KeyFiles) -> Result<String> {
        let mut arguments: Vec<OsString> = words(["sign", "--yes", "--in"]);
        arguments.extend([prepared.into(), "--out".into(), out.into()]);
        arguments.extend(key_arguments(key));
        Ok(self.run(arguments).await?.stderr)
    }

    /// `ring-keys submit`, the online machine's second step: sends what was signed.
    ///
    /// # Errors
    /// It is refused.
    pub async fn submit(&self, contract: Address, signed: &Path, payer: &KeyFiles) -> Result<()> {
        let mut arguments = words(["submit", "--rpc", &self.rpc, "--contract", &contract.to_string(), "--in"]);
        arguments.push(signed.into());
        arguments.extend(key_arguments(payer));
        self.run(arguments).await.map(|_| ())
    }

    async fn json<T: for<'de> Deserialize<'de>>(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<T> {
        let answer = self.run(arguments).await?;
        serde_json::from_str(&answer.stdout).wrap_err_with(|| format!("ring-keys answered {:?}", answer.stdout))
    }

    /// Runs the command with these arguments.
    ///
    /// # Errors
    /// It fails; the error has what it said.
    pub async fn run(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Answer> {
        let mut command = Command::new(&self.program);
        // What the command is told it is told here, not by the environment.
        command.args(arguments).env_remove("RING_RPC").env_remove("RING_CONTRACT");
        command.stdin(Stdio::null()).kill_on_drop(true).process_group(0);
        let output = command.output().await.wrap_err_with(|| format!("{} cannot be run", self.program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let answer = Answer { stdout: text(&output.stdout), stderr: text(&output.stderr) };
        if !output.status.success() {
            let words: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
            bail!("`ring-keys {}` failed ({}): {}", words.join(" "), output.status, answer.stderr);
        }
        Ok(answer)
    }
}

/// What the command said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its result.
    pub stdout: String,
    /// What it told the person besides.
    pub stderr: String,
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn key_arguments(key: &KeyFiles) -> [OsString; 4] {
    ["--keystore".into(), key.keystore.clone().into(), "--password-file".into(), key.password_file.clone().into()]
}

fn write_password(path: &Path) -> Result<()> {
    let mut bytes = [0; 24];
    OsRng.fill_bytes(&mut bytes);
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| writeln!(file, "{}", hex::encode(bytes)))
        .wrap_err_with(|| format!("{} cannot be written", path.display()))
}
