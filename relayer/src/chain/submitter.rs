//! Getting what is wanted into the chain.
//!
//! One account, one transaction at a time. Each look at the chain starts from what the chain says, the account's
//! nonce at the newest block, and from the transactions that were signed before:
//!
//! ```text
//!  a transaction for what is wanted was mined and succeeded ──▶ wait: it may be reorganised away
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
//! Nothing is concluded from what an RPC says about a transaction that it was sent.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    consensus::TxEip1559,
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::DynProvider,
    rpc::types::TransactionRequest,
    sol_types::SolInterface as _,
};
use ring_contracts::{Domain, RingMultisig::RingMultisigErrors};
use tokio::sync::watch;

use super::{
    alarm::Alarm,
    fault::Fault,
    fees::{self, Fees},
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
    /// After how many new blocks a transaction that is not mined is replaced …
    pub bump_after_blocks: u64,
    /// … if so much time has passed, too.
    pub bump_after: Duration,
    /// How often the chain is looked at where there is no subscription to heads, or it is silent.
    pub poll_interval: Duration,
}

impl SubmitterSettings {
    /// Settings with the usual patience: two blocks, and 12 seconds.
    pub fn new(domain: Domain, max_fee_per_gas: u128, poll_interval: Duration) -> Self {
        Self { domain, max_fee_per_gas, bump_after_blocks: 2, bump_after: Duration::from_secs(12), poll_interval }
    }
}

/// What the submitter is at, for whoever looks after the seat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// The transaction that was sent last for what is wanted.
    pub transaction: Option<B256>,
    /// What people have to look after.
    pub alarm: Option<Alarm>,
}

/// Sends transactions of one account until what is wanted has happened.
pub struct Submitter<P> {
    rpc: Rpc,
    heads: Heads,
    signer: Arc<dyn TransactionSigner<P>>,
    settings: SubmitterSettings,
    wanted: watch::Receiver<Option<Wanted<P>>>,
    sending: watch::Sender<Sending>,
    slots: Slots<P>,
    /// The head at which all was done for what is wanted.
    done_at: Option<B256>,
    /// The head that said that the ring has to wait, and until when.
    waiting: Option<(B256, u64)>,
    quiet: Quiet,
}

impl<P: Clone> Submitter<P> {
    /// A submitter for the account of `signer`. Nothing else may send transactions of that account.
    pub fn new(
        provider: DynProvider,
        settings: SubmitterSettings,
        signer: Arc<dyn TransactionSigner<P>>,
        wanted: watch::Receiver<Option<Wanted<P>>>,
    ) -> Self {
        let heads = Heads::new(provider.clone(), settings.poll_interval);
        let sending = watch::Sender::new(Sending::default());
        let (slots, quiet) = (Slots::new(), Quiet::default());
        let (rpc, done_at, waiting) = (Rpc::new(provider), None, None);
        Self { rpc, heads, signer, settings, wanted, sending, slots, done_at, waiting, quiet }
    }

    /// What it is at, from now on.
    pub fn sending(&self) -> watch::Receiver<Sending> {
        self.sending.subscribe()
    }

    /// Works until nobody can want anything any more.
    pub async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let Some(wanted) = wanted else {
                self.sending.send_if_modified(|sending| std::mem::take(sending) != Sending::default());
                if self.wanted.changed().await.is_err() {
                    return;
                }
                continue;
            };
            self.heads.prepare().await;
            let outcome = self.press(&wanted).await;
            let pause = outcome.as_ref().err().and_then(Trouble::retry_after);
            self.note(&wanted, outcome.err());
            let next = async {
                tokio::time::sleep(pause.unwrap_or_default().min(LONGEST_PAUSE)).await;
                self.heads.wait().await;
            };
            tokio::select! {
                () = next => {}
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (self.done_at, self.waiting) = (None, None);
                }
            }
        }
    }

    /// Does what can be done at this head, once.
    async fn press(&mut self, wanted: &Wanted<P>) -> Result<(), Trouble> {
        let head = self.rpc.head().await?;
        let waits = self.waiting.is_some_and(|(at, until)| at == head.hash && clock() < until);
        if self.done_at != Some(head.hash) && !waits {
            // Whatever did not get through is tried again before the next head.
            (self.done_at, self.waiting) = (None, None);
            self.press_at(head, wanted).await?;
            // Time passes without a head, too: whoever waits for it looks again.
            self.done_at = Some(head.hash).filter(|_| self.waiting.is_none());
        }
        Ok(())
    }

    async fn press_at(&mut self, head: Header, wanted: &Wanted<P>) -> Result<(), Trouble> {
        let account = self.signer.address();
        let nonce = self.rpc.transaction_count(account, head.number).await?;
        let attempts = self.attempts(wanted, nonce).await?;
        if attempts == Attempts::Succeeded {
            return Ok(());
        }
        let mut gas = match self.simulate(wanted, account, head).await? {
            Simulated::Succeeds { gas } => gas,
            Simulated::TooEarly { until } => {
                tracing::debug!(wanted = wanted.name(), until, "the ring has to wait");
                self.waiting = Some((head.hash, until));
                return Ok(());
            }
            Simulated::Reverts => return Ok(()),
        };
        if attempts == Attempts::Reverted {
            // A callee that uses more gas than when it was tried takes it from the calls after it. Never again.
            gas = gas.saturating_add(wanted.gas_of_calls());
        }
        let ceiling = fees::ceiling(wanted, self.settings.max_fee_per_gas);
        let fees = match self.slots.get_mut(nonce) {
            None => Fees::first(self.rpc.fees().await?, ceiling),
            Some(slot) => {
                let blocks = head.number.saturating_sub(slot.head.number);
                let waited =
                    blocks >= self.settings.bump_after_blocks && slot.since.elapsed() >= self.settings.bump_after;
                let is_same = slot.wanted.is_same(wanted);
                if is_same && !waited && !(slot.refused && blocks > 0) {
                    let newest = slot.newest.clone();
                    return Ok(self.broadcast_again(&newest).await?);
                }
                match slot.newest.fees.bumped(self.rpc.fees().await?, ceiling) {
                    Some(fees) => fees,
                    None => {
                        let newest = slot.newest.clone();
                        self.broadcast_again(&newest).await?;
                        let max_fee_per_gas = newest.fees.max;
                        return Err(Alarm::FeeCeiling { transaction: newest.hash, max_fee_per_gas }.into());
                    }
                }
            }
        };
        self.send(
            wanted,
            TxEip1559 {
                chain_id: self.settings.domain.chain_id,
                nonce,
                gas_limit: gas,
                max_fee_per_gas: fees.max,
                max_priority_fee_per_gas: fees.priority,
                to: TxKind::Call(self.settings.domain.contract),
                value: U256::ZERO,
                access_list: Default::default(),
                input: wanted.calldata().clone(),
            },
            head,
        )
        .await
    }

    /// What became of the transactions for what is wanted.
    async fn attempts(&self, wanted: &Wanted<P>, nonce: u64) -> Result<Attempts, Fault> {
        let mut attempts = Attempts::Open;
        for hash in self.slots.settled(wanted, nonce) {
            match self.rpc.mined(hash).await? {
                Some(mined) if mined.succeeded => return Ok(Attempts::Succeeded),
                Some(mined) => {
                    tracing::debug!(wanted = wanted.name(), %hash, block = mined.block, "mined, but reverted");
                    attempts = Attempts::Reverted;
                }
                None => {}
            }
        }
        Ok(attempts)
    }

    /// What the call would do now. Why it would revert is acted upon only where nothing but time, or the master, can help:
    /// the rest the watcher sees for itself.
    async fn simulate(&self, wanted: &Wanted<P>, account: Address, head: Header) -> Result<Simulated, Trouble> {
        let request = TransactionRequest::default()
            .with_from(account)
            .with_to(self.settings.domain.contract)
            .with_input(wanted.calldata().clone());
        let simulated = self.estimated(wanted, self.rpc.estimate(request.clone(), head.number).await)?;
        match simulated {
            // The time of the next block is later than that of the head, and on a quiet chain much later.
            Simulated::TooEarly { until } if clock() >= until => {
                self.estimated(wanted, self.rpc.estimate_pending(request).await)
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

    async fn send(&mut self, wanted: &Wanted<P>, transaction: TxEip1559, head: Header) -> Result<(), Trouble> {
        let account = self.signer.address();
        let fees = Fees { max: transaction.max_fee_per_gas, priority: transaction.max_priority_fee_per_gas };
        let balance = self.rpc.balance(account).await?;
        let needed = U256::from(transaction.gas_limit) * U256::from(fees.max);
        if balance < needed {
            return Err(Alarm::NoFunds { account, balance, needed }.into());
        }
        // A reorg between the questions makes a nonce of one chain and a simulation of another.
        self.rpc.check_in_chain(head).await?;
        let nonce = transaction.nonce;
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
        match self.rpc.broadcast(&raw).await {
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
    async fn broadcast_again(&self, transaction: &Transaction) -> Result<(), Fault> {
        match self.rpc.broadcast(&transaction.raw).await {
            Err(fault @ (Fault::Refused { .. } | Fault::Reverted(_))) => {
                tracing::debug!(hash = %transaction.hash, %fault, "sent again");
                Ok(())
            }
            other => other,
        }
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

/// What became of the transactions for what is wanted, as far as they were mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempts {
    Open,
    Reverted,
    Succeeded,
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
