//! Getting what is wanted into the chain.
//!
//! One account, one transaction at a time. Each look at the chain starts from what the chain says, the account's
//! nonce at the newest block, and from the transactions that were signed before:
//!
//! ```text
//!  a transaction for what is wanted was mined and succeeded ──▶ wait: it may be reorganised away
//!  else its nonce was used, and nothing tells by what        ──▶ look again, and believe it at a later head
//!  else the ring has to wait (interval, turns a period)      ──▶ wait until then, and look again
//!  else its lease is over                                   ──▶ alarm, and look again
//!  else the call would revert                               ──▶ wait: somebody was faster, or it is too early
//!  else the nonce has
//!    no transaction                                         ──▶ make one
//!    one for what is wanted, not for long                   ──▶ send it again, the same bytes
//!    one for what is wanted, for long                       ──▶ replace it, with higher fees
//!    one for something else                                 ──▶ replace it, with higher fees
//! ```
//!
//! One RPC is asked, the first of those configured that answers; the next one, where that does not help. Transactions go to
//! all of them. Nothing is concluded from what an RPC says about a transaction that it was sent.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    consensus::TxEip1559,
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    rpc::types::TransactionRequest,
    sol_types::SolInterface as _,
};
use futures::{future::OptionFuture, join};
use ring_contracts::{Domain, RingMultisig::RingMultisigErrors};
use tokio::{sync::watch, task::JoinSet};

use super::{
    alarm::Alarm,
    connection::Endpoints,
    fault::Fault,
    fees::{self, Fees, L1Fee, Prices},
    foreign::{self, Foreign},
    heads::Heads,
    quiet::Quiet,
    rpc::{Header, Rpc},
    transaction::{self, Slots, Transaction},
    wanted::{TransactionSigner, Wanted},
};

/// The longest that an RPC is left alone when it asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a submitter is told before it starts.
#[derive(Clone, Copy, Debug)]
pub struct SubmitterSettings {
    /// The contract and its chain.
    pub domain: Domain,
    /// The most that a transaction may offer, in wei per gas. A turn offers 8/9 of it at most: the rest lets a halt replace
    /// a turn that is stuck.
    pub max_fee_per_gas: u128,
    /// The least tip that the chain's nodes take, in wei per gas.
    pub min_priority_fee_per_gas: u128,
    /// What the chain takes beside gas.
    pub l1_fee: L1Fee,
    /// Below how many transactions that the account can still pay for people are told.
    pub low_balance_turns: u64,
    /// After how many new blocks a transaction that is not mined is replaced …
    pub bump_after_blocks: u64,
    /// … if so much time has passed, too.
    pub bump_after: Duration,
    /// How often the chain is looked at where there is no subscription to heads, or it is silent.
    pub poll_interval: Duration,
}

impl SubmitterSettings {
    /// Settings for a chain without peculiarities, with the usual patience: two blocks, and 12 seconds.
    pub fn new(domain: Domain, max_fee_per_gas: u128, poll_interval: Duration) -> Self {
        Self {
            domain,
            max_fee_per_gas,
            min_priority_fee_per_gas: 0,
            l1_fee: L1Fee::None,
            low_balance_turns: 0,
            bump_after_blocks: 2,
            bump_after: Duration::from_secs(12),
            poll_interval,
        }
    }
}

/// What the submitter is at, for whoever looks after the seat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// The transaction that was sent last for what is wanted.
    pub transaction: Option<B256>,
    /// Why nothing gets on now.
    pub alarm: Option<Alarm>,
    /// What people have to look after although it holds up nothing yet: a low balance until there is more, a foreign
    /// transaction until the process ends.
    pub warnings: Vec<Alarm>,
}

/// Sends transactions of one account until what is wanted has happened.
pub struct Submitter<P> {
    endpoints: Endpoints,
    /// Which RPC is asked first.
    preferred: usize,
    heads: Heads,
    signer: Arc<dyn TransactionSigner<P>>,
    settings: SubmitterSettings,
    wanted: watch::Receiver<Option<Wanted<P>>>,
    sending: watch::Sender<Sending>,
    slots: Slots<P>,
    /// How much gas the call was found to need. Finding out takes many executions of it, trying whether that still holds
    /// takes one.
    gas: Option<(Wanted<P>, u64)>,
    /// The head at which all was done for what is wanted.
    done_at: Option<B256>,
    /// The head that said that the ring has to wait, and until when.
    waiting: Option<(B256, u64)>,
    /// The account nonce that is used although no transaction of it was mined, and the head at which that was seen first.
    unexplained: Option<Unexplained>,
    /// Whether this look was left to the next for that.
    is_in_doubt: bool,
    foreign: Foreign,
    /// The account's nonce at this head, to be looked over once everything urgent is done.
    account_nonce: Option<u64>,
    /// What goes to the other RPCs.
    spreading: JoinSet<()>,
    quiet: Quiet,
}

impl<P: Clone> Submitter<P> {
    /// A submitter for the account of `signer`. Nothing else may send transactions of that account.
    pub fn new(
        endpoints: Endpoints,
        settings: SubmitterSettings,
        signer: Arc<dyn TransactionSigner<P>>,
        wanted: watch::Receiver<Option<Wanted<P>>>,
    ) -> Self {
        Self {
            heads: Heads::new(&endpoints, settings.poll_interval),
            endpoints,
            preferred: 0,
            signer,
            settings,
            wanted,
            sending: watch::Sender::default(),
            slots: Slots::new(),
            gas: None,
            done_at: None,
            waiting: None,
            unexplained: None,
            is_in_doubt: false,
            foreign: Foreign::default(),
            account_nonce: None,
            spreading: JoinSet::new(),
            quiet: Quiet::default(),
        }
    }

    /// What it is at, from now on.
    pub fn sending(&self) -> watch::Receiver<Sending> {
        self.sending.subscribe()
    }

    /// Works until nobody can want anything any more.
    pub async fn run(mut self) {
        let mut changes = self.wanted.clone();
        loop {
            let wanted = changes.borrow_and_update().clone();
            let Some(wanted) = wanted else {
                self.note_idle();
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                // Whatever is under way can be left: what was signed is remembered before it is sent.
                biased;
                is_open = something_else(&mut changes, &wanted) => {
                    if !is_open {
                        return;
                    }
                    (self.done_at, self.waiting, self.preferred) = (None, None, 0);
                }
                () = self.press_once(&wanted) => {}
            }
        }
    }

    /// Does what can be done at this head, and waits until it is time to look again.
    async fn press_once(&mut self, wanted: &Wanted<P>) {
        let outcome = self.press(wanted).await;
        let pause = outcome.as_ref().err().and_then(Trouble::retry_after);
        self.note(wanted, outcome.err());
        tokio::time::sleep(pause.unwrap_or_default().min(LONGEST_PAUSE)).await;
        self.heads.wait().await;
    }

    /// Does what can be done at this head, over the first RPC that answers.
    async fn press(&mut self, wanted: &Wanted<P>) -> Result<(), Trouble> {
        let all = self.endpoints.all().len();
        let mut tried = 0;
        loop {
            let endpoint = self.endpoints.all()[self.preferred].clone();
            tried += 1;
            // One that does not answer is asked only if no other is left.
            if tried < all && endpoint.is_left_alone() {
                self.prefer_next();
                continue;
            }
            match self.press_over(endpoint.rpc(), wanted).await {
                Err(Trouble::Rpc(fault)) if !matches!(fault, Fault::Reorganised(_)) => {
                    if fault.is_outage() {
                        endpoint.note_fault(&fault);
                    }
                    self.prefer_next();
                    if tried >= all {
                        return Err(Trouble::Rpc(fault));
                    }
                    tracing::debug!(rpc = endpoint.name(), %fault, "asking the next RPC");
                }
                outcome => return outcome,
            }
        }
    }

    fn prefer_next(&mut self) {
        self.preferred = (self.preferred + 1) % self.endpoints.all().len();
    }

    async fn press_over(&mut self, rpc: &Rpc, wanted: &Wanted<P>) -> Result<(), Trouble> {
        let head = rpc.head().await?;
        let waits = self.waiting.is_some_and(|(at, until)| at == head.hash && clock() < until);
        if self.done_at == Some(head.hash) || waits {
            return Ok(());
        }
        // Whatever did not get through is tried again before the next head.
        (self.done_at, self.waiting, self.is_in_doubt) = (None, None, false);
        let outcome = self.press_at(rpc, head, wanted).await;
        if let Some(nonce) = self.account_nonce.take() {
            self.look_for_foreign(rpc, nonce, head).await?;
        }
        outcome?;
        // Time passes without a head, too, and receipts come: whoever waits for them looks again.
        self.done_at = Some(head.hash).filter(|_| self.waiting.is_none() && !self.is_in_doubt);
        Ok(())
    }

    async fn press_at(&mut self, rpc: &Rpc, head: Header, wanted: &Wanted<P>) -> Result<(), Trouble> {
        let account = self.signer.address();
        // What is new needs all of this, so it is asked at once. What was sent has most of the time just been mined.
        let is_new = !self.slots.has(wanted);
        let asking = async { join!(self.simulate(rpc, wanted, account, head), self.prices(rpc, wanted, head)) };
        let asked_at_once = OptionFuture::from(is_new.then_some(asking));
        let (nonce, asked) = join!(rpc.transaction_count(account, head.number), asked_at_once);
        let nonce = *self.account_nonce.insert(nonce?);
        let (attempts, missing) = self.attempts(rpc, wanted, nonce).await?;
        if attempts == Attempts::Succeeded {
            // So this RPC says; if it is still wanted at the next head, another one is asked.
            self.prefer_next();
            return Ok(());
        }
        if self.is_doubtful(rpc, missing, head).await? {
            self.is_in_doubt = true;
            return Ok(());
        }
        let (simulated, prices) = match asked {
            Some((simulated, prices)) => (simulated, Some(prices)),
            None => (self.simulate(rpc, wanted, account, head).await, None),
        };
        let mut gas = match simulated? {
            Simulated::Succeeds { gas } => {
                self.gas = Some((wanted.clone(), gas));
                gas
            }
            Simulated::TooEarly { until } => {
                tracing::debug!(wanted = wanted.name(), until, "the ring has to wait");
                self.waiting = Some((head.hash, until));
                return Ok(());
            }
            Simulated::Reverts => {
                self.prefer_next();
                return Ok(());
            }
        };
        if attempts == Attempts::Reverted {
            // A callee that uses more gas than when it was tried takes it from the calls after it. Never again.
            gas = gas.saturating_add(wanted.gas_of_calls());
        }
        let ceiling = fees::ceiling(wanted, self.settings.max_fee_per_gas);
        let slot = self.slots.get_mut(nonce).map(|slot| {
            let blocks = head.number.saturating_sub(slot.head.number);
            let waited = blocks >= self.settings.bump_after_blocks && slot.since.elapsed() >= self.settings.bump_after;
            let stays = slot.wanted.is_same(wanted) && !waited && !(slot.refused && blocks > 0);
            (slot.newest.clone(), stays)
        });
        if let Some((newest, true)) = slot {
            return Ok(self.broadcast_again(rpc, &newest).await?);
        }
        let prices = match prices {
            Some(prices) => prices?,
            None => self.prices(rpc, wanted, head).await?,
        };
        let fees = match slot {
            None => Fees::first(prices.usual, ceiling),
            Some((newest, _)) => match newest.fees.bumped(prices.usual, ceiling) {
                Some(fees) => fees,
                None => {
                    self.broadcast_again(rpc, &newest).await?;
                    let max_fee_per_gas = newest.fees.max;
                    return Err(Alarm::FeeCeiling { transaction: newest.hash, max_fee_per_gas }.into());
                }
            },
        };
        let transaction = TxEip1559 {
            chain_id: self.settings.domain.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.priority,
            to: TxKind::Call(self.settings.domain.contract),
            value: U256::ZERO,
            access_list: Default::default(),
            input: wanted.calldata().clone(),
        };
        self.check_funds(&transaction, &prices)?;
        self.send(rpc, wanted, transaction, head).await
    }

    async fn prices(&self, rpc: &Rpc, wanted: &Wanted<P>, head: Header) -> Result<Prices, Fault> {
        let SubmitterSettings { domain, l1_fee, min_priority_fee_per_gas, .. } = &self.settings;
        let account = self.signer.address();
        fees::prices(rpc, (account, domain), wanted.calldata(), (*l1_fee, *min_priority_fee_per_gas), head).await
    }

    /// The account has to be able to pay all that a transaction may cost; and better many more of them.
    fn check_funds(&self, transaction: &TxEip1559, prices: &Prices) -> Result<(), Alarm> {
        let (account, balance) = (self.signer.address(), prices.balance);
        let gas = U256::from(transaction.gas_limit).saturating_mul(U256::from(transaction.max_fee_per_gas));
        let needed = gas.saturating_add(prices.l1_fee);
        let transactions: u64 = balance.checked_div(needed).unwrap_or(U256::MAX).saturating_to();
        let low = (transactions < self.settings.low_balance_turns).then_some(Alarm::LowBalance {
            account,
            balance,
            transactions,
        });
        self.warn(|warning| matches!(warning, Alarm::LowBalance { .. }), low);
        match balance < needed {
            true => Err(Alarm::NoFunds { account, balance, needed }),
            false => Ok(()),
        }
    }

    async fn look_for_foreign(&mut self, rpc: &Rpc, nonce: u64, head: Header) -> Result<(), Fault> {
        if let Some(nonce) = self.foreign.look(rpc, &self.slots, nonce, head).await? {
            let account = self.signer.address();
            let is_old = |warning: &Alarm| matches!(warning, Alarm::ForeignTransaction { .. });
            self.warn(is_old, Some(Alarm::ForeignTransaction { account, nonce }));
        }
        Ok(())
    }

    /// What became of the transactions for what is wanted, and the newest nonce of theirs that was used by none of them.
    async fn attempts(&self, rpc: &Rpc, wanted: &Wanted<P>, nonce: u64) -> Result<(Attempts, Option<u64>), Fault> {
        let (mut attempts, mut missing) = (Attempts::Open, None);
        for (nonce, hash) in self.slots.settled(wanted, nonce) {
            match rpc.mined(hash).await? {
                Some(mined) if mined.succeeded => return Ok((Attempts::Succeeded, None)),
                Some(mined) => {
                    tracing::debug!(wanted = wanted.name(), %hash, block = mined.block, "mined, but reverted");
                    attempts = Attempts::Reverted;
                }
                None if attempts == Attempts::Open => missing = missing.or(Some(nonce)),
                None => {}
            }
        }
        Ok((attempts, missing))
    }

    /// Whether it has to be seen once more that this nonce is used, but by none of its transactions: receipts may come later than
    /// the nonce, so one look is not believed. On a chain that stands still, time will do.
    async fn is_doubtful(&mut self, rpc: &Rpc, missing: Option<u64>, head: Header) -> Result<bool, Fault> {
        let before = self.unexplained.take();
        let Some(nonce) = missing else { return Ok(false) };
        if foreign::is_ours(rpc, self.slots.all_of(nonce)).await? {
            return Ok(false);
        }
        let first = || Unexplained { nonce, head: head.hash, since: Instant::now() };
        let seen = before.filter(|before| before.nonce == nonce).unwrap_or_else(first);
        self.unexplained = Some(seen);
        Ok(seen.head == head.hash && seen.since.elapsed() < self.settings.bump_after)
    }

    /// What the call would do now. Why it would revert is acted upon only where nothing but time, or the master, can help:
    /// the rest the watcher sees for itself.
    async fn simulate(
        &self,
        rpc: &Rpc,
        wanted: &Wanted<P>,
        account: Address,
        head: Header,
    ) -> Result<Simulated, Trouble> {
        let request = TransactionRequest::default()
            .with_from(account)
            .with_to(self.settings.domain.contract)
            .with_input(wanted.calldata().clone());
        if let Some((_, gas)) = self.gas.as_ref().filter(|(other, _)| other.is_same(wanted)) {
            match rpc.rehearse(request.clone().with_gas_limit(*gas), head.number).await {
                Ok(()) => return Ok(Simulated::Succeeds { gas: *gas }),
                // Why, or whether it only takes more gas by now, is found out below.
                Err(Fault::Reverted(_) | Fault::Refused { .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let simulated = self.estimated(wanted, rpc.estimate(request.clone(), head.number).await)?;
        match simulated {
            // The time of the next block is later than that of the head, and on a quiet chain much later.
            Simulated::TooEarly { until } if clock() >= until => {
                self.estimated(wanted, rpc.estimate_pending(request).await)
            }
            simulated => Ok(simulated),
        }
    }

    fn estimated(&self, wanted: &Wanted<P>, estimate: Result<u64, Fault>) -> Result<Simulated, Trouble> {
        let data = match estimate {
            Ok(gas) => return Ok(Simulated::Succeeds { gas: gas.saturating_add(gas.div_ceil(10)) }),
            Err(Fault::Reverted(data)) => data,
            Err(fault) => return Err(fault.into()),
        };
        match RingMultisigErrors::abi_decode(&data) {
            Ok(RingMultisigErrors::TurnTooSoon(error)) => {
                Ok(Simulated::TooEarly { until: error.earliest.saturating_to() })
            }
            Ok(RingMultisigErrors::TooManyTurns(error)) => {
                Ok(Simulated::TooEarly { until: error.nextPeriodAt.saturating_to() })
            }
            Ok(RingMultisigErrors::LeaseExpired(error)) => {
                let text = format!("it ended at {}, the chain's time is {}", error.expiresAt, error.timestamp);
                Err(Alarm::LeaseOver(text).into())
            }
            Ok(RingMultisigErrors::LeaseUsedUp(error)) => {
                let text = format!("its last turn is {}, and this would be {}", error.lastNonce, error.nonce);
                Err(Alarm::LeaseOver(text).into())
            }
            _ => {
                tracing::debug!(wanted = wanted.name(), reason = reason(&data), "it would revert now");
                Ok(Simulated::Reverts)
            }
        }
    }

    async fn send(
        &mut self,
        rpc: &Rpc,
        wanted: &Wanted<P>,
        transaction: TxEip1559,
        head: Header,
    ) -> Result<(), Trouble> {
        let account = self.signer.address();
        // A reorg between the questions makes a nonce of one chain and a simulation of another.
        rpc.check_in_chain(head).await?;
        let nonce = transaction.nonce;
        let fees = Fees { max: transaction.max_fee_per_gas, priority: transaction.max_priority_fee_per_gas };
        let envelope = self.signer.sign(transaction.clone(), wanted).await;
        let envelope = envelope.map_err(|error| Alarm::Signer(format!("{error:#}")))?;
        transaction::check(&envelope, &transaction, account).map_err(Alarm::Signer)?;
        let newest = transaction::seal(&envelope, fees);
        let (raw, hash) = (newest.raw.clone(), newest.hash);
        tracing::info!(
            wanted = wanted.name(), %hash, account_nonce = nonce, max_fee_per_gas = fees.max,
            max_priority_fee_per_gas = fees.priority, gas_limit = transaction.gas_limit, "sending"
        );
        // Before it is sent: what is not known to have arrived may have.
        self.slots.put(nonce, wanted.clone(), newest, head);
        self.sending.send_modify(|sending| sending.transaction = Some(hash));
        match self.broadcast(rpc, &raw).await {
            Err(fault @ (Fault::Refused { .. } | Fault::Reverted(_))) => {
                tracing::warn!(wanted = wanted.name(), %hash, %fault, "the RPC did not take the transaction, or says so");
                if let Some(slot) = self.slots.get_mut(nonce) {
                    slot.refused = true;
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Sends the same bytes again: pools forget, and reorgs drop. Most of the time they are known, and the RPC says so.
    async fn broadcast_again(&mut self, rpc: &Rpc, transaction: &Transaction) -> Result<(), Fault> {
        match self.broadcast(rpc, &transaction.raw).await {
            Err(fault @ (Fault::Refused { .. } | Fault::Reverted(_))) => {
                tracing::debug!(hash = %transaction.hash, %fault, "sent again");
                Ok(())
            }
            other => other,
        }
    }

    /// Sends a transaction to all RPCs, and waits for the answer of this one.
    async fn broadcast(&mut self, rpc: &Rpc, raw: &Bytes) -> Result<(), Fault> {
        while self.spreading.try_join_next().is_some() {}
        for (place, endpoint) in self.endpoints.all().iter().enumerate() {
            if place == self.preferred {
                continue;
            }
            let (endpoint, raw) = (endpoint.clone(), raw.clone());
            self.spreading.spawn(async move {
                if let Err(fault) = endpoint.rpc().broadcast(&raw).await {
                    tracing::debug!(rpc = endpoint.name(), %fault, "a further RPC did not take the transaction");
                }
            });
        }
        rpc.broadcast(raw).await
    }

    /// Puts a warning in the place of those that are old.
    fn warn(&self, is_old: impl Fn(&Alarm) -> bool, warning: Option<Alarm>) {
        self.sending.send_if_modified(|sending| {
            let before = sending.warnings.clone();
            sending.warnings.retain(|other| !is_old(other));
            sending.warnings.extend(warning.clone());
            let is_news = warning.is_some() && before.iter().all(|other| !is_old(other));
            if let Some(warning) = warning.filter(|_| is_news) {
                tracing::error!(alarm = %warning, "the account needs attention");
            }
            sending.warnings != before
        });
    }

    fn note_idle(&self) {
        self.sending.send_if_modified(|sending| {
            let changed = sending.transaction.is_some() || sending.alarm.is_some();
            (sending.transaction, sending.alarm) = (None, None);
            changed
        });
    }

    fn note(&mut self, wanted: &Wanted<P>, trouble: Option<Trouble>) {
        let alarm = trouble.map(Alarm::from);
        if let Some(alarm) = &alarm
            && let Some(silenced) = self.quiet.ask()
        {
            tracing::error!(wanted = wanted.name(), %alarm, silenced, "the transaction is not getting on, trying again");
        }
        self.sending.send_if_modified(|sending| {
            let changed = sending.alarm != alarm;
            sending.alarm = alarm;
            changed
        });
    }
}

/// Waits until something else is wanted. Returns `false` once nobody can want anything any more.
async fn something_else<P>(changes: &mut watch::Receiver<Option<Wanted<P>>>, wanted: &Wanted<P>) -> bool {
    let is_else = |now: &Option<Wanted<P>>| !now.as_ref().is_some_and(|now| now.is_same(wanted));
    changes.wait_for(is_else).await.is_ok()
}

/// What became of the transactions for what is wanted, as far as they were mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempts {
    Open,
    Reverted,
    Succeeded,
}

/// An account nonce that is used although no transaction of it was mined.
#[derive(Clone, Copy, Debug)]
struct Unexplained {
    nonce: u64,
    /// The head at which that was seen first, and when.
    head: B256,
    since: Instant,
}

/// What a call would do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Simulated {
    /// It would get through, with this gas limit.
    Succeeds { gas: u64 },
    /// It can get through from this second on.
    TooEarly { until: u64 },
    /// It would revert.
    Reverts,
}

/// Why nothing could be done.
enum Trouble {
    Rpc(Fault),
    Alarm(Alarm),
}

impl Trouble {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rpc(fault) => fault.retry_after(),
            Self::Alarm(_) => None,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Rpc(fault)
    }
}

impl From<Alarm> for Trouble {
    fn from(alarm: Alarm) -> Self {
        Self::Alarm(alarm)
    }
}

impl From<Trouble> for Alarm {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Rpc(fault) => Self::Rpc(fault.to_string()),
            Trouble::Alarm(alarm) => alarm,
        }
    }
}

/// This machine's time, in Unix seconds. It only decides when to ask the chain again; the chain decides the rest.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What the contract says by this revert.
fn reason(data: &Bytes) -> String {
    match RingMultisigErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}"),
        Err(_) => format!("unknown error {data}"),
    }
}
