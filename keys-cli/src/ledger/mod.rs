//! A key in a Ledger, asked through the device's Ethereum app.
//!
//! Commands and answers (APDUs) are those of LedgerHQ's app-ethereum, doc/ethapp.adoc: *GET ETH PUBLIC ADDRESS*, *SIGN
//! ETH EIP 712*, version 0, which is given two hashes and shows them, and *SIGN ETH TRANSACTION*. The device cannot
//! decode what the hashes are of; `sign` does, and prints them for whoever compares.

mod hid;
mod path;

use alloy::primitives::{Address, B256, Signature, U256};

pub use hid::Hid;
pub use path::{DerivationPath, PathError};

/// The class of the app's commands.
const CLASS: u8 = 0xe0;
const GET_ADDRESS: u8 = 0x02;
const SIGN_TRANSACTION: u8 = 0x04;
const SIGN_EIP_712: u8 = 0x0c;
/// The parameter of a command that goes on with the one before it.
const MORE: u8 = 0x80;
/// The most that one command holds.
const MOST: usize = 255;
/// How long the end of an old transaction is (EIP-155): the chain's id and two zeroes. A command that held nothing but
/// this would be taken for none (LedgerHQ/app-ethereum, issue 409).
const TAIL: usize = 3;

/// Why a Ledger does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is none.
    #[error("no Ledger is found: connect it, unlock it and open its Ethereum app{0}")]
    NotFound(&'static str),
    /// There is more than one.
    #[error("{0} Ledgers are connected: leave the one with the key")]
    Several(usize),
    /// The connection broke.
    #[error("the Ledger cannot be reached: {0}; connect it again, unlock it and open its Ethereum app")]
    Connection(String),
    /// It sent what makes no sense.
    #[error("the Ledger sent what this version does not understand: {0}")]
    Answer(String),
    /// Its owner said no.
    #[error("it was declined on the Ledger: nothing was signed")]
    Declined,
    /// It is locked.
    #[error("the Ledger is locked: enter its PIN and try again")]
    Locked,
    /// Another app is open, or none.
    #[error("the Ledger's Ethereum app is not open: open it and try again")]
    NoApp,
    /// The app does not sign hashes.
    #[error(
        "the Ledger's Ethereum app does not sign what it cannot show in words: turn on \"Blind signing\" in its settings for this one \
         signature, compare what it shows with the above, and turn it off again"
    )]
    BlindSigning,
    /// Something else.
    #[error("the Ledger refused with status {0:#06x}: look it up in the documentation of its Ethereum app")]
    Refused(u16),
}

/// What passes commands on to the app, and answers back.
pub trait Transport {
    /// Sends a command; its answer ends with a status of two bytes.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError>;
}

/// A key in a Ledger.
#[derive(Debug)]
pub struct Ledger<T> {
    transport: T,
    path: DerivationPath,
}

impl<T: Transport> Ledger<T> {
    /// The key at this path.
    pub fn new(transport: T, path: DerivationPath) -> Self {
        Self { transport, path }
    }

    /// Which of the device's keys.
    pub fn path(&self) -> &DerivationPath {
        &self.path
    }

    /// Its address. With `show`, the device shows it, and its owner has to agree that it is the same.
    ///
    /// # Errors
    /// Any [`LedgerError`].
    pub fn address(&mut self, show: bool) -> Result<Address, LedgerError> {
        let answer = self.ask(GET_ADDRESS, u8::from(show), &self.path.to_bytes())?;
        // The public key's length and itself, the address's length and itself in hexadecimal.
        let broken = || LedgerError::Answer("no public key with its address".to_owned());
        let (length, rest) = answer.split_first().ok_or_else(broken)?;
        let (key, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(broken)?;
        let (length, rest) = rest.split_first().ok_or_else(broken)?;
        let text =
            rest.get(..usize::from(*length)).and_then(|text| std::str::from_utf8(text).ok()).ok_or_else(broken)?;
        let told: Address = text.parse().map_err(|_| broken())?;
        let made = match key {
            [4, point @ ..] if point.len() == 64 => Address::from_raw_public_key(point),
            _ => return Err(broken()),
        };
        match told == made {
            true => Ok(made),
            false => Err(LedgerError::Answer(format!("the address {told} with the public key of {made}"))),
        }
    }

    /// Signs an EIP-712 message of which the device is given two hashes, once its owner agrees. The signature has low s
    /// (EIP-2).
    ///
    /// # Errors
    /// Any [`LedgerError`].
    pub fn sign(&mut self, domain_separator: B256, struct_hash: B256) -> Result<Signature, LedgerError> {
        let data = [&self.path.to_bytes()[..], &domain_separator[..], &struct_hash[..]].concat();
        let answer = self.ask(SIGN_EIP_712, 0, &data)?;
        let [v @ (0 | 1 | 27 | 28), numbers @ ..] = &answer[..] else {
            return Err(LedgerError::Answer("no signature".to_owned()));
        };
        let Some((r, s)) = numbers.split_at_checked(32).filter(|(_, s)| s.len() == 32) else {
            return Err(LedgerError::Answer(format!("a signature of {} bytes", answer.len())));
        };
        let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
        let signature = Signature::new(r, s, matches!(v, 1 | 28));
        Ok(signature.normalize_s().unwrap_or(signature))
    }

    /// Signs a transaction, encoded without a signature, once its owner agrees: r and s of the signature. Which of the
    /// two points it is shows by the key; what the app says of it is cut to a byte for chains with large numbers.
    ///
    /// # Errors
    /// Any [`LedgerError`].
    pub fn sign_transaction(&mut self, encoded: &[u8]) -> Result<(U256, U256), LedgerError> {
        let data = [&self.path.to_bytes()[..], encoded].concat();
        // Some length does: they cannot all leave the same rest.
        let length = (1..=MOST).rev().find(|length| data.len() % length != TAIL).unwrap_or(MOST);
        let mut answer = Vec::new();
        for (number, part) in data.chunks(length).enumerate() {
            answer = self.ask(SIGN_TRANSACTION, if number == 0 { 0 } else { MORE }, part)?;
        }
        let [_, numbers @ ..] = &answer[..] else { return Err(LedgerError::Answer("no signature".to_owned())) };
        match numbers.split_at_checked(32).filter(|(_, s)| s.len() == 32) {
            Some((r, s)) => Ok((U256::from_be_slice(r), U256::from_be_slice(s))),
            None => Err(LedgerError::Answer(format!("a signature of {} bytes", answer.len()))),
        }
    }

    fn ask(&mut self, instruction: u8, parameter: u8, data: &[u8]) -> Result<Vec<u8>, LedgerError> {
        // 10 derivations and two hashes are shorter than a command can be.
        let length =
            u8::try_from(data.len()).map_err(|_| LedgerError::Answer("a command that is too long".to_owned()))?;
        let command = [&[CLASS, instruction, parameter, 0, length][..], data].concat();
        let mut answer = self.transport.exchange(&command)?;
        let Some((rest, status)) = answer.split_last_chunk::<2>() else {
            return Err(LedgerError::Answer("an answer without a status".to_owned()));
        };
        let (status, length) = (u16::from_be_bytes(*status), rest.len());
        answer.truncate(length);
        match status {
            0x9000 => Ok(answer),
            0x6985 | 0x6a81 => Err(LedgerError::Declined),
            0x5515 | 0x6982 | 0x6b0c => Err(LedgerError::Locked),
            0x6511 | 0x6d00 | 0x6d02 | 0x6e00 | 0x6e01 => Err(LedgerError::NoApp),
            0x6a80 => Err(LedgerError::BlindSigning),
            status => Err(LedgerError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        hex,
        primitives::{address, b256, keccak256},
    };

    use super::*;

    /// Exchanges with devices, two different ones, as LedgerHQ recorded them for the tests of @ledgerhq/hw-app-eth
    /// 6.47.1 (Eth.unit.test.ts, "getAddress" and "signEIP712HashedMessage"): the key at 44'/60'/0'/0'/0.
    const ADDRESS_ASKED: &str = "e002000015058000002c8000003c800000008000000000000000";
    const ADDRESS_ANSWERED: &str = "4104df00ad3869baad7ce54f4d560ba7f268d542df8f2679a5898d78a690c3db8f9833d2973671cb14b088e91bdf7c0ab00029a576473c0e12f84d252e630bb3809b28436241393833363265313939633431453138363444303932334146393634366433413634383435319000";
    const SIGNATURE_ASKED: &str = "e00c000055058000002c8000003c800000008000000000000000c24f499b8c957196651b13edd64aaccc3980009674b2aea0966c8a56ba81278e9d96be8a7cca396e711a3ba356bd9878df02a726d753ddb6cda3c507d888bc77";
    const SIGNATURE_ANSWERED: &str = "1c47937d12e45197f2f4c47fe34e88944ee10c8e9ee1faf7aa4658f5aab8e0d2bb026c0d81290478fbc45d5bc1308c4b7119ab43d986805413e7f85da5d94597e79000";
    const DOMAIN: B256 = b256!("c24f499b8c957196651b13edd64aaccc3980009674b2aea0966c8a56ba81278e");
    const MESSAGE: B256 = b256!("9d96be8a7cca396e711a3ba356bd9878df02a726d753ddb6cda3c507d888bc77");

    /// Answers one command, and no other.
    struct Recorded {
        asked: &'static str,
        answered: Vec<u8>,
    }

    impl Transport for Recorded {
        fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
            assert_eq!(hex::encode(command), self.asked);
            Ok(self.answered.clone())
        }
    }

    fn ledger(asked: &'static str, answered: &[u8]) -> Ledger<Recorded> {
        let path = "m/44'/60'/0'/0'/0".parse().unwrap();
        Ledger::new(Recorded { asked, answered: answered.to_vec() }, path)
    }

    fn recorded(asked: &'static str, answered: &str) -> Ledger<Recorded> {
        ledger(asked, &hex::decode(answered).unwrap())
    }

    #[test]
    fn the_address_is_that_of_a_recorded_exchange() {
        let address = recorded(ADDRESS_ASKED, ADDRESS_ANSWERED).address(false).unwrap();
        assert_eq!(address, address!("CbA98362e199c41E1864D0923AF9646d3A648451"));
    }

    #[test]
    fn a_recorded_signature_is_what_ledgers_own_library_reads_in_it() {
        let signature = recorded(SIGNATURE_ASKED, SIGNATURE_ANSWERED).sign(DOMAIN, MESSAGE).unwrap();
        let (r, s) = (&SIGNATURE_ANSWERED[2..66], &SIGNATURE_ANSWERED[66..130]);
        assert_eq!(hex::encode(signature.as_bytes()), format!("{r}{s}1c"));
    }

    /// What the app signed in Speculos, with the seed that Speculos has by default (LedgerHQ, app-ethereum,
    /// tests/ragger/test_eip712.py, `test_eip712_legacy`), as an exchange.
    #[test]
    fn a_signature_of_two_hashes_is_by_the_key_at_the_path_as_eip_712_says() {
        let domain = b256!("6137beb405d9ff777172aa879e33edb34a1460e701802746c5ef96e741710e59");
        let message = b256!("eb4221181ff3f1a83ea7313993ca9218496e424604ba9492bb4052c03d5c3df8");
        let asked = "e00c000055058000002c8000003c8000000000000000000000006137beb405d9ff777172aa879e33edb34a1460e701802746c5ef96e741710e59eb4221181ff3f1a83ea7313993ca9218496e424604ba9492bb4052c03d5c3df8";
        let answered = hex!(
            "1cea66f747173762715751c889fea8722acac3fc35db2c226d37a2e58815398f6452d8ba9153de9255da220ffd36762c0b027701a3b5110f0a765f94b16a9dfb559000"
        );
        let transport = Recorded { asked, answered: answered.to_vec() };
        let signature = Ledger::new(transport, "m/44'/60'/0'/0/0".parse().unwrap()).sign(domain, message).unwrap();
        let digest = keccak256([&[0x19, 0x01][..], &domain[..], &message[..]].concat());
        let signer = signature.recover_address_from_prehash(&digest).unwrap();
        assert_eq!(signer, address!("Dad77910DbDFdE764fC21FCD4E74D71bBACA6D8D"));
    }

    /// Answers these commands in this order, and no other.
    struct Script(std::vec::IntoIter<(String, Vec<u8>)>);

    impl Transport for Script {
        fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
            let (asked, answered) = self.0.next().expect("nothing more is asked");
            assert_eq!(hex::encode(command), asked);
            Ok(answered)
        }
    }

    /// The same library's recording of a transfer of an ERC-1155 in two commands ("clearSignTransaction", without what
    /// clears it). The device's own address is in it: `from`.
    const TRANSFER: [(&str, &str); 2] = [
        (
            "e0040000ff058000002c8000003c80000000000000000000000002f8ee01808414dc9380850d54eb0ea883010ab494d07dc4262bcdbf85190c01c996b4c06a461d243080b8c4f242432a0000000000000000000000006cbcd73cd8e8a42844662f0a0e76d7f79afd933d000000000000000000000000b0b5b0106d69fe64545a60a68c014f7570d3f861000000000000000000000000000000000000000000000000000000000004041c000000000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000000000a00000000000000000000000000000000000000000000000000000",
            "9000",
        ),
        (
            "e004800007000000000000c0",
            "016467047c39c2c3db9dbe8aa03802c80830beb659f0eed7470735098f2c44cfae7b2aa36e2f31c6e0d37a00b93789ef4eef4fd016dd3b92fa893e7e741a152be99000",
        ),
    ];

    fn script(exchanges: &[(&str, &str)]) -> Ledger<Script> {
        let exchanges: Vec<_> =
            exchanges.iter().map(|(asked, answered)| ((*asked).to_owned(), hex::decode(answered).unwrap())).collect();
        Ledger::new(Script(exchanges.into_iter()), "m/44'/60'/0'/0/0".parse().unwrap())
    }

    /// The transaction in the commands: what follows their heads and the path.
    fn transfer() -> Vec<u8> {
        let [first, second] = TRANSFER.map(|(asked, _)| hex::decode(asked).unwrap());
        [&first[5 + 21..], &second[5..]].concat()
    }

    #[test]
    fn a_transaction_goes_in_the_commands_of_a_recorded_exchange_and_its_signature_is_the_senders() {
        let transaction = transfer();
        let (r, s) = script(&TRANSFER).sign_transaction(&transaction).unwrap();
        let from = address!("6cBCD73CD8e8a42844662f0A0e76D7F79Afd933D");
        let recovered = Signature::new(r, s, true).recover_address_from_prehash(&keccak256(&transaction)).unwrap();
        assert_eq!(recovered, from);
    }

    #[test]
    fn no_command_holds_the_end_of_an_old_transaction_alone() {
        let path = 21;
        for length in [1, 233, 234, 235, 236, 237, 238, 489, 490, 491, 492, 493, 1_000, 5_000] {
            struct Counts(Vec<usize>);
            impl Transport for Counts {
                fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
                    assert_eq!(command[2], if self.0.is_empty() { 0 } else { 0x80 });
                    assert_eq!(usize::from(command[4]), command.len() - 5);
                    self.0.push(command.len() - 5);
                    Ok([&[0; 65][..], &[0x90, 0]].concat())
                }
            }
            let mut ledger = Ledger::new(Counts(Vec::new()), "m/44'/60'/0'/0/0".parse().unwrap());
            ledger.sign_transaction(&vec![7; length]).unwrap();
            assert_eq!(ledger.transport.0.iter().sum::<usize>(), path + length);
            assert_ne!(ledger.transport.0.last(), Some(&3), "{length}");
        }
    }

    #[test]
    fn a_transaction_that_is_declined_or_answered_by_something_else_is_not_signed() {
        let declined = [TRANSFER[0], (TRANSFER[1].0, "6985")];
        assert!(matches!(script(&declined).sign_transaction(&transfer()), Err(LedgerError::Declined)));
        let blind = [(TRANSFER[0].0, "6a80")];
        assert!(matches!(script(&blind).sign_transaction(&transfer()), Err(LedgerError::BlindSigning)));
        for answer in ["9000", "01029000"] {
            let short = [TRANSFER[0], (TRANSFER[1].0, answer)];
            assert!(matches!(script(&short).sign_transaction(&transfer()), Err(LedgerError::Answer(_))), "{answer}");
        }
    }

    #[test]
    fn a_signature_with_high_s_is_made_canonical() {
        let low = recorded(SIGNATURE_ASKED, SIGNATURE_ANSWERED).sign(DOMAIN, MESSAGE).unwrap();
        let order = U256::from_be_slice(&hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
        let high =
            [&[27][..], &low.r().to_be_bytes::<32>(), &(order - low.s()).to_be_bytes::<32>(), &[0x90, 0]].concat();
        assert_eq!(ledger(SIGNATURE_ASKED, &high).sign(DOMAIN, MESSAGE).unwrap(), low);
    }

    #[test]
    fn an_address_that_is_not_of_its_public_key_is_refused() {
        let mut answer = hex::decode(ADDRESS_ANSWERED).unwrap();
        answer[40] ^= 1;
        assert!(matches!(ledger(ADDRESS_ASKED, &answer).address(false), Err(LedgerError::Answer(_))));
    }

    #[test]
    fn every_status_says_what_to_do() {
        for (status, part) in [
            (0x6985_u16, "declined"),
            (0x5515, "PIN"),
            (0x6d00, "open it"),
            (0x6e00, "open it"),
            (0x6a80, "Blind signing"),
            (0x6f00, "0x6f00"),
        ] {
            let error = ledger(SIGNATURE_ASKED, &status.to_be_bytes()).sign(DOMAIN, MESSAGE).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn whatever_comes_instead_of_an_answer_is_refused() {
        let (address, signature) = (hex::decode(ADDRESS_ANSWERED).unwrap(), hex::decode(SIGNATURE_ANSWERED).unwrap());
        for length in 0..address.len() - 2 {
            let answer = [&address[..length], &[0x90, 0]].concat();
            ledger(ADDRESS_ASKED, &answer).address(false).unwrap_err();
        }
        for length in 0..signature.len() - 2 {
            let answer = [&signature[..length], &[0x90, 0]].concat();
            ledger(SIGNATURE_ASKED, &answer).sign(DOMAIN, MESSAGE).unwrap_err();
        }
        ledger(SIGNATURE_ASKED, &[&signature[..65], &[0, 0x90, 0]].concat()).sign(DOMAIN, MESSAGE).unwrap_err();
        ledger(SIGNATURE_ASKED, &[]).sign(DOMAIN, MESSAGE).unwrap_err();
    }
}
