//! Ceremonies: what people do together, on several machines, step by step, with a written record.
//!
//! A ceremony is a list of steps, each with its words, its command and its check. The proceedings go through the list:
//! a step that the chain or a file shows to be done is written down as done; of any other they say what to do where,
//! and look again when somebody answers. They have no key, sign nothing and send nothing themselves, and keep nothing
//! but the record: stopped at any point, the same command takes them up again.

mod answer;
mod arguments;
mod check;
mod compromise_drill;
mod first_deployment;
mod master_lost;
mod minutes;
mod proceedings;
mod situation;
mod step;

use std::path::PathBuf;

use alloy::primitives::Address;

pub use arguments::{
    CeremonyCommand, CompromiseDrillArgs, FirstDeploymentArgs, MasterLostArgs, Options, ProceedingArgs,
};
pub use proceedings::{Held, hold};

/// Why a ceremony is not held, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// Somebody stopped it.
    #[error("the ceremony was stopped before {step:?}, and is not at its end: the same command takes it up again")]
    Stopped {
        /// Before which step.
        step: String,
    },
    /// The record is of something else.
    #[error("{record} is the record of another ceremony ({what}): name another file", record = record.display())]
    OtherCeremony {
        /// The record.
        record: PathBuf,
        /// What it says.
        what: String,
    },
    /// The record is of the same kind of ceremony, about something else.
    #[error("{record} is of a ceremony with {label}: {there}, and this is with {here}: name another file, or the \
        same again", record = record.display())]
    OtherSubject {
        /// The record.
        record: PathBuf,
        /// What differs.
        label: String,
        /// In the record.
        there: String,
        /// On the command line.
        here: String,
    },
    /// It would be no rehearsal.
    #[error(
        "this is no place to rehearse ({client}, chain {chain_id}): what is signed here may be good elsewhere. \
         Rehearse on `anvil` \
         with its own chain id, 31337; a fork of a chain is no such place"
    )]
    NoRehearsal {
        /// What the node calls itself.
        client: String,
        /// Its chain.
        chain_id: u64,
    },
    /// A description of what cannot be deployed.
    #[error("{path}: {reason}", path = path.display())]
    Description {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Keys that do not replace one another.
    #[error("{stolen} keys are stolen and {new} are new: give --new once for each --stolen, all of them different")]
    Replacement {
        /// How many are stolen.
        stolen: usize,
        /// How many are new.
        new: usize,
    },
    /// A key that is not in the ring.
    #[error("{key} has no seat in ring {ring}: `ring-keys ring show --ring {ring}` shows those that have")]
    NoSeat {
        /// Which key.
        key: Address,
        /// Which ring.
        ring: u32,
    },
    /// A new key that is not new.
    #[error("{key} has a seat in ring {ring} already: make a new key")]
    HasSeat {
        /// Which key.
        key: Address,
        /// Which ring.
        ring: u32,
    },
}
