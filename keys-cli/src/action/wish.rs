//! From what somebody wants to what is signed.

use std::path::PathBuf;

use alloy::primitives::{Address, Bytes, U256};
use ring_contracts::{Action, Charter, Halt, LimitSetting, RequestId};

use super::{
    arguments::AssetAndCap,
    formation::{Lease, read_charter},
};
use crate::{
    amount::Amount,
    chain::Chain,
    error::Error,
    ring::{self, Ring},
    time::{self, Expiry},
};

/// What somebody wants done, before amounts are looked up and the epoch is known.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the arguments")]
pub enum Wish {
    /// Something that needs nothing more.
    Act(Action),
    /// Something that cannot be, whatever the chain says.
    Impossible(Error),
    /// A ring is to be formed with this main asset.
    Form { ring: u32, window: u8, quorum: u8, main: AssetAndCap, lease: Lease, seats: Vec<Address> },
    /// A ring is to be formed with the charter in a file.
    FormFrom { ring: u32, file: PathBuf },
    /// A halted ring is to go on.
    Resume { ring: u32 },
    /// A seat is to have a new key.
    Replace { ring: u32, seat: u8, key: Address, and_resume: bool },
    /// An asset is to be capped.
    Allow { ring: u32, limit: AssetAndCap },
    /// One payment is to pass outside the cap.
    PermitPayment { ring: u32, request: RequestId, to: Address, amount: Amount, decimals: Option<u8> },
    /// The contract is to make a call.
    Execute { target: Address, value: Amount, data: Bytes, gas: u64 },
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

impl Wish {
    /// Looks up what is missing, the ring's epoch above all, and checks what can be checked without asking who signs.
    pub(super) async fn resolve(self, chain: &Chain) -> Result<Intent, Error> {
        let action = match self {
            Self::Act(action) => action,
            Self::Impossible(error) => return Err(error),
            Self::Form { ring, window, quorum, main, lease, seats } => {
                let now = chain.connection().time().await?.max(time::now());
                let expires_at = lease.expires.from(now).map_err(Error::Expiry)?;
                let AssetAndCap { asset, period, .. } = main;
                let Lease { turns_per_period, interval, last_nonce, .. } = lease;
                let last_nonce = last_nonce.unwrap_or(Charter::NO_LAST_NONCE);
                let cap = main.cap_in(chain, 96).await?;
                let charter = Charter {
                    window,
                    quorum,
                    asset,
                    cap,
                    period,
                    turns_per_period,
                    interval,
                    expires_at,
                    last_nonce,
                    seats,
                };
                form(chain, ring, charter).await?
            }
            Self::FormFrom { ring, file } => form(chain, ring, read_charter(&file)?).await?,
            Self::Resume { ring } => Action::Resume { ring, epoch: ring::read_view(chain, ring).await?.epoch },
            Self::Replace { ring, seat, key, and_resume } => {
                let epoch = ring::read_view(chain, ring).await?.epoch;
                Action::Replace { ring, epoch, seat, key, and_resume }
            }
            Self::Allow { ring, limit } => {
                let AssetAndCap { asset, period, .. } = limit;
                let cap = limit.cap_in(chain, 104).await?;
                Action::SetLimits { ring, limits: vec![LimitSetting { asset, cap, period }] }
            }
            Self::PermitPayment { ring, request, to, amount, decimals } => {
                let Ring { view, charter, .. } = Ring::read(chain, ring).await?;
                let asset = charter.asset;
                let amount = in_smallest_unit(chain, &amount, asset, decimals, 96).await?;
                Action::PermitPayment { ring, epoch: view.epoch, request_id: request, asset, to, amount }
            }
            Self::Execute { target, value, data, gas } => {
                Action::MasterExecute { target, value: value.of(Address::ZERO, None, 256)?, data, gas }
            }
            Self::Halt { ring } => {
                let epoch = ring::read_view(chain, ring).await?.epoch;
                return Ok(Intent::Halt(Halt { ring, epoch }));
            }
        };
        action.check()?;
        Ok(Intent::Act(action))
    }
}

async fn form(chain: &Chain, ring: u32, charter: Charter) -> Result<Action, Error> {
    charter.check()?;
    // The contract would take it: a ring that never takes a turn.
    let now = chain.connection().time().await?.max(time::now());
    Expiry::At(charter.expires_at).from(now).map_err(Error::Expiry)?;
    // A ring that does not exist is in epoch 0.
    Ok(Action::FormRing { ring, epoch: ring::read_any_view(chain, ring).await?.epoch, charter })
}

impl AssetAndCap {
    async fn cap_in(&self, chain: &Chain, bits: usize) -> Result<u128, Error> {
        in_smallest_unit(chain, &self.cap, self.asset, self.decimals, bits).await
    }
}

/// An amount in the smallest unit of its asset; tokens are asked for their decimals if need be.
pub(crate) async fn in_smallest_unit(
    chain: &Chain,
    amount: &Amount,
    asset: Address,
    decimals: Option<u8>,
    bits: usize,
) -> Result<u128, Error> {
    let decimals = match amount.counts_tokens() && !asset.is_zero() {
        true => chain.decimals(decimals, asset).await?,
        false => None,
    };
    let amount: U256 = amount.of(asset, decimals, bits)?;
    Ok(amount.to())
}
