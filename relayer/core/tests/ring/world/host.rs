//! One seat: its process, its disk, its signer and what its driver is busy with.

use std::collections::{BTreeMap, BTreeSet};

use alloy::signers::local::PrivateKeySigner;
use ring_contracts::{B256, Charter, Domain, RequestId, SignedRequest, Turn};
use ring_core::{
    ChainView, Effects, Event, Message, Past, Phase, Record, RequestStatus, Settings, Settled, State, Vote,
};

use super::chain::Transaction;

/// One seat.
pub(crate) struct Host {
    pub(crate) settings: Settings,
    pub(crate) signer: PrivateKeySigner,
    /// What was announced to it: the ring as it is to be next, and its key then.
    pub(crate) next: Option<(Charter, PrivateKeySigner)>,

    /// The disk.
    pub(crate) journal: Vec<Record>,
    /// The same, easier to ask.
    pub(crate) disk: Disk,

    /// The process, while it runs.
    pub(crate) state: Option<State>,
    /// What the signer was asked and has not answered.
    pub(crate) signing: Vec<(u64, B256)>,
    /// What its sources were asked and have not answered.
    pub(crate) inquiries: Vec<RequestId>,
    /// What they confirmed to this process, and at which of its ticks last.
    pub(crate) confirmed: BTreeMap<RequestId, u64>,
    /// How many ticks this process has had.
    pub(crate) ticks: u64,
    /// What the driver keeps sending to the chain.
    pub(crate) submission: Option<Transaction>,
    pub(crate) halting: Option<Transaction>,
    /// The last view it was given.
    pub(crate) view: Option<ChainView>,

    /// Which moment of the chain its RPC has got to. Outlives the process.
    pub(crate) seen: usize,
    /// The ends of requests that it told of. For the life of the disk.
    pub(crate) ends: BTreeMap<RequestId, Phase>,
}

/// What the journal says, in the order of its writing.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) epoch: u32,
    pub(crate) joined: u64,
    pub(crate) halted: bool,
    pub(crate) requests: BTreeMap<RequestId, SignedRequest>,
    pub(crate) withheld: BTreeSet<RequestId>,
    pub(crate) contents: Vec<Turn>,
    pub(crate) reserved: BTreeSet<(u32, u64, B256)>,
    votes: Vec<(B256, Vote)>,
    /// The requests that have ended.
    pub(crate) settled: BTreeMap<RequestId, Settled>,
}

impl Disk {
    /// What is known of those of these requests that have ended.
    fn past(&self, ids: Vec<RequestId>) -> Past {
        ids.into_iter().filter_map(|id| Some((id, *self.settled.get(&id)?))).collect()
    }

    fn write(&mut self, record: &Record, domain: &Domain) {
        for (id, outcome) in record.ends() {
            let digest = self.requests.get(&id).map(|signed| signed.request.digest(domain));
            self.settled.entry(id).or_insert(Settled { digest, outcome });
        }
        match record {
            Record::Joined { epoch, nonce } => {
                (self.epoch, self.joined, self.halted) = (*epoch, *nonce, false);
            }
            Record::Succeeded { epoch, nonce, .. } => (self.epoch, self.joined) = (*epoch, *nonce),
            Record::Request(signed) => {
                self.requests.insert(signed.request.id, signed.clone());
            }
            Record::Content(turn) => self.contents.push(turn.clone()),
            Record::Reserved { nonce, digest, .. } => {
                self.reserved.insert((self.epoch, *nonce, *digest));
            }
            Record::Voted { digest, seat, signature, .. } => {
                self.votes.push((*digest, Vote { seat: *seat, signature: *signature }));
            }
            Record::Withheld { request, .. } => {
                self.withheld.insert(*request);
            }
            Record::Halted(_) => self.halted = true,
            Record::Final { .. } | Record::Settled { .. } | Record::EpochOver { .. } => {}
        }
    }
}

impl Host {
    /// A seat that was never started.
    pub(crate) fn new(settings: Settings, signer: PrivateKeySigner) -> Self {
        Self {
            settings,
            signer,
            next: None,
            journal: Vec::new(),
            disk: Disk::default(),
            state: None,
            signing: Vec::new(),
            inquiries: Vec::new(),
            confirmed: BTreeMap::new(),
            ticks: 0,
            submission: None,
            halting: None,
            view: None,
            seen: 0,
            ends: BTreeMap::new(),
        }
    }

    /// Makes records durable.
    pub(crate) fn write(&mut self, records: Vec<Record>) {
        for record in &records {
            self.disk.write(record, &self.settings.domain);
        }
        self.journal.extend(records);
    }

    /// The process ends; its memory is gone.
    pub(crate) fn crash(&mut self) {
        self.state = None;
        self.signing.clear();
        self.inquiries.clear();
        self.confirmed.clear();
        self.ticks = 0;
        self.submission = None;
        self.halting = None;
        self.view = None;
    }

    /// The state that the disk holds, read back from its text.
    pub(crate) fn restored(&self) -> State {
        let text = serde_json::to_string(&self.journal).unwrap();
        let records: Vec<Record> = serde_json::from_str(&text).unwrap();
        assert_eq!(records, self.journal, "the journal does not come back from its text");
        State::restore(self.settings.clone(), self.live(records)).unwrap()
    }

    /// What a restart needs of the journal.
    fn live(&self, journal: Vec<Record>) -> Vec<Record> {
        let closed = |at: usize, nonce: u64| journal[at..].iter().any(|later| later.closes() == Some(nonce));
        let last_final = journal.iter().rposition(|record| record.closes().is_some());
        let is_live = |at: usize, record: &Record| match record {
            Record::Request(signed) => !self.disk.settled.contains_key(&signed.request.id),
            Record::Withheld { request, .. } => !self.disk.settled.contains_key(request),
            Record::Settled { .. } => false,
            record if record.closes().is_some() => Some(at) == last_final,
            record => record.about().is_none_or(|nonce| !closed(at, nonce)),
        };
        let live = journal.iter().enumerate().filter(|(at, record)| is_live(*at, record));
        live.map(|(_, record)| record.clone()).collect()
    }

    /// One event, of a process that runs.
    pub(crate) fn step(&mut self, event: Event) -> Effects {
        let state = self.state.as_mut().unwrap();
        let past = self.disk.past(state.mentions(std::slice::from_ref(&event)));
        state.step([event], &past)
    }

    /// What this seat says of a request, while its process runs.
    pub(crate) fn status(&self, id: RequestId) -> Option<RequestStatus> {
        let ended = || Some(RequestStatus { id, phase: self.disk.settled.get(&id)?.outcome.into() });
        self.state.as_ref()?.request_status(id).or_else(ended)
    }

    /// Starts the process from the disk.
    pub(crate) fn start(&mut self) {
        self.crash();
        self.state = Some(self.restored());
    }

    /// The process is told what the ring is to be next, and its key then.
    pub(crate) fn announce(&mut self, charter: Charter, signer: PrivateKeySigner) {
        self.settings.next_charter = Some(charter.commitment());
        self.next = Some((charter, signer));
        if self.state.is_some() {
            self.start();
        }
    }

    /// Goes on as it was announced.
    pub(crate) fn succeed(&mut self, record: Record) {
        let (charter, signer) = self.next.take().expect("nothing else was announced");
        self.settings.next_charter = None;
        self.settings.charter = charter;
        self.settings.key = signer.address();
        self.signer = signer;
        self.write(vec![record]);
        self.start();
    }

    /// What the driver answers to `Explain`: every content of the nonce, with its requests and votes.
    pub(crate) fn explanations(&self, nonce: u64) -> Vec<Message> {
        let of_nonce = |turn: &&Turn| turn.id().nonce == nonce;
        let message = |turn: &Turn| {
            let request = |id| self.disk.requests.get(&id).cloned();
            let requests: Option<Vec<_>> = turn.calls().iter().map(|call| request(call.request_id)).collect();
            let digest = turn.digest(&self.settings.domain);
            let votes = self.disk.votes.iter().filter(|(of, _)| *of == digest).map(|(_, vote)| *vote).collect();
            Some(Message::Turn { turn: turn.clone(), requests: requests?, votes })
        };
        self.disk.contents.iter().filter(of_nonce).filter_map(message).collect()
    }
}
