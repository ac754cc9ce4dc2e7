//! Asks for gas money when this seat's account runs low: an ordinary request, which all seats check for themselves.

use std::{sync::Arc, time::Duration};

use ring_contracts::{Refill, RequestId, U256};
use ring_core::Phase;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{
    chain::Endpoints,
    driver::{Handle, Receipt, Stopped},
    signer::Signer,
};

/// How often the account is looked at.
const PAUSE: Duration = Duration::from_secs(20);

/// When an account is refilled. The same at every seat of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refilling {
    /// What it gets, and how often.
    pub refill: Refill,
    /// While it has less than this, in wei.
    pub below: U256,
}

/// Looks after the account of one seat.
pub struct Refiller {
    endpoints: Endpoints,
    signer: Arc<dyn Signer>,
    handle: Handle,
    ring: u32,
    refilling: Refilling,
    /// What people were told last, and of which refill.
    complained: Option<(RequestId, String)>,
}

impl Refiller {
    /// One for the account of this key in a ring.
    pub fn new(endpoints: Endpoints, signer: Arc<dyn Signer>, handle: Handle, ring: u32, refilling: Refilling) -> Self {
        Self { endpoints, signer, handle, ring, refilling, complained: None }
    }

    /// Works until the driver stops.
    pub async fn run(mut self) {
        let mut looks = interval(PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if self.look().await.is_err() {
                return;
            }
        }
    }

    async fn look(&mut self) -> Result<(), Stopped> {
        let (balance, now) = match self.endpoints.balance(self.signer.address()).await {
            Ok((balance, block)) => (balance, block.time),
            Err(error) => {
                warn!(%error, "the account's balance cannot be read");
                return Ok(());
            }
        };
        if balance >= self.refilling.below {
            return Ok(());
        }
        let signed = match self.signer.sign_refill(self.refilling.refill, self.ring, now).await {
            Ok(signed) => signed,
            Err(error) => {
                warn!(%error, "the refill could not be signed, trying again");
                return Ok(());
            }
        };
        let id = signed.request.id;
        let trouble = match self.handle.submit(signed, Duration::ZERO).await? {
            Receipt::Accepted(_) | Receipt::Waiting(_) => {
                info!(%balance, request = %id, "the account runs low: it asks for a refill");
                return Ok(());
            }
            Receipt::Known(status) => match status.phase {
                // More has to come in the next period.
                Phase::Final { .. } => "it was refilled in this period already, and runs low again".to_owned(),
                Phase::Failed { .. } => "the transfer to it failed".to_owned(),
                Phase::Expired | Phase::Cancelled | Phase::Disputed { .. } => "its refill was not executed".to_owned(),
                _ => return Ok(()),
            },
            Receipt::Refused(refusal) => refusal.to_string(),
        };
        if self.complained.as_ref().is_none_or(|(of, said)| (of, said) != (&id, &trouble)) {
            let account = self.signer.address();
            self.handle
                .raise(format!("the account {account} has {balance} wei and is not refilled: {trouble}"))
                .await?;
            self.complained = Some((id, trouble));
        }
        Ok(())
    }
}
