//! Deciding what is signed.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use alloy::primitives::B256;
use ring_contracts::{Domain, Execution, Halt, SignedRequest, Turn, halts};

use crate::{
    guard::{Day, Guard, NotSigned, Owner, Signed},
    key::SigningKey,
    message::{Answer, Question, Transaction},
    policy::{Forbidden, Policy},
};

const DAY: u64 = 86_400;

/// A key, its rules, and what it signed.
#[derive(Debug)]
pub struct Enclave {
    owner: Owner,
    key: SigningKey,
    policy: Policy,
    guard: Mutex<Guard>,
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the turn is of ring {0}, and this key signs for ring {1}")]
    OtherRing(u32, u32),
    #[error("a turn without calls has to be the void, which never expires")]
    OddVoid,
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    #[error("a transaction has to execute a turn that this key has signed, or to halt the ring: this one does neither")]
    Transaction,
    #[error("the turn that the transaction executes is not what this key has signed")]
    NotTheTurn,
    #[error("{0}")]
    Key(#[from] crate::key::KeyError),
    #[error("this host's clock is before 1970")]
    Clock,
}

impl Refusal {
    fn is_for_now(&self) -> bool {
        match self {
            Self::Key(_) | Self::Clock => true,
            Self::NotSigned(why) => {
                matches!(why, NotSigned::OverBudget { .. } | NotSigned::Disk { .. } | NotSigned::Untrusted)
            }
            _ => false,
        }
    }
}

impl Enclave {
    /// One that signs for this contract and ring, with the owner's key.
    pub fn new(owner: Owner, key: SigningKey, policy: Policy, guard: Guard) -> Self {
        Self { owner, key, policy, guard: Mutex::new(guard) }
    }

    /// Answers a question.
    pub fn answer(&self, question: Question) -> Answer {
        let Owner { domain: Domain { chain_id, contract }, ring, address } = self.owner;
        let digest = match question {
            Question::Identity => return Answer::Identity { address, chain_id, contract, ring },
            Question::Turn { turn, requests } => self.turn(&turn, &requests),
            Question::Halt { epoch } => Ok(Halt { ring, epoch }.digest(&self.owner.domain)),
            Question::Refill { time } => self.refill(time),
            Question::Transaction(transaction) => self.transaction(&transaction),
        };
        // Whatever had to be on disk is on disk.
        let signed = digest.and_then(|digest| Ok(self.key.sign(digest)?));
        match signed {
            Ok(signature) => Answer::Signature { signature: signature.as_bytes().into() },
            Err(refusal) if refusal.is_for_now() => Answer::Unavailable { why: refusal.to_string() },
            Err(refusal) => Answer::Refused { why: refusal.to_string() },
        }
    }

    fn turn(&self, turn: &Turn, requests: &[SignedRequest]) -> Result<B256, Refusal> {
        let (id, digest) = (turn.id(), turn.digest(&self.owner.domain));
        if id.ring != self.owner.ring {
            return Err(Refusal::OtherRing(id.ring, self.owner.ring));
        }
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.is_void() {
            // It never expires, so there is just one.
            if *turn != Turn::void(id.ring, id.epoch, id.nonce) {
                return Err(Refusal::OddVoid);
            }
            guard.note_void(id)?;
            return Ok(digest);
        }
        // What was signed once was allowed then, and may be asked for without its requests.
        if guard.signed(id).content != Some(digest) {
            let spendings = self.policy.check_turn(&self.owner.domain, turn, requests)?;
            guard.note(id, digest, today()?, &spendings)?;
        }
        Ok(digest)
    }

    fn refill(&self, time: u64) -> Result<B256, Refusal> {
        let Owner { domain, ring, address } = &self.owner;
        let (refill, _) = self.policy.refill.as_ref().ok_or(Forbidden::Refill)?;
        Ok(refill.request(domain, *ring, *address, time).digest(domain))
    }

    fn transaction(&self, transaction: &Transaction) -> Result<B256, Refusal> {
        if let Some(execution) = Execution::decode(&transaction.calldata) {
            self.check_execution(&execution)?;
        } else if !halts(&transaction.calldata) {
            return Err(Refusal::Transaction);
        }
        self.policy.check_fee(transaction.most_it_costs())?;
        Ok(transaction.digest(&self.owner.domain))
    }

    fn check_execution(&self, execution: &Execution) -> Result<(), Refusal> {
        let id = execution.turn_id().filter(|id| id.pack() == execution.id && id.ring == self.owner.ring);
        let id = id.ok_or(Refusal::NotTheTurn)?;
        let digest = id.digest(alloy::primitives::keccak256(&execution.calls), &self.owner.domain);
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let Signed { content, void } = guard.signed(id);
        let is_the_void = || digest == Turn::void(id.ring, id.epoch, id.nonce).digest(&self.owner.domain);
        match content == Some(digest) || void && is_the_void() {
            true => Ok(()),
            false => Err(Refusal::NotTheTurn),
        }
    }
}

fn today() -> Result<Day, Refusal> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Refusal::Clock)?;
    Ok(Day(since.as_secs() / DAY))
}
