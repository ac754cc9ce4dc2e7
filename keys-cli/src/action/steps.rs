//! One step with the key at hand, or three steps on two machines.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use ring_contracts::Charter;

use super::{
    document::{Document, DocumentError, Statement},
    entitlement,
    wish::{Intent, Wish},
    words,
};
use crate::{
    address_book::AddressBook,
    chain::Chain,
    error::Error,
    output::tell,
    ring,
    rpc::{Connection, Sent},
    safe::Batch,
    signing_key::SigningKey,
    time,
};

/// How long a signature is valid that is sent at once.
const DIRECT_VALIDITY: Duration = Duration::from_secs(3_600);

sol! {
    /// ERC-1271.
    function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
}

/// Why nothing is signed or sent, though the file is sound.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// It could be several.
    #[error("name who is to sign: --signer ADDRESS (for a halt: the master, the guardian or an operator of the ring)")]
    SignerNotNamed,
    /// Another key than the file names.
    #[error("{place} holds the key {actual}, and {expected} is to sign")]
    OtherKey {
        /// A file or a device.
        place: String,
        /// Whose key it is.
        actual: Address,
        /// Whose it should be.
        expected: Address,
    },
    /// The person did not say yes.
    #[error("you did not answer \"yes\": nothing was signed")]
    Declined,
    /// Nobody can be asked.
    #[error("there is no terminal to ask for consent: read the above and repeat with --yes")]
    NobodyToAsk,
    /// The document is for another chain.
    #[error(
        "this was prepared for chain {expected}, and the RPC {rpc} is of chain {actual}: give the RPC of the right chain"
    )]
    OtherChain {
        /// The document's chain.
        expected: u64,
        /// The RPC's chain.
        actual: u64,
        /// Scheme and host of the RPC.
        rpc: String,
    },
    /// The document is for another contract.
    #[error("this was prepared for the contract {expected}, and --contract (or RING_CONTRACT) is {given}")]
    OtherContract {
        /// The document's contract.
        expected: Address,
        /// The contract on the command line.
        given: Address,
    },
    /// The signature is somebody else's.
    #[error("the signature is not by {signer}: {found}. Sign again with the right key")]
    WrongSignature {
        /// Who should have signed.
        signer: Address,
        /// What was found instead.
        found: String,
    },
    /// Something else was done meanwhile.
    #[error(
        "nonce {nonce} of {signer} is used already: this was sent before, or something else was; prepare again if it is still wanted"
    )]
    NonceUsed {
        /// Whose nonce.
        signer: Address,
        /// The document's nonce.
        nonce: u64,
    },
    /// Something else has to be done first.
    #[error(
        "it is not the turn of nonce {nonce} of {signer} yet: what was signed with nonce {next} has to be sent first"
    )]
    NonceAhead {
        /// Whose nonce.
        signer: Address,
        /// The document's nonce.
        nonce: u64,
        /// The nonce that is next.
        next: U256,
    },
    /// Too late.
    #[error("the signature was valid until {}, and the chain's time is {}: prepare and sign again", time::in_utc(*deadline), time::in_utc(*now))]
    Expired {
        /// The last second.
        deadline: u64,
        /// The chain's time.
        now: u64,
    },
    /// It is for an epoch that is over.
    #[error("this is for epoch {signed} of ring {ring}, which is in epoch {current}: prepare and sign again")]
    EpochOver {
        /// Which ring.
        ring: u32,
        /// The document's epoch.
        signed: u32,
        /// The ring's epoch.
        current: u32,
    },
    /// The ring was changed since.
    #[error("ring {ring} was changed since this was prepared (its charter is another): prepare and sign again")]
    CharterChanged {
        /// Which ring.
        ring: u32,
    },
}

/// What `prepare` needs beside the wish.
#[derive(Clone, Copy, Debug)]
pub struct Preparation {
    /// Who is to sign. `None`: whoever the action is for.
    pub signer: Option<Address>,
    /// How long the signature is to be valid.
    pub valid_for: Duration,
    /// Another nonce than the next: several actions are prepared at once.
    pub nonce: Option<u64>,
}

/// First step, online: everything that a signature needs.
///
/// # Errors
/// The action cannot be done, now and by this signer.
pub async fn prepare(chain: &Chain, wish: Wish, preparation: Preparation) -> Result<Document, Error> {
    let intent = wish.resolve(chain).await?;
    let signer = match preparation.signer {
        Some(signer) => signer,
        None => entitlement::usual_signer(&intent, &chain.authorities().await?).ok_or(ConsentError::SignerNotNamed)?,
    };
    let document = draft(chain, intent, signer, preparation.valid_for, preparation.nonce).await?;
    // As if the signer sent it itself: what the contract would refuse is better not signed at all.
    let contract = chain.domain().contract;
    chain.connection().simulate(signer, contract, document.calldata(Bytes::new())).await?;
    Ok(document)
}

async fn draft(
    chain: &Chain,
    intent: Intent,
    signer: Address,
    valid_for: Duration,
    nonce: Option<u64>,
) -> Result<Document, Error> {
    let charter = entitlement::check(chain, &intent, signer, None).await?;
    let statement = match intent {
        Intent::Halt(halt) => Statement::Halt { ring: halt.ring, epoch: halt.epoch },
        Intent::Act(action) => {
            let nonce = match nonce {
                Some(nonce) => nonce,
                None => chain.action_nonce(signer).await?.saturating_to(),
            };
            // A quiet chain's latest block can be old; the next one will not be.
            let now = chain.connection().time().await?.max(time::now());
            Statement::Action { action, nonce, deadline: now + valid_for.as_secs() }
        }
    };
    Ok(Document::new(*chain.domain(), signer, statement, charter))
}

/// Writes down for a contract, above all a Safe, what it is to call, in the place of the second and third step.
///
/// # Errors
/// It is signed already.
pub fn for_safe(document: &Document, path: &Path) -> Result<Batch, DocumentError> {
    if document.signature.is_some() {
        return Err(DocumentError::SignedAlready(path.to_owned()));
    }
    let now = time::now();
    Ok(Batch::new(document, words::announce(document, now), now))
}

/// Second step, offline: shows what is to be signed, asks, and signs. `key` is called after consent.
///
/// # Errors
/// It is signed already, the person declines, or the key is another's.
pub fn sign<K: SigningKey>(
    mut document: Document,
    path: &Path,
    book: &AddressBook,
    yes: bool,
    key: impl FnOnce() -> Result<K, Error>,
) -> Result<Document, Error> {
    if document.signature.is_some() {
        return Err(DocumentError::SignedAlready(path.to_owned()).into());
    }
    tell(book.annotate(&words::describe(&document, time::now())));
    if !yes {
        ask()?;
    }
    add_signature(&mut document, &mut key()?)?;
    Ok(document)
}

fn ask() -> Result<(), ConsentError> {
    if !io::stdin().is_terminal() {
        return Err(ConsentError::NobodyToAsk);
    }
    let mut answer = String::new();
    let _ = write!(io::stderr(), "\nSign this? Type \"yes\" to sign: ");
    io::stdin().lock().read_line(&mut answer).map_err(|_| ConsentError::Declined)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(ConsentError::Declined) }
}

fn add_signature(document: &mut Document, key: &mut impl SigningKey) -> Result<(), Error> {
    let (actual, expected) = (key.address()?, document.signer);
    if actual != expected {
        return Err(ConsentError::OtherKey { place: key.place(), actual, expected }.into());
    }
    let signature = Bytes::from(key.sign(document)?.as_bytes());
    // A device could have signed something else, or with another of its keys.
    if document.recover(&signature) != Some(expected) {
        return Err(Error::SigningFailed { signer: expected });
    }
    document.signature = Some(signature);
    Ok(())
}

/// Third step, online: checks everything again and sends it. `key` is called after the checks, and pays the gas.
///
/// # Errors
/// The signature is of no use here and now, or sending fails.
pub async fn submit(
    document: &Document,
    path: &Path,
    connection: Connection,
    given: Option<Address>,
    key: impl FnOnce() -> Result<Box<dyn SigningKey>, Error>,
) -> Result<Sent, Error> {
    let signature = document.signature.clone().ok_or_else(|| DocumentError::NotSigned(path.to_owned()))?;
    let (expected, actual) = (document.domain.chain_id, connection.chain_id());
    if expected != actual {
        return Err(ConsentError::OtherChain { expected, actual, rpc: connection.rpc().to_owned() }.into());
    }
    let expected = document.domain.contract;
    if let Some(given) = given.filter(|given| *given != expected) {
        return Err(ConsentError::OtherContract { expected, given }.into());
    }
    let chain = Chain::at(connection, expected).await?;
    check_now(&chain, document).await?;
    send(&chain, document, signature, &mut key()?).await
}

/// Checks that a document fits the chain as it is now, and its signature if it has one.
///
/// # Errors
/// It does not, or the chain cannot be asked.
pub(crate) async fn check_now(chain: &Chain, document: &Document) -> Result<(), Error> {
    if let Some(signature) = &document.signature {
        check_signature(chain, document, signature).await?;
    }
    check_currency(chain, document).await
}

async fn check_signature(chain: &Chain, document: &Document, signature: &Bytes) -> Result<(), Error> {
    let (signer, digest) = (document.signer, document.digest());
    let recovered = document.recover(signature);
    if recovered == Some(signer) {
        return Ok(());
    }
    let found = if chain.connection().code(signer).await?.is_empty() {
        match recovered {
            Some(other) => format!("it recovers to {other}, so another key made it or it is of something else"),
            None => "it is damaged".to_owned(),
        }
    } else {
        // A contract answers for itself (ERC-1271). It may also revert, which is a no.
        let question = isValidSignatureCall { hash: digest, signature: signature.clone() }.abi_encode();
        let answer = chain.connection().simulate(chain.domain().contract, signer, question.into()).await;
        match answer {
            Ok(answer) if answer.len() >= 32 && answer[..4] == isValidSignatureCall::SELECTOR => return Ok(()),
            _ => "the contract at that address does not accept it (ERC-1271)".to_owned(),
        }
    };
    Err(ConsentError::WrongSignature { signer, found }.into())
}

/// Whether the document still fits the chain.
async fn check_currency(chain: &Chain, document: &Document) -> Result<(), Error> {
    let signer = document.signer;
    let ring = match &document.statement {
        Statement::Halt { ring, epoch } => {
            check_epoch(chain, *ring, *epoch).await?;
            Some(*ring)
        }
        Statement::Action { action, nonce, deadline } => {
            let (nonce, next) = (*nonce, chain.action_nonce(signer).await?);
            if U256::from(nonce) < next {
                return Err(ConsentError::NonceUsed { signer, nonce }.into());
            }
            if U256::from(nonce) > next {
                return Err(ConsentError::NonceAhead { signer, nonce, next }.into());
            }
            let now = chain.connection().time().await?;
            if *deadline < now {
                return Err(ConsentError::Expired { deadline: *deadline, now }.into());
            }
            if let (Some(ring), Some(epoch)) = (action.ring(), action.epoch()) {
                check_epoch(chain, ring, epoch).await?;
            }
            action.ring()
        }
    };
    if let (Some(ring), Some(charter)) = (ring, &document.charter) {
        check_charter(chain, ring, charter).await?;
    }
    entitlement::check(chain, &document.statement.intent(), signer, document.charter.as_ref()).await?;
    Ok(())
}

async fn check_epoch(chain: &Chain, ring: u32, signed: u32) -> Result<(), Error> {
    let current = ring::read_any_view(chain, ring).await?.epoch;
    if current != signed {
        return Err(ConsentError::EpochOver { ring, signed, current }.into());
    }
    Ok(())
}

async fn check_charter(chain: &Chain, ring: u32, charter: &Charter) -> Result<(), Error> {
    if ring::read_view(chain, ring).await?.charter != charter.commitment() {
        return Err(ConsentError::CharterChanged { ring }.into());
    }
    Ok(())
}

async fn send(chain: &Chain, document: &Document, signature: Bytes, key: &mut dyn SigningKey) -> Result<Sent, Error> {
    let input = document.calldata(signature);
    chain.connection().simulate(key.address()?, chain.domain().contract, input.clone()).await?;
    chain.send(key, input).await
}

/// All in one step: the key sends the transaction itself, or signs and another key sends.
///
/// # Errors
/// The action cannot be done, now and by this key.
pub async fn direct(
    chain: &Chain,
    wish: Wish,
    book: &AddressBook,
    mut key: Box<dyn SigningKey>,
    sender: Option<Box<dyn SigningKey>>,
) -> Result<Sent, Error> {
    let intent = wish.resolve(chain).await?;
    let mut document = draft(chain, intent, key.address()?, DIRECT_VALIDITY, None).await?;
    tell(book.annotate(&words::announce(&document, time::now())));
    match sender {
        None => send(chain, &document, Bytes::new(), &mut key).await,
        Some(mut sender) => {
            add_signature(&mut document, &mut key)?;
            let signature = document.signature.clone().unwrap_or_default();
            send(chain, &document, signature, &mut sender).await
        }
    }
}
