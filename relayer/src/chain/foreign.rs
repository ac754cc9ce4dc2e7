//! Noticing that somebody else sends transactions of the account.

use alloy::primitives::B256;
use futures::future::try_join_all;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
    transaction::Slots,
};

/// Goes through the account's nonces as they are used, and finds those that none of our transactions used.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// Nonces below this one are accounted for. `None`: the account was not looked at yet.
    next: Option<u64>,
    /// The nonce that seems to be somebody else's, and the head at which it seemed so first. Receipts may come later than
    /// the nonce, so one look is not believed.
    suspect: Option<(u64, B256)>,
}

impl Foreign {
    /// Looks at the nonces below `nonce`, which is the account's at `head`. Returns one that somebody else used.
    pub(super) async fn look<P>(
        &mut self,
        rpc: &Rpc,
        slots: &Slots<P>,
        nonce: u64,
        head: Header,
    ) -> Result<Option<u64>, Fault> {
        // What was used before this process began is not its to explain. A reorg makes nonces unused again.
        let mut next = self.next.unwrap_or(nonce).min(nonce);
        self.next = Some(next);
        while next < nonce {
            if !is_ours(rpc, slots.all_of(next)).await? {
                match self.suspect {
                    Some((suspect, since)) if suspect == next && since != head.hash => {
                        // Those that follow without a transaction of ours are told of with this one.
                        let ours = slots.next_from(next + 1).unwrap_or(nonce).min(nonce);
                        (self.next, self.suspect) = (Some(ours), None);
                        return Ok(Some(next));
                    }
                    Some((suspect, _)) if suspect == next => {}
                    _ => self.suspect = Some((next, head.hash)),
                }
                return Ok(None);
            }
            next += 1;
            self.next = Some(next);
        }
        Ok(None)
    }
}

/// Whether one of these transactions was mined.
pub(super) async fn is_ours(rpc: &Rpc, transactions: Vec<B256>) -> Result<bool, Fault> {
    let receipts = try_join_all(transactions.into_iter().map(|hash| rpc.mined(hash))).await?;
    Ok(receipts.iter().any(Option::is_some))
}
