//! Keys in files: Web3 Secret Storage, version 3, as geth, cast and most wallets read and write it.

pub mod files;
#[cfg(feature = "signers")]
mod signers;

use std::path::{Path, PathBuf};

use alloy::{hex, primitives::B256};
use k256::ecdsa::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use files::FileError;
#[cfg(feature = "signers")]
pub use signers::{Cost, from_hexadecimal, from_mnemonic, generate, open, seal};

/// The most that opening a keystore may cost, as N·r·p: 4 GiB of memory. A file that asks for more is not ours to obey.
const MAX_WORK: u64 = 1 << 25;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds something else.
    #[error("{path} is not a keystore (Web3 Secret Storage, version 3): {reason}", path = path.display())]
    NotAKeystore {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password does not open it.
    #[error("wrong password for {path}, or the file is damaged", path = .0.display())]
    WrongPassword(PathBuf),
    /// What should be a private key is none.
    #[error(
        "this is not a private key: it has to be 64 hexadecimal digits, with or without 0x, and below the curve's order"
    )]
    NotAPrivateKey,
    /// What should be a mnemonic is none.
    #[error("this is not a mnemonic: it has to be 12 to 24 English words (BIP-39) with a right checksum")]
    NotAMnemonic,
}

/// Reads a private key in hexadecimal.
///
/// # Errors
/// `NotAPrivateKey`.
pub fn key_from_hexadecimal(text: &SecretString) -> Result<SigningKey, KeystoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.expose_secret().trim(), bytes.as_mut()).map_err(|_| KeystoreError::NotAPrivateKey)?;
    SigningKey::from_slice(bytes.as_ref()).map_err(|_| KeystoreError::NotAPrivateKey)
}

/// Opens a keystore.
///
/// # Errors
/// `File`, `NotAKeystore`, `WrongPassword`.
pub fn open_key(path: &Path, password: &SecretString) -> Result<SigningKey, KeystoreError> {
    let not_a_keystore = |reason: String| KeystoreError::NotAKeystore { path: path.to_owned(), reason };
    check(&files::read(path)?).map_err(not_a_keystore)?;
    let secret =
        eth_keystore::decrypt_key(path, password.expose_secret()).map(Zeroizing::new).map_err(|error| match error {
            eth_keystore::KeystoreError::MacMismatch => KeystoreError::WrongPassword(path.to_owned()),
            other => not_a_keystore(other.to_string()),
        })?;
    SigningKey::from_slice(&secret).map_err(|_| not_a_keystore("what it holds is not a private key".to_owned()))
}

/// Checks what `eth_keystore` takes for granted and would panic or run out of memory at.
fn check(content: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct File {
        version: u32,
        crypto: Crypto,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "ciphertext and mac are read for their length only")]
    struct Crypto {
        cipher: String,
        cipherparams: Cipher,
        ciphertext: B256,
        kdf: String,
        kdfparams: Kdf,
        mac: B256,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "read for its length only")]
    struct Cipher {
        iv: alloy::primitives::B128,
    }
    #[derive(Deserialize)]
    struct Kdf {
        dklen: u64,
        n: Option<u64>,
        r: Option<u64>,
        p: Option<u64>,
        c: Option<u64>,
        prf: Option<String>,
    }

    let File { version, crypto } = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let Crypto { cipher, kdf, kdfparams, .. } = crypto;
    if version != 3 {
        return Err(format!("its version is {version}"));
    }
    if cipher != "aes-128-ctr" {
        return Err(format!("its cipher is {cipher:?}, not \"aes-128-ctr\""));
    }
    if kdfparams.dklen != 32 {
        return Err(format!("its dklen is {}, not 32", kdfparams.dklen));
    }
    match (kdf.as_str(), kdfparams) {
        ("scrypt", Kdf { n: Some(n), r: Some(r), p: Some(p), .. }) => {
            let work = n.checked_mul(r).and_then(|work| work.checked_mul(p));
            if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 || work.is_none_or(|work| work > MAX_WORK) {
                return Err(format!("scrypt with n {n}, r {r}, p {p} is impossible or costs too much"));
            }
            Ok(())
        }
        ("pbkdf2", Kdf { c: Some(c), prf: Some(prf), .. }) => {
            if prf != "hmac-sha256" || c == 0 || c > MAX_WORK {
                return Err(format!("pbkdf2 with {c} rounds of {prf:?} is impossible or costs too much"));
            }
            Ok(())
        }
        (kdf, _) => Err(format!("its key derivation {kdf:?} is unknown or lacks parameters")),
    }
}
