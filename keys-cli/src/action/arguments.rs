//! The arguments of each action, the same for one step and for three.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes, U256};
use clap::{Args, Subcommand};
use ring_contracts::{Action, Charter, Halt};
use ring_keystore::files;
use serde_json::Value;

use crate::{
    amount::Amount,
    chain::Chain,
    cli::{parse_address, parse_asset, parse_guardian},
    error::Error,
    ring, time,
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
    /// Cap what a ring may spend of an asset beside its main one (master)
    Limit(LimitArgs<H>),
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
pub struct LimitArgs<H: Args> {
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

/// A ring as it is to be.
#[derive(Debug, Args)]
pub struct FormationArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// A file with the whole charter as JSON, or what `ring show --json` printed, instead of the options that follow
    #[arg(long, value_name = "FILE", conflicts_with_all = ["window", "quorum", "asset", "cap", "decimals", "period", "seat"])]
    pub charter: Option<PathBuf>,
    /// W: how many seats may sign a turn
    #[arg(long, value_name = "W", required_unless_present = "charter")]
    pub window: Option<u8>,
    /// Q: how many of them must [default: all of the window]
    #[arg(long, value_name = "Q")]
    pub quorum: Option<u8>,
    /// The main asset and its cap.
    #[command(flatten)]
    pub main: Option<AssetAndCap>,
    /// The operators' keys in ring order; give the option once for each, or one list with commas
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', num_args = 1.., value_parser = parse_address,
          required_unless_present = "charter")]
    pub seat: Vec<Address>,
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
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// What somebody wants done, before amounts are looked up and the epoch is known.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the arguments above")]
pub enum Wish {
    /// Something that needs nothing more.
    Act(Action),
    /// A ring is to be formed with this main asset.
    Form { ring: u32, window: u8, quorum: u8, main: AssetAndCap, seats: Vec<Address> },
    /// A ring is to be formed with the charter in a file.
    FormFrom { ring: u32, file: PathBuf },
    /// An asset is to be capped.
    Limit { ring: u32, limit: AssetAndCap },
    /// The contract is to make a call.
    Execute { target: Address, value: Amount, data: Bytes },
    /// A ring is to be halted.
    Halt { ring: u32 },
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Intent {
    /// An action with a nonce.
    Act(Action),
    /// A halt.
    Halt(Halt),
}

impl<H: Args> ActionCommand<H> {
    /// What is wanted, and how it is to be carried out.
    pub fn into_parts(self) -> (Wish, H) {
        match self {
            Self::Revoke(args) => (Wish::Act(Action::Revoke { ring: args.ring, key: args.key }), args.how),
            Self::Replace(args) => {
                (Wish::Act(Action::Replace { ring: args.ring, seat: args.seat, key: args.key }), args.how)
            }
            Self::Halt(args) => (Wish::Halt { ring: args.ring }, args.how),
            Self::Resume(args) => (Wish::Act(Action::Resume { ring: args.ring }), args.how),
            Self::Limit(args) => (Wish::Limit { ring: args.ring, limit: args.limit }, args.how),
            Self::Guardian(args) => (Wish::Act(Action::SetGuardian { guardian: args.guardian }), args.how),
            Self::Master(MasterCommand::Transfer(args)) => {
                (Wish::Act(Action::TransferMaster { new_master: args.successor }), args.how)
            }
            Self::Master(MasterCommand::Accept(how)) => (Wish::Act(Action::AcceptMaster), how),
            Self::Execute(args) => {
                (Wish::Execute { target: args.target, value: args.value, data: args.data }, args.how)
            }
        }
    }
}

impl<H: Args> FormationArgs<H> {
    /// What is wanted, and how it is to be carried out.
    pub fn into_parts(self) -> (Wish, H) {
        let wish = match (self.charter, self.window, self.main) {
            (Some(file), ..) => Wish::FormFrom { ring: self.ring, file },
            (None, Some(window), Some(main)) => {
                Wish::Form { ring: self.ring, window, quorum: self.quorum.unwrap_or(window), main, seats: self.seat }
            }
            (None, ..) => unreachable!("clap demands window, asset, cap and period where there is no charter"),
        };
        (wish, self.how)
    }
}

impl Wish {
    /// Looks up what is missing, and checks what can be checked without asking who signs.
    pub(super) async fn resolve(self, chain: &Chain) -> Result<Intent, Error> {
        let action = match self {
            Self::Act(action) => action,
            Self::Form { ring, window, quorum, main, seats } => {
                let AssetAndCap { asset, period, .. } = main;
                let cap = main.cap_in(chain, 96).await?;
                form(ring, Charter { window, quorum, asset, cap, period, seats })?
            }
            Self::FormFrom { ring, file } => form(ring, read_charter(&file)?)?,
            Self::Limit { ring, limit } => {
                let cap = limit.cap_in(chain, 104).await?;
                Action::SetLimit { ring, asset: limit.asset, cap, period: limit.period }
            }
            Self::Execute { target, value, data } => {
                Action::MasterExecute { target, value: value.of(Address::ZERO, None, 256)?, data }
            }
            Self::Halt { ring } => {
                let epoch = ring::read_view(chain, ring).await?.epoch;
                return Ok(Intent::Halt(Halt { ring, epoch }));
            }
        };
        Ok(Intent::Act(action))
    }
}

/// A charter by itself, or in what `ring show --json` printed.
fn read_charter(path: &Path) -> Result<Charter, Error> {
    let content = files::read(path)?;
    let parsed = serde_json::from_slice::<Value>(&content)
        .and_then(|mut whole| serde_json::from_value(whole.get_mut("charter").map(Value::take).unwrap_or(whole)));
    parsed.map_err(|reason| Error::NotACharter { path: path.to_owned(), reason })
}

fn form(ring: u32, charter: Charter) -> Result<Action, Error> {
    charter.check()?;
    Ok(Action::FormRing { ring, charter })
}

impl AssetAndCap {
    async fn cap_in(&self, chain: &Chain, bits: usize) -> Result<u128, Error> {
        let decimals = match self.cap.counts_tokens() && !self.asset.is_zero() {
            true => chain.decimals(self.decimals, self.asset).await?,
            false => None,
        };
        let cap: U256 = self.cap.of(self.asset, decimals, bits)?;
        Ok(cap.to())
    }
}
