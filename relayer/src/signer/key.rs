//! What a seat's key signs, wherever the key lives: a reserved turn, a halt, a refill, and the transaction that carries a turn or
//! a halt to the chain.

use std::fmt;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    primitives::Signature,
    sol_types::SolCall,
};
use futures::future::{BoxFuture, FutureExt};
use ring_contracts::{Address, B256, Bytes, CompactSignature, Domain, Execution, Halt, RingMultisig, SignedRequest};
use ring_core::Refill;
use ring_key::Key;

use super::{Permit, Signer, SignerError};
use crate::{
    chain::{TransactionSigner, Wanted},
    store::DurableReservation,
};

/// The signer that has a key. What it signs is for one contract on one chain.
pub struct KeySigner {
    key: Box<dyn Key>,
    domain: Domain,
}

impl KeySigner {
    /// A signer of this contract and chain with this key.
    pub fn new(key: Box<dyn Key>, domain: Domain) -> Self {
        Self { key, domain }
    }

    async fn sign_digest(&self, digest: B256) -> Result<Signature, SignerError> {
        Ok(self.key.sign(digest).await?)
    }

    async fn sign_wanted(&self, transaction: TxEip1559, wanted: &Wanted<Permit>) -> Result<TxEnvelope, SignerError> {
        check_wanted(&self.domain, &transaction, wanted)?;
        let signature = self.sign_digest(transaction.signature_hash()).await?;
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

impl TransactionSigner<Permit> for KeySigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign<'a>(
        &'a self,
        transaction: TxEip1559,
        wanted: &'a Wanted<Permit>,
    ) -> BoxFuture<'a, eyre::Result<TxEnvelope>> {
        async move { Ok(self.sign_wanted(transaction, wanted).await?) }.boxed()
    }
}

impl Signer for KeySigner {
    fn sign_turn<'a>(
        &'a self,
        reservation: &'a DurableReservation,
    ) -> BoxFuture<'a, Result<CompactSignature, SignerError>> {
        async move {
            match reservation.turn().digest(&self.domain) == reservation.digest() {
                true => self.sign_digest(reservation.digest()).await.map(CompactSignature::from),
                false => Err(SignerError::OtherDomain),
            }
        }
        .boxed()
    }

    fn sign_halt<'a>(&'a self, halt: &'a Halt) -> BoxFuture<'a, Result<Bytes, SignerError>> {
        async move { Ok(self.sign_digest(halt.digest(&self.domain)).await?.as_bytes().into()) }.boxed()
    }

    fn sign_refill(&self, refill: Refill, ring: u32, time: u64) -> BoxFuture<'_, Result<SignedRequest, SignerError>> {
        async move {
            let request = refill.request(&self.domain, ring, self.key.address(), time);
            let signature = self.sign_digest(request.digest(&self.domain)).await?;
            Ok(SignedRequest { request, signature: signature.as_bytes().into() })
        }
        .boxed()
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySigner({:?})", self.key)
    }
}
