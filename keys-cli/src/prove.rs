//! Showing the contract that a key signed two contents for one nonce: it revokes the key and halts the ring.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use ring_contracts::{Equivocation, EquivocationError};
use ring_keystore::files;

use crate::{chain::Chain, error::Error, output::tell, ring::Ring, rpc::Sent, signing_key::SigningKey};

/// Why two signed turns are of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The file is something else.
    #[error(
        "{path} is no pair of signed turns: {reason}. It looks like this: {{\"first\": {{\"id\": {{\"ring\": 1, \"epoch\": 1, \
         \"nonce\": 7, \"validUntil\": 1798761600}}, \"callsHash\": \"0x…\", \"signature\": \"0x… (64 bytes)\"}}, \"second\": {{…}}}}",
        path = path.display()
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// They prove nothing.
    #[error("{path} proves nothing: {reason}", path = path.display())]
    ProvesNothing {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: EquivocationError,
    },
    /// They are of an epoch that is yet to come.
    #[error("the turns are of epoch {signed} of ring {ring}, which is in epoch {current}")]
    Epoch {
        /// Which ring.
        ring: u32,
        /// The turns' epoch.
        signed: u32,
        /// The ring's epoch.
        current: u32,
    },
    /// The key can do nothing any more, or the signatures are of another contract or chain.
    #[error(
        "the turns were signed by {key}, which has no seat in ring {ring}: its key was revoked or replaced already, or they \
         were signed for another contract or chain"
    )]
    NoSeat {
        /// Whose signatures they are.
        key: Address,
        /// Which ring.
        ring: u32,
    },
}

/// Reads two signed turns.
///
/// # Errors
/// The file cannot be read, or is something else.
pub fn read(path: &Path) -> Result<Equivocation, Error> {
    let content = files::read(path)?;
    serde_json::from_slice(&content).map_err(|reason| ProofError::Malformed { path: path.to_owned(), reason }.into())
}

/// Checks the proof in a file and sends it. `key` is called after the checks, and pays the gas.
///
/// # Errors
/// It proves nothing, or nothing that matters any more; or sending fails.
pub async fn submit(
    chain: &Chain,
    path: &Path,
    key: impl FnOnce() -> Result<Box<dyn SigningKey>, Error>,
) -> Result<Sent, Error> {
    let proof = read(path)?;
    let culprit =
        proof.check(chain.domain()).map_err(|reason| ProofError::ProvesNothing { path: path.to_owned(), reason })?;
    let id = proof.first.id;
    let ring = Ring::read(chain, id.ring).await?;
    let (signed, current) = (id.epoch, ring.view.epoch);
    if signed == 0 || signed > current {
        return Err(ProofError::Epoch { ring: id.ring, signed, current }.into());
    }
    let seat = ring.charter.seat_of(culprit).ok_or(ProofError::NoSeat { key: culprit, ring: id.ring })?;
    tell(format_args!(
        "PROVE that {culprit}, seat {seat} of ring {}, signed two contents for turn {} of epoch {signed}:\nits key is revoked \
         and the ring halted, until the master gives the seat a new key and lets the ring go on.",
        id.ring, id.nonce
    ));
    let input = proof.calldata(&ring.charter);
    let mut key = key()?;
    chain.connection().simulate(key.address()?, chain.domain().contract, input.clone()).await?;
    chain.send(&mut key, input).await
}
