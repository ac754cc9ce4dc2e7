//! The arguments of each action, the same for one step and for three.

use alloy::primitives::{Address, Bytes};
use clap::{Args, Subcommand};
use ring_contracts::{Action, RequestId};

use super::{permit::PermitArgs, wish::Wish};
use crate::{
    amount::Amount,
    cli::{parse_address, parse_asset, parse_guardian, parse_id},
    time,
};

/// The actions that have no other home on the command line. `H` is how they are carried out.
#[derive(Debug, Subcommand)]
pub enum ActionCommand<H: Args> {
    /// Empty a key's seat: its windows stay blocked until the master fills it (master or guardian)
    Revoke(RevokeArgs<H>),
    /// Give a seat a new key (master)
    Replace(ReplaceArgs<H>),
    /// Halt a ring (master, guardian, or any of its operators)
    Halt(RingArgs<H>),
    /// Let a halted ring go on, in a new epoch (master)
    Resume(RingArgs<H>),
    /// Permit a ring to call a function of a contract, or to send bare value; or take that away (master)
    Permit(PermitArgs<H>),
    /// Cap what a ring may spend of an asset beside its main one; what spends it needs a permission, too (master)
    Allow(AllowArgs<H>),
    /// Let a ring make one payment of its main asset that its cap would refuse (master)
    PermitPayment(PermitPaymentArgs<H>),
    /// Name the guardian, or none (master)
    Guardian(GuardianArgs<H>),
    /// Hand the master's role over, in two steps
    #[command(subcommand)]
    Master(MasterCommand<H>),
    /// Make any call from the contract: payments over the caps, and the rescue (master)
    Execute(ExecuteArgs<H>),
}

/// The two steps of a handover.
#[derive(Debug, Subcommand)]
pub enum MasterCommand<H: Args> {
    /// Name the successor; nothing changes until it accepts (master)
    Transfer(SuccessorArgs<H>),
    /// Accept the master's role (successor)
    Accept(H),
}

/// Just a ring.
#[derive(Debug, Args)]
pub struct RingArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// A key of a ring.
#[derive(Debug, Args)]
pub struct RevokeArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// The key to revoke
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub key: Address,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// A seat of a ring and its new key.
#[derive(Debug, Args)]
pub struct ReplaceArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// The seat, from 0
    #[arg(long, value_name = "SEAT")]
    pub seat: u8,
    /// The seat's new key
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub key: Address,
    /// Let the ring go on if it is halted
    #[arg(long)]
    pub resume: bool,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// An asset and how much of it may be spent in a period.
#[derive(Debug, Args)]
pub struct AssetAndCap {
    /// The asset: `native`, or a token's address
    #[arg(long, value_name = "native|ADDRESS", value_parser = parse_asset)]
    pub asset: Address,
    /// The most that may be spent of it in one period: 1500000 (smallest unit), 1.5ether, 20gwei, 12.5tokens
    #[arg(long, value_name = "AMOUNT")]
    pub cap: Amount,
    /// The token's decimals, if it does not say itself
    #[arg(long)]
    pub decimals: Option<u8>,
    /// The period of the cap: hour, day, week, or seconds
    #[arg(long, value_name = "PERIOD", value_parser = time::parse_period)]
    pub period: u32,
}

/// A limit of a ring.
#[derive(Debug, Args)]
pub struct AllowArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// What is capped.
    #[command(flatten)]
    pub limit: AssetAndCap,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// One payment outside the cap.
#[derive(Debug, Args)]
pub struct PermitPaymentArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// The id of the request: 0x and 16 bytes, or a UUID
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    pub request: RequestId,
    /// Whom it pays
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub to: Address,
    /// Exactly how much of the ring's main asset: 1500000 (smallest unit), 1.5ether, 20gwei, 12.5tokens
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Amount,
    /// The token's decimals, if it does not say itself
    #[arg(long)]
    pub decimals: Option<u8>,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// The guardian.
#[derive(Debug, Args)]
pub struct GuardianArgs<H: Args> {
    /// Its address, or `none`
    #[arg(value_name = "ADDRESS|none", value_parser = parse_guardian)]
    pub guardian: Address,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// The master's successor.
#[derive(Debug, Args)]
pub struct SuccessorArgs<H: Args> {
    /// Its address, or `none` to withdraw a transfer that was not accepted
    #[arg(value_name = "ADDRESS|none", value_parser = parse_guardian)]
    pub successor: Address,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// A call from the contract.
#[derive(Debug, Args)]
pub struct ExecuteArgs<H: Args> {
    /// Whom to call
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub target: Address,
    /// How much of the native coin goes with the call: in wei, or 1.5ether, 20gwei
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub value: Amount,
    /// The call data in hexadecimal
    #[arg(long, value_name = "0x…", default_value = "0x")]
    pub data: Bytes,
    /// The least gas that the call gets, whoever sends the transaction; 0 for whatever there is
    #[arg(long, default_value_t = 0)]
    pub gas: u64,
    /// How.
    #[command(flatten)]
    pub how: H,
}

impl<H: Args> ActionCommand<H> {
    /// What is wanted, and how it is to be carried out.
    pub fn into_parts(self) -> (Wish, H) {
        match self {
            Self::Revoke(args) => (Wish::Act(Action::Revoke { ring: args.ring, key: args.key }), args.how),
            Self::Replace(ReplaceArgs { ring, seat, key, resume, how }) => {
                (Wish::Replace { ring, seat, key, and_resume: resume }, how)
            }
            Self::Halt(args) => (Wish::Halt { ring: args.ring }, args.how),
            Self::Resume(args) => (Wish::Resume { ring: args.ring }, args.how),
            Self::Permit(args) => args.into_parts(),
            Self::Allow(args) => (Wish::Allow { ring: args.ring, limit: args.limit }, args.how),
            Self::PermitPayment(PermitPaymentArgs { ring, request, to, amount, decimals, how }) => {
                (Wish::PermitPayment { ring, request, to, amount, decimals }, how)
            }
            Self::Guardian(args) => (Wish::Act(Action::SetGuardian { guardian: args.guardian }), args.how),
            Self::Master(MasterCommand::Transfer(args)) => {
                (Wish::Act(Action::TransferMaster { new_master: args.successor }), args.how)
            }
            Self::Master(MasterCommand::Accept(how)) => (Wish::Act(Action::AcceptMaster {}), how),
            Self::Execute(ExecuteArgs { target, value, data, gas, how }) => {
                (Wish::Execute { target, value, data, gas }, how)
            }
        }
    }
}
