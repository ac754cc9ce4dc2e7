//! What the master, the guardian and the operators may do to the contract itself, as they sign it.

mod calldata;
mod eip712;

use alloy::primitives::{Address, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{
    call::MAX_AMOUNT,
    charter::{Charter, CharterError},
    decimal,
    permission::{LimitSetting, Permission, PermissionError},
    request::RequestId,
};

pub use calldata::halts;
pub use eip712::TypedStruct;

/// An action that takes its signer's nonce and a deadline: the master's, but for `Revoke`, which the guardian may sign
/// too, and `AcceptMaster`, which the successor signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Forms a ring, or forms it anew.
    FormRing {
        /// Which ring.
        ring: u32,
        /// The ring's current epoch; 0 for a new ring.
        epoch: u32,
        /// What it is to be.
        charter: Charter,
    },
    /// Lets a halted ring go on.
    Resume {
        /// Which ring.
        ring: u32,
        /// The ring's current epoch.
        epoch: u32,
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
        /// The ring's current epoch.
        epoch: u32,
        /// Which seat, from 0.
        seat: u8,
        /// Its new key.
        key: Address,
        /// Whether a halted ring runs again.
        and_resume: bool,
    },
    /// Permits calls, or takes permissions away, in this order.
    SetPermissions {
        /// To which ring.
        ring: u32,
        /// Which calls.
        permissions: Vec<Permission>,
    },
    /// Caps the spending of assets that are not the main one.
    SetLimits {
        /// Of which ring.
        ring: u32,
        /// The caps.
        limits: Vec<LimitSetting>,
    },
    /// Lets one payment of the main asset pass outside the cap.
    PermitPayment {
        /// Of which ring.
        ring: u32,
        /// The ring's current epoch, with which the permit dies.
        epoch: u32,
        /// The request that it pays.
        request_id: RequestId,
        /// The ring's main asset.
        asset: Address,
        /// To whom.
        to: Address,
        /// Exactly how much, in the asset's smallest unit; below 2^96.
        #[serde(with = "decimal")]
        amount: u128,
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
    // Braces, though it has no fields: serde refuses unknown ones only of a variant that could have some.
    AcceptMaster {},
    /// Makes any call.
    MasterExecute {
        /// Whom.
        target: Address,
        /// How much of the native coin goes with it, in wei.
        value: U256,
        /// The call data.
        data: Bytes,
        /// The least gas that the call gets; 0 for whatever there is.
        gas: u64,
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

/// Why an action cannot be as it is written: numbers too large for their type would be signed cut, as something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The charter.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// A permission of several.
    #[error("permission {index}: {error}")]
    Permission {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        error: PermissionError,
    },
    /// A limit of several.
    #[error("limit {index}: {error}")]
    Limit {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        error: PermissionError,
    },
    /// The amount needs more than 96 bits.
    #[error("the amount {0} is too large: it has to be below 2^96 of the asset's smallest unit")]
    Amount(u128),
    /// Nothing would change.
    #[error("it changes nothing: name at least one")]
    Empty,
}

impl Action {
    /// The ring that the action changes, if it is about one.
    pub fn ring(&self) -> Option<u32> {
        match self {
            Self::FormRing { ring, .. }
            | Self::Resume { ring, .. }
            | Self::Revoke { ring, .. }
            | Self::Replace { ring, .. }
            | Self::SetPermissions { ring, .. }
            | Self::SetLimits { ring, .. }
            | Self::PermitPayment { ring, .. } => Some(*ring),
            Self::SetGuardian { .. }
            | Self::TransferMaster { .. }
            | Self::AcceptMaster {}
            | Self::MasterExecute { .. } => None,
        }
    }

    /// The epoch that the action is for, if it names one: it is dead in any other.
    pub fn epoch(&self) -> Option<u32> {
        match self {
            Self::FormRing { epoch, .. }
            | Self::Resume { epoch, .. }
            | Self::Replace { epoch, .. }
            | Self::PermitPayment { epoch, .. } => Some(*epoch),
            _ => None,
        }
    }

    /// Whether the call needs the ring's current charter beside the action.
    pub fn needs_charter(&self) -> bool {
        matches!(self, Self::Revoke { .. } | Self::Replace { .. })
    }

    /// Checks what can be checked without a chain.
    ///
    /// # Errors
    /// The first thing that is wrong, with its value.
    pub fn check(&self) -> Result<(), ActionError> {
        match self {
            Self::FormRing { charter, .. } => Ok(charter.check()?),
            Self::SetPermissions { permissions, .. } => {
                let wrong = |(index, permission): (usize, &Permission)| {
                    permission.check().err().map(|error| ActionError::Permission { index, error })
                };
                first_error(permissions.is_empty(), permissions.iter().enumerate().find_map(wrong))
            }
            Self::SetLimits { limits, .. } => {
                let wrong = |(index, limit): (usize, &LimitSetting)| {
                    limit.check().err().map(|error| ActionError::Limit { index, error })
                };
                first_error(limits.is_empty(), limits.iter().enumerate().find_map(wrong))
            }
            Self::PermitPayment { amount, .. } if *amount > MAX_AMOUNT => Err(ActionError::Amount(*amount)),
            _ => Ok(()),
        }
    }
}

fn first_error(is_empty: bool, error: Option<ActionError>) -> Result<(), ActionError> {
    match error {
        _ if is_empty => Err(ActionError::Empty),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_refused_in_every_action() {
        let limits = vec![LimitSetting { asset: Address::ZERO, cap: 1, period: 3_600 }];
        let actions = [
            Action::AcceptMaster {},
            Action::Resume { ring: 1, epoch: 2 },
            Action::SetLimits { ring: 1, limits },
            Action::SetPermissions { ring: 1, permissions: vec![Permission::bare(Address::ZERO)] },
        ];
        for action in actions {
            let json = serde_json::to_value(&action).unwrap();
            assert_eq!(serde_json::from_value::<Action>(json.clone()).unwrap(), action);
            let mut more = json.clone();
            more["more"] = 1.into();
            let error = serde_json::from_value::<Action>(more).unwrap_err().to_string();
            assert!(error.contains("unknown field `more`"), "{action:?}: {error}");
            for list in ["limits", "permissions"] {
                if json.get(list).is_some() {
                    let mut more = json.clone();
                    more[list][0]["more"] = 1.into();
                    assert!(serde_json::from_value::<Action>(more).is_err(), "{action:?}");
                }
            }
        }
    }

    #[test]
    fn what_would_be_signed_cut_or_in_vain_is_refused() {
        let limit = |cap| LimitSetting { asset: Address::ZERO, cap, period: 3_600 };
        let limits = |limits| Action::SetLimits { ring: 1, limits };
        let error = ActionError::Limit { index: 1, error: PermissionError::Cap(1 << 104) };
        assert_eq!(limits(vec![limit(1), limit(1 << 104)]).check(), Err(error));
        assert_eq!(limits(Vec::new()).check(), Err(ActionError::Empty));
        let pay = |amount| Action::PermitPayment {
            ring: 1,
            epoch: 1,
            request_id: RequestId::ZERO,
            asset: Address::ZERO,
            to: Address::ZERO,
            amount,
        };
        assert_eq!(pay(1 << 96).check(), Err(ActionError::Amount(1 << 96)));
        assert_eq!(pay(MAX_AMOUNT).check(), Ok(()));
    }
}
