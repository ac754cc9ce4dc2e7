//! What must hold, whatever happens.

use std::fmt;

/// A promise that is checked throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No honest key signs two contents for one (ring, epoch, nonce).
    OneContent,
    /// Nothing is signed or sent that is not reserved on the disk, as synced.
    Reserved,
    /// A request is paid at most once, on every head that finality allows.
    PaidOnce,
    /// A request that was accepted is paid, or finally refused, once the faults stop; and all seats say the same.
    PaidInTheEnd,
    /// Nothing is called accepted that is on fewer disks than was asked for.
    Copies,
    /// Nobody halts without a cause.
    NoFalseHalt,
    /// A halt is never lost, nor anything signed after it.
    HaltStays,
    /// A thief executes no more turns than its keys are good for.
    ThiefsBound,
    /// No period sees more spent than the caps.
    Caps,
    /// Nothing is paid after it expired.
    Expiry,
    /// What was called cancelled is never executed, on any head.
    CancelledForGood,
    /// Honest keys sign only what clients asked for.
    AskedFor,
    /// The same id gets the same answer, for ever.
    SameAnswer,
    /// What was committed is there after every restart.
    Remembered,
    /// A seat that sees final turns taken back halts.
    FinalityWatched,
    /// A seat that has two contents signed by one key for one nonce halts.
    EquivocationHalts,
    /// Nothing panics, and the store refuses no record of the state machine.
    Sound,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneContent => "one content a key and nonce",
            Self::Reserved => "reserved before signed",
            Self::PaidOnce => "paid at most once",
            Self::PaidInTheEnd => "paid or refused in the end",
            Self::Copies => "as many copies as promised",
            Self::NoFalseHalt => "no halt without cause",
            Self::HaltStays => "a halt stays",
            Self::ThiefsBound => "the thief's bound",
            Self::Caps => "no more than the caps",
            Self::Expiry => "nothing after its expiry",
            Self::CancelledForGood => "nothing after it was cancelled",
            Self::AskedFor => "only what was asked for",
            Self::SameAnswer => "the same answer for ever",
            Self::Remembered => "what was committed is remembered",
            Self::FinalityWatched => "broken finality halts",
            Self::EquivocationHalts => "two contents of one key halt",
            Self::Sound => "no panic, no refused record",
        })
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
}
