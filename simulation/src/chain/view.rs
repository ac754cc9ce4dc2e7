//! What a seat's RPC answers, put together as the relayer's watcher does, and refused where it refuses.

use ring_contracts::Charter;
use ring_core::{Block, ChainView, ObservedTurn};

use super::block::{Mined, ancestor, turns_since};
use std::rc::Rc;

/// From where on turns are reported, as a seat's state says.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The first nonce that is not final.
    pub first_open_nonce: u64,
    /// The block of the last final turn.
    pub from_block: u64,
}

/// What was final once, as far as a watcher saw: turns below `nonce`, at block `block` at the latest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    nonce: u64,
    block: u64,
}

/// Why a watcher reports nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Turns, state and final state tell different stories.
    Inconsistent,
    /// The RPC has not come to what was final before.
    Behind,
}

/// How an RPC distorts what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Leaves the last turn out.
    MissingTurn,
    /// Says a nonce that is too high by one.
    WrongNonce,
    /// Says a final nonce that is too high by one.
    WrongFinalNonce,
}

/// What a watcher with this charter and cursor makes of a head.
///
/// # Errors
/// `Unusable`.
pub fn look(
    head: &Rc<Mined>,
    depth: u64,
    charter: &Charter,
    cursor: Cursor,
    floor: &mut Floor,
    lie: Option<Lie>,
) -> Result<ChainView, Unusable> {
    let finalized = ancestor(head, head.block.number.saturating_sub(depth));
    let mut turns = turns_since(head, cursor.from_block);
    turns.retain(|turn| turn.nonce >= cursor.first_open_nonce);
    let ring = &head.facts.ring;
    let (mut nonce, mut final_nonce) = (ring.nonce.to::<u64>(), finalized.facts.ring.nonce.to::<u64>());
    match lie {
        Some(Lie::MissingTurn) => {
            turns.pop();
        }
        Some(Lie::WrongNonce) => nonce += 1,
        Some(Lie::WrongFinalNonce) => final_nonce += 1,
        None => {}
    }
    let final_epoch = finalized.facts.ring.epoch;
    if final_epoch > ring.epoch || !agrees(&turns, nonce, final_nonce, finalized.block, cursor) {
        return Err(Unusable::Inconsistent);
    }
    let given = Floor { nonce: cursor.first_open_nonce, block: cursor.from_block };
    let behind = |floor: &Floor| final_nonce < floor.nonce && finalized.block.number < floor.block;
    if behind(&given) || behind(floor) {
        return Err(Unusable::Behind);
    }
    if final_nonce > floor.nonce {
        *floor = Floor { nonce: final_nonce, block: finalized.block.number };
    }
    Ok(ChainView {
        head: head.block,
        finalized: finalized.block,
        nonce,
        epoch: ring.epoch,
        halted: ring.halted,
        charter: ring.charter,
        final_nonce,
        final_epoch,
        turns,
        allowances: head.facts.allowances(charter, head.token, head.block.time).into_iter().collect(),
        permissions: head.facts.permissions.clone(),
        master: head.facts.master,
        earliest: head.facts.earliest(charter, head.block.time),
    })
}

/// Whether turns, state and final state tell the same story.
fn agrees(turns: &[ObservedTurn], nonce: u64, final_nonce: u64, finalized: Block, cursor: Cursor) -> bool {
    let first = cursor.first_open_nonce;
    let all = turns.iter().map(|turn| turn.nonce);
    let finals = turns.iter().filter(|turn| turn.block <= finalized.number).map(|turn| turn.nonce);
    final_nonce <= nonce && all.eq(first..nonce) && finals.eq(first..final_nonce)
}
