//! Keys as alloy's signers: new ones, those of mnemonics, and writing them down.

use std::path::Path;

use aes::{
    Aes128,
    cipher::{KeyIvInit, StreamCipher},
};
use alloy::{
    hex,
    primitives::keccak256,
    signers::local::{MnemonicBuilder, PrivateKeySigner},
};
use rand::{RngCore, rngs::OsRng};
use scrypt::Params;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{KeystoreError, files, key_from_hexadecimal, open_key};

/// The block size of scrypt, r; its parallelism, p, is 1.
const BLOCK_SIZE: u32 = 8;
/// How much a guess at the password costs whoever finds the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// N = 2^18: half a second and 256 MiB a guess, what geth takes by default.
    Standard,
    /// N = 2^13: 8 MiB a guess, what cast takes. For machines that have no more, and for trials.
    Light,
}

impl Cost {
    fn log_n(self) -> u8 {
        match self {
            Self::Standard => 18,
            Self::Light => 13,
        }
    }
}

/// A new random key.
pub fn generate() -> PrivateKeySigner {
    PrivateKeySigner::random_with(&mut OsRng)
}

/// Reads a private key in hexadecimal.
///
/// # Errors
/// `NotAPrivateKey`.
pub fn from_hexadecimal(text: &SecretString) -> Result<PrivateKeySigner, KeystoreError> {
    key_from_hexadecimal(text).map(PrivateKeySigner::from_signing_key)
}

/// Opens a keystore.
///
/// # Errors
/// `File`, `NotAKeystore`, `WrongPassword`.
pub fn open(path: &Path, password: &SecretString) -> Result<PrivateKeySigner, KeystoreError> {
    open_key(path, password).map(PrivateKeySigner::from_signing_key)
}

/// The key of a mnemonic at m/44'/60'/0'/0/index.
///
/// # Errors
/// `NotAMnemonic`.
pub fn from_mnemonic(phrase: &SecretString, index: u32) -> Result<PrivateKeySigner, KeystoreError> {
    let words = Zeroizing::new(phrase.expose_secret().split_whitespace().collect::<Vec<_>>().join(" "));
    MnemonicBuilder::english()
        .phrase(words.as_str())
        .index(index)
        .and_then(|builder| builder.build())
        .map_err(|_| KeystoreError::NotAMnemonic)
}

/// Writes a key into a new file, encrypted, mode 0600.
///
/// # Errors
/// `File`.
pub fn seal(path: &Path, key: &PrivateKeySigner, password: &SecretString, cost: Cost) -> Result<(), KeystoreError> {
    let mut salt = [0; 32];
    let mut iv = [0; 16];
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(&mut iv);

    let mut derived = Zeroizing::new([0u8; 32]);
    Params::new(cost.log_n(), BLOCK_SIZE, 1)
        .ok()
        .and_then(|params| scrypt::scrypt(password.expose_secret().as_bytes(), &salt, &params, derived.as_mut()).ok())
        .unwrap_or_else(|| unreachable!("the parameters are constants that scrypt takes"));

    let mut sealed = Zeroizing::new(key.to_bytes().0);
    let cipher_key: &[u8; 16] = derived.first_chunk().unwrap_or_else(|| unreachable!("32 bytes hold 16"));
    ctr::Ctr128BE::<Aes128>::new(cipher_key.into(), &iv.into()).apply_keystream(sealed.as_mut());
    let mac_input = Zeroizing::new([&derived[16..], sealed.as_ref()].concat());

    let keystore = json!({
        // As geth writes it: without 0x, in lower case. It tells whose the file is without the password.
        "address": hex::encode(key.address()),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex::encode(iv) },
            "ciphertext": hex::encode(sealed.as_ref()),
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": derived.len(),
                "n": 1u32 << cost.log_n(),
                "p": 1,
                "r": BLOCK_SIZE,
                "salt": hex::encode(salt),
            },
            "mac": hex::encode(keccak256(&mac_input)),
        },
        "id": uuid::Uuid::new_v4(),
        "version": 3,
    });
    Ok(files::write_new(path, format!("{keystore}\n").as_bytes())?)
}
