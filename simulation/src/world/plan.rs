//! What is to happen in a world, but for what chance adds: all of it from one seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::random::Random;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Letters are lost.
    Loss,
    /// Letters come twice.
    Doubling,
    /// Letters take long, and overtake one another.
    Delay,
    /// Old letters come again.
    Replay,
    /// The seats are cut in two sides that do not hear each other.
    Partition,
    /// Processes are killed; what they wrote, the system still has.
    Kill,
    /// Machines lose their power: what was not synced may be gone.
    PowerCut,
    /// Disks are full, fail to write or sync, or are read-only.
    Disk,
    /// Signers do not answer, or late.
    Signer,
    /// RPCs are behind.
    Lag,
    /// RPCs do not answer.
    RpcFailure,
    /// RPCs go back, leave turns out, or say wrong nonces.
    Lies,
    /// Blocks that are not final are reorganised away.
    Reorg,
    /// Final blocks are.
    DeepReorg,
    /// No blocks for long.
    Stall,
    /// Clocks that are fast, slow or stand still.
    Clock,
    /// A thief has keys.
    Theft,
    /// The master changes the ring.
    Change,
    /// Clients sign two contents for one id.
    TwoContents,
    /// Clients take back what they asked for.
    Cancel,
    /// The master changes all keys of the ring, as it has announced to the seats.
    Rotation,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Loss,
        Self::Doubling,
        Self::Delay,
        Self::Replay,
        Self::Partition,
        Self::Kill,
        Self::PowerCut,
        Self::Disk,
        Self::Signer,
        Self::Lag,
        Self::RpcFailure,
        Self::Lies,
        Self::Reorg,
        Self::DeepReorg,
        Self::Stall,
        Self::Clock,
        Self::Theft,
        Self::Change,
        Self::TwoContents,
        Self::Cancel,
        Self::Rotation,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Doubling => "doubling",
            Self::Delay => "delay",
            Self::Replay => "replay",
            Self::Partition => "partition",
            Self::Kill => "kill",
            Self::PowerCut => "power-cut",
            Self::Disk => "disk",
            Self::Signer => "signer",
            Self::Lag => "lag",
            Self::RpcFailure => "rpc-failure",
            Self::Lies => "lies",
            Self::Reorg => "reorg",
            Self::DeepReorg => "deep-reorg",
            Self::Stall => "stall",
            Self::Clock => "clock",
            Self::Theft => "theft",
            Self::Change => "change",
            Self::TwoContents => "two-contents",
            Self::Cancel => "cancel",
            Self::Rotation => "rotation",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| format!("there is no fault {name}: there are {}", known()))
    }
}

/// What a seed's plan is cut down to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Faults that do not happen.
    pub without: BTreeSet<Fault>,
    /// At most so many requests.
    pub requests: Option<usize>,
    /// Faults for at most so many seconds.
    pub seconds: Option<u64>,
}

/// What is to happen in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where chance comes from.
    pub seed: u64,
    /// N.
    pub seats: usize,
    /// W.
    pub window: u8,
    /// Q.
    pub quorum: u8,
    /// At how many seats a request has to be to be called accepted.
    pub copies: usize,
    /// Whether the ring's main asset is the token, and not the coin.
    pub pays_tokens: bool,
    /// Of the charter: of each asset, a period of an hour.
    pub cap: u128,
    /// Of the charter.
    pub turns_per_period: u32,
    /// Of the charter, in seconds.
    pub interval: u32,
    /// Seconds between blocks.
    pub block_seconds: u64,
    /// After how many blocks on top a block is final.
    pub depth: u64,
    /// The length of a tick.
    pub tick_milliseconds: u64,
    /// How long turns are valid, in seconds.
    pub validity: u64,
    /// How many ticks a seat waits for an explanation.
    pub grace: u64,
    /// Whether each seat's own sources have to confirm requests.
    pub evidence: bool,
    /// What each seat lets the clients' key ask for in an hour, of each asset; `None`: as much as it likes. Needs `evidence`.
    pub requester_limit: Option<u64>,
    /// How long there are faults, in seconds.
    pub seconds: u64,
    /// How many requests clients make.
    pub requests: usize,
    /// How strong each fault is: 1 … 100. What is not there does not happen.
    pub faults: BTreeMap<Fault, u64>,
    /// Whose keys a thief has.
    pub stolen: BTreeSet<usize>,
    /// Whether the thief has the machines of those seats, too.
    pub taken: bool,
    /// Whether the thief does nothing by which a seat has to halt, as long as the others do as they should.
    pub subtle: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::stream(seed, u64::MAX);
        let seats = match random.index(10) {
            0 => 1,
            1 | 2 => 2,
            3..=6 => 3,
            7 | 8 => 4,
            _ => 5 + random.index(2),
        };
        let window = random.between(1, seats as u64) as u8;
        let quorum = if random.chance(650) { window } else { random.between(1, window.into()) as u8 };
        let block_seconds = *random.choose(&[2, 12, 12, 30]).unwrap_or(&12);
        // Waiting for the next hour takes few blocks only where they are slow.
        let tight = block_seconds == 30 && random.chance(500);
        let mut faults = BTreeMap::new();
        // A fifth of all worlds are calm, so that a fault in the others stands out.
        let likely = *random.choose(&[0, 200, 400, 400, 700]).unwrap_or(&400);
        for fault in Fault::ALL {
            let rare = matches!(fault, Fault::DeepReorg | Fault::Theft | Fault::Change | Fault::TwoContents);
            if random.chance(if rare { likely / 3 } else { likely }) {
                faults.insert(fault, random.between(1, 100));
            }
        }
        // What is promised about one of these is said without the others.
        if faults.contains_key(&Fault::DeepReorg) {
            for other in [Fault::Theft, Fault::Change, Fault::Rotation] {
                faults.remove(&other);
            }
        }
        if faults.contains_key(&Fault::Theft) {
            faults.remove(&Fault::Change);
            faults.remove(&Fault::Rotation);
        }
        let stolen: BTreeSet<usize> = match faults.contains_key(&Fault::Theft) {
            true => {
                let all = random.chance(100);
                let first = random.index(seats);
                let run = random.between(1, seats as u64) as usize;
                let scattered = random.next();
                let is_stolen = |seat: usize| {
                    let in_run = (seat + seats - first) % seats < run;
                    all || in_run || scattered >> seat & 3 == 3
                };
                (0..seats).filter(|seat| is_stolen(*seat)).collect()
            }
            false => BTreeSet::new(),
        };
        // Whoever waits for ever never halts.
        let patient = random.chance(700) && stolen.is_empty();
        Self {
            seed,
            seats,
            window,
            quorum,
            copies: random.between(1, seats.min(3) as u64) as usize,
            pays_tokens: random.chance(500),
            cap: if tight { 100 } else { 1_000 },
            turns_per_period: if tight { random.between(30, 80) as u32 } else { 10_000 },
            interval: if random.chance(700) { 0 } else { random.between(1, 3 * block_seconds) as u32 },
            block_seconds,
            depth: random.between(2, 6),
            tick_milliseconds: block_seconds * 1_000 / random.between(2, 6),
            validity: block_seconds * random.between(4, 20),
            grace: if patient { 100_000 } else { random.between(6, 40) },
            evidence: random.chance(250),
            requester_limit: None,
            seconds: block_seconds * random.between(15, 90),
            requests: random.between(1, 14) as usize,
            faults,
            stolen,
            taken: random.chance(400),
            subtle: random.chance(500),
        }
    }

    /// The plan with these cuts.
    pub fn cut(mut self, cuts: &Cuts) -> Self {
        self.faults.retain(|fault, _| !cuts.without.contains(fault));
        if !self.faults.contains_key(&Fault::Theft) {
            self.stolen.clear();
        }
        self.requests = self.requests.min(cuts.requests.unwrap_or(usize::MAX));
        self.seconds = self.seconds.min(cuts.seconds.unwrap_or(u64::MAX));
        self
    }

    /// How strong a fault is: 0 is not at all, 100 the most.
    pub fn strength(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(|(fault, strength)| format!("{fault} {strength}")).collect();
        write!(
            f,
            "N={} W={} Q={}, {} copies, {} requests, {} s of faults ({}), blocks of {} s, final after {}, ticks of {} ms, turns \
             valid {} s, interval {} s, {} turns and {} of each asset a period, grace {}{}, stolen {:?}{}",
            self.seats,
            self.window,
            self.quorum,
            self.copies,
            self.requests,
            self.seconds,
            if faults.is_empty() { "none".to_owned() } else { faults.join(", ") },
            self.block_seconds,
            self.depth,
            self.tick_milliseconds,
            self.validity,
            self.interval,
            self.turns_per_period,
            self.cap,
            self.grace,
            if self.evidence { ", with evidence" } else { "" },
            self.stolen,
            match (self.stolen.is_empty(), self.taken, self.subtle) {
                (true, _, _) | (false, false, false) => "",
                (false, true, false) => " with their machines",
                (false, false, true) => " by a subtle thief",
                (false, true, true) => " with their machines by a subtle thief",
            },
        )
    }
}
