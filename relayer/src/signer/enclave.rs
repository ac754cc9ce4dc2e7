//! A key in the enclave, `ring-signer`: it is told what to sign, not which digest, and decides for itself.

use std::{fmt, io, os::fd::OwnedFd, sync::Arc};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    primitives::Signature,
};
use backon::{ConstantBuilder, Retryable as _};
use futures::future::{BoxFuture, FutureExt as _};
use ring_contracts::{Address, B256, Bytes, CompactSignature, Domain, Halt, Refill, SignedRequest};
use ring_key::{KeyError, PATIENCE};
use ring_signer::message::{self, Answer, MessageError, Question, Transaction};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{Domain as Family, SockAddr, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Permit, Signer, SignerError, check_wanted};
use crate::{
    chain::{TransactionSigner, Wanted},
    config::Enclave,
    store::DurableReservation,
};

const KEEPER: &str = "the enclave";
/// How often a question is asked whose answer does not come.
const ATTEMPTS: usize = 3;
/// How long until it is asked again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The signer whose key is in another process.
pub struct EnclaveSigner {
    enclave: Enclave,
    address: Address,
    domain: Domain,
}

impl EnclaveSigner {
    /// Asks the enclave whose key it has.
    ///
    /// # Errors
    /// `Key`; `OtherEnclave`.
    pub async fn open(enclave: &Enclave, domain: Domain, ring: u32) -> Result<Self, SignerError> {
        match ask(enclave, &Question::Identity).await? {
            Answer::Identity { address, chain_id, contract, ring: theirs } => {
                match (Domain { chain_id, contract }, theirs) == (domain, ring) {
                    true => Ok(Self { enclave: enclave.clone(), address, domain }),
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
        let signature = match ask(&self.enclave, &question).await? {
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
async fn ask(enclave: &Enclave, question: &Question) -> Result<Answer, KeyError> {
    let unavailable = |why: String| KeyError::Unavailable { keeper: KEEPER.to_owned(), why };
    let asked = async {
        let again = ConstantBuilder::default().with_delay(PAUSE).with_max_times(ATTEMPTS - 1);
        let is_lost = |error: &MessageError| matches!(error, MessageError::Connection(_));
        (|| ask_once(enclave, question)).retry(again).when(is_lost).await
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(unavailable(format!("{enclave}: {error}"))),
        Err(_) => Err(unavailable(format!("{enclave}: no answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn ask_once(enclave: &Enclave, question: &Question) -> Result<Answer, MessageError> {
    match enclave {
        Enclave::Unix(socket) => ask_over(UnixStream::connect(socket).await?, question).await,
        Enclave::Vsock { cid, port } => ask_over(connect_vsock(*cid, *port).await?, question).await,
        Enclave::Tls { address, tls } => ask_over(connect_tls(address, tls).await?, question).await,
    }
}

async fn ask_over(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
) -> Result<Answer, MessageError> {
    connection.write_all(&message::encode(question)?).await?;
    connection.flush().await?;
    let mut head = [0; 4];
    connection.read_exact(&mut head).await?;
    let mut json = vec![0; message::length(head)?];
    connection.read_exact(&mut json).await?;
    Ok(serde_json::from_slice(&json)?)
}

/// The kernel itself gives up after two seconds.
async fn connect_vsock(cid: u32, port: u32) -> io::Result<UnixStream> {
    let connected = tokio::task::spawn_blocking(move || {
        let socket = Socket::new(Family::VSOCK, Type::STREAM, None)?;
        socket.connect(&SockAddr::vsock(cid, port))?;
        socket.set_nonblocking(true)?;
        io::Result::Ok(OwnedFd::from(socket))
    });
    // Only a stream by now, which is read and written as any other.
    UnixStream::from_std(connected.await.map_err(io::Error::other)??.into())
}

async fn connect_tls(address: &str, tls: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    // The certificate is pinned, whatever it says.
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(tls.clone()).connect(name, stream).await
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
        write!(f, "EnclaveSigner({} behind {})", self.address, self.enclave)
    }
}
