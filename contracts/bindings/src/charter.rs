//! What is fixed about a ring: its seats, window, quorum, main limit, velocity and lease.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol_types::private::primitives::aliases::{U24, U40, U96},
};
use serde::{Deserialize, Serialize};

use crate::{abi::IRingMultisig, call::MAX_AMOUNT, decimal};

/// The most seats a ring may have.
pub const MAX_SEATS: usize = 32;
/// The shortest period of a cap, in seconds.
pub const MIN_PERIOD_SECONDS: u32 = 3_600;
/// The longest period of a cap, in seconds.
pub const MAX_PERIOD_SECONDS: u32 = (1 << 24) - 1;
/// The most turns that a period may have.
pub const MAX_TURNS_PER_PERIOD: u32 = (1 << 23) - 1;
const MAX_INTERVAL_SECONDS: u32 = (1 << 24) - 1;
const MAX_U40: u64 = (1 << 40) - 1;

/// A ring's charter. The contract stores only its [`commitment`](Charter::commitment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Charter {
    /// W: how many seats may sign a turn, 1 … N.
    pub window: u8,
    /// Q: how many of them must, 1 … W.
    pub quorum: u8,
    /// The main asset: a token, or zero for the native coin.
    pub asset: Address,
    /// The most of it that may be spent in one period, in its smallest unit; below 2^96.
    #[serde(with = "decimal")]
    pub cap: u128,
    /// The length of the period in seconds, 3,600 … 16,777,215: of the cap and of `turns_per_period`.
    pub period: u32,
    /// The most turns, void ones included, in one period: 1 … 2^23 - 1.
    pub turns_per_period: u32,
    /// The least number of seconds between two turns; below 2^24.
    pub interval: u32,
    /// The last second (Unix time) at which a turn executes; below 2^40. See [`Charter::NO_EXPIRY`].
    pub expires_at: u64,
    /// The last nonce that executes; below 2^40 - 1. See [`Charter::NO_LAST_NONCE`].
    pub last_nonce: u64,
    /// The keys in ring order, 1 … 32. Zero is a revoked key's empty seat.
    pub seats: Vec<Address>,
}

/// Why a ring cannot be formed with a charter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// No keys, or too many.
    #[error("a ring has 1 to {MAX_SEATS} seats, not {0}: list that many operator addresses")]
    Seats(usize),
    /// The window does not fit the ring.
    #[error("the window of {window} does not fit a ring of {seats} seats: choose 1 to {seats}")]
    Window {
        /// W as given.
        window: u8,
        /// N as given.
        seats: usize,
    },
    /// The quorum does not fit the window.
    #[error("the quorum of {quorum} does not fit a window of {window}: choose 1 to {window}")]
    Quorum {
        /// Q as given.
        quorum: u8,
        /// W as given.
        window: u8,
    },
    /// The period is too short or too long.
    #[error("a period has {MIN_PERIOD_SECONDS} to {MAX_PERIOD_SECONDS} seconds, not {0}: 86400 is a day")]
    Period(u32),
    /// The cap needs more than 96 bits.
    #[error("the cap of {0} is too large: it has to be below 2^96 of the asset's smallest unit")]
    Cap(u128),
    /// No turns at all, or more than can be counted.
    #[error("a ring takes 1 to {MAX_TURNS_PER_PERIOD} turns a period, not {0}")]
    TurnsPerPeriod(u32),
    /// The interval needs more than 24 bits.
    #[error("turns are at most {MAX_INTERVAL_SECONDS} seconds apart, not {0}: 0 is no interval")]
    Interval(u32),
    /// A time or nonce is larger than there are.
    #[error("{field} is {value}, which is too large: the largest, {most}, means no end")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The largest that it can be.
        most: u64,
    },
    /// A seat without a key.
    #[error("seat {0} has no key (the zero address): give it an operator's address")]
    EmptySeat(usize),
    /// One key twice.
    #[error("seats {first} and {second} have the same key {key}: each seat needs a key of its own")]
    DuplicateSeat {
        /// The first seat that has it.
        first: usize,
        /// The second seat that has it.
        second: usize,
        /// The key.
        key: Address,
    },
}

impl Charter {
    /// An `expires_at` that is never over (it is in the year 36812).
    pub const NO_EXPIRY: u64 = MAX_U40;
    /// The largest `last_nonce`, which no ring gets to: there is a nonce after every turn.
    pub const NO_LAST_NONCE: u64 = MAX_U40 - 1;

    /// Checks what the contract checks when a ring is formed, but for what it alone knows (master and guardian).
    ///
    /// # Errors
    /// The first thing that is wrong, with its value.
    pub fn check(&self) -> Result<(), CharterError> {
        let seats = self.seats.len();
        if seats == 0 || seats > MAX_SEATS {
            return Err(CharterError::Seats(seats));
        }
        if self.window == 0 || usize::from(self.window) > seats {
            return Err(CharterError::Window { window: self.window, seats });
        }
        if self.quorum == 0 || self.quorum > self.window {
            return Err(CharterError::Quorum { quorum: self.quorum, window: self.window });
        }
        if !(MIN_PERIOD_SECONDS..=MAX_PERIOD_SECONDS).contains(&self.period) {
            return Err(CharterError::Period(self.period));
        }
        if self.cap > MAX_AMOUNT {
            return Err(CharterError::Cap(self.cap));
        }
        if !(1..=MAX_TURNS_PER_PERIOD).contains(&self.turns_per_period) {
            return Err(CharterError::TurnsPerPeriod(self.turns_per_period));
        }
        if self.interval > MAX_INTERVAL_SECONDS {
            return Err(CharterError::Interval(self.interval));
        }
        let ends =
            [("expiresAt", self.expires_at, Self::NO_EXPIRY), ("lastNonce", self.last_nonce, Self::NO_LAST_NONCE)];
        if let Some((field, value, most)) = ends.into_iter().find(|(_, value, most)| value > most) {
            return Err(CharterError::TooLarge { field, value, most });
        }
        for (second, key) in self.seats.iter().enumerate() {
            if key.is_zero() {
                return Err(CharterError::EmptySeat(second));
            }
            if let Some(first) = self.seats[..second].iter().position(|other| other == key) {
                return Err(CharterError::DuplicateSeat { first, second, key: *key });
            }
        }
        Ok(())
    }

    /// The first word of the commitment, as `CharterLib.Terms` packs it.
    pub fn terms(&self) -> B256 {
        let fields = [
            (self.seats.len() as u64 & 0xff, 0),
            (self.window.into(), 8),
            (self.quorum.into(), 16),
            (self.period.into(), 24),
            (self.turns_per_period.into(), 48),
            (self.interval.into(), 72),
            (self.expires_at, 96),
            (self.last_nonce, 136),
        ];
        fields.into_iter().fold(U256::ZERO, |word, (value, shift)| word | U256::from(value) << shift).into()
    }

    /// The second word of the commitment, as `CharterLib.Budget` packs it.
    pub fn budget(&self) -> B256 {
        B256::from(U256::from_be_slice(self.asset.as_slice()) << 96 | U256::from(self.cap))
    }

    /// What the contract stores of the charter: keccak256(terms ‖ budget ‖ seats), each a 32-byte word.
    pub fn commitment(&self) -> B256 {
        let mut preimage = Vec::with_capacity(64 + 32 * self.seats.len());
        preimage.extend_from_slice(self.terms().as_slice());
        preimage.extend_from_slice(self.budget().as_slice());
        for seat in &self.seats {
            preimage.extend_from_slice(seat.into_word().as_slice());
        }
        keccak256(preimage)
    }

    /// The seats that may sign turn `nonce`, the lead first.
    pub fn window_of(&self, nonce: u64) -> impl Iterator<Item = usize> + use<> {
        let seats = self.seats.len();
        (0..usize::from(self.window)).map(move |position| seat_at(nonce, position, seats))
    }

    /// Where in the window of turn `nonce` a seat stands, the lead at 0.
    pub fn position_in_window(&self, nonce: u64, seat: usize) -> Option<usize> {
        self.window_of(nonce).position(|other| other == seat)
    }

    /// The seat of a key.
    pub fn seat_of(&self, key: Address) -> Option<usize> {
        self.seats.iter().position(|seat| *seat == key && !key.is_zero())
    }
}

/// The seat at a position counted from the first seat of the window of `nonce`.
pub(crate) fn seat_at(nonce: u64, position: usize, seats: usize) -> usize {
    // N is at most 32, so the remainder fits any usize.
    (nonce % seats as u64) as usize + position
        - if (nonce % seats as u64) as usize + position >= seats { seats } else { 0 }
}

impl From<&Charter> for IRingMultisig::Charter {
    /// Numbers that are out of range are cut, as the contract's types would; [`Charter::check`] tells before.
    fn from(charter: &Charter) -> Self {
        Self {
            window: charter.window,
            quorum: charter.quorum,
            asset: charter.asset,
            cap: U96::wrapping_from(charter.cap),
            period: U24::wrapping_from(charter.period),
            turnsPerPeriod: U24::wrapping_from(charter.turns_per_period),
            interval: U24::wrapping_from(charter.interval),
            expiresAt: U40::wrapping_from(charter.expires_at),
            lastNonce: U40::wrapping_from(charter.last_nonce),
            seats: charter.seats.clone(),
        }
    }
}

impl From<IRingMultisig::Charter> for Charter {
    fn from(charter: IRingMultisig::Charter) -> Self {
        Self {
            window: charter.window,
            quorum: charter.quorum,
            asset: charter.asset,
            cap: charter.cap.to(),
            period: charter.period.to(),
            turns_per_period: charter.turnsPerPeriod.to(),
            interval: charter.interval.to(),
            expires_at: charter.expiresAt.to(),
            last_nonce: charter.lastNonce.to(),
            seats: charter.seats,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter(seats: usize, window: u8, quorum: u8) -> Charter {
        Charter {
            window,
            quorum,
            asset: Address::ZERO,
            cap: 1,
            period: 86_400,
            turns_per_period: 1_000,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: (1..=seats).map(|n| Address::with_last_byte(n as u8)).collect(),
        }
    }

    #[test]
    fn the_window_starts_at_nonce_mod_n_and_wraps() {
        let ring = charter(5, 3, 3);
        assert_eq!(ring.window_of(0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(ring.window_of(3).collect::<Vec<_>>(), [3, 4, 0]);
        assert_eq!(ring.window_of(1_000_000_000_004).collect::<Vec<_>>(), [4, 0, 1]);
        assert_eq!(ring.position_in_window(4, 0), Some(1));
        assert_eq!(ring.position_in_window(4, 3), None);
    }

    #[test]
    fn each_impossible_charter_names_its_value() {
        assert_eq!(charter(0, 1, 1).check(), Err(CharterError::Seats(0)));
        assert_eq!(charter(33, 1, 1).check(), Err(CharterError::Seats(33)));
        assert_eq!(charter(3, 4, 1).check(), Err(CharterError::Window { window: 4, seats: 3 }));
        assert_eq!(charter(3, 0, 0).check(), Err(CharterError::Window { window: 0, seats: 3 }));
        assert_eq!(charter(3, 2, 3).check(), Err(CharterError::Quorum { quorum: 3, window: 2 }));
        assert_eq!(Charter { period: 3_599, ..charter(3, 2, 2) }.check(), Err(CharterError::Period(3_599)));
        assert_eq!(Charter { cap: 1 << 96, ..charter(3, 2, 2) }.check(), Err(CharterError::Cap(1 << 96)));
        for turns_per_period in [0, 1 << 23] {
            let error = CharterError::TurnsPerPeriod(turns_per_period);
            assert_eq!(Charter { turns_per_period, ..charter(3, 2, 2) }.check(), Err(error));
        }
        assert_eq!(Charter { interval: 1 << 24, ..charter(3, 2, 2) }.check(), Err(CharterError::Interval(1 << 24)));
        let late = Charter { expires_at: 1 << 40, ..charter(3, 2, 2) };
        let too_large = |field, value| Err(CharterError::TooLarge { field, value, most: value - 1 });
        assert_eq!(late.check(), too_large("expiresAt", 1 << 40));
        let far = Charter { last_nonce: (1 << 40) - 1, ..charter(3, 2, 2) };
        assert_eq!(far.check(), too_large("lastNonce", (1 << 40) - 1));
        let mut twice = charter(3, 2, 2);
        twice.seats[2] = twice.seats[0];
        let error = CharterError::DuplicateSeat { first: 0, second: 2, key: twice.seats[0] };
        assert_eq!(twice.check(), Err(error));
        assert_eq!(charter(3, 2, 2).check(), Ok(()));
    }
}
