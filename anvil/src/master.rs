//! The master, as a person would work with the cold key: prepare online, sign offline, submit online.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use eyre::{Result, WrapErr};
use ring_contracts::Charter;

use crate::keys::{KeyFiles, RingKeys};

/// The master and its two machines.
#[derive(Clone, Debug)]
pub struct Master {
    keys: RingKeys,
    contract: Address,
    key: KeyFiles,
    /// Who pays the gas.
    payer: KeyFiles,
    /// Where the files between the steps are.
    folder: PathBuf,
}

/// One ceremony, done.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// What the offline machine showed before it signed.
    pub words: String,
    /// The file that was signed.
    pub signed: PathBuf,
}

impl Master {
    /// A master that keeps the files between the steps in `folder`.
    pub fn new(keys: RingKeys, contract: Address, key: KeyFiles, payer: KeyFiles, folder: &Path) -> Self {
        Self { keys, contract, key, payer, folder: folder.to_owned() }
    }

    /// Forms a ring, or forms it anew.
    ///
    /// # Errors
    /// One of the three steps fails.
    pub async fn form_ring(&self, name: &str, ring: u32, charter: &Charter) -> Result<Ceremony> {
        let file = self.folder.join(format!("{name}.charter.json"));
        let json = serde_json::to_vec_pretty(charter).wrap_err("the charter cannot be put down")?;
        fs::write(&file, json).wrap_err_with(|| format!("{} cannot be written", file.display()))?;
        let arguments = [("--ring", ring.to_string()), ("--charter", file.display().to_string())];
        self.act(name, &["ring", "set"], &arguments).await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// One of the three steps fails.
    pub async fn revoke(&self, name: &str, ring: u32, key: Address) -> Result<Ceremony> {
        self.act(name, &["revoke"], &[("--ring", ring.to_string()), ("--key", key.to_string())]).await
    }

    /// Gives a seat a new key.
    ///
    /// # Errors
    /// One of the three steps fails.
    pub async fn replace(&self, name: &str, ring: u32, seat: usize, key: Address) -> Result<Ceremony> {
        let arguments = [("--ring", ring.to_string()), ("--seat", seat.to_string()), ("--key", key.to_string())];
        self.act(name, &["replace"], &arguments).await
    }

    /// Lets a halted ring go on.
    ///
    /// # Errors
    /// One of the three steps fails.
    pub async fn resume(&self, name: &str, ring: u32) -> Result<Ceremony> {
        self.act(name, &["resume"], &[("--ring", ring.to_string())]).await
    }

    /// Any action, by its words on the command line.
    ///
    /// # Errors
    /// One of the three steps fails.
    pub async fn act(&self, name: &str, action: &[&str], options: &[(&str, String)]) -> Result<Ceremony> {
        let prepared = self.folder.join(format!("{name}.prepared.json"));
        let signed = self.folder.join(format!("{name}.signed.json"));
        let mut arguments: Vec<String> = action.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(options.iter().flat_map(|(option, value)| [(*option).to_owned(), value.clone()]));
        self.keys.prepare(self.contract, &arguments, &prepared).await?;
        let words = self.sign_and_submit(&prepared, &signed).await?;
        Ok(Ceremony { words, signed })
    }

    /// The second step and the third, of what somebody else has prepared. Returns what the offline machine showed before it
    /// signed.
    ///
    /// # Errors
    /// One of the two fails.
    pub async fn sign_and_submit(&self, prepared: &Path, signed: &Path) -> Result<String> {
        let words = self.keys.sign(prepared, signed, &self.key).await?;
        self.keys.submit(self.contract, signed, &self.payer).await?;
        Ok(words)
    }
}
