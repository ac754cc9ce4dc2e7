//! The capability to sign.

use ring_contracts::{B256, Domain, Turn};

/// A turn that this seat has reserved, on disk, as the one it signs for its nonce. Only the store makes one, from what it
/// reads back after the commit; a signer signs nothing else. So a signature without a durable reservation cannot be
/// written down.
///
/// ```compile_fail,E0451
/// # use ring_contracts::{B256, Turn};
/// # use ring_relayer::store::DurableReservation;
/// fn forge(turn: Turn, digest: B256) -> DurableReservation {
///     DurableReservation { turn, digest } // its fields are private
/// }
/// ```
#[derive(Clone, Debug)]
pub struct DurableReservation {
    turn: Turn,
    digest: B256,
}

impl DurableReservation {
    /// `None` if the turn does not have this digest.
    pub(super) fn new(turn: Turn, digest: B256, domain: &Domain) -> Option<Self> {
        (turn.digest(domain) == digest).then_some(Self { turn, digest })
    }

    /// The turn reserved.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Its EIP-712 digest: what is signed.
    pub fn digest(&self) -> B256 {
        self.digest
    }
}
