//! Putting a view together whose parts are all of one head.

use futures::{future::OptionFuture, join, try_join};
use ring_contracts::{IRingMultisig, RingMultisig};
use ring_core::{ChainView, ObservedTurn};

use super::{
    allowance::{self, Funds},
    fault::Fault,
    history::{Extent, History},
    rpc::{Header, Rpc},
    rules::{self, Rules},
    watcher::{Cursor, WatcherSettings},
};

/// How a ring stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) nonce: u64,
    pub(super) epoch: u32,
}

impl Standing {
    pub(super) fn of(ring: &IRingMultisig::RingView) -> Self {
        Self { nonce: ring.nonce.to(), epoch: ring.epoch }
    }
}

/// What was agreed on before, and holds.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// How the ring stood in the final block.
    pub(super) standing: Option<Standing>,
    /// What there was to spend, unless this seat is expected to sign the next turn.
    pub(super) funds: Option<Funds>,
}

/// A view, and what of it may do for the next one.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) view: ChainView,
    pub(super) funds: Funds,
}

/// Looks at the chain through one RPC.
#[derive(Debug)]
pub(super) struct Viewer {
    rpc: Rpc,
    settings: WatcherSettings,
    history: History,
    rules: Option<Rules>,
}

impl Viewer {
    pub(super) fn new(rpc: Rpc, settings: WatcherSettings) -> Self {
        let history = History::new(settings.domain.contract, settings.ring, settings.most_blocks);
        Self { rpc, settings, history, rules: None }
    }

    /// The chain as of `head`, of which a block is final. `new`: the blocks since the last head, if they are known.
    pub(super) async fn view(
        &mut self,
        cursor: Cursor,
        new: &[Header],
        head: Header,
        finalized: Header,
        known: Known,
    ) -> Result<Seen, Fault> {
        let seen = self.read(cursor, new, head, finalized, known).await;
        if let Err(Fault::Inconsistent(_)) = seen {
            // What was kept may be what is wrong.
            self.history.forget();
            self.rules = None;
        }
        seen
    }

    /// Whether these blocks follow the last head, and the RPC can be expected to tell what they change.
    pub(super) fn tells_of(&self, new: &[Header]) -> bool {
        self.history.tells_of(new)
    }

    /// Has them read again.
    pub(super) fn forget_rules(&mut self) {
        self.rules = None;
    }

    async fn read(
        &mut self,
        cursor: Cursor,
        new: &[Header],
        head: Header,
        finalized: Header,
        known: Known,
    ) -> Result<Seen, Fault> {
        let Self { rpc, settings, history, rules } = self;
        let (contract, question) = (settings.domain.contract, RingMultisig::getRingCall { ringId: settings.ring });
        // Whether they may still be good is known only with the events of the new blocks.
        let known_rules = rules.take().filter(|rules| history.is_followed_by(new) && rules.is_recent(head));
        let state = async {
            let final_ring = async {
                match known.standing {
                    Some(_) => Ok(None),
                    None => rpc.view(contract, &question, finalized.hash).await,
                }
            };
            let fresh_rules = known_rules.is_none().then(|| rules::read(rpc, settings, head));
            let fresh_rules = async { OptionFuture::from(fresh_rules).await.transpose() };
            let fresh_funds = known.funds.is_none().then(|| allowance::read(rpc, settings, head));
            let fresh_funds = async { OptionFuture::from(fresh_funds).await.transpose() };
            try_join!(rpc.view(contract, &question, head.hash), final_ring, fresh_rules, fresh_funds)
        };
        let turns = history.read(rpc, (cursor.first_open_nonce, cursor.from_block), new, finalized, head);
        // Not cut short when the other fails: what was read of a long history is kept.
        let (state, turns) = join!(state, turns);
        let ((ring, final_ring, fresh_rules, fresh_funds), (turns, extent)) = (state?, turns?);
        let current = match fresh_rules.or(known_rules.filter(|_| extent == Extent::OnlyTurns)) {
            Some(current) => current,
            None => rules::read(rpc, settings, head).await?,
        };
        let current = rules.insert(current);
        let ring =
            ring.ok_or_else(|| Fault::Malformed(format!("no contract at {contract} in block {}", head.number)))?;
        let nonce = ring.nonce.to();
        let may_hold = extent == Extent::OnlyTurns && !settings.may_sign(nonce);
        let funds = match fresh_funds.or(known.funds.filter(|_| may_hold)) {
            Some(funds) => funds,
            None => allowance::read(rpc, settings, head).await?,
        };
        // Before the contract was deployed there was no ring.
        let read = || final_ring.map_or(Standing { nonce: 0, epoch: 0 }, |ring| Standing::of(&ring));
        let final_standing = known.standing.unwrap_or_else(read);
        let turns: Vec<ObservedTurn> = turns.into_values().collect();
        check(&turns, &ring, final_standing, finalized, cursor)?;
        let view = ChainView {
            head: head.into(),
            finalized: finalized.into(),
            nonce,
            epoch: ring.epoch,
            halted: ring.halted,
            charter: ring.charter,
            final_nonce: final_standing.nonce,
            final_epoch: final_standing.epoch,
            turns,
            allowances: funds.allowances(&settings.charter, &settings.other_assets, &ring, head.time),
            permissions: current.permissions.clone(),
            master: current.master,
            earliest: allowance::earliest(&settings.charter, &ring, head.time),
        };
        Ok(Seen { view, funds })
    }
}

/// Turns, state and final state have to tell the same story.
fn check(
    turns: &[ObservedTurn],
    ring: &IRingMultisig::RingView,
    Standing { nonce: final_nonce, epoch: final_epoch }: Standing,
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
