//! Why a seat stops.

use std::fmt;

use ring_contracts::{Address, B256, Equivocation, TurnId, U256};
use serde::{Deserialize, Serialize};

use crate::{
    effect::Action,
    message::Message,
    state::{Resend, State, Step},
};

/// Why a seat stopped. Only a person lets it go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Halt {
    /// A turn was executed that this seat did not agree to.
    UnknownTurn {
        /// The nonce.
        nonce: u64,
        /// The digest that was executed.
        digest: B256,
        /// The transaction.
        transaction: B256,
        /// Whether it cannot have been made without this seat's own key.
        own_key_used: bool,
    },
    /// A seat signed two contents for one nonce.
    Equivocation {
        /// Which seat.
        seat: usize,
        /// The nonce.
        nonce: u64,
        /// One digest.
        first: B256,
        /// The other.
        second: B256,
        /// Both as they were signed, if this seat saw both: whoever has them can check them, and so can the contract.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Box<Equivocation>>,
    },
    /// A signature by this seat's key turned up that this seat does not remember: its store is older than what it signed,
    /// or its key is used elsewhere.
    UnreservedVote {
        /// The nonce.
        nonce: u64,
        /// The digest signed.
        digest: B256,
    },
    /// The keys or terms on chain are not the announced ones, or the ring is in another epoch.
    RingChanged {
        /// The epoch that this seat takes part in.
        expected_epoch: u32,
        /// The epoch on chain.
        epoch: u32,
        /// The charter's commitment on chain.
        charter: B256,
    },
    /// The master changed something of the contract that was announced otherwise, beside the ring itself.
    TermsChanged(TermsChanged),
    /// The chain took back what was final.
    FinalityBroken {
        /// The first nonce that is not final, as it was known here.
        expected_nonce: u64,
        /// As the chain says now.
        nonce: u64,
    },
    /// The RPCs of this seat contradict each other, and did for long: nobody knows what the chain is.
    ChainDisputed(Dispute),
    /// Something left the treasury that neither a turn nor the master moved.
    Shortfall(Shortfall),
    /// This store is a copy, or was made anew: what this seat's key signed after it is not known here.
    MemoryLost {
        /// Up to which epoch the key may have signed. `None`: it is a copy that was never put in the place of its original, and
        /// nobody has asked the chain.
        through: Option<u32>,
    },
    /// Somebody entitled halted the ring on chain.
    HaltedOnChain,
    /// A person ordered it.
    Ordered {
        /// Why.
        reason: String,
    },
}

impl Halt {
    /// As [`Message::since`], for the reason of a halt.
    pub(crate) const fn since(&self) -> u32 {
        match self {
            Self::UnknownTurn { .. }
            | Self::Equivocation { .. }
            | Self::UnreservedVote { .. }
            | Self::RingChanged { .. }
            | Self::TermsChanged(_)
            | Self::FinalityBroken { .. }
            | Self::ChainDisputed(_)
            | Self::Shortfall(_)
            | Self::MemoryLost { .. }
            | Self::HaltedOnChain
            | Self::Ordered { .. } => 1,
        }
    }
}

/// What the master changed without its being announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase", deny_unknown_fields)]
pub enum TermsChanged {
    /// Who the master is.
    Master {
        /// Who it is now.
        master: Address,
    },
    /// The cap of an asset beside the main one.
    Cap {
        /// Which asset; zero is the native coin.
        asset: Address,
        /// The highest that was announced, in the asset's smallest unit.
        announced: U256,
        /// As it is now.
        cap: U256,
    },
}

/// Two answers about the chain that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dispute {
    /// Since when, in Unix seconds of this machine.
    pub since: u64,
    /// What they are about.
    pub what: String,
    /// The number of the block.
    pub block: u64,
    /// Each with the RPC that gave it.
    pub answers: Vec<String>,
}

/// What left the treasury without a turn of any ring and without the master. Whoever has a node can check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shortfall {
    /// The asset; zero is the native coin.
    pub asset: Address,
    /// The number of the block in which the balance was `before`.
    pub from_block: u64,
    /// The number of the block in which it was `after`.
    pub to_block: u64,
    /// In the asset's smallest unit, as the others.
    pub before: U256,
    /// The balance later.
    pub after: U256,
    /// How much turns and the master moved at most.
    pub explained: U256,
    /// Transactions that moved something of it without either; not all of them if there are many.
    pub transactions: Vec<B256>,
}

impl Halt {
    /// Whether this seat has to halt the ring on chain. Not if it is halted there already, nor after a change that only the
    /// master or guardian can have made, nor if it alone cannot go on.
    pub(crate) fn goes_on_chain(&self) -> bool {
        !matches!(
            self,
            Self::HaltedOnChain | Self::RingChanged { .. } | Self::TermsChanged(_) | Self::MemoryLost { .. }
        )
    }
}

impl Halt {
    /// Two contents signed by one key, as they were signed.
    pub fn proof(&self) -> Option<&Equivocation> {
        match self {
            Self::Equivocation { proof, .. } => proof.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTurn { nonce, digest, transaction, own_key_used } => {
                write!(
                    f,
                    "turn {nonce} was executed with content {digest} (transaction {transaction}), which this seat did not \
                     agree to"
                )?;
                match own_key_used {
                    true => f.write_str(", and which needs this seat's own key: THE KEY IS STOLEN"),
                    false => f.write_str(", and which no peer could explain: keys of its window are stolen"),
                }
            }
            Self::Equivocation { seat, nonce, first, second, .. } => {
                write!(f, "seat {seat} signed two contents for turn {nonce}, {first} and {second}: its key is stolen")
            }
            Self::UnreservedVote { nonce, digest } => write!(
                f,
                "this seat's key signed {digest} for turn {nonce}, which this seat does not remember: its store is not the \
                 latest, or its KEY IS STOLEN"
            ),
            Self::RingChanged { expected_epoch, epoch, charter } => write!(
                f,
                "the ring is in epoch {epoch} with charter {charter} on chain, which was not announced to this seat (it \
                 takes part in epoch {expected_epoch}): check with the master"
            ),
            Self::TermsChanged(TermsChanged::Master { master }) => write!(
                f,
                "the contract's master is {master} now, which was not announced to this seat: check with the master"
            ),
            Self::TermsChanged(TermsChanged::Cap { asset, announced, cap }) => write!(
                f,
                "the cap of {asset} is {cap} now, and no more than {announced} was announced to this seat: check with the \
                 master"
            ),
            Self::FinalityBroken { expected_nonce, nonce } => {
                write!(f, "the chain took back final turns: {expected_nonce} were final, now it says {nonce}")
            }
            Self::ChainDisputed(Dispute { since, what, block, answers }) => write!(
                f,
                "the RPCs of this seat contradict each other since {since} about {what} of block {block}: {}",
                answers.join(", but ")
            ),
            Self::Shortfall(Shortfall { asset, from_block, to_block, before, after, explained, transactions }) => {
                match asset.is_zero() {
                    true => f.write_str("the native coin")?,
                    false => write!(f, "asset {asset}")?,
                }
                write!(
                    f,
                    " left the treasury without a turn: it had {before} in block {from_block} and {after} in block {to_block}, \
                     turns and the master explain {explained}"
                )?;
                match transactions.is_empty() {
                    true => Ok(()),
                    false => write!(f, "; it was moved by {transactions:?}"),
                }
            }
            Self::MemoryLost { through: Some(epoch) } => write!(
                f,
                "this seat's store was restored or made anew, and does not know all that its key signed up to epoch {epoch}: it \
                 signs nothing before a later epoch"
            ),
            Self::MemoryLost { through: None } => f.write_str(
                "this store is a backup, and does not know what its key has signed since: restore it with \
                 `ring-relayer restored`",
            ),
            Self::HaltedOnChain => f.write_str("the ring was halted on chain"),
            Self::Ordered { reason } => write!(f, "ordered: {reason}"),
        }
    }
}

impl State {
    /// While halted: has the ring halted on chain, and tells the peers, again and again until the chain says so.
    pub(crate) fn press_halt(&mut self, step: &mut Step) {
        let (Some(halt), Some(epoch)) = (self.halt.clone(), self.epoch()) else { return };
        let over = self.chain.as_ref().is_some_and(|view| view.halted || view.epoch != epoch);
        if over || !halt.goes_on_chain() || !self.due(Resend::Halt, self.settings.resend_ticks) {
            return;
        }
        step.actions.push(Action::HaltOnChain { epoch, proof: halt.proof().copied() });
        let message = Message::Halted { epoch, halt };
        step.actions.extend(self.peers().map(|to| Action::Send { to, message: message.clone() }));
    }

    /// A peer says that it halted. What it can prove halts this seat too; of the rest this seat sees for itself what the chain
    /// shows, and tells people.
    pub(crate) fn heard_halt(&mut self, step: &mut Step, from: usize, epoch: u32, halt: &Halt) {
        if self.epoch() != Some(epoch) || self.halt.is_some() {
            return;
        }
        if let Halt::Equivocation { seat, nonce, proof: Some(proof), .. } = halt
            && self.is_proven(*seat, epoch, *nonce, proof)
        {
            self.halt_now(step, halt.clone());
        } else if self.due(Resend::HeardHalt { from }, u64::MAX / 2) {
            step.actions.push(Action::Alarm { reason: format!("seat {from} says that it halted: {halt}") });
        }
    }

    fn is_proven(&self, seat: usize, epoch: u32, nonce: u64, proof: &Equivocation) -> bool {
        let TurnId { ring, epoch: of_epoch, nonce: of_nonce, .. } = proof.first.id;
        let key = self.settings.charter.seats.get(seat);
        (ring, of_epoch, of_nonce) == (self.settings.ring, epoch, nonce)
            && proof.check(&self.settings.domain).is_ok_and(|signer| Some(&signer) == key)
    }
}
