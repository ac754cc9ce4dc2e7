//! The requests without an end yet, in each order in which they are looked for. Nothing here takes longer the more of them
//! there are.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{B256, RequestId, SignedRequest};

use crate::{evidence::Findings, seats::Seats};

/// An epoch and a nonce: the one turn that may carry a request.
pub(crate) type Place = (u32, u64);

/// A request without an end yet.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) signed: SignedRequest,
    pub(crate) digest: B256,
    bound: Option<Place>,
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
    /// Those that are not bound, by arrival.
    waiting: BTreeMap<u64, RequestId>,
    /// The same, by expiry.
    expiries: BTreeSet<(u64, RequestId)>,
    /// Those that are bound.
    bound: BTreeMap<Place, BTreeSet<RequestId>>,
    /// What each peer is not known to have, by arrival.
    unshared: BTreeMap<usize, BTreeMap<u64, RequestId>>,
    arrivals: u64,
}

impl Pool {
    pub(crate) fn new(peers: impl Iterator<Item = usize>) -> Self {
        Self {
            requests: BTreeMap::new(),
            waiting: BTreeMap::new(),
            expiries: BTreeSet::new(),
            bound: BTreeMap::new(),
            unshared: peers.map(|peer| (peer, BTreeMap::new())).collect(),
            arrivals: 0,
        }
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Tracked> {
        self.requests.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: RequestId) -> Option<&mut Tracked> {
        self.requests.get_mut(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// How many are not bound.
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
        let (holders, findings) = Default::default();
        self.requests.insert(id, Tracked { signed, digest, bound: None, arrival, holders, verified: false, findings });
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
        for unshared in self.unshared.values_mut() {
            unshared.remove(&tracked.arrival);
        }
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
            self.waiting.insert(tracked.arrival, id);
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

    /// Those that are not bound, in the order of their arrival, from this arrival on.
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
