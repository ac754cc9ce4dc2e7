//! The one place where things happen, one after the other: take an event, step the state machine, make its records durable,
//! perform its actions. Whatever waits (the signer, the network, the chain) waits elsewhere and comes back as an event.

mod handle;
mod listing;
mod notifying;
mod worries;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use ring_contracts::{
    B256, Bytes, CompactSignature, Equivocation, Execution, FixedBytes, Halt, RequestId, SignedRequest, Turn,
};
use ring_core::{
    Action, CancelRefusal, CancelledRequest, Cancelling, ChainView, Event, Message, Phase, Record, RequestStatus,
    Shortfall, State, Submission,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use worries::Worries;

use crate::{
    chain::{Connection, Cursor, Sending, Wanted},
    evidence::{Ledger, Question, Sources},
    explain::Story,
    metrics::SeatMetrics,
    signer::{Permit, Signer, SignerError},
    store::{Deliveries, Raised, Store, StoreError},
};

pub use handle::{Command, Handle, Notice, PassingEvent, Receipt, Stopped};
pub use listing::{Listing, Page, RequestDetail, Status};
pub use notifying::Goal;

/// How long it may be since the store last took something without it being tried before saying that it does.
const TRUSTED: Duration = Duration::from_secs(5);

/// How many events at most share a transaction of the store. What waits is taken together, so the busier the seat the fewer
/// the syncs an event.
const MOST_EVENTS: usize = 1_024;

/// How messages get to peers: never waits, may lose.
pub trait Outbox: Send {
    /// Sends, or drops; the state machine sends again what matters.
    fn send(&self, to: usize, message: Message);
}

/// What the driver works with.
pub struct Edges {
    /// What others ask for.
    pub commands: mpsc::Receiver<Command>,
    /// Where the answers to all come from; here to notify.
    pub handle: Handle,
    /// What the chain says.
    pub views: mpsc::Receiver<ChainView>,
    /// How the chain is reached.
    pub connection: watch::Receiver<Connection>,
    /// What left the treasury unexplained.
    pub shortfalls: mpsc::Receiver<Shortfall>,
    /// How sending is going.
    pub sending: watch::Receiver<Sending>,
    /// From where on the chain is read.
    pub cursor: watch::Sender<Cursor>,
    /// What should be on chain.
    pub wanted: watch::Sender<Option<Wanted<Permit>>>,
    /// The peers.
    pub outbox: Box<dyn Outbox>,
    /// The key.
    pub signer: Arc<dyn Signer>,
    /// What is asked whether requests are genuine.
    pub sources: Sources,
    /// What limits were used for. `None`: none are for a period.
    pub ledger: Option<Ledger>,
    /// Where signer and sources work: the driver's own thread waits for the disk.
    pub workers: tokio::runtime::Handle,
    /// What is counted.
    pub metrics: SeatMetrics,
    /// How long a tick is.
    pub tick: Duration,
    /// The block of the contract's deployment.
    pub from_block: u64,
}

/// The driver of one seat.
pub struct Driver {
    state: State,
    store: Store,
    edges: Edges,
    signed: (mpsc::Sender<Signed>, mpsc::Receiver<Signed>),
    /// Clients that wait for the answers of the step under way, in their order.
    asking: BTreeMap<RequestId, VecDeque<Asking>>,
    /// Clients that wait for the answers to their cancellations.
    cancelling: BTreeMap<RequestId, VecDeque<oneshot::Sender<Result<RequestStatus, CancelRefusal>>>>,
    /// Clients that wait for copies at peers.
    waiting: BTreeMap<RequestId, Vec<Asking>>,
    /// Clients that wait until requests are so far.
    watching: notifying::Watching,
    /// Up to where subscribers have been told, as far as that is not remembered yet.
    deliveries: Deliveries,
    /// What people have to hear of and is not on disk yet: it goes there with whatever comes next, at the next tick at the latest.
    raised: Raised,
    /// What people have heard of.
    worries: Worries,
    /// What is not on disk yet. Between steps only what may wait: it goes there with whatever comes next, at the next view
    /// of the chain or at the next tick.
    unwritten: Vec<Record>,
    /// When the store last took something.
    written: Instant,
    /// The epoch in which the seat is to go on.
    succession: Option<Succession>,
}

/// What is left of a driver.
#[derive(Debug)]
pub struct Ended {
    /// Its store.
    pub store: Store,
    /// The epoch in which its seat is to go on, if it ended for that.
    pub succession: Option<Succession>,
}

/// An epoch that was announced to a seat, in which it is to go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The epoch.
    pub epoch: u32,
    /// Its first nonce.
    pub nonce: u64,
    /// The commitment of its charter.
    pub charter: B256,
}

/// A client that waits.
struct Asking {
    reply: oneshot::Sender<Receipt>,
    until: Instant,
    is_new: bool,
}

/// What a signer came back with.
struct Signed {
    nonce: u64,
    digest: B256,
    result: Result<CompactSignature, SignerError>,
}

/// Something to be worked on.
enum Work {
    Connection,
    View(ChainView),
    Shortfall(Shortfall),
    Limited(Question),
    Signed(Signed),
    Tick,
    Command(Command),
}

/// What is worked on together: one step of the state, one transaction of the store.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    /// Answered when all is on disk.
    replies: Vec<oneshot::Sender<()>>,
    /// Requests whose limits are looked at, answered then too.
    limited: Vec<Question>,
    /// Questions, answered then too.
    questions: Vec<Command>,
}

async fn next_limited(ledger: &mut Option<Ledger>) -> Option<Question> {
    match ledger {
        Some(ledger) => ledger.next().await,
        None => None,
    }
}

impl Driver {
    /// A driver of this state, which is what the store remembers.
    pub fn new(state: State, store: Store, edges: Edges) -> Self {
        edges.handle.note_end(store.end());
        Self {
            state,
            store,
            edges,
            signed: mpsc::channel(16),
            asking: BTreeMap::new(),
            cancelling: BTreeMap::new(),
            waiting: BTreeMap::new(),
            watching: BTreeMap::new(),
            deliveries: Deliveries::default(),
            raised: Raised::default(),
            worries: Worries::default(),
            unwritten: Vec::new(),
            written: Instant::now(),
            succession: None,
        }
    }

    /// Runs until cancelled, or until the seat is to go on in an epoch that was announced to it, and gives the store back.
    /// Blocks the thread whenever it waits for the disk.
    ///
    /// # Errors
    /// The store failed: whatever was under way is not known to be on disk, so nothing more may be done.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<Ended, StoreError> {
        let mut ticks = interval(self.edges.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(work) = self.next(&mut ticks, &cancel).await {
            let mut batch = Batch::default();
            self.add(&mut batch, work);
            while batch.events.len() < MOST_EVENTS
                && let Some(work) = self.waiting_work()
            {
                self.add(&mut batch, work);
            }
            self.work(batch)?;
            if self.succession.is_some() {
                // So that what works for it ends because it does.
                cancel.cancel();
            }
        }
        self.write()?;
        self.remember_deliveries()?;
        Ok(Ended { store: self.store, succession: self.succession })
    }

    /// What is next. Halting must not wait behind a queue of requests: what the chain says comes first.
    async fn next(&mut self, ticks: &mut Interval, cancel: &CancellationToken) -> Option<Work> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            Ok(()) = self.edges.connection.changed() => Some(Work::Connection),
            Some(view) = self.edges.views.recv() => Some(Work::View(view)),
            Some(shortfall) = self.edges.shortfalls.recv() => Some(Work::Shortfall(shortfall)),
            Some(signed) = self.signed.1.recv() => Some(Work::Signed(signed)),
            _ = ticks.tick() => Some(Work::Tick),
            Some(question) = next_limited(&mut self.edges.ledger) => Some(Work::Limited(question)),
            Some(command) = self.edges.commands.recv() => Some(Work::Command(command)),
        }
    }

    /// What is there already.
    fn waiting_work(&mut self) -> Option<Work> {
        let view = || self.edges.views.try_recv().map(Work::View).ok();
        let limited = || self.edges.ledger.as_mut().and_then(Ledger::waiting).map(Work::Limited);
        let signed = self.signed.1.try_recv().map(Work::Signed);
        signed.ok().or_else(view).or_else(limited).or_else(|| self.edges.commands.try_recv().map(Work::Command).ok())
    }

    fn add(&mut self, batch: &mut Batch, work: Work) {
        match work {
            Work::Connection => batch.events.extend(self.note_connection()),
            Work::View(view) => batch.events.push(self.note_view(view)),
            Work::Shortfall(shortfall) => batch.events.push(Event::Shortfall(shortfall)),
            Work::Limited(question) => batch.limited.push(question),
            Work::Tick => {
                self.note_sending();
                self.answer_the_late();
                self.forget_the_impatient();
                batch.events.push(Event::Tick);
            }
            Work::Signed(Signed { nonce, digest, result }) => match result {
                Ok(signature) => batch.events.push(Event::Signed { nonce, digest, signature }),
                Err(error) => error!(nonce, %digest, %error, "the signer did not sign; it is asked again"),
            },
            Work::Command(Command::Submit { request, patience, reply }) => {
                batch.events.push(self.submitted(request, patience, reply));
            }
            Work::Command(Command::SubmitAll { requests, patience }) => {
                let submitted = requests.into_iter().map(|(request, reply)| self.submitted(request, patience, reply));
                batch.events.extend(submitted);
            }
            Work::Command(Command::Cancel { cancellation, reply }) => {
                self.cancelling.entry(cancellation.cancellation.id).or_default().push_back(reply);
                batch.events.push(Event::Cancelled(cancellation));
            }
            Work::Command(Command::Received { from, messages, reply }) => {
                batch.events.extend(messages.into_iter().map(|message| Event::Received { from, message }));
                batch.replies.push(reply);
            }
            Work::Command(Command::Delivered { to, requests, confirmed }) => {
                batch.events.push(Event::Delivered { to, requests, confirmed });
            }
            Work::Command(Command::Found { request, evidence }) => {
                batch.events.push(Event::Found { request, evidence });
            }
            Work::Command(Command::Alarm { reason }) => self.raise(reason),
            Work::Command(Command::Delivery { subscriber, place }) => {
                self.deliveries.places.insert(subscriber, place);
            }
            Work::Command(Command::Told { subscriber, told }) => {
                let known = self.deliveries.alarms.entry(subscriber).or_default();
                known.number = told.number.or(known.number);
                known.missed += told.missed;
            }
            Work::Command(
                question @ (Command::Detail { .. }
                | Command::Watch { .. }
                | Command::List { .. }
                | Command::History { .. }
                | Command::Overview { .. }
                | Command::Explain { .. }
                | Command::Untold { .. }
                | Command::Snapshot { .. }
                | Command::Probe { .. }),
            ) => batch.questions.push(question),
        }
    }

    fn submitted(&mut self, request: SignedRequest, patience: Duration, reply: oneshot::Sender<Receipt>) -> Event {
        let asking = Asking { reply, until: Instant::now() + patience, is_new: false };
        self.asking.entry(request.request.id).or_default().push_back(asking);
        Event::Submitted(request)
    }

    /// Decide, make durable, act.
    fn work(&mut self, batch: Batch) -> Result<(), StoreError> {
        if !batch.events.is_empty() {
            let past = self.store.settled(self.state.mentions(&batch.events))?;
            let events = batch.events.len();
            let is_tick = batch.events.iter().any(|event| matches!(event, Event::Tick));
            let is_view = batch.events.iter().any(|event| matches!(event, Event::Chain(_)));
            let effects = self.state.step(batch.events, &past);
            self.unwritten.extend_from_slice(&effects.records);
            for action in &effects.actions {
                if let Action::Alarm { reason } = action {
                    self.raised.add(reason);
                }
            }
            let started = Instant::now();
            // A sync costs more than all else that a seat does about a turn.
            if is_tick || is_view || !effects.may_wait() {
                self.write()?;
            }
            self.edges.metrics.note_step(events, &effects, started.elapsed());
            self.edges.metrics.note_overview(&self.state.overview());
            let mut changed = BTreeSet::new();
            for action in effects.actions {
                match action {
                    Action::Changed { request } => drop(changed.insert(request)),
                    action => self.perform(action)?,
                }
            }
            self.tell_of_requests(changed)?;
            let cursor = Cursor {
                first_open_nonce: self.state.first_open_nonce(),
                from_block: self.state.final_block().unwrap_or(self.edges.from_block),
            };
            self.edges.cursor.send_if_modified(|current| std::mem::replace(current, cursor) != cursor);
            if is_tick {
                self.remember_deliveries()?;
                self.store.forget_snapshot()?;
            }
        }
        if let Some(ledger) = &mut self.edges.ledger {
            ledger.answer(&mut self.store, batch.limited)?;
        }
        // Whoever hung up asks again.
        for reply in batch.replies {
            let _ = reply.send(());
        }
        batch.questions.into_iter().try_for_each(|question| self.answer_question(question))
    }

    /// Makes durable what is not yet, and tells of it.
    fn write(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() && self.raised.is_empty() {
            return Ok(());
        }
        self.store.commit_with(&self.unwritten, &self.raised)?;
        self.written = Instant::now();
        if !std::mem::take(&mut self.raised).is_empty() {
            self.edges.handle.note_alarms();
        }
        let written = std::mem::take(&mut self.unwritten);
        self.tell_of(&written)
    }

    fn answer_question(&mut self, question: Command) -> Result<(), StoreError> {
        match question {
            Command::Detail { id, reply } => drop(reply.send(listing::detail(&self.state, &self.store, id)?)),
            Command::Watch { id, goal, reply } => self.watch(id, goal, reply)?,
            Command::List { listing, reply } => drop(reply.send(listing::page(&self.state, &self.store, &listing)?)),
            Command::History { after, rows, reply } => drop(reply.send(self.store.history(after, rows)?)),
            Command::Overview { reply } => drop(reply.send(self.state.overview())),
            Command::Explain { reply } => drop(reply.send(Story::of(&self.state, &self.store)?.map(Box::new))),
            Command::Untold { subscriber, reply } => {
                // What it has been told of by now is not told again.
                self.remember_deliveries()?;
                drop(reply.send(self.store.untold(&subscriber)?));
            }
            Command::Snapshot { reply } => match self.store.snapshot() {
                Err(error @ (StoreError::Database(_) | StoreError::Damaged { .. })) => return Err(error),
                snapshot => drop(reply.send(snapshot)),
            },
            Command::Probe { reply } => {
                if self.written.elapsed() > TRUSTED {
                    self.store.probe()?;
                    self.written = Instant::now();
                }
                let _ = reply.send(());
            }
            Command::Submit { .. }
            | Command::SubmitAll { .. }
            | Command::Cancel { .. }
            | Command::Received { .. }
            | Command::Delivered { .. }
            | Command::Found { .. }
            | Command::Delivery { .. }
            | Command::Told { .. }
            | Command::Alarm { .. } => {}
        }
        Ok(())
    }

    /// All that came together in one transaction: if it is lost, something is delivered once more.
    fn remember_deliveries(&mut self) -> Result<(), StoreError> {
        if self.deliveries.is_empty() {
            return Ok(());
        }
        self.store.note_deliveries(&std::mem::take(&mut self.deliveries))?;
        self.written = Instant::now();
        Ok(())
    }

    /// RPCs that contradict each other for long halt the ring.
    fn note_connection(&mut self) -> Option<Event> {
        let (alarm, dispute) = self.worries.of_connection(&self.edges.connection.borrow_and_update());
        alarm.into_iter().for_each(|reason| self.raise(reason));
        dispute.map(Event::ChainDisputed)
    }

    fn note_sending(&mut self) {
        let sending = self.edges.sending.borrow_and_update().clone();
        self.edges.metrics.note_sending(&sending);
        let alarms = self.worries.of_sending(&sending, Instant::now());
        alarms.into_iter().for_each(|reason| self.raise(reason));
    }

    /// Has people hear of something.
    fn raise(&mut self, reason: String) {
        self.raised.add(&reason);
        self.tell_people(reason);
    }

    /// Tells people, loudly: those who look at the log, and those who follow. The others are told from the store.
    fn tell_people(&self, reason: String) {
        error!(halted = self.state.halt().is_some(), "ALARM: {reason}");
        self.edges.metrics.note_alarm();
        self.edges.handle.notify(Notice::Passing(PassingEvent::Alarm { reason }));
    }

    fn note_view(&self, view: ChainView) -> Event {
        self.edges.sources.note_time(view.head.time);
        self.edges.handle.notify(Notice::Passing(PassingEvent::Head {
            nonce: view.nonce,
            epoch: view.epoch,
            block: view.head.number,
            window: self.state.settings().charter.window_of(view.nonce).collect(),
        }));
        self.drop_what_is_done(&view);
        Event::Chain(view)
    }

    /// Stops sending what the chain has moved past.
    fn drop_what_is_done(&self, view: &ChainView) {
        self.edges.wanted.send_if_modified(|wanted| {
            let done = match wanted {
                Some(Wanted::Turn { nonce, .. }) => view.nonce > *nonce || view.halted,
                Some(Wanted::Halt { epoch, .. }) => view.halted || view.epoch != *epoch,
                None => false,
            };
            if done {
                *wanted = None;
            }
            done
        });
    }

    /// Clients that have waited long enough for copies are told how far their requests are.
    fn answer_the_late(&mut self) {
        let now = Instant::now();
        for (id, all) in std::mem::take(&mut self.waiting) {
            let (late, patient): (Vec<_>, Vec<_>) =
                all.into_iter().filter(|asking| !asking.reply.is_closed()).partition(|asking| asking.until <= now);
            for asking in late {
                self.answer(id, asking, |_, status| Receipt::Waiting(status));
            }
            if !patient.is_empty() {
                self.waiting.insert(id, patient);
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), StoreError> {
        match action {
            Action::Sign { nonce, digest } => self.sign(nonce, digest)?,
            Action::Send { to, message } => self.edges.outbox.send(to, message),
            Action::Submit { turn, digest, witness } => self.send_turn(turn, digest, witness)?,
            Action::HaltOnChain { epoch, proof } => self.send_halt(epoch, proof),
            Action::Explain { to, nonce } => {
                for message in self.store.contents(nonce)? {
                    self.edges.outbox.send(to, message);
                }
            }
            Action::Objected { from, nonce, digest, reason } => {
                warn!(from, nonce, %digest, reason, "a peer proposed what this seat does not agree to");
            }
            Action::Inquire { request } => self.inquire(request),
            Action::Refuted { request, reason } => {
                warn!(%request, reason, "this seat's own sources contradict a request: it is not signed here");
            }
            Action::Answer { request, submission } => self.answer_submission(request, submission),
            Action::AnswerCancellation { request, answer } => self.answer_cancellation(request, answer)?,
            Action::TellCancelled { to, request, cancellation } => self.tell_cancelled(to, request, cancellation)?,
            Action::Accepted { request } => {
                for asking in self.waiting.remove(&request).into_iter().flatten() {
                    self.answer_accepted(request, asking);
                }
            }
            // Collected before: each is told of once a step.
            Action::Changed { .. } => {}
            Action::Succeed { epoch, nonce, charter } => {
                self.succession = Some(Succession { epoch, nonce, charter });
            }
            Action::Alarm { reason } => {
                self.tell_people(reason);
                if self.state.halt().is_some() {
                    self.edges.wanted.send_if_modified(|wanted| {
                        let turn = matches!(wanted, Some(Wanted::Turn { .. }));
                        if turn {
                            *wanted = None;
                        }
                        turn
                    });
                }
            }
        }
        Ok(())
    }

    /// Has a turn signed that is reserved on disk, and only that.
    fn sign(&mut self, nonce: u64, digest: B256) -> Result<(), StoreError> {
        let Some(reservation) = self.store.reservation(nonce, digest)? else {
            error!(nonce, %digest, "asked to sign what is not reserved: this is a bug, nothing is signed");
            return Ok(());
        };
        let (signer, signed) = (self.edges.signer.clone(), self.signed.0.clone());
        let requests = self.state.requests_of(reservation.turn());
        debug!(nonce, %digest, "signing");
        self.edges.workers.spawn(async move {
            let result = signer.sign_turn(&reservation, requests).await;
            // The driver is gone only when the process ends.
            let _ = signed.send(Signed { nonce, digest, result }).await;
        });
        Ok(())
    }

    fn inquire(&self, request: SignedRequest) {
        let (sources, handle) = (self.edges.sources.clone(), self.edges.handle.clone());
        self.edges.workers.spawn(async move {
            let evidence = sources.ask(&request).await;
            // The driver is gone only when the process ends.
            let _ = handle.found(request.request.id, evidence).await;
        });
    }

    fn send_turn(&mut self, turn: Turn, digest: B256, witness: Bytes) -> Result<(), StoreError> {
        let nonce = turn.id().nonce;
        let Some(reservation) = self.store.reservation(nonce, digest)? else {
            error!(nonce, %digest, "asked to send what is not reserved: this is a bug, nothing is sent");
            return Ok(());
        };
        let calldata = match Execution::new(&turn, &self.state.settings().charter, witness).calldata() {
            Ok(calldata) => calldata,
            Err(reason) => {
                error!(nonce, %digest, %reason, "a turn cannot be written: this is a bug, nothing is sent");
                return Ok(());
            }
        };
        info!(nonce, %digest, calls = turn.calls().len(), "sending a turn");
        self.edges.wanted.send_replace(Some(Wanted::Turn { nonce, calldata, permit: Permit::Turn(reservation) }));
        Ok(())
    }

    /// By proof where there is one; else by this seat's signature, which names the epoch.
    fn send_halt(&self, epoch: u32, proof: Option<Equivocation>) {
        let is_wanted = move |wanted: &Option<Wanted<Permit>>| matches!(wanted, Some(Wanted::Halt { epoch: current, .. }) if *current == epoch);
        if is_wanted(&self.edges.wanted.borrow()) {
            return;
        }
        let (charter, key) = (self.state.settings().charter.clone(), self.state.settings().key);
        let halt = Halt { ring: self.state.settings().ring, epoch };
        let (wanted, signer) = (self.edges.wanted.clone(), self.edges.signer.clone());
        self.edges.workers.spawn(async move {
            let calldata = match proof {
                Some(proof) => proof.calldata(&charter),
                None => match signer.sign_halt(&halt).await {
                    Ok(signature) => halt.calldata(&charter, key, signature),
                    Err(error) => {
                        error!(epoch, %error, "the signer did not sign the halt; it is sent as this account's word");
                        halt.calldata(&charter, key, Bytes::new())
                    }
                },
            };
            wanted.send_if_modified(|wanted| {
                let new = !is_wanted(wanted);
                if new {
                    error!(epoch, "halting the ring on chain");
                    *wanted = Some(Wanted::Halt { epoch, calldata, permit: Permit::Halt });
                }
                new
            });
        });
    }

    fn answer_submission(&mut self, id: RequestId, submission: Submission) {
        let Some(all) = self.asking.get_mut(&id) else { return };
        let asking = all.pop_front();
        if all.is_empty() {
            self.asking.remove(&id);
        }
        let Some(mut asking) = asking else { return };
        match submission {
            // A client that hung up asks again.
            Submission::Refused(refusal) => drop(asking.reply.send(Receipt::Refused(refusal))),
            Submission::Ended(outcome) => {
                drop(asking.reply.send(Receipt::Known(RequestStatus { id, phase: outcome.into() })));
            }
            Submission::New | Submission::Known => {
                asking.is_new = submission == Submission::New;
                // Of what was cancelled no copies are made.
                match self.state.is_accepted(id) || self.state.is_withheld(id) {
                    true => self.answer_accepted(id, asking),
                    false => self.waiting.entry(id).or_default().push(asking),
                }
            }
        }
    }

    fn answer_cancellation(&mut self, id: RequestId, answer: Cancelling) -> Result<(), StoreError> {
        let Some(all) = self.cancelling.get_mut(&id) else { return Ok(()) };
        let reply = all.pop_front();
        if all.is_empty() {
            self.cancelling.remove(&id);
        }
        let answer = match answer {
            Cancelling::Refused(refusal) => Err(refusal),
            Cancelling::Kept | Cancelling::Done => {
                listing::status(&self.state, &self.store, id)?.ok_or(CancelRefusal::Unknown(id))
            }
        };
        // A client that hung up asks again.
        let _ = reply.map(|reply| reply.send(answer));
        Ok(())
    }

    fn tell_cancelled(&self, to: usize, id: RequestId, cancellation: FixedBytes<65>) -> Result<(), StoreError> {
        if let Some(request) = self.store.request(id)? {
            let requests = vec![CancelledRequest { request, cancellation }];
            self.edges.outbox.send(to, Message::Cancellations { requests });
        }
        Ok(())
    }

    fn answer_accepted(&self, id: RequestId, asking: Asking) {
        self.answer(id, asking, |is_new, status| match is_new {
            true => Receipt::Accepted(status),
            false => Receipt::Known(status),
        });
    }

    fn answer(&self, id: RequestId, asking: Asking, receipt: impl FnOnce(bool, RequestStatus) -> Receipt) {
        let status = self.state.request_status(id).unwrap_or(RequestStatus { id, phase: Phase::Received });
        let _ = asking.reply.send(receipt(asking.is_new, status));
    }
}
