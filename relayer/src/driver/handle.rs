//! How the edges reach the driver.

use std::time::Duration;

use ring_contracts::{RequestId, SignedCancellation, SignedRequest};
use ring_core::{CancelRefusal, Evidence, Message, Overview, Refusal, RequestStatus};
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{Goal, Listing, Page, RequestDetail};
use crate::store::{Change, History, Place, Snapshot, StoreError, Told, Untold};

use crate::explain::Story;

/// What the driver is asked to do. Each answer comes after what it is about is on disk.
#[derive(Debug)]
pub enum Command {
    /// A client posted a request.
    Submit {
        /// The request.
        request: SignedRequest,
        /// How long to wait for copies at peers.
        patience: Duration,
        /// Where the answer goes.
        reply: oneshot::Sender<Receipt>,
    },
    /// A client posted several at once.
    SubmitAll {
        /// The requests, and where the answer to each goes.
        requests: Vec<(SignedRequest, oneshot::Sender<Receipt>)>,
        /// How long to wait for copies at peers.
        patience: Duration,
    },
    /// A client cancelled a request.
    Cancel {
        /// The cancellation.
        cancellation: SignedCancellation,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<RequestStatus, CancelRefusal>>,
    },
    /// What is known of a request?
    Detail {
        /// Which request.
        id: RequestId,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<RequestDetail>>,
    },
    /// The same, once it is so far; at once if it is unknown.
    Watch {
        /// Which request.
        id: RequestId,
        /// How far.
        goal: Goal,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<RequestDetail>>,
    },
    /// Which requests are there?
    List {
        /// Which of them.
        listing: Listing,
        /// Where the answer goes.
        reply: oneshot::Sender<Page>,
    },
    /// What happened since then?
    History {
        /// Since when.
        after: Place,
        /// From how many records at most.
        rows: usize,
        /// Where the answer goes.
        reply: oneshot::Sender<History>,
    },
    /// A subscriber has been told up to here. Remembered soon.
    Delivery {
        /// Which subscriber.
        subscriber: String,
        /// Up to where.
        place: Place,
    },
    /// Which alarms has a subscriber not been told of?
    Untold {
        /// Which subscriber.
        subscriber: String,
        /// Where the answer goes.
        reply: oneshot::Sender<Untold>,
    },
    /// A subscriber has been told of alarms. Remembered soon.
    Told {
        /// Which subscriber.
        subscriber: String,
        /// What.
        told: Told,
    },
    /// People have to hear of something.
    Alarm {
        /// What.
        reason: String,
    },
    /// What is in the store by now, to be copied?
    Snapshot {
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Snapshot, StoreError>>,
    },
    /// Does the store take what it is given?
    Probe {
        /// Answered once it did. If it does not, the process ends.
        reply: oneshot::Sender<()>,
    },
    /// The seat at a glance?
    Overview {
        /// Where the answer goes.
        reply: oneshot::Sender<Overview>,
    },
    /// Why does this seat stand still?
    Explain {
        /// Where the answer goes; `None` if it does not.
        reply: oneshot::Sender<Option<Box<Story>>>,
    },
    /// A peer said something.
    Received {
        /// The peer's seat.
        from: usize,
        /// What it said, in its order.
        messages: Vec<Message>,
        /// Answered when all of it is on disk that this seat has to keep: what may wait follows.
        reply: oneshot::Sender<()>,
    },
    /// A peer answered what it was told.
    Delivered {
        /// The peer's seat.
        to: usize,
        /// The requests that it has on its disk now.
        requests: Vec<RequestId>,
        /// The requests of which it knows now that they are confirmed here.
        confirmed: Vec<RequestId>,
    },
    /// This seat's own sources answered.
    Found {
        /// About which request.
        request: RequestId,
        /// What.
        evidence: Evidence,
    },
}

/// What became of a posted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is new, and on the disks of enough seats.
    Accepted(RequestStatus),
    /// It was known already with the same content, and is on the disks of enough seats.
    Known(RequestStatus),
    /// It is on disk here, but not yet at enough seats.
    Waiting(RequestStatus),
    /// It was not taken.
    Refused(Refusal),
}

/// Something that those who follow this seat want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Something that is on disk.
    Change(Change),
    /// Something that is not, and is forgotten by a restart.
    Passing(PassingEvent),
}

/// What happens without being written down.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PassingEvent {
    /// A request is further than it was.
    Request {
        /// How far.
        #[serde(flatten)]
        status: RequestStatus,
    },
    /// The head moved.
    Head {
        /// The ring's next nonce.
        nonce: u64,
        /// The ring's epoch.
        epoch: u32,
        /// The number of the newest block.
        block: u64,
        /// The seats that may sign the next turn, the lead first.
        window: Vec<usize>,
    },
    /// Something that people should hear of; after a halt, why.
    Alarm {
        /// What happened.
        reason: String,
    },
}

/// The driver has stopped: this process is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the relayer is stopping")]
pub struct Stopped;

/// The way to the driver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Notice>,
    alarms: watch::Sender<()>,
    end: watch::Sender<Place>,
}

impl Handle {
    /// How many notices a slow follower may be behind before it misses some.
    pub(crate) const NOTICES: usize = 8_192;

    /// A handle, and the end at which its commands come out.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(capacity);
        let (notices, _) = broadcast::channel(Self::NOTICES);
        (Self { commands, notices, alarms: watch::Sender::new(()), end: watch::Sender::new(Place::START) }, receiver)
    }

    /// Takes a request. Waits at most `patience` for its copies.
    ///
    /// # Errors
    /// The driver has stopped: whether the request was taken is not known.
    pub async fn submit(&self, request: SignedRequest, patience: Duration) -> Result<Receipt, Stopped> {
        self.ask(|reply| Command::Submit { request, patience, reply }).await
    }

    /// Takes several requests at once, each by itself; the answers are in their order. Waits at most `patience` for copies.
    ///
    /// # Errors
    /// The driver has stopped: whether they were taken is not known.
    pub async fn submit_all(&self, requests: Vec<SignedRequest>, patience: Duration) -> Result<Vec<Receipt>, Stopped> {
        let (requests, answers): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|request| {
                let (reply, answer) = oneshot::channel();
                ((request, reply), answer)
            })
            .unzip();
        self.commands.send(Command::SubmitAll { requests, patience }).await.map_err(|_| Stopped)?;
        let mut receipts = Vec::with_capacity(answers.len());
        for answer in answers {
            receipts.push(answer.await.map_err(|_| Stopped)?);
        }
        Ok(receipts)
    }

    /// Takes a cancellation. Answered once it is on disk, with how far the request is.
    ///
    /// # Errors
    /// The driver has stopped: whether the cancellation was taken is not known.
    pub async fn cancel(
        &self,
        cancellation: SignedCancellation,
    ) -> Result<Result<RequestStatus, CancelRefusal>, Stopped> {
        self.ask(|reply| Command::Cancel { cancellation, reply }).await
    }

    /// What is known of a request.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn request(&self, id: RequestId) -> Result<Option<RequestDetail>, Stopped> {
        self.ask(|reply| Command::Detail { id, reply }).await
    }

    /// What is known of a request, once it is so far, however long that takes; at once if nothing is known of it.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn watch(&self, id: RequestId, goal: Goal) -> Result<Option<RequestDetail>, Stopped> {
        self.ask(|reply| Command::Watch { id, goal, reply }).await
    }

    /// Some of the requests.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn list(&self, listing: Listing) -> Result<Page, Stopped> {
        self.ask(|reply| Command::List { listing, reply }).await
    }

    /// What happened since then, from at most `rows` records.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn history(&self, after: Place, rows: usize) -> Result<History, Stopped> {
        self.ask(|reply| Command::History { after, rows, reply }).await
    }

    /// Says up to where a subscriber has been told. It is remembered soon, and at the latest when the driver stops.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn note_delivery(&self, subscriber: String, place: Place) -> Result<(), Stopped> {
        self.commands.send(Command::Delivery { subscriber, place }).await.map_err(|_| Stopped)
    }

    /// The alarms that a subscriber has not been told of.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn untold(&self, subscriber: String) -> Result<Untold, Stopped> {
        self.ask(|reply| Command::Untold { subscriber, reply }).await
    }

    /// Says what a subscriber has been told of alarms. It is remembered soon, and at the latest when the driver stops.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn note_told(&self, subscriber: String, told: Told) -> Result<(), Stopped> {
        self.commands.send(Command::Told { subscriber, told }).await.map_err(|_| Stopped)
    }

    /// Tells people, loudly.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn raise(&self, reason: String) -> Result<(), Stopped> {
        self.commands.send(Command::Alarm { reason }).await.map_err(|_| Stopped)
    }

    /// What is in the store by now, to be copied beside the driver.
    ///
    /// # Errors
    /// The driver has stopped; or, inside, the store cannot be copied.
    pub async fn snapshot(&self) -> Result<Result<Snapshot, StoreError>, Stopped> {
        self.ask(|reply| Command::Snapshot { reply }).await
    }

    /// Makes sure that the store takes what it is given.
    ///
    /// # Errors
    /// The driver has stopped: also if it did so because the store does not.
    pub async fn probe(&self) -> Result<(), Stopped> {
        self.ask(|reply| Command::Probe { reply }).await
    }

    /// The seat at a glance.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn overview(&self) -> Result<Overview, Stopped> {
        self.ask(|reply| Command::Overview { reply }).await
    }

    /// Why this seat stands still, if it does.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn explain(&self) -> Result<Option<Box<Story>>, Stopped> {
        self.ask(|reply| Command::Explain { reply }).await
    }

    /// Hands over what a peer said; comes back when what this seat has to keep of it is on disk.
    ///
    /// # Errors
    /// The driver has stopped: whether it is on disk is not known.
    pub async fn received(&self, from: usize, messages: Vec<Message>) -> Result<(), Stopped> {
        self.ask(|reply| Command::Received { from, messages, reply }).await
    }

    /// Says that a peer has requests on its disk, and knows which are confirmed here.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn delivered(
        &self,
        to: usize,
        requests: Vec<RequestId>,
        confirmed: Vec<RequestId>,
    ) -> Result<(), Stopped> {
        self.commands.send(Command::Delivered { to, requests, confirmed }).await.map_err(|_| Stopped)
    }

    /// Says what this seat's own sources found.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn found(&self, request: RequestId, evidence: Evidence) -> Result<(), Stopped> {
        self.commands.send(Command::Found { request, evidence }).await.map_err(|_| Stopped)
    }

    /// Whether anybody wants notices.
    pub(crate) fn is_followed(&self) -> bool {
        self.notices.receiver_count() > 0
    }

    /// Everything there is to notice from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Tells whoever follows.
    pub(crate) fn notify(&self, notice: Notice) {
        // Nobody following is no error.
        let _ = self.notices.send(notice);
    }

    /// Comes back when the driver has stopped.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    /// Changes when there are alarms in the store that were not there before.
    pub fn alarms(&self) -> watch::Receiver<()> {
        self.alarms.subscribe()
    }

    /// There are new alarms in the store.
    pub(crate) fn note_alarms(&self) {
        self.alarms.send_replace(());
    }

    /// The end of the history, from now on. Before the driver runs it is the beginning.
    pub fn end(&self) -> watch::Receiver<Place> {
        self.end.subscribe()
    }

    /// The history has become longer.
    pub(crate) fn note_end(&self, end: Place) {
        self.end.send_replace(end);
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
