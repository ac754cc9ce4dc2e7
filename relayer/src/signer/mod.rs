//! The key of a seat. A signer answers four questions and no others: "sign this reserved turn", "sign this halt", "sign this
//! refill of your own account", and (as the chain's [`TransactionSigner`]) "sign this transaction", which carries a reserved turn
//! or a halt to the chain.

mod custody;
mod enclave;
mod key;
mod open;

use std::{io, path::PathBuf};

use alloy::consensus::TxEip1559;
use futures::future::BoxFuture;
use ring_contracts::{Bytes, CompactSignature, Domain, Execution, Halt, Refill, SignedRequest, halts};
use ring_key::KeyError;
use ring_keystore::KeystoreError;

use crate::{
    chain::{TransactionSigner, Wanted},
    config::PasswordSource,
    store::DurableReservation,
};

pub use custody::{Custody, KeyReport, KeyReports, NextKey, NextKeyReport, Place};
pub use enclave::EnclaveSigner;
pub use key::KeySigner;
pub use open::open;
pub(crate) use open::read_text;

/// What the signer of a transaction needs to see.
#[derive(Clone, Debug)]
pub enum Permit {
    /// To execute a turn: it is reserved on disk, for sending it is signing it.
    Turn(DurableReservation),
    /// To halt the ring, by this seat's word or by proof of another's two signatures: nothing.
    Halt,
}

/// One key, wherever it lives.
pub trait Signer: TransactionSigner<Permit> {
    /// Signs a turn that is reserved on disk. Its requests are for a key that wants to see for itself who asked.
    fn sign_turn<'a>(
        &'a self,
        reservation: &'a DurableReservation,
        requests: Vec<SignedRequest>,
    ) -> BoxFuture<'a, Result<CompactSignature, SignerError>>;

    /// Signs a halt of one epoch: 65 bytes r ‖ s ‖ v. Sent without a signature, as its sender's word, a halt names no epoch, and
    /// one that is left over would halt the ring again after the master has resumed it.
    fn sign_halt<'a>(&'a self, halt: &'a Halt) -> BoxFuture<'a, Result<Bytes, SignerError>>;

    /// Signs the refill of the key's own account at this time of the chain, in Unix seconds.
    fn sign_refill(&self, refill: Refill, ring: u32, time: u64) -> BoxFuture<'_, Result<SignedRequest, SignerError>>;
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

/// Why a signer does not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The keystore cannot be read.
    #[error("signer.keystore: {0}")]
    Keystore(KeystoreError),
    /// The password is wrong.
    #[error("{password} does not open the keystore {path}", path = path.display())]
    Password {
        /// Where the keystore is.
        path: PathBuf,
        /// Where the password came from.
        password: PasswordSource,
    },
    /// Nobody can be asked.
    #[error(
        "signer.password_prompt: there is no terminal to ask at ({0}): start it at one, or name a file or a credential by \
         signer.password_file"
    )]
    NoTerminal(io::Error),
    /// A password, a PIN or a token cannot be read.
    #[error("the secret in {path} cannot be read: {why}")]
    SecretFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key cannot be unlocked here.
    #[error("signer.memory.socket: {path} cannot be served: {why}; name a path in a folder of this user's own", path = path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        why: io::Error,
    },
    /// The turn reserved is of another contract or chain.
    #[error("the reservation is not of this contract and chain")]
    OtherDomain,
    /// The transaction is not what is wanted.
    #[error("this key does not sign a transaction that {0}")]
    NotWanted(&'static str),
    /// The enclave is of something else than this seat.
    #[error(
        "signer.enclave: it signs for ring {ring} of {contract} on chain {chain_id}, and this seat is of another: one of the two \
         is configured for something else"
    )]
    OtherEnclave {
        /// Its chain.
        chain_id: u64,
        /// Its contract.
        contract: ring_contracts::Address,
        /// Its ring.
        ring: u32,
    },
    /// The key cannot be reached, or does not sign.
    #[error("signer: {0}")]
    Key(KeyError),
}

// Not by `#[from]`: the text has the cause in it, which a report of all causes would repeat.
impl From<KeyError> for SignerError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
