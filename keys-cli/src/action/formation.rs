//! The arguments that form a ring.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use clap::Args;
use ring_contracts::Charter;
use ring_keystore::files;
use serde_json::Value;

use super::{arguments::AssetAndCap, wish::Wish};
use crate::{
    cli::parse_address,
    error::Error,
    time::{self, Expiry},
};

/// A ring as it is to be.
#[derive(Debug, Args)]
pub struct FormationArgs<H: Args> {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// A file with the whole charter as JSON, or what `ring show --json` printed, instead of the options that follow
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "window", "quorum", "asset", "cap", "decimals", "period", "turns_per_period", "interval", "expires", "last_nonce",
        "seat",
    ])]
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
    /// How fast and for how long.
    #[command(flatten)]
    pub lease: Option<Lease>,
    /// The operators' keys in ring order; give the option once for each, or one list with commas
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', num_args = 1.., value_parser = parse_address,
          required_unless_present = "charter")]
    pub seat: Vec<Address>,
    /// How.
    #[command(flatten)]
    pub how: H,
}

/// How fast a ring may go, and for how long: a charter is a lease.
#[derive(Clone, Debug, Args)]
pub struct Lease {
    /// The most turns in one period of the cap, void ones included
    #[arg(long, value_name = "TURNS")]
    pub turns_per_period: u32,
    /// The least time between two turns, so that a halt has a block to land in: 12s, 5m, or 0 for none
    #[arg(long, value_name = "SPAN", default_value = "0", value_parser = time::parse_interval)]
    pub interval: u32,
    /// When turns cease to execute, unless the ring is formed anew: 90d, 2027-06-30, 2027-06-30T12:00:00Z (UTC), or `never`
    #[arg(long, value_name = "WHEN")]
    pub expires: Expiry,
    /// The last turn that executes [default: there is none]
    #[arg(long, value_name = "NONCE")]
    pub last_nonce: Option<u64>,
}

impl<H: Args> FormationArgs<H> {
    /// What is wanted, and how it is to be carried out.
    pub fn into_parts(self) -> (Wish, H) {
        let wish = match (self.charter, self.window, self.main, self.lease) {
            (Some(file), ..) => Wish::FormFrom { ring: self.ring, file },
            (None, Some(window), Some(main), Some(lease)) => {
                let quorum = self.quorum.unwrap_or(window);
                Wish::Form { ring: self.ring, window, quorum, main, lease, seats: self.seat }
            }
            (None, ..) => unreachable!("clap demands window, asset, cap, period and lease where there is no charter"),
        };
        (wish, self.how)
    }
}

/// A charter by itself, or in what `ring show --json` printed.
///
/// # Errors
/// The file cannot be read, or is no charter.
pub fn read_charter(path: &Path) -> Result<Charter, Error> {
    let content = files::read(path)?;
    let parsed = serde_json::from_slice::<Value>(&content)
        .and_then(|mut whole| serde_json::from_value(whole.get_mut("charter").map(Value::take).unwrap_or(whole)));
    parsed.map_err(|reason| Error::NotACharter { path: path.to_owned(), reason })
}
