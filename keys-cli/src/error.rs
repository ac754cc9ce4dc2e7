//! Everything that can go wrong, and the exit code that tells a script which kind it was.

use std::{io, path::PathBuf};

use alloy::primitives::Address;
use ring_contracts::{ActionError, CharterError, CodeError};
use ring_key::unlock::UnlockError;
use ring_keystore::{KeystoreError, files::FileError};

use crate::{
    action::{ConsentError, DocumentError, EntitlementError},
    address_book::AddressBookError,
    amount::AmountError,
    ceremony::CeremonyError,
    deploy::DeployError,
    description::DescriptionError,
    emergency_kit::KitError,
    function::FunctionError,
    ledger::LedgerError,
    paper::PaperError,
    prove::ProofError,
    qr::QrError,
    record::RecordError,
    request::RequestFailure,
    ring::RingError,
    rotation::RotationError,
    rpc::ChainError,
    secret::SecretError,
    trezor::TrezorError,
    unlock::SharingError,
};

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The variants that only pass on say nothing of their own.
pub enum Error {
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error(transparent)]
    AddressBook(#[from] AddressBookError),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Charter(#[from] CharterError),
    #[error(transparent)]
    Consent(#[from] ConsentError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Entitlement(#[from] EntitlementError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Function(#[from] FunctionError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error(transparent)]
    Kit(#[from] KitError),
    #[error(transparent)]
    Paper(#[from] PaperError),
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Qr(#[from] QrError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Request(#[from] RequestFailure),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Sharing(#[from] SharingError),

    /// An option that only some commands need.
    #[error("{what} is missing: give {option} or set {variable}")]
    Missing {
        /// What.
        what: &'static str,
        /// The option.
        option: &'static str,
        /// The environment's variable.
        variable: &'static str,
    },
    /// A lease that ends before it starts.
    #[error("the lease: {0}")]
    Expiry(String),
    /// A function that nobody said is harmless.
    #[error(
        "say what {function} spends: --meter NAME --asset native|ADDRESS, or --unmetered if whatever it can do may be done \
         as often as the ring takes turns"
    )]
    MeterMissing {
        /// Its signature.
        function: String,
    },
    /// A file that should hold a charter.
    #[error(
        "{path} is not a charter: {reason}. It looks like this: {{\"window\": 3, \"quorum\": 3, \"asset\": \"0x00…\", \
         \"cap\": \"1000\", \"period\": 86400, \"turnsPerPeriod\": 500, \"interval\": 12, \"expiresAt\": 1798761600, \
         \"lastNonce\": 1099511627774, \"seats\": [\"0x…\", …]}}",
        path = path.display()
    )]
    NotACharter {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// The token says something else than the person.
    #[error("--decimals is {given}, and token {token} says {actual}: check the token, or leave --decimals out")]
    DecimalsDiffer {
        /// Which token.
        token: Address,
        /// What the person says.
        given: u8,
        /// What the token says.
        actual: u8,
    },
    /// The master of a new contract.
    #[error("the master cannot be the zero address: nobody could ever form a ring")]
    NoMaster,
    /// A deployment that cannot be seen.
    #[error("transaction {transaction} deployed {contract}, but it cannot be used: {reason}")]
    Deployment {
        /// The transaction.
        transaction: alloy::primitives::B256,
        /// Where.
        contract: Address,
        /// What is wrong.
        reason: String,
    },
    /// The chain has something else than a file says.
    #[error("the chain differs from the file in {count} ways, listed above: find out why before you trust either")]
    Differs {
        /// How many.
        count: usize,
    },
    /// Somebody has to send it.
    #[error("name who sends the transaction and pays the gas: --keystore FILE, --ledger or --trezor")]
    NoKeystore,
    /// A device does not do what it is asked for.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another device does not do what it is asked for.
    #[error(transparent)]
    Trezor(#[from] TrezorError),
    /// The key did not sign.
    #[error("the key {signer} did not sign this: nothing was written")]
    SigningFailed {
        /// Whose key.
        signer: Address,
    },
    /// Nobody listens.
    #[error("the result cannot be printed: {0}")]
    Output(#[from] io::Error),
}

impl From<CodeError> for Error {
    fn from(error: CodeError) -> Self {
        Self::Chain(error.into())
    }
}

impl Error {
    /// The exit code, listed in the command's help.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Action(_)
            | Self::Amount(_)
            | Self::Ceremony(CeremonyError::Description { .. } | CeremonyError::Replacement { .. })
            | Self::Charter(_)
            | Self::DecimalsDiffer { .. }
            | Self::Description(
                DescriptionError::Malformed { .. }
                | DescriptionError::Permission { .. }
                | DescriptionError::Ring { .. },
            )
            | Self::Expiry(_)
            | Self::Function(_)
            | Self::MeterMissing { .. }
            | Self::Missing { .. }
            | Self::NoKeystore
            | Self::NoMaster
            | Self::NotACharter { .. }
            | Self::Rotation(RotationError::Count { .. } | RotationError::Moved { .. } | RotationError::Charter(_))
            | Self::Chain(ChainError::Url(_))
            | Self::Sharing(SharingError::Count(_))
            | Self::Request(RequestFailure::Url(_) | RequestFailure::Invalid(_)) => 2,
            Self::Kit(KitError::File(_) | KitError::Qr(_))
            | Self::Record(RecordError::InUse(_) | RecordError::Unwritable { .. }) => 3,
            Self::Kit(_) => 4,
            Self::Record(RecordError::NotRecorded { .. }) => 1,
            Self::Qr(QrError::Document(_) | QrError::NotADocument(_)) => 4,
            Self::AddressBook(_)
            | Self::Qr(_)
            | Self::File(_)
            | Self::Keystore(_)
            | Self::Ledger(_)
            | Self::Secret(_)
            | Self::Trezor(_)
            | Self::SigningFailed { .. } => 3,
            Self::Paper(PaperError::OtherAddress { .. }) => 4,
            Self::Paper(_) => 3,
            Self::Sharing(
                SharingError::File(_)
                | SharingError::Secret(_)
                | SharingError::Share { .. }
                | SharingError::TooFew { .. },
            ) => 3,
            Self::Sharing(SharingError::Unlock(UnlockError::Unreachable { .. })) => 5,
            Self::Sharing(SharingError::Unlock(UnlockError::Refused(_))) => 6,
            Self::Chain(error) | Self::Ring(RingError::Chain(error)) => of_chain(error),
            Self::Ceremony(CeremonyError::Stopped { .. }) => 9,
            Self::Ceremony(_)
            | Self::Consent(_)
            | Self::Deploy(_)
            | Self::Description(DescriptionError::OtherChain { .. } | DescriptionError::OtherContract { .. })
            | Self::Document(_)
            | Self::Entitlement(_)
            | Self::Proof(_)
            | Self::Ring(RingError::Unknown { .. }) => 4,
            Self::Rotation(RotationError::File(_)) => 3,
            Self::Rotation(_) => 4,
            Self::Differs { .. } => 8,
            Self::Ring(RingError::CharterLost { .. }) => 5,
            Self::Request(failure) => of_request(failure),
            Self::Deployment { .. } => 7,
            Self::Output(_) => 1,
        }
    }
}

fn of_chain(error: &ChainError) -> u8 {
    match error {
        ChainError::Url(_) => 2,
        ChainError::Code(_) | ChainError::NoGas { .. } => 4,
        ChainError::Unreachable { .. } | ChainError::Refused { .. } => 5,
        ChainError::Reverted(_) | ChainError::RevertedInBlock { .. } => 6,
        ChainError::Unknown { .. } => 7,
    }
}

fn of_request(failure: &RequestFailure) -> u8 {
    match failure {
        RequestFailure::Url(_) | RequestFailure::Invalid(_) => 2,
        RequestFailure::OtherChain { .. } => 4,
        RequestFailure::Unreachable { .. }
        | RequestFailure::NoAnswer { .. }
        | RequestFailure::CancellationUnanswered { .. } => 5,
        RequestFailure::Refused { .. } | RequestFailure::EndedBadly { .. } | RequestFailure::ContentUnknown { .. } => 6,
        RequestFailure::NotYet { .. } => 7,
    }
}
