//! The story of a halt: why, what this seat knew then, and what to do.

use std::{fmt, fs::OpenOptions, io::Write as _, path::Path};

use eyre::{Context as _, eyre};
use ring_contracts::{Address, B256, Domain, RequestId};
use ring_core::{Halt, Message, State};
use serde::Serialize;

use crate::{
    offline,
    store::{Store, StoreError},
};

/// Why a seat stands still, with all that it knows of the turn in question.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The contract and its chain.
    pub contract: Address,
    /// The chain.
    pub chain_id: u64,
    /// The ring.
    pub ring: u32,
    /// This seat.
    pub seat: usize,
    /// Its key.
    pub key: Address,
    /// The epoch in which it halted.
    pub epoch: Option<u32>,
    /// Why, with what proves it.
    pub halt: Halt,
    /// The same in words.
    pub because: String,
    /// What this seat had agreed to for the nonce in question.
    pub agreed: Vec<Agreed>,
}

/// A content that a seat agreed to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agreed {
    /// Its digest.
    pub digest: B256,
    /// The requests in it.
    pub requests: Vec<RequestId>,
    /// The seats that signed it, as far as is known here.
    pub signed_by: Vec<usize>,
}

impl Story {
    /// The story of a seat, if it is halted.
    ///
    /// # Errors
    /// The store is damaged or fails.
    pub fn of(state: &State, store: &Store) -> Result<Option<Self>, StoreError> {
        let Some(halt) = state.halt() else { return Ok(None) };
        let settings = state.settings();
        let Domain { chain_id, contract } = settings.domain;
        let contents = match nonce(halt) {
            Some(nonce) => store.contents(nonce)?,
            None => Vec::new(),
        };
        let agreed = contents.into_iter().filter_map(|message| match message {
            Message::Turn { turn, votes, .. } => Some(Agreed {
                digest: turn.digest(&settings.domain),
                requests: turn.calls().iter().map(|call| call.request_id).collect(),
                signed_by: votes.into_iter().map(|vote| vote.seat).collect(),
            }),
            _ => None,
        });
        Ok(Some(Self {
            contract,
            chain_id,
            ring: settings.ring,
            seat: state.seat(),
            key: settings.key,
            epoch: state.epoch(),
            halt: halt.clone(),
            because: halt.to_string(),
            agreed: agreed.collect(),
        }))
    }
}

/// The turn in question, if it is about one.
fn nonce(halt: &Halt) -> Option<u64> {
    match halt {
        Halt::UnknownTurn { nonce, .. } | Halt::Equivocation { nonce, .. } | Halt::UnreservedVote { nonce, .. } => {
            Some(*nonce)
        }
        Halt::RingChanged { .. }
        | Halt::TermsChanged(_)
        | Halt::FinalityBroken { .. }
        | Halt::ChainDisputed(_)
        | Halt::Shortfall(_)
        | Halt::MemoryLost { .. }
        | Halt::HaltedOnChain
        | Halt::Ordered { .. } => None,
    }
}

/// What to do about it, in order.
fn advice(halt: &Halt) -> &'static [&'static str] {
    match halt {
        Halt::UnknownTurn { own_key_used: true, .. } | Halt::UnreservedVote { .. } => &[
            "take this host off the network and keep its disk: its key is in other hands, or its store is not the latest",
            "have the master revoke or replace this seat's key: `ring-keys replace`",
            "start the new seat with `init`, on another host; the others go on with `resume`",
        ],
        Halt::UnknownTurn { .. } => &[
            "look at the transaction: who sent it, and what it paid",
            "compare with the stories of the other seats: a seat whose key signed it without its store knowing is the one that \
             was taken",
            "have the master replace the keys of that window (`ring-keys replace --resume`), then `resume` here",
        ],
        Halt::Equivocation { proof: Some(_), .. } => &[
            "the key that signed twice is in two hands: the proof revokes it on chain, by this seat or with `ring-keys prove`",
            "have the master replace that seat's key and resume the ring (`ring-keys replace --resume`), then `resume` here",
        ],
        Halt::Equivocation { .. } => &[
            "the key that signed twice is in two hands: have the master replace it (`ring-keys replace --resume`)",
            "then `resume` here",
        ],
        Halt::RingChanged { .. } => &[
            "ask the master, over another way than the one that the news came, whether they changed the ring",
            "if so: correct [ring] in the configuration and `resume` in the new epoch; if not: the master key is stolen",
        ],
        Halt::TermsChanged(_) => &[
            "ask the master, over another way than the one that the news came, whether they did that",
            "if so: announce it in [ring] masters or caps at every seat; have the master raise the epoch (form the ring anew, or halt \
             and resume it), then `resume` here; if not: the master key is stolen",
        ],
        Halt::FinalityBroken { .. } => &[
            "compare the final blocks with independent sources: either the chain took back what was final, or the RPC lies",
            "once that is clear, have the master resume the ring, then `resume` here",
        ],
        Halt::ChainDisputed(_) => &[
            "compare the two answers with independent sources: one RPC is broken, or lies",
            "take that one out of chain.rpc; then have the master resume the ring, and `resume` here",
        ],
        Halt::Shortfall(_) => &[
            "look at the transactions in these blocks that moved the asset: who may spend it (allowances that the treasury gave), \
             and who may take it back (the token's owner)",
            "if it was expected, or the token's balances change by themselves: list it in policy.unwatched_assets at every seat; \
             if not: have the master take the allowances back, or bring the rest to safety (`ring-keys execute`)",
            "then have the master resume the ring, and `resume` here",
        ],
        Halt::MemoryLost { through: None } => {
            &["this is the store of a backup: put it in the place of the lost one, and run `ring-relayer restored`"]
        }
        Halt::MemoryLost { .. } => &[
            "make sure that the process with the original store never runs again",
            "have the master raise the epoch (form the ring anew with the same keys, or halt and resume it), then `resume` at \
             every seat",
        ],
        Halt::HaltedOnChain => &[
            "look at the stories of the other seats, and ask the guardian and the master: one of them halted the ring",
            "once that is clear, have the master resume the ring, then `resume` here",
        ],
        Halt::Ordered { .. } => &["have the master resume the ring, then `resume` here"],
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, chain_id, ring, seat, key, halt, because, agreed, .. } = self;
        let epoch = self.epoch.map_or("no epoch".to_owned(), |epoch| format!("epoch {epoch}"));
        writeln!(
            f,
            "seat {seat} (key {key}) of ring {ring}, contract {contract} on chain {chain_id}, halted in {epoch}:"
        )?;
        writeln!(f, "  {because}")?;
        if let Halt::UnknownTurn { transaction, .. } = halt {
            writeln!(f, "  to be checked: transaction {transaction}")?;
        }
        if let Some(nonce) = nonce(halt) {
            writeln!(f, "what this seat had agreed to for turn {nonce}:")?;
            for Agreed { digest, requests, signed_by } in agreed {
                writeln!(f, "  {digest}, signed by seats {signed_by:?}, requests {requests:?}")?;
            }
            if agreed.is_empty() {
                writeln!(f, "  nothing")?;
            }
        }
        writeln!(f, "what to do:")?;
        for (number, step) in (1..).zip(advice(halt)) {
            writeln!(f, "  {number}. {step}")?;
        }
        Ok(())
    }
}

/// Prints the story of the seat with this configuration, and writes the proof to a new file if asked to.
///
/// # Errors
/// The configuration or store cannot be read; the seat is not halted; there is no proof, or its file exists.
pub fn run(config_file: &Path, json: bool, proof: Option<&Path>) -> eyre::Result<()> {
    let (config, store, state) = offline::open(config_file)?;
    let story = Story::of(&state, &store)?;
    let story = story.ok_or_else(|| {
        eyre!("seat {} of ring {} is not halted: there is nothing to explain", state.seat(), config.ring.id)
    })?;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&story)?),
        false => print!("{story}"),
    }
    let Some(file) = proof else { return Ok(()) };
    let proof =
        story.halt.proof().ok_or_else(|| eyre!("nobody signed two contents here: there is no proof to write"))?;
    let text = serde_json::to_vec_pretty(proof)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .wrap_err_with(|| format!("{} cannot be made: choose a file that does not exist", file.display()))?;
    Ok(file.write_all(&text)?)
}
