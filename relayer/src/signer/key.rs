//! What a seat's key signs, wherever the key lives: a reserved turn, a halt, a refill, and the transaction that carries a turn or
//! a halt to the chain.

use std::fmt;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    primitives::Signature,
};
use futures::future::{BoxFuture, FutureExt};
use ring_contracts::{Address, B256, Bytes, CompactSignature, Domain, Halt, Refill, SignedRequest};
use ring_key::Key;

use super::{Permit, Signer, SignerError, check_wanted};
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
        _requests: Vec<SignedRequest>,
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
