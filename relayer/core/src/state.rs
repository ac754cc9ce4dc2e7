//! The state of a seat, and the one way it changes durably.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ring_contracts::{Address, B256, CompactSignature, RequestId, Turn, TurnId};
use serde::Serialize;

use crate::{
    early::Early,
    effect::{Action, Effects},
    event::{Block, ChainView, Event},
    evidence::Inquiries,
    halt::Halt,
    pool::Pool,
    record::{Past, Record},
    seats::Seats,
    settings::{Settings, SettingsError},
    sharing::Sharing,
};

pub(crate) type Step = Effects;

/// The state of one seat. What is durable in it comes from applied [`Record`]s; the rest is rebuilt from the chain and the
/// peers after a restart.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) settings: Settings,
    pub(crate) seat: usize,

    // Durable.
    /// Since when this seat takes part. `None`: it was never started.
    pub(crate) joined: Option<Joined>,
    pub(crate) halt: Option<Halt>,
    /// Requests without an end yet. Those with one are in the store alone.
    pub(crate) pool: Pool,
    /// The nonces of this epoch that are not final, as far as anything is known of them.
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// The digests of contents of earlier epochs for nonces that are not final: this seat agreed to them.
    pub(crate) former: BTreeMap<u64, BTreeSet<B256>>,
    /// The first nonce that is not final.
    pub(crate) first_open: u64,
    /// The block of the last final turn.
    pub(crate) final_block: Option<u64>,

    // Volatile.
    /// The requests that have ended in the step under way: the store knows nothing of them yet.
    pub(crate) just_ended: BTreeSet<RequestId>,
    pub(crate) chain: Option<Arc<ChainView>>,
    /// What peers said of nonces that have not come.
    pub(crate) early: Early,
    pub(crate) now: u64,
    /// None of the requests that arrived before this fits into any turn at the present view.
    pub(crate) none_fits_before: u64,
    /// What each peer is being sent of the requests that it is not known to have.
    pub(crate) sharing: BTreeMap<usize, Sharing>,
    /// What each peer is being sent of the cancellations that it has not confirmed.
    pub(crate) sharing_cancellations: BTreeMap<usize, Sharing>,
    /// What this seat's own sources are to be asked.
    pub(crate) inquiries: Inquiries,
    /// Executed turns that nobody has explained yet: since which tick.
    pub(crate) unexplained: BTreeMap<u64, u64>,
    /// The nonce at the head, and at which tick it got there.
    pub(crate) head_since: (u64, u64),
    /// The last tick at which this was sent, by what it is.
    pub(crate) last_sent: BTreeMap<Resend, u64>,
}

/// Where a seat takes part from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) epoch: u32,
    pub(crate) nonce: u64,
}

/// What is known of one nonce of this epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// Contents in order, by digest.
    pub(crate) contents: BTreeMap<B256, Turn>,
    /// The one content that this seat's key may sign.
    pub(crate) reserved: Option<B256>,
    /// Whether this seat's key may sign the void.
    pub(crate) void_reserved: bool,
    /// Who signed what.
    pub(crate) votes: BTreeMap<B256, BTreeMap<usize, CompactSignature>>,

    // Volatile.
    /// Contents that this seat does not agree to: which turns they are, until when each could be executed, and the hashes of
    /// their calls.
    pub(crate) refused: BTreeMap<B256, (TurnId, B256)>,
    /// Those of them against which there is only that this seat knows a request of theirs with other content: its client
    /// signed two.
    pub(crate) genuine: BTreeMap<B256, Turn>,
    /// Those of them against which there is only that a request of theirs is bound to another turn.
    pub(crate) bound_elsewhere: BTreeSet<B256>,
    /// Those of them that carry a request which was cancelled.
    pub(crate) cancelled: BTreeSet<B256>,
    /// Since which tick a digest has its quorum.
    pub(crate) complete_since: Option<(B256, u64)>,
    /// The digest this seat is having sent to the chain.
    pub(crate) submitted: Option<B256>,
    /// The peers that are known to have a content, since they showed it or signed it.
    pub(crate) seen_by: BTreeMap<B256, Seats>,
}

/// Something that is sent again until it has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resend {
    Turn { nonce: u64 },
    Signing { digest: B256 },
    Explain { nonce: u64 },
    Halt,
    HeardHalt { from: usize },
    Lease { over: bool },
}

/// A seat at a glance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The ring.
    pub ring: u32,
    /// This seat.
    pub seat: usize,
    /// Its key.
    pub key: Address,
    /// The epoch it takes part in.
    pub epoch: Option<u32>,
    /// The newest block seen.
    pub head: Option<Block>,
    /// The ring's next nonce.
    pub nonce: Option<u64>,
    /// The first nonce that is not final.
    pub first_open_nonce: u64,
    /// The seats that may sign the next turn, the lead first.
    pub window: Vec<usize>,
    /// Requests that wait for a turn.
    pub waiting: usize,
    /// Requests bound to a turn that is not final.
    pub bound: usize,
    /// Requests that were cancelled, while a turn with them may still be executed.
    pub cancelling: usize,
    /// Executed turns that nobody has explained yet.
    pub unexplained: Vec<u64>,
    /// Why this seat stands still, if it does.
    pub halted: Option<Halt>,
    /// The same in words.
    pub halted_because: Option<String>,
}

impl State {
    /// The state of a seat that remembers these records, in the order of their writing. Records that others made obsolete
    /// ([`Record::closes`]) may be left out.
    ///
    /// # Errors
    /// The settings are impossible.
    pub fn restore(settings: Settings, records: impl IntoIterator<Item = Record>) -> Result<Self, SettingsError> {
        let seat = settings.check()?;
        let pool = Pool::new((0..settings.charter.seats.len()).filter(|peer| *peer != seat));
        let mut state = Self {
            settings,
            seat,
            joined: None,
            halt: None,
            pool,
            slots: BTreeMap::new(),
            former: BTreeMap::new(),
            first_open: 0,
            final_block: None,
            just_ended: BTreeSet::new(),
            chain: None,
            early: Early::default(),
            now: 0,
            none_fits_before: 0,
            sharing: BTreeMap::new(),
            sharing_cancellations: BTreeMap::new(),
            inquiries: Inquiries::default(),
            unexplained: BTreeMap::new(),
            head_since: (0, 0),
            last_sent: BTreeMap::new(),
        };
        for record in records {
            if planted!(ReservationsForgotten) && matches!(record, Record::Reserved { .. }) {
                continue;
            }
            if planted!(CancellationForgotten) && matches!(record, Record::Withheld { .. }) {
                continue;
            }
            state.apply(&record);
        }
        Ok(state)
    }

    /// The requests that are decided about if these events are taken, without those that are open: of the others the store may
    /// know that they have ended.
    pub fn mentions(&self, events: &[Event]) -> Vec<RequestId> {
        let mentions = |event: &Event| match event {
            Event::Submitted(signed) => vec![signed.request.id],
            Event::Cancelled(signed) => vec![signed.cancellation.id],
            Event::Received { message, .. } => message.mentions(),
            Event::Chain(view) => self.early.mentions(view.nonce).collect(),
            _ => Vec::new(),
        };
        events.iter().flat_map(mentions).filter(|id| !self.is_open(*id)).collect()
    }

    /// Takes events, in their order, and says what is to be done about them all. `past` has to hold what the store knows of
    /// the requests that they mention ([`State::mentions`]) and that have ended.
    pub fn step(&mut self, events: impl IntoIterator<Item = Event>, past: &Past) -> Effects {
        let mut step = Step::default();
        let nothing = Past::new();
        let past = if planted!(SettledForgotten) { &nothing } else { past };
        self.just_ended.clear();
        for event in events {
            self.take(&mut step, event, past);
        }
        self.end_cancelled(&mut step);
        self.propose(&mut step);
        self.advance(&mut step);
        self.share_requests(&mut step);
        self.share_cancellations(&mut step);
        self.gather_evidence(&mut step);
        self.press_halt(&mut step);
        self.succeed(&mut step);
        step
    }

    fn take(&mut self, step: &mut Step, event: Event, past: &Past) {
        match event {
            Event::Submitted(signed) => self.submitted(step, signed, past),
            Event::Cancelled(signed) => self.cancelled(step, &signed, past),
            Event::Delivered { to, requests, confirmed } => {
                self.delivered(step, to, &requests);
                self.told(to, &confirmed);
            }
            Event::Found { request, evidence } => self.found(step, request, evidence),
            Event::ChainDisputed(dispute) => self.halt_now(step, Halt::ChainDisputed(dispute)),
            Event::Shortfall(shortfall) => self.halt_now(step, Halt::Shortfall(shortfall)),
            Event::HaltOrdered { reason } => self.halt_now(step, Halt::Ordered { reason }),
            Event::Tick => self.tick(step),
            Event::Chain(view) => self.observed(step, view, past),
            Event::Received { from, message } => self.received(step, from, message, past),
            Event::Signed { nonce, digest, signature } => self.signed(step, nonce, digest, signature),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which seat of the ring this is.
    pub fn seat(&self) -> usize {
        self.seat
    }

    /// The epoch this seat takes part in, if it was ever started.
    pub fn epoch(&self) -> Option<u32> {
        self.joined.map(|joined| joined.epoch)
    }

    /// Why this seat stands still, if it does.
    pub fn halt(&self) -> Option<&Halt> {
        self.halt.as_ref()
    }

    /// The first nonce that is not final: chain views start here.
    pub fn first_open_nonce(&self) -> u64 {
        self.first_open
    }

    /// The block of the last turn that is final, if there is one: nothing before it needs to be read again.
    pub fn final_block(&self) -> Option<u64> {
        self.final_block
    }

    /// The seat at a glance.
    pub fn overview(&self) -> Overview {
        let nonce = self.chain.as_ref().map(|view| view.nonce);
        Overview {
            ring: self.settings.ring,
            seat: self.seat,
            key: self.settings.key,
            epoch: self.epoch(),
            head: self.chain.as_ref().map(|view| view.head),
            nonce,
            first_open_nonce: self.first_open,
            window: nonce.map(|nonce| self.settings.charter.window_of(nonce).collect()).unwrap_or_default(),
            waiting: self.pool.count_waiting(),
            bound: self.pool.count_bound(),
            cancelling: self.pool.count_withheld(),
            unexplained: self.unexplained.keys().copied().collect(),
            halted: self.halt.clone(),
            halted_because: self.halt.as_ref().map(ToString::to_string),
        }
    }

    /// Remembers a fact: applies it and has it made durable.
    pub(crate) fn record(&mut self, step: &mut Step, record: Record) {
        self.just_ended.extend(record.ends().into_iter().map(|(request, _)| request));
        self.apply(&record);
        if let Record::Request(signed) = &record {
            // Nothing else is recorded.
            self.pool.note_verified(signed.request.id);
        }
        step.records.push(record);
    }

    /// Whether a request is known to have ended.
    pub(crate) fn has_ended(&self, id: RequestId, past: &Past) -> bool {
        past.contains_key(&id) || self.just_ended.contains(&id)
    }

    /// The one place where durable state changes.
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Joined { epoch, nonce } => {
                self.take_part(Joined { epoch: *epoch, nonce: *nonce });
                self.halt = None;
            }
            Record::Succeeded { epoch, nonce, .. } => self.take_part(Joined { epoch: *epoch, nonce: *nonce }),
            Record::Request(signed) => {
                let digest = signed.request.digest(&self.settings.domain);
                self.pool.insert(signed.clone(), digest);
                if self.needs_evidence(&signed.request)
                    && let Some(tracked) = self.pool.get(signed.request.id)
                {
                    self.inquiries.add(tracked);
                }
            }
            Record::Withheld { request, cancellation } => {
                self.pool.withhold(*request, *cancellation);
                self.consider_cancelled(*request);
            }
            Record::Content(turn) => {
                let place = (turn.id().epoch, turn.id().nonce);
                for call in turn.calls() {
                    self.pool.bind(call.request_id, place);
                }
                if self.epoch() == Some(place.0) && place.1 >= self.first_open {
                    let digest = turn.digest(&self.settings.domain);
                    self.slots.entry(place.1).or_default().contents.insert(digest, turn.clone());
                }
            }
            Record::Reserved { nonce, digest, void } => {
                let slot = self.slots.entry(*nonce).or_default();
                if *void {
                    slot.void_reserved = true;
                } else {
                    slot.reserved = Some(*digest);
                }
            }
            Record::Voted { nonce, digest, seat, signature } => {
                let slot = self.slots.entry(*nonce).or_default();
                slot.votes.entry(*digest).or_default().insert(*seat, *signature);
            }
            Record::Final { nonce, settled, block, .. } => {
                for (request, _) in settled {
                    self.pool.remove(*request);
                }
                self.pool.free(|(_, bound)| bound == *nonce);
                self.slots.remove(nonce);
                self.former.remove(nonce);
                self.first_open = nonce + 1;
                self.final_block = Some(*block);
            }
            Record::Settled { request, .. } => self.pool.remove(*request),
            Record::EpochOver { epoch } => self.pool.free(|(bound, _)| bound < *epoch),
            Record::Halted(halt) => self.halt = Some(halt.clone()),
        }
    }

    fn take_part(&mut self, joined: Joined) {
        // What was signed in an epoch stays in force as long as the epoch: going on in it forgets nothing.
        if self.epoch() != Some(joined.epoch) && !planted!(GuardWithoutEpoch) {
            for (nonce, slot) in std::mem::take(&mut self.slots) {
                self.former.entry(nonce).or_default().extend(slot.contents.into_keys());
            }
        }
        self.joined = Some(joined);
    }

    /// Whether `period` ticks have passed since this was sent last; if so, it counts as sent now.
    pub(crate) fn due(&mut self, what: Resend, period: u64) -> bool {
        let due = self.last_sent.get(&what).is_none_or(|last| self.now >= last + period);
        if due {
            self.last_sent.insert(what, self.now);
        }
        due
    }

    /// All seats but this one.
    pub(crate) fn peers(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.seat;
        (0..self.settings.charter.seats.len()).filter(move |seat| *seat != own)
    }

    /// Stops for good, until a person lets this seat go on.
    pub(crate) fn halt_now(&mut self, step: &mut Step, halt: Halt) {
        if self.halt.is_some() {
            return;
        }
        // What the same step asked for before.
        step.actions.retain(|action| !matches!(action, Action::Sign { .. }));
        step.actions.push(Action::Alarm { reason: halt.to_string() });
        if planted!(HaltNotRecorded) {
            self.halt = Some(halt);
            return;
        }
        self.record(step, Record::Halted(halt));
    }
}
