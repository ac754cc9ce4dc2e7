//! The bytecode of the contract: to deploy it, and to know it again.

use alloy::{
    primitives::{Address, B256, Bytes, address, keccak256},
    sol_types::SolConstructor,
};
use serde::Deserialize;

use crate::{abi::RingMultisig, domain::Domain};

/// The proxy that deploys with CREATE2, at the same address on every chain that has it: call data is salt ‖ init code
/// (<https://github.com/Arachnid/deterministic-deployment-proxy>).
pub const DEPLOYMENT_PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// Why the code at an address is not that of a `RingMultisig` of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// There is none.
    #[error("there is no contract at {contract} on chain {chain_id}: check the address and the RPC's chain")]
    Missing {
        /// Where it was looked for.
        contract: Address,
        /// On which chain.
        chain_id: u64,
    },
    /// There is another.
    #[error(
        "the contract at {contract} on chain {chain_id} is not a RingMultisig of this version \
         ({actual} bytes of code, expected {expected}): check the address, or use the release that deployed it"
    )]
    Other {
        /// Where it was looked for.
        contract: Address,
        /// On which chain.
        chain_id: u64,
        /// The length of the code that is there.
        actual: usize,
        /// The length of the code that should be.
        expected: usize,
    },
}

/// The init code that deploys a contract with this master and, unless zero, guardian.
pub fn creation_code(master: Address, guardian: Address) -> Bytes {
    let arguments = RingMultisig::constructorCall { master_: master, guardian_: guardian }.abi_encode();
    [RingMultisig::BYTECODE.as_ref(), &arguments].concat().into()
}

/// Where [`DEPLOYMENT_PROXY`] puts a contract with this first master and guardian (CREATE2): the same on every chain.
pub fn predicted_address(master: Address, guardian: Address, salt: B256) -> Address {
    DEPLOYMENT_PROXY.create2(salt, keccak256(creation_code(master, guardian)))
}

/// Checks that `code` is what a `RingMultisig` has in this domain, its immutable chain id and domain separator included.
///
/// # Errors
/// `Missing`, `Other`.
pub fn verify_runtime_code(code: &[u8], domain: &Domain) -> Result<(), CodeError> {
    let Domain { chain_id, contract } = *domain;
    if code.is_empty() {
        return Err(CodeError::Missing { contract, chain_id });
    }
    let reference = RingMultisig::DEPLOYED_BYTECODE.as_ref();
    let other = CodeError::Other { contract, chain_id, actual: code.len(), expected: reference.len() };
    if code.len() != reference.len() {
        return Err(other);
    }
    let chain_word = alloy::primitives::U256::from(chain_id).to_be_bytes::<32>();
    let immutables = [chain_word, domain.separator().0];
    let mut masked = code.to_vec();
    for offset in immutable_offsets() {
        let word = masked.get_mut(offset..offset + 32).ok_or(other)?;
        if !immutables.iter().any(|immutable| immutable == word) {
            return Err(other);
        }
        word.fill(0);
    }
    if masked == reference { Ok(()) } else { Err(other) }
}

/// Where the compiler leaves 32 zero bytes for the constructor to fill.
fn immutable_offsets() -> Vec<usize> {
    #[derive(Deserialize)]
    struct Artifact {
        #[serde(rename = "deployedBytecode")]
        deployed: Deployed,
    }
    #[derive(Deserialize)]
    struct Deployed {
        #[serde(rename = "immutableReferences")]
        immutables: std::collections::BTreeMap<String, Vec<Reference>>,
    }
    #[derive(Deserialize)]
    struct Reference {
        start: usize,
    }
    let artifact: Artifact = serde_json::from_str(include_str!("../artifacts/RingMultisig.json"))
        .unwrap_or_else(|error| unreachable!("the committed artifact is read by every test: {error}"));
    artifact.deployed.immutables.into_values().flatten().map(|reference| reference.start).collect()
}
