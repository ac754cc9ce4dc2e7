//! Thefts that happened, replayed: what the thief gets of a plain m-of-n wallet, and what of a ring.
//!
//! Both are contracts in the same EVM with the same treasury. The thief signs with the keys that it has; the seats that it does
//! not have are whole: they judge, refuse and halt as in every other [world](crate::world).

mod attack;
mod catalogue;
mod document;

use std::fmt;

use crate::{chain::TREASURY, world::Stage};

pub use attack::REACTION_SECONDS;
pub use catalogue::all;
pub use document::{document, table};

/// A theft that happened, and its replays.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Whose.
    pub name: &'static str,
    /// When.
    pub when: &'static str,
    /// How much was taken, as it is commonly reported.
    pub loss: &'static str,
    /// Who reports it.
    pub source: &'static str,
    /// What happened, and what the thief had.
    pub story: &'static str,
    /// The wallet as it was: m, of n, and how it was robbed.
    pub plain: (usize, usize, PlainAttack),
    /// Rings in its place.
    pub replays: Vec<Replay>,
    /// Which rule of the ring stopped it.
    pub rule: &'static str,
    /// Where the ring does not help.
    pub limit: &'static str,
}

/// How a plain wallet is robbed. Whether its owners' keys are stolen, or its owners sign what they are shown or asked for, it
/// gets the same signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainAttack {
    /// By a payment of all there is.
    Payment,
    /// By a delegatecall of the thief's code.
    DelegateCall,
}

/// One ring, and one attack on it.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What the thief has.
    pub thief: &'static str,
    /// The ring.
    pub stage: Stage,
    /// What the thief does.
    pub attack: Attack,
    /// Whether this is what the ring does not help against.
    pub is_beyond: bool,
}

/// What a thief does to a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Pays itself whenever the keys that it has are enough.
    Keys,
    /// The same, by a call that is to run its own code.
    ForeignCode,
    /// Shows the other seats its own payload as if it were a client's.
    SwappedPayload,
    /// Asks for payments, with the key of the clients.
    ForgedRequests,
    /// Shows its own payload to the master.
    DeceivedMaster,
}

/// What came of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the thief has of the treasury at the end.
    pub stolen: Share,
    /// After how many seconds from its first payment on the ring was halted on chain by its seats alone; `None`: never.
    pub halted_after: Option<u64>,
    /// How many turns and requests seats refused.
    pub refusals: u64,
    /// How many turns were executed that only the thief signed.
    pub stolen_turns: u64,
    /// How many turns were executed, the thief's included.
    pub turns: u64,
}

/// A part of a treasury.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u64);

impl Share {
    /// Nothing of it.
    pub const NOTHING: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self(TREASURY);

    /// So much of the treasury, in the coin's smallest unit.
    pub fn of(amount: u64) -> Self {
        Self(amount)
    }

    /// The amount.
    pub fn amount(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Share {
    /// In percent, rounded to two decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NOTHING => f.write_str("nothing"),
            Self::ALL => f.write_str("all"),
            Self(amount) => {
                let treasury = u128::from(TREASURY);
                let hundredths = (u128::from(amount) * 10_000 + treasury / 2) / treasury;
                write!(f, "{}.{:02} %", hundredths / 100, hundredths % 100)
            }
        }
    }
}

/// What came of an incident.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Which.
    pub incident: Incident,
    /// What the thief has of the plain wallet.
    pub plain: Share,
    /// What came of each of its replays, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Replayed {
    /// The replays, each with what came of it.
    pub fn rings(&self) -> impl Iterator<Item = (&Replay, Outcome)> {
        self.incident.replays.iter().zip(self.outcomes.iter().copied())
    }
}

impl Incident {
    /// Replays it.
    ///
    /// # Panics
    /// The plain wallet refuses what its owners signed, or takes one signature less; or one of the ring's promises was broken.
    pub fn replay(self) -> Replayed {
        let (threshold, owners, attack) = self.plain;
        let plain = attack::plain(threshold, owners, attack);
        let outcomes = self.replays.iter().map(|replay| attack::ring(&replay.stage, replay.attack)).collect();
        Replayed { incident: self, plain, outcomes }
    }
}
