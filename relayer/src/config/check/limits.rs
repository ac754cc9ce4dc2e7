//! Limits of requesters and recipients.

use std::collections::BTreeSet;

use ring_contracts::{Address, U256};

use super::Check;
use crate::{
    config::raw::{self, Raw, WholeOrWord, decimal},
    evidence::{LONGEST_PERIOD, RecipientLimit, RequesterLimit},
};

impl Check<'_> {
    /// The keys with limits of their own.
    pub(super) fn limited_requesters(&mut self, raw: &Raw) -> Option<BTreeSet<Address>> {
        let keys = raw.requester.iter().enumerate();
        let keys: Vec<_> =
            keys.map(|(index, limit)| self.address(&format!("requester[{index}].address"), &limit.address)).collect();
        keys.into_iter().collect()
    }

    pub(super) fn requester_limits(&mut self, raw: &[raw::Requester]) -> Option<Vec<RequesterLimit>> {
        let limits: Vec<_> = raw.iter().enumerate().map(|(index, limit)| self.requester_limit(index, limit)).collect();
        let limits: Vec<RequesterLimit> = limits.into_iter().collect::<Option<_>>()?;
        for (index, limit) in limits.iter().enumerate() {
            let mut earlier = limits[..index].iter().filter(|earlier| earlier.requester == limit.requester);
            let overlaps = |earlier: &RequesterLimit| {
                limit.assets.is_empty() || earlier.assets.is_empty() || !limit.assets.is_disjoint(&earlier.assets)
            };
            if earlier.any(overlaps) {
                self.problem::<()>(
                    format!("requester[{index}].assets"),
                    format!(
                        "{} has another entry for one of them: which one counts? Name other assets",
                        limit.requester
                    ),
                );
            }
        }
        Some(limits)
    }

    fn requester_limit(&mut self, index: usize, raw: &raw::Requester) -> Option<RequesterLimit> {
        let field = |name: &str| format!("requester[{index}].{name}");
        // What is wrong with it is said where the keys are read.
        let requester = raw.address.parse().ok();
        let assets = self.addresses(&field("assets"), &raw.assets.0, Self::address_or_zero);
        let recipients = self.addresses(&field("recipients"), &raw.recipients.0, Self::address);
        let max_amount = self.optional_amount(&field("max_amount"), raw.max_amount.as_ref());
        let per_hour = self.optional_amount(&field("per_hour"), raw.per_hour.as_ref());
        let per_day = self.optional_amount(&field("per_day"), raw.per_day.as_ref());
        let expires_at = match raw.expires_at.as_ref().map(|end| end.0.as_str()) {
            None | Some("never") => Some(None),
            Some(text) => match decimal(text) {
                Some(end) => Some(Some(end)),
                None => self.problem(
                    field("expires_at"),
                    format!("{text:?} is neither a time in Unix seconds nor \"never\": write one of them"),
                ),
            },
        };
        Some(RequesterLimit {
            requester: requester?,
            assets: assets?.into_iter().collect(),
            recipients: recipients?.into_iter().collect(),
            max_amount: max_amount?,
            per_hour: per_hour?,
            per_day: per_day?,
            expires_at: expires_at?,
        })
    }

    pub(super) fn recipient_limits(&mut self, raw: &[raw::RecipientLimit]) -> Option<Vec<RecipientLimit>> {
        let limits: Vec<_> = raw.iter().enumerate().map(|(index, limit)| self.recipient_limit(index, limit)).collect();
        limits.into_iter().collect()
    }

    fn recipient_limit(&mut self, index: usize, raw: &raw::RecipientLimit) -> Option<RecipientLimit> {
        let field = |name: &str| format!("recipient_limit[{index}].{name}");
        let asset = self.address_or_zero(&field("asset"), &raw.asset);
        let recipients = self.addresses(&field("recipients"), &raw.recipients.0, Self::address);
        let amount = self.amount(&field("amount"), &raw.amount);
        let period = match raw.period.0.as_str() {
            "hour" => Some(3_600),
            "day" => Some(86_400),
            "week" => Some(604_800),
            text => match decimal(text).filter(|seconds| (1..=LONGEST_PERIOD).contains(seconds)) {
                Some(seconds) => Some(seconds),
                None => self.problem(
                    field("period"),
                    format!("{text:?} is neither \"hour\", \"day\" nor \"week\", nor 1 to {LONGEST_PERIOD} seconds"),
                ),
            },
        };
        let recipients = recipients?.into_iter().collect();
        Some(RecipientLimit { asset: asset?, recipients, amount: amount?, period: period? })
    }

    fn optional_amount(&mut self, field: &str, raw: Option<&WholeOrWord>) -> Option<Option<U256>> {
        raw.map_or(Some(None), |raw| self.amount(field, raw).map(Some))
    }

    fn amount(&mut self, field: &str, raw: &WholeOrWord) -> Option<U256> {
        match decimal(&raw.0) {
            Some(amount) => Some(amount),
            None => self.problem(
                field,
                format!("{:?} is not an amount: write decimal digits of the asset's smallest unit, in quotes", raw.0),
            ),
        }
    }
}
