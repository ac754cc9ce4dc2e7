//! A plain m-of-n wallet in the same EVM: what a ring is compared with (`contracts/test/doubles/PlainMultisig.sol`).

use alloy::{
    primitives::TxKind,
    sol_types::{SolCall, SolConstructor},
};
use ring_contracts::{Address, Bytes, U256};
use ring_core::Block;

use super::{
    evm::{self, Accounts},
    genesis::{GENESIS_TIME, TREASURY},
    keys::Key,
    thief::{SWEEPER, THIEF, sweeper_code},
};

#[allow(missing_docs)]
mod contract {
    alloy::sol!(PlainMultisig, "artifacts/PlainMultisig.json");
}

use contract::PlainMultisig;

const DEPLOYER: Address = Address::repeat_byte(0xde);

/// How the wallet runs what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// As a call of another contract.
    Call = 0,
    /// The code of another contract as its own.
    DelegateCall = 1,
}

/// A wallet from which any m of n owners take what they like.
#[derive(Debug)]
pub struct PlainWallet {
    accounts: Accounts,
    block: Block,
    address: Address,
    owners: Vec<Key>,
    threshold: usize,
}

impl PlainWallet {
    /// A wallet with as much coin as the treasury of a ring. The keys of its owners are those of the seats of a ring.
    pub fn new(threshold: usize, owners: usize) -> Self {
        let block = Block { number: 0, time: GENESIS_TIME };
        let mut accounts = Accounts::default();
        evm::found(&mut accounts, DEPLOYER, U256::ZERO, None);
        evm::found(&mut accounts, THIEF, U256::ZERO, None);
        evm::found(&mut accounts, SWEEPER, U256::ZERO, Some(sweeper_code()));
        let mut owners: Vec<Key> = (1..=owners as u64).map(Key::new).collect();
        let addresses = owners.iter().map(Key::address).collect();
        let arguments = PlainMultisig::constructorCall { owners: addresses, threshold_: U256::from(threshold) };
        let code = [PlainMultisig::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into();
        let created = evm::transact(&mut accounts, block, DEPLOYER, TxKind::Create, code);
        let Ok(Some(address)) = created.as_ref().map(|done| done.created) else {
            unreachable!("the wallet deploys: {created:?}")
        };
        if let Some(wallet) = accounts.cache.accounts.get_mut(&address) {
            wallet.info.balance = U256::from(TREASURY);
        }
        // The order in which the wallet takes signatures.
        owners.sort_by_key(Key::address);
        Self { accounts, block, address, owners, threshold }
    }

    /// Has so many of the owners sign something, and sends it.
    ///
    /// # Errors
    /// Why the wallet refuses it; then nothing has changed.
    pub fn execute(
        &mut self,
        signers: usize,
        (to, value, data): (Address, U256, Bytes),
        operation: Operation,
    ) -> Result<(), String> {
        let (block, address) = (self.block, self.address);
        let nonce = evm::ask(&mut self.accounts, block, address, &PlainMultisig::nonceCall {});
        let operation = operation as u8;
        let question = PlainMultisig::digestOfCall { to, value, data: data.clone(), operation, nonce_: nonce };
        let digest = evm::ask(&mut self.accounts, block, address, &question);
        let signatures = self.owners.iter().take(signers).map(|key| key.sign_long(&digest).to_vec().into()).collect();
        let input = PlainMultisig::executeCall { to, value, data, operation, signatures }.abi_encode();
        evm::transact(&mut self.accounts, block, THIEF, TxKind::Call(address), input.into()).map(|_| ())
    }

    /// How many signatures it takes.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The coin that is left in it.
    pub fn balance(&self) -> U256 {
        evm::coin_of(&self.accounts, self.address)
    }

    /// The coin that a thief has.
    pub fn stolen(&self) -> U256 {
        evm::coin_of(&self.accounts, THIEF)
    }
}
