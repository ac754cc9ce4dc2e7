//! The driver of a seat, in the order of the relayer's: look up what has ended, step, commit, act. It may end at any call
//! of the store or signer.

use std::collections::{BTreeMap, VecDeque};

use ring_contracts::{B256, Bytes, CompactSignature, Execution, Halt, RequestId, SignedRequest, Turn};
use ring_core::{Action, CancelledRequest, Effects, Event, Evidence, Message};
use ring_relayer::store::{DurableReservation, StoreError};

use super::{
    World,
    happening::{Body, Happening},
    limits,
    plan::Fault,
    promise::Promise,
    seat::{Process, Reply},
    words::{event_in_words, name, record_in_words},
};
use crate::{
    chain::{Floor, Purpose, RING, Transaction},
    disk::{self, Trouble},
};

/// How a process ends in the middle of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    Kill,
    PowerCut,
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeCommit,
    /// After so many operations of the disk.
    InCommit(u64),
    /// Before this one of its actions, of a hundred.
    BeforeAction(usize),
}

impl World {
    /// A process starts, if its disk lets it.
    pub(super) fn start(&mut self, seat: usize) {
        if self.seats[seat].process.is_some() || self.seats[seat].taken || self.seats[seat].known.epoch == 0 {
            return;
        }
        let (state, store) = match self.seats[seat].load() {
            Ok(loaded) => loaded,
            Err(error) => {
                let excused = self.has_trouble(seat);
                self.check(excused, Promise::Remembered, || format!("seat {seat} cannot start again: {error}"));
                self.note(|| format!("seat {seat} cannot start: {error}"));
                self.stop(seat);
                let later = self.now + self.chance.time.between(2_000, 20_000);
                self.queue.add(later, Happening::Start { seat });
                return;
            }
        };
        self.note(|| format!("seat {seat} starts"));
        let process = Process {
            state,
            store,
            limits: self.limits(),
            inbox: VecDeque::new(),
            called: false,
            unwritten: Vec::new(),
            wanted: None,
            view: None,
            floor: Floor::default(),
        };
        self.seats[seat].life += 1;
        self.seats[seat].process = Some(process);
        self.check_remembered(seat);
        let life = self.seats[seat].life;
        let first = self.now + self.chance.time.below(self.plan.tick_milliseconds);
        self.queue.add(first, Happening::Tick { seat, life });
    }

    /// Something for a seat's process. It waits until the driver looks.
    pub(super) fn feed(&mut self, seat: usize, event: Event, reply: Option<Reply>) {
        let Some(process) = self.seats[seat].process.as_mut() else { return };
        process.inbox.push_back((event, reply));
        if !std::mem::replace(&mut process.called, true) {
            let life = self.seats[seat].life;
            let soon = self.now + self.chance.batches.below(60);
            self.queue.add(soon, Happening::Work { seat, life });
        }
    }

    /// The driver looks at its inbox: mostly it takes all.
    pub(super) fn work(&mut self, seat: usize, life: u64) {
        if self.seats[seat].life != life {
            return;
        }
        let alone = self.chance.batches.chance(200);
        let Some(process) = self.seats[seat].process.as_mut() else { return };
        let most = if alone { 1 } else { process.inbox.len() };
        let batch: Vec<_> = process.inbox.drain(..most).collect();
        process.called = !process.inbox.is_empty();
        if process.called {
            self.queue.add(self.now, Happening::Work { seat, life });
        }
        let (events, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.step(seat, events) {
            Ok(true) => {
                for Reply { to, requests, confirmed } in replies.into_iter().flatten() {
                    self.send(seat, to, Body::Kept { requests, confirmed });
                }
            }
            Ok(false) => {}
            Err(error) => self.fail(seat, &error),
        }
    }

    /// The store failed: the process ends, and is started again.
    fn fail(&mut self, seat: usize, error: &StoreError) {
        let excused = self.has_trouble(seat);
        self.check(excused, Promise::Sound, || format!("the store of seat {seat} fails without a fault: {error}"));
        self.note(|| format!("seat {seat} stops: {error}"));
        self.counts.fault("stopped by its disk");
        self.stop(seat);
        self.start_later(seat);
    }

    /// Somebody or something starts the process again.
    pub(super) fn start_later(&mut self, seat: usize) {
        let pause = if self.chance.time.chance(700) { 3_000 } else { 12 * self.plan.block_seconds * 1_000 };
        let later = self.now + self.chance.time.below(pause);
        self.queue.add(later, Happening::Start { seat });
    }

    /// One step. Whether the process is still there afterwards.
    fn step(&mut self, seat: usize, events: Vec<Event>) -> Result<bool, StoreError> {
        let was_halted = self.seats[seat].known.halted;
        let crash = self.crash();
        let told = self.describe(&events);
        let submitted = submitted(&events);
        let Some(Process { state, store, .. }) = self.seats[seat].process.as_mut() else { return Ok(false) };
        let finality_broken = Self::shows_broken_finality(&events, state.first_open_nonce());
        let past = store.settled(state.mentions(&events))?;
        let is_due = events.iter().any(|event| matches!(event, Event::Tick | Event::Chain(_)));
        let effects = state.step(events, &past);
        let may_wait = !is_due && effects.may_wait();
        let Effects { records, actions } = effects;
        self.counts.steps += 1;
        if !records.is_empty() || !actions.is_empty() {
            let names = || records.iter().map(record_in_words).collect::<Vec<_>>().join(", ");
            self.note(|| format!("seat {seat}: {told} ⇒ [{}] and {} actions", names(), actions.len()));
        }
        let answers = self.expected_answers(seat, submitted);
        match crash {
            Some((crash, Place::BeforeCommit)) => {
                self.crash_now(seat, crash);
                return Ok(false);
            }
            Some((_, Place::InCommit(after))) => {
                disk::with(self.seats[seat].disk, |disk| disk.upset(after, Trouble::Stopped));
            }
            _ => {}
        }
        #[cfg(feature = "planted-bugs")]
        self.sign_early(seat, &actions);
        let Some(Process { store, unwritten, .. }) = self.seats[seat].process.as_mut() else { return Ok(false) };
        unwritten.extend(records);
        let records = if may_wait { Vec::new() } else { std::mem::take(unwritten) };
        self.counts.commits += u64::from(!records.is_empty());
        let committed = store.commit(&records);
        if let Some((crash, Place::InCommit(_))) = crash {
            // What was answered as committed has to be there, whenever the power was cut.
            if committed.is_ok() {
                self.check_records(seat, &records);
                self.seats[seat].known.note(&records);
                self.note_cancelled(&records);
            }
            self.crash_now(seat, crash);
            return Ok(false);
        }
        committed?;
        self.check_records(seat, &records);
        self.seats[seat].known.note(&records);
        self.note_cancelled(&records);
        let halted = self.seats[seat].known.halted;
        self.check(halted || !finality_broken, Promise::FinalityWatched, || {
            format!("seat {seat} goes on though final turns were taken back")
        });
        self.check_equivocation(seat);
        let last = match crash {
            Some((_, Place::BeforeAction(part))) => actions.len() * part / 100,
            _ => usize::MAX,
        };
        let (mut answers, life) = (answers, self.seats[seat].life);
        for (index, action) in actions.into_iter().enumerate() {
            if index == last {
                break;
            }
            self.perform(seat, action, (&mut answers, was_halted))?;
            // The process that goes on with another key knows nothing of this one's actions.
            if self.seats[seat].life != life {
                return Ok(false);
            }
        }
        if let Some((crash, _)) = crash {
            self.crash_now(seat, crash);
            return Ok(false);
        }
        Ok(true)
    }

    fn crash(&mut self) -> Option<(Crash, Place)> {
        let crash = if self.strikes(Fault::Kill, 12) {
            (Crash::Kill, Fault::Kill)
        } else if self.strikes(Fault::PowerCut, 12) {
            (Crash::PowerCut, Fault::PowerCut)
        } else {
            return None;
        };
        let random = self.random(crash.1);
        let place = match random.index(4) {
            0 => Place::BeforeCommit,
            1 | 2 => Place::InCommit(random.below(16)),
            _ => Place::BeforeAction(random.index(101)),
        };
        Some((crash.0, place))
    }

    fn crash_now(&mut self, seat: usize, crash: Crash) {
        match crash {
            Crash::Kill => {
                self.note(|| format!("seat {seat} is killed in the middle of its work"));
                self.counts.fault("kill");
                self.kill(seat);
            }
            Crash::PowerCut => {
                self.note(|| format!("seat {seat} loses its power in the middle of its work"));
                self.counts.fault("power cut");
                self.cut_power(seat);
            }
        }
        self.start_later(seat);
    }

    fn perform(
        &mut self,
        seat: usize,
        action: Action,
        (answers, was_halted): (&mut Answers, bool),
    ) -> Result<(), StoreError> {
        match action {
            Action::Sign { nonce, digest } => {
                if let Some(reservation) = self.reservation(seat, nonce, digest)? {
                    self.sign(seat, nonce, &reservation);
                }
            }
            Action::Send { to, message } => {
                let speaks = matches!(message, Message::Turn { .. } | Message::Votes { .. });
                self.check(!(speaks && was_halted), Promise::HaltStays, || {
                    format!("seat {seat} is halted and still spreads a turn")
                });
                self.send(seat, to, Body::Message(message));
            }
            Action::Submit { turn, digest, witness } => {
                if self.reservation(seat, turn.id().nonce, digest)?.is_some() {
                    self.check_durable(seat, turn.id().nonce, digest, "sends");
                    self.submit(seat, &turn, witness);
                }
            }
            Action::HaltOnChain { epoch, proof } => {
                let settings = &self.seats[seat].settings;
                let halt = || Halt { ring: RING, epoch }.calldata(&settings.charter, settings.key, Bytes::new());
                let input = proof.map_or_else(halt, |proof| proof.calldata(&settings.charter));
                self.want(seat, Transaction::new(settings.key, input, Purpose::Halt(epoch)));
            }
            Action::Explain { to, nonce } => {
                let Some(Process { store, .. }) = &self.seats[seat].process else { return Ok(()) };
                for message in store.contents(nonce)? {
                    self.send(seat, to, Body::Message(message));
                }
            }
            Action::Answer { request, submission } => {
                let expected = answers.get_mut(&request).and_then(VecDeque::pop_front).flatten();
                self.check_answer(seat, request, expected, &submission);
            }
            Action::AnswerCancellation { request, answer } => self.check_cancelling(seat, request, &answer),
            Action::TellCancelled { to, request, cancellation } => {
                let Some(Process { store, .. }) = &self.seats[seat].process else { return Ok(()) };
                if let Some(request) = store.request(request)? {
                    let requests = vec![CancelledRequest { request, cancellation }];
                    self.send(seat, to, Body::Message(Message::Cancellations { requests }));
                }
            }
            Action::Accepted { request } => self.note_accepted(seat, request),
            Action::Objected { from, nonce, reason, .. } => {
                self.counts.refusals += 1;
                self.note(|| format!("seat {seat} objects to turn {nonce} of seat {from}: {reason}"));
            }
            Action::Succeed { epoch, nonce, charter } => self.succeed(seat, (epoch, nonce, charter))?,
            Action::Alarm { reason } => {
                self.note(|| format!("seat {seat} ALARM: {reason}"));
                let Some(process) = &mut self.seats[seat].process else { return Ok(()) };
                if process.state.halt().is_some()
                    && matches!(process.wanted, Some(Transaction { purpose: Purpose::Turn(_), .. }))
                {
                    process.wanted = None;
                }
            }
            Action::Inquire { request } => self.inquire(seat, &request)?,
            Action::Refuted { request, reason } => {
                self.counts.refusals += 1;
                self.note(|| format!("seat {seat} holds {} for refuted: {reason}", name(request)));
            }
            Action::Changed { .. } => {}
        }
        Ok(())
    }

    /// The reservation as the store reads it back: without one nothing is signed or sent.
    fn reservation(&mut self, seat: usize, nonce: u64, digest: B256) -> Result<Option<DurableReservation>, StoreError> {
        let Some(Process { store, .. }) = &self.seats[seat].process else { return Ok(None) };
        let reservation = store.reservation(nonce, digest)?;
        let there = reservation.is_some();
        self.check(there, Promise::Reserved, || format!("seat {seat} is to sign {digest} for {nonce}, not reserved"));
        Ok(reservation)
    }

    /// A seat's own sources are asked about a request. They know it, or will; unless it is forged, and the thief does not
    /// have them.
    fn inquire(&mut self, seat: usize, signed: &SignedRequest) -> Result<(), StoreError> {
        let request = signed.request.id;
        let known = !self.chance.clients.chance(200);
        let evidence = match self.forged.contains(&request) && !self.deceived.contains(&seat) {
            true => Evidence::Refuted { reason: "nothing of this kind is known here".to_owned() },
            false if known => match &mut self.seats[seat].process {
                Some(process) => limits::ask(process, signed)?,
                None => Evidence::NotYet,
            },
            false => Evidence::NotYet,
        };
        let at = self.now + 10 + self.chance.time.below(1_000);
        let life = self.seats[seat].life;
        self.queue.add(at, Happening::Evidence { seat, life, request, evidence });
        Ok(())
    }

    pub(super) fn evidence(&mut self, seat: usize, life: u64, request: RequestId, evidence: Evidence) {
        if self.seats[seat].life == life {
            self.feed(seat, Event::Found { request, evidence }, None);
        }
    }

    fn sign(&mut self, seat: usize, nonce: u64, reservation: &DurableReservation) {
        self.check_signing(seat, reservation.turn(), reservation.digest());
        if self.strikes(Fault::Signer, 300) {
            self.counts.fault("signer failure");
            return;
        }
        let (digest, life) = (reservation.digest(), self.seats[seat].life);
        let signature = self.seats[seat].key.sign(&digest);
        let slow = self.strikes(Fault::Signer, 300);
        let most = if slow { 10 * self.plan.block_seconds * 1_000 } else { 300 };
        let at = self.now + 10 + self.chance.time.below(most);
        self.queue.add(at, Happening::Signature { seat, life, nonce, digest, signature });
    }

    /// The mistake of a driver that signs what is not saved yet. (The relayer's types do not let it.)
    #[cfg(feature = "planted-bugs")]
    fn sign_early(&mut self, seat: usize, actions: &[Action]) {
        for action in actions {
            if let Action::Sign { nonce, digest } = action
                && ring_core::planted!(SignBeforeSaving)
                && let Ok(Some(reservation)) = self.reservation(seat, *nonce, *digest)
            {
                self.sign(seat, *nonce, &reservation);
            }
        }
    }

    pub(super) fn signature(
        &mut self,
        seat: usize,
        life: u64,
        (nonce, digest): (u64, B256),
        signature: CompactSignature,
    ) {
        if self.seats[seat].life == life {
            self.feed(seat, Event::Signed { nonce, digest, signature }, None);
        }
    }

    fn submit(&mut self, seat: usize, turn: &Turn, witness: Bytes) {
        let (charter, key) = (&self.seats[seat].settings.charter, self.seats[seat].settings.key);
        let calldata = Execution::new(turn, charter, witness).calldata();
        match calldata {
            Ok(input) => self.want(seat, Transaction::new(key, input, Purpose::Turn(turn.id()))),
            Err(error) => self.check(false, Promise::Sound, || format!("a turn cannot be written: {error}")),
        }
    }

    /// What a seat wants on chain: sent now, and again whenever it looks at the chain.
    fn want(&mut self, seat: usize, transaction: Transaction) {
        if let Some(process) = &mut self.seats[seat].process {
            process.wanted = Some(transaction);
        }
        self.press(seat);
    }

    /// Sends what a seat wants, if its RPC takes it.
    pub(super) fn press(&mut self, seat: usize) {
        let wanted = self.seats[seat].process.as_ref().and_then(|process| process.wanted.clone());
        if let Some(transaction) = wanted.filter(|_| self.seats[seat].blind_until <= self.now) {
            self.send_transaction(transaction);
        }
    }

    pub(super) fn tick(&mut self, seat: usize, life: u64) {
        if self.seats[seat].life != life || self.seats[seat].process.is_none() {
            return;
        }
        self.feed(seat, Event::Tick, None);
        let mut pause = self.plan.tick_milliseconds * 1_000 / self.seats[seat].rate;
        if self.strikes(Fault::Clock, 10) {
            self.counts.fault("clock stood still");
            let until_calm = (self.plan.seconds * 1_000).saturating_sub(self.now);
            pause += self.random(Fault::Clock).below(30 * 12_000).min(until_calm);
        }
        self.queue.add(self.now + pause.max(1), Happening::Tick { seat, life });
    }

    fn describe(&self, events: &[Event]) -> String {
        if !self.story.is_told() {
            return String::new();
        }
        events.iter().map(event_in_words).collect::<Vec<_>>().join("; ")
    }
}

/// What clients have to be answered, by request, in order; `None`: whatever the seat thinks right.
pub(super) type Answers = BTreeMap<RequestId, VecDeque<Option<super::clients::Expected>>>;

fn submitted(events: &[Event]) -> Vec<SignedRequest> {
    let submitted = events.iter().filter_map(|event| match event {
        Event::Submitted(signed) => Some(signed.clone()),
        _ => None,
    });
    submitted.collect()
}
