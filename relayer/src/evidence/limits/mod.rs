//! What this seat lets requesters ask for beside what the contract does: how much at a time and in a period, of what, for
//! whom, until when.
//!
//! What may never be is refuted. What would be over the limit of a period waits for the next one, as it does for the
//! contract's own caps. Periods are aligned, as the contract's are, and told by the chain's time; so a span as long as a period
//! sees at most twice the limit.

mod ledger;

use std::{
    collections::BTreeSet,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use ring_contracts::{Address, U256};
use ring_core::Evidence;

use self::ledger::Desk;
use super::{Facts, Transfer};

pub use ledger::{Ledger, Question};

/// An hour, in seconds.
const HOUR: u64 = 3_600;
/// A day, in seconds.
const DAY: u64 = 86_400;
/// No period is longer, in seconds: 366 days.
pub(crate) const LONGEST_PERIOD: u64 = 366 * DAY;

/// What one requester may ask for. All amounts are of each asset for itself, in its smallest unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequesterLimit {
    /// Whose key it is.
    pub requester: Address,
    /// Of which assets; empty: of all that the ring may spend.
    pub assets: BTreeSet<Address>,
    /// For whom; empty: for everybody.
    pub recipients: BTreeSet<Address>,
    /// The most that one request may ask for.
    pub max_amount: Option<U256>,
    /// The most in an hour.
    pub per_hour: Option<U256>,
    /// The most in a day.
    pub per_day: Option<U256>,
    /// The last second of its requests, in Unix seconds of the chain's time.
    pub expires_at: Option<u64>,
}

/// What a recipient may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientLimit {
    /// Of which asset; zero is the native coin.
    pub asset: Address,
    /// Who; empty: everybody, each for himself.
    pub recipients: BTreeSet<Address>,
    /// The most in a period, in the asset's smallest unit.
    pub amount: U256,
    /// The period, in seconds.
    pub period: u64,
}

/// All limits of a seat, and what they were used for.
#[derive(Debug, Default)]
pub(super) struct Limits {
    requesters: Vec<RequesterLimit>,
    recipients: Vec<RecipientLimit>,
    /// The time of the newest block, in Unix seconds; 0 while it is not known.
    now: AtomicU64,
    desk: OnceLock<Desk>,
}

/// Who may have how much in a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Budget {
    pub(super) holder: Holder,
    pub(super) asset: Address,
    /// In seconds.
    pub(super) period: u64,
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    Requester(Address),
    Recipient(Address),
}

impl Limits {
    pub(super) fn new(requesters: Vec<RequesterLimit>, recipients: Vec<RecipientLimit>) -> Self {
        Self { requesters, recipients, now: AtomicU64::new(0), desk: OnceLock::new() }
    }

    fn is_empty(&self) -> bool {
        self.requesters.is_empty() && self.recipients.is_empty()
    }

    /// The chain's time, in Unix seconds.
    pub(super) fn note_time(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// What remembers what is confirmed where limits are for a period; until it is there, nothing of that is. `None`: there is
    /// nothing to be remembered, or somebody has it.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        let (desk, ledger) = Ledger::new(self.longest_period()?);
        self.desk.set(desk).ok().map(|()| ledger)
    }

    /// The longest period with a limit, in seconds; `None`: nothing has to be remembered.
    fn longest_period(&self) -> Option<u64> {
        let of_requesters = self.requesters.iter().filter_map(|limit| match (limit.per_hour, limit.per_day) {
            (_, Some(_)) => Some(DAY),
            (Some(_), None) => Some(HOUR),
            (None, None) => None,
        });
        of_requesters.chain(self.recipients.iter().map(|limit| limit.period)).max()
    }

    /// Whether the request could be confirmed now.
    pub(super) async fn check(&self, facts: &Facts) -> Evidence {
        self.ask(facts, false).await
    }

    /// Confirms it if there is room for it, and counts it: once, whatever happens.
    pub(super) async fn book(&self, facts: &Facts) -> Evidence {
        self.ask(facts, true).await
    }

    async fn ask(&self, facts: &Facts, is_booked: bool) -> Evidence {
        if self.is_empty() {
            return Evidence::Genuine;
        }
        let now = self.now.load(Ordering::Relaxed);
        if now == 0 {
            return Evidence::NotYet;
        }
        let caps = match self.caps(facts, now) {
            Ok(caps) => caps,
            Err(reason) => return Evidence::Refuted { reason },
        };
        if caps.is_empty() {
            return Evidence::Genuine;
        }
        let (Some(desk), Some(transfer)) = (self.desk.get(), &facts.transfer) else { return Evidence::NotYet };
        match desk.ask(facts, *transfer, caps, now, is_booked).await {
            true => Evidence::Genuine,
            false => Evidence::NotYet,
        }
    }

    /// The budgets that a request needs room in, and their caps. Or why there can never be any.
    fn caps(&self, facts: &Facts, now: u64) -> Result<Vec<(Budget, U256)>, String> {
        let mut caps = Vec::new();
        let own: Vec<&RequesterLimit> =
            self.requesters.iter().filter(|limit| limit.requester == facts.requester).collect();
        let Some(transfer) = &facts.transfer else {
            return match own.is_empty() {
                true => Ok(caps),
                false => Err(format!("the requester {} may only ask for transfers", facts.requester)),
            };
        };
        let Transfer { asset, recipient, .. } = *transfer;
        if !own.is_empty() {
            let limit = own.iter().find(|limit| limit.assets.is_empty() || limit.assets.contains(&asset));
            let limit = limit.ok_or_else(|| format!("the requester {} may not ask for {asset}", facts.requester))?;
            caps.extend(limit.caps(transfer, now)?);
        }
        for limit in &self.recipients {
            if limit.asset == asset && (limit.recipients.is_empty() || limit.recipients.contains(&recipient)) {
                let budget = Budget { holder: Holder::Recipient(recipient), asset, period: limit.period };
                caps.push((budget, limit.amount));
            }
        }
        match caps.iter().find(|(_, cap)| transfer.amount > *cap) {
            Some((budget, cap)) => Err(format!(
                "{} of {asset} is more than the {cap} that {} in {} s",
                transfer.amount,
                match budget.holder {
                    Holder::Requester(requester) => format!("the requester {requester} may ask for"),
                    Holder::Recipient(recipient) => format!("{recipient} may get"),
                },
                budget.period
            )),
            None => Ok(caps),
        }
    }
}

impl RequesterLimit {
    fn caps(&self, transfer: &Transfer, now: u64) -> Result<Vec<(Budget, U256)>, String> {
        let Self { requester, .. } = self;
        let Transfer { asset, recipient, amount } = *transfer;
        if let Some(end) = self.expires_at.filter(|end| now > *end) {
            return Err(format!("the requester {requester} may ask for nothing since {end}, and it is {now}"));
        }
        if !self.recipients.is_empty() && !self.recipients.contains(&recipient) {
            return Err(format!("the requester {requester} may not have {recipient} paid"));
        }
        if let Some(most) = self.max_amount.filter(|most| amount > *most) {
            return Err(format!(
                "{amount} of {asset} is more than the {most} that the requester {requester} may ask for at a time"
            ));
        }
        let cap = |cap: Option<U256>, period| {
            cap.map(|cap| (Budget { holder: Holder::Requester(*requester), asset, period }, cap))
        };
        Ok([cap(self.per_hour, HOUR), cap(self.per_day, DAY)].into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use ring_contracts::Domain;
    use tempfile::TempDir;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{
        evidence::samples::token_transfer,
        store::{Identity, Location, Store},
    };

    const NOON: u64 = 1_700_000_000 / DAY * DAY + DAY / 2;

    fn anybody() -> RequesterLimit {
        RequesterLimit {
            requester: Address::with_last_byte(0xf1),
            assets: BTreeSet::new(),
            recipients: BTreeSet::new(),
            max_amount: None,
            per_hour: None,
            per_day: None,
            expires_at: None,
        }
    }

    fn limits(requesters: Vec<RequesterLimit>, recipients: Vec<RecipientLimit>) -> (TempDir, Limits) {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::new(requesters, recipients);
        let store = Store::create(&Location::file(folder.path().join("store.sqlite")), identity()).unwrap();
        keep(&limits, store);
        limits.note_time(NOON);
        (folder, limits)
    }

    fn identity() -> Identity {
        Identity { domain: Domain { chain_id: 1, contract: Address::ZERO }, ring: 1, key: Address::ZERO }
    }

    /// Answers what limits are asked, as the driver does, until nobody asks any more; then the store is closed.
    fn keep(limits: &Limits, mut store: Store) -> JoinHandle<()> {
        let mut ledger = limits.ledger();
        tokio::spawn(async move {
            while let Some(ledger) = &mut ledger
                && let Some(question) = ledger.next().await
            {
                let questions = std::iter::once(question).chain(std::iter::from_fn(|| ledger.waiting())).collect();
                ledger.answer(&mut store, questions).unwrap();
            }
            store.close();
        })
    }

    fn order(id: u8, amount: u64) -> Facts {
        Facts { id: [id; 16].into(), ..token_transfer(amount) }
    }

    fn some(amount: u64) -> Option<U256> {
        Some(U256::from(amount))
    }

    async fn reason(limit: RequesterLimit, facts: &Facts) -> String {
        match limits(vec![limit], vec![]).1.book(facts).await {
            Evidence::Refuted { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_requester_without_limits_is_not_limited() {
        let (_folder, limits) =
            limits(vec![RequesterLimit { requester: Address::ZERO, max_amount: some(1), ..anybody() }], vec![]);
        assert_eq!(limits.book(&order(1, u64::MAX)).await, Evidence::Genuine);
    }

    #[tokio::test]
    async fn what_may_never_be_is_refuted_with_a_reason() {
        let other = || BTreeSet::from([Address::with_last_byte(1)]);
        let facts = order(1, 100);
        for (limit, words) in [
            (RequesterLimit { max_amount: some(99), ..anybody() }, "100 of 0x"),
            (RequesterLimit { per_hour: some(99), ..anybody() }, "in 3600 s"),
            (RequesterLimit { per_day: some(99), ..anybody() }, "in 86400 s"),
            (RequesterLimit { expires_at: Some(NOON - 1), ..anybody() }, "may ask for nothing since"),
            (RequesterLimit { assets: other(), ..anybody() }, "may not ask for 0x"),
            (RequesterLimit { recipients: other(), ..anybody() }, "may not have 0x"),
        ] {
            let reason = reason(limit, &facts).await;
            assert!(reason.contains(words), "{reason}");
        }
        let all = RequesterLimit {
            assets: BTreeSet::from([Address::with_last_byte(0xaa)]),
            recipients: BTreeSet::from([Address::with_last_byte(0xb0)]),
            max_amount: some(100),
            per_hour: some(100),
            per_day: some(100),
            expires_at: Some(NOON),
            ..anybody()
        };
        assert_eq!(limits(vec![all], vec![]).1.book(&facts).await, Evidence::Genuine);
        let no_transfer = Facts { transfer: None, ..order(1, 1) };
        assert!(reason(anybody(), &no_transfer).await.contains("only ask for transfers"));
    }

    #[tokio::test]
    async fn the_limits_of_a_requester_are_of_each_asset() {
        let of = |asset: u8, most| RequesterLimit {
            assets: BTreeSet::from([Address::with_last_byte(asset)]),
            max_amount: some(most),
            ..anybody()
        };
        let (_folder, limits) = limits(vec![of(0xab, 1), of(0xaa, 100)], vec![]);
        assert_eq!(limits.book(&order(1, 100)).await, Evidence::Genuine);
        assert!(matches!(limits.book(&order(2, 101)).await, Evidence::Refuted { .. }));
    }

    #[tokio::test]
    async fn what_is_over_the_limit_of_an_hour_waits_for_the_next() {
        let (_folder, limits) = limits(vec![RequesterLimit { per_hour: some(100), ..anybody() }], vec![]);
        assert_eq!(limits.book(&order(1, 60)).await, Evidence::Genuine);
        assert_eq!(limits.book(&order(2, 41)).await, Evidence::NotYet);
        assert_eq!(limits.book(&order(3, 40)).await, Evidence::Genuine);
        limits.note_time(NOON + HOUR - 1);
        assert_eq!(limits.book(&order(2, 41)).await, Evidence::NotYet);
        limits.note_time(NOON + HOUR);
        assert_eq!(limits.book(&order(2, 41)).await, Evidence::Genuine);
    }

    #[tokio::test]
    async fn a_request_counts_once_however_often_it_is_asked_about() {
        let (_folder, limits) = limits(vec![RequesterLimit { per_day: some(100), ..anybody() }], vec![]);
        for _ in 0..5 {
            assert_eq!(limits.check(&order(1, 60)).await, Evidence::Genuine);
        }
        for _ in 0..5 {
            assert_eq!(limits.book(&order(1, 60)).await, Evidence::Genuine);
        }
        assert_eq!(limits.check(&order(2, 41)).await, Evidence::NotYet);
        assert_eq!(limits.book(&order(2, 40)).await, Evidence::Genuine);
    }

    #[tokio::test]
    async fn a_recipient_gets_no_more_whoever_asks() {
        let limit = RecipientLimit {
            asset: Address::with_last_byte(0xaa),
            recipients: BTreeSet::new(),
            amount: U256::from(100),
            period: DAY,
        };
        let (_folder, limits) = limits(vec![], vec![limit]);
        assert_eq!(limits.book(&order(1, 100)).await, Evidence::Genuine);
        let by_another = Facts { requester: Address::ZERO, ..order(2, 1) };
        assert_eq!(limits.book(&by_another).await, Evidence::NotYet);
        let mut to_another = order(3, 100);
        if let Some(transfer) = &mut to_another.transfer {
            transfer.recipient = Address::with_last_byte(0xb1);
        }
        assert_eq!(limits.book(&to_another).await, Evidence::Genuine);
        assert!(matches!(limits.book(&order(4, 101)).await, Evidence::Refuted { .. }));
    }

    #[tokio::test]
    async fn a_restart_forgets_nothing() {
        let new = || Limits::new(vec![RequesterLimit { per_day: some(100), ..anybody() }], vec![]);
        let folder = tempfile::tempdir().unwrap();
        let location = Location::file(folder.path().join("store.sqlite"));
        let before = new();
        let keeping = keep(&before, Store::create(&location, identity()).unwrap());
        before.note_time(NOON);
        assert_eq!(before.book(&order(1, 60)).await, Evidence::Genuine);
        drop(before);
        keeping.await.unwrap();
        let after = new();
        after.note_time(NOON);
        assert_eq!(after.book(&order(1, 60)).await, Evidence::NotYet, "it does not remember yet");
        keep(&after, Store::open(&location, identity()).unwrap().0);
        assert_eq!(after.book(&order(2, 41)).await, Evidence::NotYet);
        assert_eq!(after.book(&order(1, 60)).await, Evidence::Genuine, "that was counted already");
        assert_eq!(after.book(&order(3, 40)).await, Evidence::Genuine);
    }

    #[tokio::test]
    async fn of_two_at_once_only_one_gets_the_room() {
        let (_folder, limits) = limits(vec![RequesterLimit { per_day: some(100), ..anybody() }], vec![]);
        let orders: Vec<Facts> = (0..20).map(|id| order(id, 60)).collect();
        let answers = futures::future::join_all(orders.iter().map(|order| limits.book(order))).await;
        assert_eq!(answers.iter().filter(|answer| **answer == Evidence::Genuine).count(), 1);
    }

    #[tokio::test]
    async fn without_the_chains_time_nothing_is_confirmed() {
        let limits = Limits::new(vec![RequesterLimit { max_amount: some(100), ..anybody() }], vec![]);
        assert_eq!(limits.book(&order(1, 1)).await, Evidence::NotYet);
        limits.note_time(NOON);
        assert_eq!(limits.book(&order(1, 1)).await, Evidence::Genuine);
    }
}
