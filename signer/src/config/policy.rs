//! The rules, as they are written.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, FixedBytes, U256};
use ring_contracts::Refill;
use serde::Deserialize;

use crate::policy::{Policy, Spend};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    main_asset: Address,
    #[serde(default)]
    requesters: BTreeSet<Address>,
    max_fee: Amount,
    #[serde(default)]
    spend: Vec<RawSpend>,
    #[serde(default)]
    call: Vec<RawCall>,
    refill: Option<RawRefill>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpend {
    asset: Address,
    max_amount: Option<Amount>,
    per_day: Option<Amount>,
    #[serde(default)]
    recipients: BTreeSet<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    target: Address,
    selector: FixedBytes<4>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefill {
    amount: Amount,
    period_seconds: u64,
    seats: BTreeSet<Address>,
}

/// A number in decimal, as text: TOML's own numbers are too short.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Amount(U256);

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_decimal.then(|| U256::from_str_radix(&text, 10).ok()).flatten();
        number
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no amount: write it in the smallest unit, as digits in quotes"))
    }
}

impl RawPolicy {
    pub(super) fn check(self) -> Result<Policy, String> {
        let mut spend = BTreeMap::new();
        for RawSpend { asset, max_amount, per_day, recipients } in self.spend {
            let [max_amount, per_day] = [max_amount, per_day].map(|amount| amount.map(|Amount(amount)| amount));
            if spend.insert(asset, Spend { max_amount, per_day, recipients }).is_some() {
                return Err(format!("policy.spend: {asset} is there twice"));
            }
        }
        let refill =
            self.refill.map(
                |RawRefill { amount: Amount(amount), period_seconds: period, seats }| match u128::try_from(amount) {
                    Ok(amount) if amount >> 96 == 0 && period > 0 => Ok((Refill { amount, period }, seats)),
                    _ => {
                        Err("policy.refill: amount has to be below 2^96 wei, and period_seconds at least 1".to_owned())
                    }
                },
            );
        Ok(Policy {
            main_asset: self.main_asset,
            requesters: self.requesters,
            spend,
            calls: self.call.into_iter().map(|RawCall { target, selector }| (target, selector)).collect(),
            refill: refill.transpose()?,
            max_fee: self.max_fee.0,
        })
    }
}
