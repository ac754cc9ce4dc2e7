//! A plain model of the chain: what the contract does, and what finality and reorgs do. Written to be read.

use std::{collections::BTreeMap, rc::Rc};

use alloy::primitives::keccak256;
use ring_contracts::{
    Address, B256, Bytes, Charter, CompactSignature, Domain, Effect, Permission, Permissions, RequestId, Turn, U256,
};
use ring_core::{Allowance, Block, ChainView, ObservedTurn};

/// A token beside the main asset, which is the native coin.
pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
/// The master, whom no ring calls.
const MASTER: Address = Address::repeat_byte(0x3a);
/// The time of the first block.
pub(crate) const GENESIS: u64 = 1_000_000;

/// What can be sent to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    Execute {
        turn: Turn,
        witness: Bytes,
        sender: Address,
    },
    Halt {
        epoch: u32,
        by: Address,
    },
    /// A proof, made in this epoch, that this key signed two contents.
    Prove {
        epoch: u32,
        key: Address,
    },
    Form {
        epoch: u32,
        charter: Charter,
    },
    Resume {
        epoch: u32,
    },
}

/// A turn that was executed.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) turn: Turn,
    pub(crate) digest: B256,
    pub(crate) transaction: B256,
    pub(crate) block: Block,
}

/// What the contract remembers.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) charter: Charter,
    pub(crate) epoch: u32,
    /// The nonce at which this epoch began.
    pub(crate) epoch_start: u64,
    pub(crate) nonce: u64,
    pub(crate) halted: bool,
    /// By asset: the index of the period, and what was spent in it.
    pub(crate) spent: BTreeMap<Address, (u64, U256)>,
    /// The index of the period of the last turn, and how many there were in it.
    pub(crate) taken: (u64, u32),
    pub(crate) last_turn_at: u64,
    pub(crate) permissions: Permissions,
    pub(crate) turns: Vec<Rc<Executed>>,
}

impl Ledger {
    /// What is left of an asset at this time.
    fn allowance(&self, asset: Address, time: u64) -> Option<Allowance> {
        if asset != self.charter.asset && asset != TOKEN {
            return None;
        }
        let cap = U256::from(self.charter.cap);
        let period = time / u64::from(self.charter.period);
        let spent =
            self.spent.get(&asset).filter(|(index, _)| *index == period).map_or(U256::ZERO, |(_, spent)| *spent);
        Some(Allowance { cap, left: cap - spent })
    }

    /// The first second at which a turn executes, seen from this time.
    pub(crate) fn earliest(&self, time: u64) -> u64 {
        let period = u64::from(self.charter.period);
        let used_up = self.taken.0 == time / period && self.taken.1 >= self.charter.turns_per_period;
        let next_period = if used_up { (self.taken.0 + 1) * period } else { 0 };
        next_period.max(self.last_turn_at + u64::from(self.charter.interval))
    }

    /// `RingMultisig.execute`, `halt`, `formRing` and `resume`. What is refused changes nothing.
    fn take(&mut self, domain: &Domain, transaction: &Transaction, block: Block) -> Result<(), &'static str> {
        match transaction {
            Transaction::Execute { turn, witness, sender } => self.execute(domain, turn, witness, *sender, block),
            Transaction::Halt { epoch, by } => {
                if *epoch != self.epoch || self.charter.seat_of(*by).is_none() {
                    return Err("not entitled in this epoch");
                }
                self.halted = true;
                Ok(())
            }
            Transaction::Prove { key, .. } => {
                let seat = self.charter.seat_of(*key).ok_or("the key has no seat")?;
                self.charter.seats[seat] = Address::ZERO;
                self.next_epoch();
                self.halted = true;
                Ok(())
            }
            Transaction::Form { epoch, charter } if *epoch == self.epoch => {
                self.charter = charter.clone();
                self.spent.remove(&charter.asset);
                self.taken = (0, 0);
                self.next_epoch();
                Ok(())
            }
            Transaction::Resume { epoch } if *epoch == self.epoch => {
                self.next_epoch();
                Ok(())
            }
            Transaction::Form { .. } | Transaction::Resume { .. } => Err("the master meant another epoch"),
        }
    }

    fn next_epoch(&mut self) {
        self.epoch += 1;
        self.epoch_start = self.nonce;
        self.halted = false;
    }

    fn execute(
        &mut self,
        domain: &Domain,
        turn: &Turn,
        witness: &[u8],
        sender: Address,
        block: Block,
    ) -> Result<(), &'static str> {
        let id = turn.id();
        if self.halted {
            return Err("halted");
        }
        if id.epoch != self.epoch || id.nonce != self.nonce {
            return Err("other epoch or nonce");
        }
        if block.time > id.valid_until {
            return Err("too late");
        }
        let digest = turn.digest(domain);
        self.check_witness(digest, witness, sender)?;
        if block.time > self.charter.expires_at || id.nonce > self.charter.last_nonce {
            return Err("the lease is over");
        }
        if block.time < self.earliest(block.time) {
            return Err("too soon, or too many turns");
        }

        let mut spent = self.spent.clone();
        for call in turn.calls() {
            let (Effect::Pay { to: target, .. } | Effect::Call { target, .. }) = &call.effect;
            let charges = call.charges(self.charter.asset, &self.permissions).ok_or("call not permitted")?;
            if *target == domain.contract || matches!(call.effect, Effect::Call { .. }) && *target == MASTER {
                return Err("no ring calls the contract itself or its master");
            }
            for (asset, amount) in charges {
                let Allowance { cap, .. } = self.allowance(asset, block.time).ok_or("asset not permitted")?;
                let period = block.time / u64::from(self.charter.period);
                let entry = spent.entry(asset).or_insert((period, U256::ZERO));
                if entry.0 != period {
                    *entry = (period, U256::ZERO);
                }
                entry.1 += amount;
                if entry.1 > cap {
                    return Err("cap exceeded");
                }
            }
        }
        let period = block.time / u64::from(self.charter.period);
        self.taken = if self.taken.0 == period { (period, self.taken.1 + 1) } else { (period, 1) };
        self.last_turn_at = block.time;
        self.spent = spent;
        self.nonce += 1;
        let transaction = keccak256([digest.as_slice(), sender.as_slice()].concat());
        self.turns.push(Rc::new(Executed { turn: turn.clone(), digest, transaction, block }));
        Ok(())
    }

    /// Goes around the ring once from the first seat of the window, as the contract does: the keys have to be those of the
    /// charter, and exactly Q of the window have to agree.
    fn check_witness(&self, digest: B256, witness: &[u8], sender: Address) -> Result<(), &'static str> {
        let count = self.charter.seats.len();
        let first = (self.nonce % count as u64) as usize;
        let mut rest = witness;
        let mut agreed = 0;
        for position in 0..count {
            let (tag, after) = rest.split_first().ok_or("witness ends early")?;
            let (key, after) = match tag {
                0 => {
                    let (key, after) = after.split_at_checked(20).ok_or("witness ends early")?;
                    (Address::from_slice(key), after)
                }
                1 => {
                    let (signature, after) = after.split_first_chunk::<64>().ok_or("witness ends early")?;
                    (CompactSignature::from(*signature).recover(&digest).map_err(|_| "no signature")?, after)
                }
                2 => (sender, after),
                _ => return Err("unknown tag"),
            };
            if *tag != 0 {
                if position >= usize::from(self.charter.window) {
                    return Err("seat outside the window");
                }
                agreed += 1;
            }
            if key != self.charter.seats[(first + position) % count] {
                return Err("another key");
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err("witness goes on");
        }
        if agreed != self.charter.quorum { Err("not exactly Q") } else { Ok(()) }
    }
}

/// Whether the call of a request fails, here: some do.
pub(crate) fn fails(id: RequestId) -> bool {
    id[15] % 8 == 7
}

/// The chain as of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) head: Block,
    pub(crate) finalized: Block,
    pub(crate) ledger: Rc<Ledger>,
    final_nonce: u64,
    final_epoch: u32,
}

impl Moment {
    /// What a seat is told that asks for the turns from `first_open` on.
    pub(crate) fn view(&self, first_open: u64) -> ChainView {
        let ledger = &self.ledger;
        let observed = |executed: &Rc<Executed>| {
            let requests: Vec<RequestId> = executed.turn.calls().iter().map(|call| call.request_id).collect();
            ObservedTurn {
                epoch: executed.turn.id().epoch,
                nonce: executed.turn.id().nonce,
                digest: executed.digest,
                failed: requests.iter().copied().filter(|id| fails(*id)).collect(),
                requests,
                transaction: executed.transaction,
                block: executed.block.number,
            }
        };
        ChainView {
            head: self.head,
            finalized: self.finalized,
            nonce: ledger.nonce,
            epoch: ledger.epoch,
            halted: ledger.halted,
            charter: ledger.charter.commitment(),
            final_nonce: self.final_nonce,
            final_epoch: self.final_epoch,
            turns: ledger.turns.iter().skip(first_open as usize).map(observed).collect(),
            allowances: [ledger.charter.asset, TOKEN]
                .into_iter()
                .filter_map(|asset| Some((asset, ledger.allowance(asset, self.head.time)?)))
                .collect(),
            permissions: ledger.permissions.clone(),
            master: MASTER,
            earliest: ledger.earliest(self.head.time),
        }
    }
}

/// The chain: its blocks, each with what the contract remembers after it, and all moments there were.
#[derive(Debug)]
pub(crate) struct Chain {
    domain: Domain,
    blocks: Vec<(Block, Rc<Ledger>)>,
    /// The index of the newest block that is final.
    finalized: usize,
    pub(crate) moments: Vec<Moment>,
}

impl Chain {
    pub(crate) fn new(domain: Domain, charter: Charter) -> Self {
        let spent = BTreeMap::new();
        let ledger = Ledger {
            charter,
            epoch: 1,
            epoch_start: 0,
            nonce: 0,
            halted: false,
            spent,
            taken: (0, 0),
            last_turn_at: 0,
            permissions: Permissions::new([Permission::erc20_transfer(TOKEN)]),
            turns: Vec::new(),
        };
        let blocks = vec![(Block { number: 0, time: GENESIS }, Rc::new(ledger))];
        let mut chain = Self { domain, blocks, finalized: 0, moments: Vec::new() };
        chain.note_moment();
        chain
    }

    /// The master changes what the ring may call: in a block of its own.
    pub(crate) fn set_permissions(&mut self, permissions: Permissions) {
        let Block { number, time } = self.head();
        let ledger = Ledger { permissions, ..Ledger::clone(self.ledger()) };
        self.blocks.push((Block { number: number + 1, time: time + 1 }, Rc::new(ledger)));
        self.note_moment();
    }

    /// What the contract remembers at the head.
    pub(crate) fn ledger(&self) -> &Rc<Ledger> {
        &self.blocks[self.blocks.len() - 1].1
    }

    /// What it remembers finally.
    pub(crate) fn final_ledger(&self) -> &Rc<Ledger> {
        &self.blocks[self.finalized].1
    }

    pub(crate) fn head(&self) -> Block {
        self.blocks[self.blocks.len() - 1].0
    }

    /// A new block, `seconds` after the last. Of the transactions, in this order, those that are refused have no effect.
    /// Whatever is `depth` blocks deep is final.
    pub(crate) fn mine(&mut self, transactions: &[Transaction], seconds: u64, depth: usize) {
        let Block { number, time } = self.head();
        let block = Block { number: number + 1, time: time + seconds };
        let mut ledger = Ledger::clone(self.ledger());
        for transaction in transactions {
            // A refusal is no event of its own: who sent it sees that nothing happened.
            let _ = ledger.take(&self.domain, transaction, block);
        }
        self.blocks.push((block, Rc::new(ledger)));
        self.finalized = self.finalized.max(self.blocks.len().saturating_sub(1 + depth));
        self.note_moment();
    }

    /// Whether a transaction would have an effect in the next block.
    pub(crate) fn would_take(&self, transaction: &Transaction) -> Result<(), &'static str> {
        let Block { number, time } = self.head();
        Ledger::clone(self.ledger()).take(&self.domain, transaction, Block { number: number + 1, time: time + 1 })
    }

    /// How many blocks can be reorganised away.
    pub(crate) fn not_final(&self) -> usize {
        self.blocks.len() - 1 - self.finalized
    }

    /// Takes back blocks that are not final.
    pub(crate) fn reorganise(&mut self, blocks: usize) {
        let keep = self.blocks.len() - blocks.min(self.not_final());
        self.blocks.truncate(keep);
        self.note_moment();
    }

    fn note_moment(&mut self) {
        let (finalized, final_ledger) = &self.blocks[self.finalized];
        self.moments.push(Moment {
            head: self.head(),
            finalized: *finalized,
            ledger: self.ledger().clone(),
            final_nonce: final_ledger.nonce,
            final_epoch: final_ledger.epoch,
        });
    }
}
