//! A chain with the real contract on it: an EVM, blocks, reorgs, and finality by depth.

mod block;
mod evm;
mod facts;
mod genesis;
mod keys;
mod logs;
mod plain;
mod thief;
mod transaction;
mod view;

use std::{collections::BTreeMap, rc::Rc};

use alloy::primitives::TxKind;
use ring_contracts::{
    Action, Address, Bytes, Charter, Domain, IERC20, IRingMultisig, LimitSetting, Permission, RingMultisig, U256,
};
use ring_core::{Block, ObservedTurn};

use evm::Accounts;
use facts::Facts;

pub use block::Mined;
pub use genesis::{GENESIS_TIME, TREASURY, UNWILLING};
pub use keys::Key;
pub use plain::{Operation, PlainWallet};
pub use thief::{SWEEPER, THIEF};
pub use transaction::{Purpose, Transaction};
pub use view::{Cursor, Floor, Lie, Unusable, look};

/// The ring that is simulated.
pub const RING: u32 = 7;
/// A deadline that never comes.
const FAR: U256 = U256::MAX;

/// The chain: its newest block, and through it all before.
#[derive(Debug)]
pub struct Chain {
    domain: Domain,
    token: Address,
    master: Key,
    head: Rc<Mined>,
    /// After how many blocks on top a block is final.
    depth: u64,
    /// The number of the newest block that anybody may hold for final.
    finalized: u64,
    next_id: u64,
}

/// A transaction that was tried in a block.
#[derive(Debug)]
pub struct Tried {
    /// Which.
    pub transaction: Transaction,
    /// Why it had no effect, if it had none.
    pub refusal: Option<String>,
}

impl Chain {
    /// A chain whose first blocks deploy the contract and form the ring with this charter, beside which it may pay the other
    /// of coin and token within a cap.
    pub fn new(charter: impl FnOnce(Address) -> Charter, depth: u64) -> Self {
        let genesis::Genesis { mut accounts, domain, token, master } = genesis::genesis();
        let block = Block { number: 0, time: GENESIS_TIME };
        let charter = charter(token);
        let other = if charter.asset == token { Address::ZERO } else { token };
        let permission =
            if other == token { Permission::erc20_transfer(token) } else { Permission::bare(Address::ZERO) };
        let limit = LimitSetting { asset: other, cap: charter.cap, period: charter.period };
        let actions = [
            Action::FormRing { ring: RING, epoch: 0, charter: charter.clone() },
            Action::SetPermissions { ring: RING, permissions: vec![permission] },
            Action::SetLimits { ring: RING, limits: vec![limit] },
        ];
        for (nonce, action) in actions.iter().enumerate() {
            let input = authorized(action, &charter, &domain, &master, nonce as u64);
            let done = evm::transact(&mut accounts, block, ASSISTANT, TxKind::Call(domain.contract), input);
            assert!(done.is_ok(), "the master forms the ring: {done:?}");
        }
        let facts = Facts::read(&mut accounts, block, domain.contract, token, RING);
        let parts = (Rc::new(accounts), Rc::new(facts));
        let head = Rc::new(Mined::new(None, block, 0, token, parts, Vec::new()));
        Self { domain, token, master, head, depth, finalized: 0, next_id: 1 }
    }

    /// The contract and its chain.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The token.
    pub fn token(&self) -> Address {
        self.token
    }

    /// The newest block.
    pub fn head(&self) -> &Rc<Mined> {
        &self.head
    }

    /// How many blocks on top make a block final.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The newest block that is final for anybody.
    pub fn finalized(&self) -> Rc<Mined> {
        block::ancestor(&self.head, self.finalized)
    }

    /// The block with this number.
    pub fn at(&self, number: u64) -> Rc<Mined> {
        block::ancestor(&self.head, number)
    }

    /// All turns of the chain as it is now, in order.
    pub fn turns(&self) -> Vec<ObservedTurn> {
        block::turns_since(&self.head, 0)
    }

    /// How many blocks can be reorganised away without breaking finality.
    pub fn not_final(&self) -> u64 {
        self.head.block.number - self.finalized
    }

    /// An action of the master, signed, as its assistant sends it.
    pub fn master_action(&self, action: &Action, charter: &Charter) -> Transaction {
        let question = RingMultisig::actionNonceCall { signer: self.master.address() };
        let mut accounts = Accounts::clone(&self.head.accounts);
        let nonce: u64 = evm::ask(&mut accounts, self.head.block, self.domain.contract, &question).saturating_to();
        let input = authorized(action, charter, &self.domain, &self.master, nonce);
        Transaction::new(ASSISTANT, input, Purpose::Master(self.head.epoch()))
    }

    /// A new block on top, at this time or a second after the last, with these transactions in this order. Those that are
    /// refused have no effect.
    pub fn mine(&mut self, transactions: Vec<Transaction>, time: u64) -> Vec<Tried> {
        let before = self.head.block;
        let block = Block { number: before.number + 1, time: time.max(before.time + 1) };
        let contract = self.domain.contract;
        let mut parts = (self.head.accounts.clone(), self.head.facts.clone());
        let (mut turns, mut tried) = (Vec::new(), Vec::new());
        let mut accounts: Option<Accounts> = None;
        for transaction in transactions {
            let accounts = accounts.get_or_insert_with(|| Accounts::clone(&parts.0));
            let (from, input) = (transaction.from, transaction.input.clone());
            let done = evm::transact(accounts, block, from, TxKind::Call(contract), input);
            let refusal = match done {
                Ok(done) => {
                    turns.extend(logs::turns_of(&done.logs, contract, transaction.hash, block.number));
                    None
                }
                Err(reason) => Some(reason),
            };
            tried.push(Tried { transaction, refusal });
        }
        if let Some(mut accounts) = accounts.filter(|_| tried.iter().any(|tried| tried.refusal.is_none())) {
            accounts.cache.logs.clear();
            let facts = Facts::read(&mut accounts, block, contract, self.token, RING);
            parts = (Rc::new(accounts), Rc::new(facts));
        }
        let id = self.next_id;
        self.next_id += 1;
        self.head = Rc::new(Mined::new(Some(self.head.clone()), block, id, self.token, parts, turns));
        self.finalized = self.finalized.max(block.number.saturating_sub(self.depth));
        tried
    }

    /// Takes so many blocks back, but never the first. Deeper than [`not_final`](Self::not_final) it breaks finality.
    pub fn reorganise(&mut self, blocks: u64) {
        self.head = block::ancestor(&self.head, self.head.block.number.saturating_sub(blocks));
        self.finalized = self.finalized.min(self.head.block.number);
    }

    /// What left the treasury, by asset and period of this many seconds.
    pub fn outflows(&self, period: u64) -> BTreeMap<(Address, u64), U256> {
        let mut outflows = BTreeMap::new();
        for (block, before) in block::with_turns_before(&self.head) {
            let period = block.block.time / period;
            let of = |asset, before: U256, after: U256| ((asset, period), before.saturating_sub(after));
            let coin = of(Address::ZERO, before.facts.coin, block.facts.coin);
            for (key, amount) in [coin, of(self.token, before.facts.tokens, block.facts.tokens)] {
                *outflows.entry(key).or_insert(U256::ZERO) += amount;
            }
        }
        outflows
    }

    /// What an account has of an asset (zero: the coin) at the head.
    pub fn balance(&self, asset: Address, account: Address) -> U256 {
        if asset.is_zero() {
            return evm::coin_of(&self.head.accounts, account);
        }
        let mut accounts = Accounts::clone(&self.head.accounts);
        evm::ask(&mut accounts, self.head.block, asset, &IERC20::balanceOfCall { account })
    }
}

/// Who sends what the master signed.
const ASSISTANT: Address = Address::repeat_byte(0x55);

fn authorized(action: &Action, charter: &Charter, domain: &Domain, master: &Key, nonce: u64) -> Bytes {
    let digest = action.digest(domain, U256::from(nonce), FAR);
    let signature = Bytes::copy_from_slice(master.sign_long(&digest).as_slice());
    let authorization = IRingMultisig::Authorization { signer: master.address(), deadline: FAR, signature };
    action.calldata(charter, authorization)
}
