//! The actions as EIP-712 structs.

use alloy::{
    primitives::{B256, U256, aliases::U104},
    sol,
    sol_types::private::primitives::aliases::{U24, U96},
    sol_types::{SolStruct, SolValue},
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

/// A struct that is signed, for who has to know its fields and not only its hash: a device that shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedStruct {
    /// The name of its type.
    pub name: &'static str,
    /// Its type, and those of the structs in it (EIP-712, `encodeType`).
    pub encode_type: String,
    /// Its values, as the ABI encodes them.
    pub encoded: Vec<u8>,
    /// Its hash (EIP-712, `hashStruct`).
    pub hash: B256,
}

/// What is made of a struct, whichever it is.
trait Make {
    type Made;
    fn of<S: SolStruct + SolValue>(signed: S) -> Self::Made;
}

/// Only its hash.
struct Hash;

impl Make for Hash {
    type Made = B256;

    fn of<S: SolStruct + SolValue>(signed: S) -> B256 {
        signed.eip712_hash_struct()
    }
}

/// All of it.
struct Typed;

impl Make for Typed {
    type Made = TypedStruct;

    fn of<S: SolStruct + SolValue>(signed: S) -> TypedStruct {
        TypedStruct {
            name: S::NAME,
            encode_type: S::eip712_encode_type().into_owned(),
            encoded: signed.abi_encode(),
            hash: signed.eip712_hash_struct(),
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
        self.make::<Hash>()
    }

    /// The same with its fields.
    pub fn typed(&self) -> TypedStruct {
        self.make::<Typed>()
    }

    fn make<M: Make>(&self) -> M::Made {
        M::of(structs::Halt { ring: self.ring, epoch: self.epoch })
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
        self.make::<Hash>(nonce, deadline)
    }

    /// The same with its fields.
    pub fn typed(&self, nonce: U256, deadline: U256) -> TypedStruct {
        self.make::<Typed>(nonce, deadline)
    }

    fn make<M: Make>(&self, nonce: U256, deadline: U256) -> M::Made {
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
                M::of(structs::FormRing {
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
                })
            }
            Self::Resume { ring, epoch } => M::of(structs::Resume { ring, epoch, nonce, deadline }),
            Self::Revoke { ring, key } => M::of(structs::Revoke { ring, key, nonce, deadline }),
            Self::Replace { ring, epoch, seat, key, and_resume } => {
                M::of(structs::Replace { ring, epoch, seat, key, andResume: and_resume, nonce, deadline })
            }
            Self::SetPermissions { ring, permissions } => {
                let permissions = permissions.into_iter().map(Into::into).collect();
                M::of(structs::SetPermissions { ring, permissions, nonce, deadline })
            }
            Self::SetLimits { ring, limits } => {
                let limits = limits.into_iter().map(Into::into).collect();
                M::of(structs::SetLimits { ring, limits, nonce, deadline })
            }
            Self::PermitPayment { ring, epoch, request_id, asset, to, amount } => M::of(structs::PermitPayment {
                ring,
                epoch,
                requestId: request_id,
                asset,
                to,
                amount: U96::wrapping_from(amount),
                nonce,
                deadline,
            }),
            Self::SetGuardian { guardian } => M::of(structs::SetGuardian { guardian, nonce, deadline }),
            Self::TransferMaster { new_master } => {
                M::of(structs::TransferMaster { newMaster: new_master, nonce, deadline })
            }
            Self::AcceptMaster {} => M::of(structs::AcceptMaster { nonce, deadline }),
            Self::MasterExecute { target, value, data, gas } => {
                M::of(structs::MasterExecute { target, value, data, gas: U256::from(gas), nonce, deadline })
            }
        }
    }
}
