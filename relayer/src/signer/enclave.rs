//! A key in the enclave, `ring-signer`: it is told what to sign, not which digest, and decides for itself.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    primitives::Signature,
};
use backon::{ConstantBuilder, Retryable as _};
use futures::future::{BoxFuture, FutureExt as _};
use ring_contracts::{Address, B256, Bytes, CompactSignature, Domain, Halt, Refill, SignedRequest};
use ring_key::{KeyError, PATIENCE};
use ring_signer::message::{self, Answer, MessageError, Question, Transaction};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{Permit, Signer, SignerError, check_wanted};
use crate::{
    chain::{TransactionSigner, Wanted},
    store::DurableReservation,
};

const KEEPER: &str = "the enclave";
/// How often a question is asked whose answer does not come.
const ATTEMPTS: usize = 3;
/// How long until it is asked again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The signer whose key is in another process.
pub struct EnclaveSigner {
    socket: PathBuf,
    address: Address,
    domain: Domain,
}

impl EnclaveSigner {
    /// Asks the enclave whose key it has.
    ///
    /// # Errors
    /// `Key`; `OtherEnclave`.
    pub async fn open(socket: &Path, domain: Domain, ring: u32) -> Result<Self, SignerError> {
        match ask(socket, &Question::Identity).await? {
            Answer::Identity { address, chain_id, contract, ring: theirs } => {
                match (Domain { chain_id, contract }, theirs) == (domain, ring) {
                    true => Ok(Self { socket: socket.to_owned(), address, domain }),
                    false => Err(SignerError::OtherEnclave { chain_id, contract, ring: theirs }),
                }
            }
            other => Err(unexpected(other).into()),
        }
    }

    /// Has something signed whose digest is this one; what comes back is checked.
    ///
    /// # Errors
    /// `Key`.
    pub async fn signature(&self, question: Question, digest: B256) -> Result<Signature, SignerError> {
        let signature = match ask(&self.socket, &question).await? {
            Answer::Signature { signature } => Signature::from_raw_array(&signature.0),
            other => return Err(unexpected(other).into()),
        };
        let is_ours = |signature: &Signature| {
            signature.normalize_s().is_none()
                && signature.recover_address_from_prehash(&digest).is_ok_and(|by| by == self.address)
        };
        signature
            .ok()
            .filter(is_ours)
            .ok_or_else(|| KeyError::OtherKey { keeper: KEEPER.to_owned(), address: self.address }.into())
    }

    async fn sign_wanted(&self, transaction: TxEip1559, wanted: &Wanted<Permit>) -> Result<TxEnvelope, SignerError> {
        check_wanted(&self.domain, &transaction, wanted)?;
        let wei = |wei: u128| {
            u64::try_from(wei).map_err(|_| SignerError::NotWanted("costs more than 2^64 wei for a unit of gas"))
        };
        let question = Question::Transaction(Transaction {
            nonce: transaction.nonce,
            gas_limit: transaction.gas_limit,
            max_fee_per_gas: wei(transaction.max_fee_per_gas)?,
            max_priority_fee_per_gas: wei(transaction.max_priority_fee_per_gas)?,
            calldata: transaction.input.clone(),
        });
        let signature = self.signature(question, transaction.signature_hash()).await?;
        Ok(transaction.into_signed(signature).into())
    }
}

/// Asks, and asks again where the answer was lost: the enclave signs the same content again.
async fn ask(socket: &Path, question: &Question) -> Result<Answer, KeyError> {
    let unavailable = |why: String| KeyError::Unavailable { keeper: KEEPER.to_owned(), why };
    let asked = async {
        let again = ConstantBuilder::default().with_delay(PAUSE).with_max_times(ATTEMPTS - 1);
        let is_lost = |error: &MessageError| matches!(error, MessageError::Connection(_));
        (|| ask_once(socket, question)).retry(again).when(is_lost).await
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(unavailable(format!("{}: {error}", socket.display()))),
        Err(_) => Err(unavailable(format!("{}: no answer within {} s", socket.display(), PATIENCE.as_secs()))),
    }
}

async fn ask_once(socket: &Path, question: &Question) -> Result<Answer, MessageError> {
    let mut connection = UnixStream::connect(socket).await?;
    connection.write_all(&message::encode(question)?).await?;
    let mut head = [0; 4];
    connection.read_exact(&mut head).await?;
    let mut json = vec![0; message::length(head)?];
    connection.read_exact(&mut json).await?;
    Ok(serde_json::from_slice(&json)?)
}

fn unexpected(answer: Answer) -> KeyError {
    let keeper = KEEPER.to_owned();
    match answer {
        Answer::Refused { why } => KeyError::Refused { keeper, why },
        Answer::Unavailable { why } => KeyError::Unavailable { keeper, why },
        Answer::Identity { .. } | Answer::Signature { .. } => {
            KeyError::NotAKey { keeper, why: "it answered something else than it was asked".to_owned() }
        }
    }
}

impl TransactionSigner<Permit> for EnclaveSigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign<'a>(
        &'a self,
        transaction: TxEip1559,
        wanted: &'a Wanted<Permit>,
    ) -> BoxFuture<'a, eyre::Result<TxEnvelope>> {
        async move { Ok(self.sign_wanted(transaction, wanted).await?) }.boxed()
    }
}

impl Signer for EnclaveSigner {
    fn sign_turn<'a>(
        &'a self,
        reservation: &'a DurableReservation,
        requests: Vec<SignedRequest>,
    ) -> BoxFuture<'a, Result<CompactSignature, SignerError>> {
        async move {
            if reservation.turn().digest(&self.domain) != reservation.digest() {
                return Err(SignerError::OtherDomain);
            }
            let question = Question::Turn { turn: reservation.turn().clone(), requests };
            self.signature(question, reservation.digest()).await.map(CompactSignature::from)
        }
        .boxed()
    }

    fn sign_halt<'a>(&'a self, halt: &'a Halt) -> BoxFuture<'a, Result<Bytes, SignerError>> {
        async move {
            let signature = self.signature(Question::Halt { epoch: halt.epoch }, halt.digest(&self.domain)).await?;
            Ok(signature.as_bytes().into())
        }
        .boxed()
    }

    fn sign_refill(&self, refill: Refill, ring: u32, time: u64) -> BoxFuture<'_, Result<SignedRequest, SignerError>> {
        async move {
            let request = refill.request(&self.domain, ring, self.address, time);
            let signature = self.signature(Question::Refill { time }, request.digest(&self.domain)).await?;
            Ok(SignedRequest { request, signature: signature.as_bytes().into() })
        }
        .boxed()
    }
}

impl fmt::Debug for EnclaveSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnclaveSigner({} behind {})", self.address, self.socket.display())
    }
}
