//! A key in this process's memory, unlocked over a socket as people do it: whole, or by shares.

use std::{path::PathBuf, time::Duration};

use alloy::{hex, primitives::Address, signers::local::PrivateKeySigner};
use eyre::Result;
use ring_key::{
    Key, KeyError,
    memory::MemoryKey,
    share::{self, KeyShare},
    unlock::{self, UnlockError},
};
use secrecy::SecretString;
use tempfile::TempDir;

use super::{Keeper, Missing};

const LEASE: Duration = Duration::from_secs(3_600);

/// A process that can be unlocked.
pub(crate) struct Memory {
    _folder: TempDir,
    socket: PathBuf,
    key: PrivateKeySigner,
    /// Without which it would end.
    place: MemoryKey,
    shares: Vec<KeyShare>,
}

impl Memory {
    /// Serves a socket; with a threshold, for shares.
    pub(crate) async fn start(threshold: Option<u8>) -> Result<Self, Missing> {
        Ok(Self::make(threshold).await?)
    }

    async fn make(threshold: Option<u8>) -> Result<Self> {
        let (folder, key) = (TempDir::new()?, ring_keystore::generate());
        let socket = folder.path().join("unlock.sock");
        let place = MemoryKey::of(key.address(), &socket);
        unlock::serve(&place, threshold, LEASE).await?;
        let shares = match threshold {
            Some(threshold) => share::split(&key, threshold, threshold + 2)?,
            None => Vec::new(),
        };
        Ok(Self { _folder: folder, socket, key, place, shares })
    }

    fn digits(key: &PrivateKeySigner) -> String {
        hex::encode(key.to_bytes())
    }

    /// Gives the key, or its shares from the last one on; of those that were there, others make it.
    async fn unlock(&self, key: &PrivateKeySigner, shares: &[KeyShare]) -> Result<(), UnlockError> {
        if self.shares.is_empty() {
            return unlock::unlock(&self.socket, &SecretString::from(Self::digits(key)), None).await.map(drop);
        }
        for share in shares.iter().rev() {
            if unlock::give_share(&self.socket, share, None).await?.seconds_left.is_some() {
                break;
            }
        }
        Ok(())
    }
}

fn refused(error: UnlockError) -> KeyError {
    KeyError::Refused { keeper: "the process".to_owned(), why: error.to_string() }
}

impl Keeper for Memory {
    fn real(&self) -> String {
        match self.shares.first() {
            Some(share) => format!("a socket, {} of {} shares", share.threshold(), self.shares.len()),
            None => "a socket, the key whole".to_owned(),
        }
    }

    fn address(&self) -> Address {
        self.key.address()
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        unlock::lock(&self.socket).await.map_err(refused)?;
        self.unlock(&self.key, &self.shares).await.map_err(refused)?;
        Ok(Box::new(self.place.clone()))
    }

    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        let other = ring_keystore::generate();
        let shares = match self.shares.first() {
            Some(share) => share::split(&other, share.threshold(), share.threshold()).ok()?,
            None => Vec::new(),
        };
        let opened = self.unlock(&other, &shares).await;
        Some(opened.map(|()| Box::new(self.place.clone()) as Box<dyn Key>).map_err(refused))
    }

    fn secrets(&self) -> Vec<String> {
        vec![Self::digits(&self.key)]
    }

    /// Locked, which is what the end of a lease does.
    async fn leave(&mut self) -> Result<bool> {
        unlock::lock(&self.socket).await?;
        Ok(true)
    }

    async fn come_back(&mut self) -> Result<()> {
        Ok(self.unlock(&self.key, &self.shares).await?)
    }
}
