//! A world without chance's faults, to which only happens what a script has happen: one theft at a time, to be looked at.

use std::collections::BTreeSet;

use ring_contracts::{Action, Address, Bytes, Call, Effect, Request, RequestId, SignedRequest, TurnId, U256};
use ring_core::Event;

use super::{
    Broken, PERIOD, World,
    clients::{FAR, recipient},
    plan::Plan,
};
use crate::{
    chain::{RING, THIEF, TREASURY},
    disk,
};

/// What a client asks for: so little that it leaves the cap to a thief.
const SMALL: u128 = 1;
/// The gas of a call.
const GAS: u32 = 100_000;
/// The id of what nobody asked for.
const UNASKED: RequestId = RequestId::repeat_byte(0xee);
/// Faults end, and the master repairs what there is: never, here.
const NEVER: u64 = 1_000_000_000;

/// What is there before the theft.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// N.
    pub seats: usize,
    /// W, and Q.
    pub window: u8,
    /// Whether each seat's own sources have to confirm requests.
    pub evidence: bool,
    /// Whether each seat limits what the clients' key may ask for in an hour.
    pub limited: bool,
    /// The seats whose keys the thief has.
    pub stolen: BTreeSet<usize>,
    /// Whether it has their machines too, so that they do nothing against it.
    pub taken: bool,
    /// The seats whose own sources say what the thief wants.
    pub deceived: BTreeSet<usize>,
}

/// A world on a stage. There is one at a time in a thread.
pub struct Staged {
    world: World,
}

impl Stage {
    fn plan(&self) -> Plan {
        let block_seconds = Staged::BLOCK_SECONDS;
        Plan {
            seed: 1,
            seats: self.seats,
            window: self.window,
            quorum: self.window,
            copies: self.seats.min(2),
            pays_tokens: false,
            cap: Staged::CAP.into(),
            turns_per_period: 1_000,
            interval: Staged::INTERVAL_SECONDS,
            block_seconds,
            depth: 2,
            tick_milliseconds: block_seconds * 500,
            validity: 10 * block_seconds,
            grace: 6,
            evidence: self.evidence,
            requester_limit: self.limited.then_some(Staged::REQUESTER_LIMIT),
            seconds: NEVER,
            requests: 0,
            faults: Default::default(),
            stolen: self.stolen.clone(),
            taken: self.taken,
            // Two contents for one nonce would only cost it the key.
            subtle: true,
        }
    }
}

impl Staged {
    /// The time between two blocks, in seconds.
    pub const BLOCK_SECONDS: u64 = 12;
    /// The least time between two turns, in seconds.
    pub const INTERVAL_SECONDS: u32 = 24;
    /// The period of the cap, in seconds.
    pub const PERIOD_SECONDS: u32 = PERIOD;
    /// What the ring may spend in a period: a hundredth of the treasury.
    pub const CAP: u64 = TREASURY / 100;
    /// What the clients' key may ask for in an hour, where seats limit it.
    pub const REQUESTER_LIMIT: u64 = Self::CAP / 8;

    /// Everybody works, and nothing has happened.
    pub fn new(stage: &Stage) -> Self {
        disk::register();
        let mut world = World::new(stage.plan(), false);
        world.deceived = stage.deceived.clone();
        Self { world }
    }

    /// So many seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.world.now + seconds * 1_000;
        while self.world.queue.next_time().is_some_and(|time| time <= until) && self.world.broken.is_none() {
            if let Some((time, what)) = self.world.queue.pop() {
                self.world.now = time;
                self.world.happen(what);
            }
        }
        self.world.now = until;
    }

    /// A client asks for something small.
    pub fn ask(&mut self) {
        let number = self.world.posted.len() as u8 + 1;
        self.post(recipient(number, 0), SMALL);
    }

    /// The thief asks for so much, with the key of the clients.
    pub fn forge(&mut self, amount: u128) {
        let id = self.post(THIEF, amount);
        self.world.forged.insert(id);
    }

    fn post(&mut self, to: Address, amount: u128) -> RequestId {
        let id = RequestId::with_last_byte(self.world.posted.len() as u8 + 1);
        let request = Request { id, ring: RING, target: to, value: amount, data: Bytes::new(), gas: GAS, expiry: FAR };
        let signed = self.world.sign_request(request);
        self.world.posted.insert(id, vec![signed.clone()]);
        if let Some(seat) = self.running() {
            self.world.feed(seat, Event::Submitted(signed), None);
        }
        id
    }

    fn running(&self) -> Option<usize> {
        self.world.seats.iter().position(|seat| seat.process.is_some())
    }

    /// The thief signs the next turn with what it has, to pay it what is left of the cap, and sends it if that is enough.
    pub fn strike(&mut self) {
        let amount: u128 = self.world.chain.head().left(&self.world.charter).saturating_to();
        if amount > 0 {
            self.strike_with(Effect::Pay { to: THIEF, amount });
        }
    }

    /// The thief signs a next turn that does this.
    pub fn strike_with(&mut self, effect: Effect) {
        let world = &mut self.world;
        let head = world.chain.head();
        let id = TurnId { ring: RING, epoch: head.epoch(), nonce: head.nonce(), valid_until: TurnId::NO_EXPIRY };
        let (turn, digest) = world.made_turn(id, vec![Call { request_id: UNASKED, gas: GAS, effect }]);
        let votes = world.thief.votes(&world.charter, id.nonce, &digest);
        if votes.len() >= world.thief.quorum {
            world.thief.made.insert(digest, true);
            world.execute_as_thief(&turn, &votes.iter().map(|vote| (vote.seat, vote.signature)).collect());
        }
    }

    /// The thief shows the other seats the next turn with the name of what a client asked for last, that pays it instead, as
    /// if it were what the client asked for.
    pub fn swap_payload(&mut self) {
        let world = &mut self.world;
        let newest = world.posted.last_key_value().and_then(|(_, contents)| contents.first());
        let Some(signed): Option<SignedRequest> = newest.cloned() else { return };
        let (head, valid_until) = (world.chain.head(), world.soon());
        let id = TurnId { ring: RING, epoch: head.epoch(), nonce: head.nonce(), valid_until };
        let amount = head.left(&world.charter).saturating_to();
        let effect = Effect::Pay { to: THIEF, amount };
        let (turn, digest) = world.made_turn(id, vec![Call { request_id: signed.request.id, gas: GAS, effect }]);
        world.thief.made.insert(digest, true);
        let votes = world.thief.votes(&world.charter, id.nonce, &digest);
        world.tell_all(&turn, &[signed], &votes, |_| true);
    }

    /// A person halts the ring at a seat that runs.
    pub fn order_halt(&mut self) {
        if let Some(seat) = self.running() {
            let reason = "a person saw what was paid".to_owned();
            self.world.feed(seat, Event::HaltOrdered { reason }, None);
        }
    }

    /// The master forms the ring anew, with new keys for the seats whose keys were stolen.
    pub fn replace_keys(&mut self) {
        let stolen = self.world.plan.stolen.clone();
        self.world.form_anew(&stolen);
    }

    /// The master signs what the thief shows it: a payment of the whole treasury.
    pub fn deceive_master(&mut self) {
        let action =
            Action::MasterExecute { target: THIEF, value: self.treasury(), data: Bytes::new(), gas: u64::from(GAS) };
        let transaction = self.world.chain.master_action(&action, &self.world.charter);
        self.world.send_transaction(transaction);
    }

    /// The coin that is left in the treasury.
    pub fn treasury(&self) -> U256 {
        self.world.chain.balance(Address::ZERO, self.world.chain.domain().contract)
    }

    /// The coin that the thief has.
    pub fn stolen(&self) -> U256 {
        self.world.chain.balance(Address::ZERO, THIEF)
    }

    /// Whether the ring is halted on chain.
    pub fn is_halted(&self) -> bool {
        self.world.chain.head().halted()
    }

    /// How many turns were executed that only the thief signed.
    pub fn stolen_turns(&self) -> u64 {
        let turns = self.world.chain.turns();
        turns.iter().filter(|turn| self.world.thief.alone_signed(&turn.digest)).count() as u64
    }

    /// How many turns were executed.
    pub fn turns(&self) -> u64 {
        self.world.chain.head().nonce()
    }

    /// How many turns and requests seats refused.
    pub fn refusals(&self) -> u64 {
        self.world.counts.refusals
    }

    /// The promise that was broken, if one was.
    pub fn broken(&self) -> Option<&Broken> {
        self.world.broken.as_ref()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.world.end();
    }
}
