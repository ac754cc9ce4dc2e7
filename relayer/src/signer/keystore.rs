//! A key in an encrypted file (Web3 Secret Storage, version 3), opened once at the start.

use std::{fmt, path::Path};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    primitives::Signature,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolCall,
};
use futures::future::{BoxFuture, FutureExt, ready};
use ring_contracts::{Address, B256, Bytes, CompactSignature, Domain, Execution, Halt, RingMultisig, SignedRequest};
use ring_core::Refill;
use ring_keystore::KeystoreError;
use secrecy::SecretString;

use super::{Permit, Signer, SignerError};
use crate::{
    chain::{TransactionSigner, Wanted},
    config::read_secret,
    store::DurableReservation,
};

/// The signer of an encrypted keystore.
pub struct KeystoreSigner {
    key: PrivateKeySigner,
    domain: Domain,
}

impl KeystoreSigner {
    /// Opens a keystore with the password in a file; a line break at its end does not belong to the password. What it signs
    /// is for one contract on one chain.
    ///
    /// # Errors
    /// `Keystore`, `Password`, `PasswordFile`.
    pub fn open(path: &Path, password_file: &Path, domain: Domain) -> Result<Self, SignerError> {
        let password = read_password(password_file)?;
        match ring_keystore::open(path, &password) {
            Ok(key) => Ok(Self { key, domain }),
            Err(KeystoreError::WrongPassword(_)) => {
                Err(SignerError::Password { path: path.to_owned(), password_file: password_file.to_owned() })
            }
            Err(error) => Err(SignerError::Keystore(error)),
        }
    }

    fn sign_digest(&self, digest: B256) -> Result<Signature, SignerError> {
        self.key.sign_hash_sync(&digest).map_err(|error| SignerError::Key(error.to_string()))
    }

    fn sign_wanted(&self, transaction: TxEip1559, wanted: &Wanted<Permit>) -> Result<TxEnvelope, SignerError> {
        check_wanted(&self.domain, &transaction, wanted)?;
        let signature = self.sign_digest(transaction.signature_hash())?;
        Ok(transaction.into_signed(signature).into())
    }
}

/// Whether a transaction does what is wanted, and nothing beside it. Sending a turn is signing it: it has to be the one
/// that is reserved.
fn check_wanted(domain: &Domain, transaction: &TxEip1559, wanted: &Wanted<Permit>) -> Result<(), SignerError> {
    let refused = |why| Err(SignerError::NotWanted(why));
    if transaction.chain_id != domain.chain_id {
        return refused("is for another chain");
    }
    if transaction.to.to() != Some(&domain.contract) || !transaction.value.is_zero() {
        return refused("calls anything but the ring's contract, or carries value");
    }
    let (Wanted::Turn { permit, .. } | Wanted::Halt { permit, .. }) = wanted;
    match permit {
        Permit::Halt if halts(&transaction.input) => Ok(()),
        Permit::Halt => refused("does anything but halt"),
        Permit::Turn(reservation) => match Execution::decode(&transaction.input) {
            Some(execution) if execution.is_of(reservation.turn()) => Ok(()),
            _ => refused("executes anything but the turn reserved"),
        },
    }
}

/// By a seat's word, or by proof that a key signed two contents.
fn halts(calldata: &[u8]) -> bool {
    RingMultisig::haltCall::abi_decode(calldata).is_ok()
        || RingMultisig::proveEquivocationCall::abi_decode(calldata).is_ok()
}

impl TransactionSigner<Permit> for KeystoreSigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign<'a>(
        &'a self,
        transaction: TxEip1559,
        wanted: &'a Wanted<Permit>,
    ) -> BoxFuture<'a, eyre::Result<TxEnvelope>> {
        ready(self.sign_wanted(transaction, wanted).map_err(Into::into)).boxed()
    }
}

impl Signer for KeystoreSigner {
    fn sign_turn<'a>(
        &'a self,
        reservation: &'a DurableReservation,
    ) -> BoxFuture<'a, Result<CompactSignature, SignerError>> {
        let signed = match reservation.turn().digest(&self.domain) == reservation.digest() {
            true => self.sign_digest(reservation.digest()).map(CompactSignature::from),
            false => Err(SignerError::OtherDomain),
        };
        ready(signed).boxed()
    }

    fn sign_halt<'a>(&'a self, halt: &'a Halt) -> BoxFuture<'a, Result<Bytes, SignerError>> {
        let signed = self.sign_digest(halt.digest(&self.domain));
        ready(signed.map(|signature| signature.as_bytes().into())).boxed()
    }

    fn sign_refill(&self, refill: Refill, ring: u32, time: u64) -> BoxFuture<'_, Result<SignedRequest, SignerError>> {
        let request = refill.request(&self.domain, ring, self.key.address(), time);
        let signed = self.sign_digest(request.digest(&self.domain));
        ready(signed.map(|signature| SignedRequest { request, signature: signature.as_bytes().into() })).boxed()
    }
}

impl fmt::Debug for KeystoreSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeystoreSigner({})", self.key.address())
    }
}

fn read_password(path: &Path) -> Result<SecretString, SignerError> {
    let unreadable = |why: String| SignerError::PasswordFile { path: path.to_owned(), why };
    let bytes = read_secret(path).map_err(|error| unreadable(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}
