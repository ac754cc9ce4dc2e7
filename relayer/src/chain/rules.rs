//! Which calls a ring may make.

use futures::try_join;
use ring_contracts::{Address, Permissions, RingMultisig};

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
    watcher::WatcherSettings,
};

/// After how many blocks rules are read again though no event has told of a change: some RPCs have a block before its events.
const MOST_BLOCKS: u64 = 32;

/// What the master lets a ring do. Whatever changes it is an event of the contract.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) permissions: Permissions,
    /// Whom no ring calls, whatever was permitted.
    pub(super) master: Address,
    /// The number of the block they were read in.
    read_in: u64,
}

impl Rules {
    /// Whether they need not be read again at this head, unless an event tells of a change.
    pub(super) fn is_recent(&self, head: Header) -> bool {
        (self.read_in..self.read_in.saturating_add(MOST_BLOCKS)).contains(&head.number)
    }
}

/// Reads them as of `head`.
pub(super) async fn read(rpc: &Rpc, settings: &WatcherSettings, head: Header) -> Result<Rules, Fault> {
    let contract = settings.domain.contract;
    let permissions = RingMultisig::getPermissionsCall { ringId: settings.ring };
    let (permissions, master) = try_join!(
        rpc.view(contract, &permissions, head.hash),
        rpc.view(contract, &RingMultisig::masterCall {}, head.hash),
    )?;
    Ok(Rules {
        permissions: Permissions::new(permissions.unwrap_or_default().into_iter().map(Into::into)),
        master: master.unwrap_or_default(),
        read_in: head.number,
    })
}
