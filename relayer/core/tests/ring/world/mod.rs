//! A whole ring in one thread. A seeded script decides what happens next; the promises are checked at every step.

mod calm;
pub(crate) mod chain;
mod chance;
pub(crate) mod host;
mod promises;
pub(crate) mod random;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use ring_contracts::{
    Address, B256, Bytes, Call, Cancellation, Charter, CompactSignature, Domain, Effect, Refill, Request, RequestId,
    Seat, SignedCancellation, SignedRequest, Turn, TurnId, U256, witness,
};
use ring_core::{
    Action, CancelledRequest, Cancelling, Effects, Event, Evidence, Message, Past, Phase, Record, Refusal, Settings,
    Submission, Vote,
};

use chain::{Chain, Transaction};
pub(crate) use chain::{GENESIS, TOKEN};
use host::Host;
use random::Random;

/// The ring under test.
pub(crate) const RING: u32 = 7;
/// How long a turn stays valid, in seconds.
pub(crate) const VALIDITY: u64 = 600;
/// The cap of each asset a period.
pub(crate) const CAP: u128 = 100;
/// The most calls of a turn.
pub(crate) const MAX_CALLS: usize = 3;
/// An expiry that no test reaches.
pub(crate) const FAR: u64 = chain::GENESIS + 100_000_000;
/// What seats may ask for by themselves.
pub(crate) const REFILL: Refill = Refill { amount: 5, period: 10_000 };
/// How many blocks can be reorganised away.
const DEPTH: usize = 3;
/// The seconds between blocks when nothing goes wrong.
const BLOCK_SECONDS: u64 = 60;
const REQUESTER_SECRET: u64 = 1_000;
const THIEF: Address = Address::repeat_byte(0xee);

pub(crate) fn domain() -> Domain {
    Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) }
}

/// A fixed key.
pub(crate) fn signer(secret: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::from(U256::from(secret))).unwrap()
}

/// The signature of a digest in the contract's form.
pub(crate) fn sign(signer: &PrivateKeySigner, digest: &B256) -> CompactSignature {
    signer.sign_hash_sync(digest).unwrap().into()
}

/// A request, signed.
pub(crate) fn sign_request(signer: &PrivateKeySigner, request: Request) -> SignedRequest {
    let signature = signer.sign_hash_sync(&request.digest(&domain())).unwrap();
    SignedRequest { request, signature: signature.as_bytes().into() }
}

/// What happens in a world, but for what chance adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seats: usize,
    pub(crate) window: u8,
    pub(crate) quorum: u8,
    pub(crate) copies: usize,
    pub(crate) seed: u64,
    /// How many things happen before the faults end.
    pub(crate) steps: usize,
    /// How many requests clients make.
    pub(crate) requests: usize,
    /// Of a thousand messages, how many are lost; as many are doubled.
    pub(crate) loss: u64,
    /// Of a thousand steps of a seat, how many end in a crash.
    pub(crate) crashes: u64,
    /// Of a thousand steps, how many are a reorg.
    pub(crate) reorgs: u64,
    /// How often the master changes the ring.
    pub(crate) changes: usize,
    /// How often it changes all keys and has told the seats before.
    pub(crate) rotations: usize,
    /// For how many ticks a seat waits for an explanation before it halts.
    pub(crate) grace: u64,
    /// Whose keys a thief has.
    pub(crate) stolen: BTreeSet<usize>,
    /// Of the charter: how many turns a period of an hour has, and how many seconds are between them at least.
    pub(crate) turns_per_period: u32,
    pub(crate) interval: u32,
    /// Of the charter: until when turns execute.
    pub(crate) expires_at: u64,
    /// Whether each seat asks its own sources about requests.
    pub(crate) evidence: bool,
    /// For how many ticks their word counts.
    pub(crate) confirmed_ticks: Option<u64>,
}

impl Plan {
    /// A ring where nothing goes wrong.
    pub(crate) fn calm(seats: usize, window: u8, quorum: u8) -> Self {
        Self {
            seats,
            window,
            quorum,
            copies: seats.min(2),
            seed: 0,
            steps: 0,
            requests: 0,
            loss: 0,
            crashes: 0,
            reorgs: 0,
            changes: 0,
            rotations: 0,
            grace: 20,
            stolen: BTreeSet::new(),
            turns_per_period: 1_000,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            evidence: false,
            confirmed_ticks: None,
        }
    }
}

/// Something on its way between two seats.
#[derive(Clone, Debug)]
enum Letter {
    Message(Message),
    /// The answer: these requests are on disk, and of these it is known that the other's sources confirm them.
    Kept(Vec<RequestId>, Vec<RequestId>),
}

/// A seat's key signed these contents of an (epoch, nonce), voids aside.
type SignedContents = BTreeMap<(Address, u32, u64), BTreeSet<B256>>;

pub(crate) struct World {
    pub(crate) plan: Plan,
    random: Random,
    pub(crate) hosts: Vec<Host>,
    pub(crate) chain: Chain,
    requester: PrivateKeySigner,
    network: VecDeque<(usize, usize, Letter)>,
    /// Which side of a partition each seat is on, while there is one.
    partition: Option<Vec<bool>>,
    /// Every transaction that anybody ever sent: any of them may come at any time.
    pub(crate) pool: Vec<Transaction>,
    /// What clients asked for.
    pub(crate) posted: BTreeMap<RequestId, SignedRequest>,
    /// What some seat called accepted.
    pub(crate) accepted: BTreeSet<RequestId>,
    /// What clients cancelled, and what some seat called cancelled for good.
    pub(crate) taken_back: BTreeSet<RequestId>,
    pub(crate) cancelled: BTreeSet<RequestId>,
    /// The seats whose stores were given up, and with them what they knew of cancellations.
    given_up: BTreeSet<usize>,
    signed: SignedContents,
    /// Turns that only a thief signed.
    pub(crate) foreign: BTreeSet<B256>,
    /// Whether a thief executed anything, be it reorganised away later.
    pub(crate) struck: bool,
    /// What a client was answered last at each seat.
    answers: BTreeMap<(usize, RequestId), Submission>,
    cancel_answers: BTreeMap<(usize, RequestId), Cancelling>,
    /// What a seat's sources contradict, and what they have not heard of yet.
    pub(crate) refuted: BTreeSet<(usize, RequestId)>,
    pub(crate) unheard: BTreeSet<(usize, RequestId)>,
    pub(crate) alarms: Vec<(usize, String)>,
    pub(crate) objections: Vec<(usize, String)>,
    changes_left: usize,
    rotations_left: usize,
    next_secret: u64,
    faults: bool,
    log: VecDeque<String>,
}

impl World {
    /// All seats started, all in epoch 1 from nonce 0.
    pub(crate) fn new(plan: Plan) -> Self {
        let signers: Vec<_> = (1..=plan.seats as u64).map(signer).collect();
        let requester = signer(REQUESTER_SECRET);
        let charter = Charter {
            window: plan.window,
            quorum: plan.quorum,
            asset: Address::ZERO,
            cap: CAP,
            period: 3_600,
            turns_per_period: plan.turns_per_period,
            interval: plan.interval,
            expires_at: plan.expires_at,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: signers.iter().map(PrivateKeySigner::address).collect(),
        };
        let hosts = signers.into_iter().map(|signer| {
            let settings = Settings {
                domain: domain(),
                ring: RING,
                charter: charter.clone(),
                key: signer.address(),
                next_charter: None,
                announced: Default::default(),
                other_assets: [TOKEN].into(),
                requesters: [requester.address()].into(),
                refill: Some(REFILL),
                evidence: plan.evidence,
                confirmed_ticks: plan.confirmed_ticks,
                copies: plan.copies,
                max_calls: MAX_CALLS,
                max_gas: 400_000,
                validity: VALIDITY,
                resend_ticks: 2,
                patience_ticks: 4,
                grace_ticks: plan.grace,
            };
            let mut host = Host::new(settings, signer);
            host.write(vec![Record::Joined { epoch: 1, nonce: 0 }]);
            host.start();
            host
        });
        let mut world = Self {
            random: Random::new(plan.seed),
            hosts: hosts.collect(),
            chain: Chain::new(domain(), charter),
            requester,
            network: VecDeque::new(),
            partition: None,
            pool: Vec::new(),
            posted: BTreeMap::new(),
            accepted: BTreeSet::new(),
            taken_back: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            given_up: BTreeSet::new(),
            signed: BTreeMap::new(),
            foreign: BTreeSet::new(),
            struck: false,
            answers: BTreeMap::new(),
            cancel_answers: BTreeMap::new(),
            refuted: BTreeSet::new(),
            unheard: BTreeSet::new(),
            alarms: Vec::new(),
            objections: Vec::new(),
            changes_left: plan.changes,
            rotations_left: plan.rotations,
            next_secret: 100,
            faults: false,
            log: VecDeque::new(),
            plan,
        };
        for seat in 0..world.hosts.len() {
            world.look(seat);
        }
        world
    }

    // ------------------------------------------------------------------------------------------------------------------
    // What can be made to happen
    // ------------------------------------------------------------------------------------------------------------------

    /// A new request of the native coin, or of the token.
    pub(crate) fn request(&self, number: u8, amount: u128, expiry: u64) -> SignedRequest {
        let id = RequestId::with_last_byte(number);
        let to = Address::with_last_byte(number);
        let (target, value, data) = match number % 3 {
            0 => {
                let data = [&ring_contracts::ERC20_TRANSFER_SELECTOR[..], to.into_word().as_slice()].concat();
                (TOKEN, 0, [data, U256::from(amount).to_be_bytes_vec()].concat().into())
            }
            _ => (to, amount, Bytes::new()),
        };
        self.signed_request(Request { id, ring: RING, target, value, data, gas: 100_000, expiry })
    }

    /// Signed by the client.
    pub(crate) fn signed_request(&self, request: Request) -> SignedRequest {
        sign_request(&self.requester, request)
    }

    /// A client posts a request at a seat. `None`: it got no answer.
    pub(crate) fn post(&mut self, seat: usize, signed: &SignedRequest) -> Option<Submission> {
        let id = signed.request.id;
        self.answers.remove(&(seat, id));
        self.posted.entry(id).or_insert_with(|| signed.clone());
        let kept = self.hosts[seat].disk.requests.get(&id).cloned();
        self.feed(seat, Event::Submitted(signed.clone()));
        let answer = self.answers.get(&(seat, id)).cloned();
        // (j) An id has one content, for ever; and whoever has it on disk answers so, for ever.
        match (&kept, &answer) {
            (_, None) => {}
            (Some(kept), Some(answer)) if kept.request == signed.request => {
                let known = matches!(answer, Submission::Known | Submission::Ended(_));
                self.check(known, "j", || format!("{id}: known, yet {answer:?}"));
            }
            (Some(_), Some(answer)) => {
                let conflict = Submission::Refused(Refusal::Conflict(id));
                self.check(*answer == conflict, "j", || format!("{id}: other content, yet {answer:?}"));
            }
            (None, Some(_)) => {}
        }
        answer
    }

    /// The cancellation of a request, signed by the client.
    pub(crate) fn cancellation(&self, request: &Request) -> SignedCancellation {
        let cancellation = Cancellation::of(request, &domain());
        let signature = self.requester.sign_hash_sync(&cancellation.digest(&domain())).unwrap();
        SignedCancellation { cancellation, signature: signature.as_bytes().into() }
    }

    /// A client cancels a request at a seat. `None`: it got no answer.
    pub(crate) fn cancel(&mut self, seat: usize, signed: &SignedRequest) -> Option<Cancelling> {
        let id = signed.request.id;
        self.cancel_answers.remove(&(seat, id));
        self.taken_back.insert(id);
        let cancellation = self.cancellation(&signed.request);
        self.feed(seat, Event::Cancelled(cancellation));
        self.cancel_answers.get(&(seat, id)).cloned()
    }

    /// A seat looks at the chain as its RPC shows it.
    pub(crate) fn look(&mut self, seat: usize) {
        let host = &mut self.hosts[seat];
        let Some(state) = &host.state else { return };
        let view = self.chain.moments[host.seen].view(state.first_open_nonce());
        host.view = Some(view.clone());
        self.feed(seat, Event::Chain(view));
    }

    /// The same, of the newest block.
    pub(crate) fn look_at_head(&mut self, seat: usize) {
        self.hosts[seat].seen = self.chain.moments.len() - 1;
        self.look(seat);
    }

    pub(crate) fn tick(&mut self, seat: usize) {
        self.feed(seat, Event::Tick);
    }

    /// The signer answers what it was asked first.
    pub(crate) fn sign_one(&mut self, seat: usize) {
        let host = &mut self.hosts[seat];
        if host.signing.is_empty() || host.state.is_none() {
            return;
        }
        let (nonce, digest) = host.signing.remove(0);
        let signature = sign(&host.signer, &digest);
        self.feed(seat, Event::Signed { nonce, digest, signature });
    }

    /// The sources answer what they were asked first.
    pub(crate) fn find_one(&mut self, seat: usize) {
        let host = &mut self.hosts[seat];
        if host.inquiries.is_empty() || host.state.is_none() {
            return;
        }
        let request = host.inquiries.remove(0);
        let evidence = if self.refuted.contains(&(seat, request)) {
            Evidence::Refuted { reason: "nobody paid for it".to_owned() }
        } else if self.faults && self.random.chance(300) || self.unheard.contains(&(seat, request)) {
            Evidence::NotYet
        } else {
            host.confirmed.insert(request, host.ticks);
            Evidence::Genuine
        };
        self.feed(seat, Event::Found { request, evidence });
    }

    /// Delivers the letter at this place of the queue.
    fn deliver(&mut self, index: usize) {
        let Some((from, to, letter)) = self.network.remove(index) else { return };
        let divided = self.partition.as_ref().is_some_and(|side| side[from] != side[to]);
        if self.hosts[to].state.is_none() || divided || self.faults && self.random.chance(self.plan.loss) {
            return;
        }
        if self.faults && self.random.chance(self.plan.loss) {
            self.network.push_back((from, to, letter.clone()));
        }
        match letter {
            Letter::Message(message) => {
                let (requests, confirmed) = match &message {
                    Message::Requests { requests } => (requests.clone(), Vec::new()),
                    Message::Confirmed { requests } => (Vec::new(), requests.clone()),
                    _ => Default::default(),
                };
                self.feed(to, Event::Received { from, message });
                let disk = &self.hosts[to].disk.requests;
                let on_disk =
                    |signed: &&SignedRequest| disk.get(&signed.request.id).is_some_and(|kept| kept == *signed);
                let kept: Vec<_> = requests.iter().filter(on_disk).map(|signed| signed.request.id).collect();
                if self.hosts[to].state.is_some() && !(kept.is_empty() && confirmed.is_empty()) {
                    self.network.push_back((to, from, Letter::Kept(kept, confirmed)));
                }
            }
            Letter::Kept(requests, confirmed) => {
                self.feed(to, Event::Delivered { to: from, requests, confirmed });
            }
        }
    }

    /// The seat's disk is replaced by what it once was, or by an empty one that a person let join; then it starts.
    pub(crate) fn put_back(&mut self, seat: usize, journal: Vec<Record>) {
        let host = &mut self.hosts[seat];
        host.journal.clear();
        host.disk = host::Disk::default();
        host.ends.clear();
        host.write(journal);
        host.start();
        self.look_at_head(seat);
    }

    /// Cuts the seats in two sides that do not hear each other; nobody is on `None`.
    pub(crate) fn divide(&mut self, side: Option<&[usize]>) {
        let seats = self.hosts.len();
        self.partition = side.map(|side| (0..seats).map(|seat| side.contains(&seat)).collect());
    }

    pub(crate) fn crash(&mut self, seat: usize) {
        self.note(|| format!("seat {seat} crashes"));
        self.hosts[seat].crash();
    }

    pub(crate) fn restart(&mut self, seat: usize) {
        self.note(|| format!("seat {seat} starts"));
        self.hosts[seat].start();
    }

    /// A block with these transactions.
    pub(crate) fn mine(&mut self, transactions: &[Transaction], seconds: u64) {
        self.chain.mine(transactions, seconds, DEPTH);
        let ledger = self.chain.ledger().clone();
        self.struck |= ledger.turns.iter().any(|turn| self.foreign.contains(&turn.digest));
        if ledger.turns.last().is_some_and(|turn| turn.block == self.chain.head()) {
            self.note(|| {
                let turns: Vec<_> = ledger.turns.iter().map(|turn| (turn.turn.id().nonce, turn.digest)).collect();
                format!("block: epoch {} nonce {} halted {} turns {turns:?}", ledger.epoch, ledger.nonce, ledger.halted)
            });
        }
        self.check_chain();
    }

    pub(crate) fn reorganise(&mut self, blocks: usize) {
        self.note(|| format!("reorg of {blocks}"));
        self.chain.reorganise(blocks);
    }

    /// The master forms the ring anew; a seat gets a new key and a new store.
    pub(crate) fn replace(&mut self, seats: &BTreeSet<usize>) {
        let ledger = self.chain.ledger().clone();
        let mut charter = ledger.charter.clone();
        for seat in seats {
            let signer = signer(self.next_secret);
            self.next_secret += 1;
            charter.seats[*seat] = signer.address();
            let settings = self.hosts[*seat].settings.clone();
            self.hosts[*seat] = Host::new(settings, signer);
            self.answers.retain(|(at, _), _| at != seat);
            self.given_up.insert(*seat);
        }
        // Who knows of no cancellation could execute what was cancelled, if there are enough of them.
        if self.given_up.len() >= usize::from(self.plan.quorum) {
            self.cancelled.clear();
        }
        self.note(|| format!("the master replaces the keys of {seats:?} in epoch {}", ledger.epoch));
        self.pool.push(Transaction::Form { epoch: ledger.epoch, charter });
    }

    /// The master announces to every seat that the ring gets new keys, all of them, and signs it; nobody has sent it yet.
    pub(crate) fn announce(&mut self) -> Transaction {
        let ledger = self.chain.ledger().clone();
        let mut charter = ledger.charter.clone();
        for seat in 0..self.hosts.len() {
            charter.seats[seat] = signer(self.next_secret + seat as u64).address();
        }
        for (seat, host) in self.hosts.iter_mut().enumerate() {
            host.announce(charter.clone(), signer(self.next_secret + seat as u64));
        }
        self.next_secret += self.hosts.len() as u64;
        (0..self.hosts.len()).for_each(|seat| self.look(seat));
        self.note(|| format!("all keys are to change after epoch {}", ledger.epoch));
        Transaction::Form { epoch: ledger.epoch, charter }
    }

    /// A person looks at what is final on chain, and lets a seat take part in it.
    pub(crate) fn join(&mut self, seat: usize) {
        let ledger = self.chain.final_ledger().clone();
        let host = &mut self.hosts[seat];
        if host.disk.epoch >= ledger.epoch || ledger.charter.seats[seat] != host.signer.address() {
            return;
        }
        host.settings.charter = ledger.charter.clone();
        host.settings.key = host.signer.address();
        host.write(vec![Record::Joined { epoch: ledger.epoch, nonce: ledger.epoch_start }]);
        host.start();
        self.note(|| format!("seat {seat} joins epoch {}", ledger.epoch));
    }

    /// A thief takes a turn for itself, if the keys it has are enough. It names itself or an honest request.
    pub(crate) fn strike(&mut self, id: RequestId, amount: u128) -> Option<Transaction> {
        let ledger = self.chain.ledger().clone();
        let turn_id = TurnId { ring: RING, epoch: ledger.epoch, nonce: ledger.nonce, valid_until: TurnId::NO_EXPIRY };
        let call = Call { request_id: id, gas: 50_000, effect: Effect::Pay { to: THIEF, amount } };
        let turn = Turn::new(turn_id, vec![call]).unwrap();
        let digest = turn.digest(&domain());
        let stolen = self.plan.stolen.clone();
        let signatures =
            |seat: usize| stolen.contains(&seat).then(|| Seat::Signed(sign(&signer(seat as u64 + 1), &digest)));
        let witness = witness(&ledger.charter, ledger.nonce, signatures).ok()?;
        self.foreign.insert(digest);
        self.note(|| format!("the thief signs turn {}", ledger.nonce));
        Some(Transaction::Execute { turn, witness, sender: THIEF })
    }

    /// A vote for a turn, by the holder of a seat's first key.
    pub(crate) fn vote(seat: usize, turn: &Turn) -> Vote {
        Vote { seat, signature: sign(&signer(seat as u64 + 1), &turn.digest(&domain())) }
    }
}
