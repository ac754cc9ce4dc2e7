//! Whether requests are genuine by this seat's own sources, beside their signatures: asking them, and telling the peers, so that
//! nobody proposes what another seat of the window would not sign yet.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::RequestId;

use crate::{
    effect::Action,
    message::Message,
    pool::Tracked,
    seats::Seats,
    sharing::Sharing,
    state::{State, Step},
};

/// How many requests are asked about at a time.
const MOST_INQUIRIES: usize = 256;
/// How many confirmations go into one message.
const CONFIRMATIONS_PER_MESSAGE: usize = 2_000;

/// How many of the requests that wait are kept confirmed: those that the next turns take.
const MOST_RENEWED: usize = 1_024;

/// What this seat's own sources say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// All of them know it as it is.
    Genuine,
    /// Not all of them know it by now, or one could not be asked: they are asked again.
    NotYet,
    /// One of them contradicts it. This seat never signs it.
    Refuted {
        /// How.
        reason: String,
    },
}

/// What is known of one request. Volatile: after a restart the sources are asked again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Findings {
    /// Which seats' sources confirm it, this one included.
    confirmed_by: Seats,
    /// At which tick this seat's did last.
    confirmed_at: u64,
    refuted: bool,
}

impl Findings {
    pub(crate) fn is_confirmed_by(self, seat: usize) -> bool {
        self.confirmed_by.contains(seat) && !self.refuted
    }
}

/// What is to be asked and told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inquiries {
    /// From which tick on which request is to be asked about, by arrival.
    due: BTreeSet<(u64, u64, RequestId)>,
    /// About which it was asked.
    asked: BTreeSet<RequestId>,
    /// About which it is asked again, though they are confirmed.
    renewed: BTreeSet<RequestId>,
    /// What each peer has not been told to be confirmed here, by arrival.
    untold: BTreeMap<usize, BTreeMap<u64, RequestId>>,
    telling: BTreeMap<usize, Sharing>,
}

impl Inquiries {
    /// A request is there to be asked about.
    pub(crate) fn add(&mut self, tracked: &Tracked) {
        self.due.insert((0, tracked.arrival(), tracked.id()));
    }
}

impl State {
    /// Asks this seat's sources about what has come, and tells the peers what they confirm.
    pub(crate) fn gather_evidence(&mut self, step: &mut Step) {
        if self.halt.is_some() {
            return;
        }
        while self.inquiries.asked.len() < MOST_INQUIRIES
            && let Some((at, arrival, id)) = self.inquiries.due.first().copied()
            && at <= self.now
        {
            self.inquiries.due.remove(&(at, arrival, id));
            if let Some(tracked) = self.pool.get(id).filter(|tracked| !tracked.is_withheld()) {
                step.actions.push(Action::Inquire { request: tracked.signed.clone() });
                self.inquiries.asked.insert(id);
            } else {
                self.inquiries.renewed.remove(&id);
            }
        }
        let (now, period) = (self.now, self.settings.resend_ticks);
        for to in self.peers() {
            let Inquiries { untold, telling, .. } = &mut self.inquiries;
            let Some(untold) = untold.get_mut(&to) else { continue };
            untold.retain(|_, id| self.pool.get(*id).is_some());
            let from = |next| untold.range(next..).map(|(arrival, id)| (*arrival, *id));
            let requests = telling.entry(to).or_default().take((now, period), CONFIRMATIONS_PER_MESSAGE, from);
            if !requests.is_empty() {
                step.actions.push(Action::Send { to, message: Message::Confirmed { requests } });
            }
        }
    }

    /// This seat's sources answered.
    pub(crate) fn found(&mut self, step: &mut Step, request: RequestId, evidence: Evidence) {
        self.inquiries.asked.remove(&request);
        self.inquiries.renewed.remove(&request);
        let (own, now) = (self.seat, self.now);
        let Some(tracked) = self.pool.get_mut(request) else { return };
        match evidence {
            Evidence::Genuine => {
                let is_news = tracked.findings.confirmed_by.insert(own);
                tracked.findings.confirmed_at = now;
                let (arrival, holders) = (tracked.arrival(), tracked.holders());
                self.none_fits_before = self.none_fits_before.min(arrival);
                for peer in self.peers().filter(|peer| is_news && holders.contains(*peer)) {
                    self.inquiries.untold.entry(peer).or_default().insert(arrival, request);
                }
            }
            Evidence::NotYet => {
                // What they confirmed once they may not confirm now.
                tracked.findings.confirmed_by.remove(own);
                let at = self.now + self.settings.patience_ticks;
                self.inquiries.due.insert((at, tracked.arrival(), request));
            }
            Evidence::Refuted { reason } => {
                tracked.findings.refuted = true;
                step.actions.push(Action::Refuted { request, reason });
                self.warn_of_refuted(step, [request]);
            }
        }
    }

    /// Tells people if a turn made any of these requests though this seat's own sources refuted it. It does not halt: a client did
    /// ask for it, the others did agree to it, and it may be this seat's source that is wrong.
    pub(crate) fn warn_of_refuted(&self, step: &mut Step, requests: impl IntoIterator<Item = RequestId>) {
        let refuted = |id: &RequestId| self.pool.get(*id).is_some_and(|tracked| tracked.findings.refuted);
        for id in requests.into_iter().filter(refuted) {
            let turns = self.chain.iter().flat_map(|view| &view.turns);
            if let Some(turn) = turns.into_iter().find(|turn| turn.requests.contains(&id)) {
                let reason = format!(
                    "turn {} made request {id}, which this seat's own sources refute: unless they are wrong, halt the ring now, \
                     and find out what the other seats believe",
                    turn.nonce
                );
                step.actions.push(Action::Alarm { reason });
            }
        }
    }

    /// Has the sources asked again about what the next turns take and this one carries, before their confirmation is too old.
    pub(crate) fn renew_confirmations(&mut self) {
        let Some(lasts) = self.settings.confirmed_ticks else { return };
        let slot =
            self.chain.as_ref().and_then(|view| self.slots.get(&view.nonce)).filter(|slot| slot.reserved.is_none());
        let proposed = slot.into_iter().flat_map(|slot| slot.contents.values()).flat_map(|turn| turn.calls());
        let proposed = proposed.filter_map(|call| self.pool.get(call.request_id));
        let is_old = |tracked: &&Tracked| {
            tracked.findings.is_confirmed_by(self.seat) && self.now >= tracked.findings.confirmed_at + lasts.div_ceil(2)
        };
        let old: Vec<_> = proposed
            .chain(self.pool.waiting_from(0).take(MOST_RENEWED))
            .filter(is_old)
            .map(|tracked| (tracked.arrival(), tracked.id()))
            .collect();
        for (arrival, id) in old {
            if self.inquiries.renewed.insert(id) {
                self.inquiries.due.insert((self.now, arrival, id));
            }
        }
    }

    /// A peer has a request: it may want to know that it is confirmed here, perhaps again.
    pub(crate) fn offer_confirmation(&mut self, peer: usize, request: RequestId) {
        if let Some(tracked) = self.pool.get(request).filter(|tracked| tracked.findings.is_confirmed_by(self.seat)) {
            self.inquiries.untold.entry(peer).or_default().insert(tracked.arrival(), request);
        }
    }

    /// A peer's sources confirm requests.
    pub(crate) fn peer_confirmed(&mut self, from: usize, requests: &[RequestId]) {
        for id in requests {
            if let Some(tracked) = self.pool.get_mut(*id) {
                tracked.findings.confirmed_by.insert(from);
                self.none_fits_before = self.none_fits_before.min(tracked.arrival());
            }
        }
    }

    /// A peer was told.
    pub(crate) fn told(&mut self, to: usize, confirmed: &[RequestId]) {
        if confirmed.is_empty() {
            return;
        }
        self.inquiries.telling.entry(to).or_default().answered();
        let Some(untold) = self.inquiries.untold.get_mut(&to) else { return };
        for tracked in confirmed.iter().filter_map(|id| self.pool.get(*id)) {
            untold.remove(&tracked.arrival());
        }
    }

    /// Whether this seat may sign a request as far as its own sources go.
    pub(crate) fn is_confirmed(&self, tracked: &Tracked) -> bool {
        let is_recent =
            self.settings.confirmed_ticks.is_none_or(|lasts| self.now < tracked.findings.confirmed_at + lasts);
        !self.needs_evidence(&tracked.signed.request) || tracked.findings.is_confirmed_by(self.seat) && is_recent
    }

    /// Whether a turn with this request can find its quorum for a nonce, by what is known of the seats' sources.
    pub(crate) fn is_confirmed_in_window(&self, tracked: &Tracked, nonce: u64) -> bool {
        let charter = &self.settings.charter;
        let confirmed = charter.window_of(nonce).filter(|seat| tracked.findings.is_confirmed_by(*seat)).count();
        !self.needs_evidence(&tracked.signed.request)
            || self.is_confirmed(tracked) && confirmed >= usize::from(charter.quorum)
    }
}
