//! The actions as calls of the contract.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, private::primitives::aliases::U96},
};

use super::{Action, Halt};
use crate::{
    abi::{IRingMultisig, RingMultisig},
    charter::Charter,
};

impl Halt {
    /// The call data of `halt`. With an empty signature, the signer has to send it.
    pub fn calldata(&self, charter: &Charter, signer: Address, signature: Bytes) -> Bytes {
        RingMultisig::haltCall { ringId: self.ring, charter: charter.into(), signer, signature }.abi_encode().into()
    }
}

/// Whether call data of the contract does nothing but halt a ring: by a seat's word, or by proof that a key signed two contents.
pub fn halts(calldata: &[u8]) -> bool {
    RingMultisig::haltCall::abi_decode(calldata).is_ok()
        || RingMultisig::proveEquivocationCall::abi_decode(calldata).is_ok()
}

impl Action {
    /// The call data of the action. `charter` is the ring's current one; only `Revoke` and `Replace` read it.
    pub fn calldata(&self, charter: &Charter, authorization: IRingMultisig::Authorization) -> Bytes {
        let charter_now: IRingMultisig::Charter = charter.into();
        match self.clone() {
            Self::FormRing { ring, epoch, charter } => {
                RingMultisig::formRingCall { ringId: ring, epoch, charter: (&charter).into(), authorization }
                    .abi_encode()
            }
            Self::Resume { ring, epoch } => {
                RingMultisig::resumeCall { ringId: ring, epoch, authorization }.abi_encode()
            }
            Self::Revoke { ring, key } => {
                RingMultisig::revokeCall { ringId: ring, key, charter: charter_now, authorization }.abi_encode()
            }
            Self::Replace { ring, epoch, seat, key, and_resume } => RingMultisig::replaceCall {
                ringId: ring,
                epoch,
                seat,
                key,
                andResume: and_resume,
                charter: charter_now,
                authorization,
            }
            .abi_encode(),
            Self::SetPermissions { ring, permissions } => {
                let permissions = permissions.iter().map(Into::into).collect();
                RingMultisig::setPermissionsCall { ringId: ring, permissions, authorization }.abi_encode()
            }
            Self::SetLimits { ring, limits } => {
                let limits = limits.iter().map(Into::into).collect();
                RingMultisig::setLimitsCall { ringId: ring, limits, authorization }.abi_encode()
            }
            Self::PermitPayment { ring, epoch, request_id, asset, to, amount } => RingMultisig::permitPaymentCall {
                ringId: ring,
                epoch,
                requestId: request_id,
                asset,
                to,
                amount: U96::wrapping_from(amount),
                authorization,
            }
            .abi_encode(),
            Self::SetGuardian { guardian } => {
                RingMultisig::setGuardianCall { newGuardian: guardian, authorization }.abi_encode()
            }
            Self::TransferMaster { new_master } => {
                RingMultisig::transferMasterCall { newMaster: new_master, authorization }.abi_encode()
            }
            Self::AcceptMaster {} => RingMultisig::acceptMasterCall { authorization }.abi_encode(),
            Self::MasterExecute { target, value, data, gas } => {
                let gas_ = U256::from(gas);
                RingMultisig::masterExecuteCall { target, value, callData: data, gas_, authorization }.abi_encode()
            }
        }
        .into()
    }
}
