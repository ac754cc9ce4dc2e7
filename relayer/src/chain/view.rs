//! Putting a view together whose parts are all of one head.

use alloy::eips::BlockNumberOrTag;
use futures::{join, try_join};
use ring_contracts::{B256, IRingMultisig, RingMultisig};
use ring_core::{ChainView, ObservedTurn};

use super::{
    allowance,
    fault::Fault,
    history::History,
    rpc::{Header, Rpc},
    watcher::{Cursor, Finality, WatcherSettings},
};

/// Looks at the chain.
#[derive(Debug)]
pub(super) struct Viewer {
    rpc: Rpc,
    settings: WatcherSettings,
    history: History,
    /// The head of the last view.
    seen: Option<B256>,
    /// The most that a view showed to be final.
    floor: Floor,
}

/// What was final once: turns below `nonce`, at block `block` at the latest.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    nonce: u64,
    block: u64,
}

impl Viewer {
    pub(super) fn new(rpc: Rpc, settings: WatcherSettings) -> Self {
        let history = History::new(settings.domain.contract, settings.ring, settings.most_blocks);
        Self { rpc, settings, history, seen: None, floor: Floor::default() }
    }

    /// The chain as of its head, or `None` if that is the head of the last view.
    pub(super) async fn look(&mut self, cursor: Cursor) -> Result<Option<ChainView>, Fault> {
        let head = self.rpc.head().await?;
        if self.seen == Some(head.hash) {
            return Ok(None);
        }
        let view = match self.view(cursor, head).await {
            // What was kept may be what is wrong.
            Err(fault @ Fault::Inconsistent(_)) => {
                self.history.forget();
                return Err(fault);
            }
            other => other?,
        };
        self.seen = Some(head.hash);
        if view.final_nonce > self.floor.nonce {
            self.floor = Floor { nonce: view.final_nonce, block: view.finalized.number };
        }
        Ok(Some(view))
    }

    async fn view(&mut self, cursor: Cursor, head: Header) -> Result<ChainView, Fault> {
        let finalized = self.finalized(head).await?;
        let Self { rpc, settings, history, .. } = self;
        let (contract, question) = (settings.domain.contract, RingMultisig::getRingCall { ringId: settings.ring });
        let state = async {
            let (ring, final_ring) =
                try_join!(rpc.view(contract, &question, head.hash), rpc.view(contract, &question, finalized.hash),)?;
            let ring =
                ring.ok_or_else(|| Fault::Malformed(format!("no contract at {contract} in block {}", head.number)))?;
            let terms = (settings.ring, &settings.charter);
            let assets = &settings.other_assets;
            let rules = allowance::read(rpc, &settings.domain, terms, assets, &ring, head).await?;
            // Before the contract was deployed there was no ring.
            Ok::<_, Fault>((ring, final_ring.map_or((0, 0), |ring| (ring.nonce.to(), ring.epoch)), rules))
        };
        let turns = history.read(rpc, (cursor.first_open_nonce, cursor.from_block), finalized, head);
        // Not cut short when the other fails: what was read of a long history is kept.
        let (state, turns) = join!(state, turns);
        let ((ring, (final_nonce, final_epoch), rules), turns) = (state?, turns?);
        // The state was read by the head's hash, the logs by numbers: only now is it known that they belong together.
        rpc.check_in_chain(head).await?;
        let turns: Vec<ObservedTurn> = turns.into_values().collect();
        check(&turns, &ring, (final_nonce, final_epoch), finalized, cursor)?;
        self.check_not_behind(final_nonce, finalized, cursor)?;
        let allowance::Rules { allowances, permissions, master } = rules;
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
            allowances,
            permissions,
            master,
            earliest: allowance::earliest(&self.settings.charter, &ring, head.time),
        })
    }

    async fn finalized(&self, head: Header) -> Result<Header, Fault> {
        let tag = match self.settings.finality {
            Finality::Tag => BlockNumberOrTag::Finalized,
            Finality::Depth(blocks) => BlockNumberOrTag::Number(head.number.saturating_sub(blocks)),
        };
        let finalized = match self.rpc.header(tag).await? {
            // A young chain, or a node that has just started, has nothing final but its first block.
            None => self.rpc.header(BlockNumberOrTag::Earliest).await?,
            some => some,
        };
        match finalized {
            Some(finalized) if finalized.number <= head.number => Ok(finalized),
            Some(finalized) => Err(Fault::Behind { at: head.number, known: finalized.number }),
            None => Err(Fault::Malformed("there is no first block".into())),
        }
    }

    /// A view in which final turns are missing means that the chain broke its finality, and halts the ring. An RPC that is
    /// merely behind shows the same, and is told apart by its finalized block: it has not come to the one seen before.
    fn check_not_behind(&self, final_nonce: u64, finalized: Header, cursor: Cursor) -> Result<(), Fault> {
        let given = Floor { nonce: cursor.first_open_nonce, block: cursor.from_block };
        let behind = |floor: &Floor| final_nonce < floor.nonce && finalized.number < floor.block;
        match [given, self.floor].into_iter().find(behind) {
            Some(floor) => Err(Fault::Behind { at: finalized.number, known: floor.block }),
            None => Ok(()),
        }
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
