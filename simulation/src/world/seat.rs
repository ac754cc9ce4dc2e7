//! One seat: its process, disk, key, connection to the chain and clock; and what an outside observer knows of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use ring_contracts::{B256, Charter, RequestId, SignedRequest};
use ring_core::{ChainView, Event, Outcome, Record, Settings, State};
use ring_relayer::{
    evidence::{Ledger, Sources},
    store::{Held, Identity, Location, Store, StoreError},
};

use crate::{
    chain::{Floor, Key, Transaction},
    disk,
};

/// One seat.
pub(super) struct Seat {
    pub(super) key: Key,
    /// The key that was announced to it.
    pub(super) next: Option<Next>,
    pub(super) settings: Settings,
    /// The number of its disk.
    pub(super) disk: usize,
    /// While it runs.
    pub(super) process: Option<Process>,
    /// Counts its processes: what is meant for one before does not reach it.
    pub(super) life: u64,
    /// Whether the thief has its machine.
    pub(super) taken: bool,
    /// Which moment of the chain its RPC has got to.
    pub(super) seen: usize,
    /// Until when its RPC does not answer.
    pub(super) blind_until: u64,
    /// How many thousandths of a second its clock has in a second.
    pub(super) rate: u64,
    /// Whether a person let it take part in a later epoch than the first.
    pub(super) let_in: bool,
    /// What it has committed.
    pub(super) known: Known,
}

/// What was announced to a seat.
#[derive(Clone)]
pub(super) struct Next {
    pub(super) charter: Charter,
    pub(super) key: Key,
}

/// A running process.
pub(super) struct Process {
    pub(super) state: State,
    pub(super) store: Store,
    /// What waits to be worked on, and who waits for it to be on disk.
    pub(super) inbox: VecDeque<(Event, Option<Reply>)>,
    /// Whether it is about to look at its inbox.
    pub(super) called: bool,
    /// What is not on disk yet: what may wait.
    pub(super) unwritten: Vec<Record>,
    /// What it lets requesters ask for, and how much of that they did.
    pub(super) limits: (Sources, Option<Ledger>),
    /// What should be on chain.
    pub(super) wanted: Option<Transaction>,
    /// The last view it was given.
    pub(super) view: Option<Rc<ChainView>>,
    /// What its watcher saw to be final.
    pub(super) floor: Floor,
}

/// A peer that waits until what it said is on disk.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) to: usize,
    /// The requests that it gave.
    pub(super) requests: Vec<RequestId>,
    /// Those that it said are confirmed by its sources.
    pub(super) confirmed: Vec<RequestId>,
}

/// What an observer saw to be committed.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) epoch: u32,
    /// The nonce at which it joined.
    pub(super) joined: u64,
    pub(super) halted: bool,
    /// What a person was told to have failed, and may be on the disk all the same: the epoch and nonce at which it joined.
    pub(super) perhaps: Option<(u32, u64)>,
    pub(super) requests: BTreeMap<RequestId, SignedRequest>,
    pub(super) withheld: BTreeSet<RequestId>,
    pub(super) ended: BTreeMap<RequestId, Outcome>,
    /// Of the present epoch.
    pub(super) reserved: BTreeSet<(u64, B256)>,
    /// What each seat signed for a nonce of the present epoch.
    pub(super) votes: BTreeMap<(u64, usize), BTreeSet<B256>>,
}

impl Known {
    pub(super) fn note(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Joined { epoch, nonce } => {
                    if *epoch != self.epoch {
                        self.reserved.clear();
                        self.votes.clear();
                    }
                    (self.epoch, self.joined, self.halted) = (*epoch, *nonce, false);
                }
                Record::Succeeded { epoch, nonce, .. } => {
                    self.reserved.clear();
                    self.votes.clear();
                    (self.epoch, self.joined) = (*epoch, *nonce);
                }
                Record::Request(signed) => {
                    self.requests.insert(signed.request.id, signed.clone());
                }
                Record::Withheld { request, .. } => {
                    self.withheld.insert(*request);
                }
                Record::Reserved { nonce, digest, .. } => {
                    self.reserved.insert((*nonce, *digest));
                }
                Record::Voted { nonce, digest, seat, .. } => {
                    self.votes.entry((*nonce, *seat)).or_default().insert(*digest);
                }
                Record::Halted(_) => self.halted = true,
                _ => {}
            }
            for (id, outcome) in record.ends() {
                self.ended.entry(id).or_insert(outcome);
            }
        }
    }
}

impl Seat {
    pub(super) fn new(key: Key, settings: Settings, disk: usize) -> Self {
        Self {
            key,
            next: None,
            settings,
            disk,
            process: None,
            life: 0,
            taken: false,
            seen: 0,
            blind_until: 0,
            rate: 1_000,
            let_in: false,
            known: Known::default(),
        }
    }

    pub(super) fn location(&self) -> Location {
        Self::location_on(self.disk)
    }

    /// The place of a store on a disk.
    pub(super) fn location_on(disk: usize) -> Location {
        Location::File { path: disk::path(disk).into(), vfs: Some(disk::VFS) }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { domain: self.settings.domain, ring: self.settings.ring, key: self.key.address() }
    }

    /// Goes on with what was announced.
    pub(super) fn succeed(&mut self) {
        if let Some(Next { charter, key }) = self.next.take() {
            self.settings = Settings { charter, key: key.address(), next_charter: None, ..self.settings.clone() };
            self.key = key;
        }
    }

    /// Opens the store and restores the state from it, with what was announced if it remembers to have gone on with that.
    pub(super) fn load(&mut self) -> Result<(State, Store), StoreError> {
        let held = Held::take(&self.location())?;
        let succeeded_to = held.succeeded_to()?;
        if self.next.as_ref().is_some_and(|next| Some(next.charter.commitment()) == succeeded_to) {
            self.succeed();
        }
        let (mut store, records) = held.open(self.identity())?;
        let state = match State::restore(self.settings.clone(), records) {
            Ok(state) => state,
            Err(error) => unreachable!("a seat is started with settings that are right: {error}"),
        };
        if let Some(seat) = self.settings.charter.seat_of(self.key.address()) {
            store.set_own_seat(seat);
        }
        Ok((state, store))
    }
}
