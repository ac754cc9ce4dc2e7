//! What a seat is told before it starts.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{Address, B256, Charter, CharterError, Domain, Refill, U256};

/// The settings of one seat. All seats of a ring share them, but for `key`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The contract and its chain.
    pub domain: Domain,
    /// Which ring.
    pub ring: u32,
    /// The ring's charter, as the master announced it. A ring that has another charter on chain is none of ours.
    pub charter: Charter,
    /// The commitment of the charter that the ring is to have next, as the master announced it: when the ring changes to it
    /// this seat does not halt but [goes on in the next epoch](crate::Action::Succeed). `None`: no change was announced.
    pub next_charter: Option<B256>,
    /// What else the master announced.
    pub announced: Announced,
    /// The key of this seat.
    pub key: Address,
    /// Assets beside the main one that requests may spend; each has a limit on chain.
    pub other_assets: BTreeSet<Address>,
    /// Whose requests count.
    pub requesters: BTreeSet<Address>,
    /// What seats may ask for by themselves. `None`: nothing.
    pub refill: Option<Refill>,
    /// Whether each seat's own sources have to confirm a request before it signs, beside the requester's signature. The same at
    /// every seat of a ring.
    pub evidence: bool,
    /// For how many ticks this seat's own sources confirm a request; then they are asked again before it signs. `None`: for
    /// good.
    pub confirmed_ticks: Option<u64>,
    /// At how many seats, this one included, a request has to be on disk to be called accepted; 1 … N.
    pub copies: usize,
    /// The most calls in one turn; at least 1.
    pub max_calls: usize,
    /// The most gas that the calls of one turn may have together.
    pub max_gas: u64,
    /// How long a turn proposed now may wait for its execution, in seconds of chain time.
    pub validity: u64,
    /// After how many ticks what got no answer is sent again.
    pub resend_ticks: u64,
    /// How many ticks the next in line waits for a lead or sender that does nothing.
    pub patience_ticks: u64,
    /// How many ticks the peers have to explain a turn that this seat does not know, before it halts. It asks them at the tick
    /// after it has seen the turn, and they have these from then on.
    pub grace_ticks: u64,
}

/// What the master announced beside the charter. What was not announced is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Who may be the contract's master; empty: anybody.
    pub masters: BTreeSet<Address>,
    /// The highest caps of assets beside the main one, each in its smallest unit, for whatever period.
    pub caps: BTreeMap<Address, U256>,
}

/// Why a seat cannot work with its settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The charter is impossible.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The key has no seat.
    #[error("the key {0} has no seat in the ring: use the key of a seat, or correct the list of seats")]
    NoSeat(Address),
    /// The number of copies does not fit the ring.
    #[error("a request can be kept by 1 to {seats} seats, not {copies}: correct the number of copies")]
    Copies {
        /// As given.
        copies: usize,
        /// N.
        seats: usize,
    },
    /// A number that has to be at least 1 is zero.
    #[error("{0} is 0: it has to be at least 1")]
    Zero(&'static str),
}

impl Settings {
    /// Checks the settings and finds the seat of the key.
    ///
    /// # Errors
    /// The first thing that is wrong, with its value.
    pub fn check(&self) -> Result<usize, SettingsError> {
        self.charter.check()?;
        let seats = self.charter.seats.len();
        if self.copies == 0 || self.copies > seats {
            return Err(SettingsError::Copies { copies: self.copies, seats });
        }
        let positive = [
            ("max_calls", self.max_calls as u64),
            ("max_gas", self.max_gas),
            ("validity", self.validity),
            ("resend_ticks", self.resend_ticks),
            ("patience_ticks", self.patience_ticks),
            ("refill.period", self.refill.map_or(1, |refill| refill.period)),
            ("confirmed_ticks", self.confirmed_ticks.unwrap_or(u64::MAX)),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::Zero(name));
        }
        self.charter.seat_of(self.key).ok_or(SettingsError::NoSeat(self.key))
    }
}
