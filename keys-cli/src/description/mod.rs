//! What a contract is to be, in a TOML file for version control: written from the chain, and compared with it.

mod compare;
mod file;
mod write;

pub use compare::{Verification, verify};
pub use file::{DescriptionError, DescriptionFile, read};
pub use write::describe;

use alloy::primitives::Address;
use ring_contracts::{Charter, Domain, LimitSetting, Permission};

use crate::deploy::Plan;

/// A contract as a file describes it, or as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The contract and its chain.
    pub domain: Domain,
    /// The master now.
    pub master: Address,
    /// The guardian now, or zero.
    pub guardian: Address,
    /// The successor that has yet to accept, or zero.
    pub pending_master: Address,
    /// What the address was made of, if that is known.
    pub deployment: Option<Plan>,
    /// The rings.
    pub rings: Vec<RingDescription>,
}

/// A ring as a file describes it, or as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingDescription {
    /// Its number.
    pub id: u32,
    /// Its charter.
    pub charter: Charter,
    /// The permissions in force.
    pub permissions: Vec<Permission>,
    /// The limits on other assets than the main one.
    pub limits: Vec<LimitSetting>,
}
