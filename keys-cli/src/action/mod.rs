//! What the master, the guardian and the operators do to the contract: from the command line to the chain.

mod arguments;
mod document;
mod entitlement;
mod steps;
mod words;

pub use arguments::{
    ActionCommand, AssetAndCap, ExecuteArgs, FormationArgs, GuardianArgs, LimitArgs, MasterCommand, ReplaceArgs,
    RevokeArgs, RingArgs, SuccessorArgs, Wish,
};
pub use document::{Document, DocumentError, Statement};
pub use entitlement::EntitlementError;
pub use steps::{ConsentError, Preparation, direct, prepare, sign, submit};
