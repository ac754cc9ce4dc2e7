//! One call of a turn and its packed form, `contracts/src/libraries/CallBatch.sol`.

use alloy::primitives::{Address, Bytes, U256};

use crate::{permission::Permissions, request::RequestId};

/// The selector of ERC-20's `transfer(address,uint256)`.
pub const ERC20_TRANSFER_SELECTOR: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

pub(crate) const MAX_AMOUNT: u128 = (1 << 96) - 1;
const MAX_U24: u32 = (1 << 24) - 1;
const HEAD: usize = 52;
const KIND_CALL: u8 = 0;
const KIND_PAY: u8 = 1;

/// One call of a turn: a request, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose request this is; in the event of the turn.
    pub request_id: RequestId,
    /// The gas that the call gets; below 2^24.
    pub gas: u32,
    /// What it does.
    pub effect: Effect,
}

/// What a call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Sends some of the ring's main asset.
    Pay {
        /// To whom.
        to: Address,
        /// How much, in the asset's smallest unit; below 2^96.
        amount: u128,
    },
    /// Calls a contract, or sends the native coin.
    Call {
        /// Whom.
        target: Address,
        /// How much of the native coin goes with it, in wei; below 2^96.
        value: u128,
        /// The call data; shorter than 2^24 bytes.
        data: Bytes,
    },
}

/// A transfer of a token or of the native coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The token; zero is the native coin.
    pub asset: Address,
    /// Who gets it.
    pub recipient: Address,
    /// How much, in the asset's smallest unit.
    pub amount: U256,
}

/// Why calls cannot be packed or unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gas needs more than 24 bits.
    #[error("request {id}: gas of {gas} is too much for a call: it has to be at most {MAX_U24}")]
    Gas {
        /// Which request.
        id: RequestId,
        /// The gas given.
        gas: u32,
    },
    /// The amount needs more than 96 bits.
    #[error("request {id}: the amount {amount} is too large: it has to be below 2^96")]
    Amount {
        /// Which request.
        id: RequestId,
        /// The amount given.
        amount: u128,
    },
    /// The call data needs more than 24 bits of length.
    #[error("request {id}: {length} bytes of call data are too many: they have to be at most {MAX_U24}")]
    Data {
        /// Which request.
        id: RequestId,
        /// The length given.
        length: usize,
    },
    /// All calls together need more than 24 bits of length.
    #[error("{0} bytes of calls are too many for a turn: they have to be at most {MAX_U24}")]
    TooLong(usize),
    /// The packed calls end early or have an unknown kind.
    #[error("the packed calls are damaged at byte {0}")]
    Malformed(usize),
}

impl Call {
    /// What the call spends, asset by asset (zero is the native coin), as the contract books it: given the ring's main asset
    /// and permissions. `None`: the ring may not make it.
    pub fn charges(&self, main_asset: Address, permissions: &Permissions) -> Option<Vec<(Address, U256)>> {
        match &self.effect {
            Effect::Pay { amount, .. } => Some(vec![(main_asset, U256::from(*amount))]),
            Effect::Call { target, value, data } => permissions.charges(*target, U256::from(*value), data),
        }
    }

    /// Packs calls.
    ///
    /// # Errors
    /// `Gas`, `Amount`, `Data`.
    pub(crate) fn pack(calls: &[Self]) -> Result<Bytes, CallError> {
        let mut packed = Vec::with_capacity(calls.len() * HEAD);
        for Self { request_id: id, gas, effect } in calls {
            let (kind, target, amount, data) = match effect {
                Effect::Pay { to, amount } => (KIND_PAY, to, *amount, None),
                Effect::Call { target, value, data } => (KIND_CALL, target, *value, Some(data)),
            };
            if *gas > MAX_U24 {
                return Err(CallError::Gas { id: *id, gas: *gas });
            }
            if amount > MAX_AMOUNT {
                return Err(CallError::Amount { id: *id, amount });
            }
            packed.push(kind);
            packed.extend_from_slice(id.as_slice());
            packed.extend_from_slice(&gas.to_be_bytes()[1..]);
            packed.extend_from_slice(target.as_slice());
            packed.extend_from_slice(&amount.to_be_bytes()[4..]);
            if let Some(data) = data {
                let length = u32::try_from(data.len())
                    .ok()
                    .filter(|length| *length <= MAX_U24)
                    .ok_or(CallError::Data { id: *id, length: data.len() })?;
                packed.extend_from_slice(&length.to_be_bytes()[1..]);
                packed.extend_from_slice(data);
            }
        }
        Ok(packed.into())
    }

    /// Unpacks calls.
    ///
    /// # Errors
    /// `Malformed`, with the byte at which the damaged call starts.
    pub fn unpack(packed: &[u8]) -> Result<Vec<Self>, CallError> {
        let mut calls = Vec::new();
        let mut rest = packed;
        while !rest.is_empty() {
            let malformed = CallError::Malformed(packed.len() - rest.len());
            let (call, after) = Self::unpack_first(rest).ok_or(malformed)?;
            calls.push(call);
            rest = after;
        }
        Ok(calls)
    }

    fn unpack_first(packed: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = packed.split_at_checked(HEAD)?;
        let request_id = RequestId::from_slice(&head[1..17]);
        let gas = u32::from_be_bytes([0, head[17], head[18], head[19]]);
        let target = Address::from_slice(&head[20..40]);
        let amount = head[40..].iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
        match head[0] {
            KIND_PAY => Some((Self { request_id, gas, effect: Effect::Pay { to: target, amount } }, rest)),
            KIND_CALL => {
                let (length, rest) = rest.split_at_checked(3)?;
                let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
                let (data, rest) = rest.split_at_checked(length)?;
                let effect = Effect::Call { target, value: amount, data: Bytes::copy_from_slice(data) };
                Some((Self { request_id, gas, effect }, rest))
            }
            _ => None,
        }
    }
}

impl Effect {
    /// What it transfers, given the ring's main asset; `None`: it is no transfer.
    pub fn transfer(&self, main_asset: Address) -> Option<Transfer> {
        match self {
            Self::Pay { to, amount } => {
                Some(Transfer { asset: main_asset, recipient: *to, amount: U256::from(*amount) })
            }
            Self::Call { target, value, data } => transfer(*target, *value, data),
        }
    }
}

/// What a call transfers, if it does that.
pub(crate) fn transfer(target: Address, value: u128, data: &[u8]) -> Option<Transfer> {
    if data.is_empty() {
        return Some(Transfer { asset: Address::ZERO, recipient: target, amount: U256::from(value) });
    }
    let (recipient, amount) = erc20_transfer(data)?;
    (value == 0 && !target.is_zero()).then_some(Transfer { asset: target, recipient, amount })
}

/// Recipient and amount of the call data of an ERC-20 `transfer` with clean words.
pub(crate) fn erc20_transfer(data: &[u8]) -> Option<(Address, U256)> {
    let arguments = data.strip_prefix(&ERC20_TRANSFER_SELECTOR)?;
    if arguments.len() != 64 || arguments[..12] != [0; 12] {
        return None;
    }
    Some((Address::from_slice(&arguments[12..32]), U256::from_be_slice(&arguments[32..])))
}
