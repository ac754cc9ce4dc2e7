//! How the edges reach the driver.

use std::time::Duration;

use ring_contracts::{RequestId, SignedRequest};
use ring_core::{Evidence, Message, Overview, Refusal, RequestStatus};
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot};

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
    /// What is known of a request?
    Status {
        /// Which request.
        id: RequestId,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<RequestStatus>>,
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
        /// Answered when all of it is on disk.
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
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Notice {
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
}

impl Handle {
    /// How many notices a slow follower may be behind before it misses some.
    pub(crate) const NOTICES: usize = 8_192;

    /// A handle, and the end at which its commands come out.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(capacity);
        let (notices, _) = broadcast::channel(Self::NOTICES);
        (Self { commands, notices }, receiver)
    }

    /// Takes a request. Waits at most `patience` for its copies.
    ///
    /// # Errors
    /// The driver has stopped: whether the request was taken is not known.
    pub async fn submit(&self, request: SignedRequest, patience: Duration) -> Result<Receipt, Stopped> {
        self.ask(|reply| Command::Submit { request, patience, reply }).await
    }

    /// What is known of a request.
    ///
    /// # Errors
    /// The driver has stopped.
    pub async fn request_status(&self, id: RequestId) -> Result<Option<RequestStatus>, Stopped> {
        self.ask(|reply| Command::Status { id, reply }).await
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

    /// Hands over what a peer said; comes back when it is on disk.
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

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
