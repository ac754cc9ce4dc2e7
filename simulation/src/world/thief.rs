//! A thief who has keys of seats, and perhaps their machines.

use std::collections::{BTreeMap, BTreeSet};

use ring_contracts::{
    B256, Call, Charter, CompactSignature, Domain, Effect, Execution, RequestId, Seat, SignedRequest, Turn, TurnId,
    witness,
};
use ring_core::{Halt, Message, Vote};

use super::{
    World,
    happening::Body,
    plan::{Fault, Plan},
    words::short,
};
use crate::chain::{GENESIS_TIME, Key, Purpose, RING, THIEF, Transaction};

/// A thief, and what is known of its doings.
pub(super) struct Thief {
    keys: BTreeMap<usize, Key>,
    seats: usize,
    window: usize,
    pub(super) quorum: usize,
    /// What it signed, and whether nobody ever asked for it.
    pub(super) made: BTreeMap<B256, bool>,
    /// The first content that it showed of each epoch and nonce.
    shown: BTreeMap<(u32, u64), B256>,
    /// What honest keys signed, too.
    honest: BTreeSet<B256>,
    /// What it has heard of: turns, and who signed them.
    heard: BTreeMap<B256, (Option<Turn>, BTreeMap<usize, CompactSignature>)>,
}

impl Thief {
    pub(super) fn new(plan: &Plan, keys: &[Key]) -> Self {
        Self {
            keys: plan.stolen.iter().map(|seat| (*seat, keys[*seat].clone())).collect(),
            seats: plan.seats,
            window: plan.window.into(),
            quorum: plan.quorum.into(),
            made: BTreeMap::new(),
            shown: BTreeMap::new(),
            honest: BTreeSet::new(),
            heard: BTreeMap::new(),
        }
    }

    pub(super) fn note_honest(&mut self, digest: B256) {
        self.honest.insert(digest);
    }

    /// Whether the thief made it, and no honest key signed it.
    pub(super) fn alone_signed(&self, digest: &B256) -> bool {
        self.made.contains_key(digest) && !self.honest.contains(digest)
    }

    /// Whether the thief made it, and nobody asked for it.
    pub(super) fn invented(&self, digest: &B256) -> bool {
        self.made.get(digest) == Some(&true)
    }

    /// How many turns in a row it can sign alone from this nonce on; without end it is 2^64 - 1.
    pub(super) fn bound(&self, nonce: u64) -> u64 {
        let seats = self.seats as u64;
        let can = |nonce: u64| {
            let held =
                (0..self.window as u64).filter(|place| self.keys.contains_key(&(((nonce + place) % seats) as usize)));
            held.count() >= self.quorum
        };
        match (nonce..nonce + seats).position(|nonce| !can(nonce)) {
            Some(run) => run as u64,
            None => u64::MAX,
        }
    }

    pub(super) fn votes(&self, charter: &Charter, nonce: u64, digest: &B256) -> Vec<Vote> {
        let mine = charter.window_of(nonce).filter_map(|seat| Some((seat, self.keys.get(&seat)?)));
        mine.map(|(seat, key)| Vote { seat, signature: key.sign(digest) }).collect()
    }
}

impl World {
    /// The thief does one of the things it can do.
    pub(super) fn steal(&mut self) {
        let subtle = self.plan.subtle;
        let random = self.random(Fault::Theft);
        match random.index(24) {
            0..=2 => self.propose_unasked(),
            3..=5 => self.propose_altered(),
            6..=8 => self.propose_again(),
            9 | 10 => self.send_overheard(),
            11 | 12 => self.void_early(),
            13 => self.cry_wolf(),
            _ if subtle => {}
            14..=18 => self.strike(),
            19..=21 => self.equivocate(),
            _ => self.sign_ahead(),
        }
    }

    /// Takes a turn for itself, if the keys it has are enough; in the name of an honest request or of none.
    fn strike(&mut self) {
        let (turn, digest) = self.invent(TurnId::NO_EXPIRY);
        let (charter, nonce) = (self.charter.clone(), turn.id().nonce);
        let votes = self.thief.votes(&charter, nonce, &digest);
        if votes.len() < self.thief.quorum {
            return;
        }
        self.thief.made.insert(digest, true);
        self.counts.fault("theft of a turn");
        self.note(|| format!("the thief signs turn {nonce} {}", short(&digest)));
        self.execute_as_thief(&turn, &votes.iter().map(|vote| (vote.seat, vote.signature)).collect());
    }

    /// Shows the seats a turn that nobody asked for, signed with what it has.
    fn propose_unasked(&mut self) {
        let (turn, digest) = self.invent(self.soon());
        self.thief.made.insert(digest, true);
        self.counts.fault("unasked turn proposed");
        // With a request that no requester signed, or none.
        let with = self.random(Fault::Theft).chance(500);
        let key = self.thief.keys.values().next().cloned().filter(|_| with);
        let requests = key.and_then(|key| {
            let honest = self.posted.values().next()?.first()?.clone();
            let signature = key.sign_long(&honest.request.digest(&self.chain.domain()));
            Some(SignedRequest { signature, ..honest })
        });
        let votes = self.thief.votes(&self.charter.clone(), turn.id().nonce, &digest);
        self.tell_all(&turn, &requests.into_iter().collect::<Vec<_>>(), &votes, |_| true);
    }

    /// Shows the seats a turn with the name of what a client just asked for, that pays the thief instead.
    pub(super) fn propose_altered(&mut self) {
        let Some(signed) = self.posted.values().last().and_then(|contents| contents.first()).cloned() else { return };
        let soon = self.soon().min(signed.request.expiry);
        let head = self.chain.head();
        let id = TurnId { ring: RING, epoch: head.epoch(), nonce: head.nonce(), valid_until: soon };
        let effect = Effect::Pay { to: THIEF, amount: 1 };
        let call = Call { request_id: signed.request.id, gas: signed.request.gas, effect };
        let (turn, digest) = self.made_turn(id, vec![call]);
        self.thief.made.insert(digest, true);
        self.counts.fault("request altered by a thief");
        let votes = self.thief.votes(&self.charter.clone(), id.nonce, &digest);
        self.tell_all(&turn, &[signed], &votes, |_| true);
    }

    /// Shows the seats a turn with what an earlier turn carries, which may not be final.
    pub(super) fn propose_again(&mut self) {
        let fork = self.chain.head().block.number.saturating_sub(self.chain.not_final());
        let carried = self.chain.turns().into_iter().filter(|turn| turn.block >= fork);
        let carried: Vec<RequestId> = carried.flat_map(|turn| turn.requests).collect();
        let Some(request) = self.random(Fault::Theft).choose(&carried).copied() else { return };
        let Some(signed) = self.posted.get(&request).and_then(|contents| contents.first()).cloned() else { return };
        let (turn, requests) = self.turn_of(signed, 0, 1);
        let digest = turn.digest(&self.chain.domain());
        self.thief.made.entry(digest).or_insert(false);
        self.counts.fault("request proposed again by a thief");
        let votes = self.thief.votes(&self.charter.clone(), turn.id().nonce, &digest);
        self.tell_all(&turn, &requests, &votes, |_| true);
    }

    /// Signs two contents of what clients asked for, and shows each to some of the seats.
    fn equivocate(&mut self) {
        let mut contents = Vec::new();
        for valid in [1, 2] {
            contents.extend(self.genuine(0, valid));
        }
        if contents.len() == 2 {
            self.counts.fault("two contents signed by a thief");
        }
        for (index, (turn, requests)) in contents.into_iter().enumerate() {
            let digest = turn.digest(&self.chain.domain());
            self.thief.made.entry(digest).or_insert(false);
            let votes = self.thief.votes(&self.charter.clone(), turn.id().nonce, &digest);
            let both = self.random(Fault::Theft).chance(300);
            self.tell_all(&turn, &requests, &votes, |to| both || to % 2 == index);
        }
    }

    /// Signs a turn whose time has not come.
    fn sign_ahead(&mut self) {
        let ahead = self.random(Fault::Theft).between(1, 3);
        if let Some((turn, requests)) = self.genuine(ahead, 1) {
            let digest = turn.digest(&self.chain.domain());
            self.thief.made.entry(digest).or_insert(false);
            self.counts.fault("turn signed ahead");
            let votes = self.thief.votes(&self.charter.clone(), turn.id().nonce, &digest);
            self.tell_all(&turn, &requests, &votes, |_| true);
        }
    }

    /// Sends a turn that it has heard to be complete.
    fn send_overheard(&mut self) {
        let quorum = self.thief.quorum;
        let complete = self.thief.heard.values().filter(|(turn, votes)| turn.is_some() && votes.len() >= quorum);
        let complete: Vec<_> = complete.cloned().collect();
        let index = self.random(Fault::Theft).index(complete.len().max(1));
        if let Some((Some(turn), votes)) = complete.get(index) {
            self.counts.fault("turn sent by the thief");
            self.execute_as_thief(turn, votes);
        }
    }

    /// Signs the void of the turn that is next, which is not forbidden.
    fn void_early(&mut self) {
        let head = self.chain.head();
        let turn = Turn::void(RING, head.epoch(), head.nonce());
        let digest = turn.digest(&self.chain.domain());
        self.counts.fault("void signed by a thief");
        let votes = self.thief.votes(&self.charter.clone(), turn.id().nonce, &digest);
        self.tell_all(&turn, &[], &votes, |_| true);
    }

    /// Says that it halted.
    fn cry_wolf(&mut self) {
        let epoch = self.chain.head().epoch();
        let Some(from) = self.thief.keys.keys().next().copied() else { return };
        for to in (0..self.seats.len()).filter(|to| *to != from) {
            let halt = Halt::Ordered { reason: "so says the thief".to_owned() };
            let message = Message::Halted { epoch, halt };
            self.send(from, to, Body::Message(message));
        }
    }

    /// A turn that pays the thief.
    fn invent(&mut self, valid_until: u64) -> (Turn, B256) {
        let head = self.chain.head();
        let id = TurnId { ring: RING, epoch: head.epoch(), nonce: head.nonce(), valid_until };
        let honest: Vec<RequestId> = self.posted.keys().copied().collect();
        let random = self.random(Fault::Theft);
        let request_id = match random.choose(&honest).copied() {
            Some(id) if random.chance(500) => id,
            _ => RequestId::repeat_byte(0xee),
        };
        let amount = 1 + u128::from(random.below(20));
        let call = Call { request_id, gas: 50_000, effect: Effect::Pay { to: THIEF, amount } };
        self.made_turn(id, vec![call])
    }

    /// A turn of what clients asked for.
    fn genuine(&mut self, ahead: u64, validity: u64) -> Option<(Turn, Vec<SignedRequest>)> {
        let valid_until = self.soon() + validity;
        let lasting = |signed: &&SignedRequest| signed.request.expiry >= valid_until;
        let all: Vec<SignedRequest> = self.posted.values().flatten().filter(lasting).cloned().collect();
        let request = self.random(Fault::Theft).choose(&all).cloned()?;
        Some(self.turn_of(request, ahead, validity))
    }

    /// A turn of this request, so many after the next, and what is needed to judge it.
    fn turn_of(&self, signed: SignedRequest, ahead: u64, validity: u64) -> (Turn, Vec<SignedRequest>) {
        let head = self.chain.head();
        let valid_until = (self.soon() + validity).min(signed.request.expiry);
        let id = TurnId { ring: RING, epoch: head.epoch(), nonce: head.nonce() + ahead, valid_until };
        let call = signed.request.to_call(self.charter.asset);
        (self.made_turn(id, vec![call]).0, vec![signed])
    }

    /// Until when a turn made now is valid that looks like one of honest seats.
    pub(super) fn soon(&self) -> u64 {
        GENESIS_TIME + self.now / 1_000 + self.plan.validity / 2
    }

    pub(super) fn made_turn(&self, id: TurnId, calls: Vec<Call>) -> (Turn, B256) {
        let domain: Domain = self.chain.domain();
        match Turn::new(id, calls) {
            Ok(turn) => {
                let digest = turn.digest(&domain);
                (turn, digest)
            }
            Err(error) => unreachable!("a small call can be packed: {error}"),
        }
    }

    pub(super) fn tell_all(
        &mut self,
        turn: &Turn,
        requests: &[SignedRequest],
        votes: &[Vote],
        to: impl Fn(usize) -> bool,
    ) {
        let Some(from) = self.thief.keys.keys().next().copied().filter(|_| !votes.is_empty()) else { return };
        let (id, digest) = (turn.id(), turn.digest(&self.chain.domain()));
        let first = *self.thief.shown.entry((id.epoch, id.nonce)).or_insert(digest);
        if self.plan.subtle && !turn.is_void() && first != digest {
            return;
        }
        for to in (0..self.seats.len()).filter(|seat| *seat != from && to(*seat)) {
            let message = Message::Turn { turn: turn.clone(), requests: requests.to_vec(), votes: votes.to_vec() };
            self.send(from, to, Body::Message(message));
        }
    }

    pub(super) fn execute_as_thief(&mut self, turn: &Turn, votes: &BTreeMap<usize, CompactSignature>) {
        let stands = |seat: usize| votes.get(&seat).map(|signature| Seat::Signed(*signature));
        let Ok(witness) = witness(&self.charter, turn.id().nonce, stands) else { return };
        if let Ok(input) = Execution::new(turn, &self.charter, witness).calldata() {
            self.send_transaction(Transaction::new(THIEF, input, Purpose::Turn(turn.id())));
        }
    }

    /// What is said to a seat whose key the thief has, the thief hears.
    pub(super) fn overhear(&mut self, to: usize, message: &Message) {
        if !self.thief.keys.contains_key(&to) {
            return;
        }
        let (digest, turn, votes) = match message {
            Message::Turn { turn, votes, .. } => (turn.digest(&self.chain.domain()), Some(turn), votes),
            Message::Votes { digest, votes, .. } => (*digest, None, votes),
            _ => return,
        };
        let heard = self.thief.heard.entry(digest).or_default();
        if let Some(turn) = turn {
            heard.0.get_or_insert_with(|| turn.clone());
        }
        heard.1.extend(votes.iter().map(|vote| (vote.seat, vote.signature)));
    }
}
