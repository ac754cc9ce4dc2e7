//! The arguments that permit calls.

use alloy::primitives::{Address, FixedBytes};
use clap::{ArgGroup, Args};
use ring_contracts::{Action, Permission};

use super::wish::Wish;
use crate::{
    cli::{parse_address, parse_asset, parse_selector},
    function::{Function, Meter},
};

/// Calls of one kind.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["call", "selector", "bare"]),
    group = ArgGroup::new("whom").required(true).args(["target", "anybody"]),
)]
pub struct PermitArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// The contract that may be called, or with --bare whom value may be sent to
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub target: Option<Address>,
    /// The function that may be called, with its parameters: "transfer(address to,uint256 amount)"
    #[arg(long, value_name = "FUNCTION")]
    pub call: Option<Function>,
    /// With --remove, the selector of the function instead of --call: 0x and 8 hexadecimal digits
    #[arg(long, value_name = "0x…", value_parser = parse_selector, requires = "remove")]
    pub selector: Option<FixedBytes<4>>,
    /// Value without call data instead of a function; it always counts against the limit on the native coin
    #[arg(long, conflicts_with_all = ["meter", "unmetered"])]
    pub bare: bool,
    /// To anybody, instead of to one address (only with --bare)
    #[arg(long, conflicts_with_all = ["call", "selector"])]
    pub anybody: bool,
    /// The argument that is an amount and counts as spending: its name in --call, or the number of its word, from 0
    #[arg(long, value_name = "NAME|WORD", requires = "asset")]
    pub meter: Option<Meter>,
    /// What that is an amount of: `native`, or a token's address; it needs a limit, too (`ring-keys allow`)
    #[arg(long, value_name = "native|ADDRESS", value_parser = parse_asset, requires = "meter")]
    pub asset: Option<Address>,
    /// Nothing of the call counts as spending: it may do what the function can do, as often as the ring takes turns
    #[arg(long, conflicts_with = "meter")]
    pub unmetered: bool,
    /// Take the permission away
    #[arg(long, conflicts_with_all = ["meter", "unmetered"])]
    pub remove: bool,
    /// How.
    #[command(flatten)]
    pub how: H,
}

impl<H: Args> PermitArgs<H> {
    /// What is wanted, and how it is to be carried out.
    pub fn into_parts(self) -> (Wish, H) {
        let wish = match self.permission() {
            Ok(permission) => Wish::Act(Action::SetPermissions { ring: self.ring, permissions: vec![permission] }),
            Err(impossible) => Wish::Impossible(impossible),
        };
        (wish, self.how)
    }

    fn permission(&self) -> Result<Permission, crate::error::Error> {
        let target = self.target.unwrap_or_default();
        let kept = Permission { allowed: !self.remove, ..Permission::bare(target) };
        if self.remove {
            // Nothing of it counts but what it was for.
            let selector = self.selector.or(self.call.as_ref().map(Function::selector));
            return Ok(Permission { selector: selector.unwrap_or(kept.selector), ..kept });
        }
        let Some(function) = &self.call else { return Ok(kept) };
        if self.meter.is_none() && !self.unmetered {
            return Err(crate::error::Error::MeterMissing { function: function.signature().to_owned() });
        }
        Ok(function.permission(target, self.meter.as_ref().zip(self.asset))?)
    }
}
