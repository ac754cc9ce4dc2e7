//! What the chain alone says, into a store that has nothing yet.

use eyre::eyre;
use ring_core::{Event, Past, Record, State};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::{
    chain::{Cursor, Endpoints, Watcher, WatcherSettings},
    store::Store,
};

/// Reads all turns that are final, from that block on, writes down which requests ended with them, and returns how many did.
/// RPCs that do not answer are waited for.
pub(crate) async fn settle_final(
    endpoints: Endpoints,
    settings: WatcherSettings,
    from_block: u64,
    mut state: State,
    store: &mut Store,
) -> eyre::Result<usize> {
    let (_cursor, cursor) = watch::channel(Cursor { first_open_nonce: state.first_open_nonce(), from_block });
    let (views_in, mut views) = mpsc::channel(1);
    info!(from_block, "reading every turn of the ring");
    let watching = tokio::spawn(Watcher::new(endpoints, settings, cursor, views_in).run());
    let view = views.recv().await.ok_or_else(|| eyre!("the chain could not be followed: try again"))?;
    watching.abort();
    let records = state.step([Event::Chain(view)], &Past::new()).records;
    store.commit(&records)?;
    Ok(records.iter().map(Record::ends).map(|ends| ends.len()).sum())
}
