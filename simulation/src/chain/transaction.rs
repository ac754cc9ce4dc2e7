//! What is sent to the contract, and by whom.

use ring_contracts::{Address, B256, Bytes, TurnId, keccak256};

/// A transaction. Its sender's signature is not looked at: whoever sends it is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who sends it.
    pub from: Address,
    /// The call data for the contract.
    pub input: Bytes,
    /// What it is, for the story, and to leave out what can have no effect.
    pub purpose: Purpose,
    /// Its hash.
    pub hash: B256,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To execute a turn.
    Turn(TurnId),
    /// To halt the ring in an epoch.
    Halt(u32),
    /// To change the ring as it is in an epoch.
    Master(u32),
}

impl Transaction {
    /// A call of the contract.
    pub fn new(from: Address, input: Bytes, purpose: Purpose) -> Self {
        let hash = keccak256([from.as_slice(), &input].concat());
        Self { from, input, purpose, hash }
    }
}
