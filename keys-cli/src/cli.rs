//! The command line.

use std::{path::PathBuf, time::Duration};

use alloy::{
    hex,
    primitives::{Address, B256, FixedBytes},
};
use clap::{ArgGroup, Args, Parser, Subcommand};
use ring_contracts::RequestId;

use crate::{
    action::{ActionCommand, FormationArgs},
    amount::Amount,
    ceremony::CeremonyCommand,
    ledger::DerivationPath,
    paper,
    time::{self, Expiry},
    trezor::TrezorPlace,
};

const AFTER_HELP: &str = "\
Amounts: a bare number counts the smallest unit (wei). 1.5ether, 20gwei and 7wei are the native coin; \
12.5tokens are whole tokens, by their decimals().

Exit codes:
  0  done
  1  done, and the result could not be printed or recorded
  2  wrong arguments
  3  a file, a key or a password
  4  refused by our own checks; nothing was sent
  5  the RPC or the relayer cannot be used
  6  the contract or the relayer refused
  7  the outcome is not known: look before you repeat
  8  `verify` found differences
  9  a ceremony was stopped before its end";

/// The command of a Ring Window's master and operators.
///
/// Each action of the master, the guardian or an operator is done in one step where its key is at hand
/// (`ring-keys revoke … --keystore FILE`), or in three on two machines:
/// `ring-keys prepare revoke … --out action.json` (online), `ring-keys sign --in action.json --out signed.json --keystore FILE`
/// (offline), `ring-keys submit --in signed.json --keystore FILE` (online, by whoever pays the gas).
#[derive(Debug, Parser)]
#[command(name = "ring-keys", version, after_help = AFTER_HELP, max_term_width = 120)]
pub struct Cli {
    /// Where, and in which form.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// The chain's RPC, http:// or https://
    #[arg(long, global = true, env = "RING_RPC", hide_env_values = true, value_name = "URL")]
    pub rpc: Option<String>,
    /// The RingMultisig's address
    #[arg(long, global = true, env = "RING_CONTRACT", value_name = "ADDRESS", value_parser = parse_address)]
    pub contract: Option<Address>,
    /// A file of names for addresses, which are shown behind them: treasury = "0x…"
    #[arg(long, global = true, env = "RING_ADDRESS_BOOK", value_name = "FILE")]
    pub address_book: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new key, in an encrypted keystore
    New(NewArgs),
    /// Put a private key or the key of a mnemonic into an encrypted keystore
    Import(ImportArgs),
    /// A key on paper: make one and a sheet to print, or check one by typing it again; without a network
    #[command(subcommand)]
    Paper(PaperCommand),
    /// Print the address of a keystore's key, or of a device's, which shows it too
    Address(SigningKeyArgs),
    /// Deploy a contract: at the same address on every chain for the same master, guardian and salt
    Deploy(DeployArgs),
    /// Show a ring, or form it
    #[command(subcommand)]
    Ring(RingCommand),
    /// New keys for the seats of a ring that works on: tell its relayers, have the master form it, see them go on
    #[command(subcommand)]
    Rotate(RotateCommand),
    /// Show the contract: who rules it, what it holds, its rings
    Status(StatusArgs),
    /// Compare the chain with a file that describes the contract, and print the differences
    Verify(VerifyArgs),
    /// Write such a file from the chain
    Describe(DescribeArgs),
    /// Everything that changes a contract, in one step.
    #[command(flatten)]
    Act(ActionCommand<DirectArgs>),
    /// First of three steps, online: write down everything that is to be signed
    #[command(subcommand)]
    Prepare(PrepareCommand),
    /// Second of three steps, offline: show what is to be signed, ask, and sign
    Sign(SignArgs),
    /// Third of three steps, online: check it all again and send it
    Submit(SubmitArgs),
    /// A prepared or signed file as QR codes, for a machine without a network
    #[command(subcommand)]
    Qr(QrCommand),
    /// Go through what people do together on several machines, step by step, with a written record
    #[command(subcommand)]
    Ceremony(CeremonyCommand),
    /// Put signed halts on a sheet to print: whoever has it can stop the rings, without a key
    EmergencyKit(EmergencyKitArgs),
    /// In the place of `sign` and `submit`, for a Safe: write what it is to call, for its Transaction Builder
    ExportSafe(ExportSafeArgs),
    /// Show the contract that a key signed two contents for one turn: revokes the key and halts the ring; anybody may
    Prove(ProveArgs),
    /// Ask a relayer for a payment, as a client does
    Request(RequestArgs),
    /// Take a request back with the requester's key, as long as no turn carries it
    Cancel(CancelArgs),
    /// Unlock the key of a relayer that has it only in memory, lock it, or say how it is; at the relayer's host
    Unlock(UnlockArgs),
    /// Split a key into shares, some of which make it: nobody can unlock a relayer alone then
    Split(SplitArgs),
}

/// A ring.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, made once")]
pub enum RingCommand {
    /// Show a ring: its seats, the window of its next turn, what it spent
    Show {
        /// The ring's number
        #[arg(long, value_name = "N")]
        ring: u32,
    },
    /// Form a ring, or form it anew (master)
    Set(FormationArgs<DirectArgs>),
}

/// The steps of a rotation of keys.
#[derive(Debug, Subcommand)]
pub enum RotateCommand {
    /// First: write the charter as it is to be, and print what every seat's relayer is to be told
    Plan {
        /// The ring's number
        #[arg(long, value_name = "N")]
        ring: u32,
        /// The key of each seat, in their order, the old one where it stays; once for each, or one list with commas
        #[arg(long, value_name = "ADDRESS", value_delimiter = ',', num_args = 1.., value_parser = parse_address, required = true)]
        seat: Vec<Address>,
        /// When turns cease to execute then: 90d, 2027-06-30, `never` [default: as now]
        #[arg(long, value_name = "WHEN")]
        expires: Option<Expiry>,
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Second: see that every relayer was told and is ready, and prepare what the master is to sign
    Prepare {
        /// Which rotation.
        #[command(flatten)]
        rotation: RotationArgs,
        /// A file with the token that these relayers want, if they want one (scope `read`)
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// What is prepared.
        #[command(flatten)]
        how: PrepareArgs,
    },
    /// Last, after `sign` and `submit`: wait until every seat works with its new key
    Wait {
        /// Which rotation.
        #[command(flatten)]
        rotation: RotationArgs,
        /// How long to wait: until the change is final, which some chains take long for
        #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = time::parse_span)]
        patience: Duration,
    },
}

/// A rotation of keys.
#[derive(Debug, Args)]
pub struct RotationArgs {
    /// The ring's number
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// The charter that `rotate plan` wrote
    #[arg(long, value_name = "FILE")]
    pub charter: PathBuf,
    /// The relayer of a seat, http:// or https://; again for each seat
    #[arg(long, value_name = "URL", required = true)]
    pub relayer: Vec<String>,
    /// A file to which is added what was found, in words; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Everything that can be prepared.
#[derive(Debug, Subcommand)]
pub enum PrepareCommand {
    /// Form a ring
    #[command(subcommand)]
    Ring(PrepareRingCommand),
    /// The others.
    #[command(flatten)]
    Act(ActionCommand<PrepareArgs>),
}

/// A ring.
#[derive(Debug, Subcommand)]
pub enum PrepareRingCommand {
    /// Form a ring, or form it anew (master)
    Set(FormationArgs<PrepareArgs>),
}

/// A key.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The keystore with the key
    #[arg(long, value_name = "FILE")]
    pub keystore: PathBuf,
    /// A file with the keystore's password [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// A key in a keystore, or in a device.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("place").required(true).args(["keystore", "ledger", "trezor"]))]
pub struct SigningKeyArgs {
    /// The keystore with the key
    #[arg(long, value_name = "FILE")]
    pub keystore: Option<PathBuf>,
    /// A file with the keystore's password [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "keystore", conflicts_with_all = ["ledger", "trezor"])]
    pub password_file: Option<PathBuf>,
    /// The key is in the Ledger that is connected, with its Ethereum app open
    #[arg(long)]
    pub ledger: bool,
    /// The key is in the Trezor that is connected, or in an emulator of one: --trezor=udp:127.0.0.1:21324
    #[arg(long, value_name = "PLACE", num_args = 0..=1, require_equals = true, default_missing_value = "usb")]
    pub trezor: Option<TrezorPlace>,
    /// Which of the device's keys
    #[arg(long, value_name = "PATH", default_value = "m/44'/60'/0'/0/0", conflicts_with = "keystore")]
    pub derivation: DerivationPath,
}

/// In one step.
#[derive(Debug, Args)]
pub struct DirectArgs {
    /// Whose action it is.
    #[command(flatten)]
    pub key: SigningKeyArgs,
    /// The keystore of whoever sends the transaction and pays the gas [default: the key sends it itself]
    #[arg(long, value_name = "FILE")]
    pub sender_keystore: Option<PathBuf>,
    /// A file with that keystore's password [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "sender_keystore")]
    pub sender_password_file: Option<PathBuf>,
}

/// The first of three steps.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// Who is to sign [default: the master; for `master accept` the successor; a halt has no default]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub signer: Option<Address>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How long the signature is to be valid; a halt is valid for its epoch
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = time::parse_span)]
    pub valid_for: Duration,
    /// The signer's nonce, to prepare several actions that will be sent one after another [default: the next]
    #[arg(long)]
    pub nonce: Option<u64>,
}

/// What to do at a relayer's socket. Without anything: say how its key is.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// The socket that the relayer's configuration names (signer.memory.socket)
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Give the key in this keystore
    #[arg(long, value_name = "FILE", conflicts_with_all = ["share", "lock"])]
    pub keystore: Option<PathBuf>,
    /// A file with the keystore's password [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "keystore")]
    pub password_file: Option<PathBuf>,
    /// Give the share of the key in this file
    #[arg(long, value_name = "FILE", conflicts_with = "lock")]
    pub share: Option<PathBuf>,
    /// Have the key wiped
    #[arg(long)]
    pub lock: bool,
    /// For how long [default: as long as the relayer lets it]
    #[arg(long = "for", value_name = "SPAN", value_parser = time::parse_span, conflicts_with = "lock")]
    pub valid_for: Option<Duration>,
}

/// How to split a key.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["keystore", "mnemonic", "mnemonic_file"]))]
pub struct SplitArgs {
    /// The keystore with the key
    #[arg(long, value_name = "FILE")]
    pub keystore: Option<PathBuf>,
    /// A file with the keystore's password [default: ask on the terminal]
    #[arg(long, value_name = "FILE", requires = "keystore", conflicts_with_all = ["mnemonic", "mnemonic_file"])]
    pub password_file: Option<PathBuf>,
    /// The key of a mnemonic, which is typed at the terminal. The shares make the key again, not the words
    #[arg(long, requires = "address")]
    pub mnemonic: bool,
    /// The same with the mnemonic in a file
    #[arg(long, value_name = "FILE", requires = "address")]
    pub mnemonic_file: Option<PathBuf>,
    /// The address on the mnemonic's sheet
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "keystore")]
    pub address: Option<Address>,
    /// Which key of the mnemonic: m/44'/60'/0'/0/N
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "keystore")]
    pub index: u32,
    /// How many shares to make
    #[arg(long, value_name = "N")]
    pub shares: u8,
    /// How many of them make the key
    #[arg(long, value_name = "K")]
    pub threshold: u8,
    /// What their files' names begin with: OUT-1.share, OUT-2.share …; they must not exist
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
}

/// A new key.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The keystore to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A file with the keystore's password [default: ask on the terminal, twice]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Make guesses at the password cheap (scrypt with N = 2^13 instead of 2^18): for trials, and where memory is short
    #[arg(long)]
    pub light: bool,
}

/// A key on paper.
#[derive(Debug, Subcommand)]
pub enum PaperCommand {
    /// Make a new mnemonic, and a sheet with it: print the file, check the print, delete the file
    New {
        /// The sheet to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// How many words
        #[arg(long, value_name = "N", default_value_t = 24, value_parser = parse_words)]
        words: usize,
    },
    /// Type a mnemonic from its sheet, and see whether it makes the key that it should
    Check {
        /// The address on the sheet
        #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
        address: Address,
        /// A file with the mnemonic [default: ask on the terminal]
        #[arg(long, value_name = "FILE")]
        mnemonic_file: Option<PathBuf>,
        /// Which key of the mnemonic: m/44'/60'/0'/0/N
        #[arg(long, value_name = "N", default_value_t = 0)]
        index: u32,
    },
}

/// A key from elsewhere.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The keystore.
    #[command(flatten)]
    pub new: NewArgs,
    /// A file with the private key in hexadecimal [default: ask on the terminal for key or mnemonic]
    #[arg(long, value_name = "FILE", conflicts_with = "mnemonic_file")]
    pub private_key_file: Option<PathBuf>,
    /// A file with a mnemonic (BIP-39, English)
    #[arg(long, value_name = "FILE")]
    pub mnemonic_file: Option<PathBuf>,
    /// A file with a share of the key, as `split` makes them; again for each of those that are needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["private_key_file", "mnemonic_file", "index"])]
    pub share: Vec<PathBuf>,
    /// Which key of the mnemonic: m/44'/60'/0'/0/N
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub index: u32,
}

/// A deployment. Where the contract is there already, nobody has to pay.
#[derive(Debug, Args)]
#[command(mut_group("place", |place| place.required(false)))]
pub struct DeployArgs {
    /// The master
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub master: Address,
    /// The guardian [default: none]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub guardian: Option<Address>,
    /// Tells several contracts of one master and guardian apart: 0x and 64 hexadecimal digits
    #[arg(long, value_name = "0x…", default_value_t = B256::ZERO, value_parser = parse_salt)]
    pub salt: B256,
    /// Only print the address that it has, or will have, on every chain; needs no RPC
    #[arg(long, conflicts_with = "place")]
    pub predict: bool,
    /// Who deploys it and pays the gas.
    #[command(flatten)]
    pub key: SigningKeyArgs,
}

/// Which rings.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these rings [default: all that were ever formed]
    #[arg(long, value_name = "N", num_args = 1.., value_delimiter = ',')]
    pub ring: Vec<u32>,
    /// Ask this relayer where its key is, http:// or https://; again for each seat
    #[arg(long, value_name = "URL")]
    pub relayer: Vec<String>,
    /// A file with the token that these relayers want, if they want one (scope `read`)
    #[arg(long, value_name = "FILE", requires = "relayer")]
    pub token_file: Option<PathBuf>,
}

/// A description to compare with.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The file; docs/contract.example.toml explains it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// A description to write.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// The file to write; it must not exist [default: print it]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The second of three steps.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The file that `prepare` wrote
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Who signs.
    #[command(flatten)]
    pub key: SigningKeyArgs,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// A file to which is added what was signed, in words; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// The third of three steps.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The file that `sign` wrote
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// Who sends it and pays the gas; anybody may.
    #[command(flatten)]
    pub key: SigningKeyArgs,
    /// A file to which is added what was sent, in words, or why it was not; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Documents as QR codes.
#[derive(Debug, Subcommand)]
pub enum QrCommand {
    /// Show a file in the terminal, code after code
    Show {
        /// The file that `prepare` or `sign` wrote
        #[arg(long = "in", value_name = "FILE")]
        input: PathBuf,
        /// Write pictures instead: PREFIX-1.png, PREFIX-2.png …; they must not exist
        #[arg(long, value_name = "PREFIX")]
        png: Option<PathBuf>,
    },
    /// Read such codes: from pictures, or from a scanner that writes a line for each (`zbarcam --raw | ring-keys qr read …`)
    Read {
        /// The file to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Pictures, PNG or JPEG [default: lines from standard input]
        #[arg(value_name = "PICTURE")]
        pictures: Vec<PathBuf>,
    },
}

/// Halts for a sheet.
#[derive(Debug, Args)]
pub struct EmergencyKitArgs {
    /// A file that `sign` made of a halt; again for each ring
    #[arg(long = "in", value_name = "FILE", required = true)]
    pub input: Vec<PathBuf>,
    /// The sheet to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What a Safe is to call.
#[derive(Debug, Args)]
pub struct ExportSafeArgs {
    /// The file that `prepare` wrote, with the Safe as signer
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Two signed turns.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The file with the two turns as JSON: {"first": {"id": …, "callsHash": …, "signature": …}, "second": …}
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// Who sends it and pays the gas; anybody may.
    #[command(flatten)]
    pub key: SigningKeyArgs,
}

/// A payment that a client asks for.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// A relayer's address, http:// or https://
    #[arg(long, value_name = "URL")]
    pub relayer: String,
    /// The requester's key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The ring that is to pay
    #[arg(long, value_name = "N")]
    pub ring: u32,
    /// What to pay: `native`, or a token's address
    #[arg(long, value_name = "native|ADDRESS", value_parser = parse_asset)]
    pub pay: Address,
    /// Whom to pay
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub to: Address,
    /// How much: 1500000 (smallest unit), 1.5ether, 20gwei, 12.5tokens
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Amount,
    /// The token's decimals, if it cannot be asked
    #[arg(long)]
    pub decimals: Option<u8>,
    /// The request's name, 0x and 16 bytes, or a UUID: the same name and content ask for the same thing [default: a new UUID]
    #[arg(long, value_parser = parse_id)]
    pub id: Option<RequestId>,
    /// The gas of the call
    #[arg(long, default_value_t = 100_000)]
    pub gas: u32,
    /// How long it may take at most
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = time::parse_span)]
    pub expiry: Duration,
    /// Until when it may take, in Unix seconds, instead of --expiry: to repeat a request exactly
    #[arg(long, value_name = "UNIX", conflicts_with = "expiry")]
    pub expires_at: Option<u64>,
    /// The chain's id, instead of --rpc
    #[arg(long)]
    pub chain_id: Option<u64>,
    /// Wait until the request is final
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = time::parse_span, requires = "wait")]
    pub patience: Duration,
}

/// A request that its client takes back.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// A relayer's address, http:// or https://: one that knows the request
    #[arg(long, value_name = "URL")]
    pub relayer: String,
    /// The key that signed the request.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The request's name
    #[arg(long, value_parser = parse_id)]
    pub id: RequestId,
    /// The chain's id, instead of --rpc
    #[arg(long)]
    pub chain_id: Option<u64>,
    /// Wait until the request is cancelled for good
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = time::parse_span, requires = "wait")]
    pub patience: Duration,
}

/// Reads an address that is not zero. If it has capitals, they have to be right (EIP-55).
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    let address: Address = text
        .parse()
        .ok()
        .filter(|_| text.starts_with("0x"))
        .ok_or_else(|| format!("{text:?} is not an address: write 0x and 40 hexadecimal digits"))?;
    let digits = &text[2..];
    let one_case = digits == digits.to_lowercase() || digits == digits.to_uppercase();
    if !one_case && Address::parse_checksummed(text, None).is_err() {
        return Err(format!("{text} has a wrong checksum (EIP-55): a digit is wrong, copy it again"));
    }
    if address.is_zero() {
        return Err("this is the zero address, which nobody has".to_owned());
    }
    Ok(address)
}

/// Reads an asset: zero is the native coin.
pub(crate) fn parse_asset(text: &str) -> Result<Address, String> {
    if text == "native" {
        Ok(Address::ZERO)
    } else {
        parse_address(text).map_err(|error| format!("{error}, or `native`"))
    }
}

/// Reads an address or `none`, which is zero.
pub(crate) fn parse_guardian(text: &str) -> Result<Address, String> {
    if text == "none" { Ok(Address::ZERO) } else { parse_address(text).map_err(|error| format!("{error}, or `none`")) }
}

/// Reads a salt.
pub(crate) fn parse_salt(text: &str) -> Result<B256, String> {
    let salt = text.strip_prefix("0x").filter(|digits| digits.len() == 64).and_then(|_| text.parse().ok());
    salt.ok_or_else(|| format!("{text:?} is not a salt: write 0x and 64 hexadecimal digits"))
}

/// Reads a selector.
pub(crate) fn parse_selector(text: &str) -> Result<FixedBytes<4>, String> {
    let selector = text.strip_prefix("0x").filter(|digits| digits.len() == 8).and_then(|_| text.parse().ok());
    selector.ok_or_else(|| format!("{text:?} is not a selector: write 0x and 8 hexadecimal digits"))
}

/// Reads the id of a request.
pub(crate) fn parse_id(text: &str) -> Result<RequestId, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        return hex::decode_to_array(digits)
            .map(RequestId::from)
            .map_err(|_| format!("{text:?} is not an id: write 0x and 32 hexadecimal digits, or a UUID"));
    }
    uuid::Uuid::try_parse(text)
        .map(|uuid| uuid.into_bytes().into())
        .map_err(|_| format!("{text:?} is not an id: write 0x and 32 hexadecimal digits, or a UUID"))
}

fn parse_words(text: &str) -> Result<usize, String> {
    let words = text.parse().ok().filter(|words| paper::WORDS.contains(words));
    words.ok_or_else(|| format!("{text:?} is not a number of words for paper: write 12 or 24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_mistyped_address_is_refused() {
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert!(parse_address(right).is_ok());
        assert!(parse_address(&right.to_lowercase()).is_ok());
        assert!(parse_address(&right.replace("5aA", "5aa")).unwrap_err().contains("checksum"));
        assert!(parse_address(&right[2..]).is_err());
        assert!(parse_address("0x0000000000000000000000000000000000000000").unwrap_err().contains("zero"));
        assert_eq!(parse_asset("native"), Ok(Address::ZERO));
    }

    #[test]
    fn an_id_is_sixteen_bytes_or_a_uuid() {
        let id = RequestId::from([0x11; 16]);
        assert_eq!(parse_id("0x11111111111111111111111111111111"), Ok(id));
        assert_eq!(parse_id("11111111-1111-1111-1111-111111111111"), Ok(id));
        for text in ["", "0x11", "0x1111111111111111111111111111111111", "order 7"] {
            assert!(parse_id(text).is_err(), "{text}");
        }
    }
}
