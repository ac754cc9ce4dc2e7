//! A history in a seat's store, as if the seat had lived through it: real signed records, in the order in which a ring writes
//! them, written by the store's own code.

use std::{ops::Range, path::Path};

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use eyre::{Result, WrapErr, eyre};
use ring_anvil::Backend;
use ring_contracts::{Charter, Domain, SignedRequest, Turn, TurnId};
use ring_core::{Outcome, Record};
use ring_relayer::store::{Identity, Location, Store};
use tokio::sync::mpsc;

use crate::{
    orders,
    show::Show,
    world::{EPOCH, RING},
};

/// How many requests were paid by each turn.
pub(crate) const CALLS: usize = 100;
/// How many turns are written in one transaction.
const AT_ONCE: u64 = 20;
/// How many such parts are signed ahead.
const AHEAD: usize = 4;

/// Whose history it is, and who took part in it.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// The contract and its chain.
    pub(crate) domain: Domain,
    /// The ring's charter.
    pub(crate) charter: Charter,
    /// The keys of all seats, in order.
    pub(crate) keys: Vec<PrivateKeySigner>,
    /// Whose history it is.
    pub(crate) seat: usize,
    /// Who asked for the payments.
    pub(crate) backend: Backend,
    /// The block of all turns: it is final.
    pub(crate) block: u64,
}

/// Writes the first turns of a ring, of [`CALLS`] requests each, into a store that has none; orders from `first` on.
///
/// # Errors
/// A key does not sign, or the store fails.
pub(crate) async fn write(path: &Path, past: &Past, turns: u64, first: u64, show: &Show) -> Result<()> {
    let (sender, mut parts) = mpsc::channel(AHEAD);
    let signing = {
        let past = past.clone();
        tokio::task::spawn_blocking(move || {
            for start in (0..turns).step_by(AT_ONCE as usize) {
                let part = past.records(start..turns.min(start + AT_ONCE), first);
                let failed = part.is_err();
                if sender.blocking_send(part).is_err() || failed {
                    return;
                }
            }
        })
    };
    let mut store = past.open(path, past.seat).await?;
    while let Some(part) = parts.recv().await {
        store.commit(&part?).wrap_err("the history is not written")?;
        show.step();
    }
    store.close();
    signing.await.wrap_err("signing the history broke off")
}

/// Has another seat remember of the same turns that they are final, and nothing else. A store that says nothing of them would
/// have its seat look for their events on the chain, where there are none.
///
/// # Errors
/// The store fails.
pub(crate) async fn write_ends(path: &Path, past: &Past, seat: usize, turns: u64) -> Result<()> {
    let end = |nonce: u64| {
        let digest = keccak256(nonce.to_be_bytes());
        Record::Final { nonce, digest, block: past.block, settled: Vec::new() }
    };
    let ends: Vec<Record> = (0..turns).map(end).collect();
    let mut store = past.open(path, seat).await?;
    store.commit(&ends).wrap_err("the history is not written")?;
    store.close();
    Ok(())
}

/// How many parts a history of so many turns is written in.
pub(crate) fn parts(turns: u64) -> usize {
    usize::try_from(turns.div_ceil(AT_ONCE)).unwrap_or(usize::MAX)
}

impl Past {
    /// The store of a seat that has been made and remembers nothing.
    async fn open(&self, path: &Path, seat: usize) -> Result<Store> {
        let key = self.keys.get(seat).ok_or_else(|| eyre!("seat {seat} has no key"))?.address();
        let identity = Identity { domain: self.domain, ring: RING, key };
        let (mut store, _) = Store::open(&Location::file(path), identity).wrap_err("a store is not opened")?;
        store.set_own_seat(seat);
        Ok(store)
    }

    /// The records of some turns.
    fn records(&self, nonces: Range<u64>, first: u64) -> Result<Vec<Record>> {
        let calls = CALLS as u64;
        let requests = orders::requests(&self.backend, first + nonces.start * calls..first + nonces.end * calls)?;
        let mut records = Vec::new();
        for (nonce, requests) in nonces.zip(requests.chunks(CALLS)) {
            self.turn(nonce, requests, &mut records)?;
        }
        Ok(records)
    }

    fn turn(&self, nonce: u64, requests: &[SignedRequest], records: &mut Vec<Record>) -> Result<()> {
        records.extend(requests.iter().cloned().map(Record::Request));
        let calls = requests.iter().map(|signed| signed.request.to_call(self.charter.asset)).collect();
        let id = TurnId { ring: RING, epoch: EPOCH, nonce, valid_until: self.backend.expiry };
        let turn = Turn::new(id, calls).wrap_err("a turn of the history cannot be made")?;
        let digest = turn.digest(&self.domain);
        records.push(Record::Content(turn));
        let window: Vec<usize> = self.charter.window_of(nonce).collect();
        if window.contains(&self.seat) {
            records.push(Record::Reserved { nonce, digest, void: false });
        }
        for seat in window {
            let key: &PrivateKeySigner = self.keys.get(seat).ok_or_else(|| eyre!("seat {seat} has no key"))?;
            let signature = key.sign_hash_sync(&digest).wrap_err("a turn of the history is not signed")?;
            records.push(Record::Voted { nonce, digest, seat, signature: signature.into() });
        }
        let transaction = keccak256(digest);
        let outcome = Outcome::Executed { nonce, transaction };
        let settled = requests.iter().map(|signed| (signed.request.id, outcome)).collect();
        records.push(Record::Final { nonce, digest, block: self.block, settled });
        Ok(())
    }
}

/// Makes the ring's next turn another, in the contract's storage.
pub(crate) mod chain {
    use alloy::{
        primitives::U256,
        providers::{Provider, ext::AnvilApi},
        sol_types::SolValue,
    };
    use eyre::bail;

    use super::{Address, B256, Result, WrapErr, keccak256};
    use crate::world::{EPOCH, RING, World};

    /// How many slots of the contract, and of a ring, are looked through.
    const SLOTS: u64 = 24;

    /// Sets the ring's nonce from 0 to this.
    ///
    /// # Errors
    /// The ring has executed turns, or its state is not found in the contract's storage.
    pub(crate) async fn set_nonce(world: &World, nonce: u64) -> Result<()> {
        let provider = world.chain.provider();
        let contract: Address = world.deployment.domain.contract;
        // A new ring's state is its epoch above 40 bits of nonce, and nothing else: `RingStateLib`.
        let fresh = U256::from(EPOCH) << 40;
        for base in 0..SLOTS {
            let ring = U256::from_be_bytes(keccak256((U256::from(RING), U256::from(base)).abi_encode()).0);
            for offset in 0..SLOTS {
                let slot = ring.wrapping_add(U256::from(offset));
                let word = provider.get_storage_at(contract, slot).await.wrap_err("the chain does not answer")?;
                if word == fresh {
                    let next = B256::from(fresh | U256::from(nonce));
                    let set = provider.anvil_set_storage_at(contract, slot, next).await;
                    set.wrap_err("the chain does not change a ring's nonce")?;
                    let now = world.deployment.ring(RING).await?;
                    match now.nonce == nonce && now.epoch == EPOCH {
                        true => return Ok(()),
                        false => bail!("ring {RING} is at turn {} of epoch {} with the slot set", now.nonce, now.epoch),
                    }
                }
            }
        }
        bail!("the state of ring {RING} is in none of the contract's slots that were looked through")
    }
}
