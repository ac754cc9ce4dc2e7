//! The turns that were executed, from the logs of the contract.

use std::collections::BTreeMap;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use futures::{future::try_join_all, join};
use ring_contracts::{RequestId, RingMultisig, TurnId};
use ring_core::ObservedTurn;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
};

/// The events that tell of turns.
const TURN_EVENTS: [B256; 2] = [RingMultisig::TurnExecuted::SIGNATURE_HASH, RingMultisig::CallFailed::SIGNATURE_HASH];
const ID_LENGTH: usize = RequestId::len_bytes();

/// Reads turns. What is final is read once and kept; where it is known which blocks follow the last head, only their logs are
/// read.
#[derive(Debug)]
pub(super) struct History {
    pieces: Pieces,
    kept: Option<Kept>,
    recent: Option<Recent>,
}

/// Which events of the contract the logs since the last head hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// None but those of turns.
    OnlyTurns,
    /// Others, or it is not known which.
    Unknown,
}

/// The turns of final blocks.
#[derive(Debug)]
struct Kept {
    /// The first block read.
    start: u64,
    /// The first block not read.
    next: u64,
    /// A final block at or after all that were read. If the chain no longer has it, nothing kept is worth anything.
    anchor: Header,
    turns: Turns,
}

/// The turns that are not final yet.
#[derive(Debug)]
struct Recent {
    /// The last head.
    head: Header,
    /// Whether the RPC was asked for its logs, and gave them.
    by_hash: bool,
    turns: Turns,
}

impl Recent {
    fn is_followed_by(&self, new: &[Header]) -> bool {
        new.first().is_some_and(|block| block.parent == self.head.hash)
    }
}

type Turns = BTreeMap<u64, ObservedTurn>;

impl History {
    pub(super) fn new(contract: Address, ring: u32, most_blocks: u64) -> Self {
        let most_blocks = most_blocks.max(1);
        Self { pieces: Pieces { contract, ring, most_blocks, chunk: most_blocks }, kept: None, recent: None }
    }

    /// Whether these blocks follow the last head.
    pub(super) fn is_followed_by(&self, new: &[Header]) -> bool {
        self.recent.as_ref().is_some_and(|recent| recent.is_followed_by(new))
    }

    /// Whether these blocks follow the last head, and the RPC can be expected to tell which events they bring: it did the last
    /// time.
    pub(super) fn tells_of(&self, new: &[Header]) -> bool {
        self.recent.as_ref().is_some_and(|recent| recent.is_followed_by(new) && recent.by_hash)
    }

    /// All turns from nonce `first` on that the blocks from `from` to `head` hold, as of `head`. `new`: the blocks since the
    /// last head, up to this one, if they are known. Dropped midway, it goes on from there the next time, or a long history
    /// would never be read.
    pub(super) async fn read(
        &mut self,
        rpc: &Rpc,
        (first, from): (u64, u64),
        new: &[Header],
        finalized: Header,
        head: Header,
    ) -> Result<(Turns, Extent), Fault> {
        self.kept.take_if(|kept| kept.start > from || kept.anchor.number > finalized.number);
        let recent = self.recent.take().filter(|recent| recent.is_followed_by(new) && self.kept.is_some());
        if let Some(Recent { mut turns, .. }) = recent {
            match try_join_all(new.iter().map(|block| self.pieces.read_block(rpc, *block))).await {
                Ok(blocks) => {
                    let only_turns = blocks.iter().all(|(_, extent)| *extent == Extent::OnlyTurns);
                    let mut turns_of_blocks = blocks.into_iter().flat_map(|(turns, _)| turns.into_values());
                    turns_of_blocks.try_for_each(|turn| insert(&mut turns, turn))?;
                    let extent = if only_turns { Extent::OnlyTurns } else { Extent::Unknown };
                    return Ok((self.take_in((turns, true), first, finalized, head)?, extent));
                }
                // Not all RPCs take the hash of a block here.
                Err(Fault::Refused { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        let recent = self.read_range(rpc, (first, from), finalized, head).await?;
        // It was read by numbers: only now is it known to belong to this head.
        rpc.check_in_chain(head).await?;
        Ok((self.take_in((recent, false), first, finalized, head)?, Extent::Unknown))
    }

    /// Reads and keeps what is final, and returns what is not.
    async fn read_range(
        &mut self,
        rpc: &Rpc,
        (first, from): (u64, u64),
        finalized: Header,
        head: Header,
    ) -> Result<Turns, Fault> {
        let fresh = || Kept { start: from, next: from, anchor: finalized, turns: Turns::new() };
        let kept = self.kept.get_or_insert_with(fresh);
        let anchored = is_in_chain(rpc, kept.anchor, finalized);
        let (anchored, mut piece) = join!(anchored, self.pieces.read(rpc, kept.next.max(from), head));
        if !anchored? {
            *kept = fresh();
            piece = self.pieces.read(rpc, from, head).await;
        }
        kept.anchor = finalized;
        kept.next = kept.next.max(from);
        let mut recent = Turns::new();
        loop {
            let (turns, end) = piece?;
            for turn in turns.into_values().filter(|turn| turn.nonce >= first) {
                let is_final = turn.block <= finalized.number;
                insert(if is_final { &mut kept.turns } else { &mut recent }, turn)?;
            }
            kept.next = kept.next.max(end.min(finalized.number) + 1);
            if end >= head.number {
                return Ok(recent);
            }
            piece = self.pieces.read(rpc, end + 1, head).await;
        }
    }

    /// Keeps what has become final of the turns that were not, remembers the others for the next head, and returns all.
    fn take_in(
        &mut self,
        (recent, by_hash): (Turns, bool),
        first: u64,
        finalized: Header,
        head: Header,
    ) -> Result<Turns, Fault> {
        let Some(kept) = &mut self.kept else { return Ok(recent) };
        let (done, open): (Turns, Turns) = recent.into_iter().partition(|(_, turn)| turn.block <= finalized.number);
        done.into_values().try_for_each(|turn| insert(&mut kept.turns, turn))?;
        (kept.anchor, kept.next) = (finalized, kept.next.max(finalized.number + 1));
        kept.turns.retain(|nonce, _| *nonce >= first);
        let mut all = kept.turns.clone();
        open.values().cloned().try_for_each(|turn| insert(&mut all, turn))?;
        all.retain(|nonce, _| *nonce >= first);
        self.recent = Some(Recent { head, by_hash, turns: open });
        Ok(all)
    }

    /// Forgets what was kept: something about it is wrong.
    pub(super) fn forget(&mut self) {
        (self.kept, self.recent) = (None, None);
    }
}

/// Whether the chain that has `finalized` has this block, too.
async fn is_in_chain(rpc: &Rpc, block: Header, finalized: Header) -> Result<bool, Fault> {
    if block.hash == finalized.hash {
        return Ok(true);
    }
    let known = rpc.header(BlockNumberOrTag::Number(block.number)).await?;
    Ok(known.is_some_and(|known| known.hash == block.hash))
}

/// Reads logs in pieces that the RPC can cope with.
#[derive(Debug)]
struct Pieces {
    contract: Address,
    ring: u32,
    /// The most blocks that are asked for at once.
    most_blocks: u64,
    /// How many blocks are asked for now: RPCs refuse ranges that are too long for them.
    chunk: u64,
}

impl Pieces {
    /// The turns of as many blocks from `start` up to `head` as the RPC gives at once, and the last of these blocks.
    async fn read(&mut self, rpc: &Rpc, start: u64, head: Header) -> Result<(Turns, u64), Fault> {
        if start > head.number {
            return Ok((Turns::new(), head.number));
        }
        loop {
            let end = head.number.min(start.saturating_add(self.chunk - 1));
            // The ring is no topic of a turn, so those of all rings come along.
            let filter = Filter::new()
                .address(self.contract)
                .event_signature(TURN_EVENTS.to_vec())
                .from_block(start)
                .to_block(end);
            match rpc.logs(&filter).await {
                Ok(logs) => {
                    // Twice as much again, bit by bit: one bad answer must not slow everything down for ever.
                    self.chunk = self.chunk.saturating_mul(2).min(self.most_blocks);
                    return Ok((self.turns_of(&logs, start..=end, head)?, end));
                }
                // RPCs limit the range or the size of the answer, and have no common code for saying so.
                Err(Fault::Refused { .. } | Fault::TimedOut(_) | Fault::Malformed(_)) if end > start => {
                    self.chunk = (end - start).div_ceil(2);
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// The turns of one block, and whether there are other events of the contract in it.
    async fn read_block(&self, rpc: &Rpc, block: Header) -> Result<(Turns, Extent), Fault> {
        let logs = rpc.logs(&Filter::new().address(self.contract).at_block_hash(block.hash)).await?;
        if logs.iter().any(|log| log.block_hash != Some(block.hash)) {
            return Err(Fault::Malformed(format!("a log is not of block {}, which was asked for", block.number)));
        }
        let is_of_turn = |log: &Log| log.topic0().is_some_and(|topic| TURN_EVENTS.contains(topic));
        let (of_turns, others): (Vec<Log>, Vec<Log>) = logs.into_iter().partition(is_of_turn);
        let extent = if others.is_empty() { Extent::OnlyTurns } else { Extent::Unknown };
        Ok((self.turns_of(&of_turns, block.number..=block.number, block)?, extent))
    }

    fn turns_of(&self, logs: &[Log], blocks: std::ops::RangeInclusive<u64>, head: Header) -> Result<Turns, Fault> {
        let mut turns = Turns::new();
        let mut failures = Vec::new();
        for log in logs {
            let (Some(block), Some(hash), Some(transaction)) = (log.block_number, log.block_hash, log.transaction_hash)
            else {
                return Err(Fault::Malformed("a log has no block or transaction".into()));
            };
            if log.removed || log.address() != self.contract || !blocks.contains(&block) {
                return Err(Fault::Malformed(format!("a log of block {block} is not one that was asked for")));
            }
            if block == head.number && hash != head.hash {
                return Err(Fault::Reorganised(block));
            }
            match log.topic0() {
                Some(&RingMultisig::TurnExecuted::SIGNATURE_HASH) => {
                    let event: RingMultisig::TurnExecuted = decode(log)?;
                    let id = TurnId::unpack(event.id)
                        .ok_or_else(|| Fault::Malformed(format!("{:#x} is no id of a turn", event.id)))?;
                    if id.ring != self.ring {
                        continue;
                    }
                    let turn = ObservedTurn {
                        epoch: id.epoch,
                        nonce: id.nonce,
                        digest: event.digest,
                        requests: request_ids(&event.requestIds)?,
                        failed: Vec::new(),
                        transaction,
                        block,
                    };
                    insert(&mut turns, turn)?;
                }
                Some(&RingMultisig::CallFailed::SIGNATURE_HASH) => {
                    let event: RingMultisig::CallFailed = decode(log)?;
                    if event.ring == self.ring {
                        failures.push((event.nonce.to::<u64>(), transaction, event.requestId));
                    }
                }
                _ => return Err(Fault::Malformed("a log is not of an event that was asked for".into())),
            }
        }
        for (nonce, transaction, id) in failures {
            let turn = turns.get_mut(&nonce).filter(|turn| turn.transaction == transaction);
            let Some(turn) = turn.filter(|turn| turn.requests.contains(&id)) else {
                return Err(Fault::Inconsistent(format!(
                    "a call of turn {nonce} failed, but the turn was not executed"
                )));
            };
            turn.failed.push(id);
        }
        Ok(turns)
    }
}

/// The event that a log is, word for word. The decoder alone would follow an offset anywhere and pass over what is left, so
/// that two logs, or two readers of one, could tell different turns.
fn decode<Event: SolEvent>(log: &Log) -> Result<Event, Fault> {
    let event = Event::decode_log_data(&log.inner.data).map_err(|error| Fault::Malformed(error.to_string()))?;
    match event.encode_log_data() == log.inner.data {
        true => Ok(event),
        false => Err(Fault::Malformed("a log is not encoded as the contract encodes it".into())),
    }
}

fn insert(turns: &mut Turns, turn: ObservedTurn) -> Result<(), Fault> {
    let nonce = turn.nonce;
    match turns.insert(nonce, turn) {
        None => Ok(()),
        Some(_) => Err(Fault::Inconsistent(format!("turn {nonce} was executed twice"))),
    }
}

fn request_ids(packed: &[u8]) -> Result<Vec<RequestId>, Fault> {
    let ids = packed.chunks_exact(ID_LENGTH);
    match ids.remainder() {
        [] => Ok(ids.map(RequestId::from_slice).collect()),
        _ => Err(Fault::Malformed(format!("{} bytes are not request ids", packed.len()))),
    }
}

#[cfg(test)]
mod tests;
