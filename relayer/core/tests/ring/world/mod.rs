//! A whole ring in one thread. A seeded script decides what happens next; the promises are checked at every step.

pub(crate) mod chain;
pub(crate) mod host;
pub(crate) mod random;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use ring_contracts::{
    Address, B256, Bytes, Call, Cancellation, Charter, CompactSignature, Domain, Effect, Request, RequestId, Seat,
    SignedCancellation, SignedRequest, Turn, TurnId, U256, witness,
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
            grace: 20,
            stolen: BTreeSet::new(),
            turns_per_period: 1_000,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            evidence: false,
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
                other_assets: [TOKEN].into(),
                requesters: [requester.address()].into(),
                evidence: plan.evidence,
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
        let signature = self.requester.sign_hash_sync(&request.digest(&domain())).unwrap();
        SignedRequest { request, signature: signature.as_bytes().into() }
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
            host.confirmed.insert(request);
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

    // ------------------------------------------------------------------------------------------------------------------
    // One step of one seat
    // ------------------------------------------------------------------------------------------------------------------

    /// An event for a seat: its step, its disk, its actions; between any two of them it may crash.
    pub(crate) fn feed(&mut self, seat: usize, event: Event) {
        let host = &mut self.hosts[seat];
        if host.state.is_none() {
            return;
        }
        let told = describe(&event);
        let Effects { records, mut actions } = host.step(event);
        if !records.is_empty() || !actions.is_empty() {
            self.note(|| format!("seat {seat}: {told} -> {} records, {} actions", records.len(), actions.len()));
        }
        let crashes = self.faults && self.random.chance(self.plan.crashes);
        if crashes && self.random.chance(300) {
            // Before anything was durable: nothing of it ever was.
            return self.crash(seat);
        }
        self.check_records(seat, &records);
        let reserved: Vec<B256> = records.iter().filter_map(reserved_content).collect();
        self.hosts[seat].write(records);
        reserved.into_iter().for_each(|digest| self.check_evidence(seat, digest));
        if crashes {
            let done = self.random.index(actions.len() + 1);
            actions.truncate(done);
            self.crash(seat);
        }
        for action in actions {
            self.perform(seat, action);
        }
        self.check_ends(seat);
    }

    fn perform(&mut self, seat: usize, action: Action) {
        match action {
            Action::Sign { nonce, digest } => {
                self.check_signing(seat, nonce, digest);
                self.hosts[seat].signing.push((nonce, digest));
            }
            Action::Send { to, message } => {
                let turn_after_halt = matches!(message, Message::Turn { .. }) && self.hosts[seat].disk.halted;
                self.check(!turn_after_halt, "e", || format!("seat {seat} is halted and still spreads a turn"));
                self.network.push_back((seat, to, Letter::Message(message)));
            }
            Action::Submit { turn, digest, witness } => {
                self.check(turn.digest(&domain()) == digest, "a", || "the digest is of another turn".to_owned());
                let host = &mut self.hosts[seat];
                let reserved = host.disk.reserved.contains(&(host.disk.epoch, turn.id().nonce, digest));
                let sender = host.signer.address();
                let transaction = Transaction::Execute { turn, witness, sender };
                host.submission = Some(transaction.clone());
                self.check(reserved, "a", || format!("seat {seat} stands behind a turn it has not reserved"));
                self.send_transaction(transaction);
            }
            Action::HaltOnChain { epoch, proof } => {
                let halt = match proof.map(|proof| proof.check(&domain()).unwrap()) {
                    Some(key) => Transaction::Prove { epoch, key },
                    None => Transaction::Halt { epoch, by: self.hosts[seat].signer.address() },
                };
                self.hosts[seat].halting = Some(halt.clone());
                self.send_transaction(halt);
            }
            Action::Explain { to, nonce } => {
                let messages = self.hosts[seat].explanations(nonce);
                self.network.extend(messages.into_iter().map(|message| (seat, to, Letter::Message(message))));
            }
            Action::Objected { from, nonce, reason, .. } => {
                self.objections.push((seat, format!("turn {nonce} of seat {from}: {reason}")));
            }
            Action::Answer { request, submission } => {
                self.answers.insert((seat, request), submission);
            }
            Action::AnswerCancellation { request, answer } => {
                let disk = &self.hosts[seat].disk;
                let right = match &answer {
                    Cancelling::Kept => disk.withheld.contains(&request),
                    Cancelling::Done => self.cancelled.contains(&request) || !self.given_up.is_empty(),
                    Cancelling::Refused(_) => true,
                };
                self.check(right, "l", || format!("{request}: {answer:?}, which is not on the disk of seat {seat}"));
                self.cancel_answers.insert((seat, request), answer);
            }
            Action::TellCancelled { to, request, cancellation } => {
                let request = self.hosts[seat].disk.requests[&request].clone();
                let requests = vec![CancelledRequest { request, cancellation }];
                self.network.push_back((seat, to, Letter::Message(Message::Cancellations { requests })));
            }
            Action::Accepted { request } => {
                let Some(signed) = self.posted.get(&request).cloned() else { return };
                let holds = |host: &&Host| host.disk.requests.get(&request) == Some(&signed);
                let copies = self.hosts.iter().filter(holds).count();
                // A store that the master gave up took its copies with it.
                let given_up = self.plan.changes > self.changes_left;
                self.check(copies >= self.plan.copies || given_up, "c", || {
                    format!("{request} is called accepted with {copies} copies")
                });
                self.accepted.insert(request);
            }
            Action::Inquire { request } => self.hosts[seat].inquiries.push(request.request.id),
            Action::Refuted { request, reason } => {
                self.objections.push((seat, format!("request {request}: {reason}")));
            }
            Action::Alarm { reason } => self.alarms.push((seat, reason)),
            Action::Changed { .. } => {}
        }
    }

    fn send_transaction(&mut self, transaction: Transaction) {
        if !self.pool.contains(&transaction) {
            self.pool.push(transaction);
        }
    }

    // ------------------------------------------------------------------------------------------------------------------
    // The promises
    // ------------------------------------------------------------------------------------------------------------------

    fn check(&self, holds: bool, promise: &str, what: impl FnOnce() -> String) {
        if !holds {
            let log: Vec<&str> = self.log.iter().map(String::as_str).collect();
            panic!("promise ({promise}) broken: {}\n{:?}\nlately:\n  {}", what(), self.plan, log.join("\n  "));
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.log.len() == 400 {
            self.log.pop_front();
        }
        self.log.push_back(what());
    }

    fn void(&self, epoch: u32, nonce: u64) -> B256 {
        Turn::void(RING, epoch, nonce).digest(&domain())
    }

    /// Whether seats halt before their peers had their chance to explain a turn: messages are lost for longer than that.
    pub(crate) fn is_impatient(&self) -> bool {
        self.plan.grace < self.plan.steps as u64
    }

    /// (d) Without a theft, a change by the master or an order, nobody halts.
    /// (l) What a seat withholds it reserves in no turn.
    fn check_records(&self, seat: usize, records: &[Record]) {
        let disk = &self.hosts[seat].disk;
        let mut withheld = disk.withheld.clone();
        for (at, record) in records.iter().enumerate() {
            match record {
                Record::Withheld { request, .. } => drop(withheld.insert(*request)),
                Record::Reserved { digest, void: false, .. } => {
                    let earlier = records[..at].iter().filter_map(|record| match record {
                        Record::Content(turn) => Some(turn),
                        _ => None,
                    });
                    let turn = disk.contents.iter().chain(earlier).find(|turn| turn.digest(&domain()) == *digest);
                    let calls = turn.map(Turn::calls).unwrap_or_default();
                    let free = calls.iter().all(|call| !withheld.contains(&call.request_id));
                    self.check(free, "l", || format!("seat {seat} reserves {digest} with what was cancelled"));
                }
                _ => {}
            }
            let Record::Halted(halt) = record else { continue };
            let excused = self.struck
                || matches!(halt, ring_core::Halt::Ordered { .. } | ring_core::Halt::ChainDisputed(_))
                || self.is_impatient() && matches!(halt, ring_core::Halt::UnknownTurn { own_key_used: false, .. })
                || matches!(halt, ring_core::Halt::RingChanged { .. }) && self.plan.changes > self.changes_left
                || matches!(halt, ring_core::Halt::HaltedOnChain) && self.is_impatient();
            self.check(excused, "d", || format!("seat {seat} halts without cause: {halt}"));
        }
    }

    /// (a) Reserved before, one content a key and nonce; (e) nothing after a halt, nor after a turn of a thief that was
    /// seen; (i) nothing over the allowance.
    fn check_signing(&mut self, seat: usize, nonce: u64, digest: B256) {
        let host = &self.hosts[seat];
        let epoch = host.disk.epoch;
        let reserved = host.disk.reserved.contains(&(epoch, nonce, digest));
        self.check(reserved, "a", || format!("seat {seat} signs for turn {nonce} what it has not reserved"));
        self.check(!host.disk.halted, "e", || format!("seat {seat} signs for turn {nonce} though it is halted"));
        // After a crash in the middle of its actions a seat has no view any more.
        if let Some(view) = &host.view {
            let judged = |turn: &&ring_core::ObservedTurn| turn.nonce >= host.disk.joined;
            let stolen = view.turns.iter().filter(judged).any(|turn| self.foreign.contains(&turn.digest));
            self.check(!stolen, "e", || format!("seat {seat} signs turn {nonce} after one of the thief"));
            let turn = host.disk.contents.iter().find(|turn| turn.digest(&domain()) == digest);
            let mut spent: BTreeMap<Address, U256> = BTreeMap::new();
            for call in turn.map(Turn::calls).unwrap_or_default() {
                let charges = call.charges(host.settings.charter.asset, &view.permissions);
                for (asset, amount) in charges.unwrap() {
                    *spent.entry(asset).or_default() += amount;
                }
            }
            let within = |(asset, amount): (&Address, &U256)| *amount <= view.allowances[asset].left;
            // What was reserved once may be signed again after a reorg has changed what is left: it is the same turn.
            let first =
                !self.signed.get(&(host.signer.address(), epoch, nonce)).is_some_and(|all| all.contains(&digest));
            self.check(!first || spent.iter().all(within), "i", || {
                format!("seat {seat} signs turn {nonce} over the cap")
            });
        }
        if digest != self.void(epoch, nonce) {
            let contents = self.signed.entry((self.hosts[seat].signer.address(), epoch, nonce)).or_default();
            contents.insert(digest);
            let once = contents.len() == 1;
            self.check(once, "a", || format!("seat {seat} signs two contents for turn {nonce} of epoch {epoch}"));
        }
    }

    /// (k) A seat's own sources confirm what it reserves.
    fn check_evidence(&self, seat: usize, digest: B256) {
        let host = &self.hosts[seat];
        let turn = host.disk.contents.iter().find(|turn| turn.digest(&domain()) == digest);
        let calls = turn.map(Turn::calls).unwrap_or_default();
        let confirmed = calls.iter().all(|call| host.confirmed.contains(&call.request_id));
        self.check(!self.plan.evidence || confirmed, "k", || format!("seat {seat} reserves {digest} without evidence"));
    }

    /// (b) On no head is a request executed twice; (h) nor after its expiry; nor anything that nobody asked for.
    fn check_chain(&self) {
        let ledger = self.chain.ledger();
        let mut executed = BTreeSet::new();
        for turn in ledger.turns.iter().filter(|turn| !self.foreign.contains(&turn.digest)) {
            for call in turn.turn.calls() {
                let id = call.request_id;
                let request = &self.posted[&id].request;
                self.check(request.to_call(&ledger.charter) == *call, "b", || {
                    format!("{id}: nobody asked for {call:?}")
                });
                self.check(executed.insert(id), "b", || format!("{id} is executed twice"));
                self.check(!self.cancelled.contains(&id), "l", || {
                    format!("{id} is executed although it was called cancelled")
                });
                self.check(turn.block.time <= request.expiry, "h", || format!("{id} is executed after its expiry"));
            }
        }
    }

    /// (j) An end that was told of stays.
    fn check_ends(&mut self, seat: usize) {
        let host = &mut self.hosts[seat];
        if host.state.is_none() {
            return;
        }
        let mut changed = None;
        for id in self.posted.keys() {
            let phase = host.status(*id).map(|status| status.phase);
            match (host.ends.get(id), phase) {
                (Some(end), now) if now != Some(*end) => changed = Some(format!("{id}: {end:?} became {now:?}")),
                (Some(_), _) => {}
                (None, Some(phase)) if is_end(phase) => {
                    host.ends.insert(*id, phase);
                    if phase == Phase::Cancelled && self.given_up.len() < usize::from(self.plan.quorum) {
                        self.cancelled.insert(*id);
                    }
                }
                (None, _) => {}
            }
        }
        self.check(changed.is_none(), "j", || changed.unwrap_or_default());
        self.check_chain();
    }

    /// (n) What the disk says is what the process knows.
    fn check_replay(&mut self, seat: usize) {
        let host = &self.hosts[seat];
        let (Some(live), Some(view)) = (&host.state, &host.view) else { return };
        let (mut live, mut restored) = (live.clone(), host.restored());
        for state in [&mut live, &mut restored] {
            state.step([Event::Chain(view.clone())], &Past::new());
        }
        // How long it has waited for a silent lead, a seat does not remember: live, it may be about to lead itself.
        let may_lead = self.plan.quorum < self.plan.window;
        let plain = |state: &ring_core::State| {
            let mut overview = serde_json::to_value(state.overview()).unwrap();
            // Who else holds a request, and which contents were refused, is asked again after a restart.
            overview["unexplained"] = serde_json::Value::Null;
            if may_lead {
                (overview["waiting"], overview["bound"]) = Default::default();
            }
            let phases = self.posted.keys().map(|id| {
                state.request_status(*id).map(|status| match status.phase {
                    Phase::Received => Phase::Accepted,
                    Phase::Signing { .. } if may_lead => Phase::Accepted,
                    phase => phase,
                })
            });
            (overview.to_string(), phases.collect::<Vec<_>>())
        };
        let (left, right) = (plain(&live), plain(&restored));
        // A halted seat looks at no more turns; what it could not explain then, it leaves at that until it starts again.
        self.check(left == right || host.disk.halted, "n", || {
            format!("seat {seat}: {left:?}, from its disk {right:?}")
        });
        let order = || Event::HaltOrdered { reason: "to compare".to_owned() };
        let (left, right) =
            (live.step([order()], &Past::new()).records, restored.step([order()], &Past::new()).records);
        self.check(left == right, "n", || format!("seat {seat} does {left:?}, from its disk {right:?}"));
    }

    // ------------------------------------------------------------------------------------------------------------------
    // Chance
    // ------------------------------------------------------------------------------------------------------------------

    /// Faults, for as long as the plan says.
    pub(crate) fn suffer(&mut self) {
        self.faults = true;
        for _ in 0..self.plan.steps {
            self.step();
        }
        self.faults = false;
        self.partition = None;
    }

    fn step(&mut self) {
        let seats = self.hosts.len();
        let seat = self.random.index(seats);
        match self.random.below(100) {
            0..=41 => {
                for _ in 0..seats.min(3) {
                    if !self.network.is_empty() {
                        // Mostly in order, sometimes not.
                        let reach =
                            if self.random.chance(300) { self.network.len() } else { self.network.len().min(6) };
                        let index = self.random.index(reach);
                        self.deliver(index);
                    }
                }
                // A queue holds only so much.
                while self.network.len() > 60 * seats {
                    self.network.pop_front();
                }
            }
            42..=54 => self.tick(seat),
            55..=69 => {
                let host = &mut self.hosts[seat];
                let newest = self.chain.moments.len() - 1;
                let behind = (newest - host.seen) as u64 + 1;
                host.seen = match self.random.chance(600) {
                    true => newest,
                    false => host.seen + self.random.below(behind) as usize,
                };
                self.look(seat);
            }
            70..=82 => {
                self.find_one(seat);
                self.sign_one(seat);
            }
            83..=88 => {
                let mut chosen: Vec<Transaction> = Vec::new();
                for transaction in &self.pool {
                    if self.random.chance(600) {
                        let place = self.random.index(chosen.len() + 1);
                        chosen.insert(place, transaction.clone());
                    }
                }
                if self.random.chance(200) && self.plan.stolen.len() >= usize::from(self.plan.quorum) {
                    let honest: Vec<RequestId> = self.posted.keys().copied().collect();
                    let own = RequestId::repeat_byte(0xee);
                    let id = if self.random.chance(500) && !honest.is_empty() {
                        honest[self.random.index(honest.len())]
                    } else {
                        own
                    };
                    if let Some(strike) = self.strike(id, 1) {
                        chosen.insert(0, strike.clone());
                        self.pool.push(strike);
                    }
                }
                let seconds = if self.random.chance(60) { 700 } else { 1 + self.random.below(60) };
                self.mine(&chosen, seconds);
                self.forget_transactions();
            }
            89..=91 if self.posted.len() < self.plan.requests => {
                let number = self.posted.len() as u8 + 1;
                let soon = self.chain.head().time + 100 + self.random.below(1_500);
                let expiry = if self.random.chance(250) { soon } else { FAR };
                let amount = 1 + u128::from(self.random.below(40));
                let signed = self.request(number, amount, expiry);
                self.post(seat, &signed);
            }
            92 | 93 => {
                let posted: Vec<SignedRequest> = self.posted.values().cloned().collect();
                if !posted.is_empty() {
                    let mut signed = posted[self.random.index(posted.len())].clone();
                    let known = self.hosts[seat].disk.requests.contains_key(&signed.request.id);
                    if known && self.random.chance(300) {
                        signed.request.gas += 1;
                        signed = self.signed_request(signed.request);
                    }
                    self.post(seat, &signed);
                }
            }
            94 => {
                self.partition = match self.partition.is_none() {
                    true => Some((0..seats).map(|_| self.random.chance(400)).collect()),
                    false => None,
                };
            }
            95..=97 => {
                if self.hosts[seat].state.is_none() && self.hosts[seat].disk.epoch > 0 {
                    self.restart(seat);
                } else {
                    self.check_replay(seat);
                }
                self.join(seat);
            }
            98 => {
                // One change at a time: the master waits until the last one is final.
                let pending = self.pool.iter().any(|sent| matches!(sent, Transaction::Form { .. }));
                let may_change = self.changes_left > 0 && !pending && self.random.chance(200);
                if may_change && self.hosts.iter().all(|host| host.disk.epoch == self.chain.ledger().epoch) {
                    self.changes_left -= 1;
                    // As many stores as there are copies would lose requests: one at most is given up.
                    let may_give_up = self.plan.copies > 1 && self.changes_left == 0;
                    let new = (may_give_up && self.random.chance(500)).then_some(seat);
                    self.replace(&new.into_iter().collect());
                }
            }
            _ => {
                let posted: Vec<SignedRequest> = self.posted.values().cloned().collect();
                if !posted.is_empty() {
                    let signed = posted[self.random.index(posted.len())].clone();
                    self.cancel(seat, &signed);
                }
            }
        }
        if self.random.chance(self.plan.reorgs) {
            let blocks = 1 + self.random.index(DEPTH);
            self.reorganise(blocks);
        }
    }

    /// What can have no effect on any chain any more.
    fn forget_transactions(&mut self) {
        let ledger = self.chain.final_ledger().clone();
        self.pool.retain(|transaction| match transaction {
            Transaction::Execute { turn, .. } => turn.id().epoch >= ledger.epoch && turn.id().nonce >= ledger.nonce,
            Transaction::Halt { epoch, .. }
            | Transaction::Prove { epoch, .. }
            | Transaction::Form { epoch, .. }
            | Transaction::Resume { epoch } => *epoch >= ledger.epoch,
        });
    }

    // ------------------------------------------------------------------------------------------------------------------
    // Calm
    // ------------------------------------------------------------------------------------------------------------------

    /// One round without faults: everybody looks, ticks, hears, signs and submits, and a block comes.
    pub(crate) fn round(&mut self) {
        for seat in 0..self.hosts.len() {
            self.look_at_head(seat);
            self.tick(seat);
        }
        self.talk();
        let mut transactions = self.pool.clone();
        for host in &self.hosts {
            transactions.extend(host.submission.iter().chain(&host.halting).cloned());
        }
        self.mine(&transactions, BLOCK_SECONDS);
        self.forget_transactions();
    }

    /// Letters and signatures, until there are no more.
    pub(crate) fn talk(&mut self) {
        let mut letters = 0;
        let busy = |host: &Host| host.state.is_some() && !(host.signing.is_empty() && host.inquiries.is_empty());
        while !self.network.is_empty() || self.hosts.iter().any(busy) {
            for seat in 0..self.hosts.len() {
                self.find_one(seat);
                self.sign_one(seat);
            }
            self.deliver(0);
            letters += 1;
            self.check(letters < 10_000, "c", || "the seats never stop talking".to_owned());
        }
    }

    pub(crate) fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round();
        }
    }

    pub(crate) fn restart_all(&mut self) {
        for seat in 0..self.hosts.len() {
            if self.hosts[seat].state.is_none() && self.hosts[seat].disk.epoch > 0 {
                self.restart(seat);
            }
        }
    }

    /// (e) Once a turn of a thief is final, every seat is halted, and the ring is on chain.
    pub(crate) fn check_halted(&self) {
        for (seat, host) in self.hosts.iter().enumerate() {
            self.check(host.disk.halted, "e", || format!("seat {seat} goes on after a theft"));
            let remembers = host.state.as_ref().is_some_and(|state| state.halt().is_some());
            self.check(remembers, "e", || format!("seat {seat} has forgotten that it is halted"));
        }
        self.check(self.chain.ledger().halted, "e", || "the ring runs on after a theft".to_owned());
    }

    /// (f) How many turns in a row the thief has, from its first on, in the epoch it stole in.
    pub(crate) fn check_bound(&self) {
        let turns = &self.chain.ledger().turns;
        let stolen: Vec<u64> =
            turns.iter().filter(|turn| self.foreign.contains(&turn.digest)).map(|turn| turn.turn.id().nonce).collect();
        let Some(first) = stolen.first() else { return };
        let seats = self.plan.seats as u64;
        let run = (0..seats).take_while(|step| self.plan.stolen.contains(&((first + step) as usize % seats as usize)));
        let bound = (run.count() + 1).saturating_sub(usize::from(self.plan.window));
        self.check(stolen.len() <= bound, "f", || {
            format!("the thief has turns {stolen:?}, {bound} at most are its due")
        });
    }

    /// (c) After the faults: within so many rounds all that was taken is done, at every seat.
    pub(crate) fn complete(&mut self, rounds: usize) {
        self.restart_all();
        for _ in 0..rounds {
            for seat in 0..self.hosts.len() {
                self.join(seat);
            }
            self.round();
            if self.is_done() {
                break;
            }
        }
        self.check_done();
        for seat in 0..self.hosts.len() {
            self.check_replay(seat);
        }
    }

    fn taken(&self) -> BTreeSet<RequestId> {
        self.hosts.iter().flat_map(|host| host.disk.requests.keys().copied()).collect()
    }

    fn is_done(&self) -> bool {
        let taken = self.taken();
        let everybody = self.hosts.iter().all(|host| {
            let current = host.disk.epoch == self.chain.ledger().epoch;
            current
                && host.state.is_some()
                && taken.iter().all(|id| match host.status(*id) {
                    Some(status) => is_end(status.phase),
                    None => self.is_over(*id) || self.is_cancelled_somewhere(*id),
                })
        });
        everybody && !self.pool.iter().any(|sent| matches!(sent, Transaction::Form { .. }))
    }

    /// Whether the time of a request is over, finally.
    fn is_over(&self, id: RequestId) -> bool {
        self.posted[&id].request.expiry + BLOCK_SECONDS * (DEPTH as u64 + 1) < self.chain.head().time
    }

    /// Whether some seat says that a request is cancelled for good: then those that have never heard of it need not.
    fn is_cancelled_somewhere(&self, id: RequestId) -> bool {
        let says = |host: &Host| host.status(id).is_some_and(|status| status.phase == Phase::Cancelled);
        self.hosts.iter().any(says)
    }

    /// (c) Each request that was taken is executed exactly once, or its time passed, or it was cancelled; and every seat says the same.
    fn check_done(&self) {
        let ledger = self.chain.final_ledger().clone();
        let taken = self.taken();
        for id in &self.accepted {
            let executed = ledger.turns.iter().flat_map(|turn| turn.turn.calls()).any(|call| call.request_id == *id);
            self.check(taken.contains(id) || executed, "c", || format!("{id} was accepted and is lost"));
        }
        for id in taken {
            let carries =
                |turn: &&std::rc::Rc<chain::Executed>| turn.turn.calls().iter().any(|call| call.request_id == id);
            let stolen = ledger.turns.iter().filter(carries).any(|turn| self.foreign.contains(&turn.digest));
            let executed = ledger.turns.iter().find(carries);
            for (seat, host) in self.hosts.iter().enumerate() {
                let phase = host.status(id).map(|status| status.phase);
                let right = match (phase, executed) {
                    (Some(Phase::Final { nonce, .. }), Some(turn)) => {
                        nonce == turn.turn.id().nonce && (stolen || !chain::fails(id))
                    }
                    (Some(Phase::Failed { nonce, .. }), Some(turn)) => {
                        nonce == turn.turn.id().nonce && chain::fails(id)
                    }
                    (Some(Phase::Expired), Some(_)) => stolen,
                    (Some(Phase::Expired), None) => self.posted[&id].request.expiry < self.chain.head().time,
                    (Some(Phase::Cancelled), None) => self.taken_back.contains(&id),
                    (Some(Phase::Cancelled), Some(_)) => stolen || self.given_up.len() >= usize::from(self.plan.quorum),
                    (None, None) if self.is_cancelled_somewhere(id) => true,
                    // It never came here, and nobody has it any more to send.
                    (None, None) => self.is_over(id),
                    // Who was away when an epoch ended has not seen the contents of its last turns.
                    (Some(Phase::Disputed { .. }), Some(_)) => stolen || self.plan.changes > self.changes_left,
                    _ => false,
                };
                let standing = || {
                    let overviews = self.hosts.iter().map(|host| host.state.as_ref().map(|state| state.overview()));
                    overviews.map(|overview| format!("{overview:?}")).collect::<Vec<_>>().join("\n")
                };
                self.check(right, "c", || {
                    format!("{id} is {phase:?} at seat {seat}, on chain {:?}\n{}", executed.is_some(), standing())
                });
            }
        }
    }

    /// A vote for a turn, by the holder of a seat's first key.
    pub(crate) fn vote(seat: usize, turn: &Turn) -> Vote {
        Vote { seat, signature: sign(&signer(seat as u64 + 1), &turn.digest(&domain())) }
    }
}

fn reserved_content(record: &Record) -> Option<B256> {
    match record {
        Record::Reserved { digest, void: false, .. } => Some(*digest),
        _ => None,
    }
}

fn is_end(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Final { .. } | Phase::Failed { .. } | Phase::Expired | Phase::Cancelled | Phase::Disputed { .. }
    )
}

fn describe(event: &Event) -> String {
    match event {
        Event::Submitted(signed) => format!("submitted {}", signed.request.id),
        Event::Cancelled(signed) => format!("cancelled {}", signed.cancellation.id),
        Event::Received { from, message } => match message {
            Message::Requests { requests } => format!("{} requests from {from}", requests.len()),
            Message::Turn { turn, votes, .. } => {
                let ids: Vec<_> = turn.calls().iter().map(|call| call.request_id[15]).collect();
                let votes: Vec<_> = votes.iter().map(|vote| vote.seat).collect();
                let TurnId { epoch, nonce, valid_until, .. } = turn.id();
                format!("turn {epoch}/{nonce} until {valid_until} with {ids:?}, votes {votes:?}, from {from}")
            }
            other => format!("{other:?} from {from}"),
        },
        Event::Delivered { to, requests, confirmed } => {
            format!("{} requests and {} confirmations delivered to {to}", requests.len(), confirmed.len())
        }
        Event::Found { request, evidence } => format!("{evidence:?} {request}"),
        Event::Signed { nonce, digest, .. } => format!("signed {nonce} {digest}"),
        Event::Chain(view) => format!(
            "chain at {} time {}: nonce {} epoch {} final {} {}",
            view.head.number, view.head.time, view.nonce, view.epoch, view.final_nonce, view.final_epoch
        ),
        Event::ChainDisputed(dispute) => format!("the chain is disputed: {dispute:?}"),
        Event::Tick => "tick".to_owned(),
        Event::HaltOrdered { .. } => "ordered to halt".to_owned(),
    }
}
