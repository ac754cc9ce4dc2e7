//! The chain before anything happens: the contract, a token, and a treasury.

use std::cell::OnceCell;

use alloy::{
    primitives::TxKind,
    sol_types::{SolCall, SolConstructor},
};
use ring_contracts::{Address, Bytes, Domain, IERC20, U256, creation_code, verify_runtime_code};
use ring_core::Block;

use super::{
    evm::{self, Accounts, CHAIN_ID},
    keys::Key,
    thief::{SWEEPER, sweeper_code},
};

#[allow(missing_docs)]
mod token {
    alloy::sol!(DemoToken, "../anvil/artifacts/DemoToken.json");
}

/// The time of the first block.
pub const GENESIS_TIME: u64 = 1_700_000_000;
/// What the treasury has of coin and token: enough for everything.
pub const TREASURY: u64 = 1_000_000_000;
/// A contract that takes no coin: it reverts.
pub const UNWILLING: Address = Address::repeat_byte(0xfe);
const DEPLOYER: Address = Address::repeat_byte(0xde);
const MASTER: u64 = 1_000_000;

/// The contracts, deployed, and no ring.
#[derive(Clone, Debug)]
pub(super) struct Genesis {
    pub(super) accounts: Accounts,
    pub(super) domain: Domain,
    pub(super) token: Address,
    pub(super) master: Key,
}

thread_local! {
    static GENESIS: OnceCell<Genesis> = const { OnceCell::new() };
}

/// The same for every world of this thread.
pub(super) fn genesis() -> Genesis {
    GENESIS.with(|genesis| genesis.get_or_init(build).clone())
}

fn build() -> Genesis {
    let block = Block { number: 0, time: GENESIS_TIME };
    let mut accounts = Accounts::default();
    let master = Key::new(MASTER);
    evm::found(&mut accounts, DEPLOYER, U256::ZERO, None);
    // PUSH0 PUSH0 REVERT
    evm::found(&mut accounts, UNWILLING, U256::ZERO, Some(Bytes::from_static(&[0x5f, 0x5f, 0xfd])));
    evm::found(&mut accounts, SWEEPER, U256::ZERO, Some(sweeper_code()));

    let mut create = |code: Bytes| {
        let done = evm::transact(&mut accounts, block, DEPLOYER, TxKind::Create, code);
        match done.map(|done| done.created) {
            Ok(Some(address)) => address,
            other => unreachable!("the contracts deploy: {other:?}"),
        }
    };
    let contract = create(creation_code(master.address(), Address::ZERO));
    let supply = token::DemoToken::constructorCall { supply: U256::from(TREASURY) };
    let token = create([token::DemoToken::BYTECODE.as_ref(), &supply.abi_encode()].concat().into());

    let fund = IERC20::transferCall { to: contract, value: U256::from(TREASURY) }.abi_encode();
    let funded = evm::transact(&mut accounts, block, DEPLOYER, TxKind::Call(token), fund.into());
    assert!(funded.is_ok(), "the treasury is not funded: {funded:?}");
    let domain = Domain { chain_id: CHAIN_ID, contract };
    let code = accounts.cache.accounts.get(&contract).map(|account| account.info.code_hash);
    let code = code.and_then(|hash| accounts.cache.contracts.get(&hash)).map(|code| code.original_bytes());
    let verified = verify_runtime_code(&code.unwrap_or_default(), &domain);
    assert!(verified.is_ok(), "the contract deployed is another: {verified:?}");
    if let Some(treasury) = accounts.cache.accounts.get_mut(&contract) {
        treasury.info.balance = U256::from(TREASURY);
    }
    Genesis { accounts, domain, token, master }
}
