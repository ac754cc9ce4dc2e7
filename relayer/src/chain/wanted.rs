//! What should happen on chain, and who signs for it.

use alloy::consensus::{TxEip1559, TxEnvelope};
use futures::future::BoxFuture;
use ring_contracts::{Address, Bytes, Execution};

/// A call to the contract that should be made by this account. The latest one is all that counts. `P` is what the signer
/// needs to see before it signs; nothing else here looks at it.
#[derive(Clone, Debug)]
pub enum Wanted<P> {
    /// A turn should be executed.
    Turn {
        /// Its nonce.
        nonce: u64,
        /// The call of `execute`.
        calldata: Bytes,
        /// Why it may be signed.
        permit: P,
    },
    /// The ring should be halted.
    Halt {
        /// In which epoch.
        epoch: u32,
        /// The call of `halt`.
        calldata: Bytes,
        /// Why it may be signed.
        permit: P,
    },
}

impl<P> Wanted<P> {
    /// The call data.
    pub fn calldata(&self) -> &Bytes {
        match self {
            Self::Turn { calldata, .. } | Self::Halt { calldata, .. } => calldata,
        }
    }

    /// The most gas that the calls of a turn can use beside what they used when they were tried.
    pub(super) fn gas_of_calls(&self) -> u64 {
        let Self::Turn { calldata, .. } = self else { return 0 };
        let calls = Execution::decode(calldata).and_then(|execution| execution.unpacked_calls().ok());
        calls.iter().flatten().map(|call| u64::from(call.gas)).sum()
    }

    /// Whether a transaction for the one does for the other too.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Turn { nonce, calldata, .. }, Self::Turn { nonce: other_nonce, calldata: other_calldata, .. }) => {
                (nonce, calldata) == (other_nonce, other_calldata)
            }
            (Self::Halt { epoch, calldata, .. }, Self::Halt { epoch: other_epoch, calldata: other_calldata, .. }) => {
                (epoch, calldata) == (other_epoch, other_calldata)
            }
            _ => false,
        }
    }

    /// For the log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Turn { nonce, .. } => format!("turn {nonce}"),
            Self::Halt { epoch, .. } => format!("halt of epoch {epoch}"),
        }
    }
}

/// The key of the account that sends transactions.
pub trait TransactionSigner<P>: Send + Sync {
    /// The account.
    fn address(&self) -> Address;

    /// Signs `transaction`, which calls for what is `wanted`, and nothing else. Has to end, sooner or later.
    fn sign<'a>(&'a self, transaction: TxEip1559, wanted: &'a Wanted<P>) -> BoxFuture<'a, eyre::Result<TxEnvelope>>;
}
