//! The calls that are tried out, and what their results mean.

use std::collections::BTreeMap;

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, Bytes, LogData, U256, address, bytes, map::AddressHashMap},
    rpc::types::{
        TransactionRequest,
        simulate::{SimBlock, SimCallResult},
        state::AccountOverride,
    },
    sol_types::SolCall as _,
};
use ring_contracts::IERC20::balanceOfCall;

use super::{super::Transfer, Facts, judge::Rules};

/// Where, for the trial only, is a contract that tells how much of the native coin an account has.
const TELLER: Address = address!("0x72696e672d77696e646f772f62616c616e636573");
/// Its code: `PUSH0 CALLDATALOAD BALANCE PUSH0 MSTORE PUSH1 32 PUSH0 RETURN`.
const TELLER_CODE: Bytes = bytes!("5f35315f5260205ff3");
/// The gas that reading a balance gets.
const READING_GAS: u64 = 500_000;
/// What a transaction costs before it calls (EIP-2028).
const BASE_GAS: u64 = 21_000;
const BYTE_GAS: u64 = 16;

/// A request's call between two looks at balances.
pub(super) struct Trial {
    looked_at: Vec<(Address, Address)>,
    treasury: Address,
    /// `None`: nothing is called, only whether it can be tried.
    call: Option<(Address, u128, Bytes, u64)>,
}

/// What a call did.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// Whether it succeeded.
    pub(super) succeeded: bool,
    /// Balances by account and asset, before and after; `None` where the asset did not tell.
    pub(super) balances: BTreeMap<(Address, Address), (Option<U256>, Option<U256>)>,
    /// What it emitted, and who. Nodes tell of the native coin as of a token at 0xee…ee (ERC-7528).
    pub(super) logs: Vec<(Address, LogData)>,
}

impl Trial {
    /// A request's call, by the treasury.
    pub(super) fn of(facts: &Facts, transfer: &Transfer, rules: &Rules) -> Self {
        let treasury = rules.treasury;
        let assets = rules.assets.iter().copied().chain([transfer.asset]);
        let mut looked_at: Vec<(Address, Address)> = assets.map(|asset| (treasury, asset)).collect();
        looked_at.push((transfer.recipient, transfer.asset));
        looked_at.sort_unstable();
        looked_at.dedup();
        let gas = BASE_GAS + BYTE_GAS * facts.data.len() as u64 + u64::from(facts.gas);
        Self { looked_at, treasury, call: Some((facts.target, facts.value, facts.data.clone(), gas)) }
    }

    /// No call at all, and one look.
    pub(super) fn nothing() -> Self {
        Self { looked_at: vec![(Address::ZERO, Address::ZERO)], treasury: Address::ZERO, call: None }
    }

    /// What the call sends, in wei.
    pub(super) fn value(&self) -> U256 {
        self.call.as_ref().map_or(U256::ZERO, |(_, value, _, _)| U256::from(*value))
    }

    /// What is tried.
    pub(super) fn block(&self) -> SimBlock {
        let looks = || self.looked_at.iter().map(|(account, asset)| look(*account, *asset));
        let call = self.call.as_ref().map(|(target, value, data, gas)| {
            TransactionRequest::default()
                .with_from(self.treasury)
                .with_to(*target)
                .with_value(U256::from(*value))
                .with_input(data.clone())
                .with_gas_limit(*gas)
        });
        let teller = AccountOverride { code: Some(TELLER_CODE), ..AccountOverride::default() };
        SimBlock::default()
            .with_state_overrides(AddressHashMap::from_iter([(TELLER, teller)]))
            .extend_calls(looks())
            .extend_calls(call)
            .extend_calls(looks())
    }

    /// What the results of the calls mean; or how they are not results of these calls.
    pub(super) fn effects(&self, results: Vec<SimCallResult>) -> Result<Effects, String> {
        let looks = self.looked_at.len();
        if results.len() != 2 * looks + 1 {
            return Err(format!("{} calls were tried, and {} results came back", 2 * looks + 1, results.len()));
        }
        let read = |result: &SimCallResult| {
            let word = result.status.then(|| result.return_data.get(..32)).flatten()?;
            Some(U256::from_be_slice(word))
        };
        let (before, after) = (&results[..looks], &results[looks + 1..]);
        let read = before.iter().zip(after).map(|(before, after)| (read(before), read(after)));
        let call = &results[looks];
        let logs = call.logs.iter().map(|log| (log.address(), log.inner.data.clone())).collect();
        Ok(Effects { succeeded: call.status, balances: self.looked_at.iter().copied().zip(read).collect(), logs })
    }
}

/// Reads a balance.
fn look(account: Address, asset: Address) -> TransactionRequest {
    let (to, input) = match asset.is_zero() {
        true => (TELLER, account.into_word().to_vec()),
        false => (asset, balanceOfCall { account }.abi_encode()),
    };
    TransactionRequest::default().with_from(Address::ZERO).with_to(to).with_input(input).with_gas_limit(READING_GAS)
}
