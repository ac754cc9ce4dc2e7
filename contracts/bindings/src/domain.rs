//! The EIP-712 domain.

use alloy::{
    primitives::{Address, B256},
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};
use serde::{Deserialize, Serialize};

/// The `name` of the EIP-712 domain.
pub const NAME: &str = "Ring Window";
/// The `version` of the EIP-712 domain.
pub const VERSION: &str = "1";

/// One contract on one chain: what every signature is bound to (EIP-712).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Domain {
    /// The chain id (EIP-155).
    pub chain_id: u64,
    /// The address of the `RingMultisig`.
    pub contract: Address,
}

impl Domain {
    /// The domain in the form that encoders of EIP-712 take.
    pub fn eip712(&self) -> Eip712Domain {
        eip712_domain! {
            name: NAME,
            version: VERSION,
            chain_id: self.chain_id,
            verifying_contract: self.contract,
        }
    }

    /// The domain separator, as the contract's `domainSeparator()` answers.
    pub fn separator(&self) -> B256 {
        self.eip712().separator()
    }

    /// What is signed for a struct in this domain.
    pub fn digest(&self, message: &impl SolStruct) -> B256 {
        message.eip712_signing_hash(&self.eip712())
    }
}
