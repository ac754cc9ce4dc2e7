//! The actions as EIP-712 structs.

use alloy::{
    primitives::{B256, U256, aliases::U104},
    sol,
    sol_types::SolStruct as _,
    sol_types::private::primitives::aliases::{U24, U96},
};

use super::{Action, Halt};
use crate::{abi::IRingMultisig, domain::Domain, permission};

mod structs {
    #![allow(missing_docs)]
    super::sol! {
        struct Halt { uint32 ring; uint32 epoch; }
        struct FormRing {
            uint32 ring; uint32 epoch; uint8 window; uint8 quorum; address asset; uint96 cap; uint24 period;
            uint24 turnsPerPeriod; uint24 interval; uint40 expiresAt; uint40 lastNonce; address[] seats;
            uint256 nonce; uint256 deadline;
        }
        struct Resume { uint32 ring; uint32 epoch; uint256 nonce; uint256 deadline; }
        struct Revoke { uint32 ring; address key; uint256 nonce; uint256 deadline; }
        struct Replace {
            uint32 ring; uint32 epoch; uint8 seat; address key; bool andResume; uint256 nonce; uint256 deadline;
        }
        struct Permission {
            address target; bytes4 selector; bool allowed; uint8 amountWord; address asset; uint16 addressWords;
        }
        struct SetPermissions { uint32 ring; Permission[] permissions; uint256 nonce; uint256 deadline; }
        struct Limit { address asset; uint104 cap; uint24 period; }
        struct SetLimits { uint32 ring; Limit[] limits; uint256 nonce; uint256 deadline; }
        struct PermitPayment {
            uint32 ring; uint32 epoch; bytes16 requestId; address asset; address to; uint96 amount;
            uint256 nonce; uint256 deadline;
        }
        struct SetGuardian { address guardian; uint256 nonce; uint256 deadline; }
        struct TransferMaster { address newMaster; uint256 nonce; uint256 deadline; }
        struct AcceptMaster { uint256 nonce; uint256 deadline; }
        struct MasterExecute {
            address target; uint256 value; bytes data; uint256 gas; uint256 nonce; uint256 deadline;
        }
    }
}

impl Halt {
    /// What the halting key signs (EIP-712).
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest_of(self.struct_hash())
    }

    /// The same without the domain (EIP-712, `hashStruct`).
    pub fn struct_hash(&self) -> B256 {
        structs::Halt { ring: self.ring, epoch: self.epoch }.eip712_hash_struct()
    }
}

impl From<permission::Permission> for structs::Permission {
    fn from(permission: permission::Permission) -> Self {
        let permission::Permission { target, selector, allowed, amount_word, asset, address_words } = permission;
        Self { target, selector, allowed, amountWord: amount_word, asset, addressWords: address_words }
    }
}

impl From<permission::LimitSetting> for structs::Limit {
    fn from(limit: permission::LimitSetting) -> Self {
        Self { asset: limit.asset, cap: U104::wrapping_from(limit.cap), period: U24::wrapping_from(limit.period) }
    }
}

impl Action {
    /// What is signed (EIP-712).
    pub fn digest(&self, domain: &Domain, nonce: U256, deadline: U256) -> B256 {
        domain.digest_of(self.struct_hash(nonce, deadline))
    }

    /// The same without the domain (EIP-712, `hashStruct`).
    pub fn struct_hash(&self, nonce: U256, deadline: U256) -> B256 {
        match self.clone() {
            Self::FormRing { ring, epoch, charter } => {
                let IRingMultisig::Charter {
                    window,
                    quorum,
                    asset,
                    cap,
                    period,
                    turnsPerPeriod,
                    interval,
                    expiresAt,
                    lastNonce,
                    seats,
                } = (&charter).into();
                structs::FormRing {
                    ring,
                    epoch,
                    window,
                    quorum,
                    asset,
                    cap,
                    period,
                    turnsPerPeriod,
                    interval,
                    expiresAt,
                    lastNonce,
                    seats,
                    nonce,
                    deadline,
                }
                .eip712_hash_struct()
            }
            Self::Resume { ring, epoch } => structs::Resume { ring, epoch, nonce, deadline }.eip712_hash_struct(),
            Self::Revoke { ring, key } => structs::Revoke { ring, key, nonce, deadline }.eip712_hash_struct(),
            Self::Replace { ring, epoch, seat, key, and_resume } => {
                structs::Replace { ring, epoch, seat, key, andResume: and_resume, nonce, deadline }.eip712_hash_struct()
            }
            Self::SetPermissions { ring, permissions } => {
                let permissions = permissions.into_iter().map(Into::into).collect();
                structs::SetPermissions { ring, permissions, nonce, deadline }.eip712_hash_struct()
            }
            Self::SetLimits { ring, limits } => {
                let limits = limits.into_iter().map(Into::into).collect();
                structs::SetLimits { ring, limits, nonce, deadline }.eip712_hash_struct()
            }
            Self::PermitPayment { ring, epoch, request_id, asset, to, amount } => structs::PermitPayment {
                ring,
                epoch,
                requestId: request_id,
                asset,
                to,
                amount: U96::wrapping_from(amount),
                nonce,
                deadline,
            }
            .eip712_hash_struct(),
            Self::SetGuardian { guardian } => structs::SetGuardian { guardian, nonce, deadline }.eip712_hash_struct(),
            Self::TransferMaster { new_master } => {
                structs::TransferMaster { newMaster: new_master, nonce, deadline }.eip712_hash_struct()
            }
            Self::AcceptMaster {} => structs::AcceptMaster { nonce, deadline }.eip712_hash_struct(),
            Self::MasterExecute { target, value, data, gas } => {
                structs::MasterExecute { target, value, data, gas: U256::from(gas), nonce, deadline }
                    .eip712_hash_struct()
            }
        }
    }
}
