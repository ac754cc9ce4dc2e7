//! What can happen to a seat.

use std::collections::BTreeMap;

use ring_contracts::{
    Address, B256, CompactSignature, Permissions, RequestId, SignedCancellation, SignedRequest, U256,
};
use serde::{Deserialize, Serialize};

use crate::{
    evidence::Evidence,
    halt::{Dispute, Shortfall},
    message::Message,
};

/// Something that happened. Events of one seat come one after the other.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client posted a request here.
    Submitted(SignedRequest),
    /// A client cancelled a request here.
    Cancelled(SignedCancellation),
    /// A peer said something. Its seat is known from its certificate.
    Received {
        /// The peer's seat.
        from: usize,
        /// What it said.
        message: Message,
    },
    /// A peer answered what it was told.
    Delivered {
        /// The peer's seat.
        to: usize,
        /// The requests that it has on its disk now.
        requests: Vec<RequestId>,
        /// The requests of which it knows now that this seat's sources confirm them.
        confirmed: Vec<RequestId>,
    },
    /// This seat's own sources did what [`Action::Inquire`](crate::Action::Inquire) asked for.
    Found {
        /// Which request.
        request: RequestId,
        /// What they say.
        evidence: Evidence,
    },
    /// The signer did what [`Action::Sign`](crate::Action::Sign) asked for.
    Signed {
        /// The nonce of the turn, in the epoch of this seat.
        nonce: u64,
        /// Its digest.
        digest: B256,
        /// This seat's signature.
        signature: CompactSignature,
    },
    /// The chain moved, or was looked at again.
    Chain(ChainView),
    /// The RPCs contradict each other for longer than they may.
    ChainDisputed(Dispute),
    /// Something left the treasury that neither a turn nor the master moved.
    Shortfall(Shortfall),
    /// Some time passed; how much is the driver's business.
    Tick,
    /// A person wants this seat to halt the ring.
    HaltOrdered {
        /// Why, for the record.
        reason: String,
    },
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its timestamp, in Unix seconds.
    pub time: u64,
}

/// What the chain said, all of it as of one head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// The newest block.
    pub head: Block,
    /// The newest block that cannot be reorganised away.
    pub finalized: Block,
    /// The ring's next nonce, at the head.
    pub nonce: u64,
    /// The ring's epoch, at the head.
    pub epoch: u32,
    /// Whether the ring is halted, at the head.
    pub halted: bool,
    /// The commitment to the ring's charter, at the head.
    pub charter: B256,
    /// The ring's next nonce, at the finalized block.
    pub final_nonce: u64,
    /// The ring's epoch, at the finalized block.
    pub final_epoch: u32,
    /// The turns executed, from [`State::first_open_nonce`](crate::State::first_open_nonce) up to the head, in order.
    pub turns: Vec<ObservedTurn>,
    /// What may still be spent: at the head if this seat may sign the next turn, else some blocks before it.
    pub allowances: BTreeMap<Address, Allowance>,
    /// Which calls the ring may make beside paying its main asset, at the head.
    pub permissions: Permissions,
    /// The master, at the head: no ring calls it.
    pub master: Address,
    /// The first second at which the next turn executes, as far as the ring's interval and turns a period go, at the head.
    pub earliest: u64,
}

impl ChainView {
    /// The turn that was executed under this nonce, if it is among those reported.
    pub fn turn(&self, nonce: u64) -> Option<&ObservedTurn> {
        let index = self.turns.binary_search_by_key(&nonce, |turn| turn.nonce).ok()?;
        self.turns.get(index)
    }
}

/// A turn that was executed on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedTurn {
    /// The epoch that it was signed in.
    pub epoch: u32,
    /// Its nonce.
    pub nonce: u64,
    /// The digest that was signed.
    pub digest: B256,
    /// The requests in it.
    pub requests: Vec<RequestId>,
    /// Those whose call failed.
    pub failed: Vec<RequestId>,
    /// The transaction.
    pub transaction: B256,
    /// The number of its block.
    pub block: u64,
}

/// How much a ring may spend of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The cap of one period, in the asset's smallest unit.
    pub cap: U256,
    /// What is left of it in the current one, and of the balance.
    pub left: U256,
}
