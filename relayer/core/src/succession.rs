//! A change of the ring's keys that was announced to its seats: they go on in the next epoch by themselves.

use crate::{
    effect::Action,
    event::{ChainView, ObservedTurn},
    state::{Joined, State, Step},
};

impl State {
    /// Whether the ring has become what was announced, by the one change that follows this seat's epoch.
    pub(crate) fn is_succeeded(&self, view: &ChainView, joined: Joined) -> bool {
        Some(view.epoch) == joined.epoch.checked_add(1) && Some(view.charter) == self.settings.next_charter
    }

    /// The turns that are this state's to judge. Those of a later epoch are signed by keys that it does not know.
    pub(crate) fn own_turns<'a>(&self, view: &'a ChainView) -> impl Iterator<Item = &'a ObservedTurn> + use<'a> {
        let epoch = self.epoch();
        view.turns.iter().take_while(move |turn| Some(turn.epoch) <= epoch)
    }

    /// Has this seat go on in the next epoch, once its own is finally over and each turn of it is settled: nothing that its
    /// old key signed can be executed any more, and no turn of the new epoch is passed over.
    pub(crate) fn succeed(&mut self, step: &mut Step) {
        let Some((joined, view)) = self.joined.zip(self.chain.as_ref()) else { return };
        if self.halt.is_some() || !self.is_succeeded(view, joined) {
            return;
        }
        let is_final = view.final_epoch == view.epoch || planted!(SucceededTooSoon);
        if is_final && self.own_turns(view).all(|turn| turn.nonce < self.first_open) {
            let (epoch, nonce, charter) = (view.epoch, self.first_open, view.charter);
            step.actions.push(Action::Succeed { epoch, nonce, charter });
        }
    }
}
