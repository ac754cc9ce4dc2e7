//! The turns that a block executed, from the logs of the contract.

use alloy::{primitives::Log, sol_types::SolEvent};
use ring_contracts::{Address, B256, RequestId, RingMultisig, TurnId};
use ring_core::ObservedTurn;

/// The turns in the logs of one transaction.
///
/// # Panics
/// A log of the contract is malformed.
pub(super) fn turns_of(logs: &[Log], contract: Address, transaction: B256, block: u64) -> Vec<(TurnId, ObservedTurn)> {
    let mut turns: Vec<(TurnId, ObservedTurn)> = Vec::new();
    for log in logs.iter().filter(|log| log.address == contract) {
        if let Ok(event) = RingMultisig::TurnExecuted::decode_log(log) {
            let id = TurnId::unpack(event.id)
                .unwrap_or_else(|| unreachable!("the contract wrote {:#x} for the id of a turn", event.id));
            let requests = event.requestIds.chunks_exact(RequestId::len_bytes()).map(RequestId::from_slice).collect();
            let turn = ObservedTurn {
                epoch: id.epoch,
                nonce: id.nonce,
                digest: event.digest,
                requests,
                failed: Vec::new(),
                transaction,
                block,
            };
            turns.push((id, turn));
        } else if let Ok(event) = RingMultisig::CallFailed::decode_log(log)
            && let Some((_, turn)) = turns.last_mut()
        {
            turn.failed.push(event.requestId);
        }
    }
    turns
}
