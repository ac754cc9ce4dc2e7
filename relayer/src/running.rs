//! A ring of one seat for tests: real state, store and driver, and a chain that does what the test says.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alloy::{
    consensus::{TxEip1559, TxEnvelope},
    signers::{SignerSync, local::PrivateKeySigner},
};
use futures::future::BoxFuture;
use ring_contracts::{
    Address, B256, Bytes, Cancellation, Charter, CompactSignature, Domain, FixedBytes, Halt, Refill, Request,
    RequestId, SignedCancellation, SignedRequest, U256,
};
use ring_core::{Allowance, Block, ChainView, Message, ObservedTurn, Record, Settings, State};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    backups::{Archive, Backups},
    chain::{Cursor, TransactionSigner, Wanted},
    driver::{Driver, Edges, Handle, Outbox},
    evidence::Sources,
    metrics::Metrics,
    peers::Peers,
    signer::{Permit, Signer, SignerError},
    store::{DurableReservation, Identity, Location, Store},
};

/// The transaction of every turn.
pub(crate) const TRANSACTION: B256 = B256::repeat_byte(0x77);
const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };

/// The seat. Its folder outlives its process.
pub(crate) struct Bench {
    folder: TempDir,
    key: PrivateKeySigner,
    requesters: [PrivateKeySigner; 2],
    settings: Settings,
    chain: ChainView,
}

/// Its process.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    views: mpsc::Sender<ChainView>,
    wanted: watch::Receiver<Option<Wanted<Permit>>>,
    stop: CancellationToken,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bench {
    /// A seat that has joined and knows the chain.
    pub(crate) fn new() -> Self {
        let key = PrivateKeySigner::random();
        let requesters = [PrivateKeySigner::random(), PrivateKeySigner::random()];
        let charter = Charter {
            window: 1,
            quorum: 1,
            asset: Address::ZERO,
            cap: 1_000_000,
            period: 3_600,
            turns_per_period: 1_000,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats: vec![key.address()],
        };
        let allowance = Allowance { cap: U256::from(1_000_000), left: U256::from(1_000_000) };
        let block = Block { number: 1, time: 1_000 };
        let chain = ChainView {
            head: block,
            finalized: block,
            nonce: 0,
            epoch: 1,
            halted: false,
            charter: charter.commitment(),
            final_nonce: 0,
            final_epoch: 1,
            turns: Vec::new(),
            allowances: BTreeMap::from([(Address::ZERO, allowance)]),
            permissions: Default::default(),
            master: Address::repeat_byte(0xaa),
            earliest: 0,
        };
        let settings = Settings {
            domain: DOMAIN,
            ring: 1,
            charter,
            key: key.address(),
            next_charter: None,
            announced: Default::default(),
            other_assets: Default::default(),
            requesters: requesters.iter().map(PrivateKeySigner::address).collect(),
            refill: None,
            evidence: false,
            confirmed_ticks: None,
            copies: 1,
            max_calls: 20,
            max_gas: 8_000_000,
            validity: 600,
            resend_ticks: 4,
            patience_ticks: 20,
            grace_ticks: 40,
        };
        let bench = Self { folder: TempDir::new().unwrap(), key, requesters, settings, chain };
        let mut store = Store::create(&bench.location(), bench.identity()).unwrap();
        store.commit(&[Record::Joined { epoch: 1, nonce: 0 }]).unwrap();
        store.close();
        bench
    }

    pub(crate) fn key(&self) -> Address {
        self.key.address()
    }

    pub(crate) fn requester(&self, which: usize) -> Address {
        self.requesters[which].address()
    }

    /// What makes backups of it.
    pub(crate) fn backups(&self, running: &Running, archive: Archive) -> Arc<Backups> {
        let metrics = Metrics::default().seat(&self.settings, 0, Peers::none());
        Arc::new(Backups::new(archive, 1, 0, running.handle.clone(), metrics))
    }

    /// Its store, put into the place of which a backup was made.
    pub(crate) fn opened(&self, backup: &Path) -> (Store, Vec<Record>) {
        Store::open(&Location::file(backup), self.identity()).unwrap()
    }

    fn location(&self) -> Location {
        Location::file(self.folder.path().join("store"))
    }

    fn identity(&self) -> Identity {
        Identity { domain: DOMAIN, ring: 1, key: self.key() }
    }

    /// Opens the store while nobody else has it.
    pub(crate) fn store(&self) -> Store {
        Store::open(&self.location(), self.identity()).unwrap().0
    }

    /// Changes its store behind its back, while nobody has it.
    pub(crate) fn alter(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.folder.path().join("store")).unwrap();
        assert_eq!(connection.execute(sql, ()).unwrap(), 1, "{sql}");
    }

    /// A request by the first requester.
    pub(crate) fn request(&self, number: u8) -> SignedRequest {
        self.request_by(0, number)
    }

    pub(crate) fn request_by(&self, requester: usize, number: u8) -> SignedRequest {
        let request = Request {
            id: RequestId::repeat_byte(number),
            ring: 1,
            target: Address::repeat_byte(1),
            value: 1,
            data: Bytes::new(),
            gas: 50_000,
            expiry: 10_000,
        };
        let signature = self.requesters[requester].sign_hash_sync(&request.digest(&DOMAIN)).unwrap();
        SignedRequest { request, signature: FixedBytes(signature.as_bytes()) }
    }

    /// The cancellation of a request by a requester.
    pub(crate) fn cancellation_by(&self, requester: usize, request: &Request) -> SignedCancellation {
        let cancellation = Cancellation::of(request, &DOMAIN);
        let signature = self.requesters[requester].sign_hash_sync(&cancellation.digest(&DOMAIN)).unwrap();
        SignedCancellation { cancellation, signature: FixedBytes(signature.as_bytes()) }
    }

    /// Starts a process of the seat, which sees the chain at once.
    pub(crate) async fn start(&self) -> Running {
        let (mut store, records) = Store::open(&self.location(), self.identity()).unwrap();
        store.set_own_seat(0);
        let state = State::restore(self.settings.clone(), records).unwrap();
        let (handle, commands) = Handle::channel(64);
        let (views_in, views) = mpsc::channel(4);
        let (cursor, _) = watch::channel(Cursor { first_open_nonce: 0, from_block: 0 });
        let (wanted_in, wanted) = watch::channel(None);
        let edges = Edges {
            commands,
            handle: handle.clone(),
            views,
            connection: watch::channel(Default::default()).1,
            shortfalls: mpsc::channel(1).1,
            sending: watch::channel(Default::default()).1,
            cursor,
            wanted: wanted_in,
            outbox: Box::new(Nobody),
            signer: Arc::new(Key(self.key.clone())),
            sources: Sources::default(),
            ledger: None,
            workers: tokio::runtime::Handle::current(),
            metrics: Metrics::default().seat(&self.settings, 0, Peers::none()),
            tick: Duration::from_millis(10),
            from_block: 0,
        };
        let (stop, (kill, killed)) = (CancellationToken::new(), oneshot::channel());
        let running = Driver::new(state, store, edges);
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = running.run(stopped) => ended.unwrap().store.close(),
                    // Whatever it was about to remember is lost.
                    _ = killed => {}
                }
            });
        });
        let running = Running { handle, views: views_in, wanted, stop, kill: Some(kill), thread: Some(thread) };
        running.see(self.chain.clone()).await;
        running
    }

    /// Has the chain execute the turn that the seat wants executed; `failed` of its requests fail.
    pub(crate) async fn execute(&mut self, running: &mut Running, failed: &[RequestId]) {
        let nonce = self.chain.nonce;
        let is_next =
            |wanted: &Option<Wanted<Permit>>| matches!(wanted, Some(Wanted::Turn { nonce: of, .. }) if *of == nonce);
        let wanted = running.wanted.wait_for(is_next).await.unwrap().clone();
        let Some(Wanted::Turn { permit: Permit::Turn(reservation), .. }) = wanted else { panic!() };
        self.chain.head = Block { number: self.chain.head.number + 1, time: self.chain.head.time + 1 };
        self.chain.nonce += 1;
        self.chain.turns.push(ObservedTurn {
            epoch: self.chain.epoch,
            nonce,
            digest: reservation.digest(),
            requests: reservation.turn().calls().iter().map(|call| call.request_id).collect(),
            failed: failed.to_vec(),
            transaction: TRANSACTION,
            block: self.chain.head.number,
        });
        running.see(self.chain.clone()).await;
    }

    /// Makes everything so far final.
    pub(crate) async fn finalize(&mut self, running: &Running) {
        self.chain.finalized = self.chain.head;
        self.chain.final_nonce = self.chain.nonce;
        running.see(self.chain.clone()).await;
    }

    /// Halts the ring on chain.
    pub(crate) async fn halt(&mut self, running: &Running) {
        self.chain.halted = true;
        running.see(self.chain.clone()).await;
    }
}

impl Running {
    async fn see(&self, view: ChainView) {
        self.views.send(view).await.unwrap();
        // Whatever is asked next is asked after it.
        while self.views.capacity() < self.views.max_capacity() {
            tokio::task::yield_now().await;
        }
        self.handle.overview().await.unwrap();
    }

    /// Ends as a process does that is told to.
    pub(crate) fn stop(mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap();
    }

    /// Ends as a process does that is killed.
    pub(crate) fn kill(mut self) {
        drop(self.kill.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Nobody;

impl Outbox for Nobody {
    fn send(&self, _to: usize, _message: Message) {}
}

#[derive(Debug)]
struct Key(PrivateKeySigner);

impl Signer for Key {
    fn sign_turn<'a>(
        &'a self,
        reservation: &'a DurableReservation,
        _requests: Vec<SignedRequest>,
    ) -> BoxFuture<'a, Result<CompactSignature, SignerError>> {
        let signature = self.0.sign_hash_sync(&reservation.digest()).unwrap();
        Box::pin(std::future::ready(Ok(CompactSignature::from(signature))))
    }

    fn sign_halt<'a>(&'a self, _halt: &'a Halt) -> BoxFuture<'a, Result<Bytes, SignerError>> {
        Box::pin(std::future::ready(Err(SignerError::NotWanted("nobody wants here"))))
    }

    fn sign_refill(&self, _: Refill, _: u32, _: u64) -> BoxFuture<'_, Result<SignedRequest, SignerError>> {
        Box::pin(std::future::ready(Err(SignerError::NotWanted("nobody wants here"))))
    }
}

impl TransactionSigner<Permit> for Key {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign<'a>(
        &'a self,
        _transaction: TxEip1559,
        _wanted: &'a Wanted<Permit>,
    ) -> BoxFuture<'a, eyre::Result<TxEnvelope>> {
        Box::pin(std::future::ready(Err(eyre::eyre!("nothing is sent here"))))
    }
}
