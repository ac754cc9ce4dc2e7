//! What is asked and answered. A question is about something that is decoded here: there is none that has a bare digest signed.
//!
//! A connection carries one question and its answer, each as four bytes of length (big-endian) and JSON.

use std::io::{self, Read, Write};

use alloy::primitives::{Address, Bytes, FixedBytes};
use ring_contracts::{SignedRequest, Turn};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// No message is longer, in bytes.
pub const MAX_MESSAGE: u32 = 1 << 20;

/// What is spoken inside of TLS (ALPN).
pub const PROTOCOL: &[u8] = b"ring-signer/1";

/// What the enclave can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Question {
    /// Whose key it has, and for which contract and ring.
    Identity,
    /// To sign a turn.
    Turn {
        /// The turn, with all its calls.
        turn: Turn,
        /// The requests that its calls are for, as their requesters signed them. Those that it needs not see may be left out.
        requests: Vec<SignedRequest>,
    },
    /// To sign a halt of the ring.
    Halt {
        /// In which epoch.
        epoch: u32,
    },
    /// To sign the refill of the key's own account.
    Refill {
        /// At which time of the chain, in Unix seconds.
        time: u64,
    },
    /// To sign the transaction that executes a turn that it has signed, or that halts the ring. It calls the contract without
    /// value: nobody can ask for anything else.
    Transaction(Transaction),
}

/// What may differ in a transaction of EIP-1559.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transaction {
    /// The account's nonce.
    pub nonce: u64,
    /// The gas limit.
    pub gas_limit: u64,
    /// The most that a unit of gas may cost, in wei.
    pub max_fee_per_gas: u64,
    /// The tip for a unit of gas, in wei.
    pub max_priority_fee_per_gas: u64,
    /// The call of the contract.
    pub calldata: Bytes,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Answer {
    /// Who it is.
    Identity {
        /// Its key's account.
        address: Address,
        /// The chain id.
        chain_id: u64,
        /// The contract.
        contract: Address,
        /// The ring.
        ring: u32,
    },
    /// 65 bytes r ‖ s ‖ v, with low s, and v of 27 or 28.
    Signature {
        /// The signature.
        signature: FixedBytes<65>,
    },
    /// It does not sign this, however often it is asked.
    Refused {
        /// Why.
        why: String,
    },
    /// It cannot sign now.
    Unavailable {
        /// Why.
        why: String,
    },
}

/// Why a message cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Connection(#[from] io::Error),
    /// It is longer than messages are.
    #[error("a message of {0} bytes is too long: {MAX_MESSAGE} are the most")]
    TooLong(u64),
    /// It is not what was expected.
    #[error("it is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// A message with its length before it.
///
/// # Errors
/// `TooLong`, `Malformed`.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, MessageError> {
    with_length(&serde_json::to_vec(message)?)
}

/// The same of JSON that is there already.
///
/// # Errors
/// `TooLong`.
pub fn with_length(json: &[u8]) -> Result<Vec<u8>, MessageError> {
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or(MessageError::TooLong(json.len() as u64))?;
    Ok([&length.to_be_bytes()[..], json].concat())
}

/// The length of the JSON that follows these four bytes.
///
/// # Errors
/// `TooLong`.
pub fn length(bytes: [u8; 4]) -> Result<usize, MessageError> {
    match u32::from_be_bytes(bytes) {
        length if length > MAX_MESSAGE => Err(MessageError::TooLong(length.into())),
        length => Ok(length as usize),
    }
}

/// Reads a message.
///
/// # Errors
/// Any.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, MessageError> {
    Ok(serde_json::from_slice(&read_json(from)?)?)
}

/// Reads a message and does not look into it.
///
/// # Errors
/// `Connection`, `TooLong`.
pub fn read_json(from: &mut impl Read) -> Result<Vec<u8>, MessageError> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let mut json = vec![0; length(head)?];
    from.read_exact(&mut json)?;
    Ok(json)
}

/// Writes a message.
///
/// # Errors
/// Any.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> Result<(), MessageError> {
    to.write_all(&encode(message)?)?;
    Ok(to.flush()?)
}
