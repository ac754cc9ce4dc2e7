//! A key in a Trezor, asked with Trezor's own library.
//!
//! A Trezor that knows EIP-712 is not given hashes: it asks for the structs and values of what it is to sign, one by
//! one, shows them, and computes the hashes itself. The first model, Trezor One, is given both hashes and shows them,
//! as a Ledger does.

mod place;
mod transaction;
mod typed_data;

use alloy::{
    consensus::TypedTransaction,
    primitives::{Address, B256, Signature, U256},
};
use ring_contracts::{Domain, TypedStruct};
use trezor_client::{
    TrezorMessage,
    client::Features,
    protos::{
        ButtonAck, EthereumAddress, EthereumGetAddress, EthereumSignTypedData, EthereumSignTypedHash,
        EthereumTypedDataSignature, EthereumTypedDataStructAck, EthereumTypedDataStructRequest,
        EthereumTypedDataValueAck, EthereumTypedDataValueRequest, Failure, MessageType, PassphraseAck, PinMatrixAck,
        failure::FailureType,
    },
    transport::ProtoMessage,
};

use crate::{
    ledger::DerivationPath,
    output::tell,
    secret::{self, SecretError},
};

pub use place::{TrezorPlace, TrezorPlaceError};
use typed_data::TypedData;

/// The most questions about one message. The largest that there is, a ring of 32 seats, takes some 60.
const MOST_QUESTIONS: usize = 10_000;

/// Why a Trezor does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum TrezorError {
    /// There is none.
    #[error(
        "no Trezor is found: connect it and unlock it; if it is, this user may not use it: install Trezor's udev rules"
    )]
    NotFound,
    /// There is more than one.
    #[error("{0} Trezors are connected: leave the one with the key")]
    Several(usize),
    /// The connection broke.
    #[error(
        "the Trezor cannot be reached: {0}; close what else uses it (Trezor Suite, its bridge), connect it again, \
         and unlock it"
    )]
    Connection(String),
    /// It sent what makes no sense.
    #[error("the Trezor sent what this version does not understand: {0}")]
    Answer(String),
    /// It asked for what is not in the message.
    #[error("the Trezor asked for {0}, which is not in what is to be signed: nothing was signed")]
    Question(String),
    /// Its owner said no.
    #[error("it was declined on the Trezor: nothing was signed")]
    Declined,
    /// A wrong PIN.
    #[error("the PIN was wrong: the Trezor makes you wait before the next try")]
    Pin,
    /// There is no seed in it.
    #[error("the Trezor has no seed yet, or waits for new firmware: set it up first")]
    NotSetUp,
    /// The first model asks the computer for what belongs on no computer.
    #[error(
        "this Trezor asks the computer for its passphrase, and this command takes none: use one that is entered on \
         the device"
    )]
    Passphrase,
    /// It signs no such transaction.
    #[error("a Trezor signs transactions of the kinds legacy and EIP-1559, and this is of kind {0}")]
    Kind(u8),
    /// Nobody can be asked for the PIN.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Something else.
    #[error("the Trezor refused: {0}")]
    Refused(String),
}

impl From<trezor_client::Error> for TrezorError {
    fn from(error: trezor_client::Error) -> Self {
        match error {
            trezor_client::Error::Protobuf(_) => Self::Answer(error.to_string()),
            error => Self::Connection(error.to_string()),
        }
    }
}

/// A key in a Trezor.
pub struct Trezor {
    client: trezor_client::Trezor,
    path: DerivationPath,
    /// Whether it is given hashes.
    is_first_model: bool,
}

impl std::fmt::Debug for Trezor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trezor({})", self.path)
    }
}

impl Trezor {
    /// The key at this path of the Trezor that is there.
    ///
    /// # Errors
    /// `NotFound`, `Several`, `Connection`, `NotSetUp`.
    pub fn open(place: &TrezorPlace, path: DerivationPath) -> Result<Self, TrezorError> {
        let mut client = place.connect()?;
        client.init_device(None)?;
        let features = client.features().ok_or_else(|| TrezorError::Answer("nothing about itself".to_owned()))?;
        if !features.initialized() || features.bootloader_mode() {
            return Err(TrezorError::NotSetUp);
        }
        let is_first_model = is_first_model(features);
        Ok(Self { client, path, is_first_model })
    }

    /// Which of the device's keys.
    pub fn path(&self) -> &DerivationPath {
        &self.path
    }

    /// Whether it shows two hashes only, and not what they are of.
    pub fn shows_hashes(&self) -> bool {
        self.is_first_model
    }

    /// Its address. With `show`, the device shows it, and its owner has to agree that it is the same.
    ///
    /// # Errors
    /// Any [`TrezorError`].
    pub fn address(&mut self, show: bool) -> Result<Address, TrezorError> {
        let mut question = EthereumGetAddress::new();
        question.address_n = self.path.steps().to_vec();
        question.set_show_display(show);
        let answer: EthereumAddress = self.ask_for(question, MessageType::MessageType_EthereumAddress)?;
        let text = answer.address();
        text.parse().map_err(|_| TrezorError::Answer(format!("{text:?} as an address")))
    }

    /// Signs a message (EIP-712) once its owner agrees. The signature has low s (EIP-2).
    ///
    /// # Errors
    /// Any [`TrezorError`].
    pub fn sign(&mut self, domain: &Domain, message: &TypedStruct) -> Result<Signature, TrezorError> {
        let data = TypedData::new(domain, message);
        let data = data.filter(|data| data.hashes() == Some([domain.separator(), message.hash]));
        let data = data.ok_or_else(|| TrezorError::Question("what this version cannot describe".to_owned()))?;
        let answer = match self.is_first_model {
            true => self.sign_hashes(domain.separator(), message.hash)?,
            false => self.sign_data(&data)?,
        };
        signature(&answer)
    }

    fn sign_hashes(&mut self, domain: B256, message: B256) -> Result<EthereumTypedDataSignature, TrezorError> {
        let mut question = EthereumSignTypedHash::new();
        question.address_n = self.path.steps().to_vec();
        question.set_domain_separator_hash(domain.to_vec());
        question.set_message_hash(message.to_vec());
        self.ask_for(question, MessageType::MessageType_EthereumTypedDataSignature)
    }

    /// The device asks for each struct and each value, in the order that it likes.
    fn sign_data(&mut self, data: &TypedData) -> Result<EthereumTypedDataSignature, TrezorError> {
        let mut question = EthereumSignTypedData::new();
        question.address_n = self.path.steps().to_vec();
        question.set_primary_type(data.primary_type().to_owned());
        // As EIP-712 says, whoever's name the flag has: structs in arrays are hashed.
        question.set_metamask_v4_compat(true);
        let mut answer = self.ask(question)?;
        for _ in 0..MOST_QUESTIONS {
            answer = match answer.message_type() {
                MessageType::MessageType_EthereumTypedDataStructRequest => {
                    let asked: EthereumTypedDataStructRequest = read(answer)?;
                    let mut reply = EthereumTypedDataStructAck::new();
                    let nothing = || TrezorError::Question(format!("the struct {:?}", asked.name()));
                    reply.members = data.members(asked.name()).ok_or_else(nothing)?;
                    self.ask(reply)?
                }
                MessageType::MessageType_EthereumTypedDataValueRequest => {
                    let asked: EthereumTypedDataValueRequest = read(answer)?;
                    let mut reply = EthereumTypedDataValueAck::new();
                    let nothing = || TrezorError::Question(format!("the value at {:?}", asked.member_path));
                    reply.set_value(data.value(&asked.member_path).ok_or_else(nothing)?);
                    self.ask(reply)?
                }
                MessageType::MessageType_EthereumTypedDataSignature => return read(answer),
                other => return Err(unexpected(other)),
            };
        }
        Err(TrezorError::Answer("questions without end".to_owned()))
    }

    /// Signs a transaction once its owner agrees: r and s of the signature. Which of the two points it is shows by the
    /// key.
    ///
    /// # Errors
    /// Any [`TrezorError`].
    pub fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<(U256, U256), TrezorError> {
        transaction::sign(self, transaction)
    }

    fn ask_for<A: trezor_client::TrezorMessage>(
        &mut self,
        question: impl TrezorMessage,
        expected: MessageType,
    ) -> Result<A, TrezorError> {
        let answer = self.ask(question)?;
        match answer.message_type() {
            found if found == expected => read(answer),
            other => Err(unexpected(other)),
        }
    }

    /// Asks, and does what the device wants of the computer meanwhile.
    fn ask(&mut self, question: impl TrezorMessage) -> Result<ProtoMessage, TrezorError> {
        let mut answer = self.client.call_raw(question)?;
        loop {
            answer = match answer.message_type() {
                MessageType::MessageType_ButtonRequest => self.client.call_raw(ButtonAck::new())?,
                MessageType::MessageType_PinMatrixRequest => {
                    tell(
                        "The Trezor shows the digits in a square. Type their places, as on a keyboard's digits: 7 8 \
                         9 on top",
                    );
                    let places = secret::from_terminal("the places of the PIN's digits", "--keystore")?;
                    let mut reply = PinMatrixAck::new();
                    reply.set_pin(secrecy::ExposeSecret::expose_secret(&places).to_owned());
                    self.client.call_raw(reply)?
                }
                MessageType::MessageType_PassphraseRequest if self.is_first_model => {
                    return Err(TrezorError::Passphrase);
                }
                MessageType::MessageType_PassphraseRequest => {
                    tell("Enter the passphrase on the Trezor");
                    let mut reply = PassphraseAck::new();
                    reply.set_on_device(true);
                    self.client.call_raw(reply)?
                }
                MessageType::MessageType_Failure => return Err(refusal(&read(answer)?)),
                _ => return Ok(answer),
            };
        }
    }
}

fn is_first_model(features: &Features) -> bool {
    features.model() == "1" || features.internal_model() == "T1B1"
}

fn read<A: TrezorMessage>(answer: ProtoMessage) -> Result<A, TrezorError> {
    answer.into_message().map_err(|error| TrezorError::Answer(error.to_string()))
}

fn unexpected(other: MessageType) -> TrezorError {
    TrezorError::Answer(format!("{other:?}, which was not asked for"))
}

fn refusal(failure: &Failure) -> TrezorError {
    match failure.code() {
        FailureType::Failure_ActionCancelled | FailureType::Failure_PinCancelled => TrezorError::Declined,
        FailureType::Failure_PinInvalid => TrezorError::Pin,
        FailureType::Failure_NotInitialized => TrezorError::NotSetUp,
        _ => TrezorError::Refused(failure.message().to_owned()),
    }
}

fn signature(answer: &EthereumTypedDataSignature) -> Result<Signature, TrezorError> {
    let bytes = answer.signature();
    let broken = || TrezorError::Answer(format!("a signature of {} bytes", bytes.len()));
    let (numbers, v) = bytes.split_at_checked(64).ok_or_else(broken)?;
    let [v @ (0 | 1 | 27 | 28)] = v else { return Err(broken()) };
    let (r, s) = numbers.split_at(32);
    let signature = Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), matches!(v, 1 | 28));
    Ok(signature.normalize_s().unwrap_or(signature))
}
