//! What was confirmed, and whether there is room for more.
//!
//! It is asked beside the driver, and answers in it: the driver has the store, and what takes room is durable before the answer.

use std::collections::BTreeMap;

use ring_contracts::{Address, RequestId, U256};
use tokio::sync::{mpsc, oneshot};

use super::{Budget, Holder};
use crate::{
    evidence::{Facts, Transfer},
    store::{Booking, Store, StoreError},
};

/// How many questions wait at most before those who ask wait too.
const QUEUE: usize = 1_024;
/// After so many bookings what is old is forgotten.
const MOST_ADDED: usize = 10_000;

/// Where questions go.
#[derive(Clone, Debug)]
pub(super) struct Desk(mpsc::Sender<Question>);

/// Is there room for a request?
#[derive(Debug)]
pub struct Question {
    booking: Booking,
    caps: Vec<(Budget, U256)>,
    /// Whether it takes the room.
    is_booked: bool,
    reply: oneshot::Sender<bool>,
}

/// What was confirmed, as far as it counts in a period.
#[derive(Debug)]
pub struct Ledger {
    questions: mpsc::Receiver<Question>,
    /// The longest period that is asked about, in seconds.
    longest: u64,
    /// `None`: it has to be read, because it never was or much of it is old.
    used: Option<Used>,
    /// How many bookings were added since it was read.
    added: usize,
}

/// What limits were used for.
#[derive(Debug, Default)]
struct Used {
    requests: BTreeMap<RequestId, Transfer>,
    /// When how much.
    spent: BTreeMap<(Holder, Address), Vec<(u64, U256)>>,
    /// The number of the last period that was asked about, and what was spent in it.
    sums: BTreeMap<Budget, (u64, U256)>,
}

impl Desk {
    /// Whether there is room for a request in all these budgets, and takes it if `is_booked`.
    pub(super) async fn ask(
        &self,
        facts: &Facts,
        transfer: Transfer,
        caps: Vec<(Budget, U256)>,
        now: u64,
        is_booked: bool,
    ) -> bool {
        let Transfer { asset, recipient, amount } = transfer;
        let (request, requester) = (facts.id, facts.requester);
        let booking = Booking { request, requester, asset, recipient, amount, at: now, expiry: facts.expiry };
        let (reply, answer) = oneshot::channel();
        // Without an answer there is no room.
        self.0.send(Question { booking, caps, is_booked, reply }).await.is_ok() && answer.await.unwrap_or(false)
    }
}

impl Ledger {
    /// A ledger, and where it is asked. No period is longer than `longest` seconds.
    pub(super) fn new(longest: u64) -> (Desk, Self) {
        let (desk, questions) = mpsc::channel(QUEUE);
        (Desk(desk), Self { questions, longest, used: None, added: 0 })
    }

    /// The next question. `None`: nobody asks any more.
    pub async fn next(&mut self) -> Option<Question> {
        self.questions.recv().await
    }

    /// A question that waits, if there is one.
    pub fn waiting(&mut self) -> Option<Question> {
        self.questions.try_recv().ok()
    }

    /// Decides in order, and answers once what takes room is on disk.
    ///
    /// # Errors
    /// As [`Store::book`] and [`Store::bookings`].
    pub fn answer(&mut self, store: &mut Store, questions: Vec<Question>) -> Result<(), StoreError> {
        if questions.is_empty() {
            return Ok(());
        }
        let used = match &mut self.used {
            Some(used) => used,
            none => none.insert(Used::of(store.bookings(self.longest)?)),
        };
        let (mut answers, mut new) = (Vec::new(), Vec::new());
        for Question { booking, caps, is_booked, reply } in questions {
            let transfer = transfer(&booking);
            let answer = match used.requests.get(&booking.request).copied() {
                // An id has one content for ever.
                Some(known) => known == transfer,
                None if !used.has_room(&booking, &caps) => false,
                None => {
                    if is_booked {
                        used.add(&booking);
                        new.push(booking);
                    }
                    true
                }
            };
            answers.push((reply, answer));
        }
        if !new.is_empty() {
            store.book(&new)?;
            self.added += new.len();
            if self.added >= MOST_ADDED {
                (self.used, self.added) = (None, 0);
            }
        }
        for (reply, answer) in answers {
            // Whoever does not wait any more asks again.
            let _ = reply.send(answer);
        }
        Ok(())
    }
}

fn transfer(booking: &Booking) -> Transfer {
    Transfer { asset: booking.asset, recipient: booking.recipient, amount: booking.amount }
}

impl Used {
    fn of(bookings: Vec<Booking>) -> Self {
        let mut used = Self::default();
        bookings.iter().for_each(|booking| used.add(booking));
        used
    }

    fn add(&mut self, booking: &Booking) {
        let Booking { request, requester, asset, recipient, amount, at, .. } = *booking;
        self.requests.insert(request, transfer(booking));
        for holder in [Holder::Requester(requester), Holder::Recipient(recipient)] {
            self.spent.entry((holder, asset)).or_default().push((at, amount));
            let of = |period| Budget { holder, asset, period };
            for (budget, (number, sum)) in self.sums.range_mut(of(0)..=of(u64::MAX)) {
                if at / budget.period == *number {
                    *sum = sum.saturating_add(amount);
                }
            }
        }
    }

    fn has_room(&mut self, booking: &Booking, caps: &[(Budget, U256)]) -> bool {
        caps.iter().all(|(budget, cap)| {
            let used = self.used(budget, booking.at / budget.period);
            cap.checked_sub(used).is_some_and(|left| booking.amount <= left)
        })
    }

    /// What of a budget was used in the period of this number.
    fn used(&mut self, budget: &Budget, number: u64) -> U256 {
        if let Some((_, sum)) = self.sums.get(budget).filter(|(known, _)| *known == number) {
            return *sum;
        }
        let spent = self.spent.get(&(budget.holder, budget.asset)).into_iter().flatten();
        let amounts = spent.filter(|(at, _)| at / budget.period == number).map(|(_, amount)| *amount);
        let sum = amounts.fold(U256::ZERO, U256::saturating_add);
        self.sums.insert(budget.clone(), (number, sum));
        sum
    }
}
