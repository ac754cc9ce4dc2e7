//! The state of a seat, and the one way it changes durably.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ring_contracts::{Address, B256, CompactSignature, RequestId, SignedRequest, Turn};
use serde::Serialize;

use crate::{
    effect::{Action, Effects},
    event::{Block, ChainView, Event},
    halt::Halt,
    record::{Outcome, Record},
    settings::{Settings, SettingsError},
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
    /// Requests without an end yet.
    pub(crate) open: BTreeMap<RequestId, Tracked>,
    /// The ids of `open` in the order of their arrival.
    pub(crate) arrival: VecDeque<RequestId>,
    pub(crate) settled: BTreeMap<RequestId, Settled>,
    /// The nonces of this epoch that are not final, as far as anything is known of them.
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// The digests of contents of earlier epochs for nonces that are not final: this seat agreed to them.
    pub(crate) former: BTreeMap<u64, BTreeSet<B256>>,
    /// The first nonce that is not final.
    pub(crate) first_open: u64,
    /// The block of the last final turn.
    pub(crate) final_block: Option<u64>,

    // Volatile.
    pub(crate) chain: Option<ChainView>,
    pub(crate) now: u64,
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

/// A request without an end yet.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) signed: SignedRequest,
    pub(crate) digest: B256,
    /// The one turn that may carry it.
    pub(crate) bound: Option<(u32, u64)>,
    /// The peers that are known to have it on disk. Volatile.
    pub(crate) holders: BTreeSet<usize>,
}

/// A request with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// `None`: known from the chain alone.
    pub(crate) digest: Option<B256>,
    pub(crate) outcome: Outcome,
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
    /// Contents that this seat does not agree to, and until when each could be executed.
    pub(crate) refused: BTreeMap<B256, u64>,
    /// Those of them against which there is only that this seat knows a request of theirs with other content: its client
    /// signed two.
    pub(crate) genuine: BTreeMap<B256, Turn>,
    /// Since which tick a digest has its quorum.
    pub(crate) complete_since: Option<(B256, u64)>,
    /// The digest this seat is having sent to the chain.
    pub(crate) submitted: Option<B256>,
}

/// Something that is sent again until it has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resend {
    Requests { to: usize },
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
    /// Requests with an end.
    pub settled: usize,
    /// Executed turns that nobody has explained yet.
    pub unexplained: Vec<u64>,
    /// Why this seat stands still, if it does.
    pub halted: Option<Halt>,
    /// The same in words.
    pub halted_because: Option<String>,
}

impl State {
    /// The state of a seat that remembers these records, in the order of their writing.
    ///
    /// # Errors
    /// The settings are impossible.
    pub fn restore(settings: Settings, records: impl IntoIterator<Item = Record>) -> Result<Self, SettingsError> {
        let seat = settings.check()?;
        let mut state = Self {
            settings,
            seat,
            joined: None,
            halt: None,
            open: BTreeMap::new(),
            arrival: VecDeque::new(),
            settled: BTreeMap::new(),
            slots: BTreeMap::new(),
            former: BTreeMap::new(),
            first_open: 0,
            final_block: None,
            chain: None,
            now: 0,
            unexplained: BTreeMap::new(),
            head_since: (0, 0),
            last_sent: BTreeMap::new(),
        };
        for record in records {
            state.apply(&record);
        }
        Ok(state)
    }

    /// Takes one event and says what is to be done about it.
    pub fn step(&mut self, event: Event) -> Effects {
        let mut step = Step::default();
        match event {
            Event::Submitted(signed) => self.submitted(&mut step, signed),
            Event::Delivered { to, requests } => self.delivered(&mut step, to, &requests),
            Event::HaltOrdered { reason } => self.halt_now(&mut step, Halt::Ordered { reason }),
            Event::Tick => self.tick(&mut step),
            Event::Chain(view) => self.observed(&mut step, view),
            Event::Received { from, message } => self.received(&mut step, from, message),
            Event::Signed { nonce, digest, signature } => self.signed(&mut step, nonce, digest, signature),
        }
        step
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
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
        let bound = self.open.values().filter(|tracked| tracked.bound.is_some()).count();
        Overview {
            ring: self.settings.ring,
            seat: self.seat,
            key: self.settings.key,
            epoch: self.epoch(),
            head: self.chain.as_ref().map(|view| view.head),
            nonce,
            first_open_nonce: self.first_open,
            window: nonce.map(|nonce| self.settings.charter.window_of(nonce).collect()).unwrap_or_default(),
            waiting: self.open.len() - bound,
            bound,
            settled: self.settled.len(),
            unexplained: self.unexplained.keys().copied().collect(),
            halted: self.halt.clone(),
            halted_because: self.halt.as_ref().map(ToString::to_string),
        }
    }

    /// Remembers a fact: applies it and has it made durable.
    pub(crate) fn record(&mut self, step: &mut Step, record: Record) {
        self.apply(&record);
        step.records.push(record);
    }

    /// The one place where durable state changes.
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Joined { epoch, nonce } => {
                // What was signed in an epoch stays in force as long as the epoch: going on in it forgets nothing.
                if self.epoch() != Some(*epoch) {
                    for (nonce, slot) in std::mem::take(&mut self.slots) {
                        self.former.entry(nonce).or_default().extend(slot.contents.into_keys());
                    }
                }
                self.joined = Some(Joined { epoch: *epoch, nonce: *nonce });
                self.halt = None;
            }
            Record::Request(signed) => {
                let id = signed.request.id;
                let digest = signed.request.digest(&self.settings.domain);
                let tracked = Tracked { signed: signed.clone(), digest, bound: None, holders: BTreeSet::new() };
                self.open.insert(id, tracked);
                self.arrival.push_back(id);
            }
            Record::Content(turn) => {
                let place = (turn.id().epoch, turn.id().nonce);
                for call in turn.calls() {
                    if let Some(tracked) = self.open.get_mut(&call.request_id) {
                        tracked.bound = Some(place);
                    }
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
                for (request, outcome) in settled {
                    self.settle(*request, *outcome);
                }
                self.free(|(_, bound)| bound == *nonce);
                self.slots.remove(nonce);
                self.former.remove(nonce);
                self.first_open = nonce + 1;
                self.final_block = Some(*block);
            }
            Record::Settled { request, outcome } => self.settle(*request, *outcome),
            Record::EpochOver { epoch } => self.free(|(bound, _)| bound < *epoch),
            Record::Halted(halt) => self.halt = Some(halt.clone()),
        }
    }

    fn settle(&mut self, request: RequestId, outcome: Outcome) {
        let digest = self.open.remove(&request).map(|tracked| tracked.digest);
        if digest.is_some() {
            self.arrival.retain(|id| *id != request);
        }
        // An end is for ever, even if somebody uses the id again.
        self.settled.entry(request).or_insert(Settled { digest, outcome });
    }

    fn free(&mut self, is_over: impl Fn((u32, u64)) -> bool) {
        for tracked in self.open.values_mut() {
            if tracked.bound.is_some_and(&is_over) {
                tracked.bound = None;
            }
        }
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
        step.actions.push(Action::Alarm { reason: halt.to_string() });
        self.record(step, Record::Halted(halt));
        self.press_halt(step);
    }
}
