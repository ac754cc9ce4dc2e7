//! A block, its ancestors, and what they executed.

use std::rc::Rc;

use ring_contracts::{Address, B256, Charter, TurnId, U256};
use ring_core::{Block, ObservedTurn};

use super::{evm::Accounts, facts::Facts};

/// A block of some branch of the chain.
#[derive(Debug)]
pub struct Mined {
    /// Number and time.
    pub block: Block,
    /// Tells blocks of the same number apart.
    pub id: u64,
    pub(super) parent: Option<Rc<Mined>>,
    pub(super) accounts: Rc<Accounts>,
    pub(super) facts: Rc<Facts>,
    pub(super) token: Address,
    /// The turns it executed.
    pub turns: Vec<(TurnId, ObservedTurn)>,
    /// The newest block with turns, this one included.
    last_with_turns: Option<Rc<Mined>>,
}

impl Mined {
    /// A block on top of `parent` that changes what these say.
    pub(super) fn new(
        parent: Option<Rc<Mined>>,
        block: Block,
        id: u64,
        token: Address,
        (accounts, facts): (Rc<Accounts>, Rc<Facts>),
        turns: Vec<(TurnId, ObservedTurn)>,
    ) -> Self {
        let last_with_turns = parent.as_ref().and_then(with_turns).cloned();
        Self { block, id, parent, accounts, facts, token, turns, last_with_turns }
    }

    /// The commitment to the ring's charter.
    pub fn charter(&self) -> B256 {
        self.facts.ring.charter
    }

    /// The ring's next nonce.
    pub fn nonce(&self) -> u64 {
        self.facts.ring.nonce.to()
    }

    /// The ring's epoch.
    pub fn epoch(&self) -> u32 {
        self.facts.ring.epoch
    }

    /// What is left of the cap of the ring's main asset, in the period of this block.
    pub fn left(&self, charter: &Charter) -> U256 {
        let allowances = self.facts.allowances(charter, self.token, self.block.time);
        let main = allowances.into_iter().find(|(asset, _)| *asset == charter.asset);
        main.map_or(U256::ZERO, |(_, allowance)| allowance.left)
    }

    /// Whether the ring is halted.
    pub fn halted(&self) -> bool {
        self.facts.ring.halted
    }
}

fn with_turns(block: &Rc<Mined>) -> Option<&Rc<Mined>> {
    if block.turns.is_empty() { block.last_with_turns.as_ref() } else { Some(block) }
}

/// The block of a branch with this number, or its first.
pub(super) fn ancestor(head: &Rc<Mined>, number: u64) -> Rc<Mined> {
    let mut block = head;
    while let Some(parent) = block.parent.as_ref().filter(|_| block.block.number > number) {
        block = parent;
    }
    block.clone()
}

/// All turns of a branch from this block on, in order.
pub(super) fn turns_since(head: &Rc<Mined>, from: u64) -> Vec<ObservedTurn> {
    let mut turns = Vec::new();
    let mut next = with_turns(head);
    while let Some(block) = next.filter(|block| block.block.number >= from) {
        turns.extend(block.turns.iter().rev().map(|(_, turn)| turn.clone()));
        next = block.last_with_turns.as_ref();
    }
    turns.reverse();
    turns
}

/// The blocks of a branch that executed turns, newest first, each with the one before it.
pub(super) fn with_turns_before(head: &Rc<Mined>) -> Vec<(&Rc<Mined>, &Rc<Mined>)> {
    let mut all = Vec::new();
    let mut next = with_turns(head);
    while let Some(block) = next {
        all.extend(block.parent.as_ref().map(|parent| (block, parent)));
        next = block.last_with_turns.as_ref();
    }
    all
}

impl Drop for Mined {
    /// One after the other: a long branch would need as deep a stack.
    fn drop(&mut self) {
        let mut next: Vec<Rc<Mined>> = self.parent.take().into_iter().chain(self.last_with_turns.take()).collect();
        while let Some(block) = next.pop() {
            if let Some(mut block) = Rc::into_inner(block) {
                next.extend(block.parent.take().into_iter().chain(block.last_with_turns.take()));
            }
        }
    }
}
