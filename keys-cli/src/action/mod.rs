//! What the master, the guardian and the operators do to the contract: from the command line to the chain.

mod arguments;
mod document;
mod entitlement;
mod formation;
mod permit;
mod steps;
mod wish;
mod words;

pub use arguments::{
    ActionCommand, AllowArgs, AssetAndCap, ExecuteArgs, GuardianArgs, MasterCommand, PermitPaymentArgs, ReplaceArgs,
    RevokeArgs, RingArgs, SuccessorArgs,
};
pub use document::{Document, DocumentError, Statement};
pub use entitlement::EntitlementError;
pub use formation::{FormationArgs, Lease, read_charter};
pub use permit::PermitArgs;
pub(crate) use steps::check_now;
pub use steps::{ConsentError, Preparation, direct, for_safe, prepare, sign, submit};
pub use wish::Wish;
pub(crate) use wish::in_smallest_unit;
pub(crate) use words::describe;
