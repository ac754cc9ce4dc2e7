//! What the enclave signs, whoever asks: its own rules, beside those of the contract and of the relayer.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, FixedBytes, U256};
use ring_contracts::{Call, Domain, Effect, Refill, RequestId, SignedRequest, Transfer, Turn};

use crate::guard::Spending;

/// What may be signed. What is not named may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The ring's main asset; zero is the native coin.
    pub main_asset: Address,
    /// Whose signed request each call has to be; empty: calls need none.
    pub requesters: BTreeSet<Address>,
    /// Which assets may be transferred.
    pub spend: BTreeMap<Address, Spend>,
    /// Which functions of which contracts may be called beside transfers. Coin that goes with a call is spent like any other.
    pub calls: BTreeSet<(Address, FixedBytes<4>)>,
    /// The refills that the ring's seats may ask for, and the seats' accounts.
    pub refill: Option<(Refill, BTreeSet<Address>)>,
    /// The most that one transaction may cost, in wei.
    pub max_fee: U256,
}

/// How an asset may be spent. Amounts are in its smallest unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// The most in one call.
    pub max_amount: Option<U256>,
    /// The most that is signed for in a day (UTC).
    pub per_day: Option<U256>,
    /// For whom; empty: for everybody.
    pub recipients: BTreeSet<Address>,
}

/// Why something is not signed. Call numbers are from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// A call is none of those allowed.
    #[error("call {index}: {function} of {target} is not among [[policy.call]]")]
    Call {
        /// Which call.
        index: usize,
        /// Whom it calls.
        target: Address,
        /// The first four bytes of its data, as far as there are so many.
        function: String,
    },
    /// An asset may not be spent.
    #[error(
        "call {index}: it spends {asset}, which is not among [[policy.spend]] (0x0000000000000000000000000000000000000000 is the native coin)"
    )]
    Asset {
        /// Which call.
        index: usize,
        /// What it spends.
        asset: Address,
    },
    /// Too much at a time.
    #[error("call {index}: {amount} of {asset} is more than max_amount, {most}")]
    Amount {
        /// Which call.
        index: usize,
        /// What it spends.
        asset: Address,
        /// How much.
        amount: U256,
        /// The most.
        most: U256,
    },
    /// For somebody else.
    #[error("call {index}: {recipient} is not among the recipients of {asset}")]
    Recipient {
        /// Which call.
        index: usize,
        /// What it spends.
        asset: Address,
        /// For whom.
        recipient: Address,
    },
    /// Nobody signed a request for it.
    #[error("call {index}: request {id} is not shown, or asks for something else, or expires before the turn")]
    NoRequest {
        /// Which call.
        index: usize,
        /// Its request.
        id: RequestId,
    },
    /// Somebody signed it who may not ask.
    #[error("call {index}: request {id} is signed by {by}, who is not among policy.requesters")]
    Requester {
        /// Which call.
        index: usize,
        /// Its request.
        id: RequestId,
        /// Who signed it, or why that cannot be known.
        by: String,
    },
    /// One request, twice.
    #[error("call {index}: request {id} is in the turn already")]
    Doubled {
        /// Which call.
        index: usize,
        /// Its request.
        id: RequestId,
    },
    /// No refills.
    #[error("there is no [policy.refill]")]
    Refill,
    /// A transaction costs too much.
    #[error("a transaction that may cost {cost} wei is more than policy.max_fee, {most}")]
    Fee {
        /// Gas limit times fee.
        cost: u128,
        /// The most.
        most: U256,
    },
}

impl Policy {
    /// Whether the turn may be signed, as far as its day's budgets allow: what it spends, asset by asset.
    ///
    /// # Errors
    /// The first thing that is forbidden.
    pub fn check_turn(
        &self,
        domain: &Domain,
        turn: &Turn,
        requests: &[SignedRequest],
    ) -> Result<Vec<Spending>, Forbidden> {
        let mut sums: BTreeMap<Address, U256> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for (index, call) in turn.calls().iter().enumerate() {
            let id = call.request_id;
            if !ids.insert(id) {
                return Err(Forbidden::Doubled { index, id });
            }
            let refilled = self.check_request(domain, turn, index, call, requests)?;
            let Some(Transfer { asset, recipient, amount }) = self.what_it_spends(index, call)? else { continue };
            if !refilled {
                self.check_transfer(index, asset, recipient, amount)?;
            }
            let sum = sums.entry(asset).or_default();
            *sum = sum.saturating_add(amount);
        }
        let cap = |asset| self.spend.get(asset).and_then(|spend: &Spend| spend.per_day);
        Ok(sums.iter().map(|(asset, amount)| Spending { asset: *asset, amount: *amount, cap: cap(asset) }).collect())
    }

    /// Whether a transaction may cost so much, in wei.
    ///
    /// # Errors
    /// `Fee`.
    pub fn check_fee(&self, cost: u128) -> Result<(), Forbidden> {
        match U256::from(cost) > self.max_fee {
            true => Err(Forbidden::Fee { cost, most: self.max_fee }),
            false => Ok(()),
        }
    }

    fn what_it_spends(&self, index: usize, call: &Call) -> Result<Option<Transfer>, Forbidden> {
        if let Some(transfer) = call.effect.transfer(self.main_asset) {
            return Ok(Some(transfer));
        }
        // A payment is a transfer.
        let Effect::Call { target, value, data } = &call.effect else { return Ok(None) };
        let selector = data.first_chunk().copied().map(FixedBytes);
        if !selector.is_some_and(|selector| self.calls.contains(&(*target, selector))) {
            let function = alloy::hex::encode_prefixed(data.get(..4).unwrap_or(data));
            return Err(Forbidden::Call { index, target: *target, function });
        }
        let coin = Transfer { asset: Address::ZERO, recipient: *target, amount: U256::from(*value) };
        Ok((*value != 0).then_some(coin))
    }

    fn check_transfer(&self, index: usize, asset: Address, recipient: Address, amount: U256) -> Result<(), Forbidden> {
        let spend = self.spend.get(&asset).ok_or(Forbidden::Asset { index, asset })?;
        if let Some(most) = spend.max_amount.filter(|most| amount > *most) {
            return Err(Forbidden::Amount { index, asset, amount, most });
        }
        if !spend.recipients.is_empty() && !spend.recipients.contains(&recipient) {
            return Err(Forbidden::Recipient { index, asset, recipient });
        }
        Ok(())
    }

    /// Whether somebody who may has asked for the call. Returns whether it is a refill of a seat, which no rule for transfers
    /// is about.
    fn check_request(
        &self,
        domain: &Domain,
        turn: &Turn,
        index: usize,
        call: &Call,
        requests: &[SignedRequest],
    ) -> Result<bool, Forbidden> {
        let id = call.request_id;
        let is_it = |signed: &&SignedRequest| {
            signed.request.id == id
                && signed.request.ring == turn.id().ring
                && signed.request.expiry >= turn.id().valid_until
                && signed.request.check().is_ok()
                && signed.request.to_call(self.main_asset) == *call
        };
        let Some(signed) = requests.iter().find(is_it) else {
            return match self.requesters.is_empty() {
                true => Ok(false),
                false => Err(Forbidden::NoRequest { index, id }),
            };
        };
        let by = signed.requester(domain);
        if let (Some((refill, seats)), Ok(by)) = (&self.refill, &by)
            && *by == signed.request.target
            && seats.contains(by)
            && refill.is(&signed.request, domain, &[*by])
        {
            return Ok(true);
        }
        if self.requesters.is_empty() || by.as_ref().is_ok_and(|by| self.requesters.contains(by)) {
            return Ok(false);
        }
        let by = by.map_or_else(|error| error.to_string(), |by| by.to_string());
        Err(Forbidden::Requester { index, id, by })
    }
}

#[cfg(test)]
mod tests;
