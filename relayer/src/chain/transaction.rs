//! Transactions that were signed, and may be mined whatever anybody says.

use std::{collections::BTreeMap, time::Instant};

use alloy::{
    consensus::{TxEip1559, TxEnvelope, transaction::SignerRecoverable as _},
    eips::eip2718::Encodable2718 as _,
    primitives::{Address, B256, Bytes},
};

use super::{fees::Fees, rpc::Header, wanted::Wanted};

/// How many account nonces are remembered: reorgs are not deeper.
const MOST_SLOTS: usize = 32;

/// A signed transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) hash: B256,
    pub(super) raw: Bytes,
    pub(super) fees: Fees,
}

/// The transactions of one account nonce, each replacing the one before. Any of them may be mined.
#[derive(Debug)]
pub(super) struct Slot<P> {
    /// What the newest is for.
    pub(super) wanted: Wanted<P>,
    /// The newest.
    pub(super) newest: Transaction,
    /// What the older ones, from the oldest on, were for.
    pub(super) older: Vec<(Wanted<P>, B256)>,
    /// The head when the newest was made.
    pub(super) head: Header,
    /// When the newest was made.
    pub(super) since: Instant,
    /// The RPC did not take the newest: perhaps somebody else's transaction has its place in the pool.
    pub(super) refused: bool,
}

/// All slots, by account nonce.
#[derive(Debug)]
pub(super) struct Slots<P>(BTreeMap<u64, Slot<P>>);

impl<P> Slots<P> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn get_mut(&mut self, nonce: u64) -> Option<&mut Slot<P>> {
        self.0.get_mut(&nonce)
    }

    /// The lowest account nonce from `start` on that has a transaction.
    pub(super) fn next_from(&self, start: u64) -> Option<u64> {
        self.0.range(start..).next().map(|(nonce, _)| *nonce)
    }

    /// Whether there is a transaction for this that was not replaced by one for something else.
    pub(super) fn has(&self, wanted: &Wanted<P>) -> bool {
        self.0.values().any(|slot| slot.wanted.is_same(wanted))
    }

    /// All transactions of an account nonce, the newest first: any of them may be mined.
    pub(super) fn all_of(&self, nonce: u64) -> Vec<B256> {
        let slot = self.0.get(&nonce).into_iter();
        slot.flat_map(|slot| std::iter::once(slot.newest.hash).chain(slot.older.iter().rev().map(|(_, hash)| *hash)))
            .collect()
    }

    /// Remembers a transaction, before it is sent.
    pub(super) fn put(&mut self, nonce: u64, wanted: Wanted<P>, newest: Transaction, head: Header) {
        let older = self.0.remove(&nonce).map(|slot| {
            let mut older = slot.older;
            older.push((slot.wanted, slot.newest.hash));
            older
        });
        let older = older.unwrap_or_default();
        self.0.insert(nonce, Slot { wanted, newest, older, head, since: Instant::now(), refused: false });
        while self.0.len() > MOST_SLOTS {
            self.0.pop_first();
        }
    }

    /// The transactions for what is wanted that have a nonce below this one, with their nonces, the newest first.
    pub(super) fn settled(&self, wanted: &Wanted<P>, below: u64) -> Vec<(u64, B256)> {
        let all = self.0.range(..below).rev().flat_map(|(nonce, slot)| {
            std::iter::once((*nonce, &slot.wanted, slot.newest.hash))
                .chain(slot.older.iter().rev().map(|(wanted, hash)| (*nonce, wanted, *hash)))
        });
        all.filter(|(_, other, _)| other.is_same(wanted)).map(|(nonce, _, hash)| (nonce, hash)).collect()
    }
}

/// Checks that a signer signed this transaction, as it is, with this account's key.
pub(super) fn check(envelope: &TxEnvelope, transaction: &TxEip1559, account: Address) -> Result<(), String> {
    let TxEnvelope::Eip1559(signed) = envelope else {
        return Err(format!("it signed a transaction of type {}", envelope.tx_type()));
    };
    if signed.tx() != transaction {
        return Err("it signed another transaction".into());
    }
    match envelope.recover_signer() {
        Ok(signer) if signer == account => Ok(()),
        Ok(signer) => Err(format!("it signed with the key of {signer}, not of {account}")),
        Err(error) => Err(format!("its signature is damaged: {error}")),
    }
}

/// A transaction as it is sent.
pub(super) fn seal(envelope: &TxEnvelope, fees: Fees) -> Transaction {
    Transaction { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into(), fees }
}
