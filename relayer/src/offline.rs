//! What is done with the store of a seat whose process does not run.

use std::path::Path;

use ring_core::State;

use crate::{
    config::Config,
    store::{Held, Identity, Store},
};

/// Reads the whole store, and returns how many records it has.
///
/// # Errors
/// The configuration or store cannot be read; a record is damaged.
pub fn check_store(config_file: &Path) -> eyre::Result<i64> {
    Ok(open(config_file)?.1.verify()?)
}

/// Copies the store into a new file, which halts whatever seat is started from it, and returns how many records it has.
///
/// # Errors
/// As [`check_store`]; the file is there already, or cannot be written.
pub fn backup(config_file: &Path, out: &Path) -> eyre::Result<i64> {
    let (_, store, _) = open(config_file)?;
    Ok(store.snapshot()?.copy_to(out)?)
}

/// The configuration, the store, and the state in it. Its key is not asked for: it may be what cannot be reached.
pub(crate) fn open(config_file: &Path) -> eyre::Result<(Config, Store, State)> {
    let config = Config::load(config_file)?;
    let held = Held::take(&config.store)?;
    let config = config.remembered(held.succeeded_to()?);
    let settings = config.settings_by_peers()?;
    let identity = Identity { domain: settings.domain, ring: settings.ring, key: settings.key };
    let (store, records) = held.open(identity)?;
    let state = State::restore(settings, records)?;
    Ok((config, store, state))
}
