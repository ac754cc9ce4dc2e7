//! One seat, put together from its parts.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use eyre::{Context, ensure, eyre};
use ring_contracts::{B256, IRingMultisig::RingView};
use ring_core::{Halt, Message, Record, Settings, State};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backups::Backups,
    chain::{Cursor, Endpoints, Reconciler, Submitter, SubmitterSettings, Watcher, WatcherSettings},
    config::{self, Config, Rpc},
    driver::{self, Driver, Edges, Handle, Outbox, Succession},
    http,
    lease::LeaseWatch,
    metrics::Metrics,
    notify::{self, Deliverer, Subscriber},
    peers::{self, ExpiryWatch, Peers, Versions},
    rebuild,
    refill::Refiller,
    signer::{self, Custody, NextKey, Signer},
    standby::Standby,
    store::{Held, Identity, Location, Store, StoreError},
    traces::{self, Tracer},
};

/// What a running seat stands on: another configuration may change everything else.
#[derive(Clone, Debug)]
pub(crate) struct Footing {
    pub(crate) identity: Identity,
    /// The commitment of the charter under which it takes part.
    pub(crate) charter: B256,
    pub(crate) store: Location,
    /// The addresses at which it listens, which it gives up last.
    pub(crate) listening: Vec<SocketAddr>,
}

/// How long the parts may take to end.
const ENDING: Duration = Duration::from_secs(6);

/// A seat that is configured, has its key, and has seen that its chain is the right one.
pub struct Seat {
    config: Config,
    settings: Settings,
    seat: usize,
    signer: Arc<dyn Signer>,
    endpoints: Endpoints,
    ring: RingView,
    /// The same seat once the ring has changed as it was announced.
    next: Option<Box<Seat>>,
}

/// A seat that does not run any more.
pub(crate) struct Ended {
    /// Its store.
    pub(crate) held: Held,
    /// The seat that goes on, in the next epoch, if nobody told this one to stop.
    pub(crate) successor: Option<Seat>,
}

impl Seat {
    /// Reads the configuration, opens the key, and looks at the chain.
    ///
    /// # Errors
    /// Whatever is wrong with any of them.
    pub async fn load(config_file: &Path) -> eyre::Result<Self> {
        let config = Config::load(config_file)?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let signer = signer::open(&config.signer, config.chain.domain, config.ring.id).await?;
        let next_signer = match &config.next {
            Some(next) if !next.keeps_key => {
                let opened = signer::open(&next.config.signer, config.chain.domain, config.ring.id);
                opened.await.wrap_err("[next.signer]")?
            }
            _ => signer.clone(),
        };
        let chain = &config.chain;
        let endpoints = Endpoints::connect(chain.rpc.iter().map(|rpc| rpc.expose().as_str()), chain.agree).await?;
        endpoints.verify(&chain.domain, chain.finality).await?;
        let ring = endpoints.ring(&chain.domain, config.ring.id).await?;
        ensure!(
            ring.epoch != 0,
            "ring {} does not exist in {}: have the master form it, or correct ring.id",
            config.ring.id,
            config.chain.domain.contract
        );
        for warning in config.evidence.check().await? {
            warn!("{warning}; requests wait until it does");
        }
        let mut seat = Self::of(config, signer, endpoints.clone(), ring.clone())?;
        if let Some(next) = seat.config.next.take() {
            let next = Self::of(next.config, next_signer, endpoints, ring).wrap_err("[next]")?;
            ensure!(
                next.seat == seat.seat,
                "[next] gives this seat's key seat {}, and it has seat {}: keep the order of the seats",
                next.seat,
                seat.seat
            );
            seat.next = Some(Box::new(next));
        }
        Ok(seat)
    }

    fn of(config: Config, signer: Arc<dyn Signer>, endpoints: Endpoints, ring: RingView) -> eyre::Result<Self> {
        let settings = config.settings(signer.address())?;
        let seat = settings.check()?;
        Ok(Self { config, settings, seat, signer, endpoints, ring, next: None })
    }

    /// This seat as it takes part: as it is configured, or as it was announced to be next, if that is what its store
    /// remembers.
    pub(crate) fn remembered(self, succeeded_to: Option<B256>) -> Self {
        match self.next {
            Some(next) if Some(next.settings.charter.commitment()) == succeeded_to => {
                warn!(
                    seat = next.seat,
                    "the ring has become what [next] announces: write that into [ring] and [signer], and delete [next]"
                );
                *next
            }
            _ => self,
        }
    }

    /// This seat as its store remembers it, and the store with all that it needs to go on.
    fn open_store(self) -> eyre::Result<(Self, Store, Vec<Record>)> {
        let held = self.take_store()?;
        let seat = self.remembered(held.succeeded_to()?);
        let (store, records) = held.open(seat.identity())?;
        Ok((seat, store, records))
    }

    fn identity(&self) -> Identity {
        Identity { domain: self.settings.domain, ring: self.settings.ring, key: self.settings.key }
    }

    fn watching(&self) -> WatcherSettings {
        let chain = &self.config.chain;
        WatcherSettings::new(&self.settings, chain.finality, chain.poll, chain.longest_disagreement)
    }

    /// The ring on chain must be the one that the configuration announces.
    fn ensure_announced(&self) -> eyre::Result<()> {
        let announced = self.settings.charter.commitment();
        ensure!(
            self.ring.charter == announced,
            "ring {} has charter {} on chain, and the configuration announces {announced}: compare window, quorum, asset, cap, \
             period, turns_per_period, interval, expires_at, last_nonce and seats of [ring] with `ring-keys ring show`",
            self.settings.ring,
            self.ring.charter,
        );
        Ok(())
    }

    /// Makes the store of a seat that starts for the first time, in the ring's present epoch.
    ///
    /// # Errors
    /// The ring is not the announced one, or there is a store already.
    pub async fn init(&self) -> eyre::Result<()> {
        self.ensure_announced()?;
        let epoch = self.ring.epoch;
        let nonce = self.wait_until_final(epoch).await?;
        let mut store = Store::create(&self.config.store, self.identity())?;
        store.commit(&[Record::Joined { epoch, nonce }])?;
        store.close();
        info!(seat = self.seat, epoch, nonce, store = %self.config.store, "this seat is ready to run");
        Ok(())
    }

    /// Stops a seat whose store was put back from a copy, until the ring is in a later epoch than now.
    ///
    /// # Errors
    /// There is no store, or it cannot be used.
    pub fn restored(self) -> eyre::Result<()> {
        let (seat, mut store, _) = self.open_store()?;
        store.commit(&seat.forgetting())?;
        store.close();
        info!(seat = seat.seat, "{}", seat.memory_lost());
        Ok(())
    }

    /// Makes the store of a seat anew from all that the chain says, and stops the seat until the ring is in a later epoch than
    /// now.
    ///
    /// # Errors
    /// There is a store already, the ring is not the announced one, or the chain cannot be read.
    pub async fn rebuild(&self) -> eyre::Result<()> {
        self.ensure_announced()?;
        let mut store = Store::create(&self.config.store, self.identity())?;
        let records = self.forgetting();
        store.commit(&records)?;
        let state = State::restore(self.settings.clone(), records)?;
        let (endpoints, from_block) = (self.endpoints.clone(), self.config.chain.from_block);
        let requests = rebuild::settle_final(endpoints, self.watching(), from_block, state, &mut store).await?;
        store.close();
        info!(seat = self.seat, requests, "the store knows again which requests were paid; {}", self.memory_lost());
        Ok(())
    }

    /// What a seat writes down that does not know what its key has signed: nothing that was signed up to this epoch counts in a
    /// later one.
    fn forgetting(&self) -> [Record; 2] {
        let (epoch, nonce) = (self.ring.epoch, self.ring.nonce.to());
        [Record::Joined { epoch, nonce }, Record::Halted(self.memory_lost())]
    }

    fn memory_lost(&self) -> Halt {
        Halt::MemoryLost { through: Some(self.ring.epoch) }
    }

    /// Lets a halted seat take part in a new epoch.
    ///
    /// # Errors
    /// The ring is not the announced one, not in that epoch, or halted; or this seat takes part already.
    pub async fn resume(self, epoch: u32) -> eyre::Result<()> {
        let (mut seat, mut store, records) = self.open_store()?;
        let state = State::restore(seat.settings.clone(), records)?;
        // It may have halted before the ring became what was announced.
        let charter = seat.ring.charter;
        let next = seat.next.take_if(|next| next.settings.charter.commitment() == charter);
        let succeeds = next.is_some();
        let seat = next.map_or(seat, |next| *next);
        seat.ensure_announced()?;
        ensure!(
            seat.ring.epoch == epoch,
            "ring {} is in epoch {} on chain, not {epoch}: ask the master which one to take part in",
            seat.settings.ring,
            seat.ring.epoch
        );
        ensure!(!seat.ring.halted, "ring {} is halted on chain: the master has to resume it first", seat.settings.ring);
        match (state.epoch(), state.halt()) {
            (_, Some(halt @ Halt::MemoryLost { through: None })) => return Err(eyre!("{halt}")),
            (Some(current), _) if current == epoch => {
                return Err(eyre!(
                    "this seat takes part in epoch {epoch} already{}: a halt ends with its epoch, so the master has to resume \
                     or re-form the ring first",
                    if state.halt().is_some() { ", and halted in it" } else { "" }
                ));
            }
            (Some(current), _) if current > epoch => {
                return Err(eyre!("this seat has been in epoch {current} already, {epoch} is over"));
            }
            (_, Some(halt)) => info!(%halt, "ending the halt"),
            (_, None) => {}
        }
        let nonce = seat.wait_until_final(epoch).await?;
        let joined = Record::Joined { epoch, nonce };
        match succeeds {
            true => store.succeed(seat.settings.key, &[Record::Succeeded { epoch, nonce, charter }, joined])?,
            false => store.commit(&[joined])?,
        }
        store.close();
        info!(seat = seat.seat, epoch, nonce, "this seat takes part again");
        Ok(())
    }

    /// Waits until it is final that the ring is in this epoch, and returns its first nonce that is not. Where a seat takes part
    /// from must not be reorganised away: it signs nothing before all turns up to there are final.
    async fn wait_until_final(&self, epoch: u32) -> eyre::Result<u64> {
        let mut told = false;
        loop {
            let ring = self.endpoints.final_ring(self.watching()).await?;
            match ring.map(|ring| (ring.epoch, ring.nonce.to())) {
                Some((now, nonce)) if now == epoch => return Ok(nonce),
                Some((now, _)) if now > epoch => {
                    return Err(eyre!("epoch {epoch} is over: the ring is in epoch {now}"));
                }
                _ => {}
            }
            if !std::mem::replace(&mut told, true) {
                info!(epoch, finality = %self.config.chain.finality, "waiting until this epoch is final: nobody signs in it before");
            }
            tokio::time::sleep(self.config.chain.poll).await;
        }
    }

    /// Says what was found.
    pub fn report(&self) -> String {
        let Settings { domain, ring, charter, key, .. } = &self.settings;
        let same = match self.ring.charter == charter.commitment() {
            true => "as announced",
            false => "NOT AS ANNOUNCED: compare [ring] with `ring-keys ring show`",
        };
        format!(
            "seat {} of {} (key {key})\nring {ring} of {} on chain {}: {same}\nepoch {}, nonce {}, {}\nwindow {}, quorum {}\n\
             rpc {}\nstore {}{}",
            self.seat,
            charter.seats.len(),
            domain.contract,
            domain.chain_id,
            self.ring.epoch,
            self.ring.nonce,
            if self.ring.halted { "HALTED" } else { "running" },
            charter.window,
            charter.quorum,
            self.config.chain.rpc.iter().map(Rpc::to_string).collect::<Vec<_>>().join(", "),
            self.config.store,
            match &self.next {
                None => String::new(),
                Some(next) => format!(
                    "\nnext key {}, in a ring with charter {}",
                    next.settings.key,
                    next.settings.charter.commitment()
                ),
            },
        )
    }

    /// Takes hold of its store.
    ///
    /// # Errors
    /// There is none, another process has it, or it cannot be used.
    pub(crate) fn take_store(&self) -> Result<Held, StoreError> {
        Held::take(&self.config.store)
    }

    /// What this seat needs to wait while another process of it works, without the key.
    pub(crate) fn stand_by(self) -> Standby {
        Standby::new(self.seat, self.config.store)
    }

    /// What a seat that runs cannot change.
    pub(crate) fn footing(&self) -> Footing {
        Footing {
            identity: self.identity(),
            charter: self.settings.charter.commitment(),
            store: self.config.store.clone(),
            listening: [self.config.api.listen]
                .into_iter()
                .chain(self.config.peers.as_ref().map(|peers| peers.listen))
                .collect(),
        }
    }

    /// Works until cancelled, or until the ring changes as it was announced, with a store that this process has; gives it
    /// back.
    ///
    /// # Errors
    /// The store failed or was lost, or a part ended that should not.
    pub(crate) async fn run(self, held: Held, metrics: Metrics, cancel: CancellationToken) -> eyre::Result<Ended> {
        let lost = held.lost();
        let (mut store, records) = held.open(self.identity())?;
        store.set_own_seat(self.seat);
        let state = State::restore(self.settings.clone(), records)?;
        if let Some(halt) = state.halt() {
            warn!("this seat is halted and signs nothing: {halt}");
        }
        let api = listen(self.config.api.listen, "api.listen").await?;

        let (handle, commands) = Handle::channel(1_024);
        let deliverers = self.deliverers(&mut store, &handle)?;
        let (views_in, views) = mpsc::channel(4);
        let start = Cursor {
            first_open_nonce: state.first_open_nonce(),
            from_block: state.final_block().unwrap_or(self.config.chain.from_block),
        };
        let (cursor, cursor_out) = watch::channel(start);
        let (wanted, wanted_out) = watch::channel(None);

        let (chain, policy) = (&self.config.chain, &self.config.policy);
        let watcher = Watcher::new(self.endpoints.clone(), self.watching(), cursor_out, views_in);
        let sending = SubmitterSettings {
            min_priority_fee_per_gas: policy.min_priority_fee,
            l1_fee: chain.l1_fee,
            low_balance_turns: policy.low_balance_turns,
            ..SubmitterSettings::new(self.settings.domain, policy.max_fee, chain.poll)
        };
        let submitter = Submitter::new(self.endpoints.clone(), sending, self.signer.clone(), wanted_out);

        let (shortfalls_in, shortfalls) = mpsc::channel(1);
        let unwatched = &policy.unwatched_assets;
        let reconciler =
            Reconciler::new(self.endpoints.clone(), &self.watching(), unwatched, watcher.connection(), shortfalls_in);

        let (connection, sending_out) = (watcher.connection(), submitter.sending());

        let mut parts = JoinSet::new();
        let outbox = self.start_peers(&handle, &mut parts, &cancel).await?;
        let seat_metrics = metrics.seat(&self.settings, self.seat, outbox.clone());
        let backups = self.config.backups.clone().map(|archive| {
            let (handle, metrics) = (handle.clone(), seat_metrics.clone());
            Arc::new(Backups::new(archive, self.settings.ring, self.seat, handle, metrics))
        });
        let setup = http::Setup {
            handle: handle.clone(),
            peers: outbox.clone(),
            chain: watcher.connection(),
            key: self.settings.key,
            custody: Custody::of(&self.config.signer),
            next: self.next.as_ref().map(|next| NextKey::of(&next.settings, &next.config.signer)),
            quorum: self.settings.charter.quorum.into(),
            copies: self.settings.copies,
            backups: backups.clone(),
            metrics,
            tokens: self.config.api.tokens.clone(),
            rate: Some(self.config.api.rate),
            limits: http::Limits::new(self.config.api.accept_timeout),
        };
        let serving = http::serve(api, setup, cancel.clone());
        parts.spawn(async move {
            serving.await;
            Ok(())
        });
        if let Some(collector) = &self.config.traces {
            let source = traces::Source {
                domain: self.settings.domain,
                ring: self.settings.ring,
                seat: self.seat,
                seats: self.settings.charter.seats.len(),
            };
            let tracer = Tracer::new(collector, source, handle.notices());
            let tracer = tracer.map_err(|reason| eyre!("traces.endpoint: {reason}"))?;
            let cancel = cancel.clone();
            parts.spawn(async move {
                tracer.run(cancel).await;
                Ok(())
            });
        }
        if let Some(refilling) = self.config.refill {
            let (endpoints, handle) = (self.endpoints.clone(), handle.clone());
            let refiller = Refiller::new(endpoints, self.signer.clone(), handle, self.settings.ring, refilling);
            let cancel = cancel.clone();
            parts.spawn(async move {
                cancel.run_until_cancelled_owned(refiller.run()).await;
                Ok(())
            });
        }
        let metrics = seat_metrics;
        if let Some(peers) = &self.config.peers {
            let (watch, cancel) = (ExpiryWatch::new(peers, handle.clone(), metrics.clone()), cancel.clone());
            parts.spawn(async move {
                cancel.run_until_cancelled_owned(watch.run()).await;
                Ok(())
            });
        }
        if let Some(backups) = backups {
            let cancel = cancel.clone();
            parts.spawn(async move {
                cancel.run_until_cancelled_owned(backups.run()).await;
                Ok(())
            });
        }
        if let config::Signer::Memory(memory) = &self.config.signer {
            let watch = LeaseWatch::start(memory, handle.clone(), metrics.clone()).await?;
            let cancel = cancel.clone();
            parts.spawn(async move {
                cancel.run_until_cancelled_owned(watch.run()).await;
                Ok(())
            });
        }
        if let Some(config::Signer::Memory(memory)) = self.next.as_ref().map(|next| &next.config.signer) {
            // It is to be there when the ring changes.
            LeaseWatch::serve(memory).await?;
        }
        for deliverer in deliverers {
            let cancel = cancel.clone();
            parts.spawn(async move {
                cancel.run_until_cancelled_owned(deliverer.run()).await;
                Ok(())
            });
        }
        parts.spawn(async move {
            watcher.run().await;
            Ok(())
        });
        parts.spawn(async move {
            reconciler.run().await;
            Ok(())
        });
        parts.spawn(async move {
            submitter.run().await;
            Ok(())
        });
        let edges = Edges {
            commands,
            handle,
            views,
            connection,
            shortfalls,
            sending: sending_out,
            cursor,
            wanted,
            outbox: Box::new(outbox.clone()),
            signer: self.signer,
            sources: self.config.evidence.clone(),
            ledger: self.config.evidence.ledger(),
            workers: tokio::runtime::Handle::current(),
            metrics,
            tick: self.config.policy.tick,
            from_block: self.config.chain.from_block,
        };
        info!(seat = self.seat, key = %self.settings.key, api = %self.config.api.listen, "running");

        let mut driver = spawn_driver(Driver::new(state, store, edges), cancel.clone())?;
        let mut ended = None;
        let outcome = tokio::select! {
            done = &mut driver => done?.map(|done| ended = Some(done)).map_err(eyre::Report::from),
            () = lost.cancelled() => match cancel.is_cancelled() {
                true => Ok(()),
                false => Err(eyre!("the session at the store's database is lost: this process ends, and does nothing more")),
            },
            Some(part) = parts.join_next() => match part? {
                Ok(()) if cancel.is_cancelled() => Ok(()),
                Ok(()) => Err(eyre!("a part of this relayer ended by itself")),
                Err(error) => Err(error),
            },
        };
        cancel.cancel();
        if !driver.is_terminated() {
            ended = Some(driver.await??);
        }
        // Answers that are under way go out.
        let ending = async { while parts.join_next().await.is_some() {} };
        if timeout(ENDING, ending).await.is_err() {
            parts.shutdown().await;
        }
        outcome?;
        let driver::Ended { mut store, succession } =
            ended.ok_or_else(|| eyre!("the driver ended without its store"))?;
        let successor = match succession.zip(self.next) {
            None => None,
            Some((succession, next)) => {
                let Succession { epoch, nonce, charter } = succession;
                store.succeed(next.settings.key, &[Record::Succeeded { epoch, nonce, charter }])?;
                info!(seat = next.seat, epoch, nonce, key = %next.settings.key, "the ring has changed as it was announced");
                Some(*next)
            }
        };
        Ok(Ended { held: store.into_held()?, successor })
    }

    /// What tells the subscribers, from where that was left.
    fn deliverers(&self, store: &mut Store, handle: &Handle) -> Result<Vec<Deliverer>, StoreError> {
        let source = notify::Source { ring: self.settings.ring, seat: self.seat, key: self.settings.key };
        let deliverer = |subscriber: &Subscriber| {
            let place = store.delivered(&subscriber.name)?;
            store.follow_alarms(&subscriber.name, subscriber.subjects.contains(&notify::Subject::Alarm))?;
            Ok(Deliverer::new(subscriber.clone(), source, handle.clone(), notify::Pace::default(), place))
        };
        self.config.subscribers.iter().map(deliverer).collect()
    }

    /// Listens for the other seats and starts talking to them; in a ring of one there are none.
    async fn start_peers(
        &self,
        handle: &Handle,
        parts: &mut JoinSet<eyre::Result<()>>,
        cancel: &CancellationToken,
    ) -> eyre::Result<Peers> {
        let Some(settings) = &self.config.peers else { return Ok(Peers::none()) };
        let listener = listen(settings.listen, "peers.listen").await?;
        let peers = Peers::start(&settings.identity, &settings.seats, Versions::SPOKEN, handle, cancel)?;
        let (settings, handle, cancel) = (settings.clone(), handle.clone(), cancel.clone());
        parts.spawn(async move { Ok(peers::serve(listener, &settings, Versions::SPOKEN, handle, cancel).await?) });
        Ok(peers)
    }
}

/// Runs the driver on a thread of its own: it waits for the disk.
fn spawn_driver(
    driver: Driver,
    cancel: CancellationToken,
) -> eyre::Result<oneshot::Receiver<Result<driver::Ended, StoreError>>> {
    let (done, outcome) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("driver".into()).spawn(move || {
        // If nobody waits for it, the process is ending.
        let _ = done.send(runtime.block_on(driver.run(cancel)));
    })?;
    Ok(outcome)
}

impl Outbox for Peers {
    fn send(&self, to: usize, message: Message) {
        Self::send(self, to, message);
    }
}

async fn listen(address: SocketAddr, field: &str) -> eyre::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .wrap_err_with(|| format!("cannot listen on {address}: free the port, or choose another in {field}"))
}
