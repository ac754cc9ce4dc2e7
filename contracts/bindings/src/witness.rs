//! Who stands behind a turn, as `RingMultisig.execute` reads it.

use alloy::primitives::Bytes;

use crate::{
    charter::{Charter, seat_at},
    signature::CompactSignature,
};

const ABSENT: u8 = 0;
const SIGNED: u8 = 1;
const SENDER: u8 = 2;

/// How a seat stands behind a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// With a signature.
    Signed(CompactSignature),
    /// By sending the transaction.
    Sender,
}

/// Why there is no witness yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{agreed} of {quorum} seats of the window have signed")]
pub struct WitnessError {
    /// How many have.
    pub agreed: usize,
    /// Q.
    pub quorum: usize,
}

/// Builds the witness of turn `nonce`: all seats from the first of the window on, exactly Q of which agree. Of more, the
/// sender and then the first in window order count.
///
/// # Errors
/// Too few of the window agree.
pub fn witness(
    charter: &Charter,
    nonce: u64,
    agreement: impl Fn(usize) -> Option<Seat>,
) -> Result<Bytes, WitnessError> {
    let quorum = usize::from(charter.quorum);
    let stands: Vec<(usize, Seat)> =
        charter.window_of(nonce).filter_map(|seat| Some((seat, agreement(seat)?))).collect();
    if stands.len() < quorum {
        return Err(WitnessError { agreed: stands.len(), quorum });
    }
    let sender = stands.iter().filter(|(_, stand)| *stand == Seat::Sender);
    let signed = stands.iter().filter(|(_, stand)| *stand != Seat::Sender);
    let chosen: Vec<&(usize, Seat)> = sender.chain(signed).take(quorum).collect();

    let count = charter.seats.len();
    let mut bytes = Vec::with_capacity(count * 65);
    for seat in (0..count).map(|position| seat_at(nonce, position, count)) {
        match chosen.iter().find(|(chosen, _)| *chosen == seat) {
            Some((_, Seat::Signed(signature))) => {
                bytes.push(SIGNED);
                bytes.extend_from_slice(signature.as_bytes());
            }
            Some((_, Seat::Sender)) => bytes.push(SENDER),
            None => {
                bytes.push(ABSENT);
                bytes.extend_from_slice(charter.seats[seat].as_slice());
            }
        }
    }
    Ok(bytes.into())
}
