//! Who may do what: asked of the chain before anything is signed or sent, so that the answer names the people.

use alloy::primitives::Address;
use ring_contracts::{Action, Charter};

use super::wish::Intent;
use crate::{
    chain::{Authorities, Chain},
    error::Error,
    ring::Ring,
};

/// Why somebody may not do something.
#[derive(Debug, thiserror::Error)]
pub enum EntitlementError {
    /// Only the master may.
    #[error("{signer} is not the master: {master} is, and only it may do this")]
    NotMaster {
        /// Who wants to.
        signer: Address,
        /// The master.
        master: Address,
    },
    /// Only the master and the guardian may.
    #[error(
        "{signer} is neither the master ({master}) nor the guardian ({}), and only they may do this",
        or_none(guardian)
    )]
    NotMasterNorGuardian {
        /// Who wants to.
        signer: Address,
        /// The master.
        master: Address,
        /// The guardian.
        guardian: Address,
    },
    /// Only the named successor may accept.
    #[error("{signer} cannot accept: the successor that the master named is {}", or_none(successor))]
    NotSuccessor {
        /// Who wants to.
        signer: Address,
        /// The pending master.
        successor: Address,
    },
    /// Only those who have something to do with the ring may halt it.
    #[error("{signer} cannot halt ring {ring}: it is neither its operator nor the master nor the guardian")]
    CannotHalt {
        /// Who wants to.
        signer: Address,
        /// Which ring.
        ring: u32,
    },
}

fn or_none(address: &Address) -> String {
    if address.is_zero() { "nobody".to_owned() } else { address.to_string() }
}

/// Who does this if nobody is named. `None`: it can be several.
pub(super) fn usual_signer(intent: &Intent, authorities: &Authorities) -> Option<Address> {
    match intent {
        Intent::Halt(_) => None,
        Intent::Act(Action::AcceptMaster {}) => Some(authorities.pending_master).filter(|pending| !pending.is_zero()),
        Intent::Act(_) => Some(authorities.master),
    }
}

/// Checks that the signer may do this. Answers the charter if the contract will want to see it: the one that is known,
/// otherwise the one on the chain.
pub(super) async fn check(
    chain: &Chain,
    intent: &Intent,
    signer: Address,
    known: Option<&Charter>,
) -> Result<Option<Charter>, Error> {
    let Authorities { master, guardian, pending_master } = chain.authorities().await?;
    let refusal = match intent {
        Intent::Halt(_) if signer == master || signer == guardian => return Ok(None),
        Intent::Halt(halt) => {
            let charter = charter_of(chain, halt.ring, known).await?;
            if charter.seat_of(signer).is_some() {
                return Ok(Some(charter));
            }
            EntitlementError::CannotHalt { signer, ring: halt.ring }
        }
        Intent::Act(Action::Revoke { .. }) if signer != master && signer != guardian => {
            EntitlementError::NotMasterNorGuardian { signer, master, guardian }
        }
        Intent::Act(Action::AcceptMaster {}) if signer != pending_master => {
            EntitlementError::NotSuccessor { signer, successor: pending_master }
        }
        Intent::Act(Action::AcceptMaster {} | Action::Revoke { .. }) => return charter_for(chain, intent, known).await,
        Intent::Act(_) if signer != master => EntitlementError::NotMaster { signer, master },
        Intent::Act(_) => return charter_for(chain, intent, known).await,
    };
    Err(refusal.into())
}

async fn charter_for(chain: &Chain, intent: &Intent, known: Option<&Charter>) -> Result<Option<Charter>, Error> {
    match intent {
        Intent::Act(Action::Revoke { ring, .. } | Action::Replace { ring, .. }) => {
            Ok(Some(charter_of(chain, *ring, known).await?))
        }
        _ => Ok(None),
    }
}

async fn charter_of(chain: &Chain, ring: u32, known: Option<&Charter>) -> Result<Charter, Error> {
    match known {
        Some(charter) => Ok(charter.clone()),
        None => Ok(Ring::read(chain, ring).await?.charter),
    }
}
