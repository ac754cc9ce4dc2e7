//! Blocks at a steady pace.

use std::time::Duration;

use alloy::providers::{Provider, ext::AnvilApi};
use ring_anvil::Chain;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// Has a chain make a block by `evm_mine` again and again, until it is dropped.
#[derive(Debug)]
pub(crate) struct Miner {
    _task: AbortOnDropHandle<()>,
}

impl Miner {
    /// A block every so often; one that takes longer delays the next.
    pub(crate) fn start(chain: &Chain, every: Duration) -> Self {
        let provider = chain.provider().clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                if let Err(error) = provider.root().evm_mine(None).await {
                    // Whoever waits for a block says that none came.
                    eprintln!("the chain makes no block: {error:#}");
                    return;
                }
            }
        });
        Self { _task: AbortOnDropHandle::new(task) }
    }
}
