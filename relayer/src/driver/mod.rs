//! The one place where things happen, one after the other: take an event, step the state machine, make its records durable,
//! perform its actions. Whatever waits (the signer, the network, the chain) waits elsewhere and comes back as an event.

mod handle;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ring_contracts::{B256, Bytes, CompactSignature, Execution, Halt, RequestId, SignedRequest, Turn};
use ring_core::{Action, ChainView, Event, Message, Phase, State, Submission};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    chain::{Cursor, Wanted},
    signer::{Permit, Signer, SignerError},
    store::{Store, StoreError},
};

pub use handle::{Command, Handle, Notice, Receipt, Stopped};

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
    /// From where on the chain is read.
    pub cursor: watch::Sender<Cursor>,
    /// What should be on chain.
    pub wanted: watch::Sender<Option<Wanted<Permit>>>,
    /// The peers.
    pub outbox: Box<dyn Outbox>,
    /// The key.
    pub signer: Arc<dyn Signer>,
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
    /// Clients that wait for the answer of the step under way.
    asking: BTreeMap<RequestId, Asking>,
    /// Clients that wait for copies at peers.
    waiting: Vec<(RequestId, Asking)>,
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

impl Driver {
    /// A driver of this state, which is what the store remembers.
    pub fn new(state: State, store: Store, edges: Edges) -> Self {
        Self { state, store, edges, signed: mpsc::channel(16), asking: BTreeMap::new(), waiting: Vec::new() }
    }

    /// Runs until cancelled.
    ///
    /// # Errors
    /// The store failed: whatever was under way is not known to be on disk, so nothing more may be done.
    pub async fn run(mut self, cancel: CancellationToken) -> Result<(), StoreError> {
        let mut ticks = interval(self.edges.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Halting must not wait behind a queue of requests: what the chain says comes first.
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(view) = self.edges.views.recv() => self.observe(view).await?,
                Some(signed) = self.signed.1.recv() => self.take_signature(signed).await?,
                _ = ticks.tick() => self.tick().await?,
                Some(command) = self.edges.commands.recv() => self.obey(command).await?,
            }
        }
        self.store.close().await;
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Submit { request, patience, reply } => self.submit(request, patience, reply).await,
            Command::Received { from, message, reply } => {
                self.step(Event::Received { from, message }).await?;
                // A peer that hung up asks again.
                let _ = reply.send(());
                Ok(())
            }
            Command::Delivered { to, requests } => self.step(Event::Delivered { to, requests }).await,
            Command::Status { id, reply } => {
                let _ = reply.send(self.state.request_status(id));
                Ok(())
            }
            Command::Overview { reply } => {
                let _ = reply.send(self.state.overview());
                Ok(())
            }
        }
    }

    async fn submit(
        &mut self,
        request: SignedRequest,
        patience: Duration,
        reply: oneshot::Sender<Receipt>,
    ) -> Result<(), StoreError> {
        let asking = Asking { reply, until: Instant::now() + patience, is_new: false };
        self.asking.insert(request.request.id, asking);
        self.step(Event::Submitted(request)).await
    }

    async fn observe(&mut self, view: ChainView) -> Result<(), StoreError> {
        self.edges.handle.notify(Notice::Head {
            nonce: view.nonce,
            epoch: view.epoch,
            block: view.head.number,
            window: self.state.settings().charter.window_of(view.nonce).collect(),
        });
        self.drop_what_is_done(&view);
        self.step(Event::Chain(view)).await
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

    async fn take_signature(&mut self, Signed { nonce, digest, result }: Signed) -> Result<(), StoreError> {
        match result {
            Ok(signature) => self.step(Event::Signed { nonce, digest, signature }).await,
            Err(error) => {
                error!(nonce, %digest, %error, "the signer did not sign; it is asked again");
                Ok(())
            }
        }
    }

    async fn tick(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .filter(|(_, asking)| !asking.reply.is_closed())
            .partition(|(_, asking)| asking.until <= now);
        self.waiting = waiting;
        for (id, asking) in late {
            self.answer(id, asking, |_, status| Receipt::Waiting(status));
        }
        self.step(Event::Tick).await
    }

    /// One step: decide, make durable, act.
    async fn step(&mut self, event: Event) -> Result<(), StoreError> {
        let effects = self.state.step(event);
        self.store.commit(&effects.records).await?;
        for action in effects.actions {
            self.perform(action).await?;
        }
        let cursor = Cursor {
            first_open_nonce: self.state.first_open_nonce(),
            from_block: self.state.final_block().unwrap_or(self.edges.from_block),
        };
        self.edges.cursor.send_if_modified(|current| std::mem::replace(current, cursor) != cursor);
        Ok(())
    }

    async fn perform(&mut self, action: Action) -> Result<(), StoreError> {
        match action {
            Action::Sign { nonce, digest } => self.sign(nonce, digest).await?,
            Action::Send { to, message } => self.edges.outbox.send(to, message),
            Action::Submit { turn, digest, witness } => self.send_turn(turn, digest, witness).await?,
            Action::HaltOnChain { epoch } => self.send_halt(epoch),
            Action::Explain { to, nonce } => {
                for message in self.store.contents(nonce).await? {
                    self.edges.outbox.send(to, message);
                }
            }
            Action::Objected { from, nonce, digest, reason } => {
                warn!(from, nonce, %digest, reason, "a peer proposed what this seat does not agree to");
            }
            Action::Answer { request, submission } => self.answer_submission(request, submission),
            Action::Accepted { request } => {
                let (ready, waiting) =
                    std::mem::take(&mut self.waiting).into_iter().partition(|(id, _)| *id == request);
                self.waiting = waiting;
                for (id, asking) in ready {
                    self.answer_accepted(id, asking);
                }
            }
            Action::Changed { request } => {
                if let Some(status) = self.state.request_status(request) {
                    self.edges.handle.notify(Notice::Request { status });
                }
            }
            Action::Alarm { reason } => {
                error!(halted = self.state.halt().is_some(), "ALARM: {reason}");
                self.edges.handle.notify(Notice::Alarm { reason });
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
    async fn sign(&mut self, nonce: u64, digest: B256) -> Result<(), StoreError> {
        let Some(reservation) = self.store.reservation(nonce, digest).await? else {
            error!(nonce, %digest, "asked to sign what is not reserved: this is a bug, nothing is signed");
            return Ok(());
        };
        let (signer, signed) = (self.edges.signer.clone(), self.signed.0.clone());
        debug!(nonce, %digest, "signing");
        tokio::spawn(async move {
            let result = signer.sign_turn(&reservation).await;
            // The driver is gone only when the process ends.
            let _ = signed.send(Signed { nonce, digest, result }).await;
        });
        Ok(())
    }

    async fn send_turn(&mut self, turn: Turn, digest: B256, witness: Bytes) -> Result<(), StoreError> {
        let nonce = turn.id().nonce;
        let Some(reservation) = self.store.reservation(nonce, digest).await? else {
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

    fn send_halt(&self, epoch: u32) {
        let settings = self.state.settings();
        let halt = Halt { ring: settings.ring, epoch };
        let calldata = halt.calldata(&settings.charter, settings.key, Bytes::new());
        self.edges.wanted.send_if_modified(|wanted| {
            let new = !matches!(wanted, Some(Wanted::Halt { epoch: current, .. }) if *current == epoch);
            if new {
                error!(epoch, "halting the ring on chain");
                *wanted = Some(Wanted::Halt { epoch, calldata, permit: Permit::Halt });
            }
            new
        });
    }

    fn answer_submission(&mut self, id: RequestId, submission: Submission) {
        let Some(mut asking) = self.asking.remove(&id) else { return };
        match submission {
            Submission::Refused(refusal) => {
                // A client that hung up asks again.
                let _ = asking.reply.send(Receipt::Refused(refusal));
                return;
            }
            Submission::New => asking.is_new = true,
            Submission::Known => {}
        }
        if self.state.is_accepted(id) {
            self.answer_accepted(id, asking);
        } else {
            self.waiting.push((id, asking));
        }
    }

    fn answer_accepted(&self, id: RequestId, asking: Asking) {
        self.answer(id, asking, |is_new, status| match is_new {
            true => Receipt::Accepted(status),
            false => Receipt::Known(status),
        });
    }

    fn answer(&self, id: RequestId, asking: Asking, receipt: impl FnOnce(bool, ring_core::RequestStatus) -> Receipt) {
        let status = self.state.request_status(id).unwrap_or(ring_core::RequestStatus { id, phase: Phase::Received });
        let _ = asking.reply.send(receipt(asking.is_new, status));
    }
}
