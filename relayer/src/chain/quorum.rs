//! What enough RPCs agree on.
//!
//! ```text
//!  tips ──▶ head       the highest block that enough of them have, by its hash
//!       ──▶ finalized  the highest that enough of them call final; every RPC has the same block at a height that it shares
//!       ──▶ view       each reads all of it by itself: one view, or a disagreement
//! ```
//!
//! An RPC that does not answer, that is behind or that contradicts itself has no say; the others do. Two that contradict
//! each other leave nobody to believe: there is no view until they stop, however many others there are.

use std::{collections::VecDeque, fmt::Debug, time::Duration};

use alloy::{eips::BlockNumberOrTag, primitives::B256};
use futures::{
    StreamExt as _,
    future::{Either, OptionFuture},
    stream::FuturesUnordered,
    try_join,
};
use ring_contracts::{Domain, IRingMultisig::RingView, RingMultisig};
use ring_core::ChainView;

use super::{
    allowance::Funds,
    connection::Endpoints,
    disagreement::{self, Contradiction},
    endpoint::Endpoint,
    fault::Fault,
    finality::Finality,
    heads::Told,
    line::{self, Line},
    rpc::{Header, Rpc},
    view::{Known, Seen, Standing, Viewer},
    watcher::{Cursor, WatcherSettings},
};

/// How long the others are waited for once enough RPCs have answered.
const GRACE: Duration = Duration::from_millis(500);
/// How many blocks below their heads RPCs may be on different ones: forks that are not final are hardly ever longer.
const LONGEST_FORK: u64 = 8;
/// The most new blocks whose logs are read one by one; more are read at once, with all that may have changed.
const MOST_NEW: usize = 16;

/// Looks at the chain through all RPCs.
#[derive(Debug)]
pub(super) struct Quorum {
    endpoints: Endpoints,
    /// One for each RPC, in the same order: what one has read is not believed of another.
    viewers: Vec<Viewer>,
    settings: WatcherSettings,
    /// The head of the last view.
    seen: Option<Header>,
    line: Line,
    standings: Standings,
    /// What there was to spend in the last view.
    funds: Option<Funds>,
    /// The most that a view showed to be final.
    floor: Floor,
}

/// What was final once: turns below `nonce`, at block `block` at the latest.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    nonce: u64,
    block: u64,
}

/// How the ring stood in the last blocks that enough RPCs agreed on, by their hashes. What was agreed on of a head holds when
/// that is final.
#[derive(Debug, Default)]
struct Standings(VecDeque<(B256, Standing)>);

impl Standings {
    fn of(&self, block: B256) -> Option<Standing> {
        self.0.iter().rev().find(|(known, _)| *known == block).map(|(_, standing)| *standing)
    }

    fn note(&mut self, block: B256, standing: Standing) {
        if self.of(block).is_some() {
            return;
        }
        if self.0.len() == line::REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((block, standing));
    }
}

/// How far an RPC is.
#[derive(Clone, Copy, Debug)]
struct Tip {
    /// Which RPC.
    place: usize,
    head: Header,
    /// What it calls final. `None`: it was not asked, because its head was seen or because only depth counts.
    finalized: Option<Header>,
}

/// Answers, by the place of the RPC.
type Answers<T> = Vec<(usize, T)>;

impl Quorum {
    pub(super) fn new(endpoints: Endpoints, settings: WatcherSettings) -> Self {
        let viewers = endpoints.all().iter().map(|endpoint| Viewer::new(endpoint.rpc().clone(), settings.clone()));
        let viewers = viewers.collect();
        let (line, standings, floor) = (Line::default(), Standings::default(), Floor::default());
        Self { endpoints, viewers, settings, seen: None, line, standings, funds: None, floor }
    }

    /// The chain as of its head, or `None` if that is the head of the last view. `told`: there is probably a new head, perhaps
    /// this one, so whatever it takes is asked at once.
    pub(super) async fn look(&mut self, cursor: Cursor, told: Option<&Told>) -> Result<Option<ChainView>, Fault> {
        let tips = self.tips(told).await?;
        let (head, members) = common_head(&self.endpoints, &tips).await?;
        if self.seen.is_some_and(|seen| seen.hash == head.hash) {
            return Ok(None);
        }
        self.check_not_going_back(&tips, head).await?;
        let new = self.new_blocks(told, &members, head);
        new.iter().filter(|block| **block != head).for_each(|block| self.line.note(*block));
        let (finalized, members) = self.finalized(&tips, members, head).await?;
        let seen = self.view(cursor, &members, &new, head, finalized).await;
        if matches!(seen, Err(Fault::Disagreement(_))) {
            // Perhaps one of them did not tell of a change in time.
            self.viewers.iter_mut().for_each(Viewer::forget_rules);
            self.funds = None;
        }
        let Seen { view, funds } = seen?;
        self.check_not_behind(view.final_nonce, finalized, cursor)?;
        (self.seen, self.funds) = (Some(head), Some(funds));
        self.line.note(head);
        self.standings.note(head.hash, Standing { nonce: view.nonce, epoch: view.epoch });
        self.standings.note(finalized.hash, Standing { nonce: view.final_nonce, epoch: view.final_epoch });
        if view.final_nonce > self.floor.nonce {
            self.floor = Floor { nonce: view.final_nonce, block: finalized.number };
        }
        Ok(Some(view))
    }

    /// The blocks since the head of the last view, up to this one. None, if they are not known, or too many to be read one by one.
    fn new_blocks(&self, told: Option<&Told>, members: &[usize], head: Header) -> Vec<Header> {
        let Some(seen) = self.seen else { return Vec::new() };
        if head.parent == seen.hash {
            return vec![head];
        }
        // What one RPC says of the blocks between is not believed of another.
        let mut told = members.iter().map(|place| told?.line(*place)?.between(seen, head));
        let first = told.next().flatten().filter(|new| new.len() <= MOST_NEW);
        first.filter(|first| told.all(|other| other.as_ref() == Some(first))).unwrap_or_default()
    }

    /// How far the RPCs are, and that they serve the right chain.
    async fn tips(&self, told: Option<&Told>) -> Result<Vec<Tip>, Fault> {
        let (seen, chain) = (self.seen, self.settings.domain.chain_id);
        let tag = self.settings.finality.tag();
        let tip = async |place: usize, rpc: &Rpc| {
            let known = match told {
                // It may be told of late, or of a fork: what is not higher than the last head is asked for.
                Some(told) => {
                    told.by(place).filter(|head| seen.is_none_or(|seen| head.number > seen.number || *head == seen))
                }
                None => Some(rpc.head().await?),
            };
            if let Some(head) = known.filter(|head| seen.is_some_and(|seen| seen.hash == head.hash)) {
                return Ok(Tip { place, head, finalized: None });
            }
            let head = async {
                match known {
                    Some(head) => Ok(head),
                    None => rpc.head().await,
                }
            };
            let finalized = OptionFuture::from(tag.map(|tag| final_block(rpc, tag)));
            let finalized = async { finalized.await.transpose() };
            let (head, finalized) = try_join!(head, finalized)?;
            // What follows the last head is of the same chain.
            let line = told.and_then(|told| told.line(place));
            let follows =
                |seen: Header| head.parent == seen.hash || line.is_some_and(|line| line.between(seen, head).is_some());
            if !seen.is_some_and(follows) {
                rpc.check_chain(chain).await?;
            }
            let Some(block) = finalized.filter(|block| block.number > head.number) else {
                return Ok(Tip { place, head, finalized });
            };
            // The chain may have gone on since the head was told of.
            match rpc.head().await? {
                newer if newer.number >= block.number => Ok(Tip { place, head: newer, finalized }),
                older => Err(Fault::Behind { at: older.number, known: block.number }),
            }
        };
        let asked = to_ask(&self.endpoints).map(|(place, endpoint)| (place, tip(place, endpoint.rpc())));
        let tips = gather(asked, self.endpoints.agree()).await;
        let tips = enough(&self.endpoints, sift(&self.endpoints, tips))?;
        Ok(tips.into_iter().map(|(_, tip)| tip).collect())
    }

    /// A head below the last one means a reorg, unless an RPC has that one still: then those that were ahead do not answer,
    /// and the others are behind.
    async fn check_not_going_back(&self, tips: &[Tip], head: Header) -> Result<(), Fault> {
        let Some(seen) = self.seen.filter(|seen| head.number < seen.number) else { return Ok(()) };
        let known = tips.iter().map(|tip| (tip.place, self.rpc(tip.place).header(seen.number.into())));
        let still_has = |(_, known): &(usize, Result<Option<Header>, Fault>)| matches!(known, Ok(Some(known)) if known.hash == seen.hash);
        match gather(known, tips.len()).await.iter().any(still_has) {
            true => Err(Fault::Behind { at: head.number, known: seen.number }),
            false => Ok(()),
        }
    }

    /// The final block of the view, and those of the members that have it.
    async fn finalized(&self, tips: &[Tip], members: Vec<usize>, head: Header) -> Result<(Header, Vec<usize>), Fault> {
        let (members, others): (Vec<&Tip>, Vec<&Tip>) = tips.iter().partition(|tip| members.contains(&tip.place));
        let own = gather(members.iter().map(|tip| (tip.place, self.own_final(tip))), self.endpoints.agree()).await;
        let own = enough(&self.endpoints, sift(&self.endpoints, own))?;
        let mut numbers: Vec<u64> = own.iter().map(|(_, block)| block.number.min(head.number)).collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let number = match self.settings.finality {
            Finality::Depth(blocks) => head.number.saturating_sub(blocks),
            Finality::Finalized | Finality::Safe => numbers[self.endpoints.agree() - 1],
        };
        let blocks = own.iter().map(|&(place, block)| (place, self.block_at(place, number, [block, head])));
        let blocks = sift(&self.endpoints, gather(blocks, self.endpoints.agree()).await);
        self.compare_final(&blocks.0)?;
        let blocks = enough(&self.endpoints, blocks)?;
        let (first, finalized) = blocks[0];

        // Those that are behind, or on another fork, have no part in the view; but what is final is so for them, too.
        let shared = others.iter().map(|tip| {
            let compared = async {
                let theirs = self.own_final(tip).await?;
                let shared = theirs.number.min(finalized.number);
                let (ours, theirs) =
                    try_join!(self.block_at(first, shared, [finalized]), self.block_at(tip.place, shared, [theirs]))?;
                Ok((ours, theirs))
            };
            (tip.place, compared)
        });
        for (place, compared) in gather(shared, 0).await {
            // One that does not answer says nothing about what is final.
            if let Ok((ours, theirs)) = compared {
                self.compare_final(&[(first, ours), (place, theirs)])?;
            }
        }
        Ok((finalized, blocks.into_iter().map(|(place, _)| place).collect()))
    }

    /// What an RPC calls final.
    async fn own_final(&self, tip: &Tip) -> Result<Header, Fault> {
        match (tip.finalized, self.settings.finality) {
            (Some(block), _) => Ok(block),
            (None, Finality::Depth(blocks)) => {
                let number = tip.head.number.saturating_sub(blocks);
                match self.line.below(tip.head, number) {
                    Some(block) => Ok(block),
                    None => self.block_at(tip.place, number, [tip.head]).await,
                }
            }
            (None, Finality::Finalized) => final_block(self.rpc(tip.place), BlockNumberOrTag::Finalized).await,
            (None, Finality::Safe) => final_block(self.rpc(tip.place), BlockNumberOrTag::Safe).await,
        }
    }

    /// The block of an RPC at a height, which is not asked for if it is one of those that are known.
    async fn block_at<const N: usize>(&self, place: usize, number: u64, known: [Header; N]) -> Result<Header, Fault> {
        if let Some(known) = known.into_iter().find(|known| known.number == number) {
            return Ok(known);
        }
        let block = self.rpc(place).header(number.into()).await?;
        block.ok_or_else(|| Fault::Malformed(format!("block {number} is not there")))
    }

    fn compare_final(&self, blocks: &[(usize, Header)]) -> Result<(), Fault> {
        let all = self.endpoints.all();
        let named = blocks.iter().map(|(place, block)| (all[*place].name(), *block));
        let found = named.clone().zip(named.skip(1)).find_map(|(one, other)| disagreement::of_final_blocks(one, other));
        found.map_or(Ok(()), disagree)
    }

    /// What the members say of the chain as of one head: one view.
    async fn view(
        &mut self,
        cursor: Cursor,
        members: &[usize],
        new: &[Header],
        head: Header,
        finalized: Header,
    ) -> Result<Seen, Fault> {
        let known = Known { standing: self.standings.of(finalized.hash), funds: self.known_funds(members, new, head) };
        let viewers = self.viewers.iter_mut().enumerate().filter(|(place, _)| members.contains(place));
        let views = viewers.map(|(place, viewer)| (place, viewer.view(cursor, new, head, finalized, known.clone())));
        let views = sift(&self.endpoints, gather(views, self.endpoints.agree()).await);
        let all = self.endpoints.all();
        let named = views.0.iter().map(|(place, seen)| (all[*place].name(), &seen.view));
        let different =
            named.clone().zip(named.skip(1)).find_map(|(one, other)| disagreement::of_views(head, one, other));
        different.map_or(Ok(()), disagree)?;
        let views = enough(&self.endpoints, views)?;
        for (place, _) in &views {
            let endpoint = &all[*place];
            if endpoint.note_success() && all.len() > 1 {
                tracing::info!(rpc = endpoint.name(), "an RPC can be used again");
            }
        }
        views.into_iter().next().map(|(_, seen)| seen).ok_or_else(|| Fault::Malformed("there is no RPC".into()))
    }

    /// What there was to spend before this head, if that will do: this seat is not expected to sign the next turn, and all
    /// members can tell whether it has to be read again. All of them have it from the same block, or none.
    fn known_funds(&self, members: &[usize], new: &[Header], head: Header) -> Option<Funds> {
        let nonce = self.seen.and_then(|seen| self.standings.of(seen.hash))?.nonce;
        let may_sign = [nonce, nonce + 1].into_iter().any(|nonce| self.settings.may_sign(nonce));
        let all_tell = members.iter().all(|place| self.viewers[*place].tells_of(new));
        self.funds.as_ref().filter(|funds| !may_sign && all_tell && funds.is_recent(head)).cloned()
    }

    /// A view in which final turns are missing means that the chain broke its finality, and halts the ring. RPCs that are
    /// merely behind show the same, and are told apart by their finalized block: it has not come to the one seen before.
    fn check_not_behind(&self, final_nonce: u64, finalized: Header, cursor: Cursor) -> Result<(), Fault> {
        let given = Floor { nonce: cursor.first_open_nonce, block: cursor.from_block };
        let behind = |floor: &Floor| final_nonce < floor.nonce && finalized.number < floor.block;
        match [given, self.floor].into_iter().find(behind) {
            Some(floor) => Err(Fault::Behind { at: finalized.number, known: floor.block }),
            None => Ok(()),
        }
    }

    fn rpc(&self, place: usize) -> &Rpc {
        self.endpoints.all()[place].rpc()
    }
}

/// The highest block that enough RPCs have, and which of them.
pub(super) async fn recent(endpoints: &Endpoints) -> Result<(Header, Vec<usize>), Fault> {
    let tip = async |place: usize, rpc: &Rpc| Ok(Tip { place, head: rpc.head().await?, finalized: None });
    let tips = to_ask(endpoints).map(|(place, endpoint)| (place, tip(place, endpoint.rpc())));
    let tips = enough(endpoints, sift(endpoints, gather(tips, endpoints.agree()).await))?;
    let tips: Vec<Tip> = tips.into_iter().map(|(_, tip)| tip).collect();
    common_head(endpoints, &tips).await
}

/// How a ring stands, in the highest block that enough RPCs have.
pub(super) async fn ring(endpoints: &Endpoints, domain: &Domain, ring: u32) -> Result<RingView, Fault> {
    let (head, members) = recent(endpoints).await?;
    let ring = ring_in(endpoints, domain, ring, head, &members).await?;
    ring.ok_or_else(|| Fault::Malformed(format!("no contract at {} in block {}", domain.contract, head.number)))
}

/// How the ring stands in the highest block that enough RPCs have and call final. `None`: there was no contract then.
pub(super) async fn final_ring(endpoints: &Endpoints, settings: WatcherSettings) -> Result<Option<RingView>, Fault> {
    let quorum = Quorum::new(endpoints.clone(), settings);
    let tips = quorum.tips(Some(&Told::default())).await?;
    let (head, members) = common_head(endpoints, &tips).await?;
    let (finalized, members) = quorum.finalized(&tips, members, head).await?;
    let WatcherSettings { domain, ring, .. } = &quorum.settings;
    ring_in(endpoints, domain, *ring, finalized, &members).await
}

/// How a ring stands in a block, by these RPCs.
async fn ring_in(
    endpoints: &Endpoints,
    domain: &Domain,
    ring: u32,
    block: Header,
    members: &[usize],
) -> Result<Option<RingView>, Fault> {
    let contract = domain.contract;
    let question = move |rpc: Rpc| async move {
        rpc.view(contract, &RingMultisig::getRingCall { ringId: ring }, block.hash).await
    };
    agreed(endpoints, members, block, question).await
}

/// What all of these RPCs that answer, which have to be enough, say to a question about a block.
pub(super) async fn agreed<T: PartialEq + Debug, Answer: Future<Output = Result<T, Fault>>>(
    endpoints: &Endpoints,
    members: &[usize],
    block: Header,
    question: impl Fn(Rpc) -> Answer,
) -> Result<T, Fault> {
    let all = endpoints.all();
    let answers = members.iter().map(|place| (*place, question(all[*place].rpc().clone())));
    let answers = gather(answers, endpoints.agree()).await;
    let (answers, faults): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.is_ok());
    let answers = answers.into_iter().filter_map(|(place, answer)| Some((place, answer.ok()?))).collect();
    let faults = faults.into_iter().filter_map(|(place, answer)| Some((place, answer.err()?))).collect();
    let mut answers = enough(endpoints, (answers, faults))?.into_iter();
    let Some((first, answer)) = answers.next() else { return Err(Fault::Malformed("there is no RPC".into())) };
    let named = |place: usize, answer: &T| (all[place].name().to_owned(), format!("{answer:?}"));
    match answers.find(|(_, other)| *other != answer) {
        Some((place, other)) => {
            disagree(disagreement::of_answers(block, named(first, &answer), named(place, &other))).map(|()| answer)
        }
        None => Ok(answer),
    }
}

/// The highest block that enough RPCs have, and which of them.
async fn common_head(endpoints: &Endpoints, tips: &[Tip]) -> Result<(Header, Vec<usize>), Fault> {
    let agree = endpoints.agree();
    let mut numbers: Vec<u64> = tips.iter().map(|tip| tip.head.number).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    let highest = numbers[agree - 1];
    for number in (highest.saturating_sub(LONGEST_FORK)..=highest).rev() {
        let blocks = tips.iter().filter(|tip| tip.head.number >= number).map(|tip| {
            let rpc = endpoints.all()[tip.place].rpc();
            let block = match tip.head.number == number {
                true => Either::Left(std::future::ready(Ok(Some(tip.head)))),
                false => Either::Right(rpc.header(number.into())),
            };
            (tip.place, block)
        });
        let blocks = gather(blocks, agree).await;
        let blocks: Answers<Header> =
            blocks.into_iter().filter_map(|(place, block)| Some((place, block.ok().flatten()?))).collect();
        let with = |block: Header| blocks.iter().filter(move |(_, other)| *other == block).map(|(place, _)| *place);
        let popular = blocks.iter().max_by_key(|(_, block)| with(*block).count());
        if let Some((_, block)) = popular.filter(|(_, block)| with(*block).count() >= agree) {
            return Ok((*block, with(*block).collect()));
        }
    }
    Err(Fault::Forked { agree, block: highest })
}

/// What an RPC calls final by this tag.
async fn final_block(rpc: &Rpc, tag: BlockNumberOrTag) -> Result<Header, Fault> {
    let block = match rpc.header(tag).await? {
        // A young chain, or a node that has just started, has nothing final but its first block.
        None => rpc.header(BlockNumberOrTag::Earliest).await?,
        some => some,
    };
    block.ok_or_else(|| Fault::Malformed("there is no first block".into()))
}

/// Which RPCs are asked: those that are not left alone, or all if those are too few.
fn to_ask(endpoints: &Endpoints) -> impl Iterator<Item = (usize, &Endpoint)> {
    let rested = endpoints.all().iter().filter(|endpoint| !endpoint.is_left_alone()).count();
    let all = rested < endpoints.agree();
    endpoints.all().iter().enumerate().filter(move |(_, endpoint)| all || !endpoint.is_left_alone())
}

/// Asks RPCs at once. Once `enough` have answered well, the others get little time. In the order of the RPCs.
async fn gather<T>(
    questions: impl Iterator<Item = (usize, impl Future<Output = Result<T, Fault>>)>,
    enough: usize,
) -> Answers<Result<T, Fault>> {
    let mut waiting = Vec::new();
    let mut open: FuturesUnordered<_> = questions
        .map(|(place, question)| {
            waiting.push(place);
            async move { (place, question.await) }
        })
        .collect();
    let mut answers: Answers<Result<T, Fault>> = Vec::new();
    while !open.is_empty() {
        let answered = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
        let next = match answered >= enough {
            true => tokio::time::timeout(GRACE, open.next()).await,
            false => Ok(open.next().await),
        };
        match next {
            Ok(next) => answers.extend(next),
            Err(_) => break,
        }
    }
    waiting.retain(|place| answers.iter().all(|(answered, _)| answered != place));
    answers.extend(waiting.into_iter().map(|place| (place, Err(Fault::TimedOut(GRACE)))));
    answers.sort_by_key(|(place, _)| *place);
    answers
}

/// Parts answers from faults; an RPC with a fault of its own is left alone for a while.
fn sift<T>(endpoints: &Endpoints, answers: Answers<Result<T, Fault>>) -> (Answers<T>, Answers<Fault>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (place, answer) in answers {
        match answer {
            Ok(answer) => good.push((place, answer)),
            Err(fault) => {
                let endpoint = &endpoints.all()[place];
                // That the chain moved is nobody's fault.
                let is_new = !matches!(fault, Fault::Reorganised(_)) && endpoint.note_fault(&fault);
                if is_new && endpoints.all().len() > 1 {
                    tracing::warn!(rpc = endpoint.name(), %fault, "an RPC is left alone for a while");
                }
                bad.push((place, fault));
            }
        }
    }
    (good, bad)
}

/// The answers, if they are enough.
fn enough<T>(endpoints: &Endpoints, (answers, faults): (Answers<T>, Answers<Fault>)) -> Result<Answers<T>, Fault> {
    let agree = endpoints.agree();
    if answers.len() >= agree {
        return Ok(answers);
    }
    let is_everyday = |(_, fault): &(usize, Fault)| matches!(fault, Fault::Reorganised(_));
    if endpoints.all().len() == 1 || faults.iter().all(is_everyday) {
        let fault = faults.into_iter().next().map(|(_, fault)| fault);
        return Err(fault.unwrap_or(Fault::Forked { agree, block: 0 }));
    }
    let retry_after = faults.iter().filter_map(|(_, fault)| fault.retry_after()).max();
    let faults: Vec<String> =
        faults.iter().map(|(place, fault)| format!("{}: {fault}", endpoints.all()[*place].name())).collect();
    Err(Fault::TooFew { answers: answers.len(), agree, faults: faults.join("; "), retry_after })
}

fn disagree(contradiction: Contradiction) -> Result<(), Fault> {
    Err(Fault::Disagreement(Box::new(contradiction)))
}
