//! The EIP-712 domain.

use std::sync::LazyLock;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};
use serde::{Deserialize, Serialize};

/// The `name` of the EIP-712 domain.
pub const NAME: &str = "Ring Window";
/// The `version` of the EIP-712 domain.
pub const VERSION: &str = "1";

/// The hashes that every domain separator begins with (EIP-712): of the type, of the name and of the version.
static FIXED_PART: LazyLock<[B256; 3]> = LazyLock::new(|| {
    let of_any = Domain { chain_id: 0, contract: Address::ZERO }.eip712();
    [of_any.type_hash(), keccak256(NAME), keccak256(VERSION)]
});

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
        // By hand, since it is needed for every digest and only this much of it differs.
        let [of_type, name, version] = *FIXED_PART;
        let chain_id = B256::from(U256::from(self.chain_id));
        keccak256([of_type, name, version, chain_id, self.contract.into_word()].concat())
    }

    /// What is signed for a struct in this domain.
    pub fn digest(&self, message: &impl SolStruct) -> B256 {
        self.digest_of(message.eip712_hash_struct())
    }

    /// The same of a struct's hash.
    pub fn digest_of(&self, struct_hash: B256) -> B256 {
        keccak256([&[0x19, 0x01], self.separator().as_slice(), struct_hash.as_slice()].concat())
    }
}
