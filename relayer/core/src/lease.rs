//! The ring's lease and velocity: when its next turn can execute, and whether any can.

use crate::{
    effect::Action,
    event::ChainView,
    state::{Resend, State, Step},
};

/// How long before the end people are told, in seconds.
const WARNING: u64 = 7 * 86_400;
const DAY: u64 = 86_400;

impl State {
    /// Whether no turn executes any more until the master forms the ring anew.
    pub(crate) fn lease_is_over(&self, view: &ChainView) -> bool {
        let charter = &self.settings.charter;
        view.turn_time() > charter.expires_at || view.nonce > charter.last_nonce
    }

    /// Tells people once that the lease is about to end, and once that it is over. Nothing else stops: what was executed is
    /// settled, and a new epoch ends it.
    pub(crate) fn watch_lease(&mut self, step: &mut Step) {
        let Some(view) = &self.chain else { return };
        let charter = &self.settings.charter;
        let (over, left) = (self.lease_is_over(view), charter.expires_at.saturating_sub(view.head.time));
        if !over && left > WARNING {
            return;
        }
        let reason = match over {
            true => format!(
                "the ring's lease is over (it takes turns until {} and up to turn {}; it is {}, turn {} is next): NOTHING IS \
                 PAID until the master forms the ring anew",
                charter.expires_at, charter.last_nonce, view.head.time, view.nonce
            ),
            false => {
                format!("the ring's lease ends in {} days: have the master form the ring anew in time", left / DAY)
            }
        };
        if self.due(Resend::Lease { over }, u64::MAX / 2) {
            step.actions.push(Action::Alarm { reason });
        }
    }
}

impl ChainView {
    /// The earliest time that the next turn can have: that of the head, unless the ring has to wait longer.
    pub(crate) fn turn_time(&self) -> u64 {
        self.head.time.max(self.earliest)
    }
}
