//! A world: a ring of seats, a chain, clients, people, perhaps a thief, and whatever a plan lets go wrong.

mod blocks;
mod calm;
mod checks;
mod clients;
mod counts;
mod driver;
mod faults;
mod happening;
mod limits;
mod network;
mod people;
mod plan;
mod promise;
mod rotation;
mod seat;
mod staged;
mod stores;
mod story;
mod thief;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use ring_contracts::{Address, B256, Charter, RequestId, SignedRequest};
use ring_core::Settings;

use crate::{
    chain::{Chain, Key, Mined, RING, Transaction},
    disk,
    random::Random,
};
use happening::{Happening, Letter, Queue};
use seat::Seat;
use story::Story;

pub use counts::Counts;
pub use plan::{Cuts, Fault, Plan};
pub use promise::{Broken, Promise};
pub use staged::{Stage, Staged};

/// The key of the clients.
const REQUESTER: u64 = 2_000_000;
/// The length of a period of the charter, in seconds.
const PERIOD: u32 = 3_600;
/// The most gas of a turn.
const MAX_GAS: u64 = 400_000;
/// The most calls of a turn.
const MAX_CALLS: usize = 3;
/// How many blocks the faults may be over before all has to be done.
const PATIENCE_BLOCKS: u64 = 900;

/// A key signed these contents of an (epoch, nonce), voids aside.
type SignedContents = BTreeMap<(Address, u32, u64), B256>;

/// A world.
pub struct World {
    plan: Plan,
    now: u64,
    queue: Queue,
    /// Chance: a stream of its own for each kind of fault …
    faults: BTreeMap<Fault, Random>,
    /// … and for each of the rest, so that one fault less changes the others little.
    chance: Chance,
    seats: Vec<Seat>,
    chain: Chain,
    /// Every head that there ever was.
    moments: Vec<Rc<Mined>>,
    /// Every transaction that anybody sent and that may still have an effect: any of them may come at any time.
    pool: Vec<Transaction>,
    /// As the master announced it last.
    charter: Charter,
    requester: Key,
    /// What clients asked for under each id, the first first.
    posted: BTreeMap<RequestId, Vec<SignedRequest>>,
    /// What some seat called accepted.
    accepted: BTreeSet<RequestId>,
    /// What clients took back.
    taken_back: BTreeSet<RequestId>,
    /// What some seat called cancelled.
    cancelled: BTreeSet<RequestId>,
    /// The seats whose stores were given up, and with them what they knew of cancellations.
    given_up: BTreeSet<usize>,
    /// Which side of a partition each seat is on, while there is one.
    partition: Option<Vec<bool>>,
    /// Letters that may come again.
    old_letters: VecDeque<Letter>,
    signed: SignedContents,
    thief: thief::Thief,
    /// What the thief asked for with the key of the clients …
    forged: BTreeSet<RequestId>,
    /// … and the seats whose own sources say that it is genuine.
    deceived: BTreeSet<usize>,
    /// Whether a turn that only a thief signed was executed, be it reorganised away later.
    struck: bool,
    /// Whether final blocks were replaced.
    finals_replaced: bool,
    /// Whether final turns were taken back, or a seat saw that final blocks were.
    finality_broken: bool,
    /// How often the master changed the ring without a word before.
    changes: usize,
    /// How often it changed all keys as it had announced.
    rotations: usize,
    next_key: u64,
    next_disk: usize,
    calm_since: Option<u64>,
    /// Whether the master has repaired what there was.
    recovered: bool,
    done: bool,
    counts: Counts,
    story: Story,
    broken: Option<Broken>,
}

/// Streams of chance for what is no fault.
struct Chance {
    time: Random,
    network: Random,
    blocks: Random,
    clients: Random,
    people: Random,
    batches: Random,
}

/// What became of a world.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The promise that was broken, if one was.
    pub broken: Option<Broken>,
    /// How much happened.
    pub counts: Counts,
    /// The last lines of its story, if it was told.
    pub story: Vec<String>,
    /// Of all of its story, if it was told.
    pub hash: u64,
}

/// Lives a plan to its end. `told`: with its story.
pub fn live(plan: Plan, told: bool) -> Ending {
    disk::register();
    let mut world = World::new(plan, told);
    world.run();
    world.end();
    let story = world.story.lines().map(str::to_owned).collect();
    Ending { broken: world.broken, counts: world.counts, story, hash: world.story.hash() }
}

impl World {
    fn new(plan: Plan, told: bool) -> Self {
        let seed = plan.seed;
        let stream = |number| Random::stream(seed, number);
        let keys: Vec<Key> = (1..=plan.seats as u64).map(Key::new).collect();
        let charter_of = |token: Address| Charter {
            window: plan.window,
            quorum: plan.quorum,
            asset: if plan.pays_tokens { token } else { Address::ZERO },
            cap: plan.cap,
            period: PERIOD,
            turns_per_period: plan.turns_per_period,
            interval: plan.interval,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: keys.iter().map(Key::address).collect(),
        };
        let chain = Chain::new(charter_of, plan.depth);
        let charter = charter_of(chain.token());
        let requester = Key::new(REQUESTER);
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            faults: Fault::ALL.into_iter().map(|fault| (fault, stream(100 + fault as u64))).collect(),
            chance: Chance {
                time: stream(1),
                network: stream(2),
                blocks: stream(3),
                clients: stream(4),
                people: stream(5),
                batches: stream(6),
            },
            seats: Vec::new(),
            moments: vec![chain.head().clone()],
            chain,
            pool: Vec::new(),
            charter,
            requester,
            posted: BTreeMap::new(),
            accepted: BTreeSet::new(),
            taken_back: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            given_up: BTreeSet::new(),
            partition: None,
            old_letters: VecDeque::new(),
            signed: BTreeMap::new(),
            thief: thief::Thief::new(&plan, &keys),
            forged: BTreeSet::new(),
            deceived: BTreeSet::new(),
            struck: false,
            finals_replaced: false,
            finality_broken: false,
            changes: 0,
            rotations: 0,
            next_key: 1_000,
            next_disk: 0,
            calm_since: None,
            recovered: false,
            done: false,
            counts: Counts { worlds: 1, ..Counts::default() },
            story: Story::new(told),
            broken: None,
            plan,
        };
        for key in keys {
            world.add_seat(key);
        }
        world.begin();
        world
    }

    /// Everything that goes on by itself is set going.
    fn begin(&mut self) {
        for seat in 0..self.seats.len() {
            self.seats[seat].taken = self.plan.taken && self.plan.stolen.contains(&seat);
            self.start(seat);
            let look = self.chance.time.below(self.plan.block_seconds * 1_000);
            self.queue.add(look, Happening::Look { seat });
            self.queue.add(look, Happening::Person { seat });
        }
        self.queue.add(self.plan.block_seconds * 1_000, Happening::Block);
        for _ in 0..self.plan.requests {
            let at = self.chance.clients.below(self.plan.seconds * 900);
            self.queue.add(at, Happening::Post);
            let again = at + self.chance.clients.below(self.plan.seconds * 600);
            self.queue.add(again, Happening::PostAgain);
        }
        for fault in Fault::ALL {
            self.plan_fault(fault);
        }
        self.queue.add(self.plan.seconds * 1_000, Happening::Calm);
    }

    fn run(&mut self) {
        while let Some((time, what)) = self.queue.pop() {
            self.now = time;
            self.counts.happenings += 1;
            self.happen(what);
            if self.broken.is_some() || self.done {
                break;
            }
        }
    }

    /// All processes end, and their disks are gone.
    fn end(&mut self) {
        for seat in 0..self.seats.len() {
            self.kill(seat);
        }
        for number in 0..self.next_disk {
            disk::remove(number);
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Tick { seat, life } => self.tick(seat, life),
            Happening::Look { seat } => self.look(seat),
            Happening::Letter(letter) => self.deliver(letter),
            Happening::Work { seat, life } => self.work(seat, life),
            Happening::Signature { seat, life, nonce, digest, signature } => {
                self.signature(seat, life, (nonce, digest), signature);
            }
            Happening::Evidence { seat, life, request, evidence } => self.evidence(seat, life, request, evidence),
            Happening::Block => self.block(),
            Happening::Start { seat } => self.start(seat),
            Happening::Person { seat } => self.person(seat),
            Happening::Post => self.post_new(),
            Happening::PostAgain => self.post_again(),
            Happening::Cancel { id } => self.cancel(id),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Mend { seat } => self.mend(seat),
            Happening::Heal => self.partition = None,
            Happening::Calm => self.calm(),
            Happening::Recover => self.recover(),
        }
    }

    /// How strong a fault is now: none is once it is calm.
    fn strength(&self, fault: Fault) -> u64 {
        if self.calm_since.is_some() { 0 } else { self.plan.strength(fault) }
    }

    /// Whether a fault happens now, which at full strength does so in this many of a thousand cases.
    fn strikes(&mut self, fault: Fault, of_a_thousand: u64) -> bool {
        let strength = self.strength(fault);
        // A million: the strength is in hundredths.
        strength > 0 && self.random(fault).below(100_000) < strength * of_a_thousand
    }

    fn random(&mut self, fault: Fault) -> &mut Random {
        self.faults.entry(fault).or_insert_with(|| Random::new(fault as u64))
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.story.note(self.now, what);
    }

    fn check(&mut self, holds: bool, promise: Promise, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            let broken = Broken { promise, what: what() };
            self.note(|| format!("BROKEN: {} — {}", broken.promise, broken.what));
            self.broken = Some(broken);
        }
    }

    /// The settings of a seat with this key.
    fn settings(&self, key: Address) -> Settings {
        let other = if self.charter.asset.is_zero() { self.chain.token() } else { Address::ZERO };
        Settings {
            domain: self.chain.domain(),
            ring: RING,
            charter: self.charter.clone(),
            key,
            next_charter: None,
            announced: Default::default(),
            other_assets: [other].into(),
            requesters: [self.requester.address()].into(),
            copies: self.plan.copies,
            max_calls: MAX_CALLS,
            max_gas: MAX_GAS,
            validity: self.plan.validity,
            resend_ticks: 2,
            patience_ticks: 6,
            grace_ticks: self.plan.grace,
            refill: None,
            evidence: self.plan.evidence,
            // Long enough for the sources to answer, short enough to be over before a slow turn.
            confirmed_ticks: self.plan.evidence.then_some(8),
        }
    }
}
