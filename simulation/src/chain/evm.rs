//! The EVM and what it remembers.

use alloy::{
    primitives::{Log, TxKind},
    sol_types::SolCall,
};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    context::{TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};
use ring_contracts::{Address, Bytes, U256};
use ring_core::Block;

/// The chain that is simulated.
pub(super) const CHAIN_ID: u64 = 31_337;
/// The gas of a transaction: more than any here needs, and less than a block may have.
const GAS: u64 = 10_000_000;
/// Who asks, and is nobody.
const ASKER: Address = Address::repeat_byte(0xa5);

/// All accounts, as of one block.
pub(super) type Accounts = CacheDB<EmptyDB>;

/// What came of a transaction that was not refused.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) logs: Vec<Log>,
    pub(super) created: Option<Address>,
}

/// Runs a transaction in a block, and keeps what it changes if it succeeds.
///
/// # Errors
/// Why it was refused; then nothing has changed.
pub(super) fn transact(
    accounts: &mut Accounts,
    block: Block,
    from: Address,
    to: TxKind,
    input: Bytes,
) -> Result<Done, String> {
    let mut evm = Context::mainnet()
        .modify_cfg_chained(configure)
        .modify_block_chained(|env| place(env, block))
        .with_db(accounts)
        .build_mainnet();
    let transaction =
        TxEnv { caller: from, kind: to, data: input, gas_limit: GAS, chain_id: Some(CHAIN_ID), ..TxEnv::default() };
    let outcome = evm.transact(transaction).map_err(|error| error.to_string())?;
    match outcome.result {
        ExecutionResult::Success { logs, output, .. } => {
            evm.commit(outcome.state);
            Ok(Done { logs, created: output.address().copied() })
        }
        ExecutionResult::Revert { output, .. } => Err(format!("it reverts with {output}")),
        ExecutionResult::Halt { reason, .. } => Err(format!("it fails: {reason:?}")),
    }
}

/// Asks a contract, as of a block.
///
/// # Panics
/// The contract does not answer: everything that is asked for here is always answered.
pub(super) fn ask<C: SolCall>(accounts: &mut Accounts, block: Block, contract: Address, question: &C) -> C::Return {
    let mut evm = Context::mainnet()
        .modify_cfg_chained(configure)
        .modify_block_chained(|env| place(env, block))
        .with_db(accounts)
        .build_mainnet();
    let data = question.abi_encode().into();
    let to = TxKind::Call(contract);
    let transaction =
        TxEnv { caller: ASKER, kind: to, data, gas_limit: GAS, chain_id: Some(CHAIN_ID), ..TxEnv::default() };
    let answer = match evm.transact(transaction).map(|outcome| outcome.result) {
        Ok(ExecutionResult::Success { output, .. }) => output.into_data(),
        other => unreachable!("{} is always answered, not with {other:?}", C::SIGNATURE),
    };
    C::abi_decode_returns(&answer)
        .unwrap_or_else(|error| unreachable!("the answer to {} is of its type: {error}", C::SIGNATURE))
}

/// The coin of an account.
pub(super) fn coin_of(accounts: &Accounts, account: Address) -> U256 {
    accounts.cache.accounts.get(&account).map_or(U256::ZERO, |account| account.info.balance)
}

/// Gives an account coin and code.
pub(super) fn found(accounts: &mut Accounts, account: Address, coin: U256, code: Option<Bytes>) {
    let info = AccountInfo { balance: coin, ..AccountInfo::default() };
    let info = match code {
        Some(code) => info.with_code(Bytecode::new_raw(code)),
        None => info,
    };
    accounts.insert_account_info(account, info);
}

fn configure(cfg: &mut revm::context::CfgEnv) {
    cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
    cfg.chain_id = CHAIN_ID;
    // Any transaction that was ever sent may come at any time: the contract has to see to it alone.
    cfg.disable_nonce_check = true;
}

fn place(env: &mut revm::context::BlockEnv, block: Block) {
    env.number = U256::from(block.number);
    env.timestamp = U256::from(block.time);
    env.gas_limit = 10 * GAS;
    env.basefee = 0;
}
