//! What two RPCs state that cannot both be true, and the evidence of it.

use std::fmt;

use alloy::primitives::B256;
use ring_core::{ChainView, ObservedTurn};
use serde::Serialize;

use super::rpc::Header;

/// RPCs contradict each other: at least one of them is broken, or lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disagreement {
    /// Since when there was no view for that reason, in Unix seconds of this machine.
    pub since: u64,
    /// Whether it has lasted for longer than it may.
    pub is_lasting: bool,
    /// What they contradict each other about, by the latest look at the chain.
    #[serde(flatten)]
    pub contradiction: Contradiction,
}

/// Two answers that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contradiction {
    /// What they are about.
    pub what: Subject,
    /// The evidence.
    pub evidence: Evidence,
}

/// What a contradiction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// Which block is final at a height.
    FinalBlock,
    /// The state of the contract in a block.
    State,
    /// The turns executed up to a block.
    Turns,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FinalBlock => "the hash",
            Self::State => "the contract's state",
            Self::Turns => "the turns",
        })
    }
}

/// Two answers about one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The block's number.
    pub block: u64,
    /// Its hash, where that is not what they contradict each other about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<B256>,
    /// Both answers.
    pub answers: [Answer; 2],
}

/// What one RPC answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Its place in the configuration, and its host.
    pub rpc: String,
    /// In words.
    pub answer: String,
}

impl Answer {
    fn new(rpc: &str, answer: String) -> Self {
        Self { rpc: rpc.to_owned(), answer }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evidence { block, answers: [one, other], .. } = &self.evidence;
        let what = match self.what {
            Subject::FinalBlock => "the final block",
            Subject::State => "the contract's state in block",
            Subject::Turns => "the turns up to block",
        };
        write!(f, "about {what} {block}, {} says {:?} and {} says {:?}", one.rpc, one.answer, other.rpc, other.answer)
    }
}

/// Compares what two RPCs, given by name, call the final block of one height.
pub(super) fn of_final_blocks((one, first): (&str, Header), (other, second): (&str, Header)) -> Option<Contradiction> {
    (first.hash != second.hash).then(|| {
        let answers = [Answer::new(one, first.hash.to_string()), Answer::new(other, second.hash.to_string())];
        let evidence = Evidence { block: first.number, hash: None, answers };
        Contradiction { what: Subject::FinalBlock, evidence }
    })
}

/// Compares what two RPCs, given by name, say of the chain as of one head.
pub(super) fn of_views(
    head: Header,
    (one, first): (&str, &ChainView),
    (other, second): (&str, &ChainView),
) -> Option<Contradiction> {
    if first == second {
        return None;
    }
    let (what, [first, second]) = match different_turn(&first.turns, &second.turns) {
        Some(turns) => (Subject::Turns, turns.map(turn_in_words)),
        None => (Subject::State, different_state(first, second)),
    };
    let answers = [Answer::new(one, first), Answer::new(other, second)];
    Some(Contradiction { what, evidence: Evidence { block: head.number, hash: Some(head.hash), answers } })
}

/// Puts down what two RPCs, given by name, say of the state in one block.
pub(super) fn of_answers(head: Header, first: (String, String), second: (String, String)) -> Contradiction {
    let answers = [first, second].map(|(rpc, answer)| Answer { rpc, answer });
    Contradiction { what: Subject::State, evidence: Evidence { block: head.number, hash: Some(head.hash), answers } }
}

/// The first turn that is not the same in both.
fn different_turn<'a>(first: &'a [ObservedTurn], second: &'a [ObservedTurn]) -> Option<[Option<&'a ObservedTurn>; 2]> {
    let places = 0..first.len().max(second.len());
    places.map(|place| [first.get(place), second.get(place)]).find(|[first, second]| first != second)
}

fn turn_in_words(turn: Option<&ObservedTurn>) -> String {
    let Some(ObservedTurn { epoch, nonce, digest, requests, failed, transaction, block }) = turn else {
        return "there is no further turn".into();
    };
    format!(
        "turn {nonce} of epoch {epoch} is {digest} in transaction {transaction} of block {block}, with requests {requests:?}, of which failed \
         {failed:?}"
    )
}

/// What is not the same in both views, apart from turns.
fn different_state(first: &ChainView, second: &ChainView) -> [String; 2] {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for ((name, first), (_, second)) in state_in_words(first).into_iter().zip(state_in_words(second)) {
        if first != second {
            one.push(format!("{name} {first}"));
            other.push(format!("{name} {second}"));
        }
    }
    [one.join(", "), other.join(", ")]
}

fn state_in_words(view: &ChainView) -> [(&'static str, String); 11] {
    [
        ("time", format!("{} (final {})", view.head.time, view.finalized.time)),
        ("nonce", view.nonce.to_string()),
        ("epoch", view.epoch.to_string()),
        ("halted", view.halted.to_string()),
        ("charter", view.charter.to_string()),
        ("final nonce", view.final_nonce.to_string()),
        ("final epoch", view.final_epoch.to_string()),
        ("allowances", format!("{:?}", view.allowances)),
        ("permissions", format!("{:?}", view.permissions)),
        ("master", view.master.to_string()),
        ("earliest turn", view.earliest.to_string()),
    ]
}
