//! What peers say of turns whose nonces have not come.
//!
//! A seat's chain is often somewhat behind that of others. What it is told meanwhile is kept as it came, and heard when its
//! nonce has come. Until then nothing is believed, written down or bound because of it: else whoever proposes ahead of time
//! could hold requests back from all turns before.

use std::collections::BTreeMap;

use ring_contracts::RequestId;

use crate::{
    message::Message,
    record::Past,
    state::{State, Step},
};

/// What was said ahead of time, in the order in which it is heard: of each nonce, contents before votes for them. Of each peer
/// the last of either.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early(BTreeMap<(u64, Kind, usize), Message>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Turn,
    Votes,
}

impl Early {
    /// The requests that will be heard of once the ring is at this nonce.
    pub(crate) fn mentions(&self, nonce: u64) -> impl Iterator<Item = RequestId> {
        self.0.range(..(nonce.saturating_add(1), Kind::Turn, 0)).flat_map(|(_, message)| message.mentions())
    }

    fn take_until(&mut self, nonce: u64) -> impl Iterator<Item = (usize, Message)> + use<> {
        let later = self.0.split_off(&(nonce.saturating_add(1), Kind::Turn, 0));
        std::mem::replace(&mut self.0, later).into_iter().map(|((_, _, from), message)| (from, message))
    }
}

impl State {
    /// Keeps a message for later and returns none, if it is of a nonce that has not come.
    pub(crate) fn unless_early(&mut self, from: usize, message: Message) -> Option<Message> {
        let (kind, epoch, nonce) = match &message {
            Message::Turn { turn, .. } => (Kind::Turn, turn.id().epoch, turn.id().nonce),
            Message::Votes { epoch, nonce, .. } => (Kind::Votes, *epoch, *nonce),
            _ => return Some(message),
        };
        let Some(view) = self.chain.as_ref().filter(|view| nonce > view.nonce) else { return Some(message) };
        let charter = &self.settings.charter;
        let is_near = nonce - view.nonce <= charter.seats.len() as u64;
        // Whoever has no part in a turn has nothing to say of it before it is executed.
        let has_part = charter.position_in_window(nonce, from).is_some();
        if is_near && has_part && self.epoch() == Some(epoch) && self.halt.is_none() {
            self.early.0.insert((nonce, kind, from), message);
        }
        None
    }

    /// Hears what was said ahead of time of the nonces that have come.
    pub(crate) fn hear_early(&mut self, step: &mut Step, past: &Past) {
        let Some(nonce) = self.chain.as_ref().map(|view| view.nonce) else { return };
        for (from, message) in self.early.take_until(nonce) {
            self.hear(step, from, message, past);
        }
    }
}
