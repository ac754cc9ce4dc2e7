//! All seats of a ring, one process each.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::Address;
use eyre::{Result, WrapErr};
use futures::future::{join_all, try_join_all};

use crate::{
    client::{Client, Health},
    custody::Custody,
    deadline,
    keys::KeyFiles,
    programs::Programs,
    seat::{RingSettings, Seat},
};

const INTERVAL: Duration = Duration::from_millis(100);

/// The processes of a ring, in the order of its seats. Dropping this ends them.
#[derive(Debug)]
pub struct RingProcesses {
    relayer: PathBuf,
    folder: PathBuf,
    settings: RingSettings,
    seats: Vec<Seat>,
    /// How many hosts each seat has had.
    hosts: Vec<usize>,
}

impl RingProcesses {
    /// Gives each key a host in `folder`, with certificate, configuration and store. Nothing runs yet.
    ///
    /// # Errors
    /// Something cannot be made.
    pub async fn prepare(relayer: &Path, folder: &Path, settings: RingSettings, keys: &[KeyFiles]) -> Result<Self> {
        let settle = |(index, key): (usize, &KeyFiles)| {
            let (host, log) = places(folder, index, 0);
            let key = key.clone();
            async move { Seat::settle(relayer, index, &host, &log, &key).await }
        };
        let seats = try_join_all(keys.iter().enumerate().map(settle)).await?;
        let hosts = vec![0; seats.len()];
        let ring = Self { relayer: relayer.to_owned(), folder: folder.to_owned(), settings, seats, hosts };
        ring.configure()?;
        try_join_all(ring.seats.iter().map(Seat::init)).await?;
        Ok(ring)
    }

    /// What all seats are told.
    pub fn settings(&self) -> &RingSettings {
        &self.settings
    }

    /// The seats.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// One seat, to start or stop it.
    ///
    /// # Panics
    /// There is no such seat.
    pub fn seat(&mut self, index: usize) -> &mut Seat {
        &mut self.seats[index]
    }

    /// A client of each seat.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn clients(&self) -> Result<Vec<Client>> {
        self.seats.iter().map(Seat::client).collect()
    }

    /// Writes the configuration of every seat anew; each reads it at its next start.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn configure(&self) -> Result<()> {
        self.seats.iter().try_for_each(|seat| seat.configure(&self.settings, &self.seats))
    }

    /// Changes what all seats are told, from their next start on.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut RingSettings)) -> Result<()> {
        change(&mut self.settings);
        self.configure()
    }

    /// Has the seats hold their keys in these ways, one after the other around the ring, from their next start on.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub async fn keep_keys(&mut self, ways: &[Custody], programs: &Programs) -> Result<()> {
        for (seat, custody) in self.seats.iter_mut().zip(ways.iter().cycle()) {
            let kept = seat.keep_key(*custody, programs, &self.settings).await;
            kept.wrap_err_with(|| format!("the key of seat {}", seat.index()))?;
        }
        self.configure()
    }

    /// Starts every seat that does not run.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(&mut self) -> Result<()> {
        for seat in &mut self.seats {
            if seat.process().is_none_or(|process| process.exit_status().is_some()) {
                seat.start()?;
            }
        }
        Ok(())
    }

    /// Starts every seat again whose process has ended, as a service manager would. Returns which those were.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn revive(&mut self) -> Result<Vec<usize>> {
        let has_ended = |seat: &mut Seat| seat.process().is_some_and(|process| process.exit_status().is_some());
        let ended: Vec<usize> = (0..self.seats.len()).filter(|index| has_ended(&mut self.seats[*index])).collect();
        ended.iter().try_for_each(|index| self.seats[*index].start())?;
        Ok(ended)
    }

    /// Stops every seat.
    pub async fn stop(&mut self) {
        join_all(self.seats.iter_mut().map(Seat::stop)).await;
    }

    /// Moves a seat to a new host with a new key: what was on the old host stays there. Configure and `init` it afterwards.
    ///
    /// # Errors
    /// The host cannot be made.
    pub async fn rehost(&mut self, index: usize, key: &KeyFiles) -> Result<()> {
        self.seats[index].stop().await;
        self.hosts[index] += 1;
        let (host, log) = places(&self.folder, index, self.hosts[index]);
        self.seats[index] = Seat::settle(&self.relayer, index, &host, &log, key).await?;
        self.settings.charter.seats[index] = key.address;
        Ok(())
    }

    /// The address of each seat's key, in order.
    pub fn addresses(&self) -> Vec<Address> {
        self.seats.iter().map(|seat| seat.key().address).collect()
    }

    /// Waits until every seat works.
    ///
    /// # Errors
    /// A process ended, or one does not work in time; the error has its last words.
    pub async fn wait_ready(&mut self, patience: Duration) -> Result<()> {
        self.wait("every seat works", patience, false, |health| health.ready).await.map(|_| ())
    }

    /// Waits until every seat has halted by itself. One whose process ends is started again: a halt outlives that.
    ///
    /// # Errors
    /// One does not halt in time.
    pub async fn wait_halted(&mut self, patience: Duration) -> Result<Vec<Health>> {
        self.wait("every seat has halted", patience, true, |health| health.halted.is_some()).await
    }

    async fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        revive: bool,
        holds: fn(&Health) -> bool,
    ) -> Result<Vec<Health>> {
        let clients = self.clients()?;
        let mut missing = Vec::new();
        let waited = deadline::poll(what, patience, INTERVAL, async || {
            if revive {
                self.revive()?;
            }
            for seat in &mut self.seats {
                seat.process().map_or(Ok(()), |process| process.check_running())?;
            }
            let answers = join_all(clients.iter().map(Client::health)).await;
            let is_missing = |index: &usize| !answers[*index].as_ref().is_ok_and(holds);
            missing = (0..answers.len()).filter(is_missing).collect();
            Ok(missing.is_empty().then(|| answers.into_iter().flatten().collect()))
        })
        .await;
        waited.wrap_err_with(|| {
            let last = |index: &usize| {
                let words = self.seats[*index].process().map(|process| process.last_words()).unwrap_or_default();
                format!("seat {index} does not; its log ends with:\n{words}")
            };
            missing.iter().map(last).collect::<Vec<_>>().join("\n")
        })
    }
}

fn places(folder: &Path, index: usize, host: usize) -> (PathBuf, PathBuf) {
    let name = match host {
        0 => format!("seat-{index}"),
        again => format!("seat-{index}-host-{}", again + 1),
    };
    (folder.join(&name), folder.join(format!("{name}.log")))
}
