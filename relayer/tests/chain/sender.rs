//! A submitter with a key that counts what it signs.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    primitives::{Address, B256, Bytes, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use futures::future::BoxFuture;
use ring_core::ChainView;
use ring_relayer::chain::{Alarm, Endpoints, Sending, Submitter, SubmitterSettings, TransactionSigner, Wanted};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    follower::Follower,
    proxy::Proxy,
    treasury::{POLL, Treasury},
};

pub(crate) const GWEI: u128 = 1_000_000_000;
const LONGEST: Duration = Duration::from_secs(30);

/// Signs whatever it is asked to, changed by `tamper`.
pub(crate) struct Key {
    key: PrivateKeySigner,
    tamper: fn(&mut TxEip1559),
    signed: Mutex<Vec<TxEip1559>>,
}

impl TransactionSigner<()> for Key {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign<'a>(&'a self, mut transaction: TxEip1559, _: &'a Wanted<()>) -> BoxFuture<'a, eyre::Result<TxEnvelope>> {
        Box::pin(async move {
            (self.tamper)(&mut transaction);
            self.signed.lock().expect("no test panics in it").push(transaction.clone());
            let signature = self.key.sign_hash_sync(&transaction.signature_hash())?;
            Ok(transaction.into_signed(signature).into())
        })
    }
}

pub(crate) struct Sender {
    pub(crate) wanted: watch::Sender<Option<Wanted<()>>>,
    pub(crate) sending: watch::Receiver<Sending>,
    key: Arc<Key>,
    task: JoinHandle<()>,
}

/// How the submitter bumps.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// After two blocks, however fast they come.
    TwoBlocks,
    /// Not during a test.
    Endless,
}

impl Sender {
    /// With an account of 1 ether and a ceiling of 300 gwei.
    pub(crate) async fn start(treasury: &Treasury, provider: Endpoints, patience: Patience) -> Self {
        Self::with_ceiling(treasury, provider, patience, 300 * GWEI).await
    }

    /// With a ceiling in wei per gas.
    pub(crate) async fn with_ceiling(
        treasury: &Treasury,
        provider: Endpoints,
        patience: Patience,
        ceiling: u128,
    ) -> Self {
        let bump_after = match patience {
            Patience::TwoBlocks => Duration::ZERO,
            Patience::Endless => Duration::from_secs(3_600),
        };
        let settings = SubmitterSettings { bump_after, ..SubmitterSettings::new(treasury.domain, ceiling, POLL) };
        Self::with_key(treasury, provider, settings, |_| {}).await
    }

    /// With settings that a test changes; it bumps after two blocks.
    pub(crate) async fn with_settings(
        treasury: &Treasury,
        provider: Endpoints,
        change: impl FnOnce(&mut SubmitterSettings),
    ) -> Self {
        let mut settings = SubmitterSettings::new(treasury.domain, 300 * GWEI, POLL);
        settings.bump_after = Duration::ZERO;
        change(&mut settings);
        Self::with_key(treasury, provider, settings, |_| {}).await
    }

    /// With a key that changes what it signs.
    pub(crate) async fn with_key(
        treasury: &Treasury,
        provider: Endpoints,
        settings: SubmitterSettings,
        tamper: fn(&mut TxEip1559),
    ) -> Self {
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11)).expect("a key");
        treasury.anvil.set_balance(key.address(), U256::from(1_000_000_000 * GWEI)).await;
        let key = Arc::new(Key { key, tamper, signed: Mutex::default() });
        let (wanted, receiver) = watch::channel(None);
        let submitter = Submitter::new(provider, settings, key.clone(), receiver);
        let sending = submitter.sending();
        Self { wanted, sending, key, task: tokio::spawn(submitter.run()) }
    }

    pub(crate) fn account(&self) -> Address {
        self.key.address()
    }

    pub(crate) fn signed(&self) -> Vec<TxEip1559> {
        self.key.signed.lock().expect("no test panics in it").clone()
    }

    pub(crate) fn want_turn(&self, nonce: u64, calldata: Bytes) {
        self.wanted.send_replace(Some(Wanted::Turn { nonce, calldata, permit: () }));
    }

    pub(crate) fn want_halt(&self, calldata: Bytes) {
        self.wanted.send_replace(Some(Wanted::Halt { epoch: 1, calldata, permit: () }));
    }

    /// Waits until it sends another transaction than `before`.
    pub(crate) async fn until_sending(&mut self, before: Option<B256>) -> B256 {
        let other = |sending: &Sending| sending.transaction.is_some() && sending.transaction != before;
        let sending = timeout(LONGEST, self.sending.wait_for(other)).await.expect("it sends").expect("it runs");
        sending.transaction.expect("it was just there")
    }

    /// Waits until what it sends is in Anvil's pool.
    pub(crate) async fn until_pooled(&mut self, treasury: &Treasury, proxy: &mut Proxy) -> B256 {
        loop {
            let hash = self.until_sending(None).await;
            if !treasury.anvil.ask("eth_getTransactionByHash", json!([hash])).await.is_null() {
                return hash;
            }
            proxy.until_anything().await;
        }
    }

    pub(crate) async fn until_alarm(&mut self, is_so: impl Fn(&Alarm) -> bool) -> Alarm {
        let rings = |sending: &Sending| sending.alarm.as_ref().is_some_and(&is_so);
        let sending = timeout(LONGEST, self.sending.wait_for(rings)).await.expect("the alarm").expect("it runs");
        sending.alarm.clone().expect("it was just there")
    }

    /// Waits until it has nothing to do.
    pub(crate) async fn until_idle(&mut self) {
        let idle = self.sending.wait_for(|sending| *sending == Sending::default());
        timeout(LONGEST, idle).await.expect("it is idle").expect("it runs");
    }

    /// Waits until people have something to look after that holds up nothing.
    pub(crate) async fn until_warning(&mut self, is_so: impl Fn(&Alarm) -> bool) -> Alarm {
        let warns = |sending: &Sending| sending.warnings.iter().any(&is_so);
        let sending = timeout(LONGEST, self.sending.wait_for(warns)).await.expect("the warning").expect("it runs");
        sending.warnings.iter().find(|warning| is_so(warning)).cloned().expect("it was just there")
    }

    /// Waits until people have nothing to look after.
    pub(crate) async fn until_calm(&mut self) {
        let calm = self.sending.wait_for(|sending| sending.alarm.is_none());
        timeout(LONGEST, calm).await.expect("the alarm is over").expect("it runs");
    }

    /// Nobody can want anything any more: the submitter ends.
    pub(crate) async fn stop(self) {
        drop(self.wanted);
        timeout(LONGEST, self.task).await.expect("the submitter ends").expect("without a panic");
    }
}

/// Mines block after block until the ring is at this nonce.
pub(crate) async fn mine_until_nonce(treasury: &Treasury, follower: &mut Follower, nonce: u64) -> ChainView {
    let mined = timeout(LONGEST, async {
        loop {
            treasury.anvil.mine(1).await;
            let head = treasury.anvil.head().await;
            let view = follower.until_block(head).await;
            if view.nonce >= nonce {
                return view;
            }
        }
    });
    let view = mined.await.unwrap_or_else(|_| panic!("nonce {nonce} was never reached"));
    assert_eq!(view.nonce, nonce);
    view
}
