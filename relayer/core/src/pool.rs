//! The requests without an end yet, in each order in which they are looked for. Nothing here takes longer the more of them
//! there are.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{B256, FixedBytes, RequestId, SignedRequest};

use crate::{evidence::Findings, seats::Seats};

/// An epoch and a nonce: the one turn that may carry a request.
pub(crate) type Place = (u32, u64);

/// A request without an end yet.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) signed: SignedRequest,
    pub(crate) digest: B256,
    bound: Option<Place>,
    /// Its client's signature that it shall not be executed any more.
    cancellation: Option<FixedBytes<65>>,
    /// The peers that say that they withhold it for good. Volatile.
    withheld_by: Seats,
    /// Its place in the order of arrival.
    arrival: u64,
    /// The peers that are known to have it on disk. Volatile.
    holders: Seats,
    /// Whether it was found to be genuine since this process started: until then the settings may have changed. Volatile.
    verified: bool,
    pub(crate) findings: Findings,
}

impl Tracked {
    pub(crate) fn id(&self) -> RequestId {
        self.signed.request.id
    }

    /// The one turn that may carry it.
    pub(crate) fn bound(&self) -> Option<Place> {
        self.bound
    }

    /// Its client's cancellation, if there is one.
    pub(crate) fn cancellation(&self) -> Option<FixedBytes<65>> {
        self.cancellation
    }

    /// Whether its client cancelled it.
    pub(crate) fn is_withheld(&self) -> bool {
        self.cancellation.is_some()
    }

    /// Whether its client cancelled it and no turn that this seat agreed to carries it.
    pub(crate) fn is_withheld_for_good(&self) -> bool {
        self.is_withheld() && (self.bound.is_none() || planted!(WithheldWhileBound))
    }

    pub(crate) fn withheld_by(&self) -> Seats {
        self.withheld_by
    }

    pub(crate) fn arrival(&self) -> u64 {
        self.arrival
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.verified
    }

    pub(crate) fn holders(&self) -> Seats {
        self.holders
    }
}

/// All requests without an end.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    requests: BTreeMap<RequestId, Tracked>,
    /// Those that are neither bound nor cancelled, by arrival.
    waiting: BTreeMap<u64, RequestId>,
    /// Those that are not bound, by expiry.
    expiries: BTreeSet<(u64, RequestId)>,
    /// Those that are bound.
    bound: BTreeMap<Place, BTreeSet<RequestId>>,
    /// What each peer is not known to have, by arrival.
    unshared: BTreeMap<usize, BTreeMap<u64, RequestId>>,
    /// Those that were cancelled, by digest.
    withheld: BTreeMap<B256, RequestId>,
    /// Those of them that all other seats withhold.
    confirmed: BTreeSet<RequestId>,
    /// Those of them that a peer has not said to withhold, by arrival.
    unconfirmed: BTreeMap<usize, BTreeMap<u64, RequestId>>,
    arrivals: u64,
}

impl Pool {
    pub(crate) fn new(peers: impl Iterator<Item = usize>) -> Self {
        let peers: Vec<usize> = peers.collect();
        let nothing = || peers.iter().map(|peer| (*peer, BTreeMap::new())).collect();
        Self {
            requests: BTreeMap::new(),
            waiting: BTreeMap::new(),
            expiries: BTreeSet::new(),
            bound: BTreeMap::new(),
            unshared: nothing(),
            withheld: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            unconfirmed: nothing(),
            arrivals: 0,
        }
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Tracked> {
        self.requests.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: RequestId) -> Option<&mut Tracked> {
        self.requests.get_mut(&id)
    }

    /// How many are bound.
    pub(crate) fn count_bound(&self) -> usize {
        self.bound.values().map(BTreeSet::len).sum()
    }

    /// How many were cancelled.
    pub(crate) fn count_withheld(&self) -> usize {
        self.withheld.len()
    }

    /// How many wait for a turn.
    pub(crate) fn count_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a request that is not there yet.
    pub(crate) fn insert(&mut self, signed: SignedRequest, digest: B256) {
        let (id, expiry, arrival) = (signed.request.id, signed.request.expiry, self.arrivals);
        self.arrivals += 1;
        self.waiting.insert(arrival, id);
        self.expiries.insert((expiry, id));
        for unshared in self.unshared.values_mut() {
            unshared.insert(arrival, id);
        }
        let (holders, withheld_by, findings) = Default::default();
        let tracked = Tracked {
            signed,
            digest,
            bound: None,
            cancellation: None,
            withheld_by,
            arrival,
            holders,
            verified: false,
            findings,
        };
        self.requests.insert(id, tracked);
    }

    /// A request was found to be genuine.
    pub(crate) fn note_verified(&mut self, id: RequestId) {
        if let Some(tracked) = self.requests.get_mut(&id) {
            tracked.verified = true;
        }
    }

    /// Removes a request: it has its end.
    pub(crate) fn remove(&mut self, id: RequestId) {
        let Some(tracked) = self.requests.remove(&id) else { return };
        self.forget_place(&tracked);
        self.withheld.remove(&tracked.digest);
        self.confirmed.remove(&id);
        for untold in self.unshared.values_mut().chain(self.unconfirmed.values_mut()) {
            untold.remove(&tracked.arrival);
        }
    }

    /// A request was cancelled. Peers are not sent it any more, but its cancellation.
    pub(crate) fn withhold(&mut self, id: RequestId, cancellation: FixedBytes<65>) {
        let Some(tracked) = self.requests.get_mut(&id) else { return };
        if tracked.cancellation.replace(cancellation).is_some() {
            return;
        }
        self.withheld.insert(tracked.digest, id);
        self.waiting.remove(&tracked.arrival);
        for unshared in self.unshared.values_mut() {
            unshared.remove(&tracked.arrival);
        }
        for unconfirmed in self.unconfirmed.values_mut() {
            unconfirmed.insert(tracked.arrival, id);
        }
    }

    /// A peer withholds a cancelled request for good.
    pub(crate) fn note_withheld(&mut self, id: RequestId, peer: usize) {
        let Some(tracked) = self.requests.get_mut(&id).filter(|tracked| tracked.is_withheld()) else { return };
        tracked.withheld_by.insert(peer);
        if let Some(unconfirmed) = self.unconfirmed.get_mut(&peer) {
            unconfirmed.remove(&tracked.arrival);
        }
    }

    /// The cancelled request with this digest.
    pub(crate) fn withheld_with(&self, digest: B256) -> Option<RequestId> {
        self.withheld.get(&digest).copied()
    }

    /// All other seats withhold a cancelled request for good.
    pub(crate) fn note_confirmed(&mut self, id: RequestId) {
        self.confirmed.insert(id);
    }

    /// Those that all seats withhold for good, each with its cancellation.
    pub(crate) fn cancelled_for_good(&self) -> Vec<(RequestId, FixedBytes<65>)> {
        let tracked = self.confirmed.iter().filter_map(|id| self.requests.get(id));
        tracked
            .filter(|tracked| tracked.is_withheld_for_good())
            .filter_map(|tracked| Some((tracked.id(), tracked.cancellation?)))
            .collect()
    }

    /// The cancelled ones that a peer has not said to withhold, in the order of arrival, from this arrival on.
    pub(crate) fn unconfirmed_from(&self, peer: usize, arrival: u64) -> impl Iterator<Item = (u64, &Tracked)> {
        let unconfirmed = self.unconfirmed.get(&peer).into_iter().flat_map(move |all| all.range(arrival..));
        unconfirmed.filter_map(|(arrival, id)| Some((*arrival, self.requests.get(id)?)))
    }

    /// From now on only this turn may carry the request.
    pub(crate) fn bind(&mut self, id: RequestId, place: Place) {
        let Some(mut tracked) = self.requests.remove(&id) else { return };
        self.forget_place(&tracked);
        tracked.bound = Some(place);
        self.bound.entry(place).or_default().insert(id);
        self.requests.insert(id, tracked);
    }

    /// What was bound to such turns waits again.
    pub(crate) fn free(&mut self, is_over: impl Fn(Place) -> bool) {
        let over: Vec<Place> = self.bound.keys().copied().filter(|place| is_over(*place)).collect();
        for id in over.iter().filter_map(|place| self.bound.remove(place)).flatten().collect::<Vec<_>>() {
            let Some(tracked) = self.requests.get_mut(&id) else { continue };
            tracked.bound = None;
            if tracked.cancellation.is_none() {
                self.waiting.insert(tracked.arrival, id);
            }
            self.expiries.insert((tracked.signed.request.expiry, id));
        }
    }

    fn forget_place(&mut self, tracked: &Tracked) {
        let id = tracked.id();
        match tracked.bound {
            None => {
                self.waiting.remove(&tracked.arrival);
                self.expiries.remove(&(tracked.signed.request.expiry, id));
            }
            Some(place) => {
                if let Some(ids) = self.bound.get_mut(&place) {
                    ids.remove(&id);
                    if ids.is_empty() {
                        self.bound.remove(&place);
                    }
                }
            }
        }
    }

    /// Whether anything is bound to a turn of an epoch before this one.
    pub(crate) fn is_bound_before(&self, epoch: u32) -> bool {
        self.bound.keys().next().is_some_and(|(bound, _)| *bound < epoch)
    }

    /// Those that are neither bound nor cancelled, in the order of their arrival, from this arrival on.
    pub(crate) fn waiting_from(&self, arrival: u64) -> impl Iterator<Item = &Tracked> {
        self.waiting.range(arrival..).filter_map(|(_, id)| self.requests.get(id))
    }

    /// Those that are not bound and whose expiry is before this second.
    pub(crate) fn expired(&self, now: u64) -> Vec<RequestId> {
        self.expiries.range(..(now, RequestId::ZERO)).map(|(_, id)| *id).collect()
    }

    /// A peer has a request on its disk. Returns how many peers are known to, if this is news.
    pub(crate) fn note_holder(&mut self, id: RequestId, peer: usize) -> Option<usize> {
        let tracked = self.requests.get_mut(&id)?;
        if let Some(unshared) = self.unshared.get_mut(&peer) {
            unshared.remove(&tracked.arrival);
        }
        tracked.holders.insert(peer).then(|| tracked.holders.len())
    }

    /// What a peer is not known to have, in the order of arrival, from this arrival on.
    pub(crate) fn unshared_from(&self, peer: usize, arrival: u64) -> impl Iterator<Item = (u64, &Tracked)> {
        let unshared = self.unshared.get(&peer).into_iter().flat_map(move |unshared| unshared.range(arrival..));
        unshared.filter_map(|(arrival, id)| Some((*arrival, self.requests.get(id)?)))
    }
}
