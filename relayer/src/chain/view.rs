//! Putting a view together whose parts are all of one head.

use futures::{join, try_join};
use ring_contracts::{IRingMultisig, RingMultisig};
use ring_core::{ChainView, ObservedTurn};

use super::{
    allowance,
    fault::Fault,
    history::History,
    rpc::{Header, Rpc},
    watcher::{Cursor, WatcherSettings},
};

/// Looks at the chain through one RPC.
#[derive(Debug)]
pub(super) struct Viewer {
    rpc: Rpc,
    settings: WatcherSettings,
    history: History,
}

impl Viewer {
    pub(super) fn new(rpc: Rpc, settings: WatcherSettings) -> Self {
        let history = History::new(settings.domain.contract, settings.ring, settings.most_blocks);
        Self { rpc, settings, history }
    }

    /// The chain as of `head`, of which `finalized` is final.
    pub(super) async fn view(&mut self, cursor: Cursor, head: Header, finalized: Header) -> Result<ChainView, Fault> {
        let view = self.read(cursor, head, finalized).await;
        if let Err(Fault::Inconsistent(_)) = view {
            // What was kept may be what is wrong.
            self.history.forget();
        }
        view
    }

    async fn read(&mut self, cursor: Cursor, head: Header, finalized: Header) -> Result<ChainView, Fault> {
        let Self { rpc, settings, history } = self;
        let (contract, question) = (settings.domain.contract, RingMultisig::getRingCall { ringId: settings.ring });
        let assets = std::iter::once(settings.charter.asset).chain(settings.other_assets.iter().copied());
        let state = async {
            try_join!(
                rpc.view(contract, &question, head.hash),
                rpc.view(contract, &question, finalized.hash),
                allowance::read(rpc, &settings.domain, settings.ring, assets, head),
            )
        };
        let turns = history.read(rpc, (cursor.first_open_nonce, cursor.from_block), finalized, head);
        // Not cut short when the other fails: what was read of a long history is kept.
        let (state, turns) = join!(state, turns);
        let ((ring, final_ring, rules), turns) = (state?, turns?);
        // The state was read by the head's hash, the logs by numbers: only now is it known that they belong together.
        rpc.check_in_chain(head).await?;
        let ring =
            ring.ok_or_else(|| Fault::Malformed(format!("no contract at {contract} in block {}", head.number)))?;
        // Before the contract was deployed there was no ring.
        let (final_nonce, final_epoch) = final_ring.map_or((0, 0), |ring| (ring.nonce.to(), ring.epoch));
        let turns: Vec<ObservedTurn> = turns.into_values().collect();
        check(&turns, &ring, (final_nonce, final_epoch), finalized, cursor)?;
        Ok(ChainView {
            head: head.into(),
            finalized: finalized.into(),
            nonce: ring.nonce.to(),
            epoch: ring.epoch,
            halted: ring.halted,
            charter: ring.charter,
            final_nonce,
            final_epoch,
            turns,
            allowances: rules.allowances(&settings.charter, &settings.other_assets, &ring, head.time),
            permissions: rules.permissions,
            master: rules.master,
            earliest: allowance::earliest(&settings.charter, &ring, head.time),
        })
    }
}

/// Turns, state and final state have to tell the same story.
fn check(
    turns: &[ObservedTurn],
    ring: &IRingMultisig::RingView,
    (final_nonce, final_epoch): (u64, u32),
    finalized: Header,
    cursor: Cursor,
) -> Result<(), Fault> {
    let nonce: u64 = ring.nonce.to();
    if final_nonce > nonce || final_epoch > ring.epoch {
        let text =
            format!("nonce {final_nonce} and epoch {final_epoch} are final, the head is at {nonce} and {}", ring.epoch);
        return Err(Fault::Inconsistent(text));
    }
    let first = cursor.first_open_nonce;
    let nonces = |turns: &mut dyn Iterator<Item = &ObservedTurn>| turns.map(|turn| turn.nonce).collect::<Vec<_>>();
    let found = nonces(&mut turns.iter());
    if !found.iter().copied().eq(first..nonce) {
        let text = format!("turns {first} … {nonce} should be there (without the last), these are: {found:?}");
        return Err(Fault::Inconsistent(text));
    }
    let found = nonces(&mut turns.iter().filter(|turn| turn.block <= finalized.number));
    if !found.iter().copied().eq(first..final_nonce) {
        let text = format!("turns {first} … {final_nonce} should be final (without the last), these are: {found:?}");
        return Err(Fault::Inconsistent(text));
    }
    Ok(())
}
