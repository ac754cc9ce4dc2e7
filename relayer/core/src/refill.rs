//! Which requests are refills, and that they need evidence.

use ring_contracts::Request;

use crate::{settings::Settings, state::State};

impl Settings {
    /// Whether a request is a refill of one of the ring's seats.
    pub fn is_refill(&self, request: &Request) -> bool {
        self.refill.is_some_and(|refill| refill.is(request, &self.domain, &self.charter.seats))
    }
}

impl State {
    /// Whether this seat's own sources have to confirm a request: of a refill always, for nobody else asked for it.
    pub(crate) fn needs_evidence(&self, request: &Request) -> bool {
        self.settings.evidence || self.settings.is_refill(request)
    }
}
