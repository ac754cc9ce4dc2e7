//! What the master, the guardian and the operators may do to the contract itself, as they sign it.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{
        SolCall,
        private::primitives::aliases::{U24, U96, U104},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    abi::{IRingMultisig, RingMultisig},
    charter::Charter,
    decimal,
    domain::Domain,
};

mod eip712 {
    #![allow(missing_docs)]
    super::sol! {
        struct Halt { uint32 ring; uint32 epoch; }
        struct FormRing {
            uint32 ring; uint8 window; uint8 quorum; address asset; uint96 cap; uint24 period; address[] seats;
            uint256 nonce; uint256 deadline;
        }
        struct Resume { uint32 ring; uint256 nonce; uint256 deadline; }
        struct Revoke { uint32 ring; address key; uint256 nonce; uint256 deadline; }
        struct Replace { uint32 ring; uint8 seat; address key; uint256 nonce; uint256 deadline; }
        struct SetLimit { uint32 ring; address asset; uint104 cap; uint24 period; uint256 nonce; uint256 deadline; }
        struct SetGuardian { address guardian; uint256 nonce; uint256 deadline; }
        struct TransferMaster { address newMaster; uint256 nonce; uint256 deadline; }
        struct AcceptMaster { uint256 nonce; uint256 deadline; }
        struct MasterExecute { address target; uint256 value; bytes data; uint256 nonce; uint256 deadline; }
    }
}

/// An action that takes its signer's nonce and a deadline: the master's, but for `Revoke`, which the guardian may sign
/// too, and `AcceptMaster`, which the successor signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Forms a ring, or forms it anew.
    FormRing {
        /// Which ring.
        ring: u32,
        /// What it is to be.
        charter: Charter,
    },
    /// Lets a halted ring go on.
    Resume {
        /// Which ring.
        ring: u32,
    },
    /// Empties the seat of a key.
    Revoke {
        /// Of which ring.
        ring: u32,
        /// Which key.
        key: Address,
    },
    /// Gives a seat a new key.
    Replace {
        /// Of which ring.
        ring: u32,
        /// Which seat, from 0.
        seat: u8,
        /// Its new key.
        key: Address,
    },
    /// Caps the spending of an asset that is not the main one.
    SetLimit {
        /// Of which ring.
        ring: u32,
        /// Which asset; zero is the native coin.
        asset: Address,
        /// The most of it in one period, in its smallest unit; below 2^104.
        #[serde(with = "decimal")]
        cap: u128,
        /// The length of the period in seconds.
        period: u32,
    },
    /// Names the guardian, or with zero none.
    SetGuardian {
        /// Who.
        guardian: Address,
    },
    /// Names the master's successor.
    TransferMaster {
        /// Who.
        new_master: Address,
    },
    /// The successor accepts.
    AcceptMaster,
    /// Makes any call.
    MasterExecute {
        /// Whom.
        target: Address,
        /// How much of the native coin goes with it, in wei.
        value: U256,
        /// The call data.
        data: Bytes,
    },
}

/// A halt of a ring: the one thing that needs no nonce. Valid for the whole epoch, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    /// Which ring.
    pub ring: u32,
    /// In which epoch.
    pub epoch: u32,
}

impl Halt {
    /// What the halting key signs (EIP-712).
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&eip712::Halt { ring: self.ring, epoch: self.epoch })
    }

    /// The call data of `halt`. With an empty signature, the signer has to send it.
    pub fn calldata(&self, charter: &Charter, signer: Address, signature: Bytes) -> Bytes {
        RingMultisig::haltCall { ringId: self.ring, charter: charter.into(), signer, signature }.abi_encode().into()
    }
}

impl Action {
    /// The ring that the action changes, if it is about one.
    pub fn ring(&self) -> Option<u32> {
        match self {
            Self::FormRing { ring, .. }
            | Self::Resume { ring }
            | Self::Revoke { ring, .. }
            | Self::Replace { ring, .. }
            | Self::SetLimit { ring, .. } => Some(*ring),
            Self::SetGuardian { .. }
            | Self::TransferMaster { .. }
            | Self::AcceptMaster
            | Self::MasterExecute { .. } => None,
        }
    }

    /// Whether the call needs the ring's current charter beside the action.
    pub fn needs_charter(&self) -> bool {
        matches!(self, Self::Revoke { .. } | Self::Replace { .. })
    }

    /// What is signed (EIP-712).
    pub fn digest(&self, domain: &Domain, nonce: U256, deadline: U256) -> B256 {
        match self.clone() {
            Self::FormRing { ring, charter } => {
                let IRingMultisig::Charter { window, quorum, asset, cap, period, seats } = (&charter).into();
                domain.digest(&eip712::FormRing {
                    ring,
                    window,
                    quorum,
                    asset,
                    cap: U96::from(cap),
                    period,
                    seats,
                    nonce,
                    deadline,
                })
            }
            Self::Resume { ring } => domain.digest(&eip712::Resume { ring, nonce, deadline }),
            Self::Revoke { ring, key } => domain.digest(&eip712::Revoke { ring, key, nonce, deadline }),
            Self::Replace { ring, seat, key } => domain.digest(&eip712::Replace { ring, seat, key, nonce, deadline }),
            Self::SetLimit { ring, asset, cap, period } => {
                let (cap, period) = (U104::wrapping_from(cap), U24::wrapping_from(period));
                domain.digest(&eip712::SetLimit { ring, asset, cap, period, nonce, deadline })
            }
            Self::SetGuardian { guardian } => domain.digest(&eip712::SetGuardian { guardian, nonce, deadline }),
            Self::TransferMaster { new_master } => {
                domain.digest(&eip712::TransferMaster { newMaster: new_master, nonce, deadline })
            }
            Self::AcceptMaster => domain.digest(&eip712::AcceptMaster { nonce, deadline }),
            Self::MasterExecute { target, value, data } => {
                domain.digest(&eip712::MasterExecute { target, value, data, nonce, deadline })
            }
        }
    }

    /// The call data of the action. `charter` is the ring's current one; only `Revoke` and `Replace` read it.
    pub fn calldata(&self, charter: &Charter, authorization: IRingMultisig::Authorization) -> Bytes {
        let charter_now: IRingMultisig::Charter = charter.into();
        match self.clone() {
            Self::FormRing { ring, charter } => {
                RingMultisig::formRingCall { ringId: ring, charter: (&charter).into(), authorization }.abi_encode()
            }
            Self::Resume { ring } => RingMultisig::resumeCall { ringId: ring, authorization }.abi_encode(),
            Self::Revoke { ring, key } => {
                RingMultisig::revokeCall { ringId: ring, key, charter: charter_now, authorization }.abi_encode()
            }
            Self::Replace { ring, seat, key } => {
                RingMultisig::replaceCall { ringId: ring, seat, key, charter: charter_now, authorization }.abi_encode()
            }
            Self::SetLimit { ring, asset, cap, period } => {
                let (cap, period) = (U104::wrapping_from(cap), U24::wrapping_from(period));
                RingMultisig::setLimitCall { ringId: ring, asset, cap, period, authorization }.abi_encode()
            }
            Self::SetGuardian { guardian } => {
                RingMultisig::setGuardianCall { newGuardian: guardian, authorization }.abi_encode()
            }
            Self::TransferMaster { new_master } => {
                RingMultisig::transferMasterCall { newMaster: new_master, authorization }.abi_encode()
            }
            Self::AcceptMaster => RingMultisig::acceptMasterCall { authorization }.abi_encode(),
            Self::MasterExecute { target, value, data } => {
                RingMultisig::masterExecuteCall { target, value, callData: data, authorization }.abi_encode()
            }
        }
        .into()
    }
}
