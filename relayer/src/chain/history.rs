//! The turns that were executed, from the logs of the contract.

use std::collections::BTreeMap;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::Address,
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};
use ring_contracts::{RequestId, RingMultisig, TurnId};
use ring_core::ObservedTurn;

use super::{
    fault::Fault,
    rpc::{Header, Rpc},
};

const ID_LENGTH: usize = RequestId::len_bytes();

/// Reads turns. What is final is read once and kept.
#[derive(Debug)]
pub(super) struct History {
    contract: Address,
    ring: u32,
    /// The most blocks that are asked for at once.
    most_blocks: u64,
    /// How many blocks are asked for now: RPCs refuse ranges that are too long for them.
    chunk: u64,
    kept: Option<Kept>,
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

type Turns = BTreeMap<u64, ObservedTurn>;

impl History {
    pub(super) fn new(contract: Address, ring: u32, most_blocks: u64) -> Self {
        let most_blocks = most_blocks.max(1);
        Self { contract, ring, most_blocks, chunk: most_blocks, kept: None }
    }

    /// All turns from nonce `first` on that the blocks from `from` to `head` hold. They are as of `head` only if it is
    /// still in the chain afterwards.
    pub(super) async fn read(
        &mut self,
        rpc: &Rpc,
        (first, from): (u64, u64),
        finalized: Header,
        head: Header,
    ) -> Result<Turns, Fault> {
        let mut kept = self.take_kept(rpc, from, finalized).await?;
        kept.turns.retain(|nonce, _| *nonce >= first);
        kept.next = kept.next.max(from);
        while kept.next <= finalized.number {
            let (turns, end) = match self.read_chunk(rpc, kept.next, finalized.number, head).await {
                Ok(read) => read,
                Err(fault) => {
                    // What was read before stays read, or a long history would never be.
                    self.kept = Some(kept);
                    return Err(fault);
                }
            };
            kept.next = end + 1;
            add(&mut kept.turns, turns, first)?;
        }
        let mut all = kept.turns.clone();
        let mut next = kept.next;
        self.kept = Some(kept);
        while next <= head.number {
            let (turns, end) = self.read_chunk(rpc, next, head.number, head).await?;
            next = end + 1;
            add(&mut all, turns, first)?;
        }
        Ok(all)
    }

    /// Forgets what was kept: something about it is wrong.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    async fn take_kept(&mut self, rpc: &Rpc, from: u64, finalized: Header) -> Result<Kept, Fault> {
        if let Some(kept) = &self.kept
            && kept.start <= from
            && kept.anchor.number <= finalized.number
        {
            let known = rpc.header(BlockNumberOrTag::Number(kept.anchor.number)).await?;
            if known.is_some_and(|header| header.hash == kept.anchor.hash)
                && let Some(kept) = self.kept.take()
            {
                return Ok(Kept { anchor: finalized, ..kept });
            }
        }
        Ok(Kept { start: from, next: from, anchor: finalized, turns: Turns::new() })
    }

    /// The turns of as many blocks from `start` on as the RPC gives at once, and the last of these blocks.
    async fn read_chunk(&mut self, rpc: &Rpc, start: u64, last: u64, head: Header) -> Result<(Turns, u64), Fault> {
        loop {
            let end = last.min(start.saturating_add(self.chunk - 1));
            // The ring is no topic of a turn, so those of all rings come along.
            let filter = Filter::new()
                .address(self.contract)
                .event_signature(vec![
                    RingMultisig::TurnExecuted::SIGNATURE_HASH,
                    RingMultisig::CallFailed::SIGNATURE_HASH,
                ])
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
            let malformed = |error: alloy::sol_types::Error| Fault::Malformed(error.to_string());
            match log.topic0() {
                Some(&RingMultisig::TurnExecuted::SIGNATURE_HASH) => {
                    let event = RingMultisig::TurnExecuted::decode_log(&log.inner).map_err(malformed)?;
                    let id = TurnId::unpack(event.id)
                        .ok_or_else(|| Fault::Malformed(format!("{:#x} is no id of a turn", event.id)))?;
                    if id.ring != self.ring {
                        continue;
                    }
                    let turn = ObservedTurn {
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
                    let event = RingMultisig::CallFailed::decode_log(&log.inner).map_err(malformed)?;
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

fn add(turns: &mut Turns, more: Turns, first: u64) -> Result<(), Fault> {
    more.into_values().filter(|turn| turn.nonce >= first).try_for_each(|turn| insert(turns, turn))
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
